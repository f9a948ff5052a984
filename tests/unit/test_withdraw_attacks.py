"""Attacks by way of withdrawing: on the epoch, and on what others have in the log."""

from __future__ import annotations

import pytest

from protocol import transition
from protocol.log.batch import erase
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.log.strict import LEAF_TYPES, canonical, parse_leaf
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.fold import drawn, drawn_people, people, refuses
from tests.simulated import NETWORK, Network


def test_no_leaf_is_an_answer_and_an_item(net: Network) -> None:
    """Or its author could withdraw the item, and with it the bundle of the reveal, from every replay."""
    drawn(net)
    attacker = drawn_people(net)[0]
    first, *rest = net.answers(attacker)
    answer, item = parse_leaf(pb.Answer, first), parse_leaf(pb.Item, net.item(3))
    both = canonical(answer) + canonical(item)[:-1]
    for leaf, message in (
        (first[:1] + both, "one canonical encoding|not a protobuf Answer"),
        (bytes([LEAF_TYPES["Item"]]) + canonical(answer), "carries no leaves of this type"),
    ):
        trial = again(net)
        trial.commit(attacker, [leaf, *rest])
        trial.end_commits()
        with refuses(message):
            trial.reveal(attacker, [leaf, *rest])
    with refuses("carries no leaves of this type"):
        net.submit(net.people[0], [first])
    with refuses("not a protobuf Item|one canonical encoding"):
        net.submit(net.people[0], [bytes([LEAF_TYPES["Item"]]) + canonical(answer)])
    net.commit(attacker, [first, *rest])
    net.end_commits()
    net.reveal(attacker, [first, *rest])


def again(net: Network) -> Network:
    """Another network with the same past."""
    trial = Network(*people(*(person.name for person in net.people)))
    trial.state, trial.log, trial.clock_ms = net.replay(), list(net.log), net.clock_ms
    return trial


@pytest.mark.parametrize("kind", ["reveal", "verdict", "draw", "seal", "close", "snapshot"])
def test_only_leaves_of_submissions_may_be_erased(net: Network, kind: str) -> None:
    author, *reviewers = net.people
    copies = [net.item(3, content=b"the same" * 8) for _ in range(2)]
    net.submit(author, [net.item(3), *copies])
    net.run_epoch(*reviewers)
    net.snapshot()
    at = next(i for i, e in enumerate(net.log) if e.leaves and _kind(e.raw) == kind)
    state = State()
    for entry in net.log[:at]:
        transition.apply(state, entry.raw, entry.leaves)
    with refuses("never erased"):
        transition.apply(
            state, net.log[at].raw, erase(net.log[at].leaves, {hash_leaf(net.log[at].leaves[0])})
        )
    transition.apply(state, net.log[at].raw, net.log[at].leaves)


def _kind(raw: bytes) -> str:
    return parse_envelope(raw).kind


def test_the_ids_of_erased_items_cannot_be_taken_again(net: Network) -> None:
    author, other = net.people[:2]
    leaf = net.item(3)
    net.submit(author, [leaf])
    net.add(author, "withdraw", pb.Withdraw(network=NETWORK, item_ids=[hash_leaf(leaf)]))
    with refuses("submitted already"):
        net.submit(other, [leaf])
