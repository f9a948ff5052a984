"""A copy of a dataset in another format: FOLDER/FORMAT beside the Parquet files that it is made of.

copy.json     of which dataset, and SHA-256 of every file
README.md     what it is, and how to open it
ATTRIBUTION.txt   licences and authors

It is checked by making it again from the dataset, into nowhere: the same bytes have to come out. So a copy
needs no proofs of its own; and it goes where the dataset goes, if somebody withdraws.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from commonground.dataset import layout
from commonground.dataset.formats.registry import FORMATS, Format
from commonground.dataset.formats.sink import Folder, Nowhere, Sink
from commonground.dataset.formats.table import Table
from commonground.dataset.layout import FileEntry, Manifest
from commonground.dataset.policies import licence_url
from commonground.escaping import in_markdown, one_line
from commonground.files import DIRECTORY_MODE, open_file, sha256_file, sync_directory, writing
from protocol.depth import load_json
from protocol.errors import Misbehaviour
from protocol.rows import Campaign

COPY: Final = "copy.json"
FORMAT: Final = "commonhold-copy/1"
ATTRIBUTION: Final = "ATTRIBUTION.txt"
# A copy of 65,536 items of 16 parts lists as many files, in 200 bytes each.
COPY_BYTES_MAX: Final = 256 * 1024 * 1024


def write_copy(folder: Path, campaign: Campaign, name: str, has_answers: bool) -> Path:
    """Writes the copy, in place of one that is there; gives its folder.

    Raises ConfigError where the format does not take these items; OSError: our disk failed.
    """
    manifest = Manifest.parse((folder / layout.MANIFEST).read_bytes())
    table, target = Table(campaign, folder, manifest, has_answers), folder / name
    part = folder / f".{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=DIRECTORY_MODE)
    try:
        sink = Folder(part)
        _write(FORMATS[name], table, sink)
        with writing(part / COPY) as file:
            file.write(_encode(_description(table, name, sink)))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(part, target)
        sync_directory(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def check_copies(folder: Path, manifest: Manifest, campaign: Campaign) -> list[str]:
    """Checks every copy in a dataset that was checked; gives their formats. Raises Misbehaviour."""
    found = [name for name in FORMATS if (folder / name).exists()]
    for name in found:
        _check_copy(folder, manifest, campaign, name)
    return found


def _check_copy(folder: Path, manifest: Manifest, campaign: Campaign, name: str) -> None:
    copy = folder / name
    described = _read(copy)
    table = Table(campaign, folder, manifest, described.get("answers") == "all")
    nowhere = Nowhere()
    _write(FORMATS[name], table, nowhere)
    if described != _description(table, name, nowhere):
        raise Misbehaviour(f"{name}/{COPY} describes another copy than this dataset makes")
    for file, entry in nowhere.files.items():
        path = copy / file
        if not path.is_file() or FileEntry(*sha256_file(path)) != entry:
            raise Misbehaviour(f"{name}/{file} is not what this dataset makes")
    for path in copy.rglob("*"):
        if not path.is_dir() and path.relative_to(copy).as_posix() not in {COPY, *nowhere.files}:
            raise Misbehaviour(f"{name}/{path.relative_to(copy)} does not belong to the copy")


def _read(copy: Path) -> dict[str, Any]:
    path = copy / COPY
    try:
        with open_file(path) as file:
            raw = file.read(COPY_BYTES_MAX + 1)
        found = load_json(raw) if len(raw) <= COPY_BYTES_MAX else None
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise Misbehaviour(f"{copy.name}/{COPY} is missing or malformed")
    return found


def _write(kind: Format, table: Table, sink: Sink) -> None:
    kind.write(table, sink)
    with sink.file(layout.CARD) as write:
        write(_readme(kind, table).encode())
    with sink.file(ATTRIBUTION) as write:
        for line in _attribution(table):
            write(f"{line}\n".encode())
    for name in (layout.PROVENANCE, layout.POLICY):
        with sink.file(name) as write:
            write((table.folder / name).read_bytes())


def _description(table: Table, name: str, sink: Sink) -> dict[str, Any]:
    files = {
        file: {"sha256": each.sha256, "bytes": each.bytes} for file, each in sink.files.items()
    }
    return {
        "format": FORMAT,
        "as": name,
        "answers": "all" if table.has_answers else "verdict",
        "snapshot": table.manifest.snapshot,
        "rows": dict(table.manifest.rows),
        "files": dict(sorted(files.items())),
    }


def _encode(found: dict[str, Any]) -> bytes:
    return json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n"


def _readme(kind: Format, table: Table) -> str:
    manifest = table.manifest
    answers = "every reviewer's answer" if table.has_answers else "the verdict alone"
    return "\n".join(
        [
            f"# {in_markdown(manifest.campaign)}",
            "",
            f"{kind.words}; with {answers}. A copy of the dataset of snapshot `{manifest.snapshot}` of "
            f"{in_markdown(manifest.network_name)}: {manifest.items:,} items.",
            "",
            "```",
            kind.load,
            "```",
            "",
            f"Licences and authors are in `{ATTRIBUTION}`, what may be done in `{layout.POLICY}`. What "
            "proves it is with the dataset: `commonhold verify` there checks this copy too. If a contributor "
            "withdraws, both have to be deleted.",
            "",
        ]
    )


def _attribution(table: Table) -> Iterator[str]:
    """Licences and authors with their numbers of items, the most first."""
    own = [table.columns.name_of(name) for name in ("licence", "author")]
    licences, authors = Counter[str](), Counter[str]()
    for split in table.splits:
        for row in table.rows(split, own):
            licences[row[own[0]]] += 1
            authors[row[own[1]]] += 1
    yield f"{one_line(table.manifest.campaign)}, {table.manifest.snapshot}"
    yield from ("", "Licences:")
    for name, count in _ranked(licences):
        yield f"  {name} ({count:,} items): {licence_url(name)}"
    yield from ("", "Authors:")
    for name, count in _ranked(authors):
        yield f"  {name} ({count:,} items)"


def _ranked(counted: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
