"""Signed submissions acknowledged a second, through the real API, by a client in another process.

    python -m benchmarks.submissions

An acknowledged submission has travelled over TLS, had its signature, its items and its openings
checked, and is on disk under a signed checkpoint. Beside it, in the same run: what SQLite alone commits
in groups of the same size, and what one core verifies of bare Ed25519 signatures.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Final

from nacl.signing import SigningKey

from coordinator.config import Home
from coordinator.keys import load_keys
from protos.gen import api_pb2, api_pb2_grpc
from tests.helpers import Person, append_request, campaign_record, registration, submission_request
from tests.live_coordinator import channel_to, found_network, serving_process

SINGLES: Final = 3_000
BATCHES: Final = 60
BATCH_ITEMS: Final = 1_000
SINGLE_CLIENTS: Final = 64  # calls under way at once
BATCH_CLIENTS: Final = 4
BARE_SIGNATURES: Final = 2_000


async def _measure(
    requests: list[api_pb2.AppendRequest], clients: int, stub: object
) -> list[float]:
    """Seconds of each call, with `clients` calls under way at once; the whole time comes last."""
    waiting = iter(requests)
    seconds: list[float] = []

    async def client() -> None:
        for request in waiting:
            began = time.perf_counter()
            await stub.Append(request)  # type: ignore[attr-defined]
            seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return [*seconds, time.perf_counter() - began]


async def _client(directory: Path, port: int) -> dict[str, float]:
    home = Home(directory)
    keys = load_keys(home)
    operator, author = Person("operator"), Person("author")
    operator.signing_key = keys.operator_key
    rng = random.Random(1)
    # Made beforehand: what a contributor's machine does is not the coordinator's speed.
    singles = [submission_request(author, keys.network, [1], rng) for _ in range(SINGLES)]
    batches = [
        submission_request(author, keys.network, [1] * BATCH_ITEMS, rng) for _ in range(BATCHES)
    ]
    async with channel_to(keys, port) as channel:
        stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
        await stub.Append(append_request(operator, "campaign", campaign_record(keys.network)))
        await stub.Append(append_request(author, "register", registration(author, keys.network)))
        *each, single_seconds = await _measure(singles, SINGLE_CLIENTS, stub)
        *_, batch_seconds = await _measure(batches, BATCH_CLIENTS, stub)
    cuts = quantiles(each, n=100)
    return {
        "singles_per_second": SINGLES / single_seconds,
        "single_p50_ms": cuts[49] * 1_000,
        "single_p99_ms": cuts[98] * 1_000,
        "batched_items_per_second": BATCHES * BATCH_ITEMS / batch_seconds,
    }


def _bare_sqlite(directory: Path) -> float:
    """Rows of 300 bytes a second, in durable commits of as many rows as clients wait."""
    connection = sqlite3.connect(directory / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, body BLOB)")
    began = time.perf_counter()
    for start in range(0, SINGLES, SINGLE_CLIENTS):
        rows = [(number, bytes(300)) for number in range(start, start + SINGLE_CLIENTS)]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO entries VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return SINGLES / seconds


def _bare_ed25519() -> float:
    """Verifications a second, on one core."""
    key = SigningKey(bytes(32))
    signed = [key.sign(number.to_bytes(100, "big")) for number in range(BARE_SIGNATURES)]
    began = time.perf_counter()
    for message in signed:
        key.verify_key.verify(message)
    return BARE_SIGNATURES / (time.perf_counter() - began)


def run() -> dict[str, object]:
    """All figures of one run."""
    with tempfile.TemporaryDirectory() as temporary:
        home = found_network(Path(temporary) / "net")
        with serving_process(home) as (_, address):
            client = [sys.executable, "-m", "benchmarks.submissions", str(home.path)]
            answer = subprocess.run(
                [*client, str(address.grpc_port)], check=True, capture_output=True, text=True
            )
        figures: dict[str, object] = json.loads(answer.stdout)
        figures["bare_sqlite_rows_per_second"] = _bare_sqlite(Path(temporary))
    figures["bare_ed25519_per_second"] = _bare_ed25519()
    return figures


def main() -> None:
    """Prints the table; with a directory and a port, is the client of a running server."""
    if len(sys.argv) == 3:
        figures = asyncio.run(_client(Path(sys.argv[1]), int(sys.argv[2])))
        json.dump(figures, sys.stdout)
        return
    for name, figure in run().items():
        print(f"{name:32} {figure:>12,.1f}")


if __name__ == "__main__":
    main()
