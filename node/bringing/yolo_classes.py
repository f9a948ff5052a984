"""What the classes of YOLO's labels are called: in a file at the top of the folder, whichever tool wrote it.

    data.yaml, or YAML of another name    names: [cat, dog], or names: {0: cat, 1: dog}
    classes.txt, obj.names                a name on each line

Poses have more in YAML: `kpt_shape: [17, 3]` says that a line has 17 points of 3 numbers after its box.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from commonground.lines import is_file, read_text
from node.bringing.folders import entries
from protocol.errors import ConfigError

SETTINGS: Final = ("data.yaml", "data.yml", "dataset.yaml")
_YAML: Final = (".yaml", ".yml")
CLASSES: Final = "classes.txt"
NAMES: Final = ".names"  # what darknet calls them
_LABELS: Final = "labels"  # the folder where some tools keep classes.txt
MAX_SETTINGS_BYTES: Final = 256 << 10  # 10,000 names of classes
_FILES_MAX: Final = 20  # that may name classes: each is read
_SETTINGS_DEPTH: Final = 10
_NUMBER_CHARS_MAX: Final = 6  # of a class, or of the points of a pose
_SHAPE_NUMBERS: Final = 2  # points, and numbers of each
_PER_POINT: Final = (2, 3)  # x and y, and whether it can be seen


@dataclass(frozen=True, slots=True)
class Classes:
    """The names of classes by number, and where they stand."""

    path: Path
    names: dict[int, str]
    pose_numbers: int = 0  # after the box of each object; 0: these are no poses

    def agrees(self, other: Classes) -> bool:
        """Whether two files say the same, as far as both can say it."""
        poses = {each.pose_numbers for each in (self, other) if each.path.suffix.lower() in _YAML}
        return self.names == other.names and len(poses) < 2


def read_classes(folder: Path) -> Classes:
    """Raises ConfigError where nothing names them, or files contradict each other."""
    found = list(_found(folder))
    if not found:
        raise ConfigError(
            f"{folder} has no data.yaml, no other YAML with names, no {CLASSES} and no obj{NAMES}: nothing"
            " names the classes",
            f"write their names into {CLASSES}, one on each line, the class 0 first",
        )
    for other in found[1:]:
        if not found[0].agrees(other):
            raise ConfigError(
                f"{found[0].path} and {other.path} name the classes differently",
                "keep the one that is right, and take the other out of the folder",
            )
    return found[0]


def has_classes(folder: Path) -> bool:
    """Whether a folder has a file that is there for nothing but names of classes."""
    return any(is_file(folder / name) for name in SETTINGS) or is_file(folder / f"obj{NAMES}")


def _found(folder: Path) -> Iterator[Classes]:
    """All that the folder has, YAML first."""
    paths = sorted(path for path in entries(folder) if is_file(path))
    documents = sorted(
        (path for path in paths if path.suffix.lower() in _YAML),
        key=lambda path: path.name not in SETTINGS,
    )
    lists = [path for path in paths if path.name == CLASSES or path.suffix == NAMES]
    beside = folder / _LABELS / CLASSES
    if len(documents) + len(lists) > _FILES_MAX:
        raise ConfigError(
            f"{folder} holds more than {_FILES_MAX} files that may name the classes",
            "keep the one that is right, and take the others out of the folder",
        )
    for path in documents:
        try:
            yield _of_yaml(path)
        except ConfigError:
            if path.name in SETTINGS:  # others may be about anything
                raise
    for path in (*lists, *([beside] if is_file(beside) else [])):
        yield _of_lines(path)


def _of_yaml(path: Path) -> Classes:
    try:
        document = _compose(read_text(path, MAX_SETTINGS_BYTES))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is no YAML", "export it again") from error
    fields = dict(_pairs(document))
    if len(fields) != sum(1 for _ in _pairs(document)):
        raise ConfigError(f"{path} has a field twice", "correct it")
    pairs = list(_pairs(fields["names"])) if "names" in fields else []
    names = {int(number): _text(node) for number, node in pairs if _is_number(number)}
    if len(names) != len(pairs):
        names = {}  # one is no number, or there twice
    return _checked(path, Classes(path, names, _pose_numbers(path, fields.get("kpt_shape"))))


def _of_lines(path: Path) -> Classes:
    lines = read_text(path, MAX_SETTINGS_BYTES).rstrip().split("\n")
    return _checked(path, Classes(path, dict(enumerate(each.strip() for each in lines))))


def _checked(path: Path, found: Classes) -> Classes:
    """Raises ConfigError unless each class has a name of its own."""
    names = found.names.values()
    if not names or not all(names) or len(set(names)) != len(names):
        wanted = "names: [cat, dog]" if path.suffix.lower() in _YAML else "one on each line"
        raise ConfigError(f"{path} does not name each class once: {wanted}", "correct it")
    return found


def _pose_numbers(path: Path, shape: yaml.Node | None) -> int:
    if shape is None:
        return 0
    said = [_text(node) for _, node in _pairs(shape)]
    if (
        len(said) != _SHAPE_NUMBERS
        or not all(map(_is_number, said))
        or int(said[1]) not in _PER_POINT
    ):
        raise ConfigError(
            f"{path} does not say how many points a pose has: kpt_shape: [17, 3]", "correct it"
        )
    return int(said[0]) * int(said[1])


def _compose(text: str) -> yaml.Node | None:
    """The document as it is written: a class that is called no is no truth value. Raises ValueError for what
    nests deep, for which YAML's reader takes minutes."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _SETTINGS_DEPTH:
            raise ValueError("it nests too deep")
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """The members of a mapping, or those of a list by their number; of anything else none."""
    if isinstance(node, yaml.MappingNode):
        yield from ((_text(key), value) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((str(number), value) for number, value in enumerate(node.value))


def _text(node: yaml.Node) -> str:
    return node.value.strip() if isinstance(node, yaml.ScalarNode) else ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _NUMBER_CHARS_MAX
