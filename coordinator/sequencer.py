"""The sequencer: gives every entry its place in the log, many entries to one commit.

Reaching the disk costs milliseconds whatever it carries, so whatever queued up during one commit
goes into the next: one transaction, one fsync, one signed checkpoint, and a receipt for each.

Order. A caller validates a record against the in-memory state, applies it and calls `submit`,
all in one step of the event loop; so the order of calls is the order in which the state saw the
records, and it must be the order of the log. `submit` is therefore a plain function that
enqueues before it returns, and it takes the index at which the caller applied the record: if
the two disagree, state and log have come apart, which is fatal.

What a crash means, by state of an entry:
    queued       in memory only; nobody was told; it never happened
    committing   signed and written, perhaps durable; the next start finds it or does not
    acknowledged durable; the receipt's checkpoint covers it

A checkpoint is signed before its commit and leaves the process only after it, when it is kept outside the
ledger, too (coordinator/heads.py). If the commit
fails, the signature dies with the process, and the log's next one may cover other entries.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from commonground.status import Busy
from coordinator.ledger import FatalStoreError, Head, Ledger, Staged
from protocol.errors import LocalError, StateError
from protocol.log.merkle import MerkleTree

#: Signs the head of the log: (size, root) in, the signed note out.
SignCheckpoint = Callable[[int, bytes], bytes]

# About one second of work at the measured rate of a small machine: a client that is told to come
# back is better off than one that waits longer, and memory stays bounded.
QUEUE_ENTRIES_MAX = 8_192
QUEUE_BYTES_MAX = 64 * 1024 * 1024
# Past a thousand entries a larger commit gains little and delays everybody in it.
COMMIT_ENTRIES_MAX = 1_024
COMMIT_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A receipt: the entry's index, and the proof that leads from it to a signed checkpoint."""

    index: int
    size: int
    checkpoint: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Waiting:
    index: int
    staged: Staged
    total_bytes: int
    receipt: asyncio.Future[Sequenced]


