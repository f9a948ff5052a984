"""The highest head that was ever shown, in a file beside the ledger: the log's memory of its promises.

A ledger that is put back to an earlier state looks whole. What tells is this file, which no backup of the
ledger brings back. It holds the signed checkpoint itself, in one of two places that are written in turn: a
write that a crash tears leaves the note before. Writing in place costs one fdatasync, a fifth of what a new
file under the old name does.

It is written, durably, after the commit and before anybody is told of it. So of the two the ledger is ahead:

    crash before the commit                 neither has the entries; nobody was told
    crash after it, before the file         the ledger has more than the file says; nobody was told
    crash after the file                    both have them

A start that finds the ledger ahead goes on from there. One that finds it behind, or with other entries,
refuses.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import BinaryIO, Final

from commonground.counting import plural
from commonground.files import replace_file
from coordinator.ledger import Ledger
from protocol.errors import Reject, StoreError
from protocol.log.merkle import MerkleTree
from protocol.log.note import Checkpoint, Verifier, read_checkpoint

# More than a note has that 32 keys signed; two pages.
PLACE_BYTES: Final = 8 * 1024

RESTORE_ADVICE: Final = (
    "fetch what is missing: `commonhold coordinator restore --from SOURCE`, a node's directory, a copy of"
    " the log or the URL of one"
)


class KeptHead:
    """The file. Its methods may be called on any thread; `close` it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._turn = 0  # the place whose note is the older one
        self._is_final = False

    def close(self) -> None:
        """Gives the file back."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def read(self, verifier: Verifier) -> Checkpoint | None:
        """The head that was kept, or None. Raises StoreError for what is no head of the log."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("read", error) from error
        places = (data[:PLACE_BYTES], data[PLACE_BYTES:])
        known = [each for place in places if (each := _opened(place, verifier)) is not None]
        if not known:
            raise StoreError(f"{self._path} holds no head of this log", RESTORE_ADVICE)
        return max(known, key=lambda each: each.size)

    def keep(self, note: bytes) -> None:
        """Keeps a later head, durably, unless the one that is kept is final. Raises StoreError."""
        with self._lock:
            if self._is_final:
                return
            try:
                if self._file is None:
                    replace_file(self._path, note.ljust(2 * PLACE_BYTES, b"\0"))
                    self._file, self._turn = self._path.open("r+b", buffering=0), 1
                else:
                    place = note.ljust(PLACE_BYTES, b"\0")
                    os.pwrite(self._file.fileno(), place, self._turn * PLACE_BYTES)
                    os.fdatasync(self._file.fileno())
                    self._turn = 1 - self._turn
            except OSError as error:
                raise self._failed("keep", error) from error

    def keep_for_good(self, note: bytes) -> None:
        """Keeps a head that the ledger contradicts: no commit that is under way may take its place."""
        with self._lock:
            self._is_final = True
            try:
                replace_file(self._path, note)
            except OSError as error:
                raise self._failed("keep", error) from error

    def _failed(self, what: str, error: OSError) -> StoreError:
        return StoreError(
            f"cannot {what} the log's head in {self._path}: {error.strerror}",
            "nobody was told of what is not kept; see to the disk, and start again",
        )


def _opened(place: bytes, verifier: Verifier) -> Checkpoint | None:
    """None for a place that is empty, or that a crash left half written."""
    try:
        return read_checkpoint(place.rstrip(b"\0"), verifier)
    except Reject:
        return None


def lost_entries(kept: Checkpoint | None, tree: MerkleTree) -> str:
    """What is wrong with a ledger of these entries, in words, since `kept` was shown; empty when it holds."""
    if kept is None:
        return ""
    if tree.size < kept.size:
        return (
            f"the ledger has {plural(tree.size, 'entry', 'entries')}, and a head of {kept.size:,}"
            f" was shown to others: {plural(kept.size - tree.size, 'is', 'are')} missing"
        )
    if tree.root(kept.size) != kept.root:
        return (
            f"the ledger's first {plural(kept.size, 'entry', 'entries')} differ from what was shown to"
            " others"
        )
    return ""


def require_all(kept: Checkpoint | None, tree: MerkleTree) -> None:
    """Raises StoreError unless the ledger holds all that was ever shown."""
    if lost := lost_entries(kept, tree):
        raise StoreError(lost, RESTORE_ADVICE)


def missing_entries(kept: KeptHead, ledger: Ledger, verifier: Verifier) -> str:
    """The same for a ledger that somebody may be writing, in the order in which both are written."""
    head = kept.read(verifier)
    return lost_entries(head, ledger.load_tree(verifier))
