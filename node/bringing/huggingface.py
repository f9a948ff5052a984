"""A dataset's folder as Hugging Face has it: shards of Parquet, or files beside a table that names them
(metadata.csv, metadata.jsonl), in the folder or in one for each split."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from commonground.lines import is_file
from commonground.tables import Form, Table, form_of
from node.bringing.folders import File, entries, walk
from node.bringing.rows import TableItems
from node.drafts import Draft, LeftOut
from protocol.errors import ConfigError

FILE: Final = "file_name"  # the column of a metadata table that names the file
_METADATA: Final = "metadata"
_ARROW: Final = ".arrow"
# What describes a dataset, and is no row of it.
_ABOUT: Final = frozenset({"readme.md", "dataset_infos.json", "dataset_info.json", "state.json"})


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of all its tables; and of its files those that no row names, left out."""

    folder: Path
    tables: Sequence[TableItems]

    def __iter__(self) -> Iterator[Draft | LeftOut]:
        named = {items.table.path for items in self.tables}
        for items in self.tables:
            for draft in items:
                if isinstance(draft, Draft):
                    named |= {part.path for part in draft.parts if part.path is not None}
                yield draft
        for found in walk(self.folder, tables=True):
            if isinstance(found, LeftOut):
                yield found
            elif found.name.casefold() in _ABOUT:
                yield LeftOut(found.name, "it describes the dataset, and is no row of it")
            elif found.path not in named:
                yield LeftOut(found.name, "no row of the dataset names it")


def find_tables(folder: Path, encoding: str = "") -> list[tuple[str, Table]]:
    """Its tables with their names: those of metadata, or else the shards. Raises ConfigError for none."""
    files = [each for each in walk(folder, tables=True) if isinstance(each, File)]
    metadata = [each for each in files if _is_metadata(each)]
    shards = [each for each in files if form_of(each.path) == Form.PARQUET]
    found = [
        (each.name, Table(each.path, form, encoding))
        for each in metadata or shards
        if (form := form_of(each.path)) is not None
    ]
    if not found:
        is_arrow = any(each.path.suffix == _ARROW for each in files)
        raise ConfigError(
            f"{folder} holds {'Arrow files of `save_to_disk`' if is_arrow else 'no Parquet and no metadata'}",
            "write it with `to_parquet`"
            if is_arrow
            else "add metadata.csv with the column file_name, or say what it is with --format",
        )
    return found


def is_dataset(folder: Path) -> bool:
    """Whether a folder looks like one, by what is at its top and one below, as far as that can be read."""
    tops = [
        folder,
        *(each for each in entries(folder) if os.path.isdir(each) and not each.is_symlink()),
    ]
    return any(_is_sign(path) for top in tops for path in entries(top) if is_file(path))


def _is_metadata(file: File) -> bool:
    return PurePosixPath(file.name).stem == _METADATA and form_of(file.path) is not None


def _is_sign(path: Path) -> bool:
    return (
        path.suffix.lower() in (".parquet", _ARROW)
        or (path.stem == _METADATA and form_of(path) is not None)
        or path.name in ("dataset_infos.json", "dataset_info.json")
    )
