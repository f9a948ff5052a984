"""The highest head that was ever shown, in a file beside the ledger: the log's memory of its promises.

A ledger that is put back to an earlier state looks whole. What tells is this file, which no backup of the
ledger brings back. It holds the signed checkpoint itself, so that any tool for C2SP notes reads it.

It is written, durably, after the commit and before anybody is told of it. So of the two the ledger is ahead:

    crash before the commit                 neither has the entries; nobody was told
    crash after it, before the file         the ledger has more than the file says; nobody was told
    crash after the file                    both have them

A start that finds the ledger ahead goes on from there. One that finds it behind, or with other entries,
refuses.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from commonground.files import replace_file
from coordinator.ledger import Ledger
from protocol.errors import Reject, StoreError
from protocol.log.merkle import MerkleTree
from protocol.log.note import Checkpoint, Verifier, read_checkpoint

RESTORE_ADVICE: Final = (
    "fetch what is missing: `commonhold coordinator restore --from SOURCE`, a node's directory, a copy of"
    " the log or the URL of one"
)


class KeptHead:
    """The file. Its methods may be called on any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._is_final = False

    def read(self, verifier: Verifier) -> Checkpoint | None:
        """The head that was kept, or None. Raises StoreError for what is no head of the log."""
        try:
            return read_checkpoint(self._path.read_bytes(), verifier)
        except FileNotFoundError:
            return None
        except (OSError, Reject) as error:
            raise StoreError(
                f"{self._path} does not hold a head of this log: {error}", RESTORE_ADVICE
            ) from error

    def keep(self, note: bytes) -> None:
        """Replaces it by a later head, durably, unless it is final. Raises StoreError."""
        with self._lock:
            if not self._is_final:
                self._write(note)

    def keep_for_good(self, note: bytes) -> None:
        """Keeps a head that the ledger contradicts: no commit that is under way may take its place."""
        with self._lock:
            self._is_final = True
            self._write(note)

    def _write(self, note: bytes) -> None:
        try:
            replace_file(self._path, note)
        except OSError as error:
            raise StoreError(
                f"cannot keep the log's head in {self._path}: {error.strerror}",
                "nobody was told of it; make room, or see to the disk, and start again",
            ) from error


def lost_entries(kept: Checkpoint | None, tree: MerkleTree) -> str:
    """What is wrong with a ledger of these entries, in words, since `kept` was shown; empty when it holds."""
    if kept is None:
        return ""
    if tree.size < kept.size:
        return (
            f"the ledger has {tree.size:,} entries, and a head of {kept.size:,} was shown to others:"
            f" {kept.size - tree.size:,} are missing"
        )
    if tree.root(kept.size) != kept.root:
        return f"the ledger's first {kept.size:,} entries are not those that were shown to others"
    return ""


def require_all(kept: Checkpoint | None, tree: MerkleTree) -> None:
    """Raises StoreError unless the ledger holds all that was ever shown."""
    if lost := lost_entries(kept, tree):
        raise StoreError(lost, RESTORE_ADVICE)


def missing_entries(kept: KeptHead, ledger: Ledger, verifier: Verifier) -> str:
    """The same for a ledger that somebody may be writing, in the order in which both are written."""
    head = kept.read(verifier)
    return lost_entries(head, ledger.load_tree(verifier))
