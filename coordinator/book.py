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
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from commonground.status import Busy, Forbidden
from coordinator.erasure import erasure_of
from coordinator.keys import Keys, Role
from coordinator.ledger import FatalStoreError, Head, Ledger, Staged, StoredEntry
from coordinator.prepare import Draft, Prepared, prepare, sign
from coordinator.recovery import Recovered
from coordinator.sealed import Opening, validate_sealed
from coordinator.sequencer import Sequenced, Sequencer
from coordinator.tally import Tally
from coordinator.views import RoundView
from protocol.errors import Outdated, Reject, StoreError
from protocol.identity import KeyId
from protocol.limits import MESSAGE_BYTES_MAX
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Verifier
from protocol.rules.table import LATEST, rules_of
from protocol.state import State
from protocol.transition import AnyRecord, Changes, process, validate
from protos.gen import records_pb2 as pb

# Signatures are checked outside the interpreter's lock; more threads than this gain nothing here.
VERIFIER_THREADS: Final = 4
# Records that wait for their signature check: eight messages of the largest size, or very many small.
VERIFYING_BYTES_MAX: Final = 8 * MESSAGE_BYTES_MAX
VERIFYING_RECORDS_MAX: Final = 4_096
# Inferences at a time: a small campaign's need not wait for a large one's, which may take a gigabyte.
APART_THREADS: Final = 2

T = TypeVar("T")


