"""Items that are the rows of a table. Files are not opened here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from unicodedata import normalize

from commonground.tables import Cell, Row, Rows
from node.bringing.columns import SOURCE, TEXT, Columns, holds_text
from node.drafts import Draft, LeftOut, PartSource
from protocol.errors import Reject
from protocol.rows import PartTerms
from protocol.text import check_name, quoted


class _Unfit(Exception):
    """Why a row is no item."""


@dataclass(frozen=True, slots=True)
class TableItems:
    """One item for each row that is one; the others are named."""

    table: Rows
    columns: Columns
    parts: Sequence[PartTerms]
    texts: frozenset[str]  # parts whose column holds contents, not names of files
    name: str  # of the table, for its owner's eyes
    label: str = ""  # the answer of all, where the table has none inside
    encoding: str = ""  # of texts in files that it names, if they are not in UTF-8

    def __iter__(self) -> Iterator[Draft | LeftOut]:
        for row in self.table.rows():
            name = f"{self.name}:{row.number}"
            try:
                yield self._draft(name, row)
            except _Unfit as reason:
                yield LeftOut(name, str(reason))

    def _draft(self, name: str, row: Row) -> Draft:
        if row.problem:
            raise _Unfit(row.problem)
        found = [self._part(row, terms) for terms in self.parts]
        parts = tuple(part for part in found if part is not None)
        if not parts:
            raise _Unfit("it is empty")
        answer = self.label or self._text(row, self.columns.answer).strip()
        return Draft(name, parts, answer)

    def _part(self, row: Row, terms: PartTerms) -> PartSource | None:
        name = terms.name
        columns = self.columns.columns
        cell: Cell = row.cells.get(columns.get(name, ""), "")
        text = self._text(row, columns.get(name + TEXT, ""))
        source = self._text(row, columns.get(name + SOURCE, "")).strip()
        if cell and text:
            raise _Unfit(f"it has both {name} and {name}{TEXT}")
        if not cell and not text:
            if not terms.optional:
                raise _Unfit(f"it has no {name}")
            if source:
                raise _Unfit(f"it has a source of {name}, and no {name}")
            return None
        if source:
            try:
                check_name(source, f"{name}{SOURCE}")
            except Reject as error:
                raise _Unfit(str(error)) from None
        if isinstance(cell, bytes):
            return PartSource(name, None, source=source, data=cell)
        if not cell or name in self.texts:
            return PartSource(name, None, text or cell, source)
        path = file_below(self.table.folder, cell)
        return PartSource(name, path, source=source, encoding=self.encoding)

    def _text(self, row: Row, column: str) -> str:
        cell = row.cells.get(column, "") if column else ""
        if isinstance(cell, bytes):
            raise _Unfit(f"{quoted(column)} is not text")
        return cell


def table_items(
    table: Rows, columns: Columns, parts: Sequence[PartTerms], name: str = ""
) -> TableItems:
    """The items of a table whose columns are known. Raises ConfigError."""
    sample = table.sample()
    folder = table.folder
    texts = frozenset(
        part.name
        for part in parts
        if part.name in columns.columns
        and holds_text(_strings(sample, columns.columns[part.name]), part, folder)
    )
    return TableItems(table, columns, parts, texts, name or table.path.name)


def file_below(folder: Path, text: str) -> Path:
    """A table may come from somebody else: it names no files but those that came with it. A name is found in
    either Unicode form, and with the separators of Windows where no file is called so. Raises what leaves the
    row out."""
    if "://" in text:
        raise _Unfit(f"{quoted(text)} is not fetched: save it beside the table, and name the file")
    try:
        path = _named(folder, text)
        leads_out = not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # too long; links in a circle; no UTF-8
        raise _Unfit(f"{quoted(text)} is no name of a file") from None
    if leads_out:
        raise _Unfit(f"{quoted(text)} leads out of the table's folder")
    return path


def spellings(text: str) -> list[str]:
    """How a file may be called that is named so, in the order of what is tried: as it is, in either Unicode
    form, with the separators of Windows."""
    ways = (text, PureWindowsPath(text).as_posix())
    return [each for way in ways for each in (way, normalize("NFC", way), normalize("NFD", way))]


def _named(folder: Path, text: str) -> Path:
    """The file that a name means, whether or not it is there. Raises what leaves the row out."""
    for spelt in spellings(text):
        if _is_below(PurePosixPath(spelt)) and os.path.exists(path := folder / spelt):
            return path
    windows = PureWindowsPath(text)  # for which either separator is one, and C: a place of its own
    if not _is_below(windows):
        raise _Unfit(f"{quoted(text)} is not a path below the table's folder")
    return folder / windows.as_posix()


def _is_below(path: PurePath) -> bool:
    """Whether a path stays below where it begins, as far as its words say."""
    return not path.anchor and ".." not in path.parts and "\0" not in str(path)


def _strings(sample: Sequence[Row], column: str) -> list[str]:
    cells = (row.cells.get(column, "") for row in sample)
    return [cell for cell in cells if isinstance(cell, str)]
