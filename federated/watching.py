"""Whether a round made the model worse.

A job with public examples looks at every round on them. A bad round's model is not kept: the round has
failed, and the next one starts again from the last good model. What the bad round cost in privacy stays
spent, as its sum was seen. A round is bad

    when its sum points uphill on the public examples, further than noise explains
    when its model is worse than the best so far by more than the job's margin

The best, not the last: else a model could be led down a step at a time. And a job ends that learns nothing at
all, which whoever cancels the others out achieves without a single fall: once half of its rounds are over,
and `PATIENCE` at least, its model has to be better than the first by the margin. Where the first is right
of most already, as it is of whatever is rare, a tenth of what is left to learn will do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from protocol.limits import PPM

# Of fewer rounds nobody can tell. A model of texts says the commonest label for a dozen of sixty rounds, and
# more, before it tells any apart.
PATIENCE: Final = 10
_LEFT_TO_LEARN: Final = 10  # one part of so many
# Noise alone goes so many deviations uphill in one of 700 rounds.
UPHILL_DEVIATIONS: Final = 3.0


@dataclass(slots=True)
class Watch:
    """The rounds of a job so far, by the accuracy of their models in parts per million. A margin of zero
    watches nothing."""

    margin_ppm: int
    first_ppm: int  # of the model that round 1 starts from
    kept: list[int] = field(default_factory=list)
    rounds: int = 0  # that the job has

    def fault(self, accuracy_ppm: int, usefulness: float, deviation: float) -> str:
        """What is wrong with a round, by its model's accuracy, its sum's usefulness (federated.valuation)
        and the deviation of the noise in that; empty for a round to keep."""
        best = max([self.first_ppm, *self.kept])
        if not self.margin_ppm:
            return ""
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

    def keep(self, accuracy_ppm: int) -> None:
        """A round that counts."""
        self.kept.append(accuracy_ppm)

    @property
    def stuck(self) -> str:
        """Why the job should end; empty while it learns."""
        if not self.margin_ppm or len(self.kept) < max(PATIENCE, self.rounds // 2):
            return ""
        if max(self.kept) >= self.first_ppm + min(
            self.margin_ppm, (PPM - self.first_ppm) // _LEFT_TO_LEARN
        ):
            return ""
        return (
            f"after {len(self.kept)} rounds the model is {_percent(max(self.kept))} right on the public"
            f" examples, and was {_percent(self.first_ppm)} to begin with: it learns nothing"
        )


def _percent(ppm: int) -> str:
    return f"{ppm / PPM:.1%}"
