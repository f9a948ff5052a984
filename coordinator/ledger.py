"""The ledger: the log's entries, the batches beside them and the signed head, in SQL.

One commit writes entries, batches, sealed openings and the new checkpoint in one transaction
that swaps the head only if it is still the one we built on. What a crash leaves behind is
therefore always a whole log with its own checkpoint, and opening it is the only recovery.

What an entry takes back (a withdrawn leaf, its openings) is erased in the transaction that logs it:
no reader ever sees the one without the other. SQLite overwrites it in the file (secure_delete); its
write-ahead log keeps older pages, and is emptied before the commit returns and at every start.

A commit that raises has an *unknown* outcome: the database may have persisted it before the
error. We do not guess. The error is a FatalStoreError, the ledger refuses every further commit,
and the process must exit; the next start loads whichever of the two states the disk holds.

Two things keep a second writer out: a lock that gives a clear message, and the swap of the head,
which holds even where the lock does not (a database server that dropped the lock's session).

Envelopes and bundles are opaque here; whoever calls `commit` has validated them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from coordinator import tables
from coordinator.database import (
    RESTORE,
    begin_snapshot,
    create_store,
    open_engine,
    translated_errors,
    truncate_wal,
    writer_lock,
)
from coordinator.tables import PAGE_ROWS, Rewrite
from protocol.errors import Reject, StateError, StoreError
from protocol.log.batch import BUNDLE_BYTES_MAX
from protocol.log.merkle import HASH_BYTES, MerkleTree, hash_leaf
from protocol.log.note import Verifier, read_checkpoint
from protocol.log.tiles import ENTRY_BYTES_MAX

_log = logging.getLogger(__name__)

FORMAT = "2"
# Rows per read of bare leaf hashes, which start-up reads a million of.
HASH_PAGE_ROWS = 16_384

#: The numbered places inside a commit where tests kill the process or raise.
COMMIT_STEPS = ("begun", "head", "entries", "batches", "sealed", "erased", "committed")


class FatalStoreError(StoreError):
    """A commit's outcome is unknown: exit, and let the next start load what the disk holds."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an entry takes away from beside earlier ones, or from beside itself."""

    leaves: Mapping[int, frozenset[bytes]] = field(default_factory=dict)  # entry -> leaf hashes
    sealed: Mapping[bytes, Rewrite] = field(default_factory=dict)  # by key

    def __bool__(self) -> bool:
        return bool(self.leaves or self.sealed)


