"""What a reviewer plug-in implements, is given and says of itself, and the one place that calls it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, runtime_checkable

from protocol.depth import load_json
from protocol.errors import Reject
from protocol.limits import PROGRAM_CHARS_MAX
from protocol.rows import Campaign
from protocol.tasks.kind import Form
from protocol.tasks.question import Question, question_of
from protocol.tasks.shown import Shown
from protocol.tasks.spec import decode_spec
from protocol.text import check_name
from protos.gen import records_pb2 as pb

_log = logging.getLogger(__name__)

# The longest answer in words: CRITERIA_MAX names of NAME_CHARS_MAX letters, each with its yes or no.
ANSWER_CHARS_MAX: Final = 4_096


class Refusal(StrEnum):
    """Why a reviewer gives no answer, as people and programs write it.

    What is missing or not what its record says, the node finds out by itself.
    """

    UNSURE = "unsure"
    UNREADABLE = "unreadable"
    OFF_TOPIC = "off-topic"
    PERSONAL = "personal"
    HARMFUL = "harmful"

    @property
    def code(self) -> pb.Refusal:
        """The same, as it is logged."""
        return _CODES[self]

    @property
    def meaning(self) -> str:
        """What it says of the item, for people who choose."""
        return MEANINGS[self.code]


class Relation(StrEnum):
    """What a likely copy is to the earlier item that it resembles, as people and programs write it."""

    COPY = "copy"
    DERIVATIVE = "derivative"
    INDEPENDENT = "independent"
    UNSURE = "unsure"

    @property
    def code(self) -> pb.Relation:
        """The same, as it is logged."""
        return _RELATIONS[self]

    @property
    def meaning(self) -> str:
        """What it says, for people who choose."""
        return RELATION_MEANINGS[self]


_RELATIONS: Final[Mapping[Relation, pb.Relation]] = MappingProxyType(
    {
        Relation.COPY: pb.RELATION_COPY,
        Relation.DERIVATIVE: pb.RELATION_DERIVATIVE,
        Relation.INDEPENDENT: pb.RELATION_INDEPENDENT,
        Relation.UNSURE: pb.RELATION_UNSURE,
    }
)
RELATION_MEANINGS: Final[Mapping[Relation, str]] = MappingProxyType(
    {
        Relation.COPY: "the same, for what the campaign asks",
        Relation.DERIVATIVE: "made from the earlier one, and adds something of its own",
        Relation.INDEPENDENT: "not made from the earlier one, however alike",
        Relation.UNSURE: "I cannot tell",
    }
)

_CODES: Final[Mapping[Refusal, pb.Refusal]] = MappingProxyType(
    {
        Refusal.UNSURE: pb.REFUSAL_UNSURE,
        Refusal.UNREADABLE: pb.REFUSAL_UNREADABLE,
        Refusal.OFF_TOPIC: pb.REFUSAL_OFF_TOPIC,
        Refusal.PERSONAL: pb.REFUSAL_PERSONAL,
        Refusal.HARMFUL: pb.REFUSAL_HARMFUL,
    }
)

MEANINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        pb.REFUSAL_UNSURE: "I cannot tell",
        pb.REFUSAL_UNAVAILABLE: "its author did not serve it in time",
        pb.REFUSAL_MISMATCH: "it is not what its record says",
        pb.REFUSAL_UNREADABLE: "empty, blurred, cut off, or in another language than asked for",
        pb.REFUSAL_OFF_TOPIC: "not what the campaign asks for",
        pb.REFUSAL_PERSONAL: "shows somebody's personal data without saying so",
        pb.REFUSAL_HARMFUL: "it would hurt somebody if it were used or shown",
    }
)
"""Every reason of pb.Refusal in words."""


@dataclass(frozen=True, slots=True)
class ShownPart:
    """One part of an item: what this reviewer calls it, its media type, and the file that holds it."""

    name: str
    media_type: str
    path: Path


@dataclass(frozen=True, slots=True)
class Case:
    """One item, and what its campaign asks of it.

    Parts are in the order in which this reviewer is to see them: where position sways people, half of the
    reviewers see another one first, all under names that say nothing but the place. Which part that is, who
    made it, and what the author proposes, a reviewer is not told.

    `original`: of a likely copy, the parts of the earlier item that it resembles; empty where it resembles
    none, or that one was not served.
    """

    campaign: Campaign
    parts: tuple[ShownPart, ...]
    _shown: Shown = field(repr=False)
    original: tuple[ShownPart, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of the question: classify, rate, prefer, judge."""
        return self.campaign.task

    @property
    def question(self) -> Question:
        """The kind, and its terms as a type of their own: `match case.question.spec` finds Labels, Scale,
        Pair, Rubric or Tagging of protocol.tasks."""
        return question_of(self.campaign)

    @property
    def spec(self) -> dict[str, Any]:
        """The same terms as JSON has them: labels, steps, criteria."""
        return decode_spec(self.campaign.spec)

    @property
    def guidelines(self) -> str:
        """What the campaign tells its reviewers."""
        return self.campaign.guidelines

    @property
    def choices(self) -> list[str]:
        """What may be answered, if that is a short list; else what to write, in one line."""
        question = self.question
        return list(self._shown.answers) or question.kind.choices(question.spec)

    @property
    def form(self) -> Form:
        """What a person fills in, in this reviewer's words."""
        question = question_of(self.campaign)
        form = question.kind.form(question.spec)
        return replace(form, names=tuple(self._shown.answers)) if self._shown.answers else form

    @property
    def answers(self) -> list[str]:
        """Every answer that there is, in words; empty where they are too many to list."""
        try:
            for choice in self.choices:
                self.read(choice)
        except Reject:
            return []  # that line says how to write one
        return self.choices

    def read(self, words: str) -> bytes:
        """The answer that these words are; raises Reject that lists what could be said."""
        if self._shown.answers:
            return self._shown.read(words)
        question = self.question
        return question.kind.read_words(question.spec, words)

    def words(self, answer: bytes) -> str:
        """What this reviewer calls an answer, as `read` takes it."""
        if self._shown.answers:
            return self._shown.words(answer)
        question = self.question
        return question.kind.words(question.spec, answer)


