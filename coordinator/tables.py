"""The ledger's tables, and the statements that need more than a line. Transactions belong to the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache, reduce
from typing import Any, Final

import sqlalchemy as sa

from protocol.errors import StoreError
from protocol.log.batch import Leaf, decode_bundle, encode_bundle, erase, leaf_hashes, split_bundle

# Rows per read: an entry has at most 64 KiB, so that a page stays below 16 MiB.
PAGE_ROWS: Final = 256
# Leaves in one row of a batch. What is taken away costs the writing of its row, which has some 12 KB for
# pictures, and not of a submission of 8,192; more rows would make whole batches slower to write and read.
PART_LEAVES: Final = 64
# Of each leaf's hash, enough to find the row that it is in; one that looks the same is read in vain.
_MARK_BYTES: Final = 8

Rewrite = Callable[[bytes], bytes]
"""What becomes of a sealed value; a row that becomes empty goes."""

_metadata = sa.MetaData()
# A STRICT SQLite table knows INTEGER only, which has 64 bits there.
_INTEGER = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def _table(name: str, *items: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, _metadata, *items, sqlite_strict=True)


meta = _table(
    "meta",
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
entries = _table(
    "entries",
    sa.Column("index", _INTEGER, primary_key=True, autoincrement=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False, index=True),
    sa.Column("batch_root", sa.LargeBinary),
)
batches = _table(
    "batches",
    sa.Column("root", sa.LargeBinary, primary_key=True),
    sa.Column("part", _INTEGER, primary_key=True, autoincrement=False),
    sa.Column("bundle", sa.LargeBinary, nullable=False),
    sa.Column("marks", sa.LargeBinary, nullable=False),  # of its leaves, in their order
)
sealed = _table(
    "sealed",
    sa.Column("key", sa.LargeBinary, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
checkpoint = _table(
    "checkpoint",
    sa.Column("id", _INTEGER, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("size", _INTEGER, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
# Of every commit and every look, so made once: SQLAlchemy takes longer to put a statement together than
# SQLite to answer it.
HEAD: Final = sa.select(checkpoint.c.size, checkpoint.c.body)
_SWAP: Final = (
    sa.update(checkpoint)
    .where(checkpoint.c.size == sa.bindparam("old_size"))
    .where(checkpoint.c.body == sa.bindparam("old_body"))
    .values(size=sa.bindparam("new_size"), body=sa.bindparam("new_body"))
)


def create_tables(tx: sa.Connection) -> None:
    """In a database that has none of them."""
    _metadata.create_all(tx, checkfirst=False)


def swap_head(tx: sa.Connection, before: tuple[int, bytes], after: tuple[int, bytes]) -> bool:
    """Puts (size, checkpoint) in place of the present ones; False where those are others."""
    names = ("old_size", "old_body", "new_size", "new_body")
    return tx.execute(_SWAP, dict(zip(names, (*before, *after), strict=True))).rowcount == 1


def select_page(
    tx: sa.Connection,
    columns: Sequence[sa.Column[Any]],
    start: int,
    stop: int,
    rows_max: int,
) -> Sequence[sa.Row[Any]]:
    """Columns of the entries `start..stop-1`, at most `rows_max` of them."""
    limits = {"start": start, "stop": stop, "rows_max": rows_max}
    return tx.execute(_page_of(tuple(columns)), limits).all()


@cache
def _page_of(columns: tuple[sa.Column[Any], ...]) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .where(
            entries.c.index >= sa.bindparam("start", type_=_INTEGER),
            entries.c.index < sa.bindparam("stop", type_=_INTEGER),
        )
        .order_by(entries.c.index)
        .limit(sa.bindparam("rows_max", type_=_INTEGER))
    )


def select_bundle(tx: sa.Connection, root: bytes) -> bytes | None:
    """The bundle behind a batch root."""
    query = sa.select(batches.c.bundle).where(batches.c.root == root).order_by(batches.c.part)
    parts = tx.execute(query).scalars().all()
    return b"".join(parts) if parts else None


def select_sealed(tx: sa.Connection, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Those of the sealed rows that are there, (key, value)."""
    for at in range(0, len(keys), PAGE_ROWS):
        some = keys[at : at + PAGE_ROWS]
        query = sa.select(sealed.c.key, sealed.c.value).where(sealed.c.key.in_(some))
        yield from tx.execute(query).tuples().all()


