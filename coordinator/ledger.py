"""The ledger: the log's entries, the batches beside them and the signed head, in SQL.

One commit writes entries, batches, sealed openings and the new checkpoint in one transaction
that swaps the head only if it is still the one we built on. What a crash leaves behind is
therefore always a whole log with its own checkpoint, and opening it is the only recovery.

A commit that raises has an *unknown* outcome: the database may have persisted it before the
error. We do not guess. The error is a FatalStoreError, the ledger refuses every further commit,
and the process must exit; the next start loads whichever of the two states the disk holds.

Two things keep a second writer out: a lock that gives a clear message, and the swap of the head,
which holds even where the lock does not (a database server that dropped the lock's session).

Envelopes and bundles are opaque here; whoever calls `commit` has validated them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from coordinator.database import create_store, open_engine, translated_errors, writer_lock
from protocol.batch import BUNDLE_BYTES_MAX
from protocol.errors import Reject, StateError, StoreError
from protocol.merkle import HASH_BYTES, MerkleTree, hash_leaf
from protocol.note import Verifier, open_checkpoint
from protocol.tiles import ENTRY_BYTES_MAX

FORMAT = "1"
# Rows per read: an entry has at most 64 KiB, so that a page stays below 16 MiB.
PAGE_ROWS = 256
# The same for bare leaf hashes, which start-up reads a million of.
HASH_PAGE_ROWS = 16_384

#: The numbered places inside a commit where tests kill the process or raise.
COMMIT_STEPS = ("begun", "head", "entries", "batches", "sealed", "committed")


class FatalStoreError(StoreError):
    """A commit's outcome is unknown: exit, and let the next start load what the disk holds."""


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


# ---- Tables -------------------------------------------------------------------------------------

_metadata = sa.MetaData()
# A STRICT SQLite table knows INTEGER only, which has 64 bits there.
_INTEGER = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def _table(name: str, *items: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, _metadata, *items, sqlite_strict=True)


_meta = _table(
    "meta",
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
_entries = _table(
    "entries",
    sa.Column("index", _INTEGER, primary_key=True, autoincrement=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False, index=True),
    sa.Column("batch_root", sa.LargeBinary),
)
_batches = _table(
    "batches",
    sa.Column("root", sa.LargeBinary, primary_key=True),
    sa.Column("bundle", sa.LargeBinary, nullable=False),
)
_sealed = _table(
    "sealed",
    sa.Column("key", sa.LargeBinary, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
_checkpoint = _table(
    "checkpoint",
    sa.Column("id", _INTEGER, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("size", _INTEGER, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


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
                _metadata.create_all(tx, checkfirst=False)
                meta = {"format": FORMAT, "origin": origin}
                tx.execute(sa.insert(_meta), [{"key": k, "value": v} for k, v in meta.items()])
                tx.execute(sa.insert(_checkpoint).values(id=1, size=0, body=b""))
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
                    origin, head = _read_origin(tx), _read_head(tx)
            return cls(engine, owned.pop_all(), origin, head, readonly=readonly, at_step=at_step)

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
            # finds its entry by leaf hash.
            self._at_step("committed")
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
        swapped = tx.execute(
            sa.update(_checkpoint)
            .where(_checkpoint.c.size == self._built_on.size)
            .where(_checkpoint.c.body == self._built_on.checkpoint)
            .values(size=new.size, body=new.checkpoint)
        )
        if swapped.rowcount != 1:
            raise StoreError("the head is not the one that this process wrote")
        self._at_step("head")
        tx.execute(
            sa.insert(_entries),
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
        _insert_batches(tx, staged)
        self._at_step("batches")
        sealed = [{"key": k, "value": v} for each in staged for k, v in each.sealed.items()]
        if sealed:
            tx.execute(sa.insert(_sealed), sealed)
        self._at_step("sealed")

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
        columns = (_entries.c.index, _entries.c.envelope, _entries.c.batch_root)
        for page in self._pages(columns, start, stop, PAGE_ROWS):
            for index, envelope, root in page:
                yield StoredEntry(index, envelope, self.bundle(root) if root else None)

    def bundle(self, root: bytes) -> bytes | None:
        """Return the bundle of leaves behind a batch root, if we hold it."""
        query = sa.select(_batches.c.bundle).where(_batches.c.root == root)
        with self._reading() as tx:
            return tx.execute(query).scalar_one_or_none()

    def find(self, leaf_hash: bytes) -> int | None:
        """Return the first index of the entry with this leaf hash."""
        query = sa.select(sa.func.min(_entries.c.index)).where(_entries.c.leaf_hash == leaf_hash)
        with self._reading() as tx:
            index: int | None = tx.execute(query).scalar_one()
        return index

    def sealed(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return those of the private openings that we hold."""
        found: dict[bytes, bytes] = {}
        for at in range(0, len(keys), PAGE_ROWS):
            some = keys[at : at + PAGE_ROWS]
            query = sa.select(_sealed.c.key, _sealed.c.value).where(_sealed.c.key.in_(some))
            with self._reading() as tx:
                found.update(tx.execute(query).tuples().all())
        return found

    def load_tree(self, verifier: Verifier) -> MerkleTree:
        """Rebuild the tree from the stored leaf hashes and hold it against the checkpoint.

        Every start takes this path. It trusts that a stored hash belongs to its envelope, which
        `fsck` re-derives.

        Raises:
            StoreError: entries are missing, or the checkpoint is not signed by `verifier` or
                not over this tree.
        """
        head = self.head()
        tree = MerkleTree()
        columns = (_entries.c.index, _entries.c.leaf_hash)
        for page in self._pages(columns, 0, head.size, HASH_PAGE_ROWS):
            for index, leaf_hash in page:
                if tree.append(leaf_hash) != index:
                    raise StoreError(f"the ledger has no entry {tree.size - 1}")
        if tree.size != head.size:
            raise StoreError(f"the ledger holds {tree.size} entries, its head says {head.size}")
        if head.size:
            try:
                checkpoint = open_checkpoint(head.checkpoint, verifier)
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
            query = (
                sa.select(*columns)
                .where(_entries.c.index >= start, _entries.c.index < stop)
                .order_by(_entries.c.index)
                .limit(rows_max)
            )
            with self._reading() as tx:
                page = tx.execute(query).all()
            if not page:
                return
            yield page
            start = page[-1][0] + 1


def _read_origin(tx: sa.Connection) -> str:
    meta: dict[str, str] = dict(tx.execute(sa.select(_meta.c.key, _meta.c.value)).tuples().all())
    if meta.get("format") != FORMAT:
        raise StoreError(f"the ledger has format {meta.get('format')}, this program {FORMAT}")
    return meta["origin"]


def _read_head(tx: sa.Connection) -> Head:
    row = tx.execute(sa.select(_checkpoint.c.size, _checkpoint.c.body)).one()
    return Head(row.size, row.body)


def _insert_batches(tx: sa.Connection, staged: Sequence[Staged]) -> None:
    """Insert the batches that are new.

    The first of its root stays as it is: any other has the same leaves, and if some were erased
    since, a repeated submission does not bring them back.
    """
    bundles: dict[bytes, bytes | None] = {}
    for each in staged:
        if each.root is not None:
            bundles.setdefault(each.root, each.bundle)
    if not bundles:
        return
    held = tx.execute(sa.select(_batches.c.root).where(_batches.c.root.in_(bundles))).scalars()
    for root in held:
        del bundles[root]
    if bundles:
        tx.execute(sa.insert(_batches), [{"root": r, "bundle": b} for r, b in bundles.items()])
