"""What the store gives back: one frozen value for each kind of row. And what it is told to erase."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from protocol.log.batch import decode_bundle, require_whole
from protocol.log.merkle import HASH_BYTES
from protocol.transition import Changes
from protos.gen import api_pb2 as api

_SIZE_BYTES: Final = 8


class OutboxState(StrEnum):
    """Where a record of ours is on its way to the log."""

    QUEUED = "queued"
    POSTPONED = "postponed"  # not now: sent again with the next epoch, or what the chain says
    UNPROVED = "unproved"  # the coordinator calls it superfluous, and nothing shows that it is
    SENT = "sent"  # the log has it, or something that makes it superfluous: by a receipt or our own replay
    REFUSED = "refused"  # it breaks a rule; sending it again would not help


class TaskStatus(StrEnum):
    """How far we are with one assigned item."""

    TODO = "todo"
    FETCHED = "fetched"
    ANSWERED = "answered"
    COMMITTED = "committed"
    REVEALED = "revealed"
    FAILED = "failed"  # it can no longer be answered: the round went on without us


#: Status of an item before the log has it; afterwards it is the lower-case name of its ItemStatus,
ITEM_QUEUED = "queued"
ITEM_REFUSED = "refused"
#: or, once it is withdrawn or taken down, this, until its content and its row are deleted.
ITEM_GONE = "gone"


@dataclass(frozen=True, slots=True)
class LogRow:
    """One log entry as it was received and checked."""

    index: int
    envelope: bytes
    bundle: bytes  # protocol.log.batch.encode_bundle of its leaves; empty when it has none


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint of the log whose root we recomputed."""

    size: int
    note: bytes
    received_ms: int


@dataclass(frozen=True, slots=True)
class Checked:
    """The stored entries under `root` keep every rule, as the version `by` of this software found."""

    size: int
    root: bytes
    by: str

    def encode(self) -> bytes:
        """As a single value."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + self.root + self.by.encode()

    @classmethod
    def decode(cls, value: bytes) -> Checked:
        """The reverse of `encode`."""
        size, rest = int.from_bytes(value[:_SIZE_BYTES], "big"), value[_SIZE_BYTES:]
        return cls(size, rest[:HASH_BYTES], rest[HASH_BYTES:].decode())


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A signed record with what travels beside it."""

    kind: str
    envelope: bytes
    leaves: tuple[bytes, ...] = ()
    openings: tuple[api.Opening, ...] = field(default=(), repr=False)  # hold salts

    @property
    def digest(self) -> bytes:
        """SHA-256 of the envelope: its name in the store."""
        return sha256(self.envelope).digest()


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An outgoing record and how far it is."""

    outgoing: Outgoing
    state: OutboxState
    attempts: int
    next_attempt_ms: int
    last_error: str
    receipt_index: int | None  # log index, once known
    receipt: bytes  # a serialised, checked api.Receipt; empty when there is none
    unproved_ms: int = 0  # since when it is unproved,
    unproved_at: int = 0  # and how many entries we had folded then


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part of an item of ours, with the salt that opens its commitment."""

    name: str
    commitment: bytes  # names the content in the BlobStore
    salt: bytes = field(repr=False)
    size: int  # bytes
    media_type: str
    path: str = ""  # the file's name, for its owner's eyes; empty for text that a table held


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item that this node submitted, with the secrets that open its commitments."""

    item_id: bytes
    submission: bytes  # digest of the outgoing submission
    name: str  # the file's, or the table's and the row's, for its owner's eyes
    campaign_id: str
    content_sha256: bytes  # unsalted, so that the owner's next submission leaves it out
    parts: tuple[PartRow, ...]  # in the campaign's order
    proposal: bytes | None = None  # in the canonical form of the campaign's kind; None without one
    proposal_salt: bytes = field(default=b"", repr=False)
    status: str = ITEM_QUEUED

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)

    def part(self, name: str) -> PartRow | None:
        """The part of that name, if the item has it."""
        return next((part for part in self.parts if part.name == name), None)


@dataclass(slots=True)
class Withdrawn:
    """What entries of the log took back or down, to be erased here. It grows while they are folded.

    leaves: hashes of leaves, by the log index of their submission. items, and parts of others by name.
    """

    leaves: dict[int, set[bytes]] = field(default_factory=dict)
    items: set[bytes] = field(default_factory=set)
    parts: set[tuple[bytes, str]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.items or self.parts or self.leaves)

    def add(self, changes: Changes) -> None:
        """What one more entry took back."""
        self.items.update(changes.gone)
        self.parts.update(changes.erased_parts)
        for index, hashes in changes.erased_leaves.items():
            self.leaves.setdefault(index, set()).update(hashes)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One item that we were drawn to review. `position` is its place in our batch of answers."""

    campaign_id: str
    round: int
    position: int
    item_id: bytes
    author: bytes  # person
    status: TaskStatus = TaskStatus.TODO
    content_path: str = ""  # the folder with one file for each part, once they are here
    answer: bytes | None = None  # in the canonical form of the campaign's kind
    refusal: int = 0  # pb.Refusal
    program: str = ""  # that gave the answer; empty: its owner
    relation: int = 0  # pb.Relation, of a likely copy
    nonce: bytes = field(default=b"", repr=False)
    failure: str = ""
    # What a person has said so far, and may still change; perhaps a part of an answer.
    draft: bytes | None = None
    draft_refusal: int = 0
    draft_relation: int = 0
    draft_version: int = 0  # how often it was changed
    draft_mark: bytes = b""
    spent_ms: int = 0  # how long the item lay before its reviewer
    seconds: int = 0  # what of that the answer tells; 0: nothing

    @property
    def has_draft(self) -> bool:
        """Whether its reviewer has said anything."""
        return self.draft is not None or self.draft_refusal != 0 or self.draft_relation != 0


