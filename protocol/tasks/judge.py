"""Does the item meet these criteria? Each is answered by yes or no.

What is judged (a transcription, boxes, code, a chain of reasoning) is a part of the item, so there is
no proposal beside it. A criterion says how sure the reviewers must be for the item to be accepted: a
matter of taste needs less than a matter of safety.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from protocol.errors import Reject, raise_all, tried
from protocol.limits import CRITERIA_MAX, CRITERION_CHARS_MAX, PPM
from protocol.tasks.kind import (
    Ballots,
    Column,
    ColumnType,
    Decision,
    Form,
    FormStyle,
    Inferred,
    Known,
    Ruling,
    Summary,
    fractions,
)
from protocol.tasks.shown import AS_NAMED, Shown
from protocol.tasks.spec import check_count, check_fields, decode_spec, read_integer
from protocol.tasks.words import as_said, check_length, check_shown, find_name, percent
from protocol.text import check_distinct, check_name, check_text, quoted

FIELDS: Final = {"criteria": "the criteria, each with its name, its text and what it needs"}
CRITERION_FIELDS: Final = {
    "name": "a short name, as verdicts and pages show it",
    "text": "what a reviewer has to check, in a sentence or a few",
    "needs_ppm": "how probable it must be that it is met, in parts per million",
}
# Below a half an item would be accepted that more probably fails; certainty is never reached.
NEEDS_PPM_MIN: Final = PPM // 2 + 1
NEEDS_PPM_MAX: Final = PPM - 1
WORDS: Final = ("no", "yes")
SEPARATOR: Final = ","  # between the answers to two criteria, and
MARK: Final = ":"  # between a criterion's name and its answer: no name holds them
_PIECE: Final = re.compile(
    rf"(?P<name>.+?)(?:\s*{MARK}\s*|\s+)(?P<word>{'|'.join(WORDS)})", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One question of a rubric, and how sure its answer must be for acceptance."""

    name: str
    text: str
    needs_ppm: int


@dataclass(frozen=True, slots=True)
class Rubric:
    """The spec: the criteria in the order of an answer's bytes."""

    criteria: tuple[Criterion, ...]


