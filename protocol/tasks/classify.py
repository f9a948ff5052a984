"""Which of these labels fits the item? Exactly one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.errors import Reject
from protocol.limits import LABELS_MAX, PPM
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
from protocol.tasks.spec import check_fields, decode_spec, read_names
from protocol.tasks.words import (
    check_length,
    check_shown,
    find_name,
    most_probable,
    shares,
)

ANSWER_BYTES: Final = 2  # LABELS_MAX is beyond one byte
FIELDS: Final = {"labels": "the labels to choose from, a list of names"}


@dataclass(frozen=True, slots=True)
class Labels:
    """The spec: what there is to choose from, in the order of the answers' numbers."""

    names: tuple[str, ...]


class Classify:
    """An answer is a label's index, two bytes, big-endian. A belief has a share for each label."""

    name = "classify"
    takes_proposals = True
    compared_parts: tuple[str, ...] = ()

    def parse_spec(self, spec: bytes) -> Labels:
        fields = check_fields("a classify spec", decode_spec(spec), FIELDS)
        return Labels(read_names("label", fields["labels"], 2, LABELS_MAX))

    def check_parts(self, spec: Labels, names: Sequence[str], required: Sequence[str]) -> None:
        check_shown(self.name, required)

    def answer_bytes(self, spec: Labels) -> int:
        return ANSWER_BYTES

    def belief_size(self, spec: Labels) -> int:
        return len(spec.names)

    def reviewers_max(self, spec: Labels) -> int:
        from protocol.truth.data import MAX_CONFUSION_CELLS

        return MAX_CONFUSION_CELLS // len(spec.names) ** 2

    def check_answer(self, spec: Labels, answer: bytes) -> None:
        check_length(self.name, answer, ANSWER_BYTES)
        index = int.from_bytes(answer)
        if index >= len(spec.names):
            raise Reject(f"there is no label {index}", f"the last is {len(spec.names) - 1}")

    def infer(self, spec: Labels, ballots: Ballots, known: Known) -> Inferred:
        from protocol.tasks.tables import labelled
        from protocol.truth.inference import infer
        from protocol.truth.inferred import Labelled

        answers, gold = labelled(ballots, known, len(spec.names))
        return Labelled(answers, gold, infer(answers, gold))

    def decide(
        self, spec: Labels, belief: Sequence[int], proposal: bytes | None, accept_ppm: int
    ) -> Decision:
        best = most_probable(belief)
        answer = best.to_bytes(ANSWER_BYTES)
        return ruled(answer, belief[best], accept_ppm, agrees=proposal in (None, answer))

    def credit_ppm(self, spec: Labels, given: bytes, truth: bytes) -> int:
        return PPM if given == truth else 0

    def shown(self, spec: Labels, flipped: bool) -> Shown:
        return AS_NAMED

    def words(self, spec: Labels, answer: bytes) -> str:
        self.check_answer(spec, answer)
        return spec.names[int.from_bytes(answer)]

    def read_words(self, spec: Labels, text: str) -> bytes:
        return find_name("label", spec.names, text).to_bytes(ANSWER_BYTES)

    def choices(self, spec: Labels) -> list[str]:
        return list(spec.names)

    def form(self, spec: Labels) -> Form:
        return Form(FormStyle.ONE, spec.names)

    def explain(self, spec: Labels, belief: Sequence[int]) -> str:
        return shares(spec.names, belief)

    def asks(self, spec: Labels) -> list[str]:
        return ["Which label fits? Exactly one does.", *spec.names]

    def summary(self, spec: Labels) -> Summary:
        return Summary("Labels", "Items by the label that reviewers agreed on.", spec.names)

    def counted(self, spec: Labels, answer: bytes) -> list[int]:
        return [int.from_bytes(answer)]

    def columns(self, spec: Labels) -> tuple[Column, ...]:
        number = Column(
            "label",
            ColumnType.LABEL,
            "Index of the label that reviewers agreed on.",
            lambda answer, _: int.from_bytes(answer),
            spec.names,
        )
        words = "Probability of each label, in the order of their indices."
        return number, Column("belief", ColumnType.SHARES, words, fractions, spec.names)
