"""The fold: state = apply(state, entry).

Rule 1: everything that decides a verdict, a reputation or a payout happens in here.
Rule 2: nothing in here knows whether it runs in a coordinator, a node or an auditor.

`open_record` and `validate` change nothing; `process` applies a validated record whole and says what changed.
So an entry is either in the state or it is not, whatever happens in between, and nobody has to find out a
second time what a kind of record does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import Message

from protocol.errors import Ignore, Misbehaviour, Outdated, Reject
from protocol.lifecycle import GONE, ItemStatus
from protocol.limits import BATCH_LEAVES_MAX, LEAF_BYTES_MAX, OPERATOR_LEAVES_MAX
from protocol.log.batch import Erased, Leaf, batch_root, leaf_hashes
from protocol.log.envelope import Envelope, parse_envelope, signing_input, verify_signature
from protocol.log.merkle import hash_leaf
from protocol.log.strict import LEAF_TYPES, parse_leaf, strict_parse
from protocol.rows import Item, ItemId, Round
from protocol.rules.people import author_of
from protocol.rules.record import Record, require
from protocol.rules.table import LATEST, AnyRecord, Rule, Rules, rules_of
from protocol.state import ITSELF, State
from protos.gen import records_pb2 as pb

__all__ = [
    "AnyRecord",
    "Applied",
    "Changes",
    "Process",
    "apply",
    "open_record",
    "process",
    "reapply",
    "require_explained",
    "validate",
]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a record changed.

    items: before and after, of each item that it created or changed; before is None for a new one.
    rounds: the same by campaign. lines: the reward lines that were credited. closed: the epoch that ended.
    """

    items: dict[ItemId, tuple[Item | None, Item]]
    rounds: dict[str, tuple[Round, Round]]
    lines: tuple[pb.RewardLine, ...] = ()
    closed: int | None = None

    @property
    def erased(self) -> list[ItemId]:
        """Items that were withdrawn."""
        return self._now(ItemStatus.WITHDRAWN)

    @property
    def gone(self) -> list[ItemId]:
        """Items whose content nobody keeps any more: taken down, or withdrawn, be it after that."""
        return [
            item_id
            for item_id, (before, after) in self.items.items()
            if after.status in GONE and (before is None or before.status is not after.status)
        ]

    @property
    def erased_parts(self) -> list[tuple[ItemId, str]]:
        """Parts that were withdrawn alone, by name."""
        return [
            (item_id, name)
            for item_id, (before, after) in self.items.items()
            if before is not None
            for name in after.taken_back[len(before.taken_back) :]
        ]

    @property
    def erased_leaves(self) -> dict[int, set[bytes]]:
        """What has to go from beside the log: leaf hashes, by the log index of their submission. A withdrawn
        item takes the leaves of its parts along."""
        leaves: defaultdict[int, set[bytes]] = defaultdict(set)
        for item_id in self.erased:
            before, after = self.items[item_id]
            leaves[after.submitted_at] |= {item_id, *_own_leaves(before).values()}
        for item_id, name in self.erased_parts:
            before, after = self.items[item_id]
            leaves[after.submitted_at] |= {
                leaf for part, leaf in _own_leaves(before).items() if part == name
            }
        return leaves

    @property
    def accepted(self) -> list[ItemId]:
        """Items that were accepted."""
        return self._now(ItemStatus.ACCEPTED)

    def _now(self, status: ItemStatus) -> list[ItemId]:
        return [
            item_id
            for item_id, (before, after) in self.items.items()
            if after.status is status and (before is None or before.status is not status)
        ]


def _own_leaves(item: Item | None) -> dict[str, bytes]:
    """The hashes of the leaves that parts of an item have of their own, by name, as far as they are there."""
    described = () if item is None or item.description is None else item.description.parts
    return {part.name: part.leaf for part in described if part.leaf}


@dataclass(frozen=True, slots=True)
class Applied:
    """An entry that is in the state now."""

    kind: str
    record: AnyRecord
    changes: Changes


Process = Callable[[State, str, AnyRecord], Changes]
"""Applies a validated record of a kind to the state, as `process` does."""


def rules_for(state: State) -> Rules:
    """The rules that govern the next entry; a log's first one is read by the latest."""
    return rules_of(state.rules if state.size else LATEST)


def shown_batch(envelope: Envelope, rules: Rules | None = None) -> pb.Batch | None:
    """The batch whose leaves are published beside this entry, if it has one. Raises Reject."""
    rule = _rule(envelope, rules_of(LATEST) if rules is None else rules)
    if rule.batch is None:
        return None
    batch: pb.Batch = getattr(_parse(envelope, rule), rule.batch)
    return batch


