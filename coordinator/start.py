"""From the ledger on disk to an open book: what every start goes through, after a crash or not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

from coordinator.book import Book
from coordinator.heads import KeptHead, require_all
from coordinator.keys import Keys
from coordinator.ledger import FatalStoreError, Ledger
from coordinator.recovery import recover
from coordinator.sequencer import Sequencer

_log = logging.getLogger(__name__)


@asynccontextmanager
async def open_book(
    url: str,
    kept: KeptHead,
    load_keys: Callable[[], Keys],
    on_fatal: Callable[[FatalStoreError], None],
) -> AsyncIterator[Book]:
    """Opens the ledger for writing and replays it; on leaving, all that was applied is committed, and the
    kept head closed.

    Raises:
        ConfigError: a key that the log needs now is not among those that `load_keys` reads.
        StoreError: the ledger is damaged, or lacks what was shown to others.
    """

    def sign_head(size: int, root: bytes) -> bytes:
        return book.keys.sign_checkpoint(size, root, recovered.state.log_keys)

    verifier = load_keys().log_verifier
    with closing(kept), Ledger.open(url) as ledger:
        recovered = await asyncio.to_thread(recover, ledger, verifier)
        shown = kept.read(verifier)
        require_all(shown, recovered.tree)
        if shown is None and recovered.tree.size > 1:
            _log.warning(
                "nothing here says how far the log was shown to others; after a restored backup run"
                " `commonhold coordinator restore` before anything else"
            )
        kept.keep(ledger.checkpoint())
        async with Sequencer(ledger, recovered.tree, sign_head, on_fatal, kept.keep) as sequencer:
            book = Book(ledger, recovered, sequencer, load_keys, on_fatal)
            try:
                yield book
            finally:
                await book.drain()
