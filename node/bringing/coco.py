"""COCO's annotations, read as a table: a row for each picture, with the category that it shows.

Where a picture lies is not said by COCO: it is looked for where the usual tools put it. Boxes and outlines
are not read; a picture with several categories has no one answer, and is left out where one is wanted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from node.bringing.tables import Row, Rows, read_json
from node.bringing.text import is_file
from protocol.errors import ConfigError
from protocol.text import quoted

FILE: Final = "file_name"
_ANNOTATIONS: Final = "annotations"
_BESIDE: Final = "_annotations.coco.json"  # among the pictures of a split
_PLACES: Final = ("", "images", "data")


@dataclass(frozen=True, slots=True)
class Pictures(Rows):
    """The pictures of a COCO file."""

    answer: str  # the column that categories are in; empty: they are not read

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
        shown = _shown(found)
        for number, image in enumerate(found["images"], start=1):
            yield self._row(number, image, shown)

    def _row(self, number: int, image: Any, shown: dict[Any, set[str]]) -> Row:
        if not isinstance(image, dict) or not isinstance(image.get(FILE), str):
            return Row(number, {}, "it names no file")
        name = image[FILE]
        categories = sorted(shown.get(_key(image.get("id")), set()))
        if self.answer and len(categories) > 1:
            listed = ", ".join(map(quoted, categories))
            return Row(number, {}, f"{quoted(name)} shows {listed}, and an item has one answer")
        cells = {FILE: self._find(name)}
        return Row(number, cells | ({self.answer: "".join(categories)} if self.answer else {}))

    def _find(self, name: str) -> str:
        split = self.path.stem.rpartition("_")[2]  # instances_train2017.json
        for place in (*_PLACES, split, f"images/{split}"):
            if is_file(self.folder / place / name):
                return f"{place}/{name}" if place else name
        return name


def files_in(folder: Path) -> list[Path]:
    """The files of annotations in a folder, where the usual tools put them."""
    beside = [*folder.glob(f"*/{_BESIDE}"), *folder.glob(_BESIDE)]
    return sorted(beside) or sorted(folder.glob(f"{_ANNOTATIONS}/instances_*.json"))


def is_coco(found: Any) -> bool:
    """Whether a document is COCO's."""
    names = ("images", "annotations", "categories")
    return isinstance(found, dict) and all(isinstance(found.get(name), list) for name in names)


def _shown(found: dict[str, Any]) -> dict[Any, set[str]]:
    """Names of categories by picture."""
    names = {
        _key(each.get("id")): str(each.get("name", ""))
        for each in found["categories"]
        if isinstance(each, dict)
    }
    shown: dict[Any, set[str]] = defaultdict(set)
    for each in found["annotations"]:
        if isinstance(each, dict) and _key(each.get("category_id")) in names:
            shown[_key(each.get("image_id"))].add(names[_key(each.get("category_id"))])
    return shown


def _key(found: Any) -> Any:
    """An id, which is a number or a text; whatever else is there is none."""
    return found if isinstance(found, int | str) else None
