"""What peers get of us: content only while they are assigned to it, addresses they can dial."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from commonground.addresses import (
    ADDRESSES_MAX,
    CLOCK_SKEW_MS,
    LIFETIME_MS,
    open_announcement,
    seal_announcement,
)
from commonground.directory import keys_of_person
from commonground.p2p import Denial, Grant
from node.blobs import BlobStore
from node.rows import ItemRow, Outgoing, PartRow
from node.serve import OwnContent, may_read
from node.store import Store
from protocol.errors import Reject
from protocol.identity import KeyId
from protocol.log.envelope import seal
from protocol.log.strict import canonical
from protocol.rows import ItemId
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.review_bench import pairs, pictures
from tests.simulated import NETWORK, Network, Person

NOW = 1_000_000
HERE = ["/ip4/192.0.2.1/tcp/4001"]


@dataclass
class Review:
    """A round of "pairs" whose one item was drawn, beside a campaign that is between two rounds."""

    net: Network
    author: Person
    reviewers: list[Person]
    item_id: ItemId

    def __post_init__(self) -> None:
        self.drawn = self.net.state.assignments["pairs", self.item_id]

    def may(self, peer: Person | bytes, owner: Person | None = None, item_id: bytes = b"") -> bool:
        key = peer.key if isinstance(peer, Person) else KeyId(peer)
        answer = may_read(
            self.net.state, (owner or self.author).id, item_id or self.item_id, "image", key
        )
        assert isinstance(answer, Grant | Denial)
        return isinstance(answer, Grant)


@pytest.fixture
def review() -> Review:
    author, reviewers = Person("author"), [Person(f"reviewer {n}") for n in range(4)]
    net = Network(author, *reviewers)
    for campaign in (pairs(), pictures()):
        net.add(net.operator, "campaign", campaign)
    net.submit(
        author,
        [net.item("a", c="pairs", consent=pb.Consent(train=True, redistribute=True))],
        c="pairs",
    )
    net.stand_by(*reviewers, c="pairs")
    net.seal(c="pairs")
    net.draw("pairs")
    [(item_id, _)] = net.state.items.scan()
    return Review(net, author, reviewers, item_id)


def test_an_assigned_reviewer_may_read(review: Review) -> None:
    assert len(review.drawn) == 3
    assert sum(review.may(person) for person in review.reviewers) == 3
    assert all(review.may(p) == (p.id in review.drawn) for p in review.reviewers)


def test_nobody_else_may_read(review: Review) -> None:
    for stranger in (review.net.operator, review.author, Person("stranger"), bytes(32), b""):
        assert not review.may(stranger)


def test_every_machine_of_a_reviewer_may_read(review: Review) -> None:
    """A person is not a key: the laptop was drawn, and the desk fetches."""
    reviewer = next(p for p in review.reviewers if p.id in review.drawn)
    desk = SigningKey(b"\x44" * 32)
    key = KeyId(bytes(desk.verify_key))
    assert not review.may(key)
    record = pb.Delegate(network=NETWORK, delegation=reviewer.delegation(key))
    review.net.add_raw(seal("delegate", canonical(record), key, lambda m: desk.sign(m).signature))
    assert review.may(key)
    assert review.may(reviewer)
    assert keys_of_person(review.net.state, reviewer.id) == (key, reviewer.key)
    assert keys_of_person(review.net.state, Person("stranger").id) == ()


def test_another_s_item_and_an_unknown_one_are_not_served(review: Review) -> None:
    reviewer = next(p for p in review.reviewers if p.id in review.drawn)
    assert not review.may(reviewer, owner=reviewer)
    assert not review.may(reviewer, item_id=bytes(32))


def test_content_is_served_only_while_commits_are_taken(review: Review) -> None:
    reviewer = next(p for p in review.reviewers if p.id in review.drawn)
    review.net.review(*review.reviewers, c="pairs")  # ends in REVEALING
    assert not review.may(reviewer)


def test_a_round_of_another_campaign_opens_nothing(review: Review) -> None:
    """Assignments are a campaign's; one that is committing says nothing about the items of another."""
    net = review.net
    net.submit(review.author, [net.item(3, c="pictures")], c="pictures")
    [waiting] = [i for i, item in net.state.items.scan() if item.campaign_id == "pictures"]
    assert not any(review.may(person, item_id=waiting) for person in review.reviewers)


def test_the_operator_reads_what_is_accepted_for_datasets(review: Review) -> None:
    net = review.net
    assert not review.may(net.operator)
    net.review(*review.reviewers, c="pairs")
    net.verdict("pairs")
    assert net.state.items[review.item_id].status.name == "ACCEPTED"
    assert review.may(net.operator)
    assert not any(review.may(person) for person in review.reviewers)
    net.withdraw(review.author, [review.item_id])
    assert not review.may(net.operator)