@dataclass(frozen=True, slots=True)
class Staged:
    """One entry on its way into the log, with what rests beside it.

    `root` and `bundle` belong together: the leaves whose root the envelope commits to. `sealed`
    holds openings (gold answers, salts) that never leave the operator until revealed.
    """

    envelope: bytes
    bundle: bytes | None = None
    root: bytes | None = None
    sealed: Mapping[bytes, bytes] = field(default_factory=dict)
    erasure: Erasure = field(default_factory=Erasure)

    def __post_init__(self) -> None:
        if not 1 <= len(self.envelope) <= ENTRY_BYTES_MAX:
            raise Reject(f"an envelope has 1..{ENTRY_BYTES_MAX} bytes, not {len(self.envelope)}")
        if (self.bundle is None) != (self.root is None):
            raise Reject("a bundle comes with its root, and a root with its bundle")
        if self.bundle is not None and len(self.bundle) > BUNDLE_BYTES_MAX:
            raise Reject(f"a bundle has at most {BUNDLE_BYTES_MAX} bytes, not {len(self.bundle)}")
        if self.root is not None and len(self.root) != HASH_BYTES:
            raise Reject(f"a batch root has {HASH_BYTES} bytes, not {len(self.root)}")

    @property
    def leaf_hash(self) -> bytes:
        """Return the hash that stands for this entry in the log's tree."""
        return hash_leaf(self.envelope)

    @property
    def total_bytes(self) -> int:
        """Return what this entry adds to a queue or a transaction, in bytes."""
        sealed = sum(len(key) + len(value) for key, value in self.sealed.items())
        return len(self.envelope) + len(self.bundle or b"") + sealed


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry as the ledger holds it."""

    index: int
    envelope: bytes
    bundle: bytes | None


@dataclass(frozen=True, slots=True)
class Head:
    """The committed end of the log. `checkpoint` is empty before the first commit."""

    size: int
    checkpoint: bytes


_ENTRY = (tables.entries.c.index, tables.entries.c.envelope, tables.entries.c.batch_root)


# ---- The ledger ---------------------------------------------------------------------------------


class Ledger:
    """One open ledger. `commit` belongs to one thread at a time; reads may come from any."""

    def __init__(
        self,
        engine: sa.Engine,
        owned: ExitStack,
        origin: str,
        head: Head,
        *,
        readonly: bool,
        at_step: Callable[[str], None],
    ) -> None:
        self.origin = origin
        self._engine = engine
        self._owned = owned  # the connections and the writer lock
        self._readonly = readonly
        self._at_step = at_step
        self._built_on = head  # what the next commit must still find; owned by the writer
        self._in_doubt = False  # a commit has begun and not returned; owned by the writer
        self._has_residue = False  # the write-ahead log may hold what was erased

    @classmethod
    def create(cls, url: str, origin: str) -> Ledger:
        """Create an empty ledger for the log `origin` and open it for writing.

        Refuses to touch anything that exists: a log is created once. If we crash half-way, the
        store is left without a format, `open` refuses it and the operator deletes it.
        """
        create_store(url)
        with ExitStack() as owned:
            engine = open_engine(url)
            owned.callback(engine.dispose)
            with translated_errors("cannot create the ledger"), engine.begin() as tx:
                tables.create_tables(tx)
                meta = {"format": FORMAT, "origin": origin}
                tx.execute(
                    sa.insert(tables.meta), [{"key": k, "value": v} for k, v in meta.items()]
                )
                tx.execute(sa.insert(tables.checkpoint).values(id=1, size=0, body=b""))
        return cls.open(url)

    @classmethod
    def open(
        cls, url: str, *, readonly: bool = False, at_step: Callable[[str], None] = lambda _: None
    ) -> Ledger:
        """Open an existing ledger, for writing unless `readonly`. This is also the recovery.

        `at_step` is called with each of COMMIT_STEPS as a commit passes it; for fault tests.

        Raises:
            ConfigError: the URL names no supported database.
            StoreError: there is no ledger, its files are readable by others, it is not durable,
                or another process has it open for writing.
        """
        with ExitStack() as owned:
            engine = open_engine(url)
            owned.callback(engine.dispose)
            with translated_errors("there is no readable ledger"):
                if not readonly:
                    owned.enter_context(writer_lock(engine, url))
                with engine.connect() as tx:
                    if not sa.inspect(tx).has_table(tables.meta.name):
                        raise StoreError("there is no ledger in this database", RESTORE)
                    origin, head = _read_origin(tx), _read_head(tx)
                has_residue = not readonly and not truncate_wal(engine)
            ledger = cls(engine, owned.pop_all(), origin, head, readonly=readonly, at_step=at_step)
            ledger._has_residue = has_residue
            return ledger

    def close(self) -> None:
        """Release the connections and the writer lock."""
        self._owned.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- Writing

    def commit(self, staged: Sequence[Staged], checkpoint: bytes, expected_size: int) -> None:
        """Append `staged` and replace the head, all or nothing, durable on return.

        Args:
            staged: entries for the indices from `expected_size` on; at least one.
            checkpoint: the signed note over the log including them.
            expected_size: the size that the checkpoint's tree extended.

        Raises:
            StateError: the ledger is open for reading.
            FatalStoreError: the outcome is unknown, or an earlier one was.
        """
        if self._readonly:
            raise StateError("the ledger is open for reading")
        if self._in_doubt:
            raise FatalStoreError("an earlier commit failed", "Restart to reload the ledger.")
        self._in_doubt = True
        new = Head(expected_size + len(staged), checkpoint)
        try:
            with self._engine.begin() as tx:
                self._write(tx, staged, expected_size, new)
            # Crash here: the entries are durable and nobody has been told. A client that retries
            # finds its entry by leaf hash. What was erased may be in the write-ahead log still; the
            # next start empties it.
            self._at_step("committed")
            self._has_residue |= any(each.erasure for each in staged)
            self._empty_wal()
        except Exception as error:
            # Not only SQL errors: whatever went wrong, the database may hold either state.
            raise FatalStoreError(
                f"the commit of entries {expected_size}..{new.size - 1} failed with "
                f"{type(error).__name__}; its outcome is unknown",
                "Restart: the ledger loads whichever state the disk holds.",
            ) from error
        self._built_on = new
        self._in_doubt = False

    def _write(
        self, tx: sa.Connection, staged: Sequence[Staged], expected_size: int, new: Head
    ) -> None:
        self._at_step("begun")
        # The head goes first: it takes the row lock, so that a second writer waits and then
        # fails on the comparison instead of filling the disk.
        if expected_size != self._built_on.size or not staged:
            raise StoreError(f"the ledger has {self._built_on.size} entries, not {expected_size}")
        before = self._built_on
        if not tables.swap_head(tx, (before.size, before.checkpoint), (new.size, new.checkpoint)):
            raise StoreError("the head is not the one that this process wrote")
        self._at_step("head")
        tx.execute(
            sa.insert(tables.entries),
            [
                {
                    "index": index,
                    "envelope": each.envelope,
                    "leaf_hash": each.leaf_hash,
                    "batch_root": each.root,
                }
                for index, each in enumerate(staged, expected_size)
            ],
        )
        self._at_step("entries")
        tables.insert_batches(tx, [(e.root, e.bundle) for e in staged if e.root is not None])
        self._at_step("batches")
        sealed = [{"key": k, "value": v} for each in staged for k, v in each.sealed.items()]
        if sealed:
            tx.execute(sa.insert(tables.sealed), sealed)
        self._at_step("sealed")
        # Last: an item may be withdrawn in the very commit that logs it.
        erasures = [each.erasure for each in staged]
        tables.erase_leaves(tx, (pair for each in erasures for pair in each.leaves.items()))
        tables.rewrite_sealed(tx, (pair for each in erasures for pair in each.sealed.items()))
        self._at_step("erased")

    def keep(self, sealed: Mapping[bytes, bytes]) -> None:
        """Write sealed rows beside no entry, durable on return; a row that is there is replaced.

        May run beside a commit: the database lets one of them wait.

        Raises:
            StoreError: the disk failed; nothing is written, or all of it.
        """
        with translated_errors("cannot keep sealed rows"), self._engine.begin() as tx:
            tables.replace_sealed(tx, sealed)

    def _empty_wal(self) -> None:
        if self._has_residue:
            self._has_residue = not truncate_wal(self._engine)
            if self._has_residue:
                _log.warning(
                    "a reader keeps erased data in the write-ahead log; trying again later"
                )

    # -- Reading

    def head(self) -> Head:
        """Return the size and checkpoint last committed, read together."""
        with self._reading() as tx:
            return _read_head(tx)

    @property
    def size(self) -> int:
        """Return how many entries are committed."""
        return self.head().size

    def checkpoint(self) -> bytes:
        """Return the signed checkpoint last committed; empty before the first commit."""
        return self.head().checkpoint

    def entries(self, start: int, stop: int) -> Iterator[StoredEntry]:
        """Yield the entries `start..stop-1`, as far as they are committed.

        Reads in short transactions of a page each, so that a slow reader neither holds much
        memory nor keeps the database from reclaiming its write-ahead log.
        """
        for page in self._pages(_ENTRY, start, stop, PAGE_ROWS):
            for index, envelope, root in page:
                yield StoredEntry(index, envelope, self.bundle(root) if root else None)

    def page(self, start: int, entries_max: int, bytes_max: int) -> tuple[list[StoredEntry], Head]:
        """Return entries from `start` on, as many as the limits allow, and the head beside them.

        One entry at least, if there is one. Both are of one moment, so that the head covers the
        withdrawal of every leaf that is erased in the entries. Read one after the other, they could
        be a leaf that the head does not explain yet (head first), or, while the log grows, a head
        that is always a little ahead (entries first), so that a follower would never be level with it.
        """
        found: list[StoredEntry] = []
        with self._reading() as tx:
            begin_snapshot(tx)
            head = _read_head(tx)
            stop = min(head.size, start + entries_max)
            while start < stop:
                for index, envelope, root in tables.select_page(tx, _ENTRY, start, stop, PAGE_ROWS):
                    bundle = tables.select_bundle(tx, root) if root else None
                    bytes_max -= len(envelope) + len(bundle or b"")
                    if found and bytes_max < 0:
                        return found, head
                    found.append(StoredEntry(index, envelope, bundle))
                start += PAGE_ROWS
        return found, head

    def envelopes(self, indices: Sequence[int]) -> dict[int, bytes]:
        """Return the envelopes of at most PAGE_ROWS entries, without the bundles beside them."""
        query = sa.select(tables.entries.c.index, tables.entries.c.envelope).where(
            tables.entries.c.index.in_(indices)
        )
        with self._reading() as tx:
            return dict(tx.execute(query).tuples().all())

    def bundle(self, root: bytes) -> bytes | None:
        """Return the bundle of leaves behind a batch root, if we hold it."""
        with self._reading() as tx:
            return tables.select_bundle(tx, root)

    def find(self, leaf_hash: bytes) -> int | None:
        """Return the first index of the entry with this leaf hash."""
        column = tables.entries.c
        query = sa.select(sa.func.min(column.index)).where(column.leaf_hash == leaf_hash)
        with self._reading() as tx:
            index: int | None = tx.execute(query).scalar_one()
        return index

    def sealed(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return those of the private openings that we hold."""
        with self._reading() as tx:
            return dict(tables.select_sealed(tx, keys))

    def load_tree(self, verifier: Verifier) -> MerkleTree:
        """Rebuild the tree from the stored leaf hashes and hold it against the checkpoint.

        Every start takes this path. It trusts that a stored hash belongs to its envelope, which
        `fsck` re-derives, and that a key of the log signed, which is known from the entries.

        Raises:
            StoreError: entries are missing, or the checkpoint is not of the log that `verifier`
                names, or not over this tree.
        """
        head = self.head()
        tree = MerkleTree()
        columns = (tables.entries.c.index, tables.entries.c.leaf_hash)
        for page in self._pages(columns, 0, head.size, HASH_PAGE_ROWS):
            for index, leaf_hash in page:
                if tree.append(leaf_hash) != index:
                    raise StoreError(f"the ledger has no entry {tree.size - 1}")
        if tree.size != head.size:
            raise StoreError(f"the ledger holds {tree.size} entries, its head says {head.size}")
        if head.size:
            try:
                checkpoint = read_checkpoint(head.checkpoint, verifier)
            except Reject as error:
                raise StoreError(f"the ledger's checkpoint is not ours: {error}") from error
            if (checkpoint.size, checkpoint.root) != (tree.size, tree.root()):
                raise StoreError("the ledger's checkpoint is not over its entries")
        return tree

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with translated_errors("cannot read the ledger"), self._engine.connect() as tx:
            yield tx

    def _pages(
        self, columns: Sequence[sa.Column[Any]], start: int, stop: int, rows_max: int
    ) -> Iterator[Sequence[sa.Row[Any]]]:
        while start < stop:
            with self._reading() as tx:
                page = tables.select_page(tx, columns, start, stop, rows_max)
            if not page:
                return
            yield page
            start = page[-1][0] + 1


def _read_origin(tx: sa.Connection) -> str:
    query = sa.select(tables.meta.c.key, tables.meta.c.value)
    meta: dict[str, str] = dict(tx.execute(query).tuples().all())
    if meta.get("format") != FORMAT:
        raise StoreError(f"the ledger has format {meta.get('format')}, this program {FORMAT}")
    return meta["origin"]


def _read_head(tx: sa.Connection) -> Head:
    row = tx.execute(tables.HEAD).one()
    return Head(row.size, row.body)
