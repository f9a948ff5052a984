"""COCO's annotations, read as a table: a row for each picture, with the category that it shows.

Where a picture lies is not said by COCO: it is looked for where the usual tools put it. Boxes and outlines
are read where the campaign has a part for them; where it wants one answer instead, a picture with several
categories has none, and is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from commonground.lines import is_file
from commonground.tables import Cell, Row, Rows, read_json
from node.bringing.boxes import boxes_text
from protocol.errors import ConfigError
from protocol.text import quoted

FILE: Final = "file_name"
_ANNOTATIONS: Final = "annotations"
_BESIDE: Final = "_annotations.coco.json"  # among the pictures of a split
_KINDS: Final = ("instances", "labels")  # of files: objects, or categories of whole pictures
_PLACES: Final = ("", "images", "data")
_Mark: TypeAlias = tuple[str, dict[str, Any]]
"""The name of a category, and the annotation that says it."""


@dataclass(frozen=True, slots=True)
class Pictures(Rows):
    """The pictures of a COCO file."""

    answer: str  # the column that categories are in; empty: they are not read
    boxes: str = ""  # the column that boxes are in; empty: they are not read

    @property
    def folder(self) -> Path:
        """The annotations have a folder of their own beside that of the pictures, or are among them."""
        folder = self.path.parent
        return folder.parent if folder.name == _ANNOTATIONS else folder

    def read(self) -> Iterator[Row]:
        """A row for each picture. Raises ConfigError."""
        found = read_json(self.path)
        if not is_coco(found):
            raise ConfigError(
                f"{self.path} is no COCO file", "it has the lists images, annotations, categories"
            )
        marked = _marked(found)
        for number, image in enumerate(found["images"], start=1):
            yield self._row(number, image, marked)

    def _row(self, number: int, image: Any, marked: dict[Any, list[_Mark]]) -> Row:
        if not isinstance(image, dict) or not isinstance(image.get(FILE), str):
            return Row(number, {}, "it names no file")
        name = image[FILE]
        marks = marked.get(_key(image.get("id")), [])
        cells: dict[str, Cell] = {FILE: self._find(name)}
        if self.answer:
            categories = sorted({category for category, _ in marks})
            if len(categories) > 1:
                listed = ", ".join(map(quoted, categories))
                return Row(number, {}, f"{quoted(name)} shows {listed}, and an item has one answer")
            cells[self.answer] = "".join(categories)
        if self.boxes:
            try:
                objects = [_object(category, annotation) for category, annotation in marks]
            except ValueError as problem:
                return Row(number, {}, f"{quoted(name)}: {problem}")
            cells[self.boxes] = boxes_text(objects, (image.get("width"), image.get("height")))
        return Row(number, cells)

    def _find(self, name: str) -> str:
        split = self.path.stem.rpartition("_")[2]  # instances_train2017.json
        for place in (*_PLACES, split, f"images/{split}"):
            if is_file(self.folder / place / name):
                return f"{place}/{name}" if place else name
        return name


def files_in(folder: Path) -> list[Path]:
    """The files of annotations in a folder, where the usual tools put them."""
    beside = [*folder.glob(f"*/{_BESIDE}"), *folder.glob(_BESIDE)]
    apart = (sorted(folder.glob(f"{_ANNOTATIONS}/{each}_*.json")) for each in _KINDS)
    return sorted(beside) or next(filter(None, apart), [])


def is_coco(found: Any) -> bool:
    """Whether a document is COCO's."""
    names = ("images", "annotations", "categories")
    return isinstance(found, dict) and all(isinstance(found.get(name), list) for name in names)


def _marked(found: dict[str, Any]) -> dict[Any, list[_Mark]]:
    """The annotations by picture, each with the name of its category."""
    names = {
        _key(each.get("id")): str(each.get("name", ""))
        for each in found["categories"]
        if isinstance(each, dict)
    }
    marked: dict[Any, list[_Mark]] = defaultdict(list)
    for each in found["annotations"]:
        if isinstance(each, dict) and _key(each.get("category_id")) in names:
            marked[_key(each.get("image_id"))].append((names[_key(each.get("category_id"))], each))
    return marked


def _object(category: str, annotation: dict[str, Any]) -> dict[str, Any]:
    """An annotation as an object of boxes. Raises ValueError for what would be lost."""
    outline = annotation.get("segmentation") or []
    if annotation.get("iscrowd") or not isinstance(outline, list):
        raise ValueError(
            "an outline is coded by runs, or a box stands for a crowd; neither is taken"
        )
    made = {"label": category, "box": annotation.get("bbox")}
    return made | ({"outline": outline} if outline else {})


def _key(found: Any) -> Any:
    """An id, which is a number or a text; whatever else is there is none."""
    return found if isinstance(found, int | str) else None