class Sequencer:
    """The only writer of a ledger. Use it as an async context manager; leaving it drains.

    Everything but `_commit` runs on the event loop and owns the queue; `_commit` runs on one
    thread of its own and owns the ledger and the growth of the tree. The loop reads the tree
    only below the committed size, where nothing changes any more.
    """

    def __init__(
        self,
        ledger: Ledger,
        tree: MerkleTree,
        sign_checkpoint: SignCheckpoint,
        on_fatal: Callable[[FatalStoreError], None],
        keep_head: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """Continue `ledger`, whose `load_tree` gave `tree`.

        `keep_head` makes each new signed head durable elsewhere, before anybody is told of it.

        `on_fatal` is called once, on the event loop, when a commit has failed; it must see to
        it that the process exits. By then every waiter has the same error.
        """
        self._ledger = ledger
        self._tree = tree
        self._sign_checkpoint = sign_checkpoint
        self._on_fatal = on_fatal
        self._keep_head = keep_head
        self._head = ledger.head()
        if tree.size != self._head.size:
            raise StateError(f"the tree has {tree.size} leaves, the ledger {self._head.size}")
        self._next_index = tree.size
        self._queue: deque[_Waiting] = deque()
        self._queue_bytes = 0
        self._wakeup = asyncio.Event()
        self._closing = False
        self._failure: FatalStoreError | None = None
        self._thread = ThreadPoolExecutor(1, "sequencer")
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Sequencer:
        self._writer = asyncio.create_task(self._write(), name="sequencer")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._wakeup.set()
        try:
            if self._writer is not None:
                await self._writer
        finally:
            self._refuse_queue(StateError("the sequencer has stopped"))
            self._thread.shutdown()

    @property
    def head(self) -> Head:
        """Return the committed end of the log; what may be shown to others."""
        return self._head

    @property
    def next_index(self) -> int:
        """Return the index that the next submission will get."""
        return self._next_index

    @property
    def queued(self) -> int:
        """Return how many submissions wait for a commit."""
        return len(self._queue)

    def ensure_room(self, staged: Staged) -> None:
        """Raise unless `submit` would take `staged` in this step of the event loop.

        Call it before applying the record to the state: a record that was applied and then
        refused would leave the state ahead of the log.

        Raises:
            Busy: the queue is full.
            FatalStoreError: a commit has failed.
            StateError: the sequencer is closing.
        """
        if self._failure is not None:
            raise self._failure
        if self._closing:
            raise StateError("the sequencer is closing")
        is_full = len(self._queue) >= QUEUE_ENTRIES_MAX
        if is_full or self._queue_bytes + staged.total_bytes > QUEUE_BYTES_MAX:
            raise Busy("too many entries wait for the log")

    def submit(self, staged: Staged, *, index: int) -> asyncio.Future[Sequenced]:
        """Enqueue an entry at once; await the result for its receipt.

        Cancelling the result does not take the entry back: it is in the caller's state.

        Args:
            staged: the validated entry.
            index: its place in the log according to the caller's state.

        Raises:
            Busy, FatalStoreError, StateError: as `ensure_room`; nothing was enqueued.
        """
        self.ensure_room(staged)
        if index != self._next_index:
            raise self._fail(
                FatalStoreError(f"the state is at {index}, the log at {self._next_index}")
            )
        receipt: asyncio.Future[Sequenced] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(index, staged, staged.total_bytes, receipt)
        self._queue.append(waiting)
        self._queue_bytes += waiting.total_bytes
        self._next_index += 1
        self._wakeup.set()
        return receipt

    def receipt(self, index: int) -> Sequenced:
        """Return a receipt under the present checkpoint, for an entry committed earlier."""
        head = self._head
        if not 0 <= index < head.size:
            raise StateError(f"entry {index} is not in the log of {head.size}")
        return self._receipt(index, head)

    async def _write(self) -> None:
        """Commit what is queued, batch after batch, until closed or failed."""
        loop = asyncio.get_running_loop()
        while await self._has_work():
            batch = self._take()
            try:
                receipts = await loop.run_in_executor(self._thread, self._commit, batch)
            except Exception as error:
                self._fail(_fatal(error), batch)
                return
            self._head = Head(receipts[-1].size, receipts[-1].checkpoint)
            for waiting, receipt in zip(batch, receipts, strict=True):
                if not waiting.receipt.done():  # its client may have gone
                    waiting.receipt.set_result(receipt)

    async def _has_work(self) -> bool:
        while self._failure is None and not self._queue and not self._closing:
            self._wakeup.clear()
            await self._wakeup.wait()
        return bool(self._queue)

    def _take(self) -> list[_Waiting]:
        """Take the oldest submissions that fit in one commit, and at least one."""
        batch: list[_Waiting] = []
        room = COMMIT_BYTES_MAX
        while self._queue and len(batch) < COMMIT_ENTRIES_MAX:
            room -= self._queue[0].total_bytes
            if batch and room < 0:
                break
            batch.append(self._queue.popleft())
        self._queue_bytes -= sum(waiting.total_bytes for waiting in batch)
        return batch

    def _commit(self, batch: list[_Waiting]) -> list[Sequenced]:
        """Grow the tree, sign its head and make both durable. Runs on the writer's thread.

        If this raises, the tree is ahead of the ledger and must not be used again.
        """
        built_on = self._tree.size
        for waiting in batch:
            if self._tree.append(waiting.staged.leaf_hash) != waiting.index:
                raise StateError(f"entry {waiting.index} is out of order")
        size = self._tree.size
        head = Head(size, self._sign_checkpoint(size, self._tree.root()))
        self._ledger.commit([waiting.staged for waiting in batch], head.checkpoint, built_on)
        self._keep_head(head.checkpoint)
        return [self._receipt(waiting.index, head) for waiting in batch]

    def _receipt(self, index: int, head: Head) -> Sequenced:
        proof = tuple(self._tree.inclusion_proof(index, head.size))
        return Sequenced(index, head.size, head.checkpoint, proof)

    def _fail(
        self, failure: FatalStoreError, batch: list[_Waiting] | None = None
    ) -> FatalStoreError:
        """Give every waiter the error, refuse all further work for good, and return the error."""
        self._queue.extendleft(reversed(batch or []))
        self._refuse_queue(failure)
        self._wakeup.set()
        if self._failure is None:
            self._failure = failure
            self._on_fatal(failure)
        return failure

    def _refuse_queue(self, error: LocalError) -> None:
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.receipt.done():
                waiting.receipt.set_exception(error)
        self._queue_bytes = 0


def _fatal(error: Exception) -> FatalStoreError:
    """Return `error` as a fatal one: whatever stopped a commit, state and log may differ now."""
    if isinstance(error, FatalStoreError):
        return error
    fatal = FatalStoreError(f"a commit could not be prepared: {type(error).__name__}")
    fatal.__cause__ = error
    return fatal
