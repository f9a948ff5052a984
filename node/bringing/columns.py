"""What the columns of a table mean in one campaign: found by name, named by the owner, or proposed.

For each part of the campaign's items a table may have the columns

    PART          a file, as a path below the table's own folder; or the content itself, if it may be text and
                  there are no such files
    PART_text     the content itself
    PART_source   who or what made it, where the campaign compares sources

and `answer` or `label` for the answer that is proposed, in words (`proposal`, where a part is called answer).
Both are read where they say the same, as in a dataset of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from commonground.escaping import in_shell
from commonground.lines import is_file
from commonground.tables import Cell, Row
from protocol.errors import ConfigError
from protocol.media import MEDIA
from protocol.rows import PartTerms
from protocol.text import quoted

COLUMNS_SHOWN: Final = 20  # in a message
TEXT: Final = "_text"
SOURCE: Final = "_source"
_ANSWERS: Final = ("answer", "label")
_BESIDE_ANSWER: Final = ("proposal", "item_answer")  # where a part is called answer
_FILE_NAME: Final = re.compile(r"[^\s]{1,255}\.[A-Za-z0-9]{1,5}")  # what looks like one


@dataclass(frozen=True, slots=True)
class Named:
    """What the owner says of columns: PART, PART_text or PART_source -> column; the answers' column."""

    columns: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """What columns mean: PART, PART_text and PART_source -> column; where the answers are, or "". `same`: the
    column that has to say the same as the answers, where there is a second one."""

    columns: Mapping[str, str]
    answer: str
    ignored: tuple[str, ...] = ()
    same: str = ""

    def options(self) -> str:
        """As one would give it on a command line."""
        given = [
            f"--column {in_shell(f'{name}={column}')}" for name, column in self.columns.items()
        ]
        return " ".join(given + ([f"--answer-column {in_shell(self.answer)}"] * bool(self.answer)))


def parse_named(columns: Sequence[str], answer: str) -> Named:
    """From `PART=COLUMN` as typed. Raises ConfigError."""
    found: dict[str, str] = {}
    for text in columns:
        name, is_there, column = text.partition("=")
        if not (name and is_there and column):
            raise ConfigError(
                f"{quoted(text)} does not say which column a part is", "write --column PART=COLUMN"
            )
        if name in found:
            raise ConfigError(f"two columns are named for {name}", "name one")
        found[name] = column
    return Named(found, answer)


def find_columns(
    header: Sequence[str],
    parts: Sequence[PartTerms],
    named: Named,
    takes_answers: bool,
    are_same: Callable[[str, str], bool] = lambda one, other: False,
) -> Columns | None:
    """By name, whatever its case; None where a part that is required has no column. `are_same`: whether two
    columns have the same answers.

    Raises ConfigError for a column or a part that somebody named and that is not there, and where two
    columns may be one thing.
    """
    known = _Known(header)
    meanings = [part.name + end for part in parts for end in ("", TEXT, SOURCE)]
    unnamed = [name for name in meanings if name not in named.columns]
    columns = {name: column for name in unnamed if (column := known.only(name))}
    for name, column in named.columns.items():
        if name not in meanings:
            raise ConfigError(
                f"there is no part {quoted(name)} in this campaign",
                f"parts are: {', '.join(part.name for part in parts)}",
            )
        columns[name] = _existing(column, header)
        if name in (part.name for part in parts):
            columns.pop(name + TEXT, None)
    answer, same = _existing(named.answer, header) if named.answer else "", ""
    if not answer and takes_answers:
        answer, same = _answer_column(known, [part.name for part in parts], are_same)
    if any(not part.optional and not _has(columns, part.name) for part in parts):
        return None
    used = {*columns.values(), answer, same}
    ignored = tuple(each for each in header if each and each not in used)
    return Columns(columns, answer, ignored, same)


def find_known(header: Sequence[str], parts: Sequence[PartTerms], named: Named) -> bool:
    """Whether any column has a name that means something."""
    meanings = {_key(part.name + end) for part in parts for end in ("", TEXT, SOURCE)}
    meanings |= {_key(name) for name in (*named.columns.values(), named.answer, *_ANSWERS) if name}
    return any(_key(column) in meanings for column in header)


def lacking(header: Sequence[str], parts: Sequence[PartTerms], named: Named) -> list[str]:
    """The parts that are required and that no column is called as."""
    known = {_key(column) for column in header} | {_key(name) for name in named.columns}
    required = [part.name for part in parts if not part.optional]
    return [name for name in required if not {_key(name), _key(name + TEXT)} & known]


