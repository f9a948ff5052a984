"""The fold: state = apply(state, entry). One table says which rules a record kind has.

Rule 1: everything that decides a verdict, a reputation or a payout happens in here.
Rule 2: nothing in here knows whether it runs in a coordinator, a node or an auditor.

`open_record` and `validate` change nothing; `process` applies a validated record whole. So an entry is
either in the state or it is not, whatever happens in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from protocol.errors import Ignore, Misbehaviour, Reject
from protocol.limits import BATCH_LEAVES_MAX, LEAF_BYTES_MAX, OPERATOR_LEAVES_MAX
from protocol.log.batch import Erased, Leaf, batch_root
from protocol.log.envelope import Envelope, parse_envelope, signing_input, verify_signature
from protocol.log.merkle import hash_leaf
from protocol.rules import dataset, epoch, intake, network, review, training, verdict, withdrawal
from protocol.rules.record import Record, require
from protocol.state import State
from protos.gen import records_pb2 as pb

AnyRecord = Record[Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of record is treated. `batch` names the field whose leaves travel beside it;
    where they are `erasable`, a replay may find only their hashes."""

    message: type[Message]
    validate: Callable[[State, AnyRecord], None]
    process: Callable[[State, AnyRecord], None]
    by_operator: bool = False
    batch: str | None = None
    erasable: bool = False


RULES: Final[dict[str, Rule]] = {
    "genesis": Rule(
        pb.Genesis, network.validate_genesis, network.process_genesis, by_operator=True
    ),
    "campaign": Rule(
        pb.Campaign, network.validate_campaign, network.process_campaign, by_operator=True
    ),
    "register": Rule(pb.Register, network.validate_register, network.process_register),
    "submission": Rule(
        pb.Submission,
        intake.validate_submission,
        intake.process_submission,
        batch="items",
        erasable=True,
    ),
    "withdraw": Rule(pb.Withdraw, withdrawal.validate_withdraw, withdrawal.process_withdraw),
    "standby": Rule(pb.Standby, review.validate_standby, review.process_standby),
    "beacon": Rule(pb.Beacon, review.validate_beacon, review.process_beacon),
    "phase": Rule(
        pb.Phase,
        review.validate_phase,
        review.process_phase,
        by_operator=True,
        batch="duplicates",
    ),
    "gold-commit": Rule(
        pb.GoldCommit,
        review.validate_gold_commit,
        review.process_gold_commit,
        by_operator=True,
        batch="hashes",
    ),
    "draw": Rule(
        pb.Draw, review.validate_draw, review.process_draw, by_operator=True, batch="assignments"
    ),
    "commit": Rule(pb.Commit, review.validate_commit, review.process_commit),
    "reveal": Rule(pb.Reveal, review.validate_reveal, review.process_reveal, batch="answers"),
    "verdict": Rule(
        pb.Verdict,
        verdict.validate_verdict,
        verdict.process_verdict,
        by_operator=True,
        batch="verdicts",
    ),
    "close": Rule(
        pb.Close, epoch.validate_close, epoch.process_close, by_operator=True, batch="lines"
    ),
    "deployment": Rule(
        pb.Deployment, epoch.validate_deployment, epoch.process_deployment, by_operator=True
    ),
    "revenue": Rule(pb.Revenue, epoch.validate_revenue, epoch.process_revenue, by_operator=True),
    "settlement": Rule(
        pb.Settlement, epoch.validate_settlement, epoch.process_settlement, by_operator=True
    ),
    "attest": Rule(pb.Attest, epoch.validate_attest, epoch.process_attest),
    "published": Rule(
        pb.Published, epoch.validate_published, epoch.process_published, by_operator=True
    ),
    "snapshot": Rule(
        pb.Snapshot,
        dataset.validate_snapshot,
        dataset.process_snapshot,
        by_operator=True,
        batch="items",
    ),
    "licence": Rule(
        pb.Licence, dataset.validate_licence, dataset.process_licence, by_operator=True
    ),
    "job": Rule(pb.Job, training.validate_job, training.process_job, by_operator=True),
    "enrol": Rule(pb.Enrol, training.validate_enrol, training.process_enrol),
    "update": Rule(pb.Update, training.validate_update, training.process_update),
    "training-round": Rule(
        pb.TrainingRound, training.validate_round, training.process_round, by_operator=True
    ),
    "model": Rule(pb.Model, training.validate_model, training.process_model, by_operator=True),
}


