"""Text with separators: CSV and its kin, record by record.

A record that breaks the rules of CSV is told apart from those around it as long as it can be known where it
ends: it is given with what is wrong with it, and the next one is read. Where nobody can know that, since a
quotation mark may open a text that goes on, the table is refused with the line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from commonground.lines import LINE_CHARS_MAX, bad_line, other_pieces, read_pieces
from protocol.errors import ConfigError
from protocol.text import quoted

MAX_COLUMNS: Final = 1_000  # more is a table of numbers
WIDE: Final = (
    "name the columns that matter in a narrower table; or look whether its separators are right"
)
FIELD_CHARS_MAX: Final = 8 << 20  # as long as the content of a part may be
SEPARATORS: Final = (",", ";", "\t")
_BAR: Final = "|"  # separates fields only where all of the first records say so: texts have it, too
_TRIED_RECORDS: Final = 20
# Excel's own first line, which says what separates fields and is no record.
_SAID: Final = re.compile(r'"?sep=([,;|:^~#]|\t)"?\s*', re.IGNORECASE)
_LONG_LINE: Final = f"it has {LINE_CHARS_MAX:,} characters or more"
_LONG_CELL: Final = f"a cell has more than {FIELD_CHARS_MAX:,} characters"
_STRAY: Final = (
    "there is text after a closing quotation mark: one inside of quotes is written twice"
)
_DOUBLE_THEM: Final = (
    "write each quotation mark inside of a text in quotes twice, as spreadsheets do"
)


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one record; `problem` says why it has none."""

    number: int  # the line on which it begins, from 1
    cells: list[str]
    problem: str = ""
    has_several_lines: bool = False


class Delimited:
    """A table. The separator is what its first line says (`sep=;`), or else has most of."""

    def __init__(
        self, path: Path, encoding: str = "", header: bool = True, separator: str = ""
    ) -> None:
        """`separator`: if it is known. Raises ConfigError."""
        csv.field_size_limit(FIELD_CHARS_MAX)
        self._path, self._encoding, self._header = path, encoding, header
        said, first = self._first_lines()
        if "\0" in first:
            raise ConfigError(
                f"{path} has NUL characters, as UTF-16 has without the mark in front",
                "name what it is in: --encoding utf-16-le; or export it in UTF-8",
            )
        self._is_said = bool(said)
        self._separator = said or separator or self._found_separator(first)
        self._quotes = self._separator != "\t" or self._is_quoted()
        record = next(self._filled(), Record(1, []))
        if record.problem:
            raise bad_line(path, record.number, record.problem)
        names = [each.strip() for each in record.cells]
        self.columns = names if header else [str(place + 1) for place in range(len(names))]
        if len(self.columns) > MAX_COLUMNS:
            raise bad_line(path, record.number, f"more than {MAX_COLUMNS} columns", WIDE)
        twice = {name for name in self.columns if name and self.columns.count(name) > 1}
        if twice:
            raise bad_line(path, record.number, f"the column {quoted(min(twice))} is there twice")

    def records(self) -> Iterator[Record]:
        """All but the header and blank lines, each as wide as the table. Raises ConfigError."""
        for record in islice(self._filled(), int(self._header), None):
            width = len(record.cells)
            if record.problem or width == len(self.columns):
                yield record
            else:
                problem = f"expected {len(self.columns)} fields, found {width}"
                yield Record(record.number, [], problem)

    def _first_lines(self) -> tuple[str, str]:
        """What separates fields by the first line, where that says so; and the first line of a record."""
        filled = (piece for piece in read_pieces(self._path, self._encoding) if piece.strip())
        first = next(filled, "")
        said = _SAID.fullmatch(first)
        return (said[1], next(filled, "")) if said else ("", first)

    def _found_separator(self, first: str) -> str:
        found = separator_of(first)
        if found in first or _BAR not in first:
            return found
        return _BAR if self._is_barred() else found

    def _is_barred(self) -> bool:
        """Whether all of the first records have the same number of fields between bars."""
        self._separator = _BAR
        try:
            records = list(islice(self._read(csv.QUOTE_MINIMAL), _TRIED_RECORDS))
        except _UnclearError:
            return False
        widths = {len(each.cells) for each in records} - {0}
        return len(widths) == 1 and widths != {1}

    def _is_quoted(self) -> bool:
        """Whether quotation marks between tabs enclose fields, or are letters: texts often begin with one.

        They do if that is how the table can be read. Where a record would then have several lines, which two
        stray marks look like, every line must be no record by itself.
        """
        widths: set[int] = set()
        has_several_lines = False
        try:
            for record in self._read(csv.QUOTE_MINIMAL):
                if record.problem == _STRAY:
                    return False
                has_several_lines |= record.has_several_lines
                widths.add(len(record.cells))
        except _UnclearError:
            return False
        if len(widths - {0}) > 1:
            return False
        return not has_several_lines or not self._is_even()

    def _is_even(self) -> bool:
        """Whether all lines have the same number of fields, if quotation marks are letters."""
        return len({len(each.cells) for each in self._read(csv.QUOTE_NONE)} - {0}) <= 1

    def _filled(self) -> Iterator[Record]:
        try:
            for record in self._read(csv.QUOTE_MINIMAL if self._quotes else csv.QUOTE_NONE):
                if record.cells or record.problem:
                    yield record
        except _UnclearError as error:
            raise bad_line(self._path, error.line, str(error), _DOUBLE_THEM) from error

    def _read(self, quoting: Any) -> Iterator[Record]:
        """Raises _UnclearError."""
        pieces = read_pieces(self._path, self._encoding)
        return _Reader(pieces, self._separator, quoting, self._is_said).records()


