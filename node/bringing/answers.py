"""The answers of a table's rows, in the words of the campaign's kind.

Not every table has words: of tags there are lists, and a dataset of ours says a label twice, in words and by
its number. A row whose answer cannot be read is left out, with the reason; none is submitted without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from commonground.tables import Cell, Row, Rows, cell_of
from node.bringing.columns import Columns
from protocol.errors import Reject
from protocol.rows import Campaign
from protocol.tasks.question import question_of
from protocol.tasks.tags import NONE, SEPARATOR, Tags
from protocol.text import quoted


class _UnreadError(Exception):
    """Why a value is no answer."""


@dataclass(frozen=True, slots=True)
class Answered(Rows):
    """A table with its answers in words; rows with values that nobody can read have a problem."""

    table: Rows
    meant: Columns
    campaign: Campaign

    @property
    def folder(self) -> Path:
        """The table's."""
        return self.table.folder

    def columns(self) -> list[str]:
        """The table's. Raises ConfigError."""
        return self.table.columns()

    def read(self) -> Iterator[Row]:
        """The table's. Raises ConfigError."""
        return map(self._answered, self.table.read())

    def _answered(self, row: Row) -> Row:
        if row.problem:
            return row
        answer = self.meant.answer
        try:
            for column in self.meant.columns.values():
                _require_cell(row, column)
            if answer in row.others:
                words = words_of(row.others[answer], self.campaign, answer)
                row = replace(row, cells=dict(row.cells) | {answer: words})
        except _UnreadError as reason:
            return replace(row, problem=str(reason))
        if self.meant.same and not says_the_same(row.cells, self.meant, self.campaign):
            told = f"its {quoted(answer)} and its {quoted(self.meant.same)} are different answers"
            return replace(row, problem=told)
        return row


def answered(table: Rows, meant: Columns, campaign: Campaign) -> Answered:
    """The table, read so."""
    return Answered(table.path, table, meant, campaign, header=table.header)


def words_of(value: Any, campaign: Campaign, column: str) -> str:
    """A list as an answer: of tags those that fit, else the only one. Raises what leaves the row out."""
    if isinstance(value, dict) and list(value) == ["choices"]:
        value = value["choices"]  # as Label Studio's JSON-MIN has several
    if not isinstance(value, list):
        raise _UnreadError(f"{quoted(column)} holds {_kind(value)}, which is no answer")
    labels = [cell_of(each) for each in value]
    if not all(isinstance(each, str) and each.strip() for each in labels):
        raise _UnreadError(f"{quoted(column)} is a list that holds more than labels")
    said = [str(each) for each in labels]
    if campaign.task == Tags.name:
        if any(SEPARATOR in each for each in said):
            raise _UnreadError(f"a label of the list {quoted(column)} has {SEPARATOR!r} in it")
        return f"{SEPARATOR} ".join(said) or NONE
    if len(said) != 1:
        raise _UnreadError(f"{quoted(column)} lists {len(said)} labels, and an item has one answer")
    return said[0]


def says_the_same(cells: Mapping[str, Cell], meant: Columns, campaign: Campaign) -> bool:
    """Whether both columns of answers have the same one, in words or by its number."""
    question = question_of(campaign)
    words, other = (str(cells.get(each, "")) for each in (meant.answer, meant.same))
    if words.strip() == other.strip():
        return True
    try:
        answer = question.kind.read_words(question.spec, words)
        if answer == question.kind.read_words(question.spec, _by_number(other, campaign)):
            return True
        return answer == question.kind.read_words(question.spec, other)
    except Reject:
        return False


def _by_number(text: str, campaign: Campaign) -> str:
    """The choice of a number, as datasets count labels; else the text itself."""
    question = question_of(campaign)
    choices = question.kind.choices(question.spec)
    is_number = text.isascii() and text.isdigit() and int(text[:9]) < len(choices)
    return choices[int(text)] if is_number else text


def _require_cell(row: Row, column: str) -> None:
    """Raises what leaves a row out whose part is no text and no file: it would lack that part."""
    if column in row.others:
        raise _UnreadError(
            f"{quoted(column)} holds {_kind(row.others[column])}, and neither text nor a file"
        )


def _kind(value: Any) -> str:
    """What a value is, for people."""
    if isinstance(value, dict):
        is_named = isinstance(value.get("path"), str) and "bytes" in value
        return "the name of a file, not the file" if is_named else "an object"
    if isinstance(value, str):
        return "half a character"  # a lone surrogate
    return "a list" if isinstance(value, list) else f"a value of the type {type(value).__name__}"
