"""Files looked at for personal data without a campaign: each as what it is, tables cell by cell.

Of a table no campaign says what its columns are, and so the first row is looked at as any other: it may be an
item. A column is shown by its name where that can be one, else by its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from commonground.lines import read_lines
from commonground.tables import Form, Row, Table, form_of, parse_json
from node.bringing.folders import File, find_files
from node.drafts import LeftOut
from node.encodings import in_utf8
from node.intake import look_beside, read_content
from node.privacy.documents import Finding
from node.privacy.screening import Screening
from protocol.errors import ConfigError, Reject
from protocol.media import JSON, MEDIA, TEXT, check_content, media_type_of

# What a header says that is no text of somebody's: one word.
_NAME: Final = re.compile(r"[^\W\d][\w.:-]{0,39}")
_DELIMITED: Final = (Form.CSV, Form.TSV)


@dataclass(frozen=True, slots=True)
class Scanned:
    """A file, or a row of a table. `problem`: why nobody looked into it; `is_whole`: whether all of it was
    looked at, or only what reads as text."""

    name: str
    findings: tuple[Finding, ...] = ()
    language: str = ""
    problem: str = ""
    is_whole: bool = True


def scan(
    paths: Sequence[Path], screening: Screening, encoding: str = "", *, header: bool = True
) -> Iterator[Scanned]:
    """Everything below `paths`, in order; `header`: whether a table's first row may hold its columns' names.
    Raises ConfigError for a path that is not there."""
    for found in find_files(paths, tables=True):
        if isinstance(found, LeftOut):
            yield Scanned(found.name, problem=found.reason)
            continue
        name = screening.beside(found.path.name, "the file's name")
        if name:
            yield Scanned(found.name, name)
        try:
            yield from _scan(found, screening, encoding, header)
        except (Reject, ConfigError) as error:
            yield Scanned(found.name, problem=str(error))


def _scan(file: File, screening: Screening, encoding: str, header: bool) -> Iterator[Scanned]:
    form = form_of(file.path)
    if form == Form.JSON_LINES:
        yield from _scan_lines(file, screening, encoding)
        return
    if form is not None:
        yield from _scan_table(
            file, Table(file.path, form, encoding, header=False), screening, header
        )
        return
    content = read_content(file.path)
    try:
        content = in_utf8(content, encoding).content
        media_type = media_type_of(content, file.path.suffix)
    except Reject:  # where a campaign takes files of any kind, it goes as it is
        screened = screening.bytes_of_any_kind(content)
        yield Scanned(file.name, screened.findings, is_whole=False)
        return
    if MEDIA[media_type].is_text:
        check_content(media_type, content)
        screened = screening.document(content.decode(), media_type)
        yield Scanned(file.name, screened.findings, screened.language)
        return
    findings = tuple(
        found
        for what, text in look_beside(content, media_type).texts
        for found in screening.beside(text, f"{what}, beside the content")
    )
    yield Scanned(file.name, findings)


def _scan_lines(file: File, screening: Screening, encoding: str) -> Iterator[Scanned]:
    """JSON Lines: each is looked at whole, as deep as it nests and with the names of its fields."""
    for number, line in enumerate(read_lines(file.path, encoding), start=1):
        if not line.strip():
            continue
        name = f"{file.name}:{number}"
        try:
            parse_json(line)
            screened = screening.document(line, JSON.name)
        except Reject as error:
            yield Scanned(name, problem=str(error))
        except ValueError as error:
            yield Scanned(name, problem=f"it is not JSON: {error}")
        else:
            yield Scanned(name, screened.findings, screened.language)


def _scan_table(file: File, table: Table, screening: Screening, header: bool) -> Iterator[Scanned]:
    """Row by row, the first one too."""
    names = {}
    if table.form not in _DELIMITED:
        names = {column: column for column in table.columns()}
        found = [
            each for name in names for each in screening.words(name, "a column's name").findings
        ]
        if found:
            yield Scanned(file.name, tuple(found))
    for count, row in enumerate(table.rows()):
        scanned = _scan_row(f"{file.name}:{row.number}", row, names, screening)
        yield scanned
        if count == 0 and header and table.form in _DELIMITED and not scanned.findings:
            names = {place: str(cell).strip() for place, cell in row.cells.items()}


def _scan_row(name: str, row: Row, names: Mapping[str, str], screening: Screening) -> Scanned:
    findings: list[Finding] = []
    languages: list[str] = []
    for place, (column, cell) in enumerate(row.cells.items(), start=1):
        if isinstance(cell, str):
            screened = screening.document(cell, TEXT.name)
            languages.append(screened.language)
            where = _shown(names.get(column, ""), place, screening)
            findings += (replace(each, where=f"{where} {each.where}") for each in screened.findings)
    return Scanned(name, tuple(findings), next(filter(None, languages), ""), row.problem)


def _shown(name: str, place: int, screening: Screening) -> str:
    """A column for its owner's eyes, and whoever looks over their shoulder: no text of a cell."""
    if _NAME.fullmatch(name) and not screening.words(name, "").findings:
        return name
    return f"column {place}"
