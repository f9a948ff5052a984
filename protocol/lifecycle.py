"""The three state machines, as tables. Transitions happen here and nowhere else.

item   SUBMITTED -> DRAWN -> COMMITTED -> REVEALED -> ACCEPTED | REJECTED | UNDECIDED -> DRAWN ...
       SUBMITTED -> DUPLICATE
       any of these but DRAWN, COMMITTED, REVEALED -> WITHDRAWN
epoch  SUBMITTING -> BEACON -> COMMITTING -> REVEALING -> BEACON (next round) | CLOSING -> SUBMITTING
       SUBMITTING -> SUBMITTING (an epoch with nothing to review closes at once)
job    OPEN -> TRAINING -> TRAINING ... -> COMPLETED | ENDED
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from protocol.errors import Reject


class ItemStatus(Enum):
    """Where an item is in its life."""

    SUBMITTED = auto()
    DUPLICATE = auto()
    DRAWN = auto()
    COMMITTED = auto()
    REVEALED = auto()
    ACCEPTED = auto()
    REJECTED = auto()
    UNDECIDED = auto()
    WITHDRAWN = auto()


class ItemEvent(Enum):
    """What can happen to an item."""

    MATCH = auto()  # an earlier item has the same fingerprint, nearly
    DRAW = auto()
    END_COMMITS = auto()
    END_REVEALS = auto()
    ACCEPT = auto()
    REJECT = auto()
    LEAVE_UNDECIDED = auto()
    WITHDRAW = auto()


class EpochPhase(Enum):
    """Where an epoch is. The names are those of the PhaseName enum that travels."""

    SUBMITTING = auto()
    BEACON = auto()
    COMMITTING = auto()
    REVEALING = auto()
    CLOSING = auto()


class EpochEvent(Enum):
    """What moves an epoch along."""

    SEAL = auto()  # the round's items are fixed
    DRAW = auto()
    END_COMMITS = auto()
    DECIDE = auto()  # every item decided, or no round left
    REDRAW = auto()  # some items go into another round
    CLOSE = auto()


class JobStatus(Enum):
    """Where a training job is."""

    OPEN = auto()  # partners join
    TRAINING = auto()  # a round has run; nobody joins any more
    COMPLETED = auto()
    ENDED = auto()  # early


class JobEvent(Enum):
    """What can happen to a training job."""

    JOIN = auto()
    TRAIN = auto()  # a round
    COMPLETE = auto()
    END = auto()


_ITEM: Final[dict[tuple[ItemStatus, ItemEvent], ItemStatus]] = {
    (ItemStatus.SUBMITTED, ItemEvent.MATCH): ItemStatus.DUPLICATE,
    (ItemStatus.SUBMITTED, ItemEvent.DRAW): ItemStatus.DRAWN,
    (ItemStatus.UNDECIDED, ItemEvent.DRAW): ItemStatus.DRAWN,
    (ItemStatus.DRAWN, ItemEvent.END_COMMITS): ItemStatus.COMMITTED,
    (ItemStatus.COMMITTED, ItemEvent.END_REVEALS): ItemStatus.REVEALED,
    (ItemStatus.REVEALED, ItemEvent.ACCEPT): ItemStatus.ACCEPTED,
    (ItemStatus.REVEALED, ItemEvent.REJECT): ItemStatus.REJECTED,
    (ItemStatus.REVEALED, ItemEvent.LEAVE_UNDECIDED): ItemStatus.UNDECIDED,
    (ItemStatus.SUBMITTED, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
    (ItemStatus.DUPLICATE, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
    (ItemStatus.ACCEPTED, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
    (ItemStatus.REJECTED, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
    (ItemStatus.UNDECIDED, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
}

_EPOCH: Final[dict[tuple[EpochPhase, EpochEvent], EpochPhase]] = {
    (EpochPhase.SUBMITTING, EpochEvent.SEAL): EpochPhase.BEACON,
    (EpochPhase.SUBMITTING, EpochEvent.CLOSE): EpochPhase.SUBMITTING,
    (EpochPhase.BEACON, EpochEvent.DRAW): EpochPhase.COMMITTING,
    (EpochPhase.COMMITTING, EpochEvent.END_COMMITS): EpochPhase.REVEALING,
    (EpochPhase.REVEALING, EpochEvent.REDRAW): EpochPhase.BEACON,
    (EpochPhase.REVEALING, EpochEvent.DECIDE): EpochPhase.CLOSING,
    (EpochPhase.CLOSING, EpochEvent.CLOSE): EpochPhase.SUBMITTING,
}

_JOB: Final[dict[tuple[JobStatus, JobEvent], JobStatus]] = {
    (JobStatus.OPEN, JobEvent.JOIN): JobStatus.OPEN,
    (JobStatus.OPEN, JobEvent.TRAIN): JobStatus.TRAINING,
    (JobStatus.TRAINING, JobEvent.TRAIN): JobStatus.TRAINING,
    (JobStatus.TRAINING, JobEvent.COMPLETE): JobStatus.COMPLETED,
    (JobStatus.OPEN, JobEvent.END): JobStatus.ENDED,
    (JobStatus.TRAINING, JobEvent.END): JobStatus.ENDED,
}


def next_status(status: ItemStatus, event: ItemEvent) -> ItemStatus:
    """The status after the event; raises Reject where the table has none."""
    try:
        return _ITEM[status, event]
    except KeyError:
        raise Reject(f"an item that is {status.name} cannot {event.name}") from None


def next_phase(phase: EpochPhase, event: EpochEvent) -> EpochPhase:
    """The phase after the event; raises Reject where the table has none."""
    try:
        return _EPOCH[phase, event]
    except KeyError:
        raise Reject(f"an epoch that is {phase.name} cannot {event.name}") from None


def next_job_status(status: JobStatus, event: JobEvent) -> JobStatus:
    """The status after the event; raises Reject where the table has none."""
    try:
        return _JOB[status, event]
    except KeyError:
        raise Reject(f"a job that is {status.name} cannot {event.name}") from None
