"""A dataset's folder as Hugging Face has it: shards of Parquet, of CSV or JSON Lines, or of Arrow, which
`save_to_disk` writes; or files beside a table that names them (metadata.csv, metadata.jsonl). They are in the
folder, or in one for each split."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from commonground.lines import is_file, read_text
from commonground.tables import Form, Table, form_of, parse_json
from node.bringing.folders import File, entries, walk
from node.bringing.rows import TableItems
from node.drafts import Draft, LeftOut
from protocol.errors import ConfigError

FILE: Final = "file_name"  # the column of a metadata table that names the file
_METADATA: Final = "metadata"
_STATE: Final = "state.json"
MAX_STATE_BYTES: Final = 4 << 20  # 50,000 shards
# What describes a dataset, and is no row of it.
_ABOUT: Final = frozenset(
    {"readme.md", "license", "dataset_infos.json", "dataset_info.json", "dataset_dict.json", _STATE}
)
_TEXT_SHARDS: Final = (Form.CSV, Form.TSV, Form.JSON_LINES)
_SPLIT: Final = re.compile(r"(train|test|validation|valid|val|dev|eval)([-._ 0-9]|$)")


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
    kinds = (
        [each for each in files if _is_metadata(each)],
        [each for each in files if form_of(each.path) == Form.PARQUET],
        [each for each in files if form_of(each.path) == Form.ARROW and _is_saved(each.path)],
        [each for each in files if _is_shard(each.path)],
    )
    found = [
        (each.name, Table(each.path, form, encoding))
        for each in next(filter(None, kinds), ())
        if (form := form_of(each.path)) is not None
    ]
    if not found:
        raise ConfigError(
            f"{folder} holds no table of a dataset: no Parquet, no Arrow, no metadata, and no CSV or JSON"
            " Lines called as a split is, train.csv",
            "add metadata.csv with the column file_name, or say what it is with --format",
        )
    return found


def is_dataset(folder: Path, *, takes_tables: bool = False) -> bool:
    """Whether a folder looks like one, by what is at its top and one below, as far as that can be read.
    `takes_tables`: whether tables are items themselves, and CSV is no sign."""
    tops = [
        folder,
        *(each for each in entries(folder) if os.path.isdir(each) and not each.is_symlink()),
    ]
    files = [path for top in tops for path in entries(top) if is_file(path)]
    return any(map(_is_sign, files)) or (not takes_tables and _are_shards(files))


def _is_metadata(file: File) -> bool:
    return PurePosixPath(file.name).stem == _METADATA and form_of(file.path) is not None


def _is_sign(path: Path) -> bool:
    return (
        path.suffix.lower() in (".parquet", ".arrow")
        or (path.stem == _METADATA and form_of(path) is not None)
        or path.name in ("dataset_infos.json", "dataset_info.json")
    )


def _is_shard(path: Path) -> bool:
    """Whether a table of text is called as a split, or as a shard of one."""
    return form_of(path) in _TEXT_SHARDS and _SPLIT.match(path.stem) is not None


def _are_shards(files: Sequence[Path]) -> bool:
    """Whether there is nothing but shards of text, and what describes them: where other files lie beside, a
    table more likely says something of these."""
    rows = [
        path
        for path in files
        if path.name.casefold() not in _ABOUT and not path.name.startswith(".")
    ]
    return bool(rows) and all(map(_is_shard, rows))


def _is_saved(path: Path) -> bool:
    """Whether an Arrow file is one that `save_to_disk` lists, if it lists any: caches lie there, too."""
    listed = path.with_name(_STATE)
    if not is_file(listed):
        return True
    try:
        found = parse_json(read_text(listed, MAX_STATE_BYTES))
        return path.name in {each["filename"] for each in found["_data_files"]}
    except (ValueError, KeyError, TypeError):
        return True
