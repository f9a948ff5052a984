"""Deletes what was withdrawn or taken down: fetched content, and every exported dataset that holds it.

What is deleted follows from the log and from the names on disk, so that the sweep can be killed and
repeated at any time. The server sweeps at its start and whenever the log holds a new withdrawal; an
export sweeps when it ends, since an item may be withdrawn while it is being written.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonground.counting import plural
from commonground.dataset.layout import WITHDRAWN
from commonground.files import sync_directory, writing
from coordinator.book import Book
from coordinator.config import Home
from coordinator.dataset.content import ContentStore, PartOf
from coordinator.dataset.snapshots import folder_name
from protocol.errors import StoreError
from protocol.lifecycle import GONE
from protocol.state import State

_log = logging.getLogger(__name__)

# A disk that is full or read-only needs its operator; the log says what waits.
RETRY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Doomed:
    """What has to go: parts, and snapshots as (digest, how many items or parts of it were withdrawn)."""

    parts: frozenset[PartOf]
    snapshots: tuple[tuple[bytes, int], ...]


def withdrawals(state: State) -> int:
    """Grows whenever something is withdrawn that a snapshot holds: only that was ever fetched."""
    return sum(snapshot.withdrawn for _, snapshot in state.snapshots.scan())


def doomed(state: State, held: Iterable[PartOf]) -> Doomed:
    """What the state says has to go; `held` are the parts whose content is here."""
    gone = frozenset(
        (item_id, part)
        for item_id, part in held
        if (item := state.items.get(item_id)) is not None
        and (item.status in GONE or part in item.taken_back)
    )
    spoilt = ((digest, each.withdrawn) for digest, each in state.snapshots.scan())
    return Doomed(gone, tuple((digest, count) for digest, count in spoilt if count))


def delete(home: Home, doom: Doomed) -> list[str]:
    """Deletes it; gives the folders of datasets that it emptied now. Raises StoreError."""
    try:
        if doom.parts:
            ContentStore(home.content_path).delete(doom.parts)
        emptied = []
        for digest, count in doom.snapshots:
            name = folder_name(digest)
            for hidden in (f".{name}.part", f".{name}.old"):
                shutil.rmtree(home.datasets_path / hidden, ignore_errors=True)
            folder = home.datasets_path / name
            if folder.is_dir() and _empty(folder, digest, count):
                emptied.append(name)
    except OSError as error:
        raise StoreError(f"cannot delete what was withdrawn: {error}") from error
    return emptied


def _empty(folder: Path, digest: bytes, count: int) -> bool:
    """Leaves a note and nothing else. The note comes first: a crash leaves a dataset that says so."""
    note = folder / WITHDRAWN
    if not note.exists():
        with writing(note) as file:
            file.write(
                f"This was the dataset of snapshot {digest.hex()}.\n"
                f"{plural(count, 'item or part of it was', 'items or parts of it were')} withdrawn by their"
                " contributors\nor taken down by the operator, so it was deleted.\n"
                "Copies made before have to be deleted, too. `commonhold coordinator export` makes "
                "a new snapshot without these.\n".encode()
            )
        sync_directory(folder)
    others = [path for path in folder.iterdir() if path != note]
    for path in others:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            os.unlink(path)
    sync_directory(folder)
    return bool(others)


def sweep(home: Home, state: State) -> list[str]:
    """Deletes what the state says was withdrawn; gives the datasets that it emptied now."""
    return delete(home, doomed(state, _held(home)))


def _held(home: Home) -> set[PartOf]:
    return ContentStore(home.content_path).held() if home.content_path.is_dir() else set()


async def keep_swept(book: Book, home: Home) -> None:
    """Sweeps now, and after every withdrawal for ever; where our disk fails, again a while later."""
    swept = -1  # less than any number of withdrawals: the start sweeps, too
    while True:
        size = book.head.size
        async with book.reading() as state:
            seen = withdrawals(state)
        if seen != swept:
            try:
                await _sweep_once(book, home)
            except StoreError as error:
                _log.error("%s; trying again in %d s", error, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            swept = seen
        await book.wait_beyond(size)


async def _sweep_once(book: Book, home: Home) -> None:
    held = await asyncio.to_thread(_held, home)
    async with book.reading() as state:
        size, doom = state.size, doomed(state, held)
    await book.wait_beyond(size - 1)  # memory may be ahead of the disk: delete what is logged
    for name in await asyncio.to_thread(delete, home, doom):
        _log.warning("dataset %s is deleted: something in it was withdrawn or taken down", name)