@dataclass(frozen=True, slots=True)
class TaskSum:
    """How many tasks of a round have a status, and how often their drafts were changed in all."""

    campaign_id: str
    round: int
    status: TaskStatus
    count: int
    versions: int


MARK_BYTES: Final = 16  # of a change of a draft


@dataclass(frozen=True, slots=True)
class Change:
    """What a reviewer wants a draft to say: an answer or a part of one, a refusal, or neither again.

    `base` is the version that they saw; `mark`, chosen at random, tells a repetition from another change;
    `over` are marks of their own earlier changes that may have come here or not.
    """

    draft: bytes | None
    refusal: int  # pb.Refusal
    base: int
    mark: bytes
    over: tuple[bytes, ...] = ()
    spent_ms: int = 0
    relation: int = 0  # pb.Relation, of a likely copy


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim on chain: everything that an account was promised of an asset up to an epoch."""

    account: bytes
    asset: bytes
    cumulative: int  # in the asset's smallest unit
    epoch: int
    tx_hash: bytes  # empty: the chain says that it was claimed, by what this node does not know
    status: str  # sent | confirmed | failed
    moves: int = 0  # of the network before: on which contracts


class AlarmKind:
    """Alarms that rest on an endpoint's word, and stop no node; every other kind is a lie of the log."""

    CHAIN: Final = "chain"  # the chain does not agree with the log
    ROOT: Final = "chain-root"  # a root on chain is not the log's
    OF_THE_CHAIN: Final = frozenset({CHAIN, ROOT})


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """Evidence of somebody's lie, kept until the owner has seen it."""

    id: int
    kind: str
    message: str
    evidence: tuple[bytes, ...]  # signed notes and envelopes, exactly as received
    raised_ms: int
    acknowledged: bool


def outbox_row(row: dict[str, Any]) -> OutboxRow:
    """A row of the table `outbox`."""
    openings = api.AppendRequest.FromString(row["openings"]).openings
    leaves = require_whole(decode_bundle(row["bundle"]))
    return OutboxRow(
        Outgoing(row["kind"], row["envelope"], tuple(leaves), tuple(openings)),
        OutboxState(row["state"]),
        row["attempts"],
        row["next_attempt_ms"],
        row["last_error"],
        row["receipt_index"],
        row["receipt"],
        row["unproved_ms"],
        row["unproved_at"],
    )


def alarm_row(row: dict[str, Any]) -> AlarmRow:
    """A row of the table `alarms`."""
    evidence = tuple(require_whole(decode_bundle(row["evidence"])))
    return AlarmRow(
        row["id"],
        row["kind"],
        row["message"],
        evidence,
        row["raised_ms"],
        bool(row["acknowledged"]),
    )
