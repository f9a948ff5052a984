"""The book: ledger, state and sequencer, kept in step. Every record enters through `append`.

    prepare   parse, check leaves and signature; in threads, many at once, nothing is touched yet
    admit     validate against the state, apply, enqueue; one record at a time, under one lock
    commit    the sequencer writes what is queued; only then is anybody told

A record that was applied is enqueued before the lock is given up, so that the order of the state is
the order of the log. If that ever fails, memory is ahead of the disk: `on_fatal` must end the process,
and the next start replays what the disk holds.

An envelope enters once. Whoever sends it again gets the receipt of the first time, whatever the rules
would say now; so a lost answer is repaired by a retry, and an old record cannot be played again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from commonground.status import Busy, Forbidden
from coordinator.erasure import erasure_of
from coordinator.keys import Keys
from coordinator.ledger import FatalStoreError, Head, Ledger, Staged, StoredEntry
from coordinator.recovery import Recovered, recover
from coordinator.sealed import Opening, validate_sealed
from coordinator.sequencer import Sequenced, Sequencer
from coordinator.tally import Tally
from protocol.limits import MESSAGE_BYTES_MAX
from protocol.log.batch import encode_bundle
from protocol.log.envelope import Envelope, parse_envelope, seal, verify_signature
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import sign_checkpoint
from protocol.state import State
from protocol.transition import RULES, AnyRecord, open_record, validate

# Signatures are checked outside the interpreter's lock; more threads than this gain nothing here.
VERIFIER_THREADS: Final = 4
# Records that wait for their signature check: eight messages of the largest size, or very many small.
VERIFYING_BYTES_MAX: Final = 8 * MESSAGE_BYTES_MAX
VERIFYING_RECORDS_MAX: Final = 4_096
# With more leaves than this a record is validated in a thread, so that others are answered meanwhile.
INLINE_LEAVES_MAX: Final = 16
# Kinds whose rules go through all items or answers of an epoch, or of a snapshot.
_HEAVY: Final = frozenset(
    {"phase", "draw", "verdict", "close", "settlement", "withdraw", "snapshot"}
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that the operator is about to sign."""

    kind: str
    body: Message
    leaves: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A record whose signature and batch hold. Its index is not known yet."""

    envelope: Envelope
    record: AnyRecord
    leaf_hash: bytes
    bundle: bytes | None
    root: bytes | None

    @property
    def is_heavy(self) -> bool:
        return self.envelope.kind in _HEAVY or len(self.record.leaves) > INLINE_LEAVES_MAX


class Book:
    """Open it with `open_book`. All methods belong to the event loop."""

    def __init__(
        self,
        ledger: Ledger,
        recovered: Recovered,
        sequencer: Sequencer,
        keys: Keys,
        on_fatal: Callable[[FatalStoreError], None],
    ) -> None:
        self.ledger = ledger
        self.tree: MerkleTree = recovered.tree
        self.keys = keys
        self._state = recovered.state
        self._tally = recovered.tally
        self._places = recovered.places  # leaf hash -> index, of every entry applied
        self._sequencer = sequencer
        self._on_fatal = on_fatal
        self._lock = asyncio.Lock()  # guards the state, against threads too
        self._uncommitted: dict[int, asyncio.Future[Sequenced]] = {}  # bounded by the sequencer
        self._advanced = asyncio.Event()
        self._verifiers = ThreadPoolExecutor(VERIFIER_THREADS, "verifier")
        self._rules = ThreadPoolExecutor(1, "rules")
        self._verifying_records = self._verifying_bytes = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: FatalStoreError | None = None

    # -- Reading

    @property
    def head(self) -> Head:
        """The committed end of the log."""
        return self._sequencer.head

    @property
    def queued(self) -> int:
        """Records that wait for a commit."""
        return self._sequencer.queued

    @property
    def operator(self) -> bytes:
        """Who operates the network; fixed by the first entry."""
        return self._state.operator

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[State]:
        """The state, standing still. Do not await anything slow inside: appends wait."""
        async with self._lock:
            yield self._state

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[tuple[State, Tally]]:
        """The state and the tallies of the same moment; as for `reading`."""
        async with self._lock:
            yield self._state, self._tally

    async def wait_beyond(self, size: int) -> Head:
        """Waits until more than `size` entries are committed."""
        while self.head.size <= size:
            self._advanced.clear()
            await self._advanced.wait()
        return self.head

    async def read(
        self, start: int, entries_max: int, bytes_max: int
    ) -> tuple[list[StoredEntry], Head]:
        """Committed entries from `start` on, at least one, and the head of that moment on disk."""
        return await asyncio.to_thread(self.ledger.page, start, entries_max, bytes_max)

    # -- Writing

    async def append(
        self, raw: bytes, leaves: Sequence[bytes] = (), openings: Sequence[Opening] = ()
    ) -> Sequenced:
        """Logs a signed record; returns its receipt once it is durable.

        Raises:
            Ignore, Reject: a rule; Forbidden where only the operator may sign.
            Busy: too much waits already; nothing happened, retry.
            FatalStoreError: the disk failed; whether the record is logged is unknown.
        """
        known = self._receipt_of(hash_leaf(raw))
        if known is not None:
            return await known
        prepared = await self._verified(raw, leaves)
        return await self._uncancelled(self._admit(prepared, openings))

    async def append_own(self, compose: Callable[[State], Draft | None]) -> Sequenced | None:
        """Signs and logs the record that `compose` makes of the state, or nothing.

        `compose` runs in a thread while the state stands still and all sealed openings are on disk.
        """
        return await self._uncancelled(self._compose(compose))

    async def _compose(self, compose: Callable[[State], Draft | None]) -> Sequenced | None:
        async with self._lock:
            await self._flushed()
            draft = await self._in_thread(compose, self._state)
            if draft is None:
                return None
            payload = draft.body.SerializeToString()
            raw = seal(draft.kind, payload, self.keys.operator, self.keys.sign_record)
            prepared = await self._in_thread(_prepare, raw, draft.leaves)
            receipt = await self._enter(prepared, ())
        return await asyncio.shield(receipt)

    async def _verified(self, raw: bytes, leaves: Sequence[bytes]) -> _Prepared:
        size = len(raw) + sum(map(len, leaves))
        if (
            self._verifying_records >= VERIFYING_RECORDS_MAX
            or self._verifying_bytes + size > VERIFYING_BYTES_MAX
        ):
            raise Busy("too many records wait for their signature check")
        self._verifying_records += 1
        self._verifying_bytes += size
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._verifiers, _prepare, raw, leaves)
        finally:
            self._verifying_records -= 1
            self._verifying_bytes -= size

    async def _admit(self, prepared: _Prepared, openings: Sequence[Opening]) -> Sequenced:
        async with self._lock:
            # The same envelope may have entered while this one's signature was checked.
            receipt = self._receipt_of(prepared.leaf_hash)
            if receipt is None:
                if prepared.envelope.kind == "gold-commit":
                    await self._flushed()
                receipt = await self._enter(prepared, openings)
        return await asyncio.shield(receipt)

    async def _enter(
        self, prepared: _Prepared, openings: Sequence[Opening]
    ) -> asyncio.Future[Sequenced]:
        """Validates, applies and enqueues. The caller holds the lock and cannot be cancelled."""
        if self._failure is not None:
            raise self._failure
        kind, index = prepared.envelope.kind, self._state.size
        record = replace(prepared.record, index=index)
        step = self._in_thread if prepared.is_heavy else _inline
        sealed = await step(self._check, kind, record, openings)
        erasure = erasure_of(self._state, kind, record)
        staged = Staged(prepared.envelope.raw, prepared.bundle, prepared.root, sealed, erasure)
        self._sequencer.ensure_room(staged)
        try:
            await step(self._tally.process, self._state, kind, record)
            receipt = self._sequencer.submit(staged, index=index)
        except Exception as error:
            # The state may be half changed: nothing that is in memory counts any more.
            self._failure = FatalStoreError(
                f"a {kind} could not be applied: {type(error).__name__}",
                "Restart: the ledger loads what the disk holds.",
            )
            self._on_fatal(self._failure)
            raise self._failure from error
        self._places[prepared.leaf_hash] = index
        self._uncommitted[index] = receipt
        receipt.add_done_callback(lambda done: self._committed(index, done))
        return receipt

    def _check(
        self, kind: str, record: AnyRecord, openings: Sequence[Opening]
    ) -> dict[bytes, bytes]:
        if RULES[kind].by_operator and record.author != self._state.operator:
            raise Forbidden(f"only the network's operator signs a {kind}")
        validate(self._state, kind, record)
        return validate_sealed(self._state, self.ledger, kind, record, openings)

    def _committed(self, index: int, receipt: asyncio.Future[Sequenced]) -> None:
        del self._uncommitted[index]
        if receipt.exception() is None:  # asking also marks a failure as seen
            self._advanced.set()

    def _receipt_of(self, leaf_hash: bytes) -> asyncio.Future[Sequenced] | None:
        """The receipt of an entry that was applied before, committed or not yet."""
        index = self._places.get(leaf_hash)
        if index is None:
            return None
        waiting = self._uncommitted.get(index)
        if waiting is not None:
            return asyncio.shield(waiting)
        receipt: asyncio.Future[Sequenced] = asyncio.get_running_loop().create_future()
        receipt.set_result(self._sequencer.receipt(index))
        return receipt

    async def _flushed(self) -> None:
        """Waits until all that was applied is on disk, where openings are read from."""
        if self._uncommitted:
            await asyncio.wait(list(self._uncommitted.values()))

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._rules, function, *arguments)

    async def _uncancelled(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` to its end even if the client that asked for it goes away in between."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked has it, or has gone

    async def drain(self) -> None:
        """Waits for the records that are being admitted; new ones must not come any more."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        self._verifiers.shutdown()
        self._rules.shutdown()