def insert_batches(tx: sa.Connection, new: Iterable[tuple[bytes, bytes | None]]) -> None:
    """Insert those bundles whose root, which comes first, is new.

    The first of its root stays as it is: any other has the same leaves, and if some were erased
    since, a repeated submission does not bring them back.
    """
    bundles: dict[bytes, bytes | None] = {}
    for root, bundle in new:
        bundles.setdefault(root, bundle)
    if not bundles:
        return
    first = batches.c.root.in_(bundles), batches.c.part == 0
    for root in tx.execute(sa.select(batches.c.root).where(*first)).scalars():
        del bundles[root]
    rows = [
        {"root": root, "part": number, "bundle": part, "marks": _marks(decode_bundle(part))}
        for root, bundle in bundles.items()
        for number, part in enumerate(split_bundle(bundle or b"", PART_LEAVES))
    ]
    if rows:
        tx.execute(sa.insert(batches), rows)


def erase_leaves(tx: sa.Connection, erased: Iterable[tuple[int, Iterable[bytes]]]) -> None:
    """Reduce leaves to their hashes; these come with the log index of their batch's entry.

    Raises:
        StoreError: we do not hold such a leaf.
    """
    # Each part once: a thousand withdrawals from one submission would write it a thousand times.
    by_entry: defaultdict[int, set[bytes]] = defaultdict(set)
    for index, hashes in erased:
        by_entry[index].update(hashes)
    for index, gone in by_entry.items():
        query = sa.select(entries.c.batch_root).where(entries.c.index == index)
        root = tx.execute(query).scalar_one_or_none()
        marks = sa.select(batches.c.part, batches.c.marks).where(batches.c.root == root)
        parts = [part for part, row in tx.execute(marks).tuples() if _may_hold(row, gone)]
        found = [leaf for part in parts for leaf in _erase_in_part(tx, root, part, gone)]
        if not gone <= set(found):
            raise StoreError(f"the ledger holds no such leaves beside entry {index}")


def _erase_in_part(
    tx: sa.Connection, root: bytes | None, part: int, gone: Set[bytes]
) -> list[bytes]:
    """Reduces those of some leaves that a part holds; gives the hashes of all of its leaves."""
    row = batches.c.root == root, batches.c.part == part
    leaves = decode_bundle(tx.execute(sa.select(batches.c.bundle).where(*row)).scalar_one())
    rest = encode_bundle(erase(leaves, gone))
    tx.execute(sa.update(batches).where(*row).values(bundle=rest))
    return leaf_hashes(leaves)


def _marks(leaves: Sequence[Leaf]) -> bytes:
    return b"".join(leaf_hash[:_MARK_BYTES] for leaf_hash in leaf_hashes(leaves))


def _may_hold(marks: bytes, hashes: Set[bytes]) -> bool:
    """Whether a part may have a leaf with one of these hashes."""
    wanted = {leaf_hash[:_MARK_BYTES] for leaf_hash in hashes}
    starts = range(0, len(marks), _MARK_BYTES)
    return any(marks[at : at + _MARK_BYTES] in wanted for at in starts)


def replace_sealed(tx: sa.Connection, rows: Mapping[bytes, bytes]) -> None:
    """Write sealed rows, whether or not there were any under their keys."""
    keys = list(rows)
    for at in range(0, len(keys), PAGE_ROWS):
        some = keys[at : at + PAGE_ROWS]
        tx.execute(sa.delete(sealed).where(sealed.c.key.in_(some)))
        tx.execute(sa.insert(sealed), [{"key": key, "value": rows[key]} for key in some])


def rewrite_sealed(tx: sa.Connection, rewrites: Iterable[tuple[bytes, Rewrite]]) -> None:
    """Change sealed values; several changes of one row follow upon each other."""
    by_key: defaultdict[bytes, list[Rewrite]] = defaultdict(list)
    for key, rewrite in rewrites:
        by_key[key].append(rewrite)
    for key, value in list(select_sealed(tx, list(by_key))):
        rest = reduce(lambda kept, rewrite: rewrite(kept), by_key[key], value)
        row = sealed.c.key == key
        if rest:
            tx.execute(sa.update(sealed).where(row).values(value=rest))
        else:
            tx.execute(sa.delete(sealed).where(row))