class Book:
    """Open it with `coordinator.start.open_book`. All methods belong to the event loop."""

    def __init__(
        self,
        ledger: Ledger,
        recovered: Recovered,
        sequencer: Sequencer,
        load_keys: Callable[[], Keys],
        on_fatal: Callable[[FatalStoreError], None],
    ) -> None:
        self.ledger = ledger
        self.tree: MerkleTree = recovered.tree
        self._state = recovered.state
        self._load_keys = load_keys
        self.keys = self._present_keys()
        self._tally = recovered.tally
        self._places = recovered.places  # leaf hash -> index, of every entry applied
        self._sequencer = sequencer
        self._on_fatal = on_fatal
        self._lock = asyncio.Lock()  # guards the state, against threads too
        self._uncommitted: dict[int, asyncio.Future[Sequenced]] = {}  # bounded by the sequencer
        self._advanced = asyncio.Event()
        self._verifiers = ThreadPoolExecutor(VERIFIER_THREADS, "verifier")
        self._rules = ThreadPoolExecutor(1, "rules")
        self._apart = ThreadPoolExecutor(APART_THREADS, "apart")
        self._verifying_records = self._verifying_bytes = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: FatalStoreError | None = None
        self._stopped: StoreError | None = None
        self._touched: set[str] = {name for name, _ in recovered.state.campaigns.scan()}
        self._stirred = asyncio.Event()
        self.erasures = 0  # entries so far that took away what rested beside earlier ones

    # -- Reading

    @property
    def head(self) -> Head:
        """The committed end of the log."""
        return self._sequencer.head

    @property
    def queued(self) -> int:
        """Records that wait for a commit."""
        return self._sequencer.queued

    # Single numbers, which need no lock: monitoring must not wait for a verdict.

    @property
    def closed_epoch(self) -> int:
        """The last epoch that was closed; 0 before the first."""
        return self._state.closed_epoch

    @property
    def waiting_items(self) -> int:
        """Items that wait for a round."""
        return len(self._state.waiting)

    @property
    def operator_key(self) -> KeyId:
        """The key that signs for the operator now."""
        return self._state.operator_key

    @property
    def log_verifier(self) -> Verifier:
        """The log's name, and the key that signs its checkpoints now."""
        return Verifier(self.keys.log_verifier.name, self._state.log_key)

    @property
    def log_keys(self) -> tuple[bytes, ...]:
        """The keys that signed checkpoints so far, the oldest first."""
        return self._state.log_keys

    def is_member(self, key: KeyId) -> bool:
        """Whether a key signs for somebody in the network."""
        return key == self._state.operator_key or key in self._state.keys

    def holds(self, raw: bytes) -> bool:
        """Whether an envelope is in the log, or about to be."""
        return hash_leaf(raw) in self._places

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

    def take_touched(self) -> set[str]:
        """The campaigns that records were about since the last call; all of them, the first time."""
        touched, self._touched = self._touched, set()
        self._stirred.clear()
        return touched

    async def wait_touched(self) -> None:
        """Waits until `take_touched` has something to give."""
        await self._stirred.wait()

    async def wait_beyond(self, size: int) -> Head:
        """Waits until more than `size` entries are committed."""
        while self.head.size <= size:
            self._advanced.clear()
            await self._advanced.wait()
        return self.head

    async def read(
        self, start: int, entries_max: int, bytes_max: int
    ) -> tuple[list[StoredEntry], Head]:
        """Committed entries from `start` on, at least one, and the head of that moment on disk.

        It waits until that head is kept: nobody is shown what the next start might not know of.
        """
        page = await asyncio.to_thread(self.ledger.page, start, entries_max, bytes_max)
        await self.wait_beyond(page[1].size - 1)
        return page

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

    async def append_apart(
        self, take: Callable[[State], RoundView], compose: Callable[[State], Draft | None]
    ) -> Sequenced | None:
        """As `append_own`, for a record that takes long to find: everybody else goes on meanwhile.

        It is composed and validated on what `take` gives of the state, and logged if the state then still
        holds the same; else nothing happens.
        """
        return await self._uncancelled(self._compose_apart(take, compose))

    async def _compose(self, compose: Callable[[State], Draft | None]) -> Sequenced | None:
        async with self._lock:
            await self._flushed()
            draft = await self._in_thread(compose, self._state)
            if draft is None:
                return None
            prepared = await self._in_thread(sign, draft, self.keys, self._rules_now)
            receipt = await self._enter(prepared, draft.openings)
        return await asyncio.shield(receipt)

    async def _compose_apart(
        self, take: Callable[[State], RoundView], compose: Callable[[State], Draft | None]
    ) -> Sequenced | None:
        async with self._lock:
            await self._flushed()
            view = take(self._state)
        draft = await self._in_thread(compose, view.state, threads=self._apart)
        if draft is None:
            return None
        prepared = await self._in_thread(
            sign, draft, self.keys, view.state.rules, threads=self._apart
        )
        record, sealed = await self._in_thread(
            self._check, view.state, prepared, draft.openings, threads=self._apart
        )
        async with self._lock:
            if not view.holds_in(self._state):
                return None
            receipt = await self._apply(prepared, record, sealed)
        return await asyncio.shield(receipt)

    async def _verified(self, raw: bytes, leaves: Sequence[bytes]) -> Prepared:
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
            return await loop.run_in_executor(
                self._verifiers, prepare, raw, leaves, self._rules_now
            )
        finally:
            self._verifying_records -= 1
            self._verifying_bytes -= size

    async def _admit(self, prepared: Prepared, openings: Sequence[Opening]) -> Sequenced:
        async with self._lock:
            # The same envelope may have entered while this one's signature was checked.
            receipt = self._receipt_of(prepared.leaf_hash)
            if receipt is None:
                receipt = await self._enter(prepared, openings)
        return await asyncio.shield(receipt)

    async def _enter(
        self, prepared: Prepared, openings: Sequence[Opening]
    ) -> asyncio.Future[Sequenced]:
        """Validates, applies and enqueues. The caller holds the lock and cannot be cancelled."""
        if prepared.rules != self._rules_now:  # an upgrade took effect meanwhile
            raw, leaves = prepared.envelope.raw, prepared.leaves
            prepared = await self._in_thread(prepare, raw, leaves, self._rules_now)
        step = self._in_thread if prepared.is_heavy else _inline
        record, sealed = await step(self._check, self._state, prepared, openings)
        return await self._apply(prepared, record, sealed)

    async def _apply(
        self, prepared: Prepared, record: AnyRecord, sealed: Mapping[bytes, bytes]
    ) -> asyncio.Future[Sequenced]:
        """Applies a validated record and enqueues it; the same holds for the caller."""
        if failure := self._failure or self._stopped:
            raise failure
        kind, index = prepared.envelope.kind, self._state.size
        record = replace(record, index=index)
        step = self._in_thread if prepared.is_heavy else _inline
        staged = Staged(prepared.envelope.raw, prepared.bundle, prepared.root, sealed)
        self._sequencer.ensure_room(staged)
        try:
            changes = await step(process, self._state, kind, record)
            self._tally.take(kind, record, changes)
            if isinstance(record.body, pb.Successor):
                self.keys = self.keys.signing_as(self._state.operator_key, self._state.log_key)
            staged = replace(staged, erasure=erasure_of(record, changes))
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
        if staged.erasure.leaves:
            receipt.add_done_callback(lambda _: self._erased())
        self._touch(record, changes)
        return receipt

    @property
    def _rules_now(self) -> int:
        """The version that governs the next entry. A log's first one never comes this way."""
        return self._state.rules if self._state.size else LATEST

    def _check(
        self, state: State, prepared: Prepared, openings: Sequence[Opening]
    ) -> tuple[AnyRecord, dict[bytes, bytes]]:
        """The record with its place and author, and what is to be sealed beside it."""
        kind, rule = prepared.envelope.kind, prepared.rule
        record = replace(prepared.record, index=state.size)
        if rule.by_operator and record.key != state.operator_key:
            raise Forbidden(f"only the network's operator signs a {kind}")
        record = validate(state, kind, record)
        self._require_able(record.body)
        return record, validate_sealed(state, rule, record, openings)

    def _require_able(self, body: Message) -> None:
        """Refuses what this coordinator could not go on with."""
        if isinstance(body, pb.Upgrade):
            try:
                rules_of(body.version)
            except Outdated as error:
                raise Reject(
                    f"this coordinator does not know version {body.version} of the rules",
                    "install a newer version of commonhold here first; then announce the upgrade",
                ) from error
        if isinstance(body, pb.Successor):
            self._require_key(Role.LOG if body.role == pb.KEY_ROLE_LOG else Role.OPERATOR, body.key)

    def _present_keys(self) -> Keys:
        """As they are on disk now. Raises ConfigError when one is missing that the log needs."""
        return self._load_keys().signing_as(self._state.operator_key, self._state.log_key)

    def _require_key(self, role: Role, public_key: bytes) -> None:
        """We hold the key that is to follow; it may have been put here since we started."""
        if not self.keys.holds(role, public_key):
            self.keys = self._present_keys()
        if not self.keys.holds(role, public_key):
            raise Reject(
                f"the coordinator does not hold the key that is to follow the {role}'s",
                f"`commonhold coordinator keys successor --role {role}` makes one and logs it",
            )

    def _touch(self, record: AnyRecord, changes: Changes) -> None:
        touched = {after.campaign_id for _, after in changes.items.values()} | set(changes.rounds)
        # Who stands by or answers changes no item and no phase, and may be whom a round waits for.
        if campaign_id := getattr(record.body, "campaign_id", ""):
            touched.add(campaign_id)
        if isinstance(record.body, pb.Campaign):
            touched.add(record.body.id)
        if touched or changes.closed is not None:
            self.touch(*touched)

    def stop(self, reason: StoreError) -> None:
        """Takes no new record any more: it would begin another history. Shows what there is."""
        self._stopped = self._stopped or reason

    def touch(self, *campaigns: str) -> None:
        """Has the conductor look at some campaigns again."""
        self._touched.update(campaigns)
        self._stirred.set()

    async def keep_sealed(self, rows_of: Callable[[State], Mapping[bytes, bytes]]) -> None:
        """Seals the rows that `rows_of` makes of the state, while all that was applied is on disk.

        Raises what it raises, and StoreError: our disk.
        """
        async with self._lock:
            await self._flushed()
            if rows := await self._in_thread(rows_of, self._state):
                await self._in_thread(self.ledger.keep, rows)

    def _committed(self, index: int, receipt: asyncio.Future[Sequenced]) -> None:
        del self._uncommitted[index]
        if receipt.exception() is None:  # asking also marks a failure as seen
            self._advanced.set()

    def _erased(self) -> None:
        self.erasures += 1

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

    async def _in_thread(
        self, function: Callable[..., T], *arguments: Any, threads: ThreadPoolExecutor | None = None
    ) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads or self._rules, function, *arguments)

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
        self._apart.shutdown()


async def _inline(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function whose work is too small for a thread."""
    return function(*arguments)
