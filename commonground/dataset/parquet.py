"""Rows to Parquet files, for each split its own: data/train-00000-of-00002.parquet and so on.

Memory holds one row group, whatever the size of the dataset. The schema carries the feature types
that Hugging Face `datasets` writes itself, so that pictures and labels load as what they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from commonground.dataset.layout import DATA, Manifest
from commonground.dataset.rows import AUDIO, IMAGE, NESTED, Column, Columns
from commonground.dataset.splits import SPLITS, TRAIN
from commonground.files import DIRECTORY_MODE, new_file, sync_directory, sync_file
from protocol.depth import load_json
from protocol.errors import Misbehaviour

# What a reader holds at once. Random access reads a whole group, so groups of pictures stay small.
GROUP_ROWS_MAX: Final = 1_000
GROUP_BYTES_MAX: Final = 32 * 1024 * 1024
# About what hubs cut datasets into: large enough to stream, small enough to fetch again.
FILE_BYTES_MAX: Final = 512 * 1024 * 1024

# Rows that are Python objects at once; a row group is the least that Parquet reads anyway.
_BATCH_ROWS: Final = 64

_NESTED: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_NESTED_FEATURES: Final = {IMAGE: "Image", AUDIO: "Audio"}


def arrow_schema(columns: Columns) -> pa.Schema:
    """The columns, as Parquet and as `datasets` name their types."""
    listed: list[pa.Field] = []
    features: dict[str, Any] = {}
    for column in columns:
        kind = _NESTED if column.type in NESTED else pa.type_for_alias(column.type)
        # Parquet calls what is in a list its element; any other name would not come back.
        arrow = pa.list_(pa.field("element", kind)) if column.repeated else kind
        listed.append(pa.field(column.name, arrow))
        features[column.name] = _feature(column)
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(listed, metadata=metadata)


def picture_columns(schema: pa.Schema) -> list[str]:
    """The columns of a dataset's file that hold pictures, as {bytes, path}."""
    described = load_json((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = described.get("info", {}).get("features", {})
    return [
        each.name
        for each in schema
        if each.type == _NESTED and features.get(each.name, {}).get("_type") == "Image"
    ]


def text_columns(schema: pa.Schema) -> list[str]:
    """The columns of a dataset's file that hold what authors gave as text: beside each is its medium."""
    return [
        each.name
        for each in schema
        if pa.types.is_string(each.type) and f"{each.name}_media_type" in schema.names
    ]


def _feature(column: Column) -> dict[str, Any]:
    if column.type in NESTED:
        return {"_type": _NESTED_FEATURES[column.type]}
    if column.names:
        return {"names": list(column.names), "_type": "ClassLabel"}
    value = {"dtype": column.type, "_type": "Value"}
    return {"feature": value, "_type": "Sequence"} if column.repeated else value


def count_rows(path: Path) -> int:
    """How many rows a file has, by what its end says."""
    return int(pq.read_metadata(path).num_rows)


def read_rows(
    folder: Path,
    manifest: Manifest,
    columns: Columns,
    split: str,
    names: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """The rows of a split, in order, with these columns or all; memory holds one row group.

    Raises Misbehaviour for files that do not hold the campaign's columns, or no Parquet.
    """
    schema = arrow_schema(columns)
    for name in sorted(manifest.files):
        if not name.startswith(f"{DATA}/{split}-"):
            continue
        try:
            with pq.ParquetFile(folder / name) as file:
                if not file.schema_arrow.equals(schema, check_metadata=True):
                    raise Misbehaviour(f"{name} has other columns or labels than the campaign")
                # Group by group: a reader over the whole file keeps what it has read.
                for group in range(file.num_row_groups):
                    for batch in file.read_row_group(group, names).to_batches(_BATCH_ROWS):
                        yield from batch.to_pylist()
        except (pa.ArrowException, UnicodeDecodeError) as error:  # text that is no UTF-8
            raise Misbehaviour(f"{name} cannot be read: {error}") from error


class SplitFiles:
    """Writes rows to the files of their splits."""

    def __init__(self, folder: Path, columns: Columns) -> None:
        """Files go to `folder`/data."""
        self._folder, self._columns = folder, columns
        self._files: dict[str, ParquetFiles] = {}

    def add(self, split: str, row: dict[str, Any], content_bytes: int) -> None:
        """Takes a row."""
        if split not in self._files:
            self._files[split] = ParquetFiles(self._folder, self._columns, split)
        self._files[split].add(row, content_bytes)

    def finish(self) -> list[Path]:
        """Makes all durable; gives the files, in the order of SPLITS."""
        written = (self._files[name].finish() for name in SPLITS if name in self._files)
        return [path for paths in written for path in paths]

    def close(self) -> None:
        """Lets go of files that are not finished."""
        for each in self._files.values():
            each.close()


class ParquetFiles:
    """Writes the rows of a split, in their order, to as many files as they need. `finish` names them."""

    def __init__(
        self,
        folder: Path,
        columns: Columns,
        split: str = TRAIN,
        file_bytes_max: int = FILE_BYTES_MAX,
    ) -> None:
        """Files go to `folder`/data, which must hold none of this split."""
        self._folder, self._file_bytes_max = folder / DATA, file_bytes_max
        self._split = split
        self._schema = arrow_schema(columns)
        # Content does not repeat itself, and its smallest and largest value tell nobody anything.
        self._described = [column.name for column in columns if not column.content]
        self._folder.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        self._rows: list[dict[str, Any]] = []
        self._rows_bytes = 0  # content of the rows that wait
        self._parts: list[Path] = []
        self._file: BinaryIO | None = None
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: dict[str, Any], content_bytes: int) -> None:
        """Takes a row, and writes a group when there is enough for one."""
        self._rows.append(row)
        self._rows_bytes += content_bytes
        if len(self._rows) >= GROUP_ROWS_MAX or self._rows_bytes >= GROUP_BYTES_MAX:
            self._write_group()

    def finish(self) -> list[Path]:
        """Writes what waits, makes all durable, and gives each file its place among the others."""
        if self._rows:
            self._write_group()
        self._end_file()
        named = []
        for at, part in enumerate(self._parts):
            named.append(part.with_name(f"{self._split}-{at:05}-of-{len(self._parts):05}.parquet"))
            os.replace(part, named[-1])
        sync_directory(self._folder)
        return named

    def close(self) -> None:
        """Lets go of a file that is not finished."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_group(self) -> None:
        if self._writer is None:
            part = self._folder / f"{self._split}-{len(self._parts):05}.part"
            self._file = new_file(part)
            self._parts.append(part)
            self._writer = pq.ParquetWriter(
                self._file,
                self._schema,
                compression="zstd",
                use_dictionary=self._described,
                write_statistics=self._described,
            )
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._rows_bytes = [], 0
        if self._parts[-1].stat().st_size >= self._file_bytes_max:
            self._end_file()

    def _end_file(self) -> None:
        if self._writer is None or self._file is None:
            return
        self._writer.close()
        sync_file(self._file)
        self.close()