def shown_batch(envelope: Envelope) -> pb.Batch | None:
    """The batch whose leaves are published beside this entry, if it has one. Raises Reject."""
    rule = _rule(envelope)
    if rule.batch is None:
        return None
    batch: pb.Batch = getattr(_parse(envelope, rule), rule.batch)
    return batch


def open_record(envelope: Envelope, leaves: Sequence[Leaf], index: int) -> AnyRecord:
    """Parses a record and checks its leaves against its batch; needs no state. Raises Reject."""
    rule = _rule(envelope)
    body = _parse(envelope, rule)
    if rule.batch is None:
        require(not leaves, f"a {envelope.kind} carries no leaves")
        return Record(index, _digest(envelope), envelope.author, body)
    limit = OPERATOR_LEAVES_MAX if rule.by_operator else BATCH_LEAVES_MAX
    require(len(leaves) <= limit, f"a batch has at most {limit} leaves, not {len(leaves)}")
    erased = {at: each.leaf_hash for at, each in enumerate(leaves) if isinstance(each, Erased)}
    require(rule.erasable or not erased, f"the leaves of a {envelope.kind} are never erased")
    whole = tuple(b"" if isinstance(leaf, Erased) else leaf for leaf in leaves)
    require(all(len(leaf) <= LEAF_BYTES_MAX for leaf in whole), "a leaf of the batch is too long")
    batch = getattr(body, rule.batch)
    require(batch.count == len(leaves), "the batch's count is not the number of its leaves")
    require(batch.root == batch_root(leaves), "the batch's root does not match its leaves")
    return Record(index, _digest(envelope), envelope.author, body, whole, erased)


def _digest(envelope: Envelope) -> bytes:
    """Names what was signed, and by whom. The envelope's own bytes would not do: protobuf has many
    encodings of one message, so anybody could make another envelope around the same signature."""
    return hash_leaf(envelope.author + signing_input(envelope.kind, envelope.payload))


def _rule(envelope: Envelope) -> Rule:
    rule = RULES.get(envelope.kind)
    if rule is None:
        raise Reject(f"there is no record kind {envelope.kind!r}")
    return rule


def _parse(envelope: Envelope, rule: Rule) -> Any:
    try:
        return rule.message.FromString(envelope.payload)
    except DecodeError:
        raise Reject(f"the payload is not a protobuf {rule.message.DESCRIPTOR.name}") from None


def validate(state: State, kind: str, record: AnyRecord) -> None:
    """Raises Ignore or Reject unless the record may be the next entry of this very state."""
    rule = RULES[kind]
    if kind != "genesis":
        require(state.size > 0, "a log begins with its genesis")
        require(record.body.network == state.network, "the record is for another network")
        if rule.by_operator:
            require(record.author == state.operator, f"only the network's operator signs a {kind}")
    if record.digest in state.logged:
        # Whoever runs the log could otherwise play an old registration again, with its old address.
        raise Ignore("this very record is in the log already")
    rule.validate(state, record)


def process(state: State, kind: str, record: AnyRecord) -> None:
    """Applies a record that `validate` let pass. It must not fail; if it does, the state is void."""
    RULES[kind].process(state, record)
    state.logged.add(record.digest)
    state.size += 1


def apply(state: State, raw: bytes, leaves: Sequence[Leaf]) -> str:
    """Checks one log entry completely and applies it; gives its kind.

    Leaves that were erased count on the withdrawal that explains them: whoever replays a log calls
    `require_explained` at its end.

    Raises Misbehaviour when the entry breaks a rule: a log that holds it is not to be trusted.
    """
    try:
        envelope = parse_envelope(raw)
        record = open_record(envelope, leaves, state.size)
        verify_signature(envelope)
        validate(state, envelope.kind, record)
    except (Reject, Ignore) as error:
        raise Misbehaviour(f"log entry {state.size}: {error}") from error
    process(state, envelope.kind, record)
    return envelope.kind


def require_explained(state: State) -> None:
    """Raises Misbehaviour if a leaf was erased that its author never withdrew."""
    for item_id in state.unexplained:
        raise Misbehaviour(
            f"item {item_id.hex()} was erased, and its author did not withdraw it",
            "a log that grows meanwhile may explain it: try again",
        )
