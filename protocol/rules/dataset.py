"""Datasets: snapshots of accepted items. What is sold of them: licences.py beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from protocol.errors import Ignore, Reject
from protocol.identity import PersonId
from protocol.limits import WHOLE_PERMILLE
from protocol.rows import Consent, ItemId, Snapshot
from protocol.rules.record import Record, campaign_of, require
from protocol.state import State
from protos.gen import records_pb2 as pb


def compute_snapshot(
    state: State, campaign_id: str, scope: Consent, erased: Collection[ItemId] = ()
) -> list[ItemId]:
    """The items of a snapshot, in log order: accepted, not withdrawn, with consent that covers `scope`.

    `erased` are those whose consent can no longer be read and is taken as given: a replay finds them
    in a snapshot that was logged before they were withdrawn.
    """
    found = []
    for _, item_id in state.accepted.scan(campaign_id):
        described = state.items[item_id].description
        if item_id in erased if described is None else described.consent.covers(scope):
            found.append(item_id)
    return found


def snapshot_leaves(state: State, items: Iterable[ItemId]) -> list[pb.SnapshotItem]:
    """The leaves of a snapshot's record: what it holds, and what of that was taken back before."""
    return [snapshot_leaf(state, item_id) for item_id in items]


def snapshot_leaf(state: State, item_id: ItemId) -> pb.SnapshotItem:
    """What a snapshot of now holds of an item. Where a contest has changed what it is worth, the next
    snapshot is another one, though its items are the same."""
    item = state.items[item_id]
    campaign = state.campaigns[item.campaign_id]
    less = WHOLE_PERMILLE - campaign.worth_permille(item.relation)
    if not (item.taken_back or less):  # nearly all
        return pb.SnapshotItem(item_id=item_id)
    names = [part.name for part in campaign.parts]
    without = sorted(names.index(name) for name in item.taken_back)
    return pb.SnapshotItem(item_id=item_id, without=without, less_permille=less)


def validate_snapshot(state: State, record: Record[pb.Snapshot]) -> None:
    """The items are exactly those that everybody selects by the same rule."""
    body = record.body
    campaign_of(state, body.campaign_id)
    require(len(record.leaves) > 0, "a snapshot holds at least one accepted item")
    if record.digest in state.snapshots:
        raise Ignore("this snapshot is in the log already")
    leaves: tuple[pb.SnapshotItem, ...] = record.leaves
    listed = [ItemId(leaf.item_id) for leaf in leaves]
    erased = {i for i in listed if i in state.items and state.items[i].is_erased}
    scope = Consent.of(body.scope)
    require(
        listed == compute_snapshot(state, body.campaign_id, scope, erased),
        "the snapshot's items are not those that follow from the log",
    )
    require(
        list(leaves) == snapshot_leaves(state, listed),
        "the snapshot does not say which parts of its items were taken back, or what they are worth",
    )


def process_snapshot(state: State, record: Record[pb.Snapshot]) -> None:
    """Keeps who is in it, so that later revenue finds its way to them."""
    items = tuple(ItemId(leaf.item_id) for leaf in record.leaves)
    for item_id in items:
        item = state.items[item_id]
        state.items.put(item_id, replace(item, snapshots=(*item.snapshots, record.digest)))
    state.snapshots.put(
        record.digest,
        Snapshot(
            campaign_id=record.body.campaign_id,
            scope=Consent.of(record.body.scope),
            items=items,
            credits=_credits(state, record.body.campaign_id, items),
            logged_at=record.index,
            root=record.body.items.root,
        ),
    )


def _credits(
    state: State, campaign_id: str, items: Iterable[ItemId]
) -> tuple[tuple[PersonId, int], ...]:
    """What each author's items are worth, in thousandths of an item, in the order of persons: a derivative
    counts for as much as it earned."""
    campaign, counted = state.campaigns[campaign_id], dict[PersonId, int]()
    for item in (state.items[item_id] for item_id in items):
        worth = campaign.worth_permille(item.relation)
        counted[item.author] = counted.get(item.author, 0) + worth
    return tuple(sorted(counted.items()))


def usable_snapshot(state: State, digest: bytes) -> Snapshot:
    """The snapshot with this digest; raises Reject if there is none, or something of it went since."""
    snapshot = state.snapshots.get(digest)
    if snapshot is None:
        raise Reject(f"the log holds no snapshot {digest.hex()}")
    name = digest.hex()[:12]
    require(
        snapshot.withdrawn == 0,
        f"{snapshot.withdrawn} items or parts of snapshot {name} were withdrawn or taken down",
        "export a new one",
    )
    require(
        snapshot.refused == 0,
        f"{snapshot.refused} items of snapshot {name} were contested, and are accepted no more",
        "export a new one",
    )
    return snapshot