def separator_of(line: str) -> str:
    """What separates the fields of a first line, outside of quotation marks."""
    bare = "".join(line.split('"')[::2])
    return max(SEPARATORS, key=bare.count)  # the comma, if there is none


class _UnclearError(Exception):
    """It cannot be known where the record that begins on `line` ends."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


class _Reader:
    """Reads once. After a record that `csv` refuses it begins again with the next line."""

    def __init__(self, pieces: Iterator[str], separator: str, quoting: Any, is_said: bool) -> None:
        """`is_said`: whether the first line says what the separator is."""
        self._pieces = pieces
        self._separator, self._quoting = separator, quoting
        self._is_said = is_said
        self._has_quotes = quoting != csv.QUOTE_NONE
        self._line, self._text = 0, ""  # the last line that was given to `csv`
        self._is_long, self._marks = False, 0  # whether it is too long to hold; its quotation marks
        self._is_over = False
        self._width = 0  # of the first record
        self._suspect = 0  # a line after which a text may go on
        at = re.escape(separator)
        self._opens_or_closes = re.compile(f'((?:^|{at})")|"(?={at}|[\r\n]|$)')

    def records(self) -> Iterator[Record]:
        """All, blank lines without cells. Raises _UnclearError."""
        while not self._is_over:
            reader = csv.reader(
                self._feed(), delimiter=self._separator, quoting=self._quoting, strict=True
            )
            start = self._line + 1
            try:
                for cells in reader:
                    self._width = self._width or len(cells)
                    yield Record(start, cells, has_several_lines=self._line > start)
                    start = self._line + 1
            except csv.Error:
                yield Record(start, [], self._problem(start))

    def _feed(self) -> Iterator[str]:
        """Lines for `csv`. Raises csv.Error for one that is too long to hold, which was passed by then."""
        for piece in self._pieces:
            self._line += 1
            self._text, self._is_long = piece, len(piece) == LINE_CHARS_MAX
            self._marks = piece.count('"')
            if self._is_long:
                others = other_pieces(self._pieces, piece)
                self._marks += sum(each.count('"') for each in others)
                raise csv.Error(_LONG_LINE)
            if self._suspect and self._marks:
                self._look_again(piece)
            is_record = not (self._is_said and piece.strip())
            self._is_said &= is_record
            yield piece if is_record else "\n"
        self._is_over = True

    def _problem(self, start: int) -> str:
        """What is wrong with the record that was read last. Raises _UnclearError where its end is unknown."""
        if self._is_over:
            raise _UnclearError(start, "a quotation mark opens a text in it that never ends")
        if start != self._line:
            raise _UnclearError(
                start,
                f"a text that begins in it goes on to line {self._line}, and has a quotation mark there that"
                f" does not end it, or more than {FIELD_CHARS_MAX:,} characters",
            )
        is_even = self._marks % 2 == 0
        if self._is_long or len(self._text) > FIELD_CHARS_MAX:
            problem = _LONG_LINE if self._is_long else _LONG_CELL
            if self._has_quotes and not is_even:
                raise _UnclearError(start, f"{problem}, and a quotation mark is not closed")
            return problem
        width, is_open = _loosely(self._text, self._separator)
        if is_open or not (is_even or width == self._width):
            raise _UnclearError(start, _STRAY)
        if not is_even:
            self._suspect = start
        return _STRAY

    def _look_again(self, line: str) -> None:
        """After a line with an odd number of marks: whether the next mark opens a text, as it does if that
        line was a record, or closes one that went on."""
        found = self._opens_or_closes.search(line)
        if found is not None and not found[1]:
            raise _UnclearError(self._suspect, f"{_STRAY}, or a text that goes on to {self._line}")
        if found is not None:
            self._suspect = 0


def _loosely(line: str, separator: str) -> tuple[int, bool]:
    """How many fields a line has if only a mark before a separator or the end closes a text, with blanks
    between or not, and whether one is open at its end."""
    end = f" *(?:{re.escape(separator)}|\\Z)"
    # Without a way back: each letter is looked at once.
    enclosed = re.compile(f'"(?:[^"]++|""|"(?!{end}))*+"{end}')
    line = line.rstrip("\r\n")
    width, at = 1, 0
    while True:
        if line.startswith('"', at):
            found = enclosed.match(line, at)
            if found is None:
                return width, True
            at = found.end()
            is_last = not found[0].endswith(separator)
        else:
            at = line.find(separator, at) + 1
            is_last = not at
        if is_last:
            return width, False
        width += 1
