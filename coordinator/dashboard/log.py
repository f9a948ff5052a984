"""What pages read from the ledger: entries as sentences, reward lines by their places.

All of it blocks, and is called in a thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coordinator.dashboard.money import DepositRow, SettlementRow
from coordinator.dashboard.paging import Page, span
from coordinator.dashboard.words import Said, body_of, fields_of, said_of
from coordinator.ledger import Ledger
from coordinator.recovery import leaves_of
from coordinator.tally import LinePlace
from protocol.identity import KeyId
from protocol.log.envelope import Envelope, parse_envelope
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.strict import parse_leaf
from protocol.money import events
from protocol.money.settlement import Deployment
from protocol.transition import shown_batch
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of the log."""

    index: int
    kind: str
    key: KeyId  # that signed; whose it is, the state says
    said: Said


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry's page."""

    row: EntryRow
    fields: list[tuple[str, str]]
    leaf_hash: bytes
    envelope_bytes: int
    batch: pb.Batch | None
    proof: list[bytes]  # that it is under the present head


@dataclass(frozen=True, slots=True)
class LineRow:
    """A reward line with the epoch that it is of."""

    epoch: int
    index: int  # of the close
    line: pb.RewardLine


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """A receipt of a training job: a partner's signed update."""

    index: int
    key: KeyId
    record: pb.Update


def latest(places: Sequence[int], size: int, number: int) -> Page[int]:
    """A page of log indices below `size`, the last ones first; raises Reject beyond the last page.

    Memory may be ahead of what is committed, and only that can be read.
    """
    total = bisect_left(places, size)
    skip, take = span(number, total)
    return Page(
        number, total, [places[at] for at in range(total - skip - 1, total - skip - take - 1, -1)]
    )


def entry_rows(ledger: Ledger, indices: Sequence[int]) -> list[EntryRow]:
    """These entries, in this order."""
    return [_row(index, envelope) for index, envelope in _envelopes(ledger, indices)]


def entry_view(ledger: Ledger, tree: MerkleTree, index: int, size: int) -> EntryView:
    """One entry of a log of `size`; the caller has checked that it is in it."""
    [(_, envelope)] = _envelopes(ledger, [index])
    return EntryView(
        row=_row(index, envelope),
        fields=fields_of(envelope),
        leaf_hash=hash_leaf(envelope.raw),
        envelope_bytes=len(envelope.raw),
        batch=shown_batch(envelope),
        proof=tree.inclusion_proof(index, size),
    )


def line_rows(ledger: Ledger, places: Sequence[LinePlace]) -> list[LineRow]:
    """The lines at these places, in this order; each close is read once."""
    stored = {
        index: next(ledger.entries(index, index + 1)) for index in {place.index for place in places}
    }
    epochs = {index: body_of(parse_envelope(each.envelope)) for index, each in stored.items()}
    return [
        LineRow(
            epochs[place.index].epoch,  # type: ignore[attr-defined]  # a close
            place.index,
            place.read(stored[place.index].bundle or b""),
        )
        for place in places
    ]


def update_rows(ledger: Ledger, indices: Sequence[int]) -> list[UpdateRow]:
    """Updates at these indices."""
    return [
        UpdateRow(index, envelope.key, pb.Update.FromString(envelope.payload))
        for index, envelope in _envelopes(ledger, indices)
    ]


def deposit_rows(
    ledger: Ledger, records: Sequence[tuple[int, Deployment | None]]
) -> list[DepositRow]:
    """The deposits in the chain records at these indices, each with the contracts of then."""
    return [
        row
        for index, deployment in records
        if deployment is not None
        for row in _deposits_in(ledger, index, deployment)
    ]


def _deposits_in(ledger: Ledger, index: int, deployment: Deployment) -> Iterator[DepositRow]:
    [entry] = ledger.entries(index, index + 1)
    for leaf in leaves_of(entry):
        if isinstance(leaf, bytes):  # those of a chain record are never erased
            raw = parse_leaf(pb.ChainLog, leaf)
            event = events.decode(deployment, raw)
            if isinstance(event, events.Deposited):
                memo = event.memo.rstrip(b"\0").decode("utf-8", "replace")
                yield DepositRow(index, event.asset, event.amount, memo, raw.tx_hash)


def settlement_rows(ledger: Ledger, proposed: Sequence[int]) -> list[SettlementRow]:
    """Settlements at these indices."""
    return [
        SettlementRow(index, pb.Settlement.FromString(envelope.payload))
        for index, envelope in _envelopes(ledger, proposed)
    ]


def _row(index: int, envelope: Envelope) -> EntryRow:
    return EntryRow(index, envelope.kind, envelope.key, said_of(envelope))


def _envelopes(ledger: Ledger, indices: Sequence[int]) -> list[tuple[int, Envelope]]:
    found = ledger.envelopes(indices)
    return [(index, parse_envelope(found[index])) for index in indices]
