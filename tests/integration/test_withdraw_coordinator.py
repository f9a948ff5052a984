"""A coordinator erases what is withdrawn: on disk, in memory, in what it serves; and stays whole."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from coordinator import tables
from coordinator.config import Home
from coordinator.erasure import erasure_of
from coordinator.keys import load_keys
from coordinator.ledger import Erasure, Ledger, Staged
from coordinator.operator import Operator
from coordinator.recovery import fsck, leaves_of, recover
from coordinator.sealed import known_key, proposals_key
from protocol.errors import Misbehaviour, StoreError
from protocol.lifecycle import ItemStatus
from protocol.log.batch import Erased, batch_root, check_batch, decode_bundle, encode_bundle, erase
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Verifier, open_checkpoint, sign_checkpoint
from protocol.log.strict import parse_leaf
from protocol.rules.record import Record
from protocol.state import State
from protocol.transition import Changes, apply, require_explained
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.helpers import Person
from tests.live_coordinator import Live, found_network, live
from tests.simulated import LOG_KEY
from tests.traces import found_in

ALICE, BOB = Person("alice"), Person("bob")
LOG = Verifier("log.example/withdraw", bytes(LOG_KEY.verify_key))


async def withdraw(net: Live, person: Person, *item_ids: bytes) -> api_pb2.Receipt:
    return await net.log(person, "withdraw", pb.Withdraw(network=net.network, item_ids=item_ids))


def traces_of(request: api_pb2.AppendRequest, at: int) -> dict[str, bytes]:
    item = parse_leaf(pb.Item, request.leaves[at])
    [part] = item.parts
    return {
        "leaf": request.leaves[at],
        "fingerprint": part.fingerprint,
        "content commitment": part.commitment,
        "proposal commitment": item.proposal_commitment,
        "salt of the proposal": request.openings[at].salt,
    }


async def test_nothing_of_a_withdrawn_item_stays_on_disk_or_in_memory(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        await net.open_campaign()
        await net.join(ALICE, BOB)
        request = net.submission(ALICE, [3, 4, 5])
        await net.append(request)
        gone, kept = traces_of(request, 1), traces_of(request, 0)
        assert set(found_in(home.path, gone)) == set(gone), "the search finds what is there"
        receipt = await withdraw(net, ALICE, request.openings[1].item_id)
        assert found_in(home.path, gone) == {}, "before the receipt, with the server running"
        assert set(found_in(home.path, kept)) == set(kept)

        url = f"http://127.0.0.1:{net.address.http_port}"
        root = pb.Submission.FromString(_payload(request)).items.root
        async with httpx.AsyncClient(base_url=url) as web:
            answer = await web.get(f"/batch/{root.hex()}")
        assert answer.headers["cache-control"] == "no-cache"
        leaves = check_batch(root, 3, answer.content)
        assert leaves[1] == Erased(request.openings[1].item_id)
        assert leaves[0] == request.leaves[0]

        again = await net.append(request)
        assert again.index == 4, "sent once more, it gets its receipt and brings nothing back"
        assert found_in(home.path, gone) == {}
        with pytest.raises(grpc.aio.AioRpcError, match="withdrawn already") as caught:
            other = pb.Withdraw(
                network=net.network,
                item_ids=[request.openings[1].item_id, request.openings[0].item_id],
            )
            await net.log(ALICE, "withdraw", other)
        assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
        with pytest.raises(grpc.aio.AioRpcError, match="not an item of this author"):
            await withdraw(net, BOB, request.openings[0].item_id)
        assert receipt.index == 5
    keys = load_keys(home)
    with Ledger.open(home.ledger_url(home.load())) as ledger:
        state = recover(ledger, keys.log_verifier).state
        assert state.items[request.openings[1].item_id].is_erased
        report = fsck(ledger, keys.log_verifier)
        assert (report.leaves, report.erased) == (3, 1)
    with Operator(home) as operator:
        assert list(operator.state.rows()) == list(state.rows())


def _payload(request: api_pb2.AppendRequest) -> bytes:
    return pb.Envelope.FromString(request.envelope).payload


async def test_all_items_of_a_submission_take_its_openings_along(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        await net.open_campaign()
        await net.join(ALICE)
        request = net.submission(ALICE, [3, 4])
        await net.append(request)
        ids = [each.item_id for each in request.openings]
        # At once, so that some share a commit, and one of them is submitted and withdrawn in it.
        late = net.submission(ALICE, [5])
        await asyncio.gather(
            withdraw(net, ALICE, ids[0]),
            withdraw(net, ALICE, ids[1]),
            net.append(late),
            withdraw(net, ALICE, late.openings[0].item_id),
            return_exceptions=True,
        )
        for each, at in ((request, 0), (request, 1)):
            assert found_in(home.path, traces_of(each, at)) == {}
        if _is_withdrawn(home, late.openings[0].item_id):
            assert found_in(home.path, traces_of(late, 0)) == {}
    with Ledger.open(home.ledger_url(home.load())) as ledger:
        assert ledger.sealed([proposals_key(3, item_id) for item_id in ids]) == {}


def _is_withdrawn(home: Home, item_id: bytes) -> bool:
    with Operator(home) as operator:
        return operator.state.items[item_id].status is ItemStatus.WITHDRAWN


async def test_what_the_operator_knows_of_an_item_goes_with_it(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        await net.open_campaign()
        await net.join(ALICE)
        request = net.submission(ALICE, [3, 4])
        await net.append(request)
        gone, kept = (each.item_id for each in request.openings)
        await net.import_gold({each.item_id: each.answer for each in request.openings})
        with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
            keys = [known_key(gone), known_key(kept)]
            assert set(ledger.sealed(keys)) == set(keys)
            await withdraw(net, ALICE, gone)
            assert set(ledger.sealed(keys)) == {known_key(kept)}


# ---- what followers are shown ----


async def test_no_follower_is_shown_an_erased_leaf_before_its_withdrawal(tmp_path: Path) -> None:
    """Many followers, each from the start, while items are withdrawn one after the other."""
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign()
        await net.join(ALICE)
        request = net.submission(ALICE, [1] * 24)
        await net.append(request)
        done = asyncio.Event()

        async def follow() -> int:
            rounds = 0
            while not done.is_set():
                await _follow_until_level(net)
                rounds += 1
            return rounds

        followers = [asyncio.create_task(follow()) for _ in range(3)]
        for each in request.openings:
            await withdraw(net, ALICE, each.item_id)
        done.set()
        assert min(await asyncio.gather(*followers)) > 0


async def _follow_until_level(net: Live) -> None:
    state, stream = State(), net.stub.Follow(api_pb2.FollowRequest(start=0))
    while True:
        response = await stream.read()
        for entry in response.entries:
            apply(state, entry.envelope, decode_bundle(entry.bundle))
        if open_checkpoint(response.checkpoint, net.keys.log_verifier).size == state.size:
            break
    stream.cancel()
    require_explained(state)


# ---- the ledger itself ----


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger.create(url, LOG.name).close()
    return url


def commit(ledger: Ledger, *staged: Staged) -> None:
    tree = MerkleTree(hash_leaf(entry.envelope) for entry in ledger.entries(0, ledger.size))
    size = tree.size
    for each in staged:
        tree.append(each.leaf_hash)
    note = sign_checkpoint(LOG, tree.size, tree.root(), lambda text: LOG_KEY.sign(text).signature)
    ledger.commit(staged, note, size)


LEAVES = [b"leaf number one", b"leaf number two", b"leaf number three"]
SUBMISSION = Staged(b"submission", encode_bundle(LEAVES), batch_root(LEAVES))
WITHDRAWAL = Staged(b"withdraw", erasure=Erasure({0: frozenset([hash_leaf(LEAVES[1])])}))


def test_a_page_and_its_head_are_of_one_moment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst case: the withdrawal is committed between the two reads."""
    with Ledger.open(url) as ledger, Ledger.open(url, readonly=True) as reader:
        commit(ledger, SUBMISSION)
        select, before = tables.select_page, reader.head()

        def commit_and_select(*arguments: Any) -> Any:
            monkeypatch.setattr(tables, "select_page", select)
            commit(ledger, WITHDRAWAL)
            return select(*arguments)

        monkeypatch.setattr(tables, "select_page", commit_and_select)
        page, head = reader.page(0, 10, 1_000)
        assert head == before
        assert [leaves_of(entry) for entry in page] == [LEAVES]
        page, head = reader.page(0, 10, 1_000)
        assert head.size == 2
        assert [leaves_of(entry) for entry in page] == [erase(LEAVES, {hash_leaf(LEAVES[1])}), []]


