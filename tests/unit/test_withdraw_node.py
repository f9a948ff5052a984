"""A node that follows a withdrawal: what goes, when it goes, and which logs are believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from commonground.receipts import Lie
from node import withdrawal
from node.blobs import BlobStore
from node.erasure import finish_erasure
from node.follower import Follower
from node.rows import LogRow, Outgoing
from node.store import Store
from protocol.errors import ConfigError
from protocol.lifecycle import ItemStatus
from protocol.log.batch import encode_bundle, erase
from protocol.log.merkle import hash_leaf
from protocol.rows import Item, ItemId
from protocol.state import State
from tests.fold import people
from tests.simulated import NETWORK, Network
from tests.simulated_log import LINK, feed, keys_of, page_of
from tests.traces import found_in
from tests.withdrawing import CAMPAIGN, Home


def same(one: State, other: State) -> bool:
    return list(one.rows()) == list(other.rows())


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home", Network(*people("ada", "ben", "cyn", "dov")))
    yield made
    made.close()


def test_nothing_of_a_withdrawn_item_stays_in_its_authors_home(home: Home) -> None:
    items = home.submit(1, 2, 3)
    feed(home.follower, home.net)
    gone, *kept = items
    for traces in items.values():
        assert set(found_in(home.path, traces)) == set(traces), "the search finds what is there"
    home.withdraw(gone)
    feed(home.follower, home.net)
    assert home.store.has_residue()
    assert finish_erasure(home.store, home.blobs)
    assert found_in(home.path, items[gone]) == {}, "with the database still open"
    for item_id in kept:
        assert set(found_in(home.path, items[item_id])) >= {"content", "leaf", "fingerprint"}
    assert finish_erasure(home.store, home.blobs), "again, with nothing to do"
    home.close()
    assert found_in(home.path, items[gone]) == {}


def test_items_withdrawn_one_by_one_leave_nothing_either(home: Home) -> None:
    """Rewriting a bundle again and again moves pages about; none of the old ones may be left."""
    items = home.submit(*range(1, 13))
    feed(home.follower, home.net)
    for item_id in items:
        home.withdraw(item_id)
        feed(home.follower, home.net)
        assert finish_erasure(home.store, home.blobs)
        assert found_in(home.path, items[item_id]) == {}
    assert list(home.store.items()) == []
    assert not list((home.path / "blobs").glob("*/*"))


def test_nothing_stays_with_a_node_that_only_followed(home: Home, tmp_path: Path) -> None:
    items = home.submit(1, 2)
    gone = next(iter(items))
    (tmp_path / "other").mkdir()
    with Store(tmp_path / "other" / "node.db") as store, BlobStore(tmp_path / "b") as blobs:
        follower = Follower(store, LINK)
        feed(follower, home.net)
        assert "leaf" in found_in(tmp_path / "other", items[gone])
        home.withdraw(gone)
        feed(follower, home.net)
        assert finish_erasure(store, blobs)
        assert found_in(tmp_path / "other", items[gone]) == {}
        assert follower.state.items[gone].is_erased


def test_the_same_picture_may_be_submitted_again(home: Home) -> None:
    [item_id] = home.submit(1)
    feed(home.follower, home.net)
    home.withdraw(item_id)
    feed(home.follower, home.net)
    finish_erasure(home.store, home.blobs)
    [again] = home.submit(1)
    assert again != item_id
    home.net.run_rounds(*home.net.people[1:], c=CAMPAIGN)
    assert home.net.state.items[again].status is ItemStatus.ACCEPTED


def test_a_log_fetched_anew_erases_what_the_home_still_has(home: Home) -> None:
    """The owner emptied the tables of the log, as the manual says; its leaves come back erased."""
    items = home.submit(1, 2)
    feed(home.follower, home.net)
    gone = next(iter(items))
    home.withdraw(gone)
    home.erase_in_log(gone)
    home.store._write("DELETE FROM entries")
    home.store._write("DELETE FROM checkpoints")
    follower = Follower(home.store, LINK)
    feed(follower, home.net)
    assert finish_erasure(home.store, home.blobs)
    assert found_in(home.path, items[gone]) == {}


# ---- which logs are believed ----


def test_an_erased_leaf_is_believed_with_its_withdrawal_and_not_without(home: Home) -> None:
    gone, _ = home.submit(1, 2)
    home.withdraw(gone)
    home.erase_in_log(gone)
    feed(home.follower, home.net)
    assert same(home.follower.state, home.net.state)
    assert home.follower.state.items[gone].status is ItemStatus.WITHDRAWN
    assert Follower(home.store, LINK).state.size == 0
    again = Follower(home.store, LINK)
    again.replay()
    assert same(again.state, home.net.state)


def test_an_erased_leaf_that_nobody_withdrew_is_a_lie(home: Home) -> None:
    gone, _ = home.submit(1, 2)
    home.erase_in_log(gone)
    with pytest.raises(Lie, match="did not withdraw") as caught:
        feed(home.follower, home.net)
    assert caught.value.kind == "rule"
    assert len(home.store.alarms()) == 1


def test_another_process_that_erased_meanwhile_is_not_taken_for_a_liar(home: Home) -> None:
    items = home.submit(1, 2)
    gone = next(iter(items))
    other, late = Follower(home.store, LINK), Follower(home.store, LINK)
    submission, before = home.net.state.items[gone].submitted_at, page_of(home.net, 0)
    home.withdraw(gone)
    feed(other, home.net)  # stores all, and erases
    row = home.store.entry(submission)
    assert row is not None
    assert items[gone]["leaf"] not in row.bundle
    home.follower.take(before)  # whole leaves, where erased ones are stored
    assert [each for (each, _), _ in home.follower.state.unexplained.scan()] == [gone], "not yet"
    assert home.store.alarms() == []
    late.replay()
    assert same(late.state, home.net.state)
    feed(home.follower, home.net)
    assert same(home.follower.state, home.net.state)


def test_of_two_bundles_of_one_entry_the_first_stays(home: Home) -> None:
    whole = encode_bundle([b"leaf"])
    erased = encode_bundle(erase([b"leaf"], {hash_leaf(b"leaf")}))
    for index, (first, second) in enumerate([(whole, erased), (erased, whole)]):
        assert home.store.append_log([LogRow(index, b"entry", first)]) is None
        assert home.store.append_log([LogRow(index, b"entry", second)]) is None
        row = home.store.entry(index)
        assert row is not None
        assert row.bundle == first


def test_what_was_withdrawn_before_a_lie_is_erased_all_the_same(home: Home) -> None:
    items = home.submit(1)
    feed(home.follower, home.net)
    home.withdraw(*items)
    home.net.log.append(home.net.log[0])  # a second genesis
    page = page_of(home.net, home.follower.tree.size)
    with pytest.raises(Lie):
        home.follower.take(page)
    assert finish_erasure(home.store, home.blobs)
    [traces] = items.values()
    assert found_in(home.path, traces) == {}


# ---- what is asked for ----


def test_items_are_found_by_as_many_digits_as_tell_them_apart(home: Home) -> None:
    mine, twin, other = (
        bytes.fromhex("ab" * 31 + "01"),
        bytes.fromhex("ab" * 31 + "02"),
        b"\xcd" * 32,
    )
    ada, ben = home.net.people[:2]
    for item_id, author in ((mine, ada), (twin, ada), (other, ben)):
        home.net.state.items.put(item_id, Item(author.id, "digits", 3, 0, None))

    def find(digits: str) -> ItemId:
        return withdrawal.find_item(home.store, home.net.state, ada.id, digits)

    assert find(mine.hex()) == mine
    assert find(twin.hex().upper()) == twin
    for digits, problem in {
        "ab" * 31: "2 of your items begin with",
        "cd" * 8: "not your item",
        "ef" * 8: "there is no item",
        "abab": "not the beginning",
        "xy" * 8: "not the beginning",
        "ab" * 33: "not the beginning",
    }.items():
        with pytest.raises(ConfigError, match=problem):
            find(digits)


def test_an_item_that_is_not_in_the_log_says_why(home: Home) -> None:
    [item_id] = home.submit(1)
    home.net.state.items.clear()
    with pytest.raises(ConfigError, match="not in the log yet"):
        withdrawal.find_item(home.store, home.net.state, home.ada.id, item_id.hex())
    home.store.set_item_statuses({item_id: "refused"})
    with pytest.raises(ConfigError, match="refused"):
        withdrawal.find_item(home.store, home.net.state, home.ada.id, item_id.hex())


def test_a_plan_tells_what_can_be_withdrawn_and_what_has_to_wait(home: Home) -> None:
    net = home.net
    first, second = home.submit(1, 2)
    net.run_rounds(*net.people[1:], c=CAMPAIGN)
    [reviewed] = home.submit(3)
    home.withdraw(second)
    net.stand_by(
        *(p for p in net.people[1:] if (CAMPAIGN, p.id) not in net.state.standbys), c=CAMPAIGN
    )
    net.seal(c=CAMPAIGN)
    [waits] = home.submit(4)
    plan = withdrawal.make_plan(net.state, [first, second, reviewed, first, waits])
    assert plan == withdrawal.Plan((first, waits), (reviewed,), (second,))
    assert withdrawal.rounds_of(net.state, plan.reviewed) == "round 2 of pictures"
    assert withdrawal.own_items(net.state, home.ada.id, CAMPAIGN) == [
        *(first, second, reviewed, waits)
    ]
    assert withdrawal.own_items(net.state, net.people[1].id, CAMPAIGN) == []
    with pytest.raises(ConfigError, match="no campaign"):
        withdrawal.own_items(net.state, home.ada.id, "letters")
    [consequence] = withdrawal.consequences(net.state, plan.now)
    assert (consequence.items, consequence.accepted) == (2, 1)
    assert withdrawal.snapshots_with(net.state, plan.now) == 0


def test_a_refused_withdrawal_can_be_asked_for_again(home: Home) -> None:
    [item_id] = home.submit(1)
    keys = keys_of(home.ada)

    def ask() -> Outgoing:
        [digest] = withdrawal.enqueue_withdrawal(home.store, keys, NETWORK, [item_id])
        row = home.store.outbox_row(digest)
        assert row is not None
        assert row.state == "queued"
        return row.outgoing

    outgoing = ask()
    assert ask() == outgoing, "the same record, queued once"
    home.store.mark_refused(outgoing.digest, "it is being reviewed")
    assert home.store.next_queued() is None
    assert ask() == outgoing
    home.net.add_raw(outgoing.envelope)
    assert home.net.state.items[item_id].status is ItemStatus.WITHDRAWN
