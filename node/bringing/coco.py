"""COCO's annotations, read as a table: a row for each picture, with the category that it shows.

Where a picture lies is not said by COCO: it is looked for where the usual tools put it. Boxes and outlines
are read where the campaign has a part for them; where it wants one answer instead, a picture with several
categories has none, and is left out. So is a picture with an annotation that cannot be read: with fewer
objects than it has it would be a wrong example.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from commonground.counting import plural
from commonground.lines import is_file
from commonground.tables import MAX_ROWS, Cell, Row, Rows, read_json
from node.bringing.boxes import boxes_text
from node.bringing.folders import walk
from node.bringing.rows import TableItems, spellings
from node.drafts import Draft, LeftOut
from protocol.errors import ConfigError
from protocol.text import quoted

FILE: Final = "file_name"
_ANNOTATIONS: Final = "annotations"
_BESIDE: Final = "_annotations.coco.json"  # among the pictures of a split
_KINDS: Final = ("instances", "labels")  # of files: objects, or categories of whole pictures
_PLACES: Final = ("", "images", "data")
# Of an annotation: what is read, and what follows from it.
_READ: Final = frozenset({"id", "image_id", "category_id", "bbox", "segmentation", "iscrowd"})
_FOLLOWS: Final = frozenset({"area", "num_keypoints"})
_FIELDS_SHOWN: Final = 5  # of those that are not read


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
        for row, _ in self._marked_rows(self._document()):
            yield row

    def unread(self) -> Counter[str]:
        """What annotations of pictures that are submitted have besides, and how many. Raises ConfigError."""
        found: Counter[str] = Counter()
        for row, marks in self._marked_rows(self._document()):
            if not row.problem:
                found.update(name for each in marks for name in _besides(each))
        return found

    def strays(self, file: str) -> Iterator[LeftOut]:
        """The annotations of no picture, in a `file` of this name. Raises ConfigError."""
        if not self._is_marked:
            return
        document = self._document()
        if document.unplaced:
            counted = plural(document.unplaced, "annotation")
            yield LeftOut(file, f"{counted} in it: of no image")
        missing = [key for key in document.marks if key not in document.images_by_id]
        if len(missing) > MAX_ROWS:
            raise ConfigError(
                f"{self.path} has annotations of more than {MAX_ROWS:,} images that it does not list",
                "export it again",
            )
        for key in missing:
            counted = plural(len(document.marks[key]), "annotation is", "annotations are")
            name = f"{file}: image {quoted(str(key))}"
            yield LeftOut(name, f"{counted} of it, and the file lists no such image")

    def files(self) -> set[Path]:
        """Itself, and the pictures that it names. Raises ConfigError."""
        rows = self._marked_rows(self._document())
        names = (row.cells.get(FILE) for row, _ in rows)
        return {self.path} | {self.folder / each for each in names if isinstance(each, str)}

    @property
    def _is_marked(self) -> bool:
        """Whether anything is taken but the pictures."""
        return bool(self.answer or self.boxes)

    def _document(self) -> _Document:
        found = read_json(self.path)
        if not is_coco(found):
            raise ConfigError(
                f"{self.path} is no COCO file", "it has the lists images, annotations, categories"
            )
        return _Document.of(found)

    def _marked_rows(self, document: _Document) -> Iterator[tuple[Row, list[dict[str, Any]]]]:
        for number, image in enumerate(document.images, start=1):
            if not isinstance(image, dict) or not isinstance(image.get(FILE), str):
                yield Row(number, {}, "it names no file"), []
                continue
            cells: dict[str, Cell] = {FILE: self._find(image[FILE])}
            try:
                annotations = document.annotations_of(image) if self._is_marked else []
                cells |= self._cells(image, document, annotations)
            except ValueError as problem:
                yield Row(number, cells, f"{quoted(image[FILE])}: {problem}"), []
            else:
                yield Row(number, cells), annotations

    def _cells(
        self, image: dict[str, Any], document: _Document, annotations: list[dict[str, Any]]
    ) -> dict[str, Cell]:
        """What it shows. Raises ValueError for what would be lost."""
        cells: dict[str, Cell] = {}
        labels = [document.category_of(each) for each in annotations]
        if self.answer:
            categories = sorted(set(labels))
            if len(categories) > 1:
                listed = ", ".join(map(quoted, categories))
                raise ValueError(f"it shows {listed}, and an item has one answer")
            cells[self.answer] = "".join(categories)
        if self.boxes:
            objects = [_object(*each) for each in zip(labels, annotations, strict=True)]
            cells[self.boxes] = boxes_text(objects, (image.get("width"), image.get("height")))
        return cells

    def _find(self, name: str) -> str:
        split = self.path.stem.rpartition("_")[2]  # instances_train2017.json
        for spelt in spellings(name):
            for place in (*_PLACES, split, f"images/{split}"):
                if is_file(self.folder / place / spelt):
                    return f"{place}/{spelt}" if place else spelt
        return name


@dataclass(frozen=True, slots=True)
class _Document:
    """A COCO file."""

    images: list[Any]
    unplaced: int  # annotations that say of no image
    images_by_id: Counter[Any]  # how many have an id
    names: dict[Any, set[str]]  # of the categories: by id, one where the file is right
    marks: dict[Any, list[dict[str, Any]]]  # annotations by the id of their image

    @classmethod
    def of(cls, found: dict[str, Any]) -> _Document:
        names: dict[Any, set[str]] = defaultdict(set)
        for each in _dicts(found["categories"]):
            if isinstance(each.get("name"), int | str) and each["name"] != "":
                names[_key(each.get("id"))].add(str(each["name"]))
        marks: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for each in _dicts(found["annotations"]):
            key = _key(each.get("image_id"))
            if key is not None:
                marks[key].append(each)
        ids = Counter(_key(each.get("id")) for each in _dicts(found["images"]))
        placed = sum(map(len, marks.values()))
        return cls(found["images"], len(found["annotations"]) - placed, ids, names, marks)

    def annotations_of(self, image: dict[str, Any]) -> list[dict[str, Any]]:
        """Raises ValueError where nobody can say which are of it."""
        key = _key(image.get("id"))
        if key is None:
            raise ValueError("it has no id, by which annotations would name it")
        if self.images_by_id[key] > 1:
            raise ValueError(f"another image has its id, {quoted(str(key))}")
        return self.marks.get(key, [])

    def category_of(self, annotation: dict[str, Any]) -> str:
        """Its name. Raises ValueError where there is none, or more than one."""
        number = annotation.get("category_id")
        names = self.names.get(_key(number), set()) if _key(number) is not None else set()
        if len(names) != 1:
            said = "does not name" if not names else "names twice"
            what = quoted(str(number)) if _key(number) is not None else "none"
            raise ValueError(f"an annotation has the category {what}, which the file {said}")
        return next(iter(names))


@dataclass(frozen=True, slots=True)
class Annotated:
    """The pictures of all COCO files that were found; and what else is said or there, left out."""

    folder: Path | None  # that was named, if no file was
    tables: Sequence[tuple[Pictures, TableItems]]

    def __iter__(self) -> Iterator[Draft | LeftOut]:
        for pictures, items in self.tables:
            yield from items
            yield from pictures.strays(items.name)
        if self.folder is None:  # whoever named a file spoke of nothing beside it
            return
        listed = set[Path]().union(*(pictures.files() for pictures, _ in self.tables))
        for found in walk(self.folder):
            if isinstance(found, LeftOut):
                yield found
            elif found.path not in listed:
                yield LeftOut(found.name, "no image of the annotations names it")


def notes_of(tables: Sequence[Pictures]) -> list[str]:
    """What is said of annotations that are not read whole. Raises ConfigError."""
    notes = []
    if any(each.answer for each in tables):
        notes.append(
            "of COCO only which category a picture shows is read, no boxes and no outlines"
        )
    elif not any(each.boxes for each in tables):
        notes.append("of COCO only the pictures are read, and nothing that is said of them")
    found = sum((each.unread() for each in tables), Counter[str]())
    if found:
        listed = [
            f"{quoted(name)} of {plural(count, 'annotation')}"
            for name, count in found.most_common(_FIELDS_SHOWN)
        ]
        more = len(found) - _FIELDS_SHOWN
        also = [f"{plural(more, 'field')} more"] if more > 0 else []
        notes.append(f"not read, and left out: {', '.join(listed + also)}")
    return notes


def files_in(folder: Path) -> list[Path]:
    """The files of annotations in a folder, where the usual tools put them."""
    beside = [*folder.glob(f"*/{_BESIDE}"), *folder.glob(_BESIDE)]
    apart = (sorted(folder.glob(f"{_ANNOTATIONS}/{each}_*.json")) for each in _KINDS)
    return sorted(beside) or next(filter(None, apart), [])


def is_coco(found: Any) -> bool:
    """Whether a document is COCO's."""
    names = ("images", "annotations", "categories")
    return isinstance(found, dict) and all(isinstance(found.get(name), list) for name in names)


def _object(category: str, annotation: dict[str, Any]) -> dict[str, Any]:
    """An annotation as an object of boxes. Raises ValueError for what would be lost."""
    outline = annotation.get("segmentation") or []
    if annotation.get("iscrowd") or not isinstance(outline, list):
        raise ValueError(
            "an outline is coded by runs, or a box stands for a crowd; neither is taken"
        )
    made = {"label": category, "box": annotation.get("bbox")}
    return made | ({"outline": outline} if outline else {})


def _besides(annotation: dict[str, Any]) -> Iterator[str]:
    """The fields that say something and are not read: none are zeros, or an empty list."""
    for name, value in annotation.items():
        says = any(value) if isinstance(value, list) else bool(value)
        if says and name not in _READ | _FOLLOWS:
            yield name


def _dicts(found: list[Any]) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)]


def _key(found: Any) -> Any:
    """An id, which is a number or a text; whatever else is there is none."""
    return found if isinstance(found, int | float | str) else None
