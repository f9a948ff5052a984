"""A log entry in words: one sentence for each kind of record, and its fields as they were signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from coordinator.dashboard.formats import amount, count, many, micro, percent, scope, shortened
from protocol.limits import ADDRESS_BYTES
from protocol.log.envelope import Envelope
from protocol.transition import RULES
from protos.gen import records_pb2 as pb

# A record has at most one log entry of text; a page shows the beginning of what is longer.
TEXT_CHARS_SHOWN: Final = 2_000
VALUES_SHOWN: Final = 16

_PHASES: Final = {
    pb.PHASE_BEACON: "fixed the items of epoch {} round {}; reviewers open their beacon values",
    pb.PHASE_REVEALING: "ended the commits of epoch {} round {}; answers are opened",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What the author of an entry did, as the rest of a sentence; and the page that it is about."""

    text: str
    path: str = ""


def _items(number: int) -> str:
    return many(number, "item")


def _phase(body: pb.Phase) -> Said:
    text = _PHASES.get(body.to, "moved epoch {} round {} along").format(body.epoch, body.round)
    if body.duplicates.count:
        text += f"; {_items(body.duplicates.count)} set aside as copies"
    return Said(text, f"/epochs/{body.epoch}")


def _model(body: pb.Model) -> Said:
    path = f"/jobs/{body.job_id}"
    if body.outcome == pb.JOB_OUTCOME_ENDED:
        return Said(f"ended job {body.job_id} early: {body.reason}", path)
    accuracy = percent(body.accuracy_int8_ppm)
    return Said(
        f"completed job {body.job_id}: a model with {accuracy} % accuracy at int8,"
        f" for epsilon {micro(body.epsilon_micro)}",
        path,
    )


_SENTENCES: Final[dict[str, Callable[[Any], Said]]] = {
    "genesis": lambda b: Said(f"founded the network {b.name}", "/"),
    "campaign": lambda b: Said(f"opened the campaign {b.title or b.id}", f"/campaigns/{b.id}"),
    "register": lambda b: Said(f"bound the payout address {shortened(b.payout_address)}"),
    "submission": lambda b: Said(
        f"submitted {_items(b.items.count)} to {b.campaign_id}", f"/campaigns/{b.campaign_id}"
    ),
    "withdraw": lambda b: Said(f"withdrew consent for {_items(len(b.item_ids))}"),
    "standby": lambda _: Said("stands by to review", "/epochs"),
    "beacon": lambda b: Said(
        f"opened a beacon value for the draw of epoch {b.epoch} round {b.round}",
        f"/epochs/{b.epoch}",
    ),
    "phase": _phase,
    "gold-commit": lambda b: Said(
        f"committed to {many(b.hashes.count, 'gold answer')} for epoch {b.epoch}",
        f"/epochs/{b.epoch}",
    ),
    "draw": lambda b: Said(
        f"drew reviewers for {_items(b.assignments.count)} of epoch {b.epoch} round {b.round}",
        f"/epochs/{b.epoch}",
    ),
    "commit": lambda b: Said(
        f"committed to {many(b.answers.count, 'answer')} of epoch {b.epoch} round {b.round}",
        f"/epochs/{b.epoch}",
    ),
    "reveal": lambda b: Said(
        f"opened {many(b.answers.count, 'answer')} of epoch {b.epoch} round {b.round}",
        f"/epochs/{b.epoch}",
    ),
    "verdict": lambda b: Said(
        f"decided {_items(b.verdicts.count)} of epoch {b.epoch} round {b.round}",
        f"/epochs/{b.epoch}",
    ),
    "close": lambda b: Said(
        f"closed epoch {b.epoch} with {many(b.lines.count, 'reward line')}", f"/epochs/{b.epoch}"
    ),
    "deployment": lambda b: Said(f"deployed the contracts on chain {b.chain_id}", "/revenue"),
    "revenue": lambda b: Said(
        f"recorded revenue of {amount(int(b.amount), b.asset)}"
        + (f" for {b.memo}" if b.memo else ""),
        "/revenue",
    ),
    "settlement": lambda b: Said(
        f"proposed the settlement of epoch {b.epoch}, {many(b.leaves, 'claim')}", "/revenue"
    ),
    "attest": lambda b: Said(
        f"recomputed the settlement of epoch {b.epoch} and signed it", "/revenue"
    ),
    "published": lambda b: Said(
        f"published the settlement of epoch {b.epoch} in block {count(b.block)}", "/revenue"
    ),
    "snapshot": lambda b: Said(
        f"took a snapshot of {_items(b.items.count)} of {b.campaign_id}, to {scope(b.scope)}",
        "/datasets",
    ),
    "licence": lambda b: Said(
        f"licensed dataset {b.snapshot.hex()[:12]} to {b.licensee}"
        f" for {amount(int(b.price), b.asset)}",
        f"/datasets/{b.snapshot.hex()[:12]}",
    ),
    "job": lambda b: Said(
        f"opened the training job {b.title or b.id}: {b.rounds} rounds for epsilon"
        f" {micro(b.epsilon_micro)}, {many(len(b.partners), 'partner')} invited",
        f"/jobs/{b.id}",
    ),
    "enrol": lambda b: Said(f"joined job {b.job_id}", f"/jobs/{b.job_id}"),
    "update": lambda b: Said(
        f"signed an update for round {b.round} of {b.job_id};"
        f" its data has spent epsilon {micro(b.epsilon_micro)}",
        f"/jobs/{b.job_id}",
    ),
    "training-round": lambda b: Said(
        f"added {many(len(b.partners), 'update')} in round {b.round} of {b.job_id}",
        f"/jobs/{b.job_id}",
    ),
    "model": _model,
}


def body_of(envelope: Envelope) -> Message:
    """The record in an envelope that was validated before it was logged."""
    return RULES[envelope.kind].message.FromString(envelope.payload)


def said_of(envelope: Envelope) -> Said:
    """What its author did."""
    return _SENTENCES[envelope.kind](body_of(envelope))


def fields_of(envelope: Envelope) -> list[tuple[str, str]]:
    """Every field that is set, with its name; what is long is cut, and says so."""
    return [
        (descriptor.name.replace("_", " "), _value(descriptor, value))
        for descriptor, value in body_of(envelope).ListFields()
    ]


def _value(descriptor: FieldDescriptor, value: Any) -> str:
    if descriptor.is_repeated:
        shown = [_single(descriptor, each) for each in value[:VALUES_SHOWN]]
        rest = len(value) - len(shown)
        return ", ".join(shown) + (f", and {count(rest)} more" if rest else "")
    return _single(descriptor, value)


def _single(descriptor: FieldDescriptor, value: Any) -> str:
    if isinstance(value, Message):
        return "; ".join(
            f"{inner.name.replace('_', ' ')} {_value(inner, each)}"
            for inner, each in value.ListFields()
        )
    if isinstance(value, bytes):
        return f"0x{value.hex()}" if len(value) == ADDRESS_BYTES else _cut(value.hex())
    if descriptor.enum_type is not None:
        return str(descriptor.enum_type.values_by_number[value].name).lower().replace("_", " ")
    return _cut(f"{value:,}" if isinstance(value, int) else str(value))


def _cut(text: str) -> str:
    if len(text) <= TEXT_CHARS_SHOWN:
        return text
    return f"{text[:TEXT_CHARS_SHOWN]}… ({count(len(text))} characters)"
