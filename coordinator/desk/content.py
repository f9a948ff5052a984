"""What items hold, for the operator's eyes: fetched from their authors' nodes, kept while the desk is open.

The nodes decide what they give (node/serve.py). What came is checked against its commitment each time that it
is shown. It goes when its author takes it back, and all of it when the desk opens and closes.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from commonground.installing import how_to_install
from coordinator.config import Home
from coordinator.dataset.content import ContentStore, PartOf
from coordinator.dataset.sweep import doomed
from coordinator.operator import Operator
from protocol.errors import CommonholdError, StoreError
from protocol.rows import ItemId, Part
from protocol.state import State

if TYPE_CHECKING:  # pages must not wait for libp2p
    from coordinator.dataset.fetch import Wanted

_log = logging.getLogger(__name__)

# Items under way at a time: what somebody looks at next, and not a whole campaign.
ITEMS_ASKED_MAX: Final = 64
# Larger parts are not shown: a page holds them in memory.
PART_BYTES_MAX: Final = 32 * 1024 * 1024
# All parts together; then what is there has to go with the desk before more is fetched.
PARTS_KEPT_MAX: Final = 4_096
NOT_INSTALLED: Final = f"what fetches it is not installed: {how_to_install('coordinator,export')}"


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that is not here, and why; empty: it is on its way."""

    why: str


class Contents:
    """Of one desk. Its methods may be called from any thread."""

    def __init__(self, home: Home) -> None:
        """Empties what an earlier desk left: there is one at a time. Raises StoreError."""
        self._folder = home.path / "desk" / "content"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._store = ContentStore(self._folder)
        self._exported: Path = home.content_path
        self._problems: dict[PartOf, str] = {}
        self._whole_problem = ""  # why nothing can be fetched
        self._fetching = threading.Lock()

    def close(self) -> None:
        """Forgets all content. A transfer that is still under way ends with the process."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def read(self, item_id: ItemId, part: Part) -> bytes | Missing:
        """The content of a part, if it is here."""
        if part.size > PART_BYTES_MAX:
            return Missing("it is too large to be shown")
        stores = [self._store, *([ContentStore(self._exported)] if self._exported.is_dir() else [])]
        for store in stores:
            if found := store.read(item_id, part.name, part.commitment):
                return found[1]
        return Missing(self._whole_problem or self._problems.get((item_id, part.name), ""))

    def has(self, item_id: ItemId, parts: Sequence[Part]) -> bool:
        """Whether all of these are here."""
        return all(self._store.has(item_id, part.name) for part in parts)

    def ask(self, operator: Operator, item_ids: Sequence[ItemId]) -> None:
        """Begins to fetch what is missing of these items, unless something is being fetched already: whoever
        looks at the page again asks again."""
        try:
            from coordinator.dataset.fetch import parts_of
        except ImportError:  # it is asked for by the extra that exports, as all of libp2p is
            self._whole_problem = NOT_INSTALLED
            return
        room = PARTS_KEPT_MAX - len(self._store.held())
        wanted = [
            each
            for each in parts_of(operator.state, item_ids[:ITEMS_ASKED_MAX])
            if each.size <= PART_BYTES_MAX and not self._store.has(each.item_id, each.part)
        ][: max(0, room)]
        if wanted and self._fetching.acquire(blocking=False):
            run = threading.Thread(
                target=self._fetch, args=(operator, wanted), name="desk content", daemon=True
            )
            run.start()

    def sweep(self, state: State) -> None:
        """Deletes what authors took back."""
        if gone := doomed(state, self._store.held()).parts:
            self._store.delete(gone)

    def _fetch(self, operator: Operator, wanted: Sequence[Wanted]) -> None:
        from coordinator.dataset.fetch import fetch_parts

        try:
            problems = asyncio.run(fetch_parts(operator, wanted, self._store, lambda: None))
            for each in wanted:
                self._problems.pop(each.place, None)
            self._problems |= problems
        except CommonholdError as error:
            self._problems |= {each.place: str(error) for each in wanted}
        except OSError as error:  # the desk was closed meanwhile
            _log.warning("content is not kept: %s", error.strerror)
        finally:
            self._fetching.release()


def private_folder(home: Home) -> Path:
    """What the desk keeps in the operator's directory; made where it is missing. Raises StoreError."""
    from commonground.files import private_directory

    folder = home.path / "desk"
    try:
        private_directory(folder)
    except OSError as error:
        raise StoreError(f"cannot use {folder}: {error.strerror}") from error
    return folder
