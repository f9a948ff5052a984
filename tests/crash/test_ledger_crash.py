"""SIGKILL, anywhere: what was acknowledged is there, and what is there is a whole signed log.

A child process appends through the real sequencer and writes `index leaf-hash` to its standard
output for each receipt it got. It is killed at a numbered step of its k-th commit, or at
whatever instant the parent picks; the parent then opens the same file and holds it against
what was acknowledged. Killing a process does not prove that fsync happens: that the pragmas
are set is asserted in tests/integration/test_ledger.py.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from coordinator.ledger import COMMIT_STEPS, FatalStoreError, Ledger, Staged
from coordinator.sequencer import Sequencer
from protocol.log.batch import batch_root, check_batch, encode_bundle
from protocol.log.merkle import hash_leaf, verify_consistency, verify_inclusion
from protocol.log.note import Checkpoint, Verifier, open_checkpoint, sign_checkpoint

KEY = SigningKey(bytes(range(32)))
LOG = Verifier("log.example/crash", bytes(KEY.verify_key))
REPOSITORY = Path(__file__).parents[2]
ROUND = 7  # entries that wait together, so that commits hold more than one
KILLED_COMMIT = 3  # early enough to be quick, late enough to have a past to lose
RANDOM_KILLS = 12
ACKS_MAX = 120
SEED = 20_260_101


def sign(size: int, root: bytes) -> bytes:
    return sign_checkpoint(LOG, size, root, lambda text: KEY.sign(text).signature)


def make_entry(index: int) -> Staged:
    """Return an entry that the parent can make again: every third has a batch beside it."""
    if index % 3:
        return Staged(b"entry %d" % index, sealed={b"key %d" % index: b"opening %d" % index})
    leaves = [b"salt of leaf %d of %d" % (at, index) for at in range(5)]
    root = batch_root(leaves)
    return Staged(b"batch %d of " % index + root, encode_bundle(leaves), root)


# ---- The child ----------------------------------------------------------------------------------


async def append_forever(url: str, kill_at: str) -> None:
    """Append until killed; `kill_at` is `<step>` of commit KILLED_COMMIT, or empty."""
    begun = 0

    def at_step(step: str) -> None:
        nonlocal begun
        begun += step == "begun"
        if (step, begun) == (kill_at, KILLED_COMMIT):
            os.kill(os.getpid(), signal.SIGKILL)

    with Ledger.open(url, at_step=at_step) as ledger:
        tree = ledger.load_tree(LOG)
        async with Sequencer(ledger, tree, sign, on_fatal=lambda _: None) as sequencer:
            while True:
                start = sequencer.next_index
                for receipt in await asyncio.gather(
                    *(
                        sequencer.submit(make_entry(index), index=index)
                        for index in range(start, start + ROUND)
                    )
                ):
                    line = b"%d %s\n" % (receipt.index, receipt.checkpoint.hex().encode())
                    os.write(sys.stdout.fileno(), line)


# ---- The parent ---------------------------------------------------------------------------------


def run_child(url: str, kill_at: str = "", acks_wanted: int = ACKS_MAX) -> dict[int, Checkpoint]:
    """Run the child until it dies or has acknowledged enough; return what it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.test_ledger_crash", url, kill_at],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    acks: list[bytes] = []
    for line in child.stdout:
        acks.append(line)
        if len(acks) == acks_wanted:
            child.kill()  # and go on reading what it wrote before it died
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    whole = (line.split() for line in acks if line.endswith(b"\n"))
    return {int(index): open_checkpoint(bytes.fromhex(note.decode()), LOG) for index, note in whole}


def check_ledger(url: str, acknowledged: dict[int, Checkpoint]) -> int:
    """Re-derive the whole log and hold it against its checkpoint and against every receipt."""
    with Ledger.open(url) as ledger:
        tree = ledger.load_tree(LOG)
        head = open_checkpoint(ledger.checkpoint(), LOG) if tree.size else None
        for entry in ledger.entries(0, tree.size):
            expected = make_entry(entry.index)
            assert (entry.envelope, entry.bundle) == (expected.envelope, expected.bundle)
            leaf_hash = hash_leaf(entry.envelope)
            assert head is not None
            proof = tree.inclusion_proof(entry.index, head.size)
            verify_inclusion(leaf_hash, entry.index, head.size, proof, head.root)
            assert ledger.find(leaf_hash) == entry.index
            assert ledger.sealed(list(expected.sealed)) == expected.sealed
            if expected.root is not None:
                assert len(check_batch(expected.root, 5, entry.bundle or b"")) == 5
        for index, seen in acknowledged.items():
            assert head is not None
            assert index < seen.size <= head.size
            proof = tree.consistency_proof(seen.size, head.size)
            verify_consistency(seen.size, head.size, proof, seen.root, head.root)
        return tree.size


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger.create(url, LOG.name).close()
    return url


@pytest.mark.parametrize("step", COMMIT_STEPS)
def test_killed_at_each_step_of_a_commit(url: str, step: str) -> None:
    acknowledged = run_child(url, kill_at=step)
    size = check_ledger(url, acknowledged)
    before, with_killed = (KILLED_COMMIT - 1) * ROUND, KILLED_COMMIT * ROUND
    assert sorted(acknowledged) == list(range(before))
    assert size == (with_killed if step == "committed" else before)


def test_killed_again_and_again_at_any_moment(url: str) -> None:
    moments = random.Random(SEED)
    acknowledged: dict[int, Checkpoint] = {}
    for _ in range(RANDOM_KILLS):
        acknowledged |= run_child(url, acks_wanted=moments.randint(1, ACKS_MAX))
        assert check_ledger(url, acknowledged) > max(acknowledged)


def test_the_check_itself_notices_a_ledger_that_lost_an_entry(url: str, tmp_path: Path) -> None:
    """The canary: an operator restores yesterday's file, and the check must fail."""
    acknowledged = run_child(url, acks_wanted=1)
    check_ledger(url, acknowledged)  # closing it leaves everything in the one file
    yesterday = (tmp_path / "ledger.db").read_bytes()
    acknowledged = run_child(url)
    check_ledger(url, acknowledged)
    (tmp_path / "ledger.db").write_bytes(yesterday)
    with pytest.raises(AssertionError):
        check_ledger(url, acknowledged)


def test_failed_but_persisted_then_killed_while_recovering(url: str) -> None:
    """The double fault: a commit that raises after it persisted, and a kill right after."""

    def fail(step: str) -> None:
        if step == "committed":
            raise OSError("input/output error")

    entry = make_entry(0)
    with Ledger.open(url, at_step=fail) as ledger:
        tree = ledger.load_tree(LOG)
        tree.append(entry.leaf_hash)
        with pytest.raises(FatalStoreError):
            ledger.commit([entry], sign(1, tree.root()), 0)
    acknowledged = run_child(url, kill_at="head")
    assert sorted(acknowledged) == list(range(1, 1 + (KILLED_COMMIT - 1) * ROUND))
    assert check_ledger(url, acknowledged) == 1 + (KILLED_COMMIT - 1) * ROUND


if __name__ == "__main__":
    asyncio.run(append_forever(sys.argv[1], sys.argv[2]))
