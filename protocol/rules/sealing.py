"""Sealing a round: which items it has, and which of those that waited are copies of earlier ones.

The seal is written down, not only computed: a fingerprint may be erased later, since its author withdrew
the item, and a replay must still come to the same round.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from protocol.errors import Reject
from protocol.lifecycle import ItemEvent, ItemStatus
from protocol.limits import BATCH_LEAVES_MAX
from protocol.review.fingerprints import DuplicateIndex
from protocol.state import ItemId, ItemState, State
from protos.gen import records_pb2 as pb

# Items and duplicates of one seal. A draw writes all of them down and a close may have a line for the
# author of each: copies by the thousand must not make a record that no log can hold.
SEALED_ITEMS_MAX = 2 * BATCH_LEAVES_MAX


@dataclass(frozen=True, slots=True)
class Seal:
    """The items of a round, and what was found to be a copy of what; both in log order."""

    items: tuple[ItemId, ...]
    duplicates: Mapping[ItemId, ItemId]  # copy -> original


def compute_seal(state: State, logged: Mapping[ItemId, ItemId] | None = None) -> Seal:
    """Takes what waits and sets duplicates aside: the first submitter keeps the credit.

    A round takes what one batch can hold; the rest waits for the next epoch, first come first served.
    A pair of which one was erased since cannot be compared any more; it is taken from `logged`, the
    duplicates that the log holds, which everybody checked who was there.
    """
    logged = {} if logged is None else logged
    sealed = {campaign_id: DuplicateIndex[ItemId]() for campaign_id in state.campaigns}
    fresh: dict[ItemId, None] = {}
    duplicates: dict[ItemId, ItemId] = {}
    for item_id in state.pending[:SEALED_ITEMS_MAX]:
        if len(fresh) == BATCH_LEAVES_MAX:
            break
        original = logged.get(item_id)
        if original in duplicates or not _is_plausible(state, item_id, original, fresh):
            original = None
        if original is None:
            original = _original_of(state, item_id, sealed[state.items[item_id].campaign_id])
        if original is None:
            fresh[item_id] = None
        else:
            duplicates[item_id] = original
    return Seal(tuple(fresh), duplicates)


def _is_plausible(
    state: State, item_id: ItemId, original_id: ItemId | None, fresh: Container[ItemId]
) -> bool:
    """Whether the log may say what an item is a copy of, since nobody can compare the two any more.

    Only in a replay, between the submission of an erased item and its withdrawal.
    """
    original = None if original_id is None else state.items.get(original_id)
    if original is None:
        return False
    item = state.items[item_id]
    return (
        (item.is_erased or original.is_erased)
        and original.campaign_id == item.campaign_id
        and _stands(original)
        and (original.submitted_at < item.submitted_at or original_id in fresh)
    )


def _stands(item: ItemState) -> bool:
    """Whether a copy of the item can be found now: it is an original that the index holds, or held
    before its description was erased."""
    false = item.status is ItemStatus.REJECTED and item.label is None
    return not false and item.status not in (ItemStatus.DUPLICATE, ItemStatus.WITHDRAWN)


def _original_of(state: State, item_id: ItemId, sealed: DuplicateIndex[ItemId]) -> ItemId | None:
    """The earlier item that this one is a copy of, in the index or among those being sealed."""
    item = state.items[item_id]
    index = state.indexes[item.campaign_id]
    # An undecided item, or one of a round that nobody reviewed, was found to be an original before.
    if item.is_erased or item.draws or item_id in index:
        return None
    fingerprint = item.record().fingerprint
    if not fingerprint:
        return None
    earlier, beside = index.nearest(fingerprint), sealed.nearest(fingerprint)
    if earlier is not None and (beside is None or earlier.distance <= beside.distance):
        return earlier.key
    if beside is not None:
        return beside.key
    sealed.add(fingerprint, item_id)
    return None


def encode_seal(seal: Seal) -> list[bytes]:
    """The leaves of the record that seals a round."""
    return [
        pb.Duplicate(item_id=copy, duplicate_of=original).SerializeToString()
        for copy, original in seal.duplicates.items()
    ]


def set_aside(state: State, duplicates: Mapping[ItemId, ItemId]) -> None:
    """What `compute_seal` found, without comparing anything again."""
    fresh: list[ItemId] = []
    taken = 0
    for item_id in state.pending[:SEALED_ITEMS_MAX]:
        if len(fresh) == BATCH_LEAVES_MAX:
            break
        taken += 1
        item = state.items[item_id]
        if item_id in duplicates:
            item.duplicate_of = duplicates[item_id]
            item.step(ItemEvent.MATCH)
            state.epoch.duplicates.append(item_id)
        else:
            fresh.append(item_id)
            _index(state, item_id)
    del state.pending[:taken]
    state.epoch.round.items = tuple(fresh)


def _index(state: State, item_id: ItemId) -> None:
    """Later copies of an original are compared with it."""
    item = state.items[item_id]
    index = state.indexes[item.campaign_id]
    if item.is_erased or item_id in index:
        return
    if fingerprint := item.record().fingerprint:
        index.add(fingerprint, item_id)


def parse_duplicates(leaves: Sequence[bytes]) -> dict[ItemId, ItemId]:
    """Copy -> original, from the leaves of a seal. Raises Reject."""
    try:
        found = [pb.Duplicate.FromString(leaf) for leaf in leaves]
    except DecodeError:
        raise Reject("a leaf is not a protobuf Duplicate") from None
    return {ItemId(each.item_id): ItemId(each.duplicate_of) for each in found}