class Judge:
    """An answer is one byte for each criterion: 1 if it is met, else 0. A belief has the probability
    that each is met; they do not sum to anything."""

    name = "judge"
    takes_proposals = False
    compared_parts: tuple[str, ...] = ()

    def parse_spec(self, spec: bytes) -> Rubric:
        fields = check_fields("a judge spec", decode_spec(spec), FIELDS)
        listed = fields["criteria"]
        if type(listed) is not list:
            raise Reject("the criteria are not a list", "write them as [{...}, {...}]")
        check_count("criterion", len(listed), 1, CRITERIA_MAX)
        made, faults = tried(
            partial(_criterion, number, each) for number, each in enumerate(listed, 1)
        )
        raise_all(faults)
        criteria = tuple(each for each in made if each is not None)
        check_distinct([criterion.name for criterion in criteria], "criteria")
        return Rubric(criteria)

    def check_parts(self, spec: Rubric, names: Sequence[str], required: Sequence[str]) -> None:
        check_shown(self.name, required)

    def answer_bytes(self, spec: Rubric) -> int:
        return len(spec.criteria)

    def belief_size(self, spec: Rubric) -> int:
        return len(spec.criteria)

    def reviewers_max(self, spec: Rubric) -> int:
        from protocol.truth.binary import reviewers_max

        return reviewers_max(len(spec.criteria))

    def check_answer(self, spec: Rubric, answer: bytes) -> None:
        check_length(self.name, answer, len(spec.criteria))
        if any(byte >= len(WORDS) for byte in answer):
            raise Reject("an answer is neither 0 nor 1", "say 1 for met and 0 for not met")

    def infer(self, spec: Rubric, ballots: Ballots, known: Known) -> Inferred:
        from protocol.tasks.tables import marked
        from protocol.truth.binary import infer_marks

        return infer_marks(marked(ballots, known))

    def decide(
        self, spec: Rubric, belief: Sequence[int], proposal: bytes | None, accept_ppm: int
    ) -> Decision:
        """Accepted once every criterion is met as surely as it needs; refused once one is surely not.
        As sure as the item's worst criterion."""
        answer = bytes(2 * met > PPM for met in belief)
        worst = min(belief)
        confidence = worst if 2 * worst > PPM else PPM - worst
        needed = zip(belief, spec.criteria, strict=True)
        if all(met >= criterion.needs_ppm for met, criterion in needed):
            return Decision(Ruling.ACCEPT, answer, confidence)
        ruling = Ruling.REFUSE if worst <= PPM - accept_ppm else Ruling.UNSURE
        return Decision(ruling, answer, confidence)

    def credit_ppm(self, spec: Rubric, given: bytes, truth: bytes) -> int:
        right = sum(mine == true for mine, true in zip(given, truth, strict=True))
        return PPM * right // len(truth)

    def shown(self, spec: Rubric, flipped: bool) -> Shown:
        return AS_NAMED

    def words(self, spec: Rubric, answer: bytes) -> str:
        """Each criterion with its answer: "relevant: yes, correct: no"."""
        self.check_answer(spec, answer)
        each = zip(spec.criteria, answer, strict=True)
        return f"{SEPARATOR} ".join(
            f"{criterion.name}{MARK} {WORDS[met]}" for criterion, met in each
        )

    def read_words(self, spec: Rubric, text: str) -> bytes:
        """Takes `words`, the criteria in any order, or the bare answers in the rubric's: "yes, no"."""
        pieces = [as_said(piece) for piece in text.split(SEPARATOR)]
        if len(pieces) == len(spec.criteria) and all(piece in WORDS for piece in pieces):
            return bytes(WORDS.index(piece) for piece in pieces)
        names = [criterion.name for criterion in spec.criteria]
        answers: dict[int, int] = {}
        for piece in pieces:
            name, met = self._read_piece(spec, piece)
            place = find_name("criterion", names, name)
            if place in answers:
                raise self._unread(spec, f"the criterion {quoted(names[place])} is answered twice")
            answers[place] = met
        for place, name in enumerate(names):
            if place not in answers:
                raise self._unread(spec, f"the criterion {quoted(name)} is not answered")
        return bytes(answers[place] for place in range(len(names)))

    def _read_piece(self, spec: Rubric, piece: str) -> tuple[str, int]:
        """A criterion's name and its answer: "relevant: yes"."""
        match = _PIECE.fullmatch(piece)
        if match is None:
            raise self._unread(spec, f"{quoted(piece)} does not answer a criterion")
        return match["name"], WORDS.index(match["word"])

    def _unread(self, spec: Rubric, what: str) -> Reject:
        return Reject(what, f"say {' or '.join(self.choices(spec))}")

    def choices(self, spec: Rubric) -> list[str]:
        if len(spec.criteria) == 1:
            return [self.words(spec, bytes([met])) for met in (1, 0)]
        wanted = f"{SEPARATOR} ".join(
            f"{criterion.name}{MARK} yes or no" for criterion in spec.criteria
        )
        return [f"for each criterion: {wanted}"]

    def form(self, spec: Rubric) -> Form:
        criteria = spec.criteria
        return Form(
            FormStyle.EACH, tuple(c.name for c in criteria), tuple(c.text for c in criteria)
        )

    def explain(self, spec: Rubric, belief: Sequence[int]) -> str:
        each = zip(spec.criteria, belief, strict=True)
        return ", ".join(f"{criterion.name} met {percent(met)}" for criterion, met in each)

    def asks(self, spec: Rubric) -> list[str]:
        each = (
            f"{criterion.name}: {criterion.text} (needs {percent(criterion.needs_ppm)})"
            for criterion in spec.criteria
        )
        return ["Does it meet each criterion?", *each]

    def summary(self, spec: Rubric) -> Summary:
        names = tuple(criterion.name for criterion in spec.criteria)
        note = "Items that meet each criterion, of those that have a verdict."
        return Summary("Criteria", note, names, several=True)

    def counted(self, spec: Rubric, answer: bytes) -> list[int]:
        return [place for place, met in enumerate(answer) if met]

    def columns(self, spec: Rubric) -> tuple[Column, ...]:
        names = tuple(criterion.name for criterion in spec.criteria)
        words = "Probability that each criterion is met, in the order of the rubric."
        return (
            *(_met(at, name, names) for at, name in enumerate(names)),
            Column("belief", ColumnType.SHARES, words, fractions, names),
        )


def _met(at: int, name: str, names: Sequence[str]) -> Column:
    """One criterion's own column: named after it, or by its number if any two would have one name."""
    slugs = [_slug(each) for each in names]
    told_apart = all(slugs) and len(set(slugs)) == len(slugs)
    return Column(
        f"met_{slugs[at] if told_apart else at + 1}",
        ColumnType.SHARE,
        f"Probability that {name!r} is met.",
        lambda _, belief: belief[at] / PPM,
    )


def _slug(name: str) -> str:
    """What is left of a name in a column's."""
    return re.sub(r"\W+", "_", name.casefold()).strip("_")


def _criterion(number: int, value: object) -> Criterion:
    what = f"criterion {number}"
    fields = check_fields(what, value, CRITERION_FIELDS)
    name, text = fields["name"], fields["text"]
    if type(name) is not str or type(text) is not str:
        raise Reject(f"{what} has a name or a text that is not text", 'write each in quotes "..."')
    bounds = (NEEDS_PPM_MIN, NEEDS_PPM_MAX)
    needs = partial(read_integer, f"'needs_ppm' of {what}", fields["needs_ppm"], *bounds)
    checks: tuple[Callable[[], object], ...] = (
        partial(_check_criterion_name, name, what),
        partial(check_text, text, f"the text of {what}", CRITERION_CHARS_MAX, lines=True),
        needs,
    )
    raise_all(tried(checks)[1])
    return Criterion(name, text, needs())


def _check_criterion_name(name: str, what: str) -> None:
    check_name(name, f"the name of {what}")
    if SEPARATOR in name or MARK in name:
        raise Reject(
            f"the name of {what}, {quoted(name)}, holds a comma or a colon, as answers do between criteria",
            "give it a short name without them; its text may say more",
        )
