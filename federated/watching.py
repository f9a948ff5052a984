"""Whether a round made the model worse, and what comes then.

A job with public examples looks at every round on them. A bad round's model is not kept: the next one
starts again from the last good one. What the bad round cost in privacy stays spent, as its sum was seen. A
round is bad

    when its sum points uphill on the public examples, further than noise explains
    when its model is worse than the best so far by more than the job's margin

The best, not the last: else a model could be led down a step at a time. After too many bad rounds in a row
the job stops with the last good model. So it does when it learns nothing at all, which whoever cancels the
others out achieves without a single fall: within `PATIENCE` rounds the model has to be better than the
first by the margin.
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
# Noise alone goes so many deviations uphill in one of 700 rounds, and in three of them in a row never.
UPHILL_DEVIATIONS: Final = 3.0


class Verdict(Enum):
    """What becomes of a round."""

    KEEP = "keep"
    ROLL_BACK = "roll back"
    STOP = "stop"


@dataclass(slots=True)
class Watch:
    """The rounds of a job so far, by the accuracy of their models in parts per million. A margin of zero
    watches nothing."""

    margin_ppm: int
    first_ppm: int  # of the model that round 1 starts from
    kept: list[int] = field(default_factory=list)
    bad_in_a_row: int = 0
    reason: str = ""  # of the last verdict that was not to keep

    def judge(self, accuracy_ppm: int, usefulness: float, deviation: float) -> Verdict:
        """What becomes of a round, by its model's accuracy, its sum's usefulness (federated.valuation)
        and the deviation of the noise in that."""
        if not self.margin_ppm:
            return Verdict.KEEP
        if reason := self._bad(accuracy_ppm, usefulness, deviation):
            self.reason = reason
            self.bad_in_a_row += 1
            return Verdict.STOP if self.bad_in_a_row > BAD_ROUNDS_MAX else Verdict.ROLL_BACK
        self.bad_in_a_row = 0
        self.kept.append(accuracy_ppm)
        if len(self.kept) >= PATIENCE and max(self.kept) < self.first_ppm + self.margin_ppm:
            self.reason = (
                f"after {len(self.kept)} rounds the model is {_percent(max(self.kept))} right on the"
                f" public examples, and was {_percent(self.first_ppm)} to begin with: it learns nothing"
            )
            return Verdict.STOP
        return Verdict.KEEP

    def forgive(self) -> None:
        """Somebody who did harm is no longer asked: what came before is no sign of what comes."""
        self.bad_in_a_row = 0

    def _bad(self, accuracy_ppm: int, usefulness: float, deviation: float) -> str:
        best = max([self.first_ppm, *self.kept])
        if usefulness < -UPHILL_DEVIATIONS * deviation:
            return (
                f"its sum points uphill on the public examples, by {-usefulness:.1f} where noise explains"
                f" {UPHILL_DEVIATIONS * deviation:.1f}: it would make the model worse"
            )
        if accuracy_ppm < best - self.margin_ppm:
            return (
                f"its model is {_percent(accuracy_ppm)} right on the public examples, after"
                f" {_percent(best)}; the job allows a fall of {_percent(self.margin_ppm)}"
            )
        return ""


def _percent(ppm: int) -> str:
    return f"{ppm / PPM:.1%}"
