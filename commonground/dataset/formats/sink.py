"""Where a copy's files go, one after the other or several at once, each from its beginning to its end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from commonground.dataset.layout import FileEntry
from commonground.files import DIRECTORY_MODE, new_file

Write = Callable[[bytes], object]


class Sink(Protocol):
    """`files` has those that are finished, by name."""

    files: dict[str, FileEntry]

    def file(self, name: str) -> AbstractContextManager[Write]:
        """A new file; parts of its name are parted by /."""


class Nowhere:
    """Keeps nothing but what the files would be like."""

    def __init__(self) -> None:
        self.files: dict[str, FileEntry] = {}

    @contextmanager
    def file(self, name: str) -> Iterator[Write]:
        """Counts and hashes what is written."""
        digest, size = hashlib.sha256(), 0

        def write(data: bytes) -> None:
            nonlocal size
            digest.update(data)
            size += len(data)

        yield write
        self.files[name] = FileEntry(digest.hexdigest(), size)


class Folder(Nowhere):
    """Writes below a folder, which is there."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self._made = {root}

    @contextmanager
    def file(self, name: str) -> Iterator[Write]:
        """Raises OSError, as where there is such a file."""
        path = self._root / name
        if path.parent not in self._made:
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            self._made.add(path.parent)
        with super().file(name) as count, new_file(path) as file:

            def write(data: bytes) -> None:
                file.write(data)
                count(data)

            yield write
