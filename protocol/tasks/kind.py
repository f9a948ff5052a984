"""What a kind of task is. Each kind is one module beside this one, and one line in `protocol.tasks.KINDS`.

A campaign names its kind and carries a *spec*: the kind's own terms (labels, steps, criteria) as canonical
JSON. An *answer* is bytes in the kind's canonical form, as long for every answer under one spec; commitments
cover those bytes. A *belief* is what inference says of one item: a row of ppm whose meaning is the kind's.
Whatever is decided follows from the published belief with integers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from protocol.limits import PPM
from protocol.tasks.shown import Shown

if TYPE_CHECKING:  # pages of help list the kinds, and must not wait for numpy
    import numpy as np
    from numpy.typing import NDArray

    from protocol.truth.data import IntArray
    from protocol.truth.scoring import ReviewerScores

SpecT = TypeVar("SpecT")


class Ruling(Enum):
    """What a belief says of an item."""

    ACCEPT = auto()
    REFUSE = auto()
    UNSURE = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a belief: the most probable answer, how sure it is, and what that means for the
    item. `answer` is canonical whatever the ruling."""

    ruling: Ruling
    answer: bytes
    confidence_ppm: int


def ruled(answer: bytes, confidence_ppm: int, accept_ppm: int, *, agrees: bool) -> Decision:
    """The decision of kinds that decide one answer: sure enough or not, and then as proposed or not."""
    if confidence_ppm < accept_ppm:
        return Decision(Ruling.UNSURE, answer, confidence_ppm)
    return Decision(Ruling.ACCEPT if agrees else Ruling.REFUSE, answer, confidence_ppm)


@dataclass(frozen=True, slots=True, eq=False)
class Ballots:
    """Answers as a table, in one canonical order: sorted by item and then reviewer, one of each pair.

    item, reviewer: (n_answers,), indices below n_items and n_reviewers. answer: (n_answers, width) uint8,
    each row one canonical answer.
    """

    item: IntArray
    reviewer: IntArray
    answer: NDArray[np.uint8]
    n_items: int
    n_reviewers: int

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Gold among the items of a table: item (n_gold,) ascending; answer (n_gold, width) uint8."""

    item: IntArray
    answer: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.item)


class ColumnType(Enum):
    """What a column of a dataset holds."""

    LABEL = "label"  # the index of one of the column's `names`
    NUMBER = "number"
    SHARE = "share"  # a number from 0 to 1
    SHARES = "shares"  # one for each of the column's `names`
    PART = "part"  # the content of the part that the value names; nothing where it is None
    PART_NAME = "part name"  # or None


@dataclass(frozen=True, slots=True)
class Column:
    """What a dataset says of each decided item: a column, and how its value follows from the answer and
    the belief. `words` say what it is; `names` are those that its type speaks of, or of the parts that it
    may name."""

    name: str
    type: ColumnType
    words: str
    value: Callable[[bytes, Sequence[int]], Any]
    names: tuple[str, ...] = ()


class FormStyle(Enum):
    """What there is to fill in."""

    ONE = "one"  # one of the names
    EACH = "each"  # yes or no to each of them
    SEVERAL = "several"  # those that fit, or none


@dataclass(frozen=True, slots=True)
class Form:
    """An answer as a person fills it in on a screen. `notes` say more of each name, if anything does.

    Of EACH and SEVERAL an answer has a byte for each name, 1 or 0.
    """

    style: FormStyle
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """What a page counts the verdicts of a campaign by. `names` are what there is to count; `ordered`: they
    are steps of a scale; `several`: one answer may count for any number of them."""

    heading: str
    note: str
    names: tuple[str, ...]
    ordered: bool = False
    several: bool = False


def fractions(_: bytes, belief: Sequence[int]) -> list[float]:
    """The value of a column of shares: the belief itself."""
    return [share / PPM for share in belief]


class Inferred(Protocol):
    """The result of `Kind.infer`."""

    @property
    def belief_ppm(self) -> NDArray[np.int64]:
        """(n_items, Kind.belief_size) in ppm; certainty on gold items."""

    def scores(self) -> ReviewerScores:
        """What each reviewer's answers were worth."""


class Kind(Protocol[SpecT]):
    """The interface of a kind. Everything is a pure function of its arguments."""

    name: str
    takes_proposals: bool  # whether an author may propose the answer beside the item
    compared_parts: tuple[str, ...]  # two parts whose order says nothing; empty for none

    def parse_spec(self, spec: bytes) -> SpecT:
        """The spec, if it makes sense and is the canonical encoding of what it says; raises Reject."""

    def check_parts(self, spec: SpecT, names: Sequence[str], required: Sequence[str]) -> None:
        """Raises Reject unless items with these parts (the `required` ones in every item) can be asked
        this question."""

    def answer_bytes(self, spec: SpecT) -> int:
        """How long every answer is."""

    def belief_size(self, spec: SpecT) -> int:
        """How many numbers a belief has; bounds what inference holds for each answer."""

    def reviewers_max(self, spec: SpecT) -> int:
        """How many reviewers one inference can weigh."""

    def check_answer(self, spec: SpecT, answer: bytes) -> None:
        """Raises Reject unless this is an answer to the question, in its one canonical form."""

    def infer(self, spec: SpecT, ballots: Ballots, known: Known) -> Inferred:
        """What the answers say of every item. Deterministic; `belief_ppm` holds within TOLERANCE_PPM on
        every machine."""

    def decide(
        self, spec: SpecT, belief: Sequence[int], proposal: bytes | None, accept_ppm: int
    ) -> Decision:
        """What follows from a belief, as logged. `proposal` is the author's answer, if the campaign
        takes one and it was given: an item is accepted if the decided answer agrees with it; without one,
        once an answer is decided."""

    def credit_ppm(self, spec: SpecT, given: bytes, truth: bytes) -> int:
        """How right an answer is, from 0 to 10^6: evidence for its reviewer's reputation."""

    def shown(self, spec: SpecT, flipped: bool) -> Shown:
        """How a reviewer sees parts and answers. `flipped` follows from the draw: where position could
        sway an answer, half of the reviewers see the other one first."""

    def words(self, spec: SpecT, answer: bytes) -> str:
        """The answer as people read it, and as `read_words` takes it."""

    def read_words(self, spec: SpecT, text: str) -> bytes:
        """The answer that somebody wrote (in a table of labels, or the output of a reviewer's program);
        raises Reject that lists what could be said."""

    def choices(self, spec: SpecT) -> list[str]:
        """What a reviewer may answer, in words, if that is a short list; else what to write, in one line."""

    def form(self, spec: SpecT) -> Form:
        """What a person fills in. Where `shown` has names for the answers, those stand in the place of
        the form's."""

    def explain(self, spec: SpecT, belief: Sequence[int]) -> str:
        """A belief in words, for statements and pages: "cat 97.1 %, dog 2.9 %"."""

    def asks(self, spec: SpecT) -> list[str]:
        """What is asked, for people: a sentence, then a line for each thing that there is to say of it."""

    def summary(self, spec: SpecT) -> Summary:
        """How pages sum verdicts up."""

    def counted(self, spec: SpecT, answer: bytes) -> list[int]:
        """Which of the summary's names an answer counts for, by their places."""

    def columns(self, spec: SpecT) -> tuple[Column, ...]:
        """What a dataset says of the answer, beside its words: in the form that training code reads."""
