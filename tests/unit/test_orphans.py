"""What a submission leaves that fails or is killed half-way is swept; what another is writing is not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.blobs import BlobRef, BlobStore
from node.keys import NodeKeys, generate_keys
from node.orphans import putting, sweep
from node.planning import Terms
from node.registration import registration
from node.rows import ItemRow, Outgoing
from node.store import Store
from node.submission import Submitter
from protocol.errors import StoreError
from protos.gen import records_pb2 as pb
from tests.simulated import LABELS, NETWORK, Network, campaign, part

SALT = bytes(32)
TERMS = Terms("CC-BY-4.0", pb.Consent(train=True, redistribute=True), pb.ORIGIN_HUMAN)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db") as opened:
        yield opened


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[BlobStore]:
    with BlobStore(tmp_path / "blobs") as opened:
        yield opened


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text(f"text number {number}")
    return folder


def contents(blobs: BlobStore) -> set[bytes]:
    return {name for _, _, found in blobs.by_folder() for name in found}


@pytest.fixture
def submitter(store: Store, blobs: BlobStore) -> Submitter:
    keys: NodeKeys = generate_keys()
    net = Network()
    net.add(net.operator, "campaign", campaign(id="texts", parts=[part("text")]))
    net.add_raw(registration(keys, NETWORK).envelope)
    return Submitter(store, blobs, keys, net.state, "texts")


def test_what_no_item_names_is_swept_and_what_one_names_is_kept(
    submitter: Submitter, store: Store, blobs: BlobStore, texts: Path
) -> None:
    submitter.submit([texts], LABELS[0], TERMS)
    kept = contents(blobs)
    assert len(kept) == 6
    orphans = {blobs.put(f"orphan {n}".encode(), SALT).commitment for n in range(40)}
    assert contents(blobs) == kept | orphans
    sweep(store, blobs)
    assert contents(blobs) == kept


def test_nothing_is_swept_while_somebody_else_submits(store: Store, blobs: BlobStore) -> None:
    with putting(store, blobs):
        waiting = blobs.put(b"not named yet", SALT).commitment
        sweep(store, blobs)
        with putting(store, blobs):
            assert contents(blobs) == {waiting}
        assert contents(blobs) == {waiting}
    sweep(store, blobs)
    assert contents(blobs) == set()


@pytest.mark.parametrize("whole", [0, 1, 5])
def test_a_full_disk_leaves_nothing_and_the_next_run_everything(
    submitter: Submitter,
    blobs: BlobStore,
    texts: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: int,
) -> None:
    put, count = BlobStore.put, 0

    def full(self: BlobStore, content: Path | bytes, salt: bytes) -> BlobRef:
        nonlocal count
        count += 1
        if count > whole:
            raise StoreError("cannot store the content: No space left on device")
        return put(self, content, salt)

    with monkeypatch.context() as patch:
        patch.setattr(BlobStore, "put", full)
        with pytest.raises(StoreError, match="No space"):
            submitter.submit([texts], LABELS[0], TERMS)
    assert contents(blobs) == set()
    assert submitter.submit([texts], LABELS[0], TERMS).items == 6
    assert len(contents(blobs)) == 6


@pytest.mark.parametrize("written", [False, True])
def test_a_disk_that_is_full_when_items_are_written(
    submitter: Submitter,
    blobs: BlobStore,
    texts: Path,
    monkeypatch: pytest.MonkeyPatch,
    written: bool,
) -> None:
    """Where the rows were written before what went wrong, their content stays."""
    enqueue = Store.enqueue_submission

    def full(self: Store, outgoing: Outgoing, items: list[ItemRow]) -> None:
        if written:
            enqueue(self, outgoing, items)
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "enqueue_submission", full)
        with pytest.raises(sqlite3.OperationalError):
            submitter.submit([texts], LABELS[0], TERMS)
    assert len(contents(blobs)) == (6 if written else 0)
    done = submitter.submit([texts], LABELS[0], TERMS)
    assert (done.items, len(contents(blobs))) == (0 if written else 6, 6)


def test_a_store_that_cannot_be_locked_is_our_error(
    store: Store, blobs: BlobStore, tmp_path: Path
) -> None:
    (tmp_path / "blobs" / ".putting").mkdir()
    with pytest.raises(StoreError, match="cannot use"):
        sweep(store, blobs)
