"""content/: what was fetched for datasets, with the salts that show it to be what was committed to.

<item id>        the content
<item id>.salt   its salt, 32 bytes
<item id>.new    content whose salt is not on disk yet
<item id>.new.*  a transfer that was cut off

Content gets its own name last, so that one which has it also has its salt. If we crash before, it is
fetched again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from commonground.files import private_directory, sync_directory, writing
from protocol.errors import StoreError
from protocol.log.commitments import CONTENT_DOMAIN
from protocol.state import ItemId


class ContentStore:
    """A directory of content, by item id."""

    def __init__(self, root: Path) -> None:
        """Opens it, and makes it where it is missing."""
        self._root = root
        try:
            private_directory(root)
        except OSError as error:
            raise StoreError(f"cannot use {root}: {error.strerror}") from error

    def incoming(self, item_id: ItemId) -> Path:
        """Where a transfer writes; `keep` makes it count."""
        return self._root / f"{item_id.hex()}.new"

    def keep(self, item_id: ItemId, salt: bytes) -> None:
        """Keeps content that arrived and was checked; durable on return. Raises StoreError."""
        name = item_id.hex()
        try:
            salt_path = self._root / f"{name}.salt"
            salt_path.unlink(missing_ok=True)  # of a run that was killed here
            with writing(salt_path) as file:
                file.write(salt)
            os.replace(self.incoming(item_id), self._root / name)
            sync_directory(self._root)
        except OSError as error:
            raise StoreError(f"cannot keep content in {self._root}: {error.strerror}") from error

    def has(self, item_id: ItemId) -> bool:
        """Whether content is here, without reading it."""
        return (self._root / item_id.hex()).exists()

    def read(self, item_id: ItemId, commitment: bytes) -> tuple[bytes, bytes] | None:
        """(salt, content), checked against the commitment; None when it is not here.

        Content that is damaged is deleted, so that the next export fetches it again.
        """
        path = self._root / item_id.hex()
        try:
            salt = path.with_suffix(".salt").read_bytes()
            with path.open("rb") as file:
                content = file.read()
        except FileNotFoundError:
            return None
        if hashlib.sha256(CONTENT_DOMAIN + salt + content).digest() != commitment:
            self.delete([item_id])
            return None
        return salt, content

    def ids(self) -> set[ItemId]:
        """The items of which anything is here."""
        return {item_id for item_id, _ in self._files()}

    def delete(self, item_ids: Collection[ItemId]) -> None:
        """Removes content and salts, finished or not, durably. Twice is harmless."""
        for item_id, path in self._files():
            if item_id in item_ids:
                path.unlink(missing_ok=True)
        # Otherwise a power cut could bring erased content back.
        sync_directory(self._root)

    def _files(self) -> Iterator[tuple[ItemId, Path]]:
        for path in list(self._root.iterdir()):
            name = path.name.partition(".")[0]
            try:
                yield bytes.fromhex(name), path
            except ValueError:
                continue  # not ours
