"""An accepted item as the log has it, with what each of its reviewers answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from protocol.identity import PersonId
from protocol.rows import Description, ItemId
from protos.gen import records_pb2 as pb

# Why a reviewer gave no answer, by pb.Refusal; empty with an answer.
REFUSALS: Final[Mapping[int, str]] = {
    pb.REFUSAL_NONE: "",
    pb.REFUSAL_UNSURE: "unsure",
    pb.REFUSAL_UNAVAILABLE: "unavailable",
    pb.REFUSAL_MISMATCH: "mismatch",
    pb.REFUSAL_UNREADABLE: "unreadable",
    pb.REFUSAL_OFF_TOPIC: "off topic",
    pb.REFUSAL_PERSONAL: "personal data",
    pb.REFUSAL_HARMFUL: "harmful",
}


@dataclass(frozen=True, slots=True)
class Round:
    """When answers of a round were given, by the operator's records: milliseconds since 1970, UTC."""

    number: int
    drawn_ms: int  # before, nobody knew of the task
    ended_ms: int  # after, nobody could commit


@dataclass(frozen=True, slots=True)
class Given:
    """What one reviewer said; `answer` is empty with a refusal (pb.Refusal)."""

    reviewer: PersonId
    answer: bytes
    refusal: int
    round: Round
    program: str = ""  # what gave it in the reviewer's place, by their own word
    seconds: int = 0  # that it took, by their own word; 0: not told


@dataclass(frozen=True, slots=True)
class Decided:
    """An accepted item. `given` has all answers to it, over all its rounds
    (where it was contested, since then), in the log's order."""

    item_id: ItemId
    described: Description
    author: PersonId
    submitted_at: int  # log index
    answer: bytes
    belief_ppm: Sequence[int]
    confidence_ppm: int
    decided_in: int  # epoch
    reviewers: int  # who answered or refused
    programs: int  # of those: for whom a program did
    given: tuple[Given, ...]
    resembles: ItemId = b""  # the earlier item that reviewers compared it with
    relation: int = pb.RELATION_NONE  # pb.Relation: what they say it is to that one

    @property
    def derived_from(self) -> tuple[ItemId, ...]:
        """What its author names, and what its reviewers say that it was made from."""
        return lineage(self.described.derived_from, self.resembles, self.relation)


def lineage(named: Sequence[ItemId], resembles: ItemId, relation: int) -> tuple[ItemId, ...]:
    """What an item was made from: as its author says, and the one that reviewers call it a derivative of."""
    if relation != pb.RELATION_DERIVATIVE or resembles in named:
        return tuple(named)
    return (*named, resembles)


def kin(named: Sequence[ItemId], resembles: ItemId, relation: int) -> tuple[ItemId, ...]:
    """What an item may give away of: what its author says it was made from, and the earlier item that
    reviewers compared it with, whatever they called it. Two that look alike are one to a model."""
    return tuple(dict.fromkeys((*named, resembles))) if relation else tuple(named)


Contents = Mapping[str, bytes]
"""By the name of the part; an optional part may be absent."""


def moment(time_ms: int) -> str:
    """`2026-03-01T10:00:00.000Z`; raises ValueError for what no calendar has."""
    try:
        found = datetime.fromtimestamp(time_ms // 1_000, UTC).replace(tzinfo=None)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{time_ms} ms is in no calendar") from error
    return f"{found.isoformat(timespec='seconds')}.{time_ms % 1_000:03}Z"
