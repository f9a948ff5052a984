"""Where on this scale is the item? The steps have an order, and being off by one costs little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from protocol.errors import Reject
from protocol.limits import PPM, STEPS_MAX
from protocol.tasks.kind import (
    Ballots,
    Column,
    ColumnType,
    Decision,
    Form,
    FormStyle,
    Inferred,
    Known,
    Summary,
    fractions,
    ruled,
)
from protocol.tasks.shown import AS_NAMED, Shown
from protocol.tasks.spec import check_fields, decode_spec, read_integer, read_names
from protocol.tasks.words import check_length, check_shown, find_name, shares

FIELDS: Final = {
    "steps": "the names of the steps, lowest first",
    "tolerance": "how many steps a rating may be off and still count as right; 0 for none",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """The spec: the steps from lowest to highest, and how far apart two ratings may be that agree."""

    steps: tuple[str, ...]
    tolerance: int


class Rate:
    """An answer is a step's index, one byte. A belief has a share for each step."""

    name = "rate"
    takes_proposals = True
    compared_parts: tuple[str, ...] = ()

    def parse_spec(self, spec: bytes) -> Scale:
        fields = check_fields("a rate spec", decode_spec(spec), FIELDS)
        steps = read_names("step", fields["steps"], 2, STEPS_MAX)
        # A tolerance of the whole scale would accept whatever is proposed.
        tolerance = read_integer("the tolerance", fields["tolerance"], 0, len(steps) - 2)
        return Scale(steps, tolerance)

    def check_parts(self, spec: Scale, names: Sequence[str], required: Sequence[str]) -> None:
        check_shown(self.name, required)

    def answer_bytes(self, spec: Scale) -> int:
        return 1

    def belief_size(self, spec: Scale) -> int:
        return len(spec.steps)

    def reviewers_max(self, spec: Scale) -> int:
        from protocol.truth.data import MAX_CONFUSION_CELLS

        return MAX_CONFUSION_CELLS // len(spec.steps) ** 2

    def check_answer(self, spec: Scale, answer: bytes) -> None:
        check_length(self.name, answer, 1)
        if answer[0] >= len(spec.steps):
            raise Reject(f"there is no step {answer[0]}", f"the last is {len(spec.steps) - 1}")

    def infer(self, spec: Scale, ballots: Ballots, known: Known) -> Inferred:
        from protocol.tasks.tables import labelled
        from protocol.truth.inferred import Labelled
        from protocol.truth.ordinal import closeness, infer_ratings

        answers, gold = labelled(ballots, known, len(spec.steps))
        inference = infer_ratings(answers, gold)
        return Labelled(answers, gold, inference, closeness(len(spec.steps)))

    def decide(
        self, spec: Scale, belief: Sequence[int], proposal: bytes | None, accept_ppm: int
    ) -> Decision:
        """The median, which has the smallest expected distance from the truth; as sure as the belief
        that the truth is within the tolerance of it."""
        step = median(belief)
        near = slice(max(step - spec.tolerance, 0), step + spec.tolerance + 1)
        agrees = proposal is None or abs(proposal[0] - step) <= spec.tolerance
        return ruled(bytes([step]), sum(belief[near]), accept_ppm, agrees=agrees)

    def credit_ppm(self, spec: Scale, given: bytes, truth: bytes) -> int:
        return PPM - PPM * abs(given[0] - truth[0]) // (len(spec.steps) - 1)

    def shown(self, spec: Scale, flipped: bool) -> Shown:
        return AS_NAMED

    def words(self, spec: Scale, answer: bytes) -> str:
        self.check_answer(spec, answer)
        return spec.steps[answer[0]]

    def read_words(self, spec: Scale, text: str) -> bytes:
        return bytes([find_name("step", spec.steps, text)])

    def choices(self, spec: Scale) -> list[str]:
        return list(spec.steps)

    def form(self, spec: Scale) -> Form:
        return Form(FormStyle.ONE, spec.steps)

    def explain(self, spec: Scale, belief: Sequence[int]) -> str:
        return f"median {spec.steps[median(belief)]}; {shares(spec.steps, belief)}"

    def asks(self, spec: Scale) -> list[str]:
        near = f"Ratings that are {spec.tolerance} apart agree." if spec.tolerance else ""
        return [f"Where on this scale is it, from lowest to highest? {near}".rstrip(), *spec.steps]

    def summary(self, spec: Scale) -> Summary:
        note = "Items by the median of their ratings, from lowest to highest."
        return Summary("Ratings", note, spec.steps, ordered=True)

    def counted(self, spec: Scale, answer: bytes) -> list[int]:
        return [answer[0]]

    def columns(self, spec: Scale) -> tuple[Column, ...]:
        step = Column(
            "rating",
            ColumnType.LABEL,
            "Index of the step that is the median of the probabilities, 0 for the lowest.",
            lambda answer, _: answer[0],
            spec.steps,
        )
        words = "Mean index of the steps, weighted by their probabilities."
        mean = Column("rating_mean", ColumnType.NUMBER, words, lambda _, belief: mean_step(belief))
        words = "Probability of each step, lowest first."
        return step, mean, Column("belief", ColumnType.SHARES, words, fractions, spec.steps)


def mean_step(belief: Sequence[int]) -> float:
    """One division of integers, so that every machine gets the same number."""
    return sum(step * share for step, share in enumerate(belief)) / sum(belief)


def median(belief: Sequence[int]) -> int:
    """The lowest step with at least half of the belief at or below it."""
    total = sum(belief)
    return next(step for step, below in enumerate(accumulate(belief)) if 2 * below >= total)
