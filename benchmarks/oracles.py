"""What other people's tools read in a folder of theirs: the oracles of `benchmarks.round_trip`.

    python benchmarks/oracles.py ORACLE FOLDER

Prints JSON: for each item, sorted, the SHA-256 of its content, and what it is annotated with. It runs in an
environment of its own (`make round-trip`), where nothing of this project is installed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

Found = Iterator[tuple[str, list[Any]]]
_DIGITS: Final = 6  # of a place in a picture, in pixels: tools keep no more
_READERS: Final = {
    ".csv": "read_csv(?, header=true, all_varchar=true)",
    ".jsonl": "read_json(?, format='newline_delimited')",
    ".parquet": "read_parquet(?)",
}


def _hash(content: bytes | str) -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    return hashlib.sha256(raw).hexdigest()


def read_duckdb(folder: Path) -> Found:
    """Tables of texts, by DuckDB: each with its answer."""
    import duckdb

    [table] = [each for each in folder.iterdir() if each.suffix in _READERS]
    query = f"SELECT text, answer FROM {_READERS[table.suffix]}"
    for text, answer in duckdb.execute(query, [str(table)]).fetchall():
        yield _hash(text), [answer]


def read_label_studio(folder: Path) -> Found:
    """Texts of tasks, with the answer that is the truth, or all have."""
    for task in _valid_tasks(folder):
        given = task["annotations"]
        decided = [each for each in given if each.get("ground_truth")] or given
        choices = {json.dumps(_chosen(each["result"])) for each in decided}
        yield _hash(task["data"]["text"]), sorted(choices)


def read_label_studio_pictures(folder: Path) -> Found:
    """Pictures of tasks: what is marked in them is a text in our copies."""
    for task in _valid_tasks(folder):
        name = unquote(task["data"]["image"])
        served, uploaded = name.partition("?d=")[2], name.partition("-")[2]
        yield _hash((folder / (served or f"images/{uploaded}")).read_bytes()), []


def _valid_tasks(folder: Path) -> Iterator[dict[str, Any]]:
    """Those that its SDK finds valid under config.xml."""
    from label_studio_sdk.label_interface import LabelInterface

    setup = LabelInterface((folder / "config.xml").read_text())
    for task in json.loads((folder / "tasks.json").read_text()):
        if not setup.validate_task({"data": task["data"]}):
            raise ValueError("a task is not valid")
        if not all(
            setup.validate_annotation(each) for each in task["annotations"] if each["result"]
        ):
            raise ValueError("an annotation is not valid")
        yield task


def _chosen(results: list[Any]) -> list[str]:
    """Nothing, where nothing is chosen: of that there may be a result, or none."""
    return [choice for each in results for choice in each["value"]["choices"]]


def read_datumaro(importer: str) -> Callable[[Path], Found]:
    """Pictures with labels, boxes and polygons, by Datumaro."""

    def read(folder: Path) -> Found:
        import datumaro

        found = datumaro.Dataset.import_from(str(folder), importer)
        names = [each.name for each in found.categories()[datumaro.AnnotationType.label]]
        for item in found:
            marks = [_mark(each, names) for each in item.annotations]
            yield _hash(Path(item.media.path).read_bytes()), sorted(filter(None, marks))

    return read


def _mark(found: Any, names: list[str]) -> list[Any] | None:
    kind = found.type.name
    if kind == "label":
        return [kind, unquote(names[found.label])]
    numbers = found.get_bbox() if kind == "bbox" else found.points
    return [kind, names[found.label], *(round(float(each), _DIGITS) for each in numbers)]


ORACLES: Final[dict[str, Callable[[Path], Found]]] = {
    "duckdb": read_duckdb,
    "label-studio": read_label_studio,
    "label-studio tags": read_label_studio,
    "label-studio boxes": read_label_studio_pictures,
    "coco labels": read_datumaro("coco_labels"),
    "coco boxes": read_datumaro("coco_instances"),
    "yolo labels": read_datumaro("imagenet_with_subset_dirs"),
    "yolo boxes": read_datumaro("yolo"),
}


if __name__ == "__main__":
    _, name, place = sys.argv
    print(json.dumps(sorted(ORACLES[name](Path(place)))))
