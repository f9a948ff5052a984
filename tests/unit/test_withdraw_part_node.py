"""A node that follows the withdrawal of a part: what goes, what stays, and what its owner is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from commonground.p2p import Denial, Grant
from commonground.receipts import Lie
from node import withdrawal
from node.blobs import BlobStore
from node.drafts import Draft, PartSource
from node.erasure import finish_erasure
from node.follower import Follower
from node.serve import OwnContent, may_read
from node.store import Store
from node.submission import Submitter
from protocol.errors import ConfigError
from protocol.log.batch import erase
from protocol.log.merkle import hash_leaf
from protocol.rows import ItemId
from tests.fold import people, same
from tests.node_lab import digit
from tests.simulated import NETWORK, Network, campaign, part
from tests.simulated_log import LINK, feed, keys_of
from tests.traces import found_in
from tests.withdrawing import TERMS

SCENES = "scenes"


@dataclass
class Home:
    """The home of ada, whose items have a picture, and may have a note and a sketch."""

    path: Path
    net: Network = field(default_factory=lambda: Network(*people("ada", "ben", "cyn", "dov")))

    def __post_init__(self) -> None:
        parts = [part("note", optional=True), part("picture", "image/png")]
        parts.append(part("sketch", "image/png", optional=True))
        self.net.add(self.net.operator, "campaign", campaign(id=SCENES, parts=parts))
        self.ada = self.net.people[0]
        self.path.mkdir()
        self.store = Store(self.path / "node.db")
        self.blobs = BlobStore(self.path / "blobs")
        self.follower = Follower(self.store, LINK)

    def submit(self, *seeds: int, without: str = "") -> list[ItemId]:
        """Items of three parts, or of two; their ids."""
        folder = self.path.parent / "files"
        folder.mkdir(exist_ok=True)
        drafts = []
        for seed in seeds:
            for name, number in (("picture", seed), ("sketch", 1_000 + seed)):
                (folder / f"{name}-{seed}.png").write_bytes(digit(number))
            parts = (
                PartSource("note", None, note_of(seed)),
                PartSource("picture", folder / f"picture-{seed}.png"),
                PartSource("sketch", folder / f"sketch-{seed}.png"),
            )
            had = tuple(each for each in parts if each.name != without)
            drafts.append(Draft(f"row {seed}", had, "3"))
        submitter = Submitter(self.store, self.blobs, keys_of(self.ada), self.net.state, SCENES)
        [digest] = submitter.submit_drafts(drafts, TERMS).batches
        row = self.store.outbox_row(digest)
        assert row is not None
        for each in row.outgoing.openings:
            self.net.openings[each.item_id] = (each.salt, each.answer)
            self.net.truth[each.item_id] = 3
        self.net.add_raw(row.outgoing.envelope, row.outgoing.leaves)
        self.store.mark_sent(digest, len(self.net.log) - 1)
        return [hash_leaf(leaf) for leaf in row.outgoing.leaves[: len(seeds)]]

    def traces(self, item_id: ItemId, name: str) -> dict[str, bytes]:
        """All that tells something of a part, by name."""
        row = self.store.item(item_id)
        assert row is not None
        mine = row.part(name)
        item = self.net.state.items[item_id]
        described = item.described().part(name)
        leaves = {hash_leaf(leaf): leaf for leaf in self.net.log[item.submitted_at].leaves}
        leaf = leaves[described.leaf]
        blob = None if mine is None else self.blobs.open(mine.commitment)
        assert mine is not None and blob is not None
        with blob:
            content = blob.read()
        return {
            "content": content,
            "hash of the content": row.content_sha256,
            "salt": mine.salt,
            "leaf": leaf,
            "commitment": mine.commitment,
        }

    def withdraw(self, *item_ids: ItemId, part: str) -> None:
        """Logs a withdrawal; the coordinator erases, and the node does not know yet."""
        self.net.withdraw(self.ada, item_ids, part)
        self.erase_in_log(self.net.erased_since(len(self.net.log) - 1))

    def erase_in_log(self, hashes: set[bytes]) -> None:
        for entry in self.net.log:
            entry.leaves = tuple(erase(entry.leaves, hashes))  # type: ignore[arg-type]


def note_of(seed: int) -> str:
    return f"note {seed}: {sha256(bytes([seed])).hexdigest()}"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    made.store.close()
    made.blobs.close()


async def test_nothing_of_a_part_stays_in_its_authors_home(home: Home) -> None:
    first, second = home.submit(1, 2)
    feed(home.follower, home.net)
    gone, kept = home.traces(first, "note"), home.traces(first, "sketch")
    other = home.traces(second, "note")
    assert set(found_in(home.path, gone)) == set(gone), "the search finds what is there"
    home.withdraw(first, part="note")
    feed(home.follower, home.net)
    assert home.store.has_residue()
    own = OwnContent(home.store, home.blobs)
    assert await own.open(first, "note") is None, "it is not given away any more"
    assert finish_erasure(home.store, home.blobs)
    assert found_in(home.path, gone) == {}, "with the database still open"
    expected = {"content", "salt", "leaf", "commitment"}
    assert set(found_in(home.path, kept)) == expected, "but for the hash over all of it"
    assert set(found_in(home.path, other)) == set(other)
    row = home.store.item(first)
    assert row is not None and [each.name for each in row.parts] == ["picture", "sketch"]
    assert finish_erasure(home.store, home.blobs), "again, with nothing to do"
    assert same(home.follower.state, home.net.state)
    again = Follower(home.store, LINK)
    again.replay()
    assert same(again.state, home.net.state)


def test_part_after_part_and_then_the_item_leave_nothing(home: Home) -> None:
    first, second = home.submit(1, 2)
    feed(home.follower, home.net)
    traces = {name: home.traces(first, name) for name in ("note", "sketch")}
    for name in ("sketch", "note"):
        home.withdraw(first, part=name)
        feed(home.follower, home.net)
        assert finish_erasure(home.store, home.blobs)
        assert found_in(home.path, traces[name]) == {}
    home.withdraw(first, part="")
    home.withdraw(second, part="note")
    home.withdraw(second, part="")
    feed(home.follower, home.net)
    assert finish_erasure(home.store, home.blobs)
    assert list(home.store.items()) == []
    assert not list((home.path / "blobs").glob("*/*")), "not even of what went in two steps at once"
    assert same(home.follower.state, home.net.state)


def test_nothing_stays_with_a_node_that_only_followed(home: Home, tmp_path: Path) -> None:
    first, _ = home.submit(1, 2)
    traces = home.traces(first, "note")
    (tmp_path / "other").mkdir()
    with Store(tmp_path / "other" / "node.db") as store, BlobStore(tmp_path / "b") as blobs:
        follower = Follower(store, LINK)
        feed(follower, home.net)
        assert "leaf" in found_in(tmp_path / "other", traces)
        home.withdraw(first, part="note")
        feed(follower, home.net)
        assert finish_erasure(store, blobs)
        assert found_in(tmp_path / "other", traces) == {}
        assert same(follower.state, home.net.state)


def test_a_part_that_was_erased_and_not_withdrawn_is_a_lie(home: Home) -> None:
    first, _ = home.submit(1, 2)
    note = home.net.state.items[first].described().part("note").leaf
    home.erase_in_log({note})
    with pytest.raises(Lie, match=f"the note of item {first.hex()} was erased"):
        feed(home.follower, home.net)
    assert len(home.store.alarms()) == 1


def test_a_part_that_was_taken_back_is_served_to_nobody(home: Home) -> None:
    ada, *reviewers = home.net.people
    first, second = home.submit(1, 2)
    home.net.withdraw(ada, [second], "note")
    home.net.stand_by(*reviewers, c=SCENES)
    home.net.seal(c=SCENES)
    home.net.draw(SCENES)
    for item_id, part_name, may in (
        (first, "note", Grant),
        (second, "note", Denial),
        (second, "picture", Grant),
    ):
        drawn = home.net.state.assignments[SCENES, item_id]
        reader = next(each for each in reviewers if each.id in drawn)
        answer = may_read(home.net.state, ada.id, item_id, part_name, reader.key)
        assert isinstance(answer, may)


# ---- what is asked for ----


def test_a_plan_tells_which_items_have_the_part(home: Home) -> None:
    net = home.net
    first, second = home.submit(1, 2)
    [bare] = home.submit(3, without="note")
    home.withdraw(second, part="note")
    plan = withdrawal.make_plan(net.state, [first, second, bare], "note")
    assert plan == withdrawal.Plan((first,), (), (second,), (bare,))
    net.stand_by(*net.people[1:], c=SCENES)
    net.seal(c=SCENES)
    plan = withdrawal.make_plan(net.state, [first, second], "note")
    assert (plan.reviewed, plan.before) == ((first,), (second,))
    assert withdrawal.parts_alone(net.state, first) == ["note", "sketch"]
    assert withdrawal.parts_alone(net.state, second) == ["sketch"]
    for name, message in (("picture", "requires the part 'picture'"), ("sound", "no part 'sound'")):
        with pytest.raises(ConfigError, match=message) as refused:
            withdrawal.make_plan(net.state, [first], name)
        assert "note, sketch; otherwise withdraw the item" in refused.value.advice


def test_what_is_queued_names_the_part(home: Home) -> None:
    first, second = home.submit(1, 2)
    keys = keys_of(home.ada)
    [digest] = withdrawal.enqueue_withdrawal(home.store, keys, NETWORK, [first, second], "note")
    row = home.store.outbox_row(digest)
    assert row is not None
    home.net.add_raw(row.outgoing.envelope)
    assert [home.net.state.items[i].taken_back for i in (first, second)] == [("note",)] * 2
