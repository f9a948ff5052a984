"""Content on disk, named by its commitment. Plain synchronous files; no trio, no asyncio.

Layout: `root/ab/abcd…` where the name is the hex of `SHA-256(domain || salt || content)`. Salts are
not kept here: whoever records the item keeps its salt, and destroying content and salt together is
what erasure means.

A file has its name only when it is complete and durable. If we crash before, a `*.part` file is
left, and the next one to open the store alone removes it.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from commonground.files import (
    DIRECTORY_MODE,
    new_file,
    part_of,
    private_directory,
    publish,
    sync_directory,
)
from commonground.locks import shared
from protocol.errors import Reject, StoreError
from protocol.limits import CONTENT_BYTES_MAX, HASH_BYTES, SALT_BYTES
from protocol.log.commitments import CONTENT_DOMAIN

# Large enough that hashing, not system calls, takes the time; small enough to be flat in memory.
CHUNK_BYTES: Final = 1024 * 1024
_NAME: Final = re.compile(f"[0-9a-f]{{{2 * HASH_BYTES}}}")


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Stored content: its 32-byte commitment and its length in bytes."""

    commitment: bytes
    length: int


def commit_content(
    salt: bytes, stream: BinaryIO, size_max: int = CONTENT_BYTES_MAX
) -> tuple[bytes, int]:
    """The commitment and the size of a stream's content, in constant memory.

    Raises Reject for a bad salt, and when the stream is longer than `size_max` bytes.
    """
    return _copy(salt, stream, None, size_max)


def _copy(salt: bytes, source: BinaryIO, sink: BinaryIO | None, size_max: int) -> tuple[bytes, int]:
    if len(salt) != SALT_BYTES:
        raise Reject(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    digest, size = hashlib.sha256(CONTENT_DOMAIN + salt), 0
    while chunk := source.read(CHUNK_BYTES):
        size += len(chunk)
        if size > size_max:
            raise Reject(f"the content is longer than {size_max} bytes")
        digest.update(chunk)
        if sink is not None:
            sink.write(chunk)
    return digest.digest(), size


class BlobStore:
    """A directory of blobs. Several processes may share one; `close` it, or use `with`."""

    def __init__(self, root: Path, size_max: int = CONTENT_BYTES_MAX) -> None:
        """Open (and create) the store at `root`; `size_max` bytes bounds each blob."""
        self.root = root
        self._size_max = size_max
        try:
            private_directory(root)
            # Another process may still be writing what looks like a crash's.
            self._lock = shared(root / ".lock", self._sweep)
        except OSError as error:
            raise StoreError(f"cannot use the blob store {root}: {error.strerror}") from error

    def _sweep(self) -> None:
        """Remove what crashes left."""
        for part in self.root.glob("??/*.part"):
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Give up the claim on the directory."""
        self._lock.close()

    def __enter__(self) -> BlobStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def path_of(self, commitment: bytes) -> Path:
        """Where a commitment's content is, or belongs; its directory exists afterwards.

        A writer of its own (the peer-to-peer fetch) writes `NAME.*.part` beside it and renames.
        """
        if len(commitment) != HASH_BYTES:
            raise Reject(f"a commitment has {HASH_BYTES} bytes, not {len(commitment)}")
        name = commitment.hex()
        directory = self.root / name[:2]
        if not directory.is_dir():
            directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            sync_directory(self.root)
        return directory / name

    def put(self, content: Path | bytes, salt: bytes) -> BlobRef:
        """Copy content in; durable on return. Putting the same content twice is harmless.

        Raises Reject (bad salt, too long) and StoreError (cannot read or write).
        """
        try:
            with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
                return self._put(file, salt)
        except OSError as error:
            raise StoreError(f"cannot store the content: {error.strerror}") from error

    def _put(self, source: BinaryIO, salt: bytes) -> BlobRef:
        # The name is known only at the end, so that the part lies in a directory of its own name.
        waiting = self.root / "in"
        waiting.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        part = part_of(waiting / "blob")
        try:
            with new_file(part) as sink:
                commitment, length = _copy(salt, source, sink, self._size_max)
                publish(sink, self.path_of(commitment))
        finally:
            part.unlink(missing_ok=True)
        return BlobRef(commitment, length)

    def open(self, commitment: bytes) -> BinaryIO | None:
        """Open content for reading; None when it is not here. The caller closes it."""
        try:
            return self.path_of(commitment).open("rb")
        except FileNotFoundError:
            return None

    def find(self, commitment: bytes) -> BlobRef | None:
        """What is stored under a commitment, without reading it; None when it is not here."""
        try:
            return BlobRef(commitment, self.path_of(commitment).stat().st_size)
        except FileNotFoundError:
            return None

    def verify(self, commitment: bytes, salt: bytes) -> bool:
        """Read stored content again and compare; False when it is missing or damaged."""
        stream = self.open(commitment)
        if stream is None:
            return False
        with stream:
            found, _ = commit_content(salt, stream)
        return found == commitment

    def by_folder(self) -> Iterator[tuple[bytes, bytes, set[bytes]]]:
        """What is stored, one folder at a time, with the first and the last name that it may hold."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            names = {path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)}
            prefix = bytes.fromhex(folder.name)
            rest = HASH_BYTES - len(prefix)
            yield prefix + bytes(rest), prefix + b"\xff" * rest, set(map(bytes.fromhex, names))

    def delete(self, commitment: bytes) -> bool:
        """Remove content, durably; False when it was not here."""
        path = self.path_of(commitment)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync_directory(path.parent)  # otherwise a power cut could bring erased content back
        return True
