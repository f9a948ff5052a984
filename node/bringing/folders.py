"""Items that are files, in folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from node.drafts import Draft, PartSource
from protocol.errors import ConfigError
from protocol.text import quoted

MAX_FOLDER_FILES: Final = 100_000


def drafts_of_files(
    paths: Sequence[Path], part: str, labels: Mapping[str, str] | str
) -> list[Draft]:
    """One item of one part for each file; `labels` maps file names to answers, or is the one of all.

    Raises ConfigError for a label whose file is not among them: it was mistyped, or forgotten.
    """
    if not isinstance(labels, str):
        names = {path.name for path in paths}
        lost = [name for name in labels if name not in names]
        if lost:
            raise ConfigError(
                f"{quoted(lost[0])} has a label, and is not among the files"
                + (f"; nor are {len(lost) - 1} more" if len(lost) > 1 else ""),
                "correct its name in the table of labels, or take its line out",
            )
    return [
        Draft(
            path.name,
            (PartSource(part, path),),
            labels if isinstance(labels, str) else labels.get(path.name, ""),
        )
        for path in paths
    ]


def expand(paths: Sequence[Path], *, tables: bool = False) -> list[Path]:
    """Files as they are, folders as the files in them; see `list_files`. Raises ConfigError."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(f"there is no file {path}", "check its name and its folder")
        files += list_files(path, tables=tables) if path.is_dir() else [path]
    if len(set(files)) != len(files):
        doubled = next(path for path in files if files.count(path) > 1)
        raise ConfigError(
            f"the file {doubled} is named twice", "name each file, or its folder, once"
        )
    names = [path.name for path in files]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(
            f"two files are called {twice}, so that their labels cannot be told apart",
            "submit the folders one after the other",
        )
    if not files:
        raise ConfigError("there are no files to submit", "name files, or folders that hold some")
    return files


def list_files(folder: Path, *, tables: bool = False) -> list[Path]:
    """The folder's plain files by name, without hidden ones; and without tables (.csv), which hold
    labels, unless `tables` are items themselves."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder", "Give the folder that holds the files.")
    paths: list[Path] = []
    for path in folder.iterdir():
        is_item = tables or path.suffix.lower() != ".csv"
        if is_item and path.is_file() and not path.name.startswith("."):
            paths.append(path)
        if len(paths) > MAX_FOLDER_FILES:
            raise ConfigError(
                f"{folder} holds more than {MAX_FOLDER_FILES} files", "Split it into folders."
            )
    return sorted(paths)
