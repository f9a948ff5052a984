"""How far stored entries were checked before: what keeps the rules today keeps them at the next start, too.

The root of the tree over those very entries says which they are, so that nothing is believed of others:
whoever empties the tables and fetches the log again checks it again. What another version of this software
found is checked again as well, by its own rules.

A crash loses at most the note, and the next start checks again.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib.metadata import version
from typing import Final

from node.rows import Checked
from node.store import Store
from protocol.errors import StoreError
from protocol.log.merkle import MerkleTree

log = logging.getLogger(__name__)

# What is less is noted with the next entries, for nothing: to check it again takes less than a second.
NOTED_AT_ONCE: Final = 64


@cache
def checker() -> str:
    """Who checks."""
    return version("commonhold")


class CheckMark:
    """How many entries need no more checking; not more than are known to `tree`."""

    def __init__(self, store: Store, tree: MerkleTree) -> None:
        self._store, self._tree = store, tree
        self.size = 0

    def recall(self) -> None:
        """Believes the store, where it speaks of the entries in the tree."""
        noted = self._store.checked()
        if noted is None or noted.by != checker() or noted.size > self._tree.size:
            return
        if self._tree.root(noted.size) == noted.root:
            self.size = noted.size

    def up_to(self, size: int) -> Checked | None:
        """That so many are checked now, if that is news."""
        if size <= self.size:
            return None
        self.size = size
        return Checked(size, self._tree.root(size), checker())

    def note(self, size: int) -> None:
        """Stores at once that so many are checked now, if that was much."""
        if size - self.size < NOTED_AT_ONCE or (checked := self.up_to(size)) is None:
            return
        try:
            self._store.note_checked(checked)
        except StoreError as error:  # as on a full disk: whoever only reads can go on
            log.info("the next start checks again what we checked: %s", error)
