"""Fetches what a ledger lacks from whoever has the log: nodes hold all of it, and so do its copies.

    open       the ledger here, whatever state it is in, or a new one; it is the start of what follows
    read       a signed head, and the entries that lead to it from where we are
    check      the head is signed by a key of ours, the entries lead to it, it extends what is here and what
               was shown to others, and every entry keeps the rules, signatures included
    commit     all of it in one transaction
    settle     the head is kept, and a backup's mark goes

Nothing is written before `commit`, and every step may be repeated: a kill at any point leaves a ledger that
can be restored, by the same command.

What no copy has: the answers that authors proposed, sealed, and gold, as far as they came after the backup.
Authors bring theirs back (coordinator/refill.py); gold that a seal committed to is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol

from commonground.counting import plural
from commonground.files import sync_directory
from coordinator import tables
from coordinator.config import Home
from coordinator.database import sqlite_file, store_exists
from coordinator.erasure import erasure_of
from coordinator.heads import KeptHead, require_all
from coordinator.keys import Keys, load_keys
from coordinator.ledger import Ledger, Staged
from coordinator.recovery import recover
from protocol import transition
from protocol.errors import Misbehaviour, Reject, StateError
from protocol.log import tiles
from protocol.log.batch import Leaf, check_batch, encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Checkpoint, Verifier, is_signed, read_checkpoint
from protocol.state import State

#: The numbered places where tests kill the process, beside those inside the commit.
RESTORE_STEPS: Final = ("opened", "checked", "written", "kept", "settled")
_ELSEWHERE: Final = "try another node, or another copy of the log"


class Source(Protocol):
    """Reads one public file of a log, by its path in C2SP tlog-tiles."""

    def read(self, path: str) -> bytes:
        """The file's bytes. Raises Unreachable, or Misbehaviour when the log lacks it."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore found and did."""

    before: int  # entries in the ledger
    size: int  # and now
    submissions: int  # of the restored entries: what was sealed beside them is lost


def restore(
    home: Home,
    source: Source,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    at_step: Callable[[str], None] = lambda _: None,
) -> Restored:
    """Appends to the ledger what `source` has and it lacks. The server must not run.

    `progress` is told (entries checked, of how many). `at_step` is called with each of RESTORE_STEPS and of
    the ledger's COMMIT_STEPS; for fault tests.

    Raises:
        StateError: the source has less than is here.
        Misbehaviour: what it has does not hold, or is another history.
        StoreError: the ledger is damaged, in use, or would lack what was shown even then.
    """
    config = home.load()
    keys, url = load_keys(home), home.ledger_url(config)
    kept = KeptHead(home.head_path)
    _create_missing(url, keys)
    with closing(kept), Ledger.open(url, at_step=at_step) as ledger:
        state, tree = _recovered(ledger, keys.log_verifier)
        at_step("opened")
        before = tree.size
        checkpoint = _read_head(source, keys)
        staged = _read_missing(source, state, tree, checkpoint, progress)
        require_all(kept.read(keys.log_verifier), tree)
        at_step("checked")
        if staged:
            note = keys.sign_checkpoint(tree.size, tree.root(), state.log_keys)
            ledger.commit(staged, note, before)
        at_step("written")
        kept.keep(ledger.checkpoint())
        at_step("kept")
    home.backup_path.unlink(missing_ok=True)
    sync_directory(home.path)
    at_step("settled")
    return Restored(before, tree.size, sum(_is_submission(each) for each in staged))


def _create_missing(url: str, keys: Keys) -> None:
    """A ledger where there is none, or where one was about to be made by a restore that was killed."""
    file = sqlite_file(url)
    if file is not None and file.exists() and file.stat().st_size == 0:
        file.unlink()
    if not store_exists(url, tables.meta.name):
        Ledger.create(url, keys.log_verifier.name).close()


def _recovered(ledger: Ledger, verifier: Verifier) -> tuple[State, MerkleTree]:
    if ledger.size == 0:
        return State(), MerkleTree()
    recovered = recover(ledger, verifier)
    return recovered.state, recovered.tree


def _read_head(source: Source, keys: Keys) -> Checkpoint:
    """The source's head, by any of our keys: which of them signs now, its entries say."""
    note = source.read(tiles.CHECKPOINT_PATH)
    own = (Verifier(keys.log_verifier.name, bytes(key.verify_key)) for key in keys.log_keys)
    try:
        checkpoint = read_checkpoint(note, keys.log_verifier)
    except Reject as error:
        raise Misbehaviour(f"the source's head does not hold: {error}", _ELSEWHERE) from error
    if not any(is_signed(note, each) for each in own):
        raise Misbehaviour("the source's head is signed by none of the keys here", _ELSEWHERE)
    return checkpoint


def _read_missing(
    source: Source,
    state: State,
    tree: MerkleTree,
    checkpoint: Checkpoint,
    progress: Callable[[int, int], None],
) -> list[Staged]:
    """The entries beyond `tree`, checked, with what goes beside them; `state` and `tree` take them in."""
    start = tree.size
    if checkpoint.size < start:
        raise StateError(
            f"the source has {plural(checkpoint.size, 'entry', 'entries')}, and {start:,} are here",
            _ELSEWHERE,
        )
    entries = _read_entries(source, start, checkpoint.size)
    for raw in entries:
        tree.append(hash_leaf(raw))
    if tree.root() != checkpoint.root:
        raise Misbehaviour(
            "the source is another history than the ledger, or its entries are not what was signed",
            "do not go on with either before you know which one others have: look with `commonhold verify`",
        )
    staged = []
    for index, raw in enumerate(entries, start):
        staged.append(_stage(source, state, index, raw))
        progress(index + 1, checkpoint.size)
    transition.require_explained(state)
    return staged


def _stage(source: Source, state: State, index: int, raw: bytes) -> Staged:
    root, bundle, leaves = None, None, list[Leaf]()
    try:
        batch = transition.shown_batch(parse_envelope(raw), transition.rules_for(state))
        if batch is not None:
            root, bundle = batch.root, encode_bundle(())
            if batch.count:
                leaves = check_batch(root, batch.count, source.read(f"batch/{root.hex()}"))
                bundle = encode_bundle(leaves)
    except Reject as error:
        raise Misbehaviour(f"entry {index} of the source: {error}", _ELSEWHERE) from error
    applied = transition.apply(state, raw, leaves)
    return Staged(raw, bundle, root, erasure=erasure_of(applied.record, applied.changes))


def _read_entries(source: Source, start: int, stop: int) -> list[bytes]:
    entries: list[bytes] = []
    for tile in tiles.entry_tiles_of(stop):
        if tile.stop <= start:
            continue
        try:
            found = tiles.decode_entries(source.read(tile.path), tile.width)
        except Reject as error:
            raise Misbehaviour(f"{tile.path} of the source: {error}", _ELSEWHERE) from error
        entries += found[max(0, start - tile.start) :]
    return entries


def _is_submission(staged: Staged) -> bool:
    return parse_envelope(staged.envelope).kind == "submission"
