"""Which of these tags fit? Any number of them, or none.

Each tag is a question of its own, so that one that everybody sees is settled though another is in doubt;
the item is decided once all of them are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.errors import Reject, raise_all
from protocol.limits import PPM, TAGS_MAX
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
from protocol.tasks.words import as_said, check_length, check_shown, find_name, percent
from protocol.text import quoted

FIELDS: Final = {"tags": "the tags that may fit, a list of names"}
NONE: Final = "none"  # how people say that no tag fits
SEPARATOR: Final = ","


@dataclass(frozen=True, slots=True)
class Tagging:
    """The spec: the tags in the order of an answer's bytes."""

    tags: tuple[str, ...]


class Tags:
    """An answer is one byte for each tag: 1 if it fits, else 0. A belief has the probability that each
    fits; they do not sum to anything."""

    name = "tags"
    takes_proposals = True
    compared_parts: tuple[str, ...] = ()

    def parse_spec(self, spec: bytes) -> Tagging:
        fields = check_fields("a tags spec", decode_spec(spec), FIELDS)
        tags = read_names("tag", fields["tags"], 2, TAGS_MAX)
        raise_all(
            Reject(
                f"the tag {quoted(tag)} cannot be told apart in a list of tags",
                f"use names without {SEPARATOR!r}, and not {NONE!r}, which says that none fits",
            )
            for tag in tags
            if SEPARATOR in tag or as_said(tag) == NONE
        )
        return Tagging(tags)

    def check_parts(self, spec: Tagging, names: Sequence[str], required: Sequence[str]) -> None:
        check_shown(self.name, required)

    def answer_bytes(self, spec: Tagging) -> int:
        return len(spec.tags)

    def belief_size(self, spec: Tagging) -> int:
        return len(spec.tags)

    def reviewers_max(self, spec: Tagging) -> int:
        from protocol.truth.binary import reviewers_max

        return reviewers_max(len(spec.tags))

    def check_answer(self, spec: Tagging, answer: bytes) -> None:
        check_length(self.name, answer, len(spec.tags))
        if any(byte not in (0, 1) for byte in answer):
            raise Reject("an answer is neither 0 nor 1", "say 1 for a tag that fits, else 0")

    def infer(self, spec: Tagging, ballots: Ballots, known: Known) -> Inferred:
        from protocol.tasks.tables import marked
        from protocol.truth.binary import infer_marks

        return infer_marks(marked(ballots, known))

    def decide(
        self, spec: Tagging, belief: Sequence[int], proposal: bytes | None, accept_ppm: int
    ) -> Decision:
        """The tags that more probably fit than not; as sure as the most doubtful one."""
        answer = bytes(2 * fits > PPM for fits in belief)
        confidence = min(max(fits, PPM - fits) for fits in belief)
        agrees = proposal is None or proposal == answer
        return ruled(answer, confidence, accept_ppm, agrees=agrees)

    def credit_ppm(self, spec: Tagging, given: bytes, truth: bytes) -> int:
        """What both name, of what either names (Jaccard): saying nothing of rare tags earns nothing."""
        either = sum(mine or true for mine, true in zip(given, truth, strict=True))
        both = sum(mine and true for mine, true in zip(given, truth, strict=True))
        return PPM * both // either if either else PPM

    def shown(self, spec: Tagging, flipped: bool) -> Shown:
        return AS_NAMED

    def words(self, spec: Tagging, answer: bytes) -> str:
        """The tags that fit: "cat, dog"; "none" without any."""
        self.check_answer(spec, answer)
        fitting = [tag for tag, fits in zip(spec.tags, answer, strict=True) if fits]
        return f"{SEPARATOR} ".join(fitting) or NONE

    def read_words(self, spec: Tagging, text: str) -> bytes:
        if as_said(text) == NONE:
            return bytes(len(spec.tags))
        said: set[int] = set()
        for each in text.split(SEPARATOR):
            place = find_name("tag", spec.tags, each)
            if place in said:
                raise Reject(
                    f"the tag {quoted(spec.tags[place])} is named twice", "name each tag once"
                )
            said.add(place)
        return bytes(at in said for at in range(len(spec.tags)))

    def choices(self, spec: Tagging) -> list[str]:
        return [f"those that fit, with commas between, or {NONE}: {', '.join(spec.tags)}"]

    def form(self, spec: Tagging) -> Form:
        return Form(FormStyle.SEVERAL, spec.tags)

    def explain(self, spec: Tagging, belief: Sequence[int]) -> str:
        each = zip(spec.tags, belief, strict=True)
        return ", ".join(f"{tag} {percent(fits)}" for tag, fits in each)

    def asks(self, spec: Tagging) -> list[str]:
        return ["Which of these tags fit?", *spec.tags]

    def summary(self, spec: Tagging) -> Summary:
        return Summary("Tags", "Items by the tags that fit.", spec.tags, several=True)

    def counted(self, spec: Tagging, answer: bytes) -> list[int]:
        return [place for place, fits in enumerate(answer) if fits]

    def columns(self, spec: Tagging) -> tuple[Column, ...]:
        return (
            Column(
                "belief",
                ColumnType.SHARES,
                "Probability that each tag fits.",
                fractions,
                spec.tags,
            ),
        )
