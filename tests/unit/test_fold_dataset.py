"""The fold: snapshots and licences, each rejection beside its acceptance."""

from __future__ import annotations

import pytest

from protocol.rows import Consent, ItemId
from protocol.rules import dataset, licences
from protos.gen import records_pb2 as pb
from tests.fold import encoded, ids, refuses, same
from tests.simulated import EVERY_USE, NETWORK, Network, batch, campaign, licence

TRAINING = pb.Consent(train=True)
TO_SELL = pb.Consent(train=True, commercial=True)


@pytest.fixture
def reviewed(net: Network) -> Network:
    """Three items for every use and one that is not to be sold, accepted; one rejected."""
    ada, ben, *reviewers = net.people
    unsold = pb.Consent(train=True, redistribute=True)
    net.submit(ada, [net.item(1), net.item(2), net.item(3, label=4)])
    net.submit(ben, [net.item(5), net.item(6, consent=unsold)])
    net.run_epoch(*reviewers)
    return net


def select(net: Network, scope: pb.Consent) -> list[ItemId]:
    return dataset.compute_snapshot(net.state, "digits", Consent.of(scope))


def test_a_snapshot_is_what_everybody_selects(reviewed: Network) -> None:
    first, second, _, fourth, unsold = everything = ids(reviewed)
    assert select(reviewed, EVERY_USE) == [first, second, fourth]
    for wrong in (
        [first, second],
        [first, second, fourth, unsold],
        [second, first, fourth],
        [first, second, fourth, fourth],
        [first, second, fourth, bytes(32)],
        everything,
    ):
        with refuses("not those that follow from the log"):
            reviewed.add_snapshot(wrong)
    digest = reviewed.snapshot()
    snapshot = reviewed.state.snapshots[digest]
    ada, ben = (person.id for person in reviewed.people[:2])
    assert snapshot.items == (first, second, fourth)
    assert snapshot.credits == tuple(sorted({ada: 2_000, ben: 1_000}.items()))
    assert reviewed.state.items[first].snapshots == (digest,)


def test_a_scope_selects_by_consent(reviewed: Network) -> None:
    assert len(select(reviewed, TRAINING)) == 4
    assert len(select(reviewed, TO_SELL)) == 3
    wide = select(reviewed, TRAINING)
    with refuses("not those that follow"):
        reviewed.add_snapshot(wide, scope=TO_SELL)
    reviewed.add_snapshot(wide, scope=TRAINING)


def test_a_snapshot_is_of_a_campaign_with_accepted_items(reviewed: Network) -> None:
    reviewed.add(reviewed.operator, "campaign", campaign(id="letters"))
    with refuses("at least one accepted item"):
        reviewed.snapshot(campaign_id="letters")
    some = select(reviewed, EVERY_USE)
    with refuses("not those that follow"):
        reviewed.add_snapshot(some, campaign_id="letters")
    with refuses("there is no campaign 'no-such'"):
        reviewed.add_snapshot(some, campaign_id="no-such")
    reviewed.add_snapshot(some)
    with refuses("in the log already"):
        reviewed.add_snapshot(some)
    reviewed.close()
    with refuses("in the log already"):
        reviewed.add_snapshot(some)


def test_only_the_operator_takes_snapshots_and_sells(reviewed: Network) -> None:
    items = select(reviewed, EVERY_USE)
    leaves = encoded(pb.SnapshotItem(item_id=item_id) for item_id in items)
    body = pb.Snapshot(network=NETWORK, campaign_id="digits", scope=EVERY_USE, items=batch(leaves))
    with refuses("only the network's operator"):
        reviewed.add(reviewed.people[0], "snapshot", body, leaves)
    sale = licence(snapshot=reviewed.snapshot())
    with refuses("only the network's operator"):
        reviewed.add(reviewed.people[0], "licence", sale)
    reviewed.add(reviewed.operator, "licence", sale)


def test_a_withdrawn_item_is_in_no_later_snapshot_or_sale(reviewed: Network) -> None:
    before = reviewed.snapshot()
    first, second, *_ = ids(reviewed)
    reviewed.withdraw(reviewed.people[0], [first])
    assert reviewed.state.snapshots[before].withdrawn == 1
    with refuses("1 items or parts of snapshot .* were withdrawn"):
        reviewed.license(before)
    with refuses("not those that follow"):
        reviewed.add_snapshot(list(reviewed.state.snapshots[before].items), scope=TO_SELL)
    after = reviewed.snapshot()
    assert reviewed.state.snapshots[after].items[0] == second
    reviewed.license(after)
    assert same(reviewed.replay(gone={first}), reviewed.state)


def test_a_sale_stands_when_an_item_is_withdrawn_later(reviewed: Network) -> None:
    reviewed.license(reviewed.snapshot())
    (before,) = (snapshot.credits for _, snapshot in reviewed.state.snapshots.scan())
    reviewed.withdraw(reviewed.people[0], ids(reviewed)[:1])
    (snapshot,) = (snapshot for _, snapshot in reviewed.state.snapshots.scan())
    assert (snapshot.credits, snapshot.withdrawn) == (before, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "is not a licence's id"),
        ({"id": "Acme"}, "is not a licence's id"),
        ({"id": "a" * 33}, "is not a licence's id"),
        ({"snapshot": bytes(32)}, "the log holds no snapshot"),
        ({"licensee": ""}, "the licensee"),
        ({"licensee": "x" * 65}, "the licensee"),
        ({"terms": ""}, "the licence's terms"),
        ({"asset": b""}, "20-byte address"),
        ({"asset": bytes(32)}, "20-byte address"),
        ({"price": "0"}, "the price is nothing"),
        ({"price": "01"}, "not an amount"),
        ({"price": ""}, "not an amount"),
        ({"network": bytes(32)}, "another network"),
    ],
)
def test_a_licence_says_what_is_sold_to_whom(
    reviewed: Network, change: dict[str, object], message: str
) -> None:
    sale = licence(snapshot=reviewed.snapshot())
    spoiled = pb.Licence()
    spoiled.CopyFrom(sale)
    for name, value in change.items():
        setattr(spoiled, name, value)
    with refuses(message):
        reviewed.add(reviewed.operator, "licence", spoiled)
    reviewed.add(reviewed.operator, "licence", sale)
    with refuses("there is a licence 'acme-2026' already"):
        reviewed.license(sale.snapshot, price="1001")


def test_only_commercial_consent_is_sold(reviewed: Network) -> None:
    with refuses("did not all consent to commercial use"):
        reviewed.license(reviewed.snapshot(TRAINING))
    reviewed.license(reviewed.snapshot(TO_SELL))


def test_what_only_reviewers_may_see_is_not_sold(reviewed: Network) -> None:
    letters = campaign(id="letters", privacy=pb.PRIVACY_REVIEWERS)
    reviewed.add(reviewed.operator, "campaign", letters)
    reviewed.submit(reviewed.people[0], [reviewed.item(1, c="letters")], c="letters")
    reviewed.run_rounds(*reviewed.people[2:], c="letters")
    with refuses("goes to its reviewers only"):
        reviewed.license(reviewed.snapshot(campaign_id="letters"))
    reviewed.license(reviewed.snapshot())


def test_a_sale_credits_no_more_authors_than_a_close_pays(
    reviewed: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = reviewed.snapshot()
    monkeypatch.setattr(licences, "OPERATOR_LEAVES_MAX", 4)
    with refuses("too many owners"):
        reviewed.license(digest)
    monkeypatch.setattr(licences, "OPERATOR_LEAVES_MAX", 8)
    reviewed.license(digest)