def propose(
    header: Sequence[str],
    sample: Sequence[Row],
    parts: Sequence[PartTerms],
    is_answer: Callable[[str], bool] | None,
) -> Columns | None:
    """A guess by what the first rows hold, for somebody to confirm; None where there is none."""
    cells = {name: [row.cells.get(name, "") for row in sample] for name in header if name}
    answer = propose_answer(header, sample, is_answer) if is_answer else ""
    left = [name for name in cells if name != answer and any(cells[name])]
    required = [part for part in parts if not part.optional]
    if len(required) == 1:
        fit = [name for name in left if _fits(cells[name], required[0])]
        chosen = [max(fit, key=lambda name: sum(map(len, cells[name])))] if fit else []
    else:
        chosen = left
    if len(chosen) != len(required):
        return None
    pairs = {part.name: column for part, column in zip(required, chosen, strict=True)}
    return Columns(pairs, answer)


def propose_answer(
    header: Sequence[str], sample: Sequence[Row], is_answer: Callable[[str], bool]
) -> str:
    """The first column that holds answers alone, or nothing."""
    for name in header:
        cells = [cell for row in sample if (cell := row.cells.get(name, ""))]
        if name and cells and all(isinstance(cell, str) and is_answer(cell) for cell in cells):
            return name
    return ""


def _fits(cells: Sequence[Cell], part: PartTerms) -> bool:
    """Whether these may be the part: texts; or else contents, or names of files."""
    if takes_text(part):
        return all(isinstance(cell, str) for cell in cells)
    return all(isinstance(cell, bytes) or not cell or _is_name(cell) for cell in cells)


def holds_text(cells: Sequence[str], part: PartTerms, folder: Path) -> bool:
    """Whether the cells of the column PART are contents, rather than names of files: of a part that may be
    text they are, unless each could be a name and there is a file that is called so; or each ends as files of
    the part do. Then all may be missing, and whoever wrote them wants to know."""
    given = [cell for cell in cells if cell]
    if not takes_text(part) or not given:
        return False
    media = [MEDIA[name] for name in part.media_types if name in MEDIA]
    suffixes = tuple(each for medium in media for each in medium.suffixes)
    if all(_is_name(cell) and cell.lower().endswith(suffixes) for cell in given):
        return False
    are_there = [is_file(folder / cell) for cell in given]
    could_be = (there or _is_name(cell) for there, cell in zip(are_there, given, strict=True))
    return not (any(are_there) and all(could_be))


def takes_text(part: PartTerms) -> bool:
    """Whether a part may be text."""
    return any(MEDIA[name].is_text for name in part.media_types if name in MEDIA)


def _is_name(cell: str) -> bool:
    return _FILE_NAME.fullmatch(cell) is not None


class _Known:
    """The columns of a table, by name."""

    def __init__(self, header: Sequence[str]) -> None:
        self._columns: dict[str, list[str]] = {}
        for column in filter(None, header):
            self._columns.setdefault(_key(column), []).append(column)

    def only(self, name: str, option: str = "--column") -> str:
        """The column of that name, or "". Raises ConfigError for two that differ in case alone."""
        found = self._columns.get(_key(name), [])
        if len(found) > 1:
            raise ConfigError(
                f"both {quoted(found[0])} and {quoted(found[1])} may be the column {name}",
                f"say which: {option}",
            )
        return found[0] if found else ""


def _answer_column(
    known: _Known, parts: Sequence[str], are_same: Callable[[str, str], bool]
) -> tuple[str, str]:
    """Where the answers are, and what repeats them. In a dataset of ours `answer` has the words and `label`
    their number; a part that is called answer makes our own column give way."""
    names = _BESIDE_ANSWER if "answer" in parts else _ANSWERS
    found = [known.only(name, "--answer-column") for name in names if name not in parts]
    found = [each for each in found if each]
    if len(found) > 1 and not are_same(found[0], found[1]):
        raise ConfigError(
            f"both {found[0]} and {found[1]} may hold the answers, and they differ",
            "say which: --answer-column",
        )
    return (found[0], "".join(found[1:2])) if found else ("", "")


def _existing(column: str, header: Sequence[str]) -> str:
    found = next((each for each in header if each == column), None) or next(
        (each for each in header if _key(each) == _key(column)), None
    )
    if found is None and _is_place(column, header):
        return header[int(column) - 1]
    if found is None:
        raise ConfigError(
            f"there is no column {quoted(column)} in the table",
            f"columns are: {', '.join(map(quoted, header[:COLUMNS_SHOWN]))}"
            + (f" and {len(header) - COLUMNS_SHOWN:,} more" if len(header) > COLUMNS_SHOWN else ""),
        )
    return found


def by_place(header: Sequence[str], named: Named) -> bool:
    """Whether a column is named by its place, as of a table without a header, and none is called so."""
    names = {_key(each) for each in header}
    given = [each for each in (*named.columns.values(), named.answer) if each]
    return any(_is_place(each, header) and _key(each) not in names for each in given)


def _is_place(column: str, header: Sequence[str]) -> bool:
    return column.isascii() and column.isdigit() and 0 < int(column[:9]) <= len(header)


def _has(columns: Mapping[str, str], part: str) -> bool:
    return part in columns or part + TEXT in columns


def _key(name: str) -> str:
    return name.strip().casefold()
