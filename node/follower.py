"""Follows the log and believes none of it unchecked: the node's own replay of the network.

    receive   entries and a signed checkpoint; their indices must continue what we have
    cover     append to our tree; at the checkpoint's size the roots must be equal
    store     entries and checkpoint in one transaction
    fold      apply the stored entries to the state, and tell who waits what each one changed
    erase     of the items that they withdraw, what the store holds

A log may sign with a successor of its key. Which key that is, the log says itself: whoever comes late
reads on until an entry announces the key that signed, and believes it once the entries are folded.

Only what a checkpoint covers is folded: an entry that the log has not signed for is not acted upon.
A start does the same from `fold` on, so that recovery is the ordinary way. If we crash between store
and erase, the next start folds what is stored, and erases. What this software has checked before, it does
not check again: the store knows how far that is, by the root of the tree over those very entries.

Every stream begins with an assurance: the log signs that it extends the newest head that we have, be it from
the stream, from a receipt, or from others. A log that went back cannot do that (protocol/log/assurance.py).

A lie ends it: the evidence is kept in the store, and until its owner acknowledges it the node neither
follows nor sends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from commonground.addresses import now_ms
from commonground.backoff import PATIENT
from commonground.receipts import Lie, Receipt
from node.alarmfile import BROKEN_RECEIPT, RULE, WENT_BACK
from node.checked import CheckMark
from node.logkeys import announced_keys
from node.rows import CheckpointRow, LogRow, OutboxRow, Withdrawn
from node.splitview import SPLIT_VIEW, prove_split
from node.store import Store
from node.trust import require_trust
from protocol import transition
from protocol.errors import Misbehaviour, Reject, RemoteError, StoreError, Unreachable
from protocol.limits import ENTRY_BYTES_MAX
from protocol.log.assurance import check_assurance
from protocol.log.batch import BUNDLE_BYTES_MAX, decode_bundle
from protocol.log.link import NetworkLink
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import (
    Checkpoint,
    Verifier,
    is_signed,
    open_checkpoint,
    read_checkpoint,
)
from protocol.state import State
from protocol.transition import Applied
from protos.gen import api_pb2 as api

if TYPE_CHECKING:  # with gRPC, for which whoever only reads what is here need not wait
    from commonground.client import CoordinatorClient

log = logging.getLogger(__name__)

# Rows read at once while folding: each may bring a bundle of 16 MiB.
PAGE_ROWS: Final = 16
# For commands that want to be up to date: a stream that is silent for so long has nothing new.
QUIET_SECONDS: Final = 1.0
# A coordinator has its assurance ready; a busy one says that it is busy.
ASSURANCE_SECONDS: Final = 15.0
_RESTORE: Final = (
    "restore node.db from a backup, or empty its tables entries and checkpoints: the log is then"
    " fetched again"
)

Listener = Callable[[Applied], None]
"""Called with each entry, after it was folded."""


class Follower:
    """The replay. All methods run on one thread; `state` is whole whenever a task sees it."""

    def __init__(
        self,
        store: Store,
        link: NetworkLink,
        clock: Callable[[], int] = now_ms,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Reads nothing yet; `replay` does."""
        self.state = State()
        self.tree = MerkleTree()  # over stored entries; may be ahead of `state`
        self.checkpoint: CheckpointRow | None = None  # covers exactly `state`
        # Whether what is folded now was logged just now: on this stream, we had all there was before it.
        self.is_live = False
        # Whether the log has said last, signed, that it extends what we have; `run` asks for it.
        self.is_assured = False
        self._store, self._link, self._clock, self._sleep = store, link, clock, sleep
        self._listeners: list[Listener] = []
        self._grown = asyncio.Event()
        self._failure: Misbehaviour | None = None
        self._announced: list[bytes] = []  # log keys in stored entries that may not be folded yet
        self._assured_size = 0  # how many entries the log said that it has when the stream began
        self._checked = CheckMark(store, self.tree)

    @property
    def size(self) -> int:
        """How many entries are folded."""
        return self.state.size

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """The keys of this log so far; the last one signs its checkpoints now."""
        first = self._link.log_verifier
        return tuple(Verifier(first.name, key) for key in self.state.log_keys) or (first,)

    @property
    def verifier(self) -> Verifier:
        """The key that signs the log's checkpoints now."""
        return self.verifiers[-1]

    def subscribe(self, listener: Listener) -> None:
        """Tells a listener of every entry that is folded from now on; it must return at once."""
        self._listeners.append(listener)

    async def wait_beyond(self, size: int) -> int:
        """Waits until more than `size` entries are folded; raises what ended the following."""
        while self.state.size <= size:
            if self._failure is not None:
                raise self._failure
            await self._grown.wait()
        return self.state.size

    def replay(self) -> None:
        """Folds what is stored, after checking it against the stored checkpoint.

        Raises StoreError when our own file is damaged, Misbehaviour when the log breaks a rule.
        """
        # Another process may store more meanwhile, and erase what that withdraws: what we read is then
        # explained by what it stored before it erased.
        while True:
            last = self._store.checkpoint()
            for row in self._stored_from(self.tree.size):
                self._keep(row)
            if last is None or last.size <= self.state.size:
                return
            self._checked.recall()
            head = self._open(last.note)
            if head.size > self.tree.size or self.tree.root(head.size) != head.root:
                raise StoreError(
                    "the log in node.db does not match its checkpoint: the file is damaged",
                    _RESTORE,
                )
            with self._exposing():
                self._fold(last)

    async def run(self, client: CoordinatorClient, gather_ms: int = 0) -> None:
        """Follows for ever, through any number of interruptions; raises Misbehaviour.

        With `gather_ms` the entries of a burst come together, which costs what one of them costs.
        """
        failures = 0
        refusal: RemoteError | None
        while True:
            try:
                self.is_live = False
                async with self._following(client, gather_ms) as responses:
                    failures, self.is_assured = 0, True
                    async for response in responses:
                        self.take(response)
                reason, refusal = "the stream ended", None
            except Misbehaviour:
                raise
            except RemoteError as error:
                reason, refusal, self.is_assured = str(error), error, False
            pause, failures = PATIENT.delay(failures, refusal), failures + 1
            log.info("following again in %.1f s: %s", pause, reason)
            await client.pause(pause, self._sleep)

    async def catch_up(self, client: CoordinatorClient) -> None:
        """Takes what the log has now, and returns. Raises Unreachable and Misbehaviour."""
        await client.connect()
        async with self._following(client) as responses:
            covered = self.size >= self._assured_size
            while not covered:
                try:
                    response = await asyncio.wait_for(anext(responses), QUIET_SECONDS)
                except (TimeoutError, StopAsyncIteration):
                    return
                covered = self.take(response)

    @asynccontextmanager
    async def _following(
        self, client: CoordinatorClient, gather_ms: int = 0
    ) -> AsyncIterator[AsyncGenerator[api.FollowResponse, None]]:
        """A stream that the log has begun with its assurance."""
        require_trust(self._store)
        held = self._store.highest_head()
        note = b"" if held is None else held.note
        async with aclosing(client.follow(self.tree.size, note, gather_ms)) as responses:
            believed = self._take_assurance(note, await _first(responses))
            if not believed:  # by a key that the next entries name, or that nobody ever will
                self.take(await _first(responses))
            yield responses

    def _take_assurance(self, held: bytes, response: api.FollowResponse) -> bool:
        """Checks where the log says that it is; tells whether that is by a key that we know. Raises Lie."""
        note, proof = response.checkpoint, tuple(response.proof)
        with self._exposing():
            if response.entries:
                raise self._lie("order", "the log sent entries before it said where it is", note)
            present = self._open(note)
            self._assured_size = present.size
            if present.size > self.tree.size and not is_signed(note, self.verifier):
                return False
            if held:
                self._hold_to(held, present, note, proof)
            if present.size <= self.tree.size and self.tree.root(present.size) != present.root:
                raise self._contradicted(present, note)
        return True

    def _hold_to(
        self, held: bytes, present: Checkpoint, note: bytes, proof: tuple[bytes, ...]
    ) -> None:
        try:
            check_assurance(read_checkpoint(held, self.verifier), present, proof)
        except Reject as error:
            raise Lie("checkpoint", str(error), (held, note)) from error
        except Misbehaviour as error:
            raise Lie(WENT_BACK, f"the log went back: {error}", (held, note, *proof)) from error

    def hold(self, receipt: Receipt) -> None:
        """Holds the head of a receipt against our tree: now, or when we get there. Raises Lie."""
        with self._exposing():
            head = read_checkpoint(receipt.checkpoint, self.verifier)
            if self.checkpoint is None or head.size > self.checkpoint.size:
                self._store.keep_head(head.size, receipt.checkpoint)
            elif self.tree.root(head.size) != head.root:
                raise self._contradicted(head, receipt.checkpoint)

    def take(self, response: api.FollowResponse) -> bool:
        """Checks, stores and folds one response; tells whether we then have all that its checkpoint covers.

        Raises Lie; then nothing more may be taken.
        """
        with self._exposing():
            return self._take(response)

    @contextmanager
    def _exposing(self) -> Iterator[None]:
        """Keeps the evidence of a lie before anybody acts on it: a crash does not make us forget."""
        try:
            yield
        except Lie as lie:
            self._store.raise_alarm(lie.kind, str(lie), lie.evidence, self._clock())
            self._failure = lie
            self._wake()
            raise

    def _take(self, response: api.FollowResponse) -> bool:
        if self._failure is not None:
            raise self._failure
        note = response.checkpoint
        rows = self._rows_of(response)
        head = self._open(note, rows)
        if rows and head.size < self.tree.size + len(rows):
            raise self._lie(
                "checkpoint", "a checkpoint does not cover the entries it came with", note
            )
        for row in rows:
            self._keep(row)
        if head.size <= self.tree.size and self.tree.root(head.size) != head.root:
            raise self._contradicted(head, note)
        covering = None
        if head.size == self.tree.size:
            covering = CheckpointRow(head.size, note, self._clock())
        checked = self._checked.up_to(0 if self.checkpoint is None else self.checkpoint.size)
        other = self._store.append_log(rows, covering, checked)
        if other is not None:
            raise self._lie(
                "entries", f"two connections got different entries for index {other}", note
            )
        if covering is not None:
            self._fold(covering)
            self.is_live = True
        return covering is not None

    def _keep(self, row: LogRow) -> None:
        """Takes a stored entry into the tree, and notes what log key it announces."""
        self.tree.append(hash_leaf(row.envelope))
        self._announced.extend(announced_keys(row))

    def _open(self, note: bytes, rows: Sequence[LogRow] = ()) -> Checkpoint:
        """By the log's present key, or one that stored or new entries (`rows`) announce.

        Whether the log could announce it is found out in the fold, before anything is acted upon. One that
        is announced further on is met there: until then the note says how far to read, and covers nothing.
        """
        announced = [*self._announced, *(key for row in rows for key in announced_keys(row))]
        verifier = self.verifier
        to_come = (key for key in reversed(announced) if key not in self.state.log_keys)
        for later in (Verifier(verifier.name, key) for key in to_come):
            if is_signed(note, later):
                verifier = later
                break
        try:
            claimed = read_checkpoint(note, verifier)
            if claimed.size > self.tree.size + len(rows):
                return claimed
            return open_checkpoint(note, verifier)
        except Reject as error:
            raise self._lie(
                "checkpoint", f"the log sent a bad checkpoint: {error}", note
            ) from error

    def _rows_of(self, response: api.FollowResponse) -> list[LogRow]:
        rows = [LogRow(e.index, e.envelope, e.bundle) for e in response.entries]
        expected = range(self.tree.size, self.tree.size + len(rows))
        if [row.index for row in rows] != list(expected):
            raise self._lie(
                "order",
                f"the log sent entries out of order where {self.tree.size} was next",
                response.checkpoint,
            )
        for row in rows:
            if len(row.envelope) > ENTRY_BYTES_MAX or len(row.bundle) > BUNDLE_BYTES_MAX:
                raise self._lie("size", f"entry {row.index} is too large", response.checkpoint)
        return rows

    def _fold(self, covering: CheckpointRow) -> None:
        start = self.state.size
        withdrawn = Withdrawn()
        try:
            for row in self._stored_from(start):
                if row.index == covering.size:
                    break
                withdrawn.add(self._apply(row, covering.note).changes)
        finally:
            # Also when a later entry is a lie: what was withdrawn before it was withdrawn.
            if withdrawn:
                self._store.erase(withdrawn)
            self._wake()
        self._require_explained(covering)
        self._require_signed(covering)
        for broken in self._store.broken_receipts(start, covering.size):
            raise Lie(
                BROKEN_RECEIPT,
                f"the log does not hold our {broken.outgoing.kind} where its receipt says"
                f" (entry {broken.receipt_index})",
                self._place_of(broken, covering),
            )
        self.checkpoint = covering
        self._require_kept(covering)
        self._checked.note(covering.size)

    def _place_of(self, broken: OutboxRow, covering: CheckpointRow) -> tuple[bytes, ...]:
        """Evidence: the promise, and what the log has in its place, proven."""
        index = broken.receipt_index or 0
        proof = self.tree.inclusion_proof(index, covering.size)
        there = self.tree.nodes(0, index, index + 1)
        return (broken.outgoing.envelope, broken.receipt, covering.note, there, *proof)

    def _require_kept(self, covering: CheckpointRow) -> None:
        """What the log signed beside the stream is of the history that it sent us."""
        kept = self._store.kept_head()
        if kept is None or kept.size > covering.size:
            return
        # What a former key signed alone proves nothing: it may have been stolen, and replaced since.
        if is_signed(kept.note, self.verifier):
            head = open_checkpoint(kept.note, self.verifier)
            if self.tree.root(head.size) != head.root:
                raise self._contradicted(head, kept.note)
        self._store.forget_head()

    def _apply(self, row: LogRow, note: bytes) -> Applied:
        is_known = row.index < self._checked.size
        take = transition.reapply if is_known else transition.apply
        try:
            applied = take(self.state, row.envelope, decode_bundle(row.bundle))
        except (Reject, Misbehaviour) as error:
            if is_known:
                raise StoreError(
                    f"entry {row.index} in node.db is damaged: {error}", _RESTORE
                ) from error
            raise Lie(RULE, f"the log breaks a rule: {error}", (note, row.envelope)) from error
        if row.index == 0 and self.state.network != self._link.network:
            raise Lie(
                "network", "the log is of another network than the link names", (note, row.envelope)
            )
        for listener in self._listeners:
            listener(applied)
        return applied

    def _require_signed(self, covering: CheckpointRow) -> None:
        """The key that signed is one that the log really announced."""
        if not any(is_signed(covering.note, each) for each in self.verifiers):
            raise Lie(
                "checkpoint", "the log is signed by a key that it never announced", (covering.note,)
            )

    def _require_explained(self, covering: CheckpointRow) -> None:
        """Under a checkpoint that covers exactly what we folded, every erased leaf has its withdrawal."""
        try:
            transition.require_explained(self.state)
        except Misbehaviour as error:
            last = self._store.checkpoint()
            if last is not None and last.size > covering.size:
                return  # another process of this node has read on, and erased; we shall get there
            raise Lie(RULE, f"the log breaks a rule: {error}", (covering.note,)) from error

    def _stored_from(self, start: int) -> Iterator[LogRow]:
        while rows := self._store.entries(start, PAGE_ROWS):
            yield from rows
            start = rows[-1].index + 1

    def _lie(self, kind: str, message: str, note: bytes) -> Lie:
        """With the last checkpoint that held, so that two notes of the log stand against each other."""
        held = () if self.checkpoint is None else (self.checkpoint.note,)
        return Lie(kind, message, (*held, note))

    def _contradicted(self, head: Checkpoint, note: bytes) -> Lie:
        """A signed head that is not of our history. Proven where a checkpoint of ours covers as much."""
        ours, message = self.checkpoint, "the log signed a root that its entries do not have"
        if ours is None or head.size > ours.size:
            return self._lie("root", message, note)
        split = prove_split(self.tree, ours.size, ours.note, note, head.size)
        return Lie(SPLIT_VIEW, message, split.parts)

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()


async def _first(responses: AsyncGenerator[api.FollowResponse, None]) -> api.FollowResponse:
    """What the log has to say at once. Raises Unreachable when it says nothing."""
    try:
        async with asyncio.timeout(ASSURANCE_SECONDS):
            return await anext(responses)
    except (TimeoutError, StopAsyncIteration):
        raise Unreachable(
            "the coordinator does not say where its log is",
            "nothing is lost by waiting; if that lasts, ask its operator",
        ) from None
