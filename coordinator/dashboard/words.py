"""A log entry in words: one sentence for each kind of record, and its fields as they were signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from markupsafe import Markup

from commonground.takedowns import takedown_words
from commonground.web.pages import segment
from coordinator.dashboard.formats import (
    amount,
    bdi,
    count,
    many,
    micro,
    percent,
    scope,
    shortened,
)
from protocol.identity import KeyId, short_key
from protocol.limits import ADDRESS_BYTES
from protocol.log.envelope import Envelope
from protocol.rules.table import RULES
from protos.gen import records_pb2 as pb

# A record has at most one log entry of text; a page shows the beginning of what is longer.
TEXT_CHARS_SHOWN: Final = 2_000
VALUES_SHOWN: Final = 16


@dataclass(frozen=True, slots=True)
class Said:
    """What the author of an entry did, as the rest of a sentence; and the page that it is about."""

    text: Markup  # what others wrote is escaped, and isolated from what stands around it
    path: str = ""


def _said(sentence: str, *values: object, path: str = "") -> Said:
    """A sentence with values in it: text is of others, unless it is markup already."""
    # The sentence is one of those below.
    told = Markup(sentence).format(*(bdi(v) if type(v) is str else v for v in values))  # noqa: S704
    return Said(told, path)


def _ours(text: str) -> Markup:
    """Words of our own making: numbers with their units."""
    return Markup("{}").format(text)


def _many(number: int, name: str) -> Markup:
    return _ours(many(number, name))


def _items(number: int) -> Markup:
    return _many(number, "item")


def _amount(text: str, asset: bytes) -> Markup:
    return _ours(amount(int(text), asset))


def _withdraw(body: Any) -> Said:
    items = _items(len(body.item_ids))
    if body.part:
        return _said("withdrew consent for the part {} of {}", body.part, items)
    return _said("withdrew consent for {}", items)


def _to(body: Any) -> str:
    """The page of the campaign that a record is about."""
    return f"/campaigns/{segment(body.campaign_id)}"


def _job_page(job_id: str) -> str:
    return f"/jobs/{segment(job_id)}"


def _round(sentence: str, body: Any, *values: object) -> Said:
    """A sentence that ends with the round that it is about."""
    return _said(
        f"{sentence} round {{}} of {{}}", *values, body.round, body.campaign_id, path=_to(body)
    )


def _successor(body: pb.Successor) -> Said:
    whose = "the log" if body.role == pb.KEY_ROLE_LOG else "the operator"
    return _said(
        "put another key in the place of {}'s: {}", _ours(whose), _ours(short_key(body.key))
    )


def _register(body: pb.Register) -> Said:
    address = _ours(shortened(body.payout_address))
    if not body.HasField("invitation"):
        return _said("is to be paid at {}", address)
    inviter = _ours(short_key(KeyId(body.invitation.inviter)))
    return _said(
        "joined by an invitation that {} signed, and is to be paid at {}", inviter, address
    )


def _standby(body: pb.Standby) -> Said:
    said = "stands by to review in {}" if body.stands else "stands down from reviewing in {}"
    return _said(said, body.campaign_id, path=_to(body))


def _seal(body: pb.Seal) -> Said:
    said = _round("fixed the items of", body)
    found = Markup("; {} beside it, of copies, likely ones and hidden answers").format(
        _many(body.found.count, "line")
    )
    return Said(said.text + found if body.found.count else said.text, said.path)


def _draw(body: pb.Draw) -> Said:
    if not body.assignments.count:
        return _round("could draw nobody for", body)
    return _round("drew reviewers for {} in", body, _items(body.assignments.count))


def _close(body: pb.Close) -> Said:
    waits = sum(each.items for each in body.waiting)
    return _said(
        "closed epoch {} with {}" + ("; {} wait for a later one" if waits else ""),
        body.epoch,
        _many(body.lines.count, "reward line"),
        *([_items(waits)] if waits else []),
        path=f"/epochs/{body.epoch}",
    )


def _pause(body: pb.Pause) -> Said:
    verb = "paused" if body.paused else "resumed"
    return _said(f"{verb} the campaign {{}}", body.campaign_id, path=_to(body))


def _change(body: pb.Change) -> Said:
    return _said("changed the terms of the campaign {}", body.campaign_id, path=_to(body))


def _close_campaign(body: pb.CloseCampaign) -> Said:
    return _said("closed the campaign {}", body.campaign_id, path=_to(body))


def _takedown(body: pb.Takedown) -> Said:
    why = takedown_words(body.reason, body.words)
    return _said("took the item {} down, since {}", _ours(body.item_id.hex()[:12]), why)


def _chain(body: pb.Chain) -> Said:
    return _said(
        "read the chain up to block {}: {}",
        _ours(count(body.last)),
        _many(body.logs.count, "event"),
        path="/revenue",
    )


def _licence(body: pb.Licence) -> Said:
    if body.job_id:
        return _said(
            "licensed the model of {} to {} for {}",
            body.job_id,
            body.licensee,
            _amount(body.price, body.asset),
            path=_job_page(body.job_id),
        )
    name = body.snapshot.hex()[:12]
    return _said(
        "licensed dataset {} to {} for {}",
        _ours(name),
        body.licensee,
        _amount(body.price, body.asset),
        path=f"/datasets/{name}",
    )


def _job(body: pb.Job) -> Said:
    return _said(
        "opened the training job {}: {} for epsilon {}, {} invited",
        body.title or body.id,
        _many(body.rounds, "round"),
        _ours(micro(body.epsilon_micro)),
        _many(len(body.partners), "partner"),
        path=_job_page(body.id),
    )


def _update(body: pb.Update) -> Said:
    return _said(
        "signed an update for round {} of {}; its data has spent epsilon {}",
        body.round,
        body.job_id,
        _ours(micro(body.epsilon_micro)),
        path=_job_page(body.job_id),
    )


def _model(body: pb.Model) -> Said:
    path = _job_page(body.job_id)
    if body.outcome == pb.JOB_OUTCOME_ENDED:
        return _said("ended job {} early: {}", body.job_id, body.reason, path=path)
    return _said(
        "completed job {}: a model with {} % accuracy at int8, for epsilon {}",
        body.job_id,
        _ours(percent(body.accuracy_int8_ppm)),
        _ours(micro(body.epsilon_micro)),
        path=path,
    )


SENTENCES: Final[dict[str, Callable[[Any], Said]]] = {
    "genesis": lambda b: _said("founded the network {}", b.name, path="/"),
    "policy": lambda b: _said("set another policy for the epochs after epoch {}", b.epoch),
    "upgrade": lambda b: _said(
        "announced version {} of the rules, from epoch {} on", b.version, b.epoch
    ),
    "successor": _successor,
    "witnesses": lambda b: _said(
        "proposed {} to toss the coin, as set {}",
        _many(len(b.keys), "key"),
        b.nonce,
        path="/",
    ),
    "assent": lambda _: _said("assented to the proposed witnesses", path="/"),
    "deal": lambda b: _said("dealt the coin to {}", _many(len(b.values), "key"), path="/"),
    "dealt": lambda _: _said("ended the dealing of the coin", path="/"),
    "complain": lambda b: _said(
        "showed that the deal of {} is wrong", _ours(short_key(b.dealer)), path="/"
    ),
    "confirm": lambda _: _said("found what it was dealt of the coin to be right", path="/"),
    "coin": lambda _: _said("put the proposed witnesses in force", path="/"),
    "register": _register,
    "delegate": lambda _: _said("delegated a further key"),
    "campaign": lambda b: _said(
        "opened the campaign {}", b.title or b.id, path=f"/campaigns/{segment(b.id)}"
    ),
    "pause": _pause,
    "change": _change,
    "close-campaign": _close_campaign,
    "takedown": _takedown,
    "submission": lambda b: _said(
        "submitted {} to {}", _items(b.items.count - b.parts), b.campaign_id, path=_to(b)
    ),
    "withdraw": _withdraw,
    "contest": lambda b: _said(
        "contested what item {} was said to be", _ours(b.item_id.hex()[:12])
    ),
    "standby": _standby,
    "seal": _seal,
    "toss": lambda b: _round("tossed the coin for", b),
    "draw": _draw,
    "commit": lambda b: _round("committed to {} in", b, _many(b.answers.count, "answer")),
    "end-commits": lambda b: _round("ended the commits; answers are opened in", b),
    "reveal": lambda b: _round("opened {} in", b, _many(b.answers.count, "answer")),
    "verdict": lambda b: _round("logged {} of", b, _many(b.verdicts.count, "verdict")),
    "close": _close,
    "deployment": lambda b: _said(
        "deployed the contracts on chain {}", b.chain_id, path="/revenue"
    ),
    "move": lambda b: _said(
        "asked the witnesses on chain to move the network to other contracts on chain {}",
        b.chain_id,
        path="/revenue",
    ),
    "retire": lambda _: _said(
        "asked the last witnesses of the contracts that were left to make room for nobody",
        path="/revenue",
    ),
    "chain": _chain,
    "rewind": lambda b: _said(
        "took back what the chain said from block {} on: it was reorganised",
        _ours(count(b.first)),
        path="/revenue",
    ),
    "settlement": lambda b: _said(
        "proposed the settlement of epoch {}, {}",
        b.epoch,
        _many(b.leaves, "claim"),
        path="/revenue",
    ),
    "uphold": lambda b: _said(
        "asked the witnesses to stand by epoch {}, which one of them challenged",
        b.epoch,
        path="/revenue",
    ),
    "slash": lambda b: _said(
        "asked the witnesses on chain to take {} wei of a bond, for a fault that the log proves",
        b.amount,
    ),
    "witness-change": lambda b: _said(
        "asked the witnesses on chain to make room for a set of {}",
        _ours(count(len(b.witnesses))),
        path="/revenue",
    ),
    "attest": lambda b: _said("recomputed what the log asks and signed it", path="/revenue"),
    "snapshot": lambda b: _said(
        "took a snapshot of {} of {}, to {}",
        _items(b.items.count),
        b.campaign_id,
        _ours(scope(b.scope)),
        path="/datasets",
    ),
    "licence": _licence,
    "job": _job,
    "enrol": lambda b: _said("joined job {}", b.job_id, path=_job_page(b.job_id)),
    "training-start": lambda b: _said("started job {}", b.job_id, path=_job_page(b.job_id)),
    "update": _update,
    "training-set": lambda b: _said(
        "fixed {} for the sum of round {} of {}",
        _many(len(b.partners), "update"),
        b.round,
        b.job_id,
        path=_job_page(b.job_id),
    ),
    "opening": lambda b: _said(
        "opened {} of masks in round {} of {}",
        _many(len(b.sums), "sum"),
        b.round,
        b.job_id,
        path=_job_page(b.job_id),
    ),
    "complaint": lambda b: _said(
        "complained of what a partner sealed to it in round {} of {}",
        b.round,
        b.job_id,
        path=_job_page(b.job_id),
    ),
    "disclosure": lambda b: _said(
        "showed a box that was complained of in round {} of {}",
        b.round,
        b.job_id,
        path=_job_page(b.job_id),
    ),
    "failed-round": lambda b: _said(
        "gave round {} of {} up: {}", b.round, b.job_id, b.reason, path=_job_page(b.job_id)
    ),
    "training-round": lambda b: _said(
        "added {} in round {} of {}",
        _many(len(b.partners), "update"),
        b.round,
        b.job_id,
        path=_job_page(b.job_id),
    ),
    "model": _model,
}


_MESSAGES: Final = {kind: rule.message for rules in RULES.values() for kind, rule in rules.items()}
# Fields of bytes that are text.
_TEXTS: Final = frozenset({"spec", "tls_certificate", "transport_key"})


def body_of(envelope: Envelope) -> Message:
    """The record in an envelope that was validated before it was logged, by whatever version of the
    rules: a kind keeps its message."""
    return _MESSAGES[envelope.kind].FromString(envelope.payload)


def said_of(envelope: Envelope) -> Said:
    """What its author did."""
    return SENTENCES[envelope.kind](body_of(envelope))


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
    if isinstance(value, bytes) and descriptor.name in _TEXTS:
        return _cut(value.decode(errors="replace"))
    if isinstance(value, bytes):
        return f"0x{value.hex()}" if len(value) == ADDRESS_BYTES else _cut(value.hex())
    if descriptor.enum_type is not None:
        return str(descriptor.enum_type.values_by_number[value].name).lower().replace("_", " ")
    return _cut(f"{value:,}" if isinstance(value, int) else str(value))


def _cut(text: str) -> str:
    if len(text) <= TEXT_CHARS_SHOWN:
        return text
    return f"{text[:TEXT_CHARS_SHOWN]}… ({count(len(text))} characters)"
