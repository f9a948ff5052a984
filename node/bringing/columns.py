"""What the columns of a table mean in one campaign: found by name, named by the owner, or proposed.

For each part of the campaign's items a table may have the columns

    PART          a file, as a path below the table's own folder; or the content itself, if it is text and its
                  values are no names of files
    PART_text     the content itself
    PART_source   who or what made it, where the campaign compares sources

and `answer` or `label` for the answer that is proposed, in words (`proposal`, where a part is called answer).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from node.bringing.tables import Row
from protocol.errors import ConfigError
from protocol.media import MEDIA
from protocol.rows import PartTerms
from protocol.text import quoted

TEXT: Final = "_text"
SOURCE: Final = "_source"
_FILE_NAME: Final = re.compile(r"[^\s]{1,255}\.[A-Za-z0-9]{1,5}")  # what looks like one


@dataclass(frozen=True, slots=True)
class Named:
    """What the owner says of columns: PART, PART_text or PART_source -> column; the answers' column."""

    columns: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """What columns mean: PART, PART_text and PART_source -> column; where the answers are, or ""."""

    columns: Mapping[str, str]
    answer: str
    ignored: tuple[str, ...] = ()

    def options(self) -> str:
        """As one would give it on a command line."""
        given = [f"--column {_typed(f'{name}={column}')}" for name, column in self.columns.items()]
        return " ".join(given + ([f"--answer-column {_typed(self.answer)}"] * bool(self.answer)))


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
    header: Sequence[str], parts: Sequence[PartTerms], named: Named, takes_answers: bool
) -> Columns | None:
    """By name, whatever its case; None where a part that is required has no column.

    Raises ConfigError for a column or a part that somebody named and that is not there.
    """
    known = {_key(column): column for column in reversed(header) if column}
    meanings = [part.name + end for part in parts for end in ("", TEXT, SOURCE)]
    columns = {name: known[_key(name)] for name in meanings if _key(name) in known}
    for name, column in named.columns.items():
        if name not in meanings:
            raise ConfigError(
                f"there is no part {quoted(name)} in this campaign",
                f"parts are: {', '.join(part.name for part in parts)}",
            )
        columns[name] = _existing(column, header)
        if name in (part.name for part in parts):
            columns.pop(name + TEXT, None)
    answer = _existing(named.answer, header) if named.answer else ""
    if not answer and takes_answers:
        answer = _answer_column(known, [part.name for part in parts])
    if any(not part.optional and not _has(columns, part.name) for part in parts):
        return None
    used = {*columns.values(), answer}
    return Columns(columns, answer, tuple(each for each in header if each and each not in used))


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
    texts = {name: [str(row.cells.get(name, "")) for row in sample] for name in header if name}
    answer = ""
    if is_answer is not None:
        fitting = [name for name, cells in texts.items() if cells and all(map(is_answer, cells))]
        answer = fitting[0] if fitting else ""
    left = [name for name in texts if name != answer and any(texts[name])]
    required = [part for part in parts if not part.optional]
    if len(required) == 1 and left:
        of_files = not takes_text(required[0])
        fit = [name for name in left if not of_files or all(map(_is_name, texts[name]))]
        if not fit:
            return None
        chosen = [max(fit, key=lambda name: sum(map(len, texts[name])))]
    elif len(required) == len(left):
        chosen = left
    else:
        return None
    pairs = {part.name: column for part, column in zip(required, chosen, strict=True)}
    return Columns(pairs, answer)


def holds_text(cells: Sequence[str], part: PartTerms, folder: Path) -> bool:
    """Whether the cells of the column PART are contents, rather than names of files."""
    given = [cell for cell in cells if cell]
    return takes_text(part) and any(
        not _is_name(cell) and not _is_file(folder, cell) for cell in given
    )


def takes_text(part: PartTerms) -> bool:
    """Whether a part may be text."""
    return any(MEDIA[name].is_text for name in part.media_types if name in MEDIA)


def _is_name(cell: str) -> bool:
    return _FILE_NAME.fullmatch(cell) is not None


def _is_file(folder: Path, cell: str) -> bool:
    try:
        return (folder / cell).is_file()
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False


def _answer_column(known: Mapping[str, str], parts: Sequence[str]) -> str:
    names = ("proposal",) if "answer" in parts else ("answer", "label")
    found = [known[name] for name in names if name in known and name not in parts]
    if len(found) > 1:
        raise ConfigError(
            f"both {found[0]} and {found[1]} may hold the answers", "say which: --answer-column"
        )
    return found[0] if found else ""


def _existing(column: str, header: Sequence[str]) -> str:
    found = next((each for each in header if each == column), None) or next(
        (each for each in header if _key(each) == _key(column)), None
    )
    if found is None:
        raise ConfigError(
            f"there is no column {quoted(column)} in the table",
            f"columns are: {', '.join(map(quoted, header))}",
        )
    return found


def _has(columns: Mapping[str, str], part: str) -> bool:
    return part in columns or part + TEXT in columns


def _key(name: str) -> str:
    return name.strip().casefold()


def _typed(text: str) -> str:
    """As a shell takes it."""
    import shlex

    return shlex.quote(text)
