"""What peers get of us: content only while they are assigned to it, addresses they can dial."""

from __future__ import annotations

import pytest

from commonground.addresses import (
    ADDRESSES_MAX,
    CLOCK_SKEW_MS,
    LIFETIME_MS,
    open_announcement,
    seal_announcement,
)
from commonground.p2p import Denial, Grant
from node.serve import may_read, reachable
from protocol.errors import Reject
from protocol.log.envelope import seal
from protocol.state import ItemId, State
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK, Network, Person

NOW = 1_000_000
HERE = ["/ip4/192.0.2.1/tcp/4001"]


@pytest.fixture
def review() -> tuple[Network, Person, list[Person], ItemId]:
    """A round whose items were drawn: (network, author, reviewers, one item of the author's)."""
    author, reviewers = Person("author"), [Person(f"reviewer {n}") for n in range(4)]
    net = Network(author, *reviewers)
    net.submit(author, [net.item(3)])
    net.stand_by(*reviewers)
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*reviewers)
    net.draw()
    return net, author, reviewers, next(iter(net.state.items))


def assigned(state: State, item_id: ItemId) -> tuple[bytes, ...]:
    return state.epoch.round.assignments[item_id]


def test_an_assigned_reviewer_may_read(
    review: tuple[Network, Person, list[Person], ItemId],
) -> None:
    net, author, _, item_id = review
    for reviewer in assigned(net.state, item_id):
        assert may_read(net.state, author.identity, reviewer, item_id) == Grant()


def test_nobody_else_may_read(review: tuple[Network, Person, list[Person], ItemId]) -> None:
    net, author, reviewers, item_id = review
    drawn = assigned(net.state, item_id)
    others = [r.identity for r in reviewers if r.identity not in drawn]
    assert len(others) == 1
    for stranger in (*others, net.operator.identity, author.identity, bytes(32)):
        assert isinstance(may_read(net.state, author.identity, stranger, item_id), Denial)


def test_another_s_item_and_an_unknown_one_are_not_served(
    review: tuple[Network, Person, list[Person], ItemId],
) -> None:
    net, author, _, item_id = review
    reviewer = assigned(net.state, item_id)[0]
    assert isinstance(may_read(net.state, reviewer, reviewer, item_id), Denial)
    assert isinstance(may_read(net.state, author.identity, reviewer, bytes(32)), Denial)


def test_content_is_served_only_while_commits_are_taken(
    review: tuple[Network, Person, list[Person], ItemId],
) -> None:
    net, author, reviewers, item_id = review
    reviewer = assigned(net.state, item_id)[0]
    net.review(*reviewers)  # ends in REVEALING
    assert isinstance(may_read(net.state, author.identity, reviewer, item_id), Denial)


def announcement(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "network": NETWORK,
        "multiaddrs": HERE,
        "expires_ms": NOW + LIFETIME_MS,
    }
    payload = api_pb2.Addresses(**(fields | changes)).SerializeToString()  # type: ignore[arg-type]
    return Person("author").seal("addresses", api_pb2.Addresses.FromString(payload))


def test_an_announcement_opens_to_what_was_sealed() -> None:
    author = Person("author")
    raw = seal_announcement(
        NETWORK, author.identity, HERE, NOW + 1, lambda m: author.key.sign(m).signature
    )
    opened = open_announcement(raw, NETWORK, NOW)
    assert (opened.identity, opened.addresses) == (author.identity, tuple(HERE))
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


def test_an_announcement_in_another_s_name_is_refused() -> None:
    author, thief = Person("author"), Person("thief")
    payload = api_pb2.Addresses(network=NETWORK, multiaddrs=HERE, expires_ms=NOW + 1)
    forged = seal(
        "addresses",
        payload.SerializeToString(),
        author.identity,
        lambda m: thief.key.sign(m).signature,
    )
    with pytest.raises(Reject):
        open_announcement(forged, NETWORK, NOW)


def test_any_interface_is_announced_as_one_that_others_can_dial() -> None:
    listening = ["/ip4/0.0.0.0/tcp/4001", "/ip4/127.0.0.1/tcp/4002"]
    assert reachable(listening, "192.0.2.7") == [
        "/ip4/192.0.2.7/tcp/4001",
        "/ip4/127.0.0.1/tcp/4002",
    ]
