"""Tables that hold values by column: Parquet, and Arrow as `save_to_disk` of `datasets` writes it.

Only some rows are Python's objects at once. What a file claims of itself is checked before it is used: a
wrong offset would lead out of the file.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from commonground.delimited import MAX_COLUMNS
from commonground.files import open_file
from commonground.installing import how_to_install
from protocol.depth import load_json
from protocol.errors import ConfigError
from protocol.text import quoted

_BATCH_ROWS: Final = 16  # that are held at once: pictures may be inside
_NESTED_MAX: Final = 32  # structs and lists in each other
_MAGIC: Final = b"ARROW1"  # of Arrow's files, which have an index; its streams have none
_NO_LABEL: Final = -1  # what `datasets` writes where a class is not known
_NEEDS: Final = how_to_install("node,dataset")


def parquet_columns(path: Path) -> list[str]:
    """In the table's order. Raises ConfigError."""
    with _parquet(path) as file:
        return _names(path, file.schema_arrow)


def parquet_records(path: Path) -> Iterator[dict[str, Any]]:
    """All rows, classes by their names. Raises ConfigError."""
    with _parquet(path) as file:
        _names(path, file.schema_arrow)
        classes = _class_names(file.schema_arrow)
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            yield from (_named(record, classes) for record in batch.to_pylist())


def arrow_columns(path: Path) -> list[str]:
    """In the table's order. Raises ConfigError."""
    with _arrow(path) as (schema, _):
        return _names(path, schema)


def arrow_records(path: Path) -> Iterator[dict[str, Any]]:
    """All rows, classes by their names. Raises ConfigError."""
    with _arrow(path) as (schema, batches):
        _names(path, schema)
        classes = _class_names(schema)
        for batch in batches:
            batch.validate(full=True)
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                rows = batch.slice(start, _BATCH_ROWS).to_pylist()
                yield from (_named(record, classes) for record in rows)


@contextmanager
def _opened(path: Path, what: str) -> Iterator[None]:
    """Raises ConfigError for what goes wrong in the block: much is read only then."""
    try:
        from pyarrow.lib import ArrowException
    except ImportError:
        raise ConfigError(f"{path} is {what}, which needs another package", _NEEDS) from None
    try:
        yield
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"cannot read {path} as {what}: {error}", "export it again") from error


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    with _opened(path, "Parquet"):
        import pyarrow.parquet as pq

        with open_file(path) as opened, pq.ParquetFile(opened) as file:
            yield file


@contextmanager
def _arrow(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The schema and the batches, which are not copied: no claim of a size can be beyond the file's own."""
    with _opened(path, "Arrow"):
        import pyarrow as pa
        from pyarrow import ipc

        with open_file(path) as opened:
            # Not closed by hand: batches may outlive this block, and let go of it themselves.
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        source = pa.py_buffer(mapped)
        if mapped[: len(_MAGIC)] == _MAGIC:
            file = ipc.open_file(source)
            yield file.schema, (file.get_batch(at) for at in range(file.num_record_batches))
        else:
            stream = ipc.open_stream(source)
            yield stream.schema, iter(stream)


def _names(path: Path, schema: Any) -> list[str]:
    """The columns. Raises ConfigError where there are too many, or two of one name: of these Python's
    objects would keep one."""
    names = list(schema.names)
    if len(names) > MAX_COLUMNS:
        raise ConfigError(f"{path} has more than {MAX_COLUMNS} columns", "write those that matter")
    _require_distinct(path, names, "the column")
    waiting = [(each.type, each.name, 0) for each in schema]
    while waiting:
        kind, name, depth = waiting.pop()
        if depth > _NESTED_MAX:
            raise ConfigError(
                f"{path}: the column {quoted(name)} nests more than {_NESTED_MAX} deep",
                "write the table without it",
            )
        below = [kind.field(at) for at in range(kind.num_fields)]
        _require_distinct(path, [each.name for each in below], f"in {quoted(name)} the field")
        waiting += [(each.type, name, depth + 1) for each in below]
    return names


def _require_distinct(path: Path, names: list[str], what: str) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(
            f"{path}: {what} {quoted(twice)} is there twice",
            "rename one of them, or write the table without it",
        )


def _named(record: dict[str, Any], classes: Mapping[str, list[str]]) -> dict[str, Any]:
    """The record with the names of classes where it has their numbers."""
    for column, names in classes.items():
        if column in record:
            value = record[column]
            many = isinstance(value, list)
            record[column] = [_name(each, names) for each in value] if many else _name(value, names)
    return record


def _name(value: Any, names: list[str]) -> Any:
    if not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None if value == _NO_LABEL else value


def _class_names(schema: Any) -> dict[str, list[str]]:
    """Names of classes by column, as `datasets` keeps them in the schema's metadata."""
    try:
        kept = load_json((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = kept.get("info", {}).get("features", {})
        found = {column: _feature_names(feature) for column, feature in features.items()}
    except (ValueError, AttributeError):
        return {}
    return {column: names for column, names in found.items() if names}


def _feature_names(feature: Any) -> list[str]:
    """Of one class, or of a list of them, as any version of `datasets` writes it."""
    if isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    elif isinstance(feature, dict) and isinstance(feature.get("feature"), dict):
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []
