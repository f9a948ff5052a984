"""The rows of the state's tables: frozen values, each with the canonical bytes of `protocol.tables.encode`.

Where a row keeps the terms of a record, its fields have the names that they have in records.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Protocol, TypeVar

from protocol.errors import StateError
from protocol.identity import NOBODY, PersonId
from protocol.lifecycle import ItemEvent, ItemStatus, JobStatus, RoundPhase, next_status
from protos.gen import records_pb2 as pb

ItemId = bytes
"""The RFC 6962 leaf hash of an item: unguessable, since its commitments are salted."""


class _HasFields(Protocol):
    DESCRIPTOR: Any


R = TypeVar("R")


def row_of(row: type[R], message: _HasFields, **others: Any) -> R:
    """The row with the fields of a record that have the same names; `others` are given."""
    for name, is_repeated in _shared_fields(row, type(message)):  # type: ignore[arg-type]  # it is hashable
        if name not in others:
            value = getattr(message, name)
            others[name] = tuple(value) if is_repeated else value
    return row(**others)


@cache
def _shared_fields(row: type[Any], message: type[_HasFields]) -> tuple[tuple[str, bool], ...]:
    """The fields that both have, and which of them are lists. Asked for every item of every batch."""
    known = message.DESCRIPTOR.fields_by_name
    names = [each.name for each in fields(row) if each.name in known]
    return tuple((name, known[name].is_repeated) for name in names)


# ---- people ----


@dataclass(frozen=True, slots=True)
class Member:
    """A person who registered."""

    payout: bytes  # 20-byte address
    registered_at: int  # log index of the first registration
    serial: int
    invited_by: PersonId = NOBODY
    is_bonded: bool = False  # joined by a bond, and has to keep it


# ---- campaigns and their rounds ----


@dataclass(frozen=True, slots=True)
class PartTerms:
    """What one part of an item may be."""

    name: str
    media_types: tuple[str, ...]
    bytes_max: int
    optional: bool


@dataclass(frozen=True, slots=True)
class RoundTerms:
    """How a campaign's rounds run."""

    items_max: int
    seal_items: int
    seal_wait_ms: int
    commit_ms: int
    reveal_ms: int
    draws_max: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """A question, as it was asked; only the last two fields ever change."""

    id: str
    title: str
    guidelines: str
    task: str
    spec: bytes
    parts: tuple[PartTerms, ...]
    proposal: int  # pb.ProposalTerms
    licences: tuple[str, ...]
    reviewers_per_item: int
    price_ppm: int
    privacy: int  # pb.Privacy
    withdrawal: int  # pb.WithdrawalTerms
    rounds: RoundTerms
    automation: int = pb.AUTOMATION_LOCAL
    paused: bool = False
    pauses: int = 0  # records that paused it or let it go on

    @property
    def is_open(self) -> bool:
        """Whether content may be published, and copies are told apart by it."""
        return self.privacy == pb.PRIVACY_OPEN

    @staticmethod
    def of(record: pb.Campaign) -> Campaign:
        """The row of a campaign's record."""
        parts = tuple(row_of(PartTerms, part) for part in record.parts)
        rounds = row_of(RoundTerms, record.rounds)
        return row_of(Campaign, record, parts=parts, rounds=rounds, paused=False, pauses=0)


@dataclass(frozen=True, slots=True)
class Round:
    """A campaign's present round, or its last one while the phase is OPEN; number 0 before the first."""

    number: int = 0
    phase: RoundPhase = RoundPhase.OPEN
    since_ms: int = 0  # when the phase began, by the operator's records
    items: tuple[ItemId, ...] = ()  # fixed when the round is sealed
    seed: bytes = b""  # once it is drawn
    gold_hashes: tuple[bytes, ...] = ()  # opened by the verdict
    coin: int = 0  # nonce of the witnesses who toss for it
    place: bytes = b""  # what they toss for


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """A root that its author will have to open."""

    root: bytes
    count: int


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One opened answer; `answer` is empty with a refusal."""

    answer: bytes
    refusal: int  # pb.Refusal
    by_program: bool = False  # which one is in the log, and decides nothing


# ---- items ----


@dataclass(frozen=True, slots=True)
class Consent:
    """What an author agrees to, or what a snapshot is for."""

    train: bool = False
    redistribute: bool = False
    commercial: bool = False

    def covers(self, scope: Consent) -> bool:
        """Whether somebody who agrees to this agrees to every use in `scope`."""
        return (
            (self.train or not scope.train)
            and (self.redistribute or not scope.redistribute)
            and (self.commercial or not scope.commercial)
        )

    @staticmethod
    def of(consent: pb.Consent) -> Consent:
        """What a record says."""
        return Consent(consent.train, consent.redistribute, consent.commercial)

    def record(self) -> pb.Consent:
        """The same, as it travels."""
        return pb.Consent(
            train=self.train, redistribute=self.redistribute, commercial=self.commercial
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an item. Its fingerprint is in the index of its campaign, and nowhere else."""

    name: str
    commitment: bytes
    size: int
    media_type: str
    source: str
    leaf: bytes = b""  # hash of its own; empty where the part is in the item's

    @staticmethod
    def of(part: pb.Part, leaf: bytes = b"") -> Part:
        """What a record says of it."""
        return Part(part.name, part.commitment, part.size, part.media_type, part.source, leaf)


