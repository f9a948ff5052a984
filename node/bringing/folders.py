"""Items that are files, in folders and the folders in them.

Links are followed as long as they stay in the folder. Hidden files, what systems leave in folders, and tables
are left out, each with its reason.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from commonground.tables import form_of
from node.bringing.labels import Labels, key_of
from node.drafts import Draft, LeftOut, PartSource
from protocol.errors import ConfigError

MAX_FOLDER_FILES: Final = 100_000
MAX_DEPTH: Final = 64  # folders in folders
_A_TABLE: Final = (
    "a table: name it itself to submit its rows, or with --labels if it holds the answers"
)
_ABSENT: Final = "it has a label, and is not among the files"
_SEVERAL: Final = "several files are called so: write their paths into the table"
NODE_FILES: Final = ("keys.json", "node.db")  # together they are in a node's directory alone
LEFT_BY_SYSTEMS: Final = frozenset({"thumbs.db", "desktop.ini", ".ds_store", "icon\r"})


@dataclass(frozen=True, slots=True)
class File:
    """A file that may be an item. `name`: its path below the folder that was named."""

    name: str
    path: Path

    @property
    def folder(self) -> str:
        """The name of the folder that it lies in, if that is below the one that was named."""
        return Path(self.name).parent.name


Found: TypeAlias = File | LeftOut


def walk(folder: Path, *, tables: bool = False) -> Iterator[Found]:
    """The folder's files in order, sub-folders after them; and what is left out of it. Of tables
    (.csv and the like), which hold labels or rows, only if `tables` are items themselves.

    Raises ConfigError when there is no such folder, or it holds more than MAX_FOLDER_FILES files.
    """
    if not os.path.isdir(folder):
        raise ConfigError(f"{folder} is not a folder", "Give the folder that holds the files.")
    for count, found in enumerate(_walk(folder, folder.resolve(), "", 0, tables)):
        if count == MAX_FOLDER_FILES:
            raise ConfigError(
                f"{folder} holds more than {MAX_FOLDER_FILES} files", "Split it into folders."
            )
        yield found


def entries(folder: Path) -> list[Path]:
    """What is in a folder; nothing where it cannot be read, which `walk` says."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _walk(folder: Path, root: Path, prefix: str, depth: int, tables: bool) -> Iterator[Found]:
    folders: list[tuple[str, Path]] = []
    if all(os.path.isfile(folder / name) for name in NODE_FILES):
        yield LeftOut(prefix or ".", "a node's own directory, which holds its keys")
        return
    try:
        found = islice(os.scandir(folder), MAX_FOLDER_FILES + 1)
        entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        yield LeftOut(prefix or ".", f"cannot be read: {error.strerror}")
        return
    for entry in entries:
        name, path = prefix + entry.name, folder / entry.name
        reason = _reason(entry, path, root, tables)
        if reason:
            yield LeftOut(name, reason)
        elif not os.path.isdir(path):
            yield File(name, path)
        elif depth == MAX_DEPTH:
            yield LeftOut(name, f"more than {MAX_DEPTH} folders deep")
        else:
            folders.append((f"{name}/", path))
    for prefix_, path in folders:
        yield from _walk(path, root, prefix_, depth + 1, tables)


def _reason(entry: os.DirEntry[str], path: Path, root: Path, tables: bool) -> str:
    """Why something in a folder is no item, or an empty string."""
    if entry.name.casefold() in LEFT_BY_SYSTEMS:
        return "what a system keeps in folders, and no item"
    if entry.name.startswith("."):
        return "hidden"
    reason = _link_reason(path, root) if entry.is_symlink() else ""
    if reason or entry.is_dir():
        return reason
    if entry.is_file() and (tables or form_of(path) is None):
        return ""
    return _A_TABLE if entry.is_file() else "neither a file nor a folder"


def _link_reason(path: Path, root: Path) -> str:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a link that leads nowhere"
    if not target.is_relative_to(root):
        return "a link that leads out of the folder"
    return "a link to a folder, which is read in its own place" if os.path.isdir(target) else ""


def find_files(paths: Sequence[Path], *, tables: bool = False) -> Iterator[Found]:
    """Files as they are, folders as `walk` finds them. Raises ConfigError."""
    for path in paths:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigError(f"there is no file {path}", "check its name and its folder") from None
        except (
            OSError
        ) as error:  # a folder above it that may not be entered, a name that is too long
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}",
                "check its name, and who may enter its folder",
            ) from None
    seen: set[Path] = set()
    names: set[str] = set()
    for path in paths:
        found = walk(path, tables=tables) if os.path.isdir(path) else [File(path.name, path)]
        for each in found:
            if isinstance(each, File):
                _require_new(each, seen, names)
            yield each


def _require_new(file: File, seen: set[Path], names: set[str]) -> None:
    if file.path in seen:
        raise ConfigError(
            f"the file {file.path} is named twice", "name each file, or its folder, once"
        )
    if file.name in names:
        raise ConfigError(
            f"two files are called {file.name}, so that their labels cannot be told apart",
            "submit the folders one after the other",
        )
    seen.add(file.path)
    names.add(file.name)


@dataclass(frozen=True, slots=True)
class FileItems:
    """One item of one part for each file, and what is left out."""

    paths: Sequence[Path]
    part: str
    answers: Answers
    tables: bool = False
    without: frozenset[Path] = field(default_factory=frozenset)  # files that are no items
    encoding: str = ""  # of texts that are not in UTF-8

    def __iter__(self) -> Iterator[Draft | LeftOut]:
        used: set[str] = set()
        shared = self._shared_names()
        for found in find_files(self.paths, tables=self.tables):
            if isinstance(found, LeftOut):
                if not self._is_without(found.name):
                    yield found
            elif found.path.resolve() not in self.without:
                key, words = self._words(found, shared)
                used.add(key)
                part = PartSource(self.part, found.path, encoding=self.encoding)
                yield Draft(found.name, (part,), words)
        if isinstance(self.answers, Labels):
            for key in self.answers.words:
                if key not in used:
                    yield LeftOut(key, _SEVERAL if key in shared else _ABSENT)

    def _is_without(self, name: str) -> bool:
        # Which, unlike `resolve`, says something of links in a circle, too.
        return any(Path(os.path.realpath(path / name)) in self.without for path in self.paths)

    def _words(self, file: File, shared: set[str]) -> tuple[str, str]:
        """By what key the table has it, and its answer."""
        if isinstance(self.answers, str):
            return "", self.answers
        if isinstance(self.answers, ByFolder):
            return "", file.folder
        return self.answers.find(file.name, is_only=_plain(file) not in shared)

    def _shared_names(self) -> set[str]:
        """Names of more than one file, by which a table cannot mean one of them."""
        if not isinstance(self.answers, Labels):
            return set()
        files = find_files(self.paths, tables=self.tables)
        names = Counter(_plain(each) for each in files if isinstance(each, File))
        return {name for name, count in names.items() if count > 1}


def _plain(file: File) -> str:
    return PurePosixPath(key_of(file.name)).name


@dataclass(frozen=True, slots=True)
class ByFolder:
    """The answer is the name of the folder that a file lies in."""


Answers: TypeAlias = Labels | ByFolder | str
"""Of a table, of the folders, or one for all files (nothing: none)."""


def drafts_of_files(paths: Sequence[Path], part: str, labels: Mapping[str, str] | str) -> FileItems:
    """One item of one part for each file; `labels` maps names to answers, or is the one of all."""
    answers = labels if isinstance(labels, str) else Labels.of(dict(labels))
    return FileItems(paths, part, answers)
