"""The fold: what may be submitted, each rejection beside its acceptance."""

from __future__ import annotations

import pytest

from protocol import transition
from protocol.errors import Reject
from protocol.lifecycle import ItemStatus
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.review.fingerprints import fingerprint_pixels, fingerprint_text
from protocol.rules import intake
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.fold import changed_item, ids, refuses
from tests.simulated import NETWORK, Network, Person, batch, campaign

PICTURE = fingerprint_pixels(bytes(range(256)) * 4, 32, 32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": ""}, "carries no licence"),
        ({"licence": "WTFPL"}, "not among the campaign's"),
        ({"licence": "CC-BY-4.0 "}, "not among the campaign's"),
        ({"media_type": "text/html"}, "takes no text/html"),
        ({"media_type": ""}, "takes no unnamed type"),
        ({"size": 0}, "has 0 bytes; the campaign takes 1 to 65536"),
        ({"size": 65_537}, "has 65537 bytes; the campaign takes 1 to 65536"),
        ({"origin": pb.ORIGIN_UNSPECIFIED}, "how it was made"),
        ({"origin": pb.ORIGIN_SYNTHETIC}, "names its generator"),
        ({"origin": pb.ORIGIN_AGENT}, "names its generator"),
        ({"generator": "x\0"}, "generator"),
        ({"transformation": "x" * 65}, "transformation"),
        ({"fingerprint": b"\x09"}, "malformed fingerprint"),
        ({"fingerprint": b""}, "malformed fingerprint"),
        ({"fingerprint": PICTURE}, "not of the kind that text/plain has"),
        ({"commitment": b"short"}, "its commitment is malformed"),
        ({"proposal_commitment": b""}, "wants a proposed answer"),
        ({"proposal_commitment": b"short"}, "wants a proposed answer"),
        ({"derived_from": [b"x"]}, "lineage is malformed"),
        ({"derived_from": [bytes(32)] * 17}, "derives from over 16"),
        ({"derived_from": [bytes(32)] * 2}, "derives from an item twice"),
        ({"source": "a\u202eb"}, "its source"),
        ({"name": "sound"}, "a part 'sound', which the campaign does not ask for"),
        ({"parts": []}, "it has no image"),
        ({"consent": pb.Consent(redistribute=True)}, "does not consent to training"),
        ({"consent": pb.Consent(train=True)}, "needs consent to redistribution"),
    ],
)
def test_an_item_must_fit_the_campaign(
    net: Network, change: dict[str, object], message: str
) -> None:
    good = net.item(1)
    bad = changed_item(net.item(2), **change)
    with refuses(f"item 2 of 2: .*{message}"):
        net.submit(net.people[0], [good, bad])
    net.submit(net.people[0], [good])


def test_an_item_of_exactly_the_largest_size_is_taken(net: Network) -> None:
    net.submit(net.people[0], [changed_item(net.item(1), size=65_536)])
    net.submit(net.people[0], [changed_item(net.item(1), size=1)])


@pytest.mark.parametrize("origin", [pb.ORIGIN_AGENT, pb.ORIGIN_SYNTHETIC])
def test_a_generated_item_that_names_its_generator_is_taken(
    net: Network, origin: pb.Origin
) -> None:
    generated = changed_item(
        net.item(1),
        origin=origin,
        generator="modèle 7",
        transformation="rotated",
        derived_from=[bytes([n]) * 32 for n in range(16)],
    )
    net.submit(net.people[0], [generated])


def test_only_members_submit(net: Network) -> None:
    with refuses("nobody has delegated the key"):
        net.submit(Person("stranger"), [net.item(1)])
    leaf = net.item(1)
    body = pb.Submission(network=NETWORK, campaign_id="digits", items=batch([leaf]))
    state = State()
    for entry in net.log[:2]:  # the operator's key is known from the genesis on
        transition.apply(state, entry.raw, entry.leaves)
    with refuses("has not registered"):
        transition.apply(state, net.operator.seal("submission", body), [leaf])
    net.submit(net.operator, [leaf])


def test_an_item_record_cannot_be_submitted_again_by_anybody(net: Network) -> None:
    leaf = net.item(1)
    net.submit(net.people[0], [leaf])
    with refuses("submitted already"):
        net.submit(net.people[1], [leaf])
    twice = net.item(2)
    with refuses("submitted already"):
        net.submit(net.people[0], [twice, twice])


def test_leaves_must_be_those_signed(net: Network) -> None:
    ada, leaves = net.people[0], [net.item(1), net.item(2)]
    body = pb.Submission(network=NETWORK, campaign_id="digits", items=batch(leaves))
    with refuses("root does not match"):
        net.add(ada, "submission", body, leaves[::-1])
    with refuses("count is not the number"):
        net.add(ada, "submission", body, leaves[:1])
    net.add(ada, "submission", body, leaves)


def test_the_coordinator_takes_no_proposal_that_it_could_not_open(net: Network) -> None:
    leaf = net.item(4)
    envelope = parse_envelope(
        net.people[0].seal(
            "submission",
            pb.Submission(network=NETWORK, campaign_id="digits", items=batch([leaf])),
        )
    )
    record = transition.open_record(envelope, [leaf], net.state.size)
    item_id, four = hash_leaf(leaf), net.answer(4)
    salt, _ = net.openings[item_id]
    intake.validate_openings(net.state, record, {item_id: (salt, four)})
    for openings, message in (
        ({}, "each proposal is opened"),
        ({item_id: (salt, four), bytes(32): (salt, four)}, "and nothing else"),
        ({item_id: (salt, net.answer(5))}, "does not match the commitment"),
        ({item_id: (salt, b"\0\x0a")}, "its proposal: there is no label 10"),
        ({item_id: (salt, b"\4")}, "has length 2, not 1"),
        ({item_id: (b"short", four)}, "a salt has 32 bytes"),
    ):
        with pytest.raises(Reject, match=message):
            intake.validate_openings(net.state, record, openings)


def test_the_first_submitter_keeps_the_credit(net: Network) -> None:
    ada, ben = net.people[:2]
    net.submit(ada, [net.item(1, content=b"the same picture")])
    net.submit(ben, [net.item(1, content=b"the same picture"), net.item(2)])
    net.stand_by(*net.people)
    net.seal()
    first, copy, fresh = ids(net)
    assert net.state.items[copy].status is ItemStatus.DUPLICATE
    assert net.state.items[copy].duplicate_of == first
    assert net.round().items == (first, fresh)


def test_only_open_campaigns_take_fingerprints(net: Network) -> None:
    closed = campaign(id="private-letters", privacy=pb.PRIVACY_REVIEWERS)
    net.add(net.operator, "campaign", closed)
    leaf = net.item(1, consent=pb.Consent(train=True), c="private-letters")
    with refuses("a fingerprint shows content"):
        shown = changed_item(leaf, fingerprint=fingerprint_text(b"x"))
        net.submit(net.people[0], [shown], c="private-letters")
    net.submit(net.people[0], [leaf], c="private-letters")
