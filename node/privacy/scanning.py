"""Files looked at for personal data without a campaign: each as what it is, tables cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from commonground.tables import Row, Table, form_of
from node.bringing.folders import File, find_files
from node.drafts import LeftOut
from node.encodings import in_utf8
from node.intake import look_beside, read_content
from node.privacy.documents import Finding
from node.privacy.screening import Screening
from protocol.errors import ConfigError, Reject
from protocol.media import MEDIA, TEXT, check_content, media_type_of


@dataclass(frozen=True, slots=True)
class Scanned:
    """A file, or a row of a table. `problem`: why nobody looked into it; `is_whole`: whether all of it was
    looked at, or only what reads as text."""

    name: str
    findings: tuple[Finding, ...] = ()
    language: str = ""
    problem: str = ""
    is_whole: bool = True


def scan(paths: Sequence[Path], screening: Screening, encoding: str = "") -> Iterator[Scanned]:
    """Everything below `paths`, in order. Raises ConfigError for a path that is not there."""
    for found in find_files(paths, tables=True):
        if isinstance(found, LeftOut):
            yield Scanned(found.name, problem=found.reason)
            continue
        name = screening.beside(found.path.name, "the file's name")
        if name:
            yield Scanned(found.name, name)
        try:
            yield from _scan(found, screening, encoding)
        except (Reject, ConfigError) as error:
            yield Scanned(found.name, problem=str(error))


def _scan(file: File, screening: Screening, encoding: str) -> Iterator[Scanned]:
    form = form_of(file.path)
    if form is not None:
        for row in Table(file.path, form, encoding).rows():
            yield _scan_row(f"{file.name}:{row.number}", row, screening)
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


def _scan_row(name: str, row: Row, screening: Screening) -> Scanned:
    findings: list[Finding] = []
    languages: list[str] = []
    for column, cell in row.cells.items():
        if isinstance(cell, str):
            screened = screening.document(cell, TEXT.name)
            languages.append(screened.language)
            where = screening.finder.redact(column)
            findings += (replace(each, where=f"{where} {each.where}") for each in screened.findings)
    return Scanned(name, tuple(findings), next(filter(None, languages), ""), row.problem)
