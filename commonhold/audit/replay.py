"""The audit: reads a log, checks that it is the signed one, and replays every rule on it.

Order matters for what can be said. First the bytes: entries must lead to the root that the log's key
signed, and where they do not, the hash tiles tell which entry was changed. Then the meaning: each entry
is applied by the same fold that the coordinator and the nodes run, so that each verdict, reputation and
payout is recomputed, and the first entry that does not follow is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from commonhold.audit.source import LogSource, Progress
from protocol import commitments, tiles, transition
from protocol.accounts import conserves
from protocol.batch import check_batch, require_whole
from protocol.envelope import parse_envelope
from protocol.errors import Misbehaviour, Reject
from protocol.merkle import MerkleTree, hash_leaf
from protocol.note import Checkpoint, Verifier, open_checkpoint
from protocol.state import GivenAnswer, State
from protos.gen import records_pb2 as pb

_LENGTH_BYTES = 2  # of an entry in a bundle


@dataclass(slots=True)
class Report:
    """What an audit found to hold."""

    checkpoint: Checkpoint
    state: State
    kinds: Counter[str] = field(default_factory=Counter)
    answers: list[GivenAnswer] = field(default_factory=list)  # of all epochs
    lines: list[tuple[int, pb.RewardLine]] = field(default_factory=list)  # (epoch, line)


def audit(source: LogSource, verifier: Verifier, progress: Progress) -> Report:
    """Checks a whole log; raises Misbehaviour that names the entry or file at fault."""
    checkpoint = _read_checkpoint(source, verifier)
    entries = _read_entries(source, checkpoint, progress)
    tree = MerkleTree(map(hash_leaf, entries))
    if tree.root() != checkpoint.root:
        _blame_entry(source, entries, checkpoint)
    _check_tiles(source, tree, progress)
    report = Report(checkpoint, State())
    _replay(source, entries, report, progress)
    if report.state.network != commitments.network_id(verifier.public_key):
        raise Misbehaviour("log entry 0: the network's id does not belong to the log's key")
    if not conserves(report.state):
        raise Misbehaviour("what was credited is not what was minted and received")
    return report


def _read_checkpoint(source: LogSource, verifier: Verifier) -> Checkpoint:
    try:
        return open_checkpoint(source.read(tiles.CHECKPOINT_PATH), verifier)
    except Reject as error:
        raise Misbehaviour(f"the checkpoint does not hold: {error}") from error


def _read_entries(source: LogSource, checkpoint: Checkpoint, progress: Progress) -> list[bytes]:
    entries: list[bytes] = []
    for tile in tiles.entry_tiles_of(checkpoint.size):
        data = source.read(tile.path)
        try:
            entries += tiles.decode_entries(data, tile.width)
        except Reject as error:
            position = _first_bad_entry(data, _leaf_hashes(source, tile.index, tile.width))
            raise Misbehaviour(f"log entry {tile.start + position}: {error}") from error
        progress("reading entries", len(entries), checkpoint.size)
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


def _blame_entry(source: LogSource, entries: Sequence[bytes], checkpoint: Checkpoint) -> None:
    """Raises for the first entry whose bytes are not those in the log's tree."""
    for tile in tiles.entry_tiles_of(checkpoint.size):
        for position, expected in enumerate(_leaf_hashes(source, tile.index, tile.width)):
            if hash_leaf(entries[tile.start + position]) != expected:
                raise Misbehaviour(
                    f"log entry {tile.start + position}: its bytes are not those that the log's tree holds"
                )
    raise Misbehaviour("the entries do not lead to the root that the log's key signed")


def _check_tiles(source: LogSource, tree: MerkleTree, progress: Progress) -> None:
    wanted = list(tiles.tiles_of(tree.size))
    for done, tile in enumerate(wanted):
        if source.read(tile.path) != tiles.tile_data(tree, tile):
            raise Misbehaviour(f"{tile.path} does not hold the hashes of the log's tree")
        progress("checking tiles", done + 1, len(wanted))


def _replay(
    source: LogSource, entries: Sequence[bytes], report: Report, progress: Progress
) -> None:
    for index, raw in enumerate(entries):
        leaves = _read_leaves(source, index, raw)
        epoch = report.state.epoch
        kind = transition.apply(report.state, raw, leaves)
        report.kinds[kind] += 1
        if kind == "close":
            report.answers += epoch.answers
            report.lines += ((epoch.number, pb.RewardLine.FromString(leaf)) for leaf in leaves)
        progress("replaying rules", index + 1, len(entries))


def _read_leaves(source: LogSource, index: int, raw: bytes) -> list[bytes]:
    try:
        batch = transition.shown_batch(parse_envelope(raw))
        if batch is None or batch.count == 0:
            return []
        bundle = source.read(f"batch/{batch.root.hex()}")
        return require_whole(check_batch(batch.root, batch.count, bundle))
    except (Reject, Misbehaviour) as error:
        raise Misbehaviour(f"log entry {index}: {error}") from error
