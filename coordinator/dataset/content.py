"""content/: what was fetched for datasets, with the salts that show it to be what was committed to.

<item id>.<part>         the content of a part
<item id>.<part>.salt    its salt, 32 bytes
<item id>.<part>.new     content whose salt is not on disk yet
<item id>.<part>.new.*   a transfer that was cut off

Files have the item's name and not the commitment's: a withdrawal erases that from the state, and nobody could
tell any more what has to go. Content gets its own name last, so that one which has it also has its salt. If
we crash before, it is fetched again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from commonground.files import private_directory, sync_directory, writing
from protocol.errors import StoreError
from protocol.log.commitments import CONTENT_DOMAIN
from protocol.rows import ItemId

PartOf = tuple[ItemId, str]
"""An item, and the name of one of its parts."""


class ContentStore:
    """A directory of content, by item id and name of the part."""

    def __init__(self, root: Path) -> None:
        """Opens it, and makes it where it is missing."""
        self._root = root
        try:
            private_directory(root)
        except OSError as error:
            raise StoreError(f"cannot use {root}: {error.strerror}") from error

    def incoming(self, item_id: ItemId, part: str) -> Path:
        """Where a transfer writes; `keep` makes it count."""
        return self._path(item_id, part, ".new")

    def keep(self, item_id: ItemId, part: str, salt: bytes) -> None:
        """Keeps content that arrived and was checked; durable on return. Raises StoreError."""
        try:
            salt_path = self._path(item_id, part, ".salt")
            salt_path.unlink(missing_ok=True)  # of a run that was killed here
            with writing(salt_path) as file:
                file.write(salt)
            os.replace(self.incoming(item_id, part), self._path(item_id, part))
            sync_directory(self._root)
        except OSError as error:
            raise StoreError(f"cannot keep content in {self._root}: {error.strerror}") from error

    def has(self, item_id: ItemId, part: str) -> bool:
        """Whether a part's content is here, without reading it."""
        return self._path(item_id, part).exists()

    def read(self, item_id: ItemId, part: str, commitment: bytes) -> tuple[bytes, bytes] | None:
        """(salt, content), checked against the commitment; None when it is not here.

        Content that is damaged is deleted, so that the next export fetches it again.
        """
        try:
            salt = self._path(item_id, part, ".salt").read_bytes()
            content = self._path(item_id, part).read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(CONTENT_DOMAIN + salt + content).digest() != commitment:
            for suffix in ("", ".salt"):
                self._path(item_id, part, suffix).unlink(missing_ok=True)
            return None
        return salt, content

    def held(self) -> set[PartOf]:
        """The parts of which anything is here."""
        return {place for place, _ in self._files()}

    def delete(self, parts: Collection[PartOf]) -> None:
        """Removes parts and their salts, finished or not, durably. Twice is harmless."""
        for place, path in self._files():
            if place in parts:
                path.unlink(missing_ok=True)
        # Otherwise a power cut could bring erased content back.
        sync_directory(self._root)

    def _path(self, item_id: ItemId, part: str, suffix: str = "") -> Path:
        return self._root / f"{item_id.hex()}.{part}{suffix}"

    def _files(self) -> Iterator[tuple[PartOf, Path]]:
        for path in list(self._root.iterdir()):
            name, part, *_ = *path.name.split("."), ""
            try:
                yield (bytes.fromhex(name), part), path
            except ValueError:
                continue  # not ours