def test_a_page_keeps_to_its_limits_and_holds_an_entry_at_least(url: str) -> None:
    with Ledger.open(url) as ledger:
        assert ledger.page(0, 10, 10)[0] == []
        commit(ledger, *(Staged(b"entry %d" % number) for number in range(600)))
        for start, entries_max, bytes_max, count in (
            (0, 1_000, 10**6, 600),
            (0, 300, 10**6, 300),
            (590, 300, 10**6, 10),
            (0, 300, 1, 1),
            (10, 300, 17, 2),
            (600, 300, 17, 0),
        ):
            page, head = ledger.page(start, entries_max, bytes_max)
            assert [entry.index for entry in page] == list(range(start, start + count))
            assert head.size == 600


def test_a_reader_that_hangs_delays_the_erasure_and_not_the_log(url: str, tmp_path: Path) -> None:
    with Ledger.open(url) as ledger, Ledger.open(url, readonly=True) as reader:
        commit(ledger, SUBMISSION)
        with reader._reading() as hanging:
            hanging.execute(tables.entries.select()).all()
            commit(ledger, WITHDRAWAL)
            assert found_in(tmp_path, {"leaf": LEAVES[1]}) == {"leaf": ["ledger.db-wal"]}
        commit(ledger, Staged(b"any other entry"))
        assert found_in(tmp_path, {"leaf": LEAVES[1]}) == {}


