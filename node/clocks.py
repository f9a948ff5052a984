"""Does the operator's clock go as ours does?

The times in round records are the operator's. They end windows, and who says nothing until then counts as
silent; whoever puts that clock forward ends windows early, and no rule can notice, since a replay asks no
clock. So a node that sees such a record as it is logged holds it against its own clock, and tells its owner
where they differ by more than a tolerance. It cannot know which of the two is wrong, and refuses nothing.

What is noted is in the store, so that `status` and pages tell it, too, and a restart forgets nothing. The
next record of the same campaign that fits takes it back, and so does time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from commonground.addresses import now_ms
from node.follower import Follower
from node.store import Store
from protocol.transition import Applied

log = logging.getLogger(__name__)

# A machine whose clock nobody sets (no NTP) drifts by some seconds a day: this is weeks of it. And a record
# is as old as its signature, its commit and its way here took, a verdict as its inference.
TOLERANCE_MS: Final = 2 * 60_000
# What no later record of its campaign took back was an accident, or its owner has read of it by now.
NOTED_MS: Final = 24 * 3_600_000
_META: Final = "clocks"


@dataclass(frozen=True, slots=True)
class Difference:
    """A record of a campaign (empty: the close of an epoch) was that much ahead of our clock when it came."""

    campaign_id: str
    ahead_ms: int  # below zero: behind
    seen_ms: int  # by our clock

    @property
    def words(self) -> str:
        """What it means, and what its owner can do."""
        minutes = round(abs(self.ahead_ms) / 60_000)
        ahead = self.ahead_ms > 0
        where = f"campaign {self.campaign_id}" if self.campaign_id else "the close of an epoch"
        return (
            f"the operator's clock is {minutes:,} minutes {'ahead of' if ahead else 'behind'} this"
            f" machine's (seen in {where}): one of the two is wrong. Compare this machine's with another"
            f" clock. If it is right, windows end {'earlier' if ahead else 'later'} than they should, and"
            " the operator is to be told; if not, set it."
        )


class ClockWatch:
    """Watches what the follower folds. Make it before the follower runs."""

    def __init__(self, store: Store, follower: Follower, clock: Callable[[], int] = now_ms) -> None:
        self._store, self._follower, self._clock = store, follower, clock
        follower.subscribe(self._on_entry)

    def _on_entry(self, applied: Applied) -> None:
        # Only records of the operator about rounds and epochs have a time; an old one tells nothing of it.
        time_ms: int | None = getattr(applied.record.body, "time_ms", None)
        if time_ms is None or not self._follower.is_live:
            return
        campaign_id, now = getattr(applied.record.body, "campaign_id", ""), self._clock()
        seen = Difference(campaign_id, time_ms - now, now)
        noted = {each.campaign_id: each for each in differences(self._store, now)}
        before = noted.pop(campaign_id, None)
        if abs(seen.ahead_ms) > TOLERANCE_MS:
            _keep(self._store, [*noted.values(), seen])
            if before is None:
                log.warning("%s", seen.words)
        elif before is not None:
            _keep(self._store, list(noted.values()))
            log.info("a record fits this machine's clock again: %s", campaign_id or "a close")


def differences(store: Store, now: int) -> list[Difference]:
    """What is noted and not taken back, the largest first."""
    noted = [Difference(*each) for each in json.loads(store.meta(_META) or b"[]")]
    recent = [each for each in noted if now - each.seen_ms < NOTED_MS]
    return sorted(recent, key=lambda each: (-abs(each.ahead_ms), each.campaign_id))


def clock_warning(store: Store, now: int) -> str:
    """The largest difference in words; empty where clocks agree."""
    noted = differences(store, now)
    return noted[0].words if noted else ""


def _keep(store: Store, noted: list[Difference]) -> None:
    rows = [[each.campaign_id, each.ahead_ms, each.seen_ms] for each in noted]
    store.set_meta(_META, json.dumps(rows).encode())
