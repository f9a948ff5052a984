"""The state machines, as tables. Transitions happen here and nowhere else.

item   SUBMITTED -> DRAWN -> COMMITTED -> REVEALED -> ACCEPTED | REJECTED | UNDECIDED -> DRAWN ...
       SUBMITTED | REVEALED -> DUPLICATE
       DUPLICATE | ACCEPTED -> SUBMITTED (its author contests it, once) -> what it was (if no panel decides)
       SUBMITTED -> UNDECIDED (its campaign was closed)
       any of these but DRAWN, COMMITTED, REVEALED -> TAKEN_DOWN; any of those, and TAKEN_DOWN -> WITHDRAWN
campaign OPEN <-> PAUSED, and either -> CLOSED
round  OPEN -> SEALED -> COMMITTING -> REVEALING -> OPEN: one campaign's, and no other's business
       SEALED -> OPEN (nobody could be drawn)
job    OPEN -> TRAINING -> TRAINING ... -> COMPLETED | ENDED
set    PROPOSED -> DEALING -> CHECKING -> IN_FORCE: of witnesses
root   WAITING -> FROZEN -> UPHELD, and WAITING | UPHELD -> IN_FORCE: on chain, as its contracts say
       any of the first three -> undone: it is gone
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
    TAKEN_DOWN = auto()
    WITHDRAWN = auto()


GONE: Final = frozenset({ItemStatus.TAKEN_DOWN, ItemStatus.WITHDRAWN})
"""Items whose content nobody keeps, shows or uses any more."""


class ItemEvent(Enum):
    """What can happen to an item."""

    MATCH = auto()  # an earlier item has the same content, nearly; or its reviewers call it a copy
    CONTEST = auto()  # its author says that it is no copy, or no derivative
    DRAW = auto()
    END_COMMITS = auto()
    END_REVEALS = auto()
    ACCEPT = auto()
    REJECT = auto()
    LEAVE_UNDECIDED = auto()
    END = auto()  # its campaign takes it to no round any more
    TAKE_DOWN = auto()  # by the operator
    WITHDRAW = auto()  # by its author


class CampaignStatus(Enum):
    """Where a campaign is in its life."""

    OPEN = auto()
    PAUSED = auto()  # takes nothing and seals nothing, for a while
    CLOSED = auto()  # for ever


class CampaignEvent(Enum):
    """What the operator can do with a campaign."""

    PAUSE = auto()
    RESUME = auto()
    CLOSE = auto()


class RoundPhase(Enum):
    """Where a campaign is between two verdicts."""

    OPEN = auto()  # no round is under way; items and reviewers gather for the next
    SEALED = auto()  # the round's items are fixed; the witnesses toss
    COMMITTING = auto()  # items are drawn; reviewers commit to their answers
    REVEALING = auto()  # nobody may commit any more; answers are opened


class RoundEvent(Enum):
    """What moves a round along."""

    SEAL = auto()
    DRAW = auto()
    DRAW_NOBODY = auto()
    END_COMMITS = auto()
    DECIDE = auto()


class JobStatus(Enum):
    """Where a training job is."""

    OPEN = auto()  # partners join
    TRAINING = auto()  # rounds run; nobody joins any more
    COMPLETED = auto()
    ENDED = auto()  # early


class JobEvent(Enum):
    """What can happen to a training job."""

    JOIN = auto()
    START = auto()
    TRAIN = auto()  # a round, or a step of one
    COMPLETE = auto()
    END = auto()


class DealingPhase(Enum):
    """Where a proposed set of witnesses is."""

    PROPOSED = auto()  # the present set has to assent
    DEALING = auto()
    CHECKING = auto()  # each witness looks at what it was dealt
    IN_FORCE = auto()


class DealingEvent(Enum):
    """What moves a proposed set along."""

    ASSENT = auto()  # by enough of the present set
    END_DEALS = auto()
    BEGIN = auto()


class RootStatus(Enum):
    """Where a root is that was posted on chain."""

    WAITING = auto()
    FROZEN = auto()  # a witness objected
    UPHELD = auto()  # the quorum stands by it; the governor may still cancel it
    IN_FORCE = auto()


class RootEvent(Enum):
    """What the contracts say about a root."""

    CHALLENGE = auto()
    UPHOLD = auto()
    ENACT = auto()
    UNDO = auto()


_ITEM: Final[dict[tuple[ItemStatus, ItemEvent], ItemStatus]] = {
    (ItemStatus.SUBMITTED, ItemEvent.MATCH): ItemStatus.DUPLICATE,
    (ItemStatus.DUPLICATE, ItemEvent.CONTEST): ItemStatus.SUBMITTED,
    (ItemStatus.ACCEPTED, ItemEvent.CONTEST): ItemStatus.SUBMITTED,
    (ItemStatus.UNDECIDED, ItemEvent.MATCH): ItemStatus.DUPLICATE,
    (ItemStatus.SUBMITTED, ItemEvent.ACCEPT): ItemStatus.ACCEPTED,
    (ItemStatus.UNDECIDED, ItemEvent.ACCEPT): ItemStatus.ACCEPTED,
    (ItemStatus.SUBMITTED, ItemEvent.DRAW): ItemStatus.DRAWN,
    (ItemStatus.UNDECIDED, ItemEvent.DRAW): ItemStatus.DRAWN,
    (ItemStatus.DRAWN, ItemEvent.END_COMMITS): ItemStatus.COMMITTED,
    (ItemStatus.COMMITTED, ItemEvent.END_REVEALS): ItemStatus.REVEALED,
    (ItemStatus.REVEALED, ItemEvent.ACCEPT): ItemStatus.ACCEPTED,
    (ItemStatus.REVEALED, ItemEvent.REJECT): ItemStatus.REJECTED,
    (ItemStatus.REVEALED, ItemEvent.LEAVE_UNDECIDED): ItemStatus.UNDECIDED,
    (ItemStatus.REVEALED, ItemEvent.MATCH): ItemStatus.DUPLICATE,
    (ItemStatus.SUBMITTED, ItemEvent.END): ItemStatus.UNDECIDED,
    (ItemStatus.UNDECIDED, ItemEvent.END): ItemStatus.UNDECIDED,
    (ItemStatus.SUBMITTED, ItemEvent.TAKE_DOWN): ItemStatus.TAKEN_DOWN,
    (ItemStatus.DUPLICATE, ItemEvent.TAKE_DOWN): ItemStatus.TAKEN_DOWN,
    (ItemStatus.ACCEPTED, ItemEvent.TAKE_DOWN): ItemStatus.TAKEN_DOWN,
    (ItemStatus.REJECTED, ItemEvent.TAKE_DOWN): ItemStatus.TAKEN_DOWN,
    (ItemStatus.UNDECIDED, ItemEvent.TAKE_DOWN): ItemStatus.TAKEN_DOWN,
    (ItemStatus.SUBMITTED, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
    (ItemStatus.DUPLICATE, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
    (ItemStatus.ACCEPTED, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
    (ItemStatus.REJECTED, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
    (ItemStatus.UNDECIDED, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
    (ItemStatus.TAKEN_DOWN, ItemEvent.WITHDRAW): ItemStatus.WITHDRAWN,
}

_CAMPAIGN: Final[dict[tuple[CampaignStatus, CampaignEvent], CampaignStatus]] = {
    (CampaignStatus.OPEN, CampaignEvent.PAUSE): CampaignStatus.PAUSED,
    (CampaignStatus.PAUSED, CampaignEvent.RESUME): CampaignStatus.OPEN,
    (CampaignStatus.OPEN, CampaignEvent.CLOSE): CampaignStatus.CLOSED,
    (CampaignStatus.PAUSED, CampaignEvent.CLOSE): CampaignStatus.CLOSED,
}

_ROUND: Final[dict[tuple[RoundPhase, RoundEvent], RoundPhase]] = {
    (RoundPhase.OPEN, RoundEvent.SEAL): RoundPhase.SEALED,
    (RoundPhase.SEALED, RoundEvent.DRAW): RoundPhase.COMMITTING,
    (RoundPhase.SEALED, RoundEvent.DRAW_NOBODY): RoundPhase.OPEN,
    (RoundPhase.COMMITTING, RoundEvent.END_COMMITS): RoundPhase.REVEALING,
    (RoundPhase.REVEALING, RoundEvent.DECIDE): RoundPhase.OPEN,
}

_JOB: Final[dict[tuple[JobStatus, JobEvent], JobStatus]] = {
    (JobStatus.OPEN, JobEvent.JOIN): JobStatus.OPEN,
    (JobStatus.OPEN, JobEvent.START): JobStatus.TRAINING,
    (JobStatus.TRAINING, JobEvent.TRAIN): JobStatus.TRAINING,
    (JobStatus.TRAINING, JobEvent.COMPLETE): JobStatus.COMPLETED,
    (JobStatus.OPEN, JobEvent.END): JobStatus.ENDED,
    (JobStatus.TRAINING, JobEvent.END): JobStatus.ENDED,
}

_JOB_IS: Final = {
    JobStatus.OPEN: "has not begun",
    JobStatus.TRAINING: "has begun",
    JobStatus.COMPLETED: "is over: it was completed",
    JobStatus.ENDED: "is over: it ended early",
}
_JOB_DOES_NOT: Final = {
    JobEvent.JOIN: "nobody can join it now",
    JobEvent.START: "it cannot begin now",
    JobEvent.TRAIN: "no round of it can run now",
    JobEvent.COMPLETE: "it cannot be completed now",
    JobEvent.END: "it cannot be ended now",
}

_DEALING: Final[dict[tuple[DealingPhase, DealingEvent], DealingPhase]] = {
    (DealingPhase.PROPOSED, DealingEvent.ASSENT): DealingPhase.DEALING,
    (DealingPhase.DEALING, DealingEvent.END_DEALS): DealingPhase.CHECKING,
    (DealingPhase.CHECKING, DealingEvent.BEGIN): DealingPhase.IN_FORCE,
}

# None: the root is gone.
_ROOT: Final[dict[tuple[RootStatus, RootEvent], RootStatus | None]] = {
    (RootStatus.WAITING, RootEvent.CHALLENGE): RootStatus.FROZEN,
    (RootStatus.FROZEN, RootEvent.UPHOLD): RootStatus.UPHELD,
    (RootStatus.WAITING, RootEvent.ENACT): RootStatus.IN_FORCE,
    (RootStatus.UPHELD, RootEvent.ENACT): RootStatus.IN_FORCE,
    (RootStatus.WAITING, RootEvent.UNDO): None,
    (RootStatus.FROZEN, RootEvent.UNDO): None,
    (RootStatus.UPHELD, RootEvent.UNDO): None,
}


def next_status(status: ItemStatus, event: ItemEvent) -> ItemStatus:
    """The status after the event; raises Reject where the table has none."""
    try:
        return _ITEM[status, event]
    except KeyError:
        raise Reject(f"an item that is {status.name} cannot {event.name}") from None


def next_campaign_status(status: CampaignStatus, event: CampaignEvent) -> CampaignStatus:
    """The status after the event; raises Reject where the table has none."""
    try:
        return _CAMPAIGN[status, event]
    except KeyError:
        raise Reject(f"a campaign that is {status.name} cannot {event.name}") from None


def next_phase(phase: RoundPhase, event: RoundEvent) -> RoundPhase:
    """The phase after the event; raises Reject where the table has none."""
    try:
        return _ROUND[phase, event]
    except KeyError:
        raise Reject(f"a round that is {phase.name} cannot {event.name}") from None


def next_job_status(status: JobStatus, event: JobEvent) -> JobStatus:
    """The status after the event; raises Reject where the table has none."""
    try:
        return _JOB[status, event]
    except KeyError:
        raise Reject(f"the job {_JOB_IS[status]}, and {_JOB_DOES_NOT[event]}") from None


def next_dealing_phase(phase: DealingPhase, event: DealingEvent) -> DealingPhase:
    """The phase after the event; raises Reject where the table has none."""
    try:
        return _DEALING[phase, event]
    except KeyError:
        raise Reject(f"a set of witnesses that is {phase.name} cannot {event.name}") from None


def next_root_status(status: RootStatus, event: RootEvent) -> RootStatus | None:
    """The status after the event, None once the root is gone; raises Reject where the table has none."""
    try:
        return _ROOT[status, event]
    except KeyError:
        raise Reject(f"a root that is {status.name} cannot {event.name}") from None
