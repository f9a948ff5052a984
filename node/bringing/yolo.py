"""Pictures in folders as YOLO has them for classification: SPLIT/CLASS/FILE. Boxes are not taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from node.bringing.folders import walk
from node.drafts import Draft, LeftOut, PartSource
from protocol.errors import ConfigError

SPLITS: Final = frozenset({"train", "val", "valid", "validation", "test"})
_SETTINGS: Final = ("data.yaml", "data.yml", "dataset.yaml")
_DEPTH: Final = 3  # split, class, file


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
                yield Draft(found.name, (PartSource(self.part, found.path),), parts[1])


def class_folders(folder: Path, part: str) -> ClassFolders:
    """The items of such a folder. Raises ConfigError for boxes, which are not taken."""
    if has_boxes(folder) and not classes(folder):
        raise ConfigError(
            f"{folder} holds boxes (YOLO for detection), and boxes are no answers",
            f"submit its pictures without them: name {folder / 'images'}; or pictures in folders that are"
            " called as what they show, with --label-by-folder",
        )
    return ClassFolders(folder, part)


def classes(folder: Path) -> set[str]:
    """The names of the classes, where the folder holds nothing but splits of them; else none."""
    splits = [each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")]
    if not splits or not {each.name for each in splits} <= SPLITS:
        return set()
    return {
        each.name
        for split in splits
        for each in split.iterdir()
        if each.is_dir() and not each.name.startswith(".")
    }


def has_boxes(folder: Path) -> bool:
    """Whether this is YOLO's layout for detection: pictures, and a text of boxes for each."""
    roots = [folder, *(folder / split for split in sorted(SPLITS))]
    has_both = any((root / "images").is_dir() and (root / "labels").is_dir() for root in roots)
    return has_both or any((folder / name).is_file() for name in _SETTINGS)
