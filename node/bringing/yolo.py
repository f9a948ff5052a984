"""Pictures in folders as YOLO has them: for classification SPLIT/CLASS/FILE; for detection pictures below
`images`, and beside them, below `labels`, a text for each with a line for each object; or, as darknet has
it, each picture's text beside it:

    CLASS x y width height          the middle of a box and its sides, as fractions of the picture
    CLASS x y width height x y …    the same with the points of a pose, which are not taken
    CLASS x y x y x y …             an outline; of four points, a box that is turned

What the classes are called, and whether lines are poses: yolo_classes.py.
<https://docs.ultralytics.com/datasets/detect/>
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias
from unicodedata import normalize
from urllib.parse import unquote

from commonground.counting import plural
from commonground.lines import read_text
from node.bringing.boxes import boxes_text
from node.bringing.folders import entries, walk
from node.bringing.yolo_classes import CLASSES, Classes, has_classes
from node.drafts import Draft, LeftOut, PartSource
from protocol.errors import ConfigError
from protocol.text import quoted

SPLITS: Final = frozenset({"train", "val", "valid", "validation", "test"})
_DEPTH: Final = 3  # split, class, file
_IMAGES: Final = "images"
_LABELS: Final = "labels"
_TEXT: Final = ".txt"
_BOX_NUMBERS: Final = 4
_POLYGON_NUMBERS: Final = 6  # three points
_FRACTION_MAX: Final = (
    1_000  # of the picture: what is not far beyond can be computed with, and refused
)
MAX_LABELS_BYTES: Final = 1 << 20  # of one picture: beyond what a part of an item may hold of them
_Picture: TypeAlias = tuple[PurePosixPath, list[dict[str, Any]]]
"""Where it lies in the folder, and its objects."""


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """One item for each file below SPLIT/CLASS; its answer is CLASS."""

    folder: Path
    part: str

    def __iter__(self) -> Iterator[Draft | LeftOut]:
        for found in walk(self.folder):
            if isinstance(found, LeftOut):
                yield found
                continue
            parts = PurePosixPath(found.name).parts
            if len(parts) < _DEPTH or parts[0] not in SPLITS:
                yield LeftOut(found.name, "it is not in a folder SPLIT/CLASS, as train/cat")
            else:
                label = unquote(parts[1])  # as exports spell what no file system takes
                yield Draft(found.name, (PartSource(self.part, found.path),), label)


@dataclass(frozen=True, slots=True)
class Marked:
    """One item for each picture, with what is marked in it; nothing, where it lies below `images` and has no
    text of labels. Texts of no picture, and whatever else is there, are left out."""

    folder: Path
    part: str
    boxes: str  # the part that takes them
    classes: Classes

    def __iter__(self) -> Iterator[Draft | LeftOut]:
        for found in self._read():
            if isinstance(found, LeftOut):
                yield found
            else:
                picture, objects = found
                boxes = PartSource(self.boxes, None, boxes_text(objects))
                parts = (PartSource(self.part, self.folder / picture), boxes)
                yield Draft(str(picture), parts)

    def notes(self) -> list[str]:
        """What is said of objects that are not taken whole."""
        if not self.classes.pose_numbers:
            return []
        count = sum(len(found[1]) for found in self._read() if not isinstance(found, LeftOut))
        return [f"the points of {plural(count, 'pose')} are not taken, only the boxes round them"]

    def _read(self) -> Iterator[_Picture | LeftOut]:
        layout = _Layout()
        for found in walk(self.folder):
            if isinstance(found, LeftOut):
                layout.unread[PurePosixPath(found.name)] = found.reason
                yield found
            elif found.path != self.classes.path:
                layout.add(PurePosixPath(found.name))
        texts = layout.lost()
        for text in texts:
            yield LeftOut(str(text), "it is a text, and no picture is called as it is")
        lost = {_plain(text): text for text in texts}
        for picture in layout.pictures:
            yield self._picture(picture, layout, lost)

    def _picture(
        self, picture: PurePosixPath, layout: _Layout, lost: dict[str, PurePosixPath]
    ) -> _Picture | LeftOut:
        name, texts = str(picture), layout.texts_of(picture)
        problem = ""
        if len(texts) > 1:
            problem = f"both {texts[0]} and {texts[1]} may be its labels"
        elif not texts and _IMAGES not in picture.parts[:-1]:
            problem = f"it is in no folder {_IMAGES}, and no text of labels is beside it"
        elif not texts:
            problem = layout.hindrance(picture)
            if not problem and _plain(picture) in lost:
                problem = (
                    f"its labels may be {lost[_plain(picture)]}, which is not where they belong"
                )
        if problem:
            return LeftOut(name, problem)
        try:
            return picture, [each for text in texts for each in self._objects(text)]
        except (ConfigError, ValueError) as error:
            return LeftOut(name, f"{texts[0]}: {error}")

    def _objects(self, text: PurePosixPath) -> list[dict[str, Any]]:
        lines = read_text(self.folder / text, MAX_LABELS_BYTES).splitlines()
        return [_object(line.split(), self.classes) for line in lines if line.strip()]


@dataclass(slots=True)
class _Layout:
    """Which files a folder has, by their paths in it."""

    pictures: list[PurePosixPath] = field(default_factory=list)  # and whatever else is no text
    texts: dict[str, list[PurePosixPath]] = field(default_factory=lambda: defaultdict(list))
    unread: dict[PurePosixPath, str] = field(default_factory=dict)  # and why

    def add(self, path: PurePosixPath) -> None:
        """A file that can be read."""
        if path.suffix.lower() == _TEXT:
            self.texts[normalize("NFC", str(path)[: -len(_TEXT)])].append(path)
        else:
            self.pictures.append(path)

    def texts_of(self, picture: PurePosixPath) -> list[PurePosixPath]:
        """The labels of a picture: one text, if all is right."""
        keys = dict.fromkeys(
            key for place in _places(picture) for key in (str(place.with_suffix("")), str(place))
        )
        return [text for key in keys for text in self.texts.get(normalize("NFC", key), ())]

    def lost(self) -> list[PurePosixPath]:
        """The texts of no picture."""
        used = {text for each in self.pictures for text in self.texts_of(each)}
        return [text for texts in self.texts.values() for text in texts if text not in used]

    def hindrance(self, picture: PurePosixPath) -> str:
        """Why nobody can say that a picture has no labels, or nothing."""
        for place in _places(picture):
            text = place.with_suffix(_TEXT)
            for each in (text, *text.parents):
                if each in self.unread:
                    return f"its labels may be in {each}: {self.unread[each]}"
        return ""


def _plain(path: PurePosixPath) -> str:
    """The name of a file as far as a person would say that two are called alike."""
    return normalize("NFC", path.stem).casefold()


def _places(picture: PurePosixPath) -> list[PurePosixPath]:
    """Where the labels of a picture may be, but for how their names end: below `labels` as it is below the
    last folder called `images`, or beside it."""
    parts = picture.parts
    if _IMAGES not in parts[:-1]:
        return [picture]
    at = len(parts) - 2 - parts[-2::-1].index(_IMAGES)
    return [PurePosixPath(*parts[:at], _LABELS, *parts[at + 1 :]), picture]


def _object(fields: list[str], classes: Classes) -> dict[str, Any]:
    """Raises ValueError for what is no line of labels."""
    label, *rest = fields
    number = int(label) if label.isascii() and label.isdigit() else -1
    if number not in classes.names:
        raise ValueError(f"{quoted(label)} is no class of {classes.path.name}")
    try:
        numbers = [Decimal(each) for each in rest]
    except InvalidOperation:
        numbers = []
    if not numbers or not all(each.is_finite() for each in numbers):
        raise ValueError("a line holds what is no number")
    if not all(-_FRACTION_MAX <= each <= _FRACTION_MAX for each in numbers):
        raise ValueError("a line holds what is no fraction of the picture")
    made: dict[str, Any] = {"label": classes.names[number]}
    if classes.pose_numbers:
        numbers = _box_of_pose(numbers, classes)
    if len(numbers) == _BOX_NUMBERS:
        x, y, width, height = numbers  # exact in decimals: the way back gives the same digits
        return made | {"box": list(map(float, (x - width / 2, y - height / 2, width, height)))}
    if len(numbers) < _POLYGON_NUMBERS or len(numbers) % 2:
        raise ValueError(
            f"a line has {len(numbers)} numbers after its class, and a box has 4, an outline two for each"
            " of its points; confidences and numbers of tracks are not taken"
        )
    left, top = min(numbers[::2]), min(numbers[1::2])
    box = (left, top, max(numbers[::2]) - left, max(numbers[1::2]) - top)
    return made | {"box": list(map(float, box)), "outline": [list(map(float, numbers))]}


def _box_of_pose(numbers: list[Decimal], classes: Classes) -> list[Decimal]:
    """Raises ValueError for a line that is no pose."""
    wanted = _BOX_NUMBERS + classes.pose_numbers
    if len(numbers) != wanted:
        raise ValueError(
            f"a line has {len(numbers)} numbers after its class, and by kpt_shape in {classes.path.name} it"
            f" has {wanted}"
        )
    return numbers[:_BOX_NUMBERS]


def class_folders(folder: Path, part: str) -> ClassFolders:
    """The items of such a folder. Raises ConfigError for boxes, which are not taken."""
    if has_boxes(folder) and not classes(folder):
        pictures = folder / _IMAGES
        without = f"name {pictures}" if os.path.isdir(pictures) else "add --format files"
        raise ConfigError(
            f"{folder} holds boxes (YOLO for detection), and boxes are no answers",
            f"submit its pictures without them: {without}; or to a campaign that judges boxes",
        )
    return ClassFolders(folder, part)


def classes(folder: Path) -> set[str]:
    """The names of the classes, where the folder holds nothing but splits of them; else none."""
    splits = _folders(folder)
    if not splits or not {each.name for each in splits} <= SPLITS:
        return set()
    if any(map(_has_both, splits)):
        return set()
    return {each.name for split in splits for each in _folders(split)}


def has_boxes(folder: Path) -> bool:
    """Whether this is YOLO's layout for detection: pictures, and a text of boxes for each."""
    if has_classes(folder) or any(map(_has_both, (folder, *(folder / each for each in SPLITS)))):
        return True
    # Texts beside pictures may be anything, but not where the names of classes are, too.
    return os.path.isfile(folder / CLASSES) and any(map(_has_pairs, (folder, *_folders(folder))))


def _folders(folder: Path) -> list[Path]:
    return [
        each for each in entries(folder) if os.path.isdir(each) and not each.name.startswith(".")
    ]


def _has_both(folder: Path) -> bool:
    return os.path.isdir(folder / _IMAGES) and os.path.isdir(folder / _LABELS)


def _has_pairs(folder: Path) -> bool:
    """Whether a text is called as another file is."""
    files = entries(folder)
    texts = {each.stem for each in files if each.suffix.lower() == _TEXT}
    return any(each.stem in texts for each in files if each.suffix.lower() != _TEXT)
