"""What the log costs: appends through the sequencer beside bare SQLite, proofs, roots, start-up.

    python -m benchmarks.ledger [DIRECTORY]

The ledger lives in DIRECTORY (default: a temporary one), whose disk decides the first figures.
Compare columns of one run only: absolute rates belong to the machine.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nacl.signing import SigningKey

from coordinator.ledger import Ledger, Staged
from coordinator.sequencer import Sequencer
from protocol.log.merkle import MerkleTree, hash_leaf, root_of, verify_consistency, verify_inclusion
from protocol.log.note import Verifier, sign_checkpoint

ENVELOPE_BYTES = 400  # a submission record with its signature
# Callers that wait together, and how many entries each of them appends in turn.
LOADS = {1: 300, 64: 100, 1000: 20}
TREE_SIZE = 1_000_000
BATCH_LEAVES = 20_000
LEAF_BYTES = 200
PROOFS = 2_000

KEY = SigningKey(bytes(range(32)))
LOG = Verifier("log.example/benchmark", bytes(KEY.verify_key))


def sign(size: int, root: bytes) -> bytes:
    return sign_checkpoint(LOG, size, root, lambda text: KEY.sign(text).signature)


def make_envelope(number: int) -> bytes:
    return number.to_bytes(8, "big") * (ENVELOPE_BYTES // 8)


def stop(error: Exception) -> None:
    raise SystemExit(f"the ledger failed: {error}")


async def append(url: str, callers: int, rounds: int) -> dict[str, float]:
    """Append callers * rounds entries; return the rate and the waiting times of the callers."""
    waits_ms: list[float] = []

    async def call(sequencer: Sequencer, caller: int) -> None:
        for turn in range(rounds):
            staged = Staged(make_envelope(caller * rounds + turn))
            begun = time.perf_counter()
            await sequencer.submit(staged, index=sequencer.next_index)
            waits_ms.append(1000 * (time.perf_counter() - begun))

    with Ledger.create(url, LOG.name) as ledger:
        async with Sequencer(ledger, MerkleTree(), sign, stop) as sequencer:
            begun = time.perf_counter()
            async with asyncio.TaskGroup() as callers_group:
                for caller in range(callers):
                    callers_group.create_task(call(sequencer, caller))
            elapsed = time.perf_counter() - begun
    waits_ms.sort()
    return {
        "per_s": len(waits_ms) / elapsed,
        "p50_ms": waits_ms[len(waits_ms) // 2],
        "p99_ms": waits_ms[len(waits_ms) * 99 // 100],
    }


def append_bare(path: Path, per_commit: int, commits: int) -> float:
    """Return entries/s of the same rows in the same commits with nothing but SQLite."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        'CREATE TABLE entries ("index" INTEGER PRIMARY KEY, envelope BLOB, leaf_hash BLOB) STRICT',
        "CREATE INDEX by_leaf_hash ON entries (leaf_hash)",
    ):
        connection.execute(statement)
    begun = time.perf_counter()
    for commit in range(commits):
        start = commit * per_commit
        envelopes = ((at, make_envelope(at)) for at in range(start, start + per_commit))
        rows = [(at, envelope, hash_leaf(envelope)) for at, envelope in envelopes]
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
    elapsed = time.perf_counter() - begun
    connection.close()
    return per_commit * commits / elapsed


def measure_appends(directory: Path) -> dict[str, object]:
    figures: dict[str, object] = {}
    for callers, rounds in LOADS.items():
        bare = append_bare(directory / f"bare-{callers}.db", callers, rounds)
        url = f"sqlite:///{directory}/ledger-{callers}.db"
        ours = asyncio.run(append(url, callers, rounds))
        figures[f"append_{callers}_callers"] = {
            **{name: round(value, 1) for name, value in ours.items()},
            "bare_sqlite_per_s": round(bare, 1),
            "of_bare_sqlite": round(ours["per_s"] / bare, 2),
        }
    return figures


def time_us(repeat: int, call: Callable[[int], object]) -> float:
    """Return the mean microseconds of `call(0) .. call(repeat - 1)`."""
    begun = time.perf_counter()
    for number in range(repeat):
        call(number)
    return round(1e6 * (time.perf_counter() - begun) / repeat, 1)


def measure_tree() -> dict[str, object]:
    leaf_hashes = [hash_leaf(number.to_bytes(4, "big")) for number in range(TREE_SIZE)]
    begun = time.perf_counter()
    tree = MerkleTree(leaf_hashes)
    elapsed = time.perf_counter() - begun
    size, root = TREE_SIZE - 1, tree.root(TREE_SIZE - 1)  # not a round number: a ragged edge
    indices = [number * size // PROOFS for number in range(PROOFS)]
    inclusion = [tree.inclusion_proof(index, size) for index in indices]
    consistency = [tree.consistency_proof(index + 1, size) for index in indices]
    roots = [tree.root(index + 1) for index in indices]
    return {
        "tree_size": size,
        "append_leaf_us": round(1e6 * elapsed / TREE_SIZE, 2),
        "root_us": time_us(PROOFS, lambda n: tree.root(indices[n] + 1)),
        "inclusion_prove_us": time_us(PROOFS, lambda n: tree.inclusion_proof(indices[n], size)),
        "inclusion_verify_us": time_us(
            PROOFS,
            lambda n: verify_inclusion(
                leaf_hashes[indices[n]], indices[n], size, inclusion[n], root
            ),
        ),
        "consistency_prove_us": time_us(
            PROOFS, lambda n: tree.consistency_proof(indices[n] + 1, size)
        ),
        "consistency_verify_us": time_us(
            PROOFS,
            lambda n: verify_consistency(indices[n] + 1, size, consistency[n], roots[n], root),
        ),
    }


def measure_batch_root() -> dict[str, object]:
    leaves = [number.to_bytes(8, "big") * (LEAF_BYTES // 8) for number in range(BATCH_LEAVES)]
    elapsed_us = time_us(5, lambda _: root_of(leaves))
    return {
        "batch_leaves": BATCH_LEAVES,
        "batch_root_ms": round(elapsed_us / 1000, 1),
        "batch_leaves_per_s": round(1e6 * BATCH_LEAVES / elapsed_us),
    }


def measure_start(directory: Path) -> dict[str, object]:
    """Time the recovery path on the largest ledger that `measure_appends` left."""
    with Ledger.open(f"sqlite:///{directory}/ledger-{max(LOADS)}.db") as ledger:
        begun = time.perf_counter()
        size = ledger.load_tree(LOG).size
        elapsed = time.perf_counter() - begun
    return {"start_entries": size, "start_entries_per_s": round(size / elapsed)}


def run(directory: Path | None = None) -> dict[str, object]:
    """Measure everything once, in `directory` or a temporary one."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        return {
            **measure_appends(Path(place)),
            **measure_start(Path(place)),
            **measure_tree(),
            **measure_batch_root(),
        }


if __name__ == "__main__":
    for name, figure in run(Path(sys.argv[1]) if len(sys.argv) > 1 else None).items():
        print(f"{name:24} {figure}")