def test_a_leaf_that_nobody_withdrew_is_damage(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    keys = load_keys(home)

    async def fill() -> bytes:
        async with live(home) as net:
            await net.open_campaign()
            await net.join(ALICE)
            request = net.submission(ALICE, [3])
            await net.append(request)
            return request.openings[0].item_id

    item_id = asyncio.run(fill())
    with Ledger.open(home.ledger_url(home.load())) as ledger:
        fsck(ledger, keys.log_verifier)
        with ledger._engine.begin() as tx:
            tables.erase_leaves(tx, [(3, [item_id])])
        with pytest.raises(StoreError, match="did not withdraw"):
            recover(ledger, keys.log_verifier)
        with pytest.raises(Misbehaviour, match="did not withdraw"):
            fsck(ledger, keys.log_verifier)
    with pytest.raises(Misbehaviour, match="did not withdraw"):
        Operator(home)


def test_a_leaf_of_a_large_batch_costs_the_writing_of_its_part(url: str) -> None:
    leaves = [b"leaf %d of a large batch" % number for number in range(3 * tables.PART_LEAVES + 1)]
    at = tables.PART_LEAVES + 7
    with Ledger.open(url) as ledger:
        commit(ledger, Staged(b"submission", encode_bundle(leaves), batch_root(leaves)))
        before = parts_of(ledger)
        gone = hash_leaf(leaves[at])
        commit(ledger, Staged(b"withdraw", erasure=Erasure({0: frozenset([gone])})))
        changed = [old != new for old, new in zip(before, parts_of(ledger), strict=True)]
        assert changed == [False, True, False, False]
        assert ledger.bundle(batch_root(leaves)) == encode_bundle(erase(leaves, {gone}))
        with (
            pytest.raises(StoreError, match="no such leaves beside entry 0"),
            ledger._engine.begin() as tx,
        ):
            tables.erase_leaves(tx, [(0, [bytes(32)])])


def parts_of(ledger: Ledger) -> list[bytes]:
    with ledger._reading() as tx:
        query = tables.batches.select().order_by(tables.batches.c.part)
        return [row.bundle for row in tx.execute(query)]


def test_an_erasure_beside_an_entry_without_a_batch_is_refused(url: str) -> None:
    with Ledger.open(url) as ledger:
        commit(ledger, Staged(b"no batch"))
        with (
            pytest.raises(StoreError, match="no such leaves beside entry 0"),
            ledger._engine.begin() as tx,
        ):
            tables.erase_leaves(tx, [(0, [bytes(32)])])
    record = Record(1, bytes(32), ALICE.key, pb.Register())
    assert not erasure_of(record, Changes({}, {}))
