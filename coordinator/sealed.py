"""What the operator keeps to himself until a verdict: proposed labels, and the answers of gold.

It rests in the ledger's sealed table, written in the same transaction as the record that it opens, so
that no acknowledged record is ever without its openings. Format of one opening: item id (32 bytes),
salt (32 bytes), label (u32, big-endian). When it goes again is in coordinator/erasure.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from coordinator.ledger import Ledger
from protocol.errors import Reject
from protocol.limits import HASH_BYTES, SALT_BYTES
from protocol.log.commitments import gold_commitment
from protocol.rules.intake import validate_openings
from protocol.rules.record import require
from protocol.state import ItemId, State
from protocol.transition import AnyRecord

LABEL_MAX: Final = 2**32 - 1
_LABEL_BYTES: Final = 4
_OPENING_BYTES: Final = HASH_BYTES + SALT_BYTES + _LABEL_BYTES


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens the label commitment of an item, or a gold commitment."""

    item_id: ItemId
    salt: bytes
    label: int

    def encode(self) -> bytes:
        """68 bytes."""
        return self.item_id + self.salt + self.label.to_bytes(_LABEL_BYTES, "big")


def _decode(data: bytes) -> Iterable[Opening]:
    for at in range(0, len(data), _OPENING_BYTES):
        salt_at, label_at = at + HASH_BYTES, at + HASH_BYTES + SALT_BYTES
        label = int.from_bytes(data[label_at : at + _OPENING_BYTES], "big")
        yield Opening(data[at:salt_at], data[salt_at:label_at], label)


def labels_key(index: int) -> bytes:
    """One row holds all labels of a submission: the state knows where each item was submitted."""
    return b"labels/" + index.to_bytes(8, "big")


def gold_key(epoch: int, gold_hash: bytes) -> bytes:
    """One row for each gold hash: the state knows those of the epoch, and a hash may return in another."""
    return b"gold/" + epoch.to_bytes(8, "big") + gold_hash


def without_items(item_ids: Collection[ItemId], row: bytes) -> bytes:
    """A row without the openings of some items; empty when none is left."""
    return b"".join(each.encode() for each in _decode(row) if each.item_id not in item_ids)


def forget(_: bytes) -> bytes:
    """What is left of a row that is erased whole."""
    return b""


def validate_sealed(
    state: State, ledger: Ledger, kind: str, record: AnyRecord, openings: Sequence[Opening]
) -> dict[bytes, bytes]:
    """The rows to seal beside a validated record; raises Reject unless its openings are whole."""
    if kind == "submission":
        by_item = {each.item_id: (each.salt, each.label) for each in openings}
        require(len(by_item) == len(openings), "an item's label is opened twice")
        validate_openings(state, record, by_item)
        return {labels_key(record.index): b"".join(each.encode() for each in openings)}
    if kind == "gold-commit":
        return _validate_gold(state, ledger, record, openings)
    require(not openings, f"a {kind} opens nothing")
    return {}


def _validate_gold(
    state: State, ledger: Ledger, record: AnyRecord, openings: Sequence[Opening]
) -> dict[bytes, bytes]:
    """An epoch whose gold could not be opened could never be decided: check all of it now."""
    for each in openings:
        item = state.items.get(each.item_id)
        if item is None:
            raise Reject(f"nobody submitted the item {each.item_id.hex()}")
        labels = len(state.campaigns[item.campaign_id].labels)
        require(each.label < labels, f"a gold label is outside the campaign's {labels} labels")
    hashes = [gold_commitment(each.item_id, each.salt, each.label) for each in openings]
    require(set(hashes) == set(record.leaves), "the openings are not those of the gold hashes")
    known = set(gold_of(ledger, state)) | {each.item_id for each in openings}
    before = len(state.epoch.gold_hashes)
    require(len(known) == before + len(record.leaves), "an item is gold twice in this epoch")
    epoch = state.epoch.number
    return {
        gold_key(epoch, gold_hash): each.encode()
        for gold_hash, each in zip(hashes, openings, strict=True)
    }


def labels_of(ledger: Ledger, state: State) -> dict[ItemId, tuple[bytes, int]]:
    """(salt, label) that the authors sealed for every item of the present round."""
    wanted = set(state.epoch.round.items)
    indices = {state.items[item_id].submitted_at for item_id in wanted}
    rows = ledger.sealed([labels_key(index) for index in sorted(indices)])
    return _by_item(rows, wanted)


def gold_of(ledger: Ledger, state: State) -> dict[ItemId, tuple[bytes, int]]:
    """(salt, label) of every gold item of the present epoch."""
    hashes = sorted(state.epoch.gold_hashes)
    rows = ledger.sealed([gold_key(state.epoch.number, each) for each in hashes])
    return _by_item(rows, None)


def _by_item(
    rows: Mapping[bytes, bytes], wanted: set[ItemId] | None
) -> dict[ItemId, tuple[bytes, int]]:
    return {
        each.item_id: (each.salt, each.label)
        for row in rows.values()
        for each in _decode(row)
        if wanted is None or each.item_id in wanted
    }
