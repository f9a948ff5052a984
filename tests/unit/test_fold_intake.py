"""The fold: what may be submitted, each rejection beside its acceptance."""

from __future__ import annotations

import pytest

from protocol import transition
from protocol.lifecycle import ItemStatus
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.rules import intake
from protos.gen import records_pb2 as pb
from tests.fold import (
    refuses,
)
from tests.simulated import NETWORK, Network, Person, batch, campaign


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": ""}, "carries no licence"),
        ({"licence": "WTFPL"}, "not among the campaign's"),
        ({"media_type": "text/html"}, "takes no text/html"),
        ({"size": 70_000}, "its size is not"),
        ({"origin": pb.ORIGIN_SYNTHETIC}, "names its generator"),
        ({"fingerprint": b"\x09"}, "malformed fingerprint"),
        ({"content_commitment": b"short"}, "content commitment is malformed"),
        ({"derived_from": [b"x"]}, "lineage is malformed"),
    ],
)
def test_an_item_must_fit_the_campaign(
    net: Network, change: dict[str, object], message: str
) -> None:
    good = net.item(1)
    bad = pb.Item.FromString(net.item(2))
    for name, value in change.items():
        if isinstance(value, list):
            getattr(bad, name).extend(value)
        else:
            setattr(bad, name, value)
    with refuses(f"item 2 of 2: .*{message}"):
        net.submit(net.people[0], [good, bad.SerializeToString()])
    net.submit(net.people[0], [good])


def test_consent_is_needed(net: Network) -> None:
    item = pb.Item.FromString(net.item(1))
    item.consent.train = False
    with refuses("does not consent to training"):
        net.submit(net.people[0], [item.SerializeToString()])


def test_only_members_submit(net: Network) -> None:
    with refuses("has not registered"):
        net.submit(Person("stranger"), [net.item(1)])


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


def test_the_coordinator_takes_no_label_that_it_could_not_open(net: Network) -> None:
    leaf = net.item(4)
    envelope = parse_envelope(
        net.people[0].seal(
            "submission",
            pb.Submission(network=NETWORK, campaign_id="digits", items=batch([leaf])),
        )
    )
    record = transition.open_record(envelope, [leaf], net.state.size)
    salt, _ = net.openings[hash_leaf(leaf)]
    intake.validate_openings(net.state, record, {hash_leaf(leaf): (salt, 4)})
    for openings, message in (
        ({}, "needs the opening"),
        ({hash_leaf(leaf): (salt, 5)}, "does not match the label commitment"),
        ({hash_leaf(leaf): (salt, 10)}, "outside the campaign's 10 labels"),
    ):
        with pytest.raises(Exception, match=message):
            intake.validate_openings(net.state, record, openings)


def test_the_first_submitter_keeps_the_credit(net: Network) -> None:
    ada, ben = net.people[:2]
    net.submit(ada, [net.item(1, content=b"the same picture")])
    net.submit(ben, [net.item(1, content=b"the same picture"), net.item(2)])
    net.stand_by(*net.people)
    net.phase(pb.PHASE_BEACON)
    first, copy, fresh = net.state.items
    assert net.state.items[copy].status is ItemStatus.DUPLICATE
    assert net.state.items[copy].duplicate_of == first
    assert net.state.epoch.round.items == (first, fresh)


def test_only_open_campaigns_take_fingerprints(net: Network) -> None:
    net.add(net.operator, "campaign", campaign(id="private-letters", privacy=pb.PRIVACY_REVIEWERS))
    item = pb.Item.FromString(net.item(1))
    item.consent.redistribute = False

    def submit() -> None:
        leaves = [item.SerializeToString()]
        body = pb.Submission(network=NETWORK, campaign_id="private-letters", items=batch(leaves))
        net.add(net.people[0], "submission", body, leaves)

    with refuses("a fingerprint shows content"):
        submit()
    item.fingerprint = b""
    submit()
