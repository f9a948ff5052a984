"""What moving content costs: a blob between two node processes, beside plain TLS in the same run.

    python -m benchmarks.transfer [MEGABYTES]

Each side is a process of its own. The peer-to-peer side authenticates, asks for permission, hashes,
and makes the file durable; the TLS side only writes what it reads to a file. Peak memory is each
process's own VmHWM; `growth` is what the large blob added to the peak of a small one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from commonground.p2p import Denial, DialRule, Grant, OpenBlob, PeerPolicy
from commonground.p2p.host import PeerHost
from node.blobs import commit_content

MEGABYTE = 1_000_000
SMALL_MEGABYTES = 8
ITEM, PART, SALT = bytes(32), "content", b"\x01" * 32
CHUNK_BYTES = 1024 * 1024


class _File:
    """A BlobSource of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def open(self, item_id: bytes, part: str) -> OpenBlob | None:
        return OpenBlob(SALT, self._path.stat().st_size, self._path.open("rb"))


async def _grant(item_id: bytes, part: str, peer: bytes) -> Grant | Denial:
    return Grant()


async def _accept(author: bytes, data: bytes) -> bool:
    return True


def _host(seed: int, path: Path) -> PeerHost:
    return PeerHost(
        bytes([seed]) * 32,
        authorise=_grant,
        source=_File(path),
        validate_checkpoint=_accept,
        policy=PeerPolicy(served_bytes_per_second_per_peer=10**12),
        dialling=DialRule("127.0.0.1"),
    )


def _say(**message: object) -> None:
    print(json.dumps(message), flush=True)


def peak_bytes() -> int:
    """The peak resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


async def _serve_peer(path: Path) -> None:
    host = _host(1, path)
    await host.start()
    _say(peer_id=host.peer_id, addresses=host.addresses)
    await asyncio.to_thread(sys.stdin.read)
    _say(peak=peak_bytes())
    await host.stop()


async def _fetch_peer(server: dict[str, list[str]], path: Path, sink: Path) -> None:
    with path.open("rb") as stream:
        commitment, size = commit_content(SALT, stream)
    host = _host(2, path)
    await host.start()
    peer_id = str(server["peer_id"])
    await host.connect(peer_id, server["addresses"])
    start = time.perf_counter()
    await host.fetch(
        peer_id,
        server["addresses"],
        ITEM,
        PART,
        sink_path=sink,
        size_max=size,
        commitment=commitment,
    )
    _say(seconds=time.perf_counter() - start, peak=peak_bytes())
    await host.stop()


def _certificate(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = directory / "key.pem", directory / "certificate.pem"
    paths[0].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    paths[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return paths


async def _serve_tls(path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as directory:
        key, certificate = _certificate(Path(directory))
        context.load_cert_chain(certificate, key)

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(send, "127.0.0.1", 0, ssl=context)
    _say(port=server.sockets[0].getsockname()[1])
    await asyncio.to_thread(sys.stdin.read)
    _say(peak=peak_bytes())


async def _fetch_tls(server: dict[str, int], path: Path, sink: Path) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    start = time.perf_counter()
    reader, _ = await asyncio.open_connection("127.0.0.1", server["port"], ssl=context)
    received = 0
    with sink.open("wb") as stream:
        while chunk := await reader.read(CHUNK_BYTES):
            stream.write(chunk)
            received += len(chunk)
    _say(seconds=time.perf_counter() - start, peak=peak_bytes())
    if received != path.stat().st_size:
        raise SystemExit("the TLS transfer is incomplete")


def _transfer(kind: str, path: Path, sink: Path) -> dict[str, float]:
    """One transfer between two fresh processes: seconds, and both peaks in bytes."""
    command = [sys.executable, "-m", "benchmarks.transfer", kind, str(path), str(sink)]
    server = subprocess.Popen(
        [*command, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    hello = server.stdout.readline()
    try:
        client = subprocess.run(
            [*command, "fetch"], input=hello, capture_output=True, text=True, check=True
        )
    finally:
        said, _ = server.communicate(timeout=60)
    fetched = json.loads(client.stdout.splitlines()[-1])
    return {
        "seconds": fetched["seconds"],
        "receiver": fetched["peak"],
        "sender": json.loads(said.splitlines()[-1])["peak"],
    }


def _write_random(path: Path, size: int) -> None:
    """Incompressible content, cheaply: SHAKE-256 of the position."""
    with path.open("wb") as stream:
        for start in range(0, size, CHUNK_BYTES):
            block = hashlib.shake_256(start.to_bytes(8, "big")).digest(4096)
            stream.write((block * (CHUNK_BYTES // 4096))[: size - start])


def run(megabytes: int = 1000) -> dict[str, object]:
    """Move a small and a large blob both ways; speeds in MB/s, memory in MB."""
    figures: dict[str, object] = {"megabytes": megabytes}
    speeds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        small, large, sink = (Path(directory) / name for name in ("small", "large", "sink"))
        _write_random(small, SMALL_MEGABYTES * MEGABYTE)
        _write_random(large, megabytes * MEGABYTE)
        for kind in ("tls", "p2p"):
            base = _transfer(kind, small, sink)
            full = _transfer(kind, large, sink)
            speeds[kind] = megabytes / full["seconds"]
            figures[f"{kind}_mb_per_s"] = round(speeds[kind], 1)
            for side in ("sender", "receiver"):
                figures[f"{kind}_{side}_peak_mb"] = round(full[side] / MEGABYTE, 1)
                grown = (full[side] - base[side]) / MEGABYTE
                figures[f"{kind}_{side}_growth_mb"] = round(grown, 1)
    figures["p2p_to_tls"] = round(speeds["p2p"] / speeds["tls"], 2)
    return figures


def _child(kind: str, path: Path, sink: Path, role: str) -> None:
    if role == "serve":
        asyncio.run(_serve_peer(path) if kind == "p2p" else _serve_tls(path))
        return
    server = json.loads(sys.stdin.readline())
    asyncio.run((_fetch_peer if kind == "p2p" else _fetch_tls)(server, path, sink))


def main() -> None:
    arguments = sys.argv[1:]
    if len(arguments) == 4:
        _child(arguments[0], Path(arguments[1]), Path(arguments[2]), arguments[3])
        return
    for name, value in run(*map(int, arguments)).items():
        print(f"{name:24} {value}")


if __name__ == "__main__":
    main()
