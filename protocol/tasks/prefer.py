"""Which of two answers is better? Where the campaign says so, neither may be.

Position sways people, so half of the reviewers see answer_b first; all speak of the first and the second. A
verdict follows from the judgements of the pair alone: who wrote an answer never counts for or against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.errors import Reject
from protocol.limits import PPM
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
from protocol.tasks.shown import Shown
from protocol.tasks.spec import check_fields, decode_spec
from protocol.tasks.words import check_length, find_name, most_probable, shares
from protocol.text import quoted

FIELDS: Final = {"ties": "true if reviewers may say that neither is better, else false"}
PARTS: Final = ("answer_a", "answer_b")
PLACES: Final = ("first", "second")  # what reviewers see in their stead
WORDS: Final = ("a", "b", "tie")
TIE: Final = 2
# What an answer adds is in two numbers a reviewer; the bound is what a table can index, with room.
REVIEWERS_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Pair:
    """The spec: whether a reviewer may say that neither is better."""

    ties: bool

    @property
    def names(self) -> tuple[str, ...]:
        return WORDS if self.ties else WORDS[:TIE]


class Prefer:
    """An answer is one byte: 0 if answer_a is better, 1 if answer_b is, 2 if neither. A belief has a
    share for each."""

    name = "prefer"
    takes_proposals = True
    compared_parts: tuple[str, ...] = PARTS

    def parse_spec(self, spec: bytes) -> Pair:
        fields = check_fields("a prefer spec", decode_spec(spec), FIELDS)
        ties = fields["ties"]
        if type(ties) is not bool:
            raise Reject(f"'ties' is {quoted(str(ties))}", "say true or false")
        return Pair(ties)

    def check_parts(self, spec: Pair, names: Sequence[str], required: Sequence[str]) -> None:
        for part in PARTS:
            if part not in required:
                raise Reject(
                    f"items of a prefer task have no {part!r} that is always there",
                    f"make the parts {PARTS[0]!r} and {PARTS[1]!r} required",
                )
        for part in names:
            if part in PLACES:
                raise Reject(
                    f"a prefer task cannot have a part {part!r}: reviewers see an answer under that name",
                    "call the part otherwise",
                )

    def answer_bytes(self, spec: Pair) -> int:
        return 1

    def belief_size(self, spec: Pair) -> int:
        return len(spec.names)

    def reviewers_max(self, spec: Pair) -> int:
        return REVIEWERS_MAX

    def check_answer(self, spec: Pair, answer: bytes) -> None:
        check_length(self.name, answer, 1)
        if answer[0] == TIE and not spec.ties:
            raise Reject("this task takes no ties", "say which answer is better")
        if answer[0] >= len(spec.names):
            raise Reject(f"there is no answer {answer[0]}", f"the last is {len(spec.names) - 1}")

    def infer(self, spec: Pair, ballots: Ballots, known: Known) -> Inferred:
        from protocol.tasks.tables import labelled
        from protocol.truth.inferred import Labelled
        from protocol.truth.pairs import agreement, infer_preferences

        answers, gold = labelled(ballots, known, len(spec.names))
        inference = infer_preferences(answers, gold)
        return Labelled(answers, gold, inference, agreement(len(spec.names)))

    def decide(
        self, spec: Pair, belief: Sequence[int], proposal: bytes | None, accept_ppm: int
    ) -> Decision:
        best = most_probable(belief)
        answer = bytes([best])
        return ruled(answer, belief[best], accept_ppm, agrees=proposal in (None, answer))

    def credit_ppm(self, spec: Pair, given: bytes, truth: bytes) -> int:
        if given == truth:
            return PPM
        return PPM // 2 if TIE in (given[0], truth[0]) else 0

    def shown(self, spec: Pair, flipped: bool) -> Shown:
        seen = PARTS[::-1] if flipped else PARTS
        answers = {
            place: bytes([PARTS.index(part)]) for place, part in zip(PLACES, seen, strict=True)
        }
        if spec.ties:
            answers[WORDS[TIE]] = bytes([TIE])
        return Shown(dict(zip(seen, PLACES, strict=True)), answers)

    def words(self, spec: Pair, answer: bytes) -> str:
        self.check_answer(spec, answer)
        return WORDS[answer[0]]

    def read_words(self, spec: Pair, text: str) -> bytes:
        return bytes([find_name("answer", spec.names, text)])

    def choices(self, spec: Pair) -> list[str]:
        return list(spec.names)

    def form(self, spec: Pair) -> Form:
        return Form(FormStyle.ONE, spec.names)

    def explain(self, spec: Pair, belief: Sequence[int]) -> str:
        return shares(spec.names, belief)

    def asks(self, spec: Pair) -> list[str]:
        neither = "It may be that neither is." if spec.ties else "One of them is."
        return [f"Which of the two answers is better? {neither}"]

    def summary(self, spec: Pair) -> Summary:
        names = (*PARTS, "neither")[: self.belief_size(spec)]
        return Summary("Preferences", "Pairs by which answer was preferred.", names)

    def counted(self, spec: Pair, answer: bytes) -> list[int]:
        return [answer[0]]

    def columns(self, spec: Pair) -> tuple[Column, ...]:
        """`chosen` and `rejected` are what trainers of preferences read (TRL and others)."""
        none = ", none in a tie." if spec.ties else "."
        return (
            Column(
                "chosen", ColumnType.PART, f"The better answer{none}", lambda a, _: better(a), PARTS
            ),
            Column(
                "rejected", ColumnType.PART, f"The other one{none}", lambda a, _: worse(a), PARTS
            ),
            Column(
                "preferred",
                ColumnType.PART_NAME,
                f"Which part the better answer is{none}",
                lambda a, _: better(a),
                PARTS,
            ),
            Column(
                "belief",
                ColumnType.SHARES,
                f"Probability of each answer: {', '.join(spec.names)}.",
                fractions,
                spec.names,
            ),
        )


def better(answer: bytes) -> str | None:
    """The part that an answer prefers; None in a tie."""
    return None if answer[0] == TIE else PARTS[answer[0]]


def worse(answer: bytes) -> str | None:
    """The other part; None in a tie."""
    return None if answer[0] == TIE else PARTS[1 - answer[0]]
