"""SIGKILL in the middle of an erasure: afterwards all of it is there, or the next start leaves nothing.

A child process does the real work on a real home and is killed before or after a numbered step of
it; the parent searches what is left, starts again, and searches once more.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger import COMMIT_STEPS, Erasure, Ledger, Staged
from node.blobs import BlobStore
from node.erasure import finish_erasure
from node.follower import Follower
from node.store import Store
from protocol.log.batch import batch_root, encode_bundle, erase
from protocol.log.merkle import hash_leaf
from protocol.log.note import Verifier, sign_checkpoint
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb
from tests.fold import people
from tests.simulated import LOG_KEY, NETWORK, Network
from tests.simulated_log import LINK, feed, page_of
from tests.traces import found_in
from tests.withdrawing import Home

LOG = Verifier("log.example/withdraw", bytes(LOG_KEY.verify_key))


def run_child(work: Callable[..., None], *arguments: object) -> int | None:
    """Does the work in a process of its own; gives its exit code."""
    child = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    child.start()
    child.join()
    return child.exitcode


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# ---- The coordinator's ledger ----

LEAVES = [bytes([number]) * 64 for number in range(1, 200)]
OPENINGS = b"salt of the proposal that goes" * 2
TRACES = {"leaf": LEAVES[100], "salt": OPENINGS}


def withdraw_in_ledger(url: str, kill_at: str) -> None:
    """Logs a withdrawal; killed as the commit passes the step."""
    with Ledger.open(url, at_step=lambda step: die() if step == kill_at else None) as ledger:
        erasure = Erasure(
            {0: frozenset([hash_leaf(LEAVES[100])])}, {b"proposals": lambda _: b"what stays"}
        )
        commit(ledger, Staged(b"withdraw", erasure=erasure))


def commit(ledger: Ledger, staged: Staged) -> None:
    tree = ledger.load_tree(LOG)
    size = tree.append(staged.leaf_hash)
    note = sign_checkpoint(LOG, tree.size, tree.root(), lambda text: LOG_KEY.sign(text).signature)
    ledger.commit([staged], note, size)


@pytest.mark.parametrize("step", [*COMMIT_STEPS, ""])
def test_a_ledger_erases_all_or_nothing(tmp_path: Path, step: str) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger.create(url, LOG.name).close()
    with Ledger.open(url) as ledger:
        bundle = encode_bundle(LEAVES)
        commit(ledger, Staged(b"submission", bundle, batch_root(LEAVES), {b"proposals": OPENINGS}))
    assert set(found_in(tmp_path, TRACES)) == {"leaf", "salt"}
    assert run_child(withdraw_in_ledger, url, step) == (-signal.SIGKILL if step else 0)
    with Ledger.open(url) as ledger:
        ledger.load_tree(LOG)
        [submission] = ledger.entries(0, 1)
        if step in ("committed", ""):
            assert ledger.size == 2
            assert submission.bundle == encode_bundle(erase(LEAVES, {hash_leaf(LEAVES[100])}))
            assert ledger.sealed([b"proposals"]) == {b"proposals": b"what stays"}
            assert found_in(tmp_path, TRACES) == {}, "with the ledger open"
        else:
            assert ledger.size == 1
            assert submission.bundle == encode_bundle(LEAVES)
            assert ledger.sealed([b"proposals"]) == {b"proposals": OPENINGS}
    if step in ("committed", ""):
        assert found_in(tmp_path, TRACES) == {}


# ---- A node's home ----

#: What a node does to erase, in order; a child is killed before or after the first call of one.
STEPS: list[tuple[type, str]] = [
    (Store, "append_log"),
    (Store, "erase"),
    (Store, "_erase_leaves"),
    (Store, "withdrawn_items"),
    (BlobStore, "delete"),
    (Store, "forget_items"),
    (Store, "empty_wal"),
    (Store, "clear_residue"),
]


def follow_and_erase(path: Path, page: api.FollowResponse, name: str, when: str) -> None:
    """Takes a page of the log that ends with a withdrawal, and is killed on the way."""
    for owner, method in STEPS:
        if method == name:
            setattr(owner, method, _deadly(getattr(owner, method), when))
    with Store(path / "node.db") as store, BlobStore(path / "blobs") as blobs:
        follower = Follower(store, LINK)
        follower.replay()
        follower.take(page)
        finish_erasure(store, blobs)


def _deadly(method: Callable[..., Any], when: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            die()
        method(*arguments, **named)
        die()

    return call


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [method for _, method in STEPS])
def test_a_node_killed_while_it_erases_has_nothing_left_after_the_next_start(
    tmp_path: Path, step: str, when: str
) -> None:
    home = Home(tmp_path / "home", Network(*people("ada", "ben")))
    items = home.submit(1, 2, 3)
    feed(home.follower, home.net)
    gone, other, kept = items
    size = home.follower.tree.size
    home.close()
    home.net.add(home.ada, "withdraw", pb.Withdraw(network=NETWORK, item_ids=[gone, other]))
    page = page_of(home.net, size)
    assert run_child(follow_and_erase, home.path, page, step, when) == -signal.SIGKILL
    # The next start: what the daemon does before anything else, with nobody to be reached.
    with Store(home.path / "node.db") as store, BlobStore(home.path / "blobs") as blobs:
        follower = Follower(store, LINK)
        follower.replay()
        if follower.size == size:  # killed before the log was stored: it is told again
            follower.take(page)
        assert finish_erasure(store, blobs)
        assert list(follower.state.rows()) == list(home.net.state.rows())
        assert found_in(home.path, items[gone]) == found_in(home.path, items[other]) == {}
        assert [row.item_id for row in store.items()] == [kept]
        assert not store.has_residue()
    assert set(found_in(home.path, items[kept])) >= {"content", "leaf", "fingerprint"}
