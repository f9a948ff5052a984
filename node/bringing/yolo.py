"""Pictures in folders as YOLO has them: for classification SPLIT/CLASS/FILE; for detection pictures below
`images`, and beside them, below `labels`, a text for each with a line for each object:

    CLASS x y width height          the middle of a box and its sides, as fractions of the picture
    CLASS x y x y x y …             an outline

What the classes are called is in data.yaml. <https://docs.ultralytics.com/datasets/detect/>
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote

import yaml

from commonground.lines import is_file, read_text
from node.bringing.boxes import boxes_text
from node.bringing.folders import entries, walk
from node.drafts import Draft, LeftOut, PartSource
from protocol.errors import ConfigError
from protocol.text import quoted

SPLITS: Final = frozenset({"train", "val", "valid", "validation", "test"})
_SETTINGS: Final = ("data.yaml", "data.yml", "dataset.yaml")
_DEPTH: Final = 3  # split, class, file
_IMAGES: Final = "images"
_LABELS: Final = "labels"
_BOX_NUMBERS: Final = 4
_POLYGON_NUMBERS: Final = 6  # three points
MAX_LABELS_BYTES: Final = 1 << 20  # of one picture: beyond what a part of an item may hold of them
MAX_SETTINGS_BYTES: Final = 256 << 10  # 10,000 names of classes
_SETTINGS_DEPTH: Final = 10


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
    """One item for each picture, with what is marked in it; nothing, where it has no text of labels."""

    folder: Path
    part: str
    boxes: str  # the part that takes them
    names: tuple[str, ...]  # of the classes, by number

    def __iter__(self) -> Iterator[Draft | LeftOut]:
        for found in walk(self.folder):
            if isinstance(found, LeftOut):
                yield found
                continue
            parts = PurePosixPath(found.name).parts
            if _IMAGES in parts[:-1]:
                yield self._draft(found.name, found.path, _labels_of(parts))
            elif _LABELS not in parts[:-1] and found.name not in _SETTINGS:
                yield LeftOut(found.name, f"it is in no folder {_IMAGES}")

    def _draft(self, name: str, path: Path, labels: PurePosixPath) -> Draft | LeftOut:
        text = self.folder / labels
        try:
            lines = read_text(text, MAX_LABELS_BYTES).splitlines() if is_file(text) else []
            objects = [_object(line.split(), self.names) for line in lines if line.strip()]
        except (ConfigError, ValueError) as problem:
            return LeftOut(name, f"{labels}: {problem}")
        boxes = PartSource(self.boxes, None, boxes_text(objects))
        return Draft(name, (PartSource(self.part, path), boxes))


def names_in(folder: Path) -> tuple[str, ...]:
    """What the classes are called. Raises ConfigError."""
    path = next((folder / name for name in _SETTINGS if is_file(folder / name)), None)
    if path is None:
        raise ConfigError(f"{folder} has no data.yaml, which names the classes", "export it again")
    try:
        found = _settings(read_text(path, MAX_SETTINGS_BYTES))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is no YAML", "export it again") from error
    names = found.get("names") if isinstance(found, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names or len(set(map(str, names))) != len(names):
        raise ConfigError(f"{path} does not name each class once: names: [cat, dog]", "correct it")
    return tuple(map(str, names))


def _settings(text: str) -> Any:
    """What YAML says. Raises ValueError for what nests deep, for which its reader takes minutes."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _SETTINGS_DEPTH:
            raise ValueError("it nests too deep")
    return yaml.safe_load(text)


def _labels_of(parts: tuple[str, ...]) -> PurePosixPath:
    """Where the labels of a picture are: as it is, but for the last folder called `images`."""
    at = len(parts) - 2 - parts[-2::-1].index(_IMAGES)
    return PurePosixPath(*parts[:at], _LABELS, *parts[at + 1 :]).with_suffix(".txt")


def _object(fields: list[str], names: tuple[str, ...]) -> dict[str, Any]:
    """Raises ValueError for what is no line of labels."""
    label, *rest = fields
    if not (label.isascii() and label.isdigit()) or not int(label) < len(names):
        raise ValueError(f"{quoted(label)} is no class of data.yaml")
    try:
        numbers = [Decimal(each) for each in rest]
    except InvalidOperation:
        numbers = []
    if not numbers or not all(each.is_finite() for each in numbers):
        raise ValueError("a line holds what is no number")
    made: dict[str, Any] = {"label": names[int(label)]}
    if len(numbers) == _BOX_NUMBERS:
        x, y, width, height = numbers  # exact in decimals: the way back gives the same digits
        return made | {"box": list(map(float, (x - width / 2, y - height / 2, width, height)))}
    if len(numbers) < _POLYGON_NUMBERS or len(numbers) % 2:
        raise ValueError("a line has a class and 4 numbers, or the points of an outline")
    left, top = min(numbers[::2]), min(numbers[1::2])
    box = (left, top, max(numbers[::2]) - left, max(numbers[1::2]) - top)
    return made | {"box": list(map(float, box)), "outline": [list(map(float, numbers))]}


def class_folders(folder: Path, part: str) -> ClassFolders:
    """The items of such a folder. Raises ConfigError for boxes, which are not taken."""
    if has_boxes(folder) and not classes(folder):
        raise ConfigError(
            f"{folder} holds boxes (YOLO for detection), and boxes are no answers",
            f"submit its pictures without them: name {folder / 'images'}; or to a campaign that judges boxes",
        )
    return ClassFolders(folder, part)


def classes(folder: Path) -> set[str]:
    """The names of the classes, where the folder holds nothing but splits of them; else none."""
    splits = [
        each for each in entries(folder) if os.path.isdir(each) and not each.name.startswith(".")
    ]
    if not splits or not {each.name for each in splits} <= SPLITS:
        return set()
    return {
        each.name
        for split in splits
        for each in entries(split)
        if os.path.isdir(each) and not each.name.startswith(".")
    }


def has_boxes(folder: Path) -> bool:
    """Whether this is YOLO's layout for detection: pictures, and a text of boxes for each."""
    roots = [folder, *(folder / split for split in sorted(SPLITS))]
    has_both = any(
        os.path.isdir(root / "images") and os.path.isdir(root / "labels") for root in roots
    )
    return has_both or any(os.path.isfile(folder / name) for name in _SETTINGS)
