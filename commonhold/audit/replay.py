"""The audit: reads a log, checks that it is the signed one, and replays every rule on it.

Order matters for what can be said. First the bytes: entries must lead to the root that the checkpoint names,
and where they do not, the hash tiles tell which entry was changed. Then the meaning: each entry is applied by
the same fold that the coordinator and the nodes run, so that each draw, verdict, reputation and payout is
recomputed, and the first entry that does not follow is named. Last the checkpoint's signature, when the
entries have said which key the log has now: the one we were given may have been replaced since.

A leaf may be erased if its author withdrew the item. The log may grow while we read it, so that a
withdrawal is beyond the checkpoint that we began with: what is unexplained then is a reason to read on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from commonhold.audit.report import Report
from commonhold.audit.source import LogSource, Progress
from protocol import transition
from protocol.errors import Misbehaviour, Reject
from protocol.log import tiles
from protocol.log.batch import Leaf, check_batch
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Checkpoint, Verifier, open_checkpoint, read_checkpoint
from protocol.money.accounts import conserves
from protocol.rules.table import Rules
from protocol.state import State

__all__ = ["Report", "audit"]

_LENGTH_BYTES = 2  # of an entry in a bundle
# How often we read on while a log grows. What is unexplained after one time is explained by the next,
# unless more is withdrawn in the moments between.
READS_MAX: Final = 8
# A coordinator shows a checkpoint the moment after its disk has it, and batches from the disk.
_MOMENT_SECONDS: Final = 0.25


def audit(source: LogSource, verifier: Verifier, progress: Progress) -> Report:
    """Checks a whole log; raises Misbehaviour that names the entry or file at fault."""
    note = source.read(tiles.CHECKPOINT_PATH)
    report = Report(_read_checkpoint(note, verifier), State())
    tree = report.tree
    for _ in range(READS_MAX):
        _audit_beyond(source, tree, report, progress)
        _check_log_key(note, verifier, report)
        if not report.state.unexplained:
            break
        time.sleep(_MOMENT_SECONDS)
        note = source.read(tiles.CHECKPOINT_PATH)
        newer = _read_checkpoint(note, verifier)
        if newer.size <= tree.size:
            break
        report.checkpoint = newer
    transition.require_explained(report.state)
    if not conserves(report.state):
        raise Misbehaviour("what was credited is not what was minted and received")
    return report


def _read_checkpoint(note: bytes, verifier: Verifier) -> Checkpoint:
    try:
        return read_checkpoint(note, verifier)
    except Reject as error:
        raise Misbehaviour(f"the checkpoint does not hold: {error}") from error


def _check_log_key(note: bytes, verifier: Verifier, report: Report) -> None:
    """The key that we trust is one of this log's, and the log's present key signed the checkpoint. Each key
    handed over to the next, so that whoever holds only one that was replaced shows nobody a history."""
    if verifier.public_key not in report.state.log_keys:
        raise Misbehaviour("log entry 0: the network's id does not belong to the log's key")
    since = report.log_keys[-1]
    try:
        open_checkpoint(note, Verifier(verifier.name, bytes.fromhex(since.what)))
    except Reject as error:
        raise Misbehaviour(
            f"the checkpoint is not signed by the log's key since entry {since.entry}: {error}"
        ) from error


def _audit_beyond(source: LogSource, tree: MerkleTree, report: Report, progress: Progress) -> None:
    """Checks what the report's checkpoint has beyond `tree`, and folds it."""
    start, checkpoint = tree.size, report.checkpoint
    entries = _read_entries(source, start, checkpoint, progress)
    for raw in entries:
        tree.append(hash_leaf(raw))
    if tree.root() != checkpoint.root:
        _blame_entry(source, start, entries, checkpoint)
    _check_tiles(source, tree, progress)
    _replay(source, start, entries, report, progress)


def _read_entries(
    source: LogSource, start: int, checkpoint: Checkpoint, progress: Progress
) -> list[bytes]:
    entries: list[bytes] = []
    for tile in tiles.entry_tiles_of(checkpoint.size):
        if tile.stop <= start:
            continue
        data = source.read(tile.path)
        try:
            entries += tiles.decode_entries(data, tile.width)[max(0, start - tile.start) :]
        except Reject as error:
            position = _first_bad_entry(data, _leaf_hashes(source, tile.index, tile.width))
            raise Misbehaviour(f"log entry {tile.start + position}: {error}") from error
        progress("reading entries", start + len(entries), checkpoint.size)
    return entries


def _leaf_hashes(source: LogSource, index: int, width: int) -> list[bytes]:
    data = source.read(tiles.Tile(0, index, width).path)
    return [data[at : at + 32] for at in range(0, 32 * width, 32)]


def _first_bad_entry(data: bytes, hashes: Sequence[bytes]) -> int:
    """Where a malformed bundle first departs from the hashes of its tile."""
    at = 0
    for position, expected in enumerate(hashes):
        length = int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
        at += _LENGTH_BYTES
        if hash_leaf(data[at : at + length]) != expected:
            return position
        at += length
    return len(hashes) - 1


def _blame_entry(
    source: LogSource, start: int, entries: Sequence[bytes], checkpoint: Checkpoint
) -> None:
    """Raises for the first entry, of those from `start` on, whose bytes are not those in the log's tree."""
    for tile in tiles.entry_tiles_of(checkpoint.size):
        for index, expected in enumerate(
            _leaf_hashes(source, tile.index, tile.width), start=tile.start
        ):
            if index >= start and hash_leaf(entries[index - start]) != expected:
                raise Misbehaviour(
                    f"log entry {index}: its bytes are not those that the log's tree holds"
                )
    raise Misbehaviour("the entries do not lead to the root that the log's key signed")


def _check_tiles(source: LogSource, tree: MerkleTree, progress: Progress) -> None:
    wanted = list(tiles.tiles_of(tree.size))
    for done, tile in enumerate(wanted):
        if source.read(tile.path) != tiles.tile_data(tree, tile):
            raise Misbehaviour(f"{tile.path} does not hold the hashes of the log's tree")
        progress("checking tiles", done + 1, len(wanted))


def _replay(
    source: LogSource, start: int, entries: Sequence[bytes], report: Report, progress: Progress
) -> None:
    for index, raw in enumerate(entries, start=start):
        leaves = _read_leaves(source, index, raw, transition.rules_for(report.state))
        report.take(index, transition.apply(report.state, raw, leaves))
        progress("replaying rules", index + 1, start + len(entries))


def _read_leaves(source: LogSource, index: int, raw: bytes, rules: Rules) -> list[Leaf]:
    try:
        batch = transition.shown_batch(parse_envelope(raw), rules)
        if batch is None or batch.count == 0:
            return []
        bundle = source.read(f"batch/{batch.root.hex()}")
        return check_batch(batch.root, batch.count, bundle)
    except (Reject, Misbehaviour) as error:
        raise Misbehaviour(f"log entry {index}: {error}") from error