def test_the_operator_reads_what_waits_in_an_open_campaign(review: Review) -> None:
    """Experts make gold of it. What reviewers are at work on, nobody else sees."""
    net = review.net
    consent = pb.Consent(train=True, redistribute=True)
    net.submit(review.author, [net.item("b", c="pairs", consent=consent)], c="pairs")
    waiting = next(i for i, item in net.state.items.scan() if item.status.name == "SUBMITTED")
    assert review.may(net.operator, item_id=waiting)
    assert not any(review.may(person, item_id=waiting) for person in review.reviewers)
    assert not review.may(net.operator), "under review"
    closed = replace(net.state.campaigns["pairs"], privacy=pb.PRIVACY_REVIEWERS)
    net.state.campaigns.put("pairs", closed)
    assert not review.may(net.operator, item_id=waiting)


def test_a_former_key_of_the_operator_reads_nothing(review: Review) -> None:
    net = review.net
    net.review(*review.reviewers, c="pairs")
    net.verdict("pairs")
    state, old = net.state, net.operator.key
    state.operator_key = KeyId(b"\x05" * 32)  # as a successor record leaves it
    assert not review.may(old)
    assert review.may(state.operator_key)


async def test_parts_are_opened_by_name(tmp_path: Path) -> None:
    contents = {"prompt": b"Why?", "answer_a": b"Because."}
    with Store(tmp_path / "node.db") as store, BlobStore(tmp_path / "blobs") as blobs:
        parts = []
        for number, (name, content) in enumerate(contents.items()):
            salt = bytes([number]) * 32
            ref = blobs.put(content, salt)
            parts.append(PartRow(name, ref.commitment, salt, len(content), "text/plain"))
        item = ItemRow(b"\1" * 32, b"", "row 1", "pairs", b"\2" * 32, tuple(parts))
        outgoing = Outgoing("submission", b"envelope")
        object.__setattr__(item, "submission", outgoing.digest)
        store.enqueue_submission(outgoing, [item])
        own = OwnContent(store, blobs)
        for number, (name, content) in enumerate(contents.items()):
            opened = await own.open(item.item_id, name)
            assert opened is not None
            with opened.file:
                assert (opened.salt, opened.length) == (bytes([number]) * 32, len(content))
                assert opened.file.read() == content
        assert await own.open(item.item_id, "answer_b") is None
        assert await own.open(bytes(32), "prompt") is None
        blobs.delete(parts[0].commitment)
        assert await own.open(item.item_id, "prompt") is None


# ---- where we are ----


def announcement(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "network": NETWORK,
        "multiaddrs": HERE,
        "expires_ms": NOW + LIFETIME_MS,
    }
    record = api_pb2.Addresses(**(fields | changes))  # type: ignore[arg-type]
    return Person("author").seal("addresses", record)


def test_an_announcement_opens_to_what_was_sealed() -> None:
    author = Person("author")
    raw = seal_announcement(
        NETWORK, author.key, HERE, NOW + 1, lambda m: author.signing_key.sign(m).signature
    )
    opened = open_announcement(raw, NETWORK, NOW)
    assert (opened.key, opened.addresses) == (author.key, tuple(HERE))
    assert opened.peer_id.startswith("12D3Koo")


@pytest.mark.parametrize(
    "changes",
    [
        {"network": bytes(32)},
        {"expires_ms": NOW},
        {"expires_ms": NOW + LIFETIME_MS + CLOCK_SKEW_MS + 1},
        {"multiaddrs": HERE * (ADDRESSES_MAX + 1)},
        {"multiaddrs": [""]},
        {"multiaddrs": ["/" * 301]},
    ],
)
def test_a_bad_announcement_is_refused(changes: dict[str, object]) -> None:
    open_announcement(announcement(), NETWORK, NOW)
    with pytest.raises(Reject):
        open_announcement(announcement(**changes), NETWORK, NOW)


def test_an_announcement_is_strict() -> None:
    author = Person("author")
    payload = canonical(api_pb2.Addresses(network=NETWORK, multiaddrs=HERE, expires_ms=NOW + 1))
    for more in (b"\x78\x01", b"\x18\x80\x00"):  # an unknown field; a padded number
        raw = seal(
            "addresses", payload + more, author.key, lambda m: author.signing_key.sign(m).signature
        )
        with pytest.raises(Reject):
            open_announcement(raw, NETWORK, NOW)


def test_an_announcement_in_another_s_name_is_refused() -> None:
    author, thief = Person("author"), Person("thief")
    payload = api_pb2.Addresses(network=NETWORK, multiaddrs=HERE, expires_ms=NOW + 1)
    forged = seal(
        "addresses",
        canonical(payload),
        author.key,
        lambda m: thief.signing_key.sign(m).signature,
    )
    with pytest.raises(Reject):
        open_announcement(forged, NETWORK, NOW)
