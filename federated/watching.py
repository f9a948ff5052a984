"""Whether a round made the model worse, and what comes then.

A job with public examples measures the model of each round on them. A model that falls by more than the
job's margin below the best so far is not kept: the next round starts again from the last good one. What the
bad round cost in privacy stays spent, as its sum was seen.

Below the best, not below the last: else a model could be led down a step at a time. And a job that learns
nothing at all (an attacker who cancels the others out lets no round fall, as none rises) is told by its
progress: within `PATIENCE` rounds it has to be better than its first model by the margin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from protocol.limits import PPM

# In so many rounds every model that we train is far from where it began.
PATIENCE: Final = 5
# Chance, or one bad update; a third time in a row somebody means it.
BAD_ROUNDS_MAX: Final = 2


class Verdict(Enum):
    """What becomes of a round."""

    KEEP = "keep"
    ROLL_BACK = "roll back"
    STOP = "stop"


@dataclass(slots=True)
class Watch:
    """The accuracies of a job's rounds so far, in parts per million. A margin of zero watches nothing."""

    margin_ppm: int
    first_ppm: int  # of the model that round 1 starts from
    kept: list[int] = field(default_factory=list)
    bad_in_a_row: int = 0
    reason: str = ""  # of the last verdict that was not to keep

    def judge(self, accuracy_ppm: int) -> Verdict:
        """Takes a round's accuracy into account, and says what becomes of the round."""
        if not self.margin_ppm:
            return Verdict.KEEP
        best = max([self.first_ppm, *self.kept])
        if accuracy_ppm < best - self.margin_ppm:
            self.bad_in_a_row += 1
            self.reason = (
                f"its model is {_percent(accuracy_ppm)} right on the public examples, after"
                f" {_percent(best)}; the job allows a fall of {_percent(self.margin_ppm)}"
            )
            return Verdict.STOP if self.bad_in_a_row > BAD_ROUNDS_MAX else Verdict.ROLL_BACK
        self.bad_in_a_row = 0
        self.kept.append(accuracy_ppm)
        if len(self.kept) >= PATIENCE and max(self.kept) < self.first_ppm + self.margin_ppm:
            self.reason = (
                f"after {len(self.kept)} rounds its model is {_percent(max(self.kept))} right on the"
                f" public examples, and was {_percent(self.first_ppm)} to begin with: it learns nothing"
            )
            return Verdict.STOP
        return Verdict.KEEP


def _percent(ppm: int) -> str:
    return f"{ppm / PPM:.1%}"
