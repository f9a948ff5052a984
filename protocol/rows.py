"""The rows of the state's tables: frozen values, each with the canonical bytes of `protocol.tables.encode`.

Where a row keeps the terms of a record, its fields have the names that they have in records.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Final, Protocol, TypeVar

from protocol.errors import StateError
from protocol.identity import NOBODY, PersonId
from protocol.lifecycle import CampaignStatus, ItemEvent, ItemStatus, RoundPhase, next_status
from protocol.limits import WHOLE_PERMILLE
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

EARNS_A_PART: Final = frozenset({pb.RELATION_DERIVATIVE, pb.RELATION_UNSEEN})


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
class CopyTerms:
    """How near content is to be taken for a copy, in per mille of the distances of `protocol.review`.
    `strict`: without people, beside what is the same; `likely`: for people to look at. 0: never."""

    picture_strict: int
    picture_likely: int
    text_strict: int
    text_likely: int
    sound_strict: int
    sound_likely: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a campaign's operator may change, for items and rounds that come later."""

    title: str
    guidelines: str
    price_ppm: int
    rounds: RoundTerms
    logged_at: int = 0  # log index of the record that set them


@dataclass(frozen=True, slots=True)
class Campaign:
    """A question, as it was asked. Its Terms may change, under a new revision; its status by its life."""

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
    copies: CopyTerms
    derivative_permille: int = 0
    automation: int = pb.AUTOMATION_LOCAL
    logged_at: int = 0  # of the present terms, as Terms has it
    revision: int = 0  # of these: how often they changed
    status: CampaignStatus = CampaignStatus.OPEN
    closed_in: int = 0  # the epoch; 0 before
    serial: int = 0  # records on its life so far

    @property
    def terms(self) -> Terms:
        """What may change, as it is now."""
        return Terms(self.title, self.guidelines, self.price_ppm, self.rounds, self.logged_at)

    def under(self, terms: Terms, revision: int) -> Campaign:
        """The same campaign with the terms of another revision."""
        return replace(
            self,
            title=terms.title,
            guidelines=terms.guidelines,
            price_ppm=terms.price_ppm,
            rounds=terms.rounds,
            logged_at=terms.logged_at,
            revision=revision,
        )

    @property
    def is_open(self) -> bool:
        """Whether content may be published, and copies are told apart by it."""
        return self.privacy == pb.PRIVACY_OPEN

    def worth_permille(self, relation: int) -> int:
        """What an accepted item earns, of the price, by what it is to an earlier one (pb.Relation)."""
        return self.derivative_permille if relation in EARNS_A_PART else WHOLE_PERMILLE

    @staticmethod
    def of(record: pb.Campaign, logged_at: int = 0) -> Campaign:
        """The row of a campaign's record, which is or would be the log's entry at that index."""
        parts = tuple(row_of(PartTerms, part) for part in record.parts)
        rounds = row_of(RoundTerms, record.rounds)
        copies = row_of(CopyTerms, record.copies)
        return row_of(
            Campaign,
            record,
            parts=parts,
            rounds=rounds,
            copies=copies,
            logged_at=logged_at,
            revision=0,
            status=CampaignStatus.OPEN,
            closed_in=0,
            serial=0,
        )


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
    revision: int = 0  # of the campaign's terms: the windows are those of its seal


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
    relation: int = pb.RELATION_NONE  # pb.Relation, of an item that was flagged


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
class Takedown:
    """Why the operator took an item out, and what it was before."""

    reason: int  # pb.TakedownReason
    words: str
    before: ItemStatus
    logged_at: int  # log index


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
    resembles: ItemId = b""  # the earlier item that reviewers compare it with, fixed by a seal
    relation: int = pb.RELATION_NONE  # pb.Relation: what they decided that it is to that one
    contested: bool = False  # what it is to an earlier item; once, by its author
    before: Item | None = None  # what it was before that, until a panel has decided
    heard: int = 0  # how many of `answered_by` were on the panel before that
    kept_back: bool = False  # reviewers of what resembles it were not shown it; it attracts no more
    answer: bytes | None = None  # what was decided; None before, and of refused content
    confidence_ppm: int = 0
    belief_ppm: tuple[int, ...] = ()
    proposal: bytes | None = None  # once opened
    refusal: int = 0  # pb.Refusal: why reviewers would not have it
    programs: int = 0  # of those in `answered_by` at its last verdict: whose answer a program gave
    decided_in: int | None = None  # epoch in which it was decided, or drawn for the last time
    snapshots: tuple[bytes, ...] = ()  # digests of those that hold it
    taken_back: tuple[str, ...] = ()  # parts that its author withdrew, in the order of the log
    revision: int = 0  # of the campaign's terms, that it was submitted under
    takedown: Takedown | None = None  # stays when its author withdraws it, too

    @property
    def place(self) -> tuple[int, int]:
        """Where it is in the log's order."""
        return self.submitted_at, self.position

    @property
    def waits(self) -> bool:
        """Whether a round may still take it, if its campaign seals another."""
        return self.decided_in is None and self.status in (
            ItemStatus.SUBMITTED,
            ItemStatus.UNDECIDED,
        )

    @property
    def is_erased(self) -> bool:
        """Whether its description is gone; then its author has withdrawn it, or will further on."""
        return self.description is None

    @property
    def earned(self) -> bool:
        """Whether it was accepted, and no panel has taken that back: its author was paid, or will be."""
        was = self.takedown.before if self.takedown else (self.before or self).status
        return was is ItemStatus.ACCEPTED

    @property
    def panel(self) -> tuple[PersonId, ...]:
        """Whoever answered, over all rounds; where it was contested, since then."""
        return self.answered_by[self.heard :]

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
    derivatives: int = 0  # of the accepted


# ---- datasets ----


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A dataset that can be licensed while nothing in it is withdrawn or taken down."""

    campaign_id: str
    scope: Consent
    items: tuple[ItemId, ...]
    credits: tuple[tuple[PersonId, int], ...]  # by author, thousandths of items: split a royalty
    logged_at: int  # log index
    root: bytes  # of its leaves: which items, without which parts, worth what
    withdrawn: int = 0  # items of it, and parts of items, since: by their authors, or taken down
    refused: int = 0  # items of it that are accepted no more, since a panel said so
    spoilt_in: int = 0  # the epoch in which the first of them went; 0: it is whole


@dataclass(frozen=True, slots=True)
class Licence:
    """A sale, of a snapshot or of a job's model; `paid` is in its own asset."""

    id: str
    snapshot: bytes
    licensee: str
    terms: str
    asset: bytes
    price: str
    job_id: str = ""  # whose model; then `snapshot` is empty
    paid: int = 0