@dataclass(frozen=True, slots=True)
class Description:
    """What an author says of an item. It goes when the item is withdrawn, and a part of it by itself."""

    parts: tuple[Part, ...]  # in the campaign's order
    proposal_commitment: bytes
    licence: str
    consent: Consent
    origin: int  # pb.Origin
    generator: str
    personal_data: bool
    derived_from: tuple[ItemId, ...]
    transformation: str

    @staticmethod
    def of(
        record: pb.Item, optional: Iterable[tuple[bytes, pb.Part]], campaign: Campaign
    ) -> Description:
        """What an item's leaf says, and those of its own leaves, given with their hashes, that are there."""
        parts = [Part.of(part) for part in record.parts]
        if own := [Part.of(part, leaf) for leaf, part in optional]:
            by_name = {part.name: part for part in (*parts, *own)}
            parts = [by_name[terms.name] for terms in campaign.parts if terms.name in by_name]
        return Description(
            tuple(parts),
            record.proposal_commitment,
            record.licence,
            Consent.of(record.consent),
            record.origin,
            record.generator,
            record.personal_data,
            tuple(record.derived_from),
            record.transformation,
        )

    def without(self, name: str) -> Description:
        """The same without a part, or the same if it has none of that name."""
        return replace(self, parts=tuple(part for part in self.parts if part.name != name))

    def part(self, name: str) -> Part:
        """The part of that name; raises StateError if the item has none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise StateError(
            f"the item has no part {name!r}", f"it has: {', '.join(p.name for p in self.parts)}"
        )


@dataclass(frozen=True, slots=True)
class Item:
    """What the rules need to know of an item."""

    author: PersonId
    campaign_id: str
    submitted_at: int  # log index of its submission
    position: int  # in the batch of that
    description: Description | None  # None once it is erased
    ticket: int = 0  # its place in its author's queue; see State.waiting
    status: ItemStatus = ItemStatus.SUBMITTED
    draws: int = 0
    answered_by: tuple[PersonId, ...] = ()  # reviewers so far, over all rounds
    duplicate_of: ItemId = b""
    answer: bytes | None = None  # what was decided; None before, and of refused content
    confidence_ppm: int = 0
    belief_ppm: tuple[int, ...] = ()
    proposal: bytes | None = None  # once opened
    refusal: int = 0  # pb.Refusal: why reviewers would not have it
    programs: int = 0  # of those in `answered_by` at its last verdict: whose answer a program gave
    decided_in: int | None = None  # epoch in which it was decided, or drawn for the last time
    snapshots: tuple[bytes, ...] = ()  # digests of those that hold it
    taken_back: tuple[str, ...] = ()  # parts that its author withdrew, in the order of the log

    @property
    def place(self) -> tuple[int, int]:
        """Where it is in the log's order."""
        return self.submitted_at, self.position

    @property
    def is_erased(self) -> bool:
        """Whether its description is gone; then its author has withdrawn it, or will further on."""
        return self.description is None

    def described(self) -> Description:
        """Its description; raises StateError once that is erased."""
        if self.description is None:
            raise StateError("the item was withdrawn by its author, and its description erased")
        return self.description

    def after(self, event: ItemEvent) -> ItemStatus:
        """The status that follows, by the table of protocol.lifecycle."""
        return next_status(self.status, event)


# ---- reputation and pay ----


@dataclass(frozen=True, slots=True)
class Belief:
    """Beta evidence in millionths as of an epoch; see protocol.review.reputation."""

    right_micro: int = 0
    wrong_micro: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Contribution:
    """What became of somebody's items in a campaign since the last close."""

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    undecided: int = 0


# ---- datasets ----


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A dataset that can be licensed while nothing in it is withdrawn."""

    campaign_id: str
    scope: Consent
    items: tuple[ItemId, ...]
    credits: tuple[tuple[PersonId, int], ...]  # accepted items by author: splits a royalty
    logged_at: int  # log index
    withdrawn: int = 0  # items of it, and parts of items, since


@dataclass(frozen=True, slots=True)
class Licence:
    """A sale; `paid` is in its own asset."""

    id: str
    snapshot: bytes
    licensee: str
    terms: str
    asset: bytes
    price: str
    paid: int = 0


# ---- training ----


@dataclass(frozen=True, slots=True)
class JobTerms:
    """All that decides a job's privacy, pay and partners; fields as in records.proto."""

    id: str
    title: str
    campaign_id: str
    snapshot: bytes
    model: str
    initial_model: bytes
    columns: tuple[str, ...]
    partners: tuple[PersonId, ...]
    quorum: int
    rounds: int
    sampling_ppm: int
    clip_micro: int
    noise_micro: int
    learning_rate_micro: int
    momentum_ppm: int
    epsilon_micro: int
    delta_ppb: int
    expected_examples: int
    price_ppm: int
    round_seconds: int
    endpoint: str
    tls_certificate: bytes


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A partner who joined."""

    data_commitment: bytes
    transport_key: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """A partner's signed update of the round that runs."""

    round: int
    base_model: bytes
    update: bytes
    data_commitment: bytes
    epsilon_micro: int
    delta_ppb: int


@dataclass(frozen=True, slots=True)
class TrainingRound:
    """A round that is done."""

    round: int
    base_model: bytes
    model: bytes
    partners: tuple[PersonId, ...]
    epsilon_micro: int
    accuracy_ppm: int


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended."""

    outcome: int  # pb.JobOutcome
    reason: str
    weights: bytes
    artifact: bytes
    card: bytes
    accuracy_fp32_ppm: int
    accuracy_int8_ppm: int
    held_back: int
    fp32_bytes: int
    int8_bytes: int
    epsilon_micro: int
    energy_millijoules: int


@dataclass(frozen=True, slots=True)
class Job:
    """A federated training job."""

    terms: JobTerms
    model: bytes  # SHA-256 of the model that the next round starts from
    status: JobStatus = JobStatus.OPEN
    rounds: tuple[TrainingRound, ...] = ()
    result: JobResult | None = None

    @property
    def epsilon_micro(self) -> int:
        """What the rounds so far have spent, at the job's delta."""
        return self.rounds[-1].epsilon_micro if self.rounds else 0
