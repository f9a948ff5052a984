"""An item as a row of the dataset. Every value follows from the log and the content that it commits to.

The writer fills rows from the state, the checker from the proofs beside them: both use `Columns.row`, so
that a row which the log does not bear out is found.

    a part's name        its content: a picture, text, or bytes
    answer, confidence   what was decided, in words, and how sure that is
    the kind's own       `Kind.columns`: a label's index, chosen and rejected, a share for each criterion
    given_…              what each reviewer said, who it was, when: lists of one length
    the rest             name, licence, consent, origin, author, place in the log; each part's medium

Parts have the names that the campaign gave them. Where a column of ours would have the name of a part, it
gets `item_` in front: training code reads the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Final

from commonground.dataset import policies
from commonground.dataset.decided import REFUSALS, Contents, Decided, Given, moment
from protocol.errors import Misbehaviour
from protocol.identity import name_of
from protocol.limits import PPM
from protocol.media import MEDIA, Shown
from protocol.rows import Campaign
from protocol.tasks import kind as kinds
from protocol.tasks.kind import ColumnType
from protocol.tasks.question import Question, question_of
from protos.gen import records_pb2 as pb

# Types of columns: names of Arrow types, and two more.
IMAGE: Final = "image"  # a picture that loaders decode, as {bytes, path}
AUDIO: Final = "audio"  # a recording, likewise
TEXT: Final = "string"
BYTES: Final = "binary"
NESTED: Final = (IMAGE, AUDIO)  # {bytes, path}

_KEPT_AS: Final = {Shown.PICTURE: IMAGE, Shown.SOUND: AUDIO, Shown.TEXT: TEXT, Shown.FILE: BYTES}

LABEL: Final = "label"  # the column of a classify campaign

# Persons whose printed names are kept: a few review most of a campaign, and a name takes 50 us.
_NAMES_KEPT: Final = 4_096
_name: Final = lru_cache(_NAMES_KEPT)(name_of)

ORIGINS: Final[Mapping[int, str]] = {
    pb.ORIGIN_HUMAN: "human",
    pb.ORIGIN_SENSOR: "sensor",
    pb.ORIGIN_AGENT: "agent",
    pb.ORIGIN_SYNTHETIC: "synthetic",
}


RELATIONS: Final[Mapping[int, str]] = {
    pb.RELATION_NONE: "",
    pb.RELATION_DERIVATIVE: "derivative",
    pb.RELATION_INDEPENDENT: "independent",
    pb.RELATION_UNSEEN: "unseen",
}
"""What an accepted item may be to the one that it resembles."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `names`: what the indices of a label mean. `content`: it repeats content, or is some.
    `own_name`: what it is called where it does not have to make room for a part."""

    name: str
    type: str
    description: str
    value: Callable[[Decided, Contents], Any]
    repeated: bool = False
    names: tuple[str, ...] = ()
    content: bool = False
    own_name: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a campaign's datasets. `parts`: those that hold a part's content, by its name."""

    question: Question
    parts: Mapping[str, Column]
    others: tuple[Column, ...]

    @classmethod
    def of(cls, campaign: Campaign) -> Columns:
        """They follow from the campaign alone, so that everybody expects the same ones."""
        question = question_of(campaign)
        parts = {
            part.name: Column(
                part.name,
                _kept_as(part.media_types),
                f"The part {part.name!r} of the item.",
                partial(_content, part.name, _kept_as(part.media_types)),
                content=True,
            )
            for part in campaign.parts
        }
        others = (
            *_decided(question),
            *(_own(question, parts, each) for each in question.kind.columns(question.spec)),
            *_given(question),
            *_ITEM,
            *(column for part in campaign.parts for column in _of_part(part.name)),
        )
        return cls(question, parts, tuple(_told_apart(set(parts), others)))

    def __iter__(self) -> Iterator[Column]:
        """In the order of the files."""
        yield from self.parts.values()
        yield from self.others

    @property
    def names(self) -> list[str]:
        """Of all, in their order."""
        return [column.name for column in self]

    @property
    def key(self) -> str:
        """The column that names the item."""
        return self.name_of("item_id")

    def name_of(self, own_name: str) -> str:
        """What a column of ours is called here."""
        return next(each.name for each in self.others if each.own_name == own_name)

    def row(self, decided: Decided, contents: Contents) -> dict[str, Any]:
        """The item's row."""
        return {column.name: column.value(decided, contents) for column in self}

    def contents(self, row: Mapping[str, Any]) -> dict[str, bytes]:
        """The content that a row holds; raises Misbehaviour for a cell of another type."""
        return {name: self.content(name, row[name]) for name in self.parts if row[name] is not None}

    def content(self, part: str, cell: Any) -> bytes:
        """The content in the cell of a part that is there; raises Misbehaviour as `contents` does."""
        return _bytes_of(self.parts[part], cell)


