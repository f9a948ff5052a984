"""Does somebody else sign with this machine's key?

A directory that was copied has the key, and both copies would review, submit and stand by in one name: what
one of them commits to, the other cannot open, and whichever is later is refused. A thief would do the same.
Two ways to notice: a copy that lies on this machine beside the directory that it was made of is not started;
and a record of ours that comes into the log while we follow it, and that this directory never queued, was
made elsewhere. What the log had before we looked tells nothing: a directory may have been restored.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from commonground.addresses import now_ms
from node.config import NodeDirectory
from node.follower import Follower
from node.store import Store
from protocol.errors import StateError
from protocol.identity import KeyId
from protocol.transition import Applied

log = logging.getLogger(__name__)

# What is sent by way of the outbox alone, and differs each time that it is made.
_KINDS: Final = frozenset({"submission", "standby", "commit", "reveal", "withdraw"})
# A copy that is still at work has signed again by then.
NOTED_MS: Final = 7 * 24 * 3_600_000
_META: Final = "twin"
_PLACE: Final = "place"


def require_only_one(directory: NodeDirectory, store: Store) -> None:
    """Notes where this directory is. Raises StateError where it is a copy of one that is still there."""
    here = directory.root.resolve()
    noted = Path(os.fsdecode(store.meta(_PLACE) or os.fsencode(here)))  # a path need not be UTF-8
    if noted != here and _is_twin(NodeDirectory(noted), directory):
        raise StateError(
            f"{here} is a copy of {noted}, and both sign with one key",
            "start that one; if this one is to stay, delete that one first. For a second machine of yours:"
            " `commonhold node init --join`",
        )
    store.set_meta(_PLACE, os.fsencode(here))


def _is_twin(other: NodeDirectory, directory: NodeDirectory) -> bool:
    """Whether it is another directory, with the same keys in it."""
    try:
        if other.root.samefile(directory.root):  # by another path
            return False
        return other.keys.read_bytes() == directory.keys.read_bytes()
    except OSError:
        return False


class TwinWatch:
    """Watches what the follower folds. Make it before the follower runs."""

    def __init__(
        self, store: Store, follower: Follower, key: KeyId, clock: Callable[[], int] = now_ms
    ) -> None:
        self._store, self._follower, self._key, self._clock = store, follower, key, clock
        follower.subscribe(self._on_entry)

    def _on_entry(self, applied: Applied) -> None:
        record = applied.record
        if record.key != self._key or applied.kind not in _KINDS or not self._follower.is_live:
            return
        row = self._store.entry(record.index)
        if row is None or self._store.outbox_row(sha256(row.envelope).digest()) is not None:
            return
        self._store.set_meta(
            _META, json.dumps([applied.kind, record.index, self._clock()]).encode()
        )
        log.warning("%s", twin_warning(self._store, self._clock()))


def twin_warning(store: Store, now: int) -> str:
    """What was seen last, and what its owner can do; empty where there is nothing, or it was long ago."""
    noted = json.loads(store.meta(_META) or b"null")
    if noted is None or now - noted[2] > NOTED_MS:
        return ""
    kind, index, _ = noted
    return (
        f"somebody else signs with this machine's key: entry {index:,} of the log, a {kind}, was not made in"
        " this directory. If you have a copy of it that runs, stop one of the two: they spoil each other's"
        " reviews. If not, your key was stolen: tell the operator."
    )