@runtime_checkable
class Reviewer(Protocol):
    """Answers what a campaign asks of an item.

    Content comes from strangers: a plug-in must not trust it, nor let it leave the machine. One that does
    says so in an attribute `sends_content`, and is asked only where a campaign lets content leave.

    A plug-in that may be asked from several threads says at most how many in an attribute `at_once`;
    without it, one item is asked after the other, whatever campaigns they are of. Attributes `version` and
    `model` are logged with its name beside each answer.

    A plug-in that can compare has a method `relation(case) -> str` that says of a likely copy, beside
    `case.original`, what it is: copy, derivative, independent or unsure. For one without, it is unsure: a
    program that never looked must not say independent, nor outvote who did.
    """

    @property
    def name(self) -> str:
        """Short name for logs and for the record of how an answer was made."""

    def prepare(self) -> None:
        """Load or train whatever answering needs; called once, before the first answer.

        Raises ConfigError with advice if that is impossible.
        """

    def answer(self, case: Case) -> str | Refusal:
        """The answer in words, as the kind reads them, or why there is none."""


def program_of(reviewer: Reviewer) -> str:
    """What is logged beside a plug-in's answers: its name, and its version and model if it says them.

    Raises Reject if that could not be logged.
    """
    said = (reviewer.name, getattr(reviewer, "version", ""), getattr(reviewer, "model", ""))
    program = " ".join(part for part in said if part)
    check_name(program, "what the reviewer says of itself", PROGRAM_CHARS_MAX)
    return program


def hindrance(reviewer: Reviewer, campaign: Campaign) -> str:
    """Why a campaign's items are not for this plug-in, in words; empty where they are."""
    if campaign.automation == pb.AUTOMATION_NONE:
        return "the campaign asks people only"
    sends = bool(getattr(reviewer, "sends_content", False))
    if sends and not (campaign.is_open and campaign.automation == pb.AUTOMATION_ANYWHERE):
        return "it sends content to another machine, and the campaign does not let content leave this one"
    return ""


def ask(reviewer: Reviewer, case: Case) -> bytes | Refusal:
    """The reviewer's answer in canonical form; UNSURE and a warning if the plug-in misbehaves.

    A plug-in is foreign code: whatever it raises must not stop the node, which has other reviews
    to commit in time. The warning never quotes content, nor what was answered, nor an exception's
    message, since all of them may quote content. Whether the campaign lets it be asked at all, the caller
    has looked at (`hindrance`).
    """
    try:
        said = reviewer.answer(case)
    except Exception as error:
        _log.warning("reviewer %s failed with %s: unsure", reviewer.name, type(error).__name__)
        return Refusal.UNSURE
    if isinstance(said, Refusal):
        return said
    try:
        if not isinstance(said, str) or len(said) > ANSWER_CHARS_MAX:
            raise Reject("not an answer in words")
        return case.read(said)
    except Reject:
        _log.warning(
            "reviewer %s answered what is no answer to a %s question in %s: unsure",
            *(reviewer.name, case.kind, case.campaign.id),
        )
        return Refusal.UNSURE


def ask_relation(reviewer: Reviewer, case: Case) -> pb.Relation:
    """What the reviewer says that a likely copy is; unseen without an original to compare it with, unsure
    where the plug-in does not compare or misbehaves."""
    if not case.original:
        return pb.RELATION_UNSEEN
    compare = getattr(reviewer, "relation", None)
    if compare is None:
        return pb.RELATION_UNSURE
    try:
        return read_relation(str(compare(case))).code
    except Exception as error:  # foreign code, see `ask`
        _log.warning(
            "reviewer %s failed with %s to compare: unsure", reviewer.name, type(error).__name__
        )
        return pb.RELATION_UNSURE


def read_relation(text: str) -> Relation:
    """What somebody wrote that a likely copy is; raises Reject that lists what may be said."""
    wanted = text.strip().casefold()
    for relation in Relation:
        if relation.value == wanted:
            return relation
    raise Reject(f"{text.strip()[:40]!r} is no relation", f"say one of: {', '.join(Relation)}")


def read_reply(text: str | bytes) -> str | Refusal:
    """What a program said: one JSON object of one answer in words, or of one reason for none.

    Raises ValueError unless it is that and nothing else, and Reject for a reason that there is not.
    """
    match load_json(text, object_pairs_hook=_no_doubles):
        case {"answer": str(words), **more} if not more:
            return words
        case {"refuse": str(reason), **more} if not more:
            return read_refusal(reason)
    raise ValueError("it is neither an answer nor a refusal")


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two answers are none."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a field is there twice")
    return dict(pairs)


def read_refusal(text: str) -> Refusal:
    """The reason that somebody wrote; raises Reject that lists them."""
    wanted = text.strip().casefold().replace("_", "-")
    for reason in Refusal:
        if reason.value == wanted:
            return reason
    raise Reject(f"there is no reason {text.strip()[:40]!r}", f"say one of: {', '.join(Refusal)}")
