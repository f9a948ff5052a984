"""Answers those who show a head of this log: see protocol/log/assurance.py.

If it is a head that we signed and that our ledger does not extend, entries were lost, or another ledger with
our keys has gone on. Then we say so, signed, as to everybody; we take no new record any more, since that
would begin a second history; and the head is kept, so that the next start refuses until the operator has
restored the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from commonground.counting import plural
from coordinator.book import Book
from coordinator.heads import RESTORE_ADVICE
from protocol.errors import Reject, StoreError
from protocol.log.assurance import extension_of
from protocol.log.note import Checkpoint, Verifier, is_signed, read_checkpoint
from protos.gen import api_pb2

_log = logging.getLogger(__name__)


class Assurances:
    """It belongs to the event loop: an answer takes a signature and some dozen hashes."""

    def __init__(self, book: Book, keep_for_good: Callable[[bytes], None]) -> None:
        """`keep_for_good` is called with a head that our ledger does not extend."""
        self._book, self._keep_for_good = book, keep_for_good

    async def answer(self, held: bytes) -> api_pb2.FollowResponse:
        """The present head, and the proof that it extends `held`. Raises Reject for what we never signed."""
        if not held:
            return api_pb2.FollowResponse(checkpoint=self._book.head.checkpoint)
        shown = self._opened(held)
        # Whoever reads our disk may be some milliseconds ahead of us.
        if self._book.head.size < shown.size <= await asyncio.to_thread(self._size_on_disk):
            await self._book.wait_beyond(shown.size - 1)
        head, tree = self._book.head, self._book.tree
        within = shown.size <= head.size
        proof = tree.consistency_proof(shown.size, head.size) if within else []
        if not (within and tree.root(shown.size) == shown.root):
            self._require_present_key(held)
            self._stop(shown, held)
        note = self._book.keys.sign_checkpoint(
            head.size, tree.root(head.size), self._book.log_keys, extension_of(shown, proof)
        )
        return api_pb2.FollowResponse(checkpoint=note, proof=proof)

    def _size_on_disk(self) -> int:
        return self._book.ledger.size

    def _opened(self, held: bytes) -> Checkpoint:
        shown = read_checkpoint(held, self._book.log_verifier)
        if not any(is_signed(held, each) for each in (*self._former(), *self._present())):
            raise Reject("the head that was shown is not signed by this log")
        return shown

    def _require_present_key(self, held: bytes) -> None:
        """Whoever stole a key that was replaced shall not stop the log with it."""
        if not any(is_signed(held, each) for each in self._present()):
            raise Reject("the head that was shown is signed by a key that was replaced")

    def _former(self) -> Iterator[Verifier]:
        *former, _ = self._book.log_keys
        return (self._verifier(key) for key in former)

    def _present(self) -> Iterator[Verifier]:
        """The log's key, and those that are to follow it: lost entries may have named them."""
        known = self._book.log_keys
        own = (bytes(each.verify_key) for each in self._book.keys.log_keys)
        return (self._verifier(key) for key in (known[-1], *(k for k in own if k not in known)))

    def _verifier(self, key: bytes) -> Verifier:
        return Verifier(self._book.log_verifier.name, key)

    def _stop(self, shown: Checkpoint, held: bytes) -> None:
        size = self._book.head.size
        lost = (
            f"{plural(shown.size - size, 'entry is', 'entries are')} missing: the log has {size:,}, and"
            f" somebody showed a head of {shown.size:,} that it signed"
            if shown.size > size
            else "the log signed two histories: of its first"
            f" {plural(shown.size, 'entry', 'entries')} somebody has others"
        )
        _log.critical("%s. No record is taken any more. Stop, and %s", lost, RESTORE_ADVICE)
        self._keep_for_good(held)
        self._book.stop(
            StoreError(lost, "the operator has to restore them; nothing is lost by waiting")
        )
