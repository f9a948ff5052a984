"""When a round goes on: a pure function of the state, one campaign and the clock.

A draw waits for the coin alone. A window ends when all have done their part, or when it has lasted as long as
the campaign's record says. The rules enforce the same with the times that the records carry; here it is
decided when to write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Final

from protocol.identity import PersonId
from protocol.lifecycle import CampaignStatus, RoundPhase
from protocol.rows import Campaign, ItemId
from protocol.rules.admission import standing_by
from protocol.rules.drawing import can_be_reviewed
from protocol.rules.sealing import close_due, next_items
from protocol.state import State, waits_of

# After a start nobody is shut out before their nodes have had time to find us again.
GRACE_MS: Final = 5 * 60 * 1_000


class Step(Enum):
    """What the operator logs next in a campaign."""

    SEAL = auto()
    CLOSE = auto()  # the epoch, since it has no room for a further round
    DRAW = auto()
    END_COMMITS = auto()
    DECIDE = auto()


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do, before `until_ms` unless a record comes; None: only a record changes that."""

    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Futile:
    """Rounds that could draw nobody: who stood by in them, and for which items."""

    people: frozenset[PersonId]
    items: frozenset[ItemId]

    def after(self, last: Futile) -> Futile:
        """Both, if the same people stood by in an earlier one."""
        return Futile(self.people, self.items | last.items) if self.people == last.people else self


@dataclass(frozen=True, slots=True)
class Clock:
    """What the state cannot know. All times in ms since 1970."""

    now_ms: int
    started_ms: int  # when this process began to listen
    waiting_since_ms: int  # when it saw the oldest of the items that wait now
    futile: Futile | None = None


def next_step(state: State, campaign: Campaign, clock: Clock) -> Step | Wait:
    """The record that may and should be logged now, or how long there is none."""
    c, round_ = campaign.id, state.round_of(campaign.id)
    terms = state.campaign_under(c, round_.revision).rounds
    match round_.phase:
        case RoundPhase.OPEN:
            return _gather(state, campaign, clock)
        case RoundPhase.SEALED:
            # However long it takes: a round that could be dropped would be another chance.
            tossed = state.tosses.count(c)
            return Step.DRAW if tossed >= state.coins[round_.coin].threshold else Wait(None)
        case RoundPhase.COMMITTING:
            missing = state.tasks.count(c) - state.commits.count(c)
            step, window_ms = Step.END_COMMITS, terms.commit_ms
        case RoundPhase.REVEALING:
            missing = state.commits.count(c) - state.revealed.count(c)
            step, window_ms = Step.DECIDE, terms.reveal_ms
    ends_ms = max(round_.since_ms + window_ms, clock.started_ms + min(window_ms, GRACE_MS))
    return Wait(ends_ms) if missing and clock.now_ms < ends_ms else step


def _gather(state: State, campaign: Campaign, clock: Clock) -> Step | Wait:
    """Seals when enough waits and enough reviewers stand by, or when the oldest item has waited long
    enough; and never for nobody, or the log would fill with empty rounds."""
    c = campaign.id
    if (
        campaign.status is CampaignStatus.PAUSED
        or not state.queues.has(c)
        or not state.standbys.has(c)
    ):
        return Wait(None)
    due_ms = clock.waiting_since_ms + campaign.rounds.seal_wait_ms
    enough = (
        waits_of(state, c) >= campaign.rounds.seal_items
        and sum(1 for _ in standing_by(state, c)) >= campaign.reviewers_per_item
    )
    if not enough and clock.now_ms < due_ms:
        return Wait(due_ms)
    if clock.futile is not None and _would_be(clock.futile, state, campaign):
        return Wait(None)
    if not can_be_reviewed(state, c):
        return Wait(None)
    return Step.CLOSE if close_due(state, campaign) else Step.SEAL


def _would_be(futile: Futile, state: State, campaign: Campaign) -> bool:
    """Whether a round now had nobody and nothing that was not tried in vain."""
    people = {person for person, _ in standing_by(state, campaign.id)}
    items = islice(next_items(state, campaign), campaign.rounds.items_max)
    return people <= futile.people and all(item_id in futile.items for item_id in items)


def futile_round(state: State, campaign_id: str) -> Futile:
    """What the sealed round of a campaign was for, if its draw finds nobody."""
    candidates = (person for (_, person), _ in state.candidates.scan(campaign_id))
    return Futile(frozenset(candidates), frozenset(state.round_of(campaign_id).items))