def _kept_as(media_types: Sequence[str]) -> str:
    """Pictures, recordings and texts get columns that loaders decode; a part that mixes them, or takes
    files of any kind, gets bytes."""
    shown = {MEDIA[name].shown for name in media_types}
    return _KEPT_AS[shown.pop()] if len(shown) == 1 else BYTES


def _content(part: str, kept_as: str, decided: Decided, contents: Contents) -> Any:
    """A part's content as its column holds it. A path names a file; its bytes are in the row."""
    content = contents.get(part)
    if content is None or kept_as == BYTES:
        return content
    if kept_as == TEXT:
        return content.decode()
    suffix = MEDIA[decided.described.part(part).media_type].suffix
    return {"bytes": content, "path": f"{decided.item_id.hex()}-{part}{suffix}"}


def _bytes_of(column: Column, cell: Any) -> bytes:
    """The content in a cell."""
    content = cell
    if column.type in NESTED:
        content = cell["bytes"]
    elif column.type == TEXT:
        content = cell.encode()
    if not isinstance(content, bytes):
        raise Misbehaviour(f"its {column.name} holds no content")
    return content


def _own(question: Question, parts: Mapping[str, Column], own: kinds.Column) -> Column:
    """A column of the kind."""

    def value(decided: Decided, contents: Contents) -> Any:
        return own.value(decided.answer, decided.belief_ppm)

    match own.type:
        case ColumnType.PART:
            types = {parts[name].type for name in own.names}
            kept_as = types.pop() if len(types) == 1 else BYTES

            def content(decided: Decided, contents: Contents) -> Any:
                part = value(decided, contents)
                return None if part is None else _content(part, kept_as, decided, contents)

            return Column(own.name, kept_as, own.words, content, content=True)
        case ColumnType.LABEL:
            return Column(own.name, "int64", own.words, value, names=own.names)
        case ColumnType.PART_NAME:
            return Column(own.name, "string", own.words, value)
        case ColumnType.SHARES:
            return Column(own.name, "float64", own.words, value, repeated=True)
        case ColumnType.NUMBER | ColumnType.SHARE:
            return Column(own.name, "float64", own.words, value)


def _decided(question: Question) -> tuple[Column, ...]:
    kind, spec = question.kind, question.spec
    return (
        Column(
            "answer",
            "string",
            "The answer that reviewers agreed on, in words.",
            lambda decided, _: kind.words(spec, decided.answer),
        ),
        Column(
            "confidence",
            "float64",
            "How sure that is, from 0 to 1: of a rating, that it is within the tolerance; of several "
            "criteria, the least sure one.",
            lambda decided, _: decided.confidence_ppm / PPM,
        ),
        Column(
            "reviewers",
            "int64",
            "How many reviewers answered or refused.",
            lambda decided, _: decided.reviewers,
        ),
        Column(
            "programs",
            "int64",
            "For how many of them a program did, by their own word.",
            lambda decided, _: decided.programs,
        ),
    )


def _given(question: Question) -> tuple[Column, ...]:
    """What each reviewer said: the columns are lists of one length, an answer at each place."""

    def listed(name: str, words: str, value: Callable[[Given], Any], kept_as: str = TEXT) -> Column:
        def values(decided: Decided, _: Contents) -> list[Any]:
            return [value(each) for each in decided.given]

        return Column(name, kept_as, words, values, repeated=True)

    def said(given: Given) -> str:
        return question.kind.words(question.spec, given.answer) if given.answer else ""

    return (
        listed("given_by", "Each reviewer who answered.", lambda each: _name(each.reviewer)),
        listed("given_answers", "What each said, in words; empty with a refusal.", said),
        listed(
            "given_refusals",
            f"Why they gave no answer: {', '.join(filter(None, REFUSALS.values()))}.",
            lambda each: REFUSALS[each.refusal],
        ),
        listed(
            "given_programs",
            "The program that answered in a reviewer's place, by their own word; empty for a person.",
            lambda each: each.program,
        ),
        listed(
            "given_rounds",
            "Round of the campaign in which each answered.",
            lambda each: each.round.number,
            "int64",
        ),
        listed(
            "given_after",
            "When the task was drawn, by the operator's clock.",
            lambda each: moment(each.round.drawn_ms),
        ),
        listed(
            "given_before",
            "When answers were no longer taken.",
            lambda each: moment(each.round.ended_ms),
        ),
        listed(
            "given_seconds",
            "How long each took, by their own word; 0 where they do not tell.",
            lambda each: each.seconds,
            "int64",
        ),
    )