@asynccontextmanager
async def open_book(
    url: str, keys: Keys, on_fatal: Callable[[FatalStoreError], None]
) -> AsyncIterator[Book]:
    """Opens the ledger for writing and replays it; on leaving, all that was applied is committed."""

    def sign_head(size: int, root: bytes) -> bytes:
        return sign_checkpoint(keys.log_verifier, size, root, keys.sign_log)

    with Ledger.open(url) as ledger:
        recovered = await asyncio.to_thread(recover, ledger, keys.log_verifier)
        async with Sequencer(ledger, recovered.tree, sign_head, on_fatal) as sequencer:
            book = Book(ledger, recovered, sequencer, keys, on_fatal)
            try:
                yield book
            finally:
                await book.drain()


def _prepare(raw: bytes, leaves: Sequence[bytes]) -> _Prepared:
    """All that can be checked of a record without the state. Runs on any thread."""
    envelope = parse_envelope(raw)
    record = open_record(envelope, leaves, index=0)
    verify_signature(envelope)
    batch = RULES[envelope.kind].batch
    if batch is None:
        return _Prepared(envelope, record, hash_leaf(raw), None, None)
    root = getattr(record.body, batch).root
    return _Prepared(envelope, record, hash_leaf(raw), encode_bundle(leaves), root)


async def _inline(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function whose work is too small for a thread."""
    return function(*arguments)