def open_record(
    envelope: Envelope, leaves: Sequence[Leaf], index: int, rules: Rules | None = None
) -> AnyRecord:
    """Parses a record and its leaves and checks them against its batch; needs no state. Raises Reject."""
    rule = _rule(envelope, rules_of(LATEST) if rules is None else rules)
    body = _parse(envelope, rule)
    digest = _digest(envelope)
    if rule.batch is None:
        require(not leaves, f"a {envelope.kind} carries no leaves")
        return Record(index, digest, envelope.key, body)
    limit = OPERATOR_LEAVES_MAX if rule.by_operator else BATCH_LEAVES_MAX
    require(len(leaves) <= limit, f"a batch has at most {limit} leaves, not {len(leaves)}")
    hashes = tuple(leaf_hashes(leaves))
    erased = {at: hashes[at] for at, each in enumerate(leaves) if isinstance(each, Erased)}
    require(rule.erasable or not erased, f"the leaves of a {envelope.kind} are never erased")
    batch = getattr(body, rule.batch)
    require(batch.count == len(leaves), "the batch's count is not the number of its leaves")
    require(batch.root == batch_root(leaves), "the batch's root does not match its leaves")
    parsed = tuple(_parse_leaf(envelope.kind, rule, leaf) for leaf in leaves)
    return Record(index, digest, envelope.key, body, parsed, hashes, erased)


def _digest(envelope: Envelope) -> bytes:
    """Names what was signed, and with which key."""
    return hash_leaf(envelope.key + signing_input(envelope.kind, envelope.payload))


def _rule(envelope: Envelope, rules: Rules) -> Rule:
    rule = rules.get(envelope.kind)
    if rule is None:
        raise Reject(f"there is no record kind {envelope.kind!r}")
    return rule


def _parse(envelope: Envelope, rule: Rule) -> Any:
    return strict_parse(rule.message, envelope.payload, f"the {envelope.kind}")


def _parse_leaf(kind: str, rule: Rule, leaf: Leaf) -> Message | None:
    if isinstance(leaf, Erased):
        return None
    require(len(leaf) <= LEAF_BYTES_MAX, "a leaf of the batch is too long")
    for message in rule.leaves:
        if leaf[:1] == bytes([LEAF_TYPES[message.DESCRIPTOR.name]]):
            return parse_leaf(message, leaf)
    raise Reject(f"a {kind} carries no leaves of this type")


def validate(state: State, kind: str, record: AnyRecord) -> AnyRecord:
    """The record with its author, if it may be the next entry of this very state; raises Ignore or Reject."""
    rule = rules_for(state).get(kind)
    if rule is None:
        raise Reject(f"there is no record kind {kind!r} in these rules")
    if kind == "genesis":
        # In this order: nobody who sends another genesis makes this software think that it is outdated.
        require(state.size == 0, "a log has one genesis, its first entry")
        require(record.body.rules > 0, "the genesis names no version of the rules")
        rules_of(record.body.rules)
    else:
        require(state.size > 0, "a log begins with its genesis")
        require(record.body.network == state.network, "the record is for another network")
        if rule.by_operator:
            require(record.key == state.operator_key, f"only the network's operator signs a {kind}")
    record = replace(record, author=author_of(state, kind, record))
    rule.validate(state, record)
    return record


def process(state: State, kind: str, record: AnyRecord) -> Changes:
    """Applies a record that `validate` gave back. It must not fail; if it does, the state is void."""
    epoch = state.epoch
    state.items.watch()
    state.rounds.watch()
    rules_for(state)[kind].process(state, record)
    state.size += 1
    items, rounds = state.items.changed(), state.rounds.changed()
    closed = epoch if state.epoch > epoch else None
    return Changes(
        items={item_id: (before, state.items[item_id]) for item_id, before in items.items()},
        rounds={name: (old or Round(), state.rounds[name]) for name, old in rounds.items()},
        lines=record.leaves if closed is not None else (),
        closed=closed,
    )


def apply(state: State, raw: bytes, leaves: Sequence[Leaf]) -> Applied:
    """Checks one log entry completely and applies it.

    Leaves that were erased count on the withdrawal that explains them: whoever replays a log calls
    `require_explained` at its end.

    Raises Misbehaviour when the entry breaks a rule: a log that holds it is not to be trusted; Outdated
    where rules begin that this software does not know.
    """
    try:
        rules = rules_for(state)
        envelope = parse_envelope(raw)
        record = open_record(envelope, leaves, state.size, rules)
        verify_signature(envelope)
        record = validate(state, envelope.kind, record)
    except (Reject, Ignore) as error:
        raise Misbehaviour(f"log entry {state.size}: {error}", error.advice) from error
    except Outdated as error:
        raise Outdated(f"log entry {state.size}: {error}", error.advice) from error
    return Applied(envelope.kind, record, process(state, envelope.kind, record))


def reapply(state: State, raw: bytes, leaves: Sequence[Leaf], step: Process = process) -> Applied:
    """Applies an entry that `apply` took before, at this very place of this very log.

    That the bytes are those is the caller's to know, as by the root of a tree; that leaves are what an entry
    commits to is checked again. No signature is verified and no verdict inferred: a tenth of the work.
    `step` is what applies it, for whoever counts along.

    Raises Reject when it cannot be that entry.
    """
    envelope = parse_envelope(raw)
    record = open_record(envelope, leaves, state.size, rules_for(state))
    record = replace(record, author=author_of(state, envelope.kind, record))
    return Applied(envelope.kind, record, step(state, envelope.kind, record))


def require_explained(state: State) -> None:
    """Raises Misbehaviour if a leaf was erased that its author never withdrew."""
    for (item_id, part), _ in state.unexplained.scan():
        what = f"item {item_id.hex()}" if part == ITSELF else f"the {part} of item {item_id.hex()}"
        raise Misbehaviour(
            f"{what} was erased, and its author did not withdraw it",
            "a log that grows meanwhile may explain it: try again",
        )