_ITEM: Final = (
    Column(
        "item_id",
        "string",
        "Name of the item: the hash of its description in the log.",
        lambda decided, _: decided.item_id.hex(),
    ),
    Column(
        "licence",
        "string",
        "SPDX identifier of the licence that the contributor gave.",
        lambda decided, _: decided.described.licence,
    ),
    Column(
        "consent_train",
        "bool",
        "The contributor agreed to training.",
        lambda decided, _: decided.described.consent.train,
    ),
    Column(
        "consent_redistribute",
        "bool",
        "The contributor agreed to redistribution.",
        lambda decided, _: decided.described.consent.redistribute,
    ),
    Column(
        "consent_commercial",
        "bool",
        "The contributor agreed to commercial use.",
        lambda decided, _: decided.described.consent.commercial,
    ),
    Column(
        "policy",
        "string",
        "The policy of policy.jsonld (ODRL) that its licence and consent make.",
        lambda decided, _: policies.policy_of(decided.described).uid,
    ),
    Column(
        "aipref",
        "string",
        "The same as a preference in the vocabulary of the IETF's aipref drafts.",
        lambda decided, _: policies.preference(decided.described.consent),
    ),
    Column(
        "origin",
        "string",
        "How the item was made: human, sensor, agent or synthetic.",
        lambda decided, _: ORIGINS[decided.described.origin],
    ),
    Column(
        "generator",
        "string",
        "Model or tool that made it, if one did.",
        lambda decided, _: decided.described.generator,
    ),
    Column(
        "derived_from",
        "string",
        "Items that it was derived from, by its contributor's word or by that of its reviewers.",
        lambda decided, _: [each.hex() for each in decided.derived_from],
        repeated=True,
    ),
    Column(
        "resembles",
        "string",
        "The earlier item that reviewers compared it with; empty where it resembles none.",
        lambda decided, _: decided.resembles.hex(),
    ),
    Column(
        "relation",
        "string",
        "What they say it is to that item: derivative or independent; empty where it resembles none.",
        lambda decided, _: RELATIONS[decided.relation],
    ),
    Column(
        "transformation",
        "string",
        "How it was derived from them.",
        lambda decided, _: decided.described.transformation,
    ),
    Column(
        "personal_data",
        "bool",
        "The contributor says that it holds personal data.",
        lambda decided, _: decided.described.personal_data,
    ),
    Column(
        "author",
        "string",
        "The contributor, to whom it is attributed.",
        lambda decided, _: _name(decided.author),
    ),
    Column(
        "submitted_at",
        "int64",
        "Log index of its submission.",
        lambda decided, _: decided.submitted_at,
    ),
    Column("decided_in", "int64", "Epoch of the verdict.", lambda decided, _: decided.decided_in),
)


def _of_part(part: str) -> Iterator[Column]:
    """What the log says of a part; nothing where the item lacks it."""

    def described(field: str, decided: Decided, _: Contents) -> Any:
        each = next((each for each in decided.described.parts if each.name == part), None)
        return None if each is None else getattr(each, field)

    words = f"MIME type of {part}."
    yield Column(f"{part}_media_type", "string", words, partial(described, "media_type"))
    words = f"Who or what made {part}, where its contributor says so."
    yield Column(f"{part}_source", "string", words, partial(described, "source"))


def _told_apart(taken: set[str], columns: Sequence[Column]) -> Iterator[Column]:
    for column in columns:
        name = column.name
        while name in taken:
            name = f"item_{name}"
        taken.add(name)
        yield replace(column, name=name, own_name=column.name)
