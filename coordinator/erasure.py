"""What a record takes away: the leaves and sealed openings that nobody may need or keep after it.

It follows from what the record changed, whatever its kind. A withdrawn item takes its leaf out of its batch,
with those of its parts; a part that is taken back alone takes its own.
An item that is settled (decided, withdrawn, taken down, left over by a campaign that was closed, or called a
copy once more after its author contested that) takes the opening of its proposal along, and the answer that
the operator imported for it. A round that ends takes its gold: its verdict has opened it, or nobody could be
drawn, and the next seal commits to the imported answer under another salt.

Gold that was opened is known to everybody, so what was imported goes with it, decided or not.
"""

from __future__ import annotations

from collections import defaultdict

from coordinator.ledger import Erasure
from coordinator.sealed import forget, gold_key, known_key, proposals_key, without
from coordinator.tables import Rewrite
from protocol.lifecycle import GONE, ItemStatus
from protocol.rows import Item, ItemId
from protocol.transition import AnyRecord, Changes
from protos.gen import records_pb2 as pb

_SETTLED = frozenset({ItemStatus.ACCEPTED, ItemStatus.REJECTED, *GONE})


def erasure_of(record: AnyRecord, changes: Changes) -> Erasure:
    """What goes with a record that was applied."""
    settled: defaultdict[bytes, set[ItemId]] = defaultdict(set)
    sealed: dict[bytes, Rewrite] = {}
    for item_id, (before, after) in changes.items.items():
        if is_settled(after) and not (before is not None and is_settled(before)):
            settled[proposals_key(after.submitted_at, item_id)].add(item_id)
            sealed[known_key(item_id)] = forget
    for key, item_ids in settled.items():
        sealed[key] = without(frozenset(item_ids))
    for old, new in changes.rounds.values():
        for gold_hash in set(old.gold_hashes) - set(new.gold_hashes):
            sealed[gold_key(gold_hash)] = forget
    for leaf in record.leaves:
        if isinstance(leaf, pb.ItemVerdict) and leaf.gold_salt:
            sealed[known_key(leaf.item_id)] = forget
    leaves = {at: frozenset(hashes) for at, hashes in changes.erased_leaves.items()}
    return Erasure(leaves, sealed)


def is_settled(item: Item) -> bool:
    """Whether nobody needs an item's proposal any more. A copy may be contested, and then is reviewed."""
    if item.status is ItemStatus.DUPLICATE:
        return item.contested
    return item.status in _SETTLED or item.decided_in is not None
