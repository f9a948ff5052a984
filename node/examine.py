"""Examination: fetch an item's content from its author, check what the log says of it, ask for a label.

Content comes from strangers. It is bounded before it is fetched, checked against its commitment
while it streams, and held against media type and fingerprint before any reviewer sees it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from commonground.asking import ATTEMPT_SECONDS, Asking
from commonground.directory import Directory
from node.intake import (
    MAX_CONTENT_BYTES,
    PNG,
    TEXT,
    check_fingerprint,
    fingerprint_content,
)
from node.reviewers import Reviewer, ask
from node.rows import TaskRow
from protocol.errors import Misbehaviour, Reject, Unreachable
from protocol.identity import Identity, peer_id_of, short
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:  # libp2p takes half a second to import, and commands that only write do without
    from commonground.p2p import PeerHost

log = logging.getLogger(__name__)

# Transfers at once: enough to hide one slow author, few enough for a home connection.
FETCHES_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task of ours, and what the log says of its item and campaign."""

    task: TaskRow
    record: pb.Item
    labels: tuple[str, ...]

    @property
    def item_id(self) -> bytes:
        return self.task.item_id

    @property
    def author(self) -> Identity:
        return Identity(self.task.author)

    def path_in(self, folder: Path) -> Path:
        """Where its content rests while we review it."""
        return folder / self.item_id.hex()


@dataclass(frozen=True, slots=True)
class Opinion:
    """An answer: a label's index, or None and why not (pb.Abstention)."""

    label: int | None
    abstention: pb.Abstention = pb.ABSTENTION_NONE


UNSURE: Final = Opinion(None, pb.ABSTENTION_UNSURE)
UNAVAILABLE: Final = Opinion(None, pb.ABSTENTION_UNAVAILABLE)
MISMATCH: Final = Opinion(None, pb.ABSTENTION_MISMATCH)


class Fetcher:
    """Gets assigned content; one pass tries each missing item once."""

    def __init__(self, host: PeerHost, directory: Directory, folder: Path, bytes_max: int) -> None:
        """Content goes to `folder`; items above `bytes_max` bytes are not fetched."""
        self._host, self._folder = host, folder
        # An author who failed is not waited for again in the same pass.
        self._asking = Asking[Wanted](directory, at_once=FETCHES_MAX, failures_max=1)
        self._bytes_max = min(bytes_max, MAX_CONTENT_BYTES)  # examination holds it in memory

    async def run_pass(
        self, wanted: Sequence[Wanted], arrived: Callable[[Wanted, Path | Opinion], None]
    ) -> None:
        """Tells for each item its path, or why there is nothing to label; nothing if it may still come.

        Raises Unreachable when the directory is, and StoreError when our disk fails.
        """

        async def attempt(each: Wanted, addresses: Sequence[str]) -> bool:
            outcome = await self._try(each, addresses)
            if outcome is not None:
                arrived(each, outcome)
            return outcome is not None

        await self._asking.run_pass(wanted, attempt)

    async def _try(self, each: Wanted, addresses: Sequence[str]) -> Path | Opinion | None:
        if each.record.media_type not in (PNG, TEXT) or each.record.size > self._bytes_max:
            return UNSURE  # no fault of the author: this machine cannot judge it
        path = each.path_in(self._folder)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                fetched = await self._host.fetch(
                    peer_id_of(each.author),
                    addresses,
                    each.item_id,
                    sink_path=path,
                    size_max=each.record.size,
                    commitment=each.record.content_commitment,
                )
        except Misbehaviour as error:
            log.warning("item %s: %s", each.item_id.hex()[:16], error)
            return MISMATCH
        except (Unreachable, Reject, TimeoutError) as error:
            log.info("item %s of %s: %s", each.item_id.hex()[:16], short(each.author), error)
            return None
        if fetched.length != each.record.size:
            return MISMATCH
        return path


class Examiner:
    """Checks content, then asks the plug-in, one item at a time: plug-ins need not be thread-safe."""

    def __init__(self, plugin: Reviewer | None) -> None:
        """Without a plug-in a person answers, and only the checks are made here."""
        self._plugin = plugin
        self._turn = asyncio.Lock()

    async def examine(self, path: Path, wanted: Wanted) -> Opinion | None:
        """An opinion, or None when a person has to give it. Raises OSError when `path` is unreadable.

        Runs in a daemon thread, since foreign code may hang and must not keep the process alive;
        whoever waits sets the deadline.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Opinion | None] = loop.create_future()

        def work() -> None:
            try:
                tell(answer.set_result, self._examine(path, wanted))
            except Exception as error:
                tell(answer.set_exception, error)

        def tell(settle: Callable[[Any], None], value: object) -> None:
            try:
                loop.call_soon_threadsafe(lambda: None if answer.done() else settle(value))
            except RuntimeError:
                return  # the loop has closed: nobody waits any more

        async with self._turn:
            Thread(target=work, name="reviewer", daemon=True).start()
            return await answer

    def _examine(self, path: Path, wanted: Wanted) -> Opinion | None:
        content, record = path.read_bytes(), wanted.record
        try:
            if record.fingerprint:
                check_fingerprint(content, record.media_type, record.fingerprint)
            else:  # content that is not published has none: its media type is all there is to check
                fingerprint_content(content, record.media_type)
        except Reject as error:
            log.warning("an item's content does not match its record: %s", error)
            return MISMATCH
        if self._plugin is None:
            return None
        label = ask(self._plugin, content, record.media_type, wanted.labels)
        return UNSURE if label is None else Opinion(label)
