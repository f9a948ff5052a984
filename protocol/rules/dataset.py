"""Datasets: snapshots of accepted items, and the licences that are sold for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from protocol.errors import Reject
from protocol.lifecycle import ItemStatus
from protocol.limits import (
    ADDRESS_BYTES,
    LICENCE_ID_CHARS_MAX,
    NAME_CHARS_MAX,
    OPERATOR_LEAVES_MAX,
)
from protocol.rules.record import Record, is_name, parse_amount, require
from protocol.state import ItemId, LicenceState, SnapshotState, State
from protos.gen import records_pb2 as pb


def compute_snapshot(
    state: State, campaign_id: str, scope: pb.Consent, erased: Collection[ItemId] = ()
) -> list[ItemId]:
    """The items of a snapshot, in log order: accepted, not withdrawn, with consent that covers `scope`.

    `erased` are those whose consent can no longer be read and is taken as given: a replay finds them
    in a snapshot that was logged before they were withdrawn.
    """
    return [
        item_id
        for item_id, item in state.items.items()
        if item.campaign_id == campaign_id
        and item.status is ItemStatus.ACCEPTED
        and (item_id in erased if item.is_erased else covers(item.record().consent, scope))
    ]


def covers(consent: pb.Consent, scope: pb.Consent) -> bool:
    """Whether somebody who gave `consent` agrees to every use in `scope`."""
    return (
        (consent.train or not scope.train)
        and (consent.redistribute or not scope.redistribute)
        and (consent.commercial or not scope.commercial)
    )


def validate_snapshot(state: State, record: Record[pb.Snapshot]) -> None:
    """The items are exactly those that everybody selects by the same rule."""
    body = record.body
    require(body.campaign_id in state.campaigns, f"there is no campaign {body.campaign_id!r}")
    require(len(record.leaves) > 0, "a snapshot holds at least one accepted item")
    listed = [ItemId(leaf) for leaf in record.leaves]
    erased = {i for i in listed if i in state.items and state.items[i].is_erased}
    require(
        listed == compute_snapshot(state, body.campaign_id, body.scope, erased),
        "the snapshot's items are not those that follow from the log",
    )


def process_snapshot(state: State, record: Record[pb.Snapshot]) -> None:
    """Keeps who is in it, so that later revenue finds its way to them."""
    items = tuple(ItemId(leaf) for leaf in record.leaves)
    for item_id in items:
        state.items[item_id].snapshots += (record.digest,)
    tally = Counter(state.items[item_id].author for item_id in items)
    state.snapshots[record.digest] = SnapshotState(
        record.body.campaign_id, record.body.scope, items, dict(sorted(tally.items())), record.index
    )


def usable_snapshot(state: State, digest: bytes) -> SnapshotState:
    """The snapshot with this digest; raises Reject if there is none or an author withdrew from it."""
    snapshot = state.snapshots.get(digest)
    if snapshot is None:
        raise Reject(f"the log holds no snapshot {digest.hex()}")
    require(
        snapshot.withdrawn == 0,
        f"{snapshot.withdrawn} items of snapshot {digest.hex()[:12]} were withdrawn; export a new one",
    )
    return snapshot


def validate_licence(state: State, record: Record[pb.Licence]) -> None:
    """A sale names a snapshot that may be sold, and what it costs."""
    body = record.body
    require(
        is_name(body.id, LICENCE_ID_CHARS_MAX),
        f"a licence's id is a-z, 0-9 and -, at most {LICENCE_ID_CHARS_MAX}",
    )
    require(body.id not in state.licences, f"there is a licence {body.id!r} already")
    snapshot = usable_snapshot(state, body.snapshot)
    require(snapshot.scope.commercial, "its authors did not all consent to commercial use")
    # Whoever buys it holds it: only the items of an open campaign may all be passed on.
    campaign = state.campaigns[snapshot.campaign_id]
    require(campaign.privacy == pb.PRIVACY_OPEN, "its content goes to its reviewers only")
    require(0 < len(body.licensee) <= NAME_CHARS_MAX, "a licence names its licensee")
    require(0 < len(body.terms) <= NAME_CHARS_MAX, "a licence names its terms")
    require(len(body.asset) == ADDRESS_BYTES, "an asset is a 20-byte address, zeros for ether")
    shares = state.deployment is not None and body.asset == state.deployment.share_token
    require(not shares, "the network's own shares are no revenue")
    require(parse_amount(body.price, "the price") > 0, "the price is more than nothing")
    # A close splits the licence's revenue in one go, beside all its other lines.
    require(len(snapshot.credits) <= OPERATOR_LEAVES_MAX // 4, "the snapshot has too many authors")


def process_licence(state: State, record: Record[pb.Licence]) -> None:
    """Payments with its id are its revenue from now on."""
    state.licences[record.body.id] = LicenceState(record.body)
