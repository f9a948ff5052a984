"""From the ledger on disk to the state in memory; and the check that trusts nothing on the way.

`recover` is how every start begins, after a crash or not. It trusts that the operator's own disk holds
what was validated before it was written, so it verifies no signature and infers no verdict again; that
the disk holds the very entries under the signed checkpoint, it does check. `fsck` trusts nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from coordinator.ledger import Ledger, StoredEntry
from coordinator.tally import Tally
from protocol.errors import Misbehaviour, Reject, StoreError
from protocol.log.batch import Erased, Leaf, decode_bundle
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Verifier, is_signed
from protocol.state import State
from protocol.transition import (
    AnyRecord,
    Process,
    apply,
    process,
    reapply,
    require_explained,
)

_RESTORE: Final = "restore it from a backup"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a start needs. `places` maps the leaf hash of every entry to its index."""

    state: State
    tree: MerkleTree
    places: dict[bytes, int]
    tally: Tally


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What a full check went through."""

    entries: int
    leaves: int
    erased: int  # of the leaves, by withdrawals
    kinds: dict[str, int]
    root: bytes


def leaves_of(entry: StoredEntry) -> list[Leaf]:
    """The leaves beside an entry; erased ones as their hashes."""
    return decode_bundle(entry.bundle) if entry.bundle else []


def entries_beyond(state: State, ledger: Ledger) -> Iterator[StoredEntry]:
    """The entries that `state` lacks; the caller folds each before it takes the next.

    A leaf that is erased while we read belongs to a withdrawal beyond the end that we began with: what
    is unexplained then is a reason to read on, as long as the log grows.

    Raises:
        StoreError: entries are missing.
        Misbehaviour: an item was erased that its author did not withdraw.
    """
    size = ledger.size
    while state.size < size:
        before = state.size
        yield from ledger.entries(before, size)
        if state.size == before:
            raise StoreError(f"the ledger has no entry {before}", _RESTORE)
        if state.unexplained:
            size = ledger.size
    require_explained(state)


def fold(state: State, entry: StoredEntry, step: Process = process) -> AnyRecord:
    """Applies an entry that was validated before it was logged; gives its record, author included.

    `step` is what applies it: whoever counts along gives `Tally.process`.

    Raises:
        StoreError: the entry, or what rests beside it, is not what was written.
    """
    try:
        return reapply(state, entry.envelope, leaves_of(entry), step).record
    except Reject as error:
        raise StoreError(
            f"entry {entry.index} of the ledger is damaged: {error}", _RESTORE
        ) from error


def recover(ledger: Ledger, verifier: Verifier) -> Recovered:
    """Replays the ledger.

    Raises:
        StoreError: the entries are not those of the checkpoint, or the checkpoint is not ours.
    """
    tree = ledger.load_tree(verifier)
    state, tally, places = State(), Tally(), dict[bytes, int]()
    for entry in ledger.entries(0, tree.size):
        leaf_hash = hash_leaf(entry.envelope)
        if leaf_hash != tree.nodes(0, entry.index, entry.index + 1):
            raise StoreError(f"entry {entry.index} of the ledger is not the one that was logged")
        fold(state, entry, tally.process)
        places[leaf_hash] = entry.index
    try:
        require_explained(state)
    except Misbehaviour as error:
        raise StoreError(f"the ledger is damaged: {error}", _RESTORE) from error
    _require_signed(ledger, verifier, state)
    return Recovered(state, tree, places, tally)


def _require_signed(ledger: Ledger, verifier: Verifier, state: State) -> None:
    """Raises StoreError unless a key that the log has or had at the entries of `state` signed the head.

    The log may have grown meanwhile, and have another key; the one before it signs beside it for a while.
    """
    note = ledger.head().checkpoint
    if not any(is_signed(note, Verifier(verifier.name, key)) for key in state.log_keys):
        raise StoreError(
            "the ledger's checkpoint is not ours: no key of the log signed it", _RESTORE
        )


def fsck(
    ledger: Ledger, verifier: Verifier, on_entry: Callable[[int, int], None] = lambda _at, _of: None
) -> FsckReport:
    """Derives everything again: hashes, batches, signatures, every rule, the tree, the checkpoint.

    `on_entry` is called with (entries checked, entries in all).

    Raises:
        StoreError: the ledger does not hold what its checkpoint covers.
        Misbehaviour: an entry breaks a rule.
    """
    state, tree, kinds, leaves, erased = State(), MerkleTree(), Counter[str](), 0, 0
    size = ledger.size
    for entry in entries_beyond(state, ledger):
        tree.append(hash_leaf(entry.envelope))
        try:
            beside = leaves_of(entry)
        except Reject as error:
            raise Misbehaviour(f"log entry {entry.index}: {error}") from error
        kinds[apply(state, entry.envelope, beside).kind] += 1
        leaves += len(beside)
        erased += sum(isinstance(leaf, Erased) for leaf in beside)
        on_entry(tree.size, max(tree.size, size))
    stored = ledger.load_tree(verifier)  # as its checkpoint says; the log may have grown meanwhile
    if stored.size < tree.size or stored.root(tree.size) != tree.root():
        raise StoreError("the stored leaf hashes are not those of the entries")
    _require_signed(ledger, verifier, state)
    return FsckReport(tree.size, leaves, erased, dict(kinds), tree.root())
