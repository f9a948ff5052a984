"""A dataset as the writers of formats see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from commonground.dataset.formats.sink import Sink
from commonground.dataset.layout import Manifest
from commonground.dataset.parquet import read_rows
from commonground.dataset.rows import TEXT, Column, Columns
from commonground.dataset.splits import SPLITS
from protocol.errors import ConfigError
from protocol.media import MEDIA
from protocol.rows import Campaign

FILES: Final = "files"  # the folder of content that is no text
_GIVEN: Final = "given_"

Row = dict[str, Any]


@dataclass(frozen=True)
class Given:
    """What one reviewer said, in words."""

    by: str
    answer: str
    refusal: str
    program: str
    round: int
    after: str
    before: str
    seconds: int  # 0: not told


@dataclass(frozen=True)
class Outline:
    """What a campaign's datasets are like, before there is one. Of the campaign a copy holds only what never
    changes: who checks it has the first record alone."""

    campaign: Campaign

    @cached_property
    def columns(self) -> Columns:
        """Those that follow from the campaign."""
        return Columns.of(self.campaign)

    def categories(self) -> list[str]:
        """What an answer may be, in the order of its numbers: labels, steps, sides; criteria or tags."""
        question = self.columns.question
        summary = question.kind.summary(question.spec)
        return list(summary.names) if summary.several else question.kind.choices(question.spec)

    @property
    def takes_several(self) -> bool:
        """Whether several categories may hold at once."""
        question = self.columns.question
        return question.kind.summary(question.spec).several

    def places(self, words: str) -> list[int]:
        """The categories that hold by an answer, by their places."""
        question = self.columns.question
        answer = question.kind.read_words(question.spec, words)
        return question.kind.counted(question.spec, answer)

    def only_part(self, *types: str, what: str) -> Column:
        """The one part that is of these types, in every item. Raises ConfigError where there is none, or
        several."""
        optional = {part.name for part in self.campaign.parts if part.optional}
        found = [each for each in self.columns.parts.values() if each.type in types]
        if len(found) != 1 or found[0].name in optional:
            raise ConfigError(
                f"{what} takes items that each have one {' or one '.join(types)}",
                "export these as jsonl, csv or label-studio",
            )
        return found[0]


@dataclass(frozen=True)
class Table(Outline):
    """A dataset in `folder`. `has_answers`: a copy says what each reviewer said, not the verdict alone."""

    folder: Path
    manifest: Manifest
    has_answers: bool

    @property
    def splits(self) -> list[str]:
        """Those that have rows, in their order."""
        return [name for name in SPLITS if name in self.manifest.rows]

    @property
    def shown(self) -> list[Column]:
        """The columns that a copy has."""
        return [
            each
            for each in self.columns
            if self.has_answers or not each.own_name.startswith(_GIVEN)
        ]

    @property
    def about(self) -> list[Column]:
        """Those that are neither a part nor what a reviewer said."""
        return [each for each in self.columns.others if not each.own_name.startswith(_GIVEN)]

    def rows(self, split: str, names: Sequence[str] | None = None) -> Iterator[Row]:
        """The rows of a split, with these columns or all."""
        return read_rows(self.folder, self.manifest, self.columns, split, names)

    def own(self, row: Row, own_name: str) -> Any:
        """The value of a column of ours."""
        return row[self.columns.name_of(own_name)]

    def given(self, row: Row) -> list[Given]:
        """What each reviewer said; nothing where a copy has the verdict alone."""
        if not self.has_answers:
            return []
        names = ("by", "answers", "refusals", "programs", "rounds", "after", "before", "seconds")
        columns = (self.own(row, f"{_GIVEN}{name}") for name in names)
        return [Given(*each) for each in zip(*columns, strict=True)]

    def file_name(self, row: Row, column: Column) -> str:
        """What the file of a part that is there is called; no other is."""
        media_type = self.own(row, f"{column.name}_media_type")
        return f"{self.own(row, 'item_id')}-{column.name}{MEDIA[media_type].suffix}"

    def content(self, row: Row, column: Column) -> bytes:
        """The content of a part that is there."""
        return self.columns.content(column.name, row[column.name])

    def write_files(self, sink: Sink, row: Row, folder: str = FILES) -> Row:
        """Writes what is no text below `folder`; gives the row with names in its place."""
        cells = {each.name: row[each.name] for each in self.shown}
        for name, column in self.columns.parts.items():
            if column.type != TEXT and row[name] is not None:
                cells[name] = f"{folder}/{self.file_name(row, column)}"
                with sink.file(cells[name]) as write:
                    write(self.content(row, column))
        for each in self.columns.others:
            if each.content and each.type != TEXT and row[each.name] is not None:
                # It repeats a part's content, as `chosen` does: the name of the same file.
                same = (name for name in self.columns.parts if row[name] == row[each.name])
                cells[each.name] = cells[next(same)]
        return cells
