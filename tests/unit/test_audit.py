"""The auditor finds whatever was changed, and names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from nacl.signing import SigningKey

from commonhold.audit.replay import Report, audit
from commonhold.audit.source import FolderLog
from protocol import transition
from protocol.errors import ConfigError, Misbehaviour
from protocol.log import tiles
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Verifier, sign_checkpoint
from protos.gen import records_pb2 as pb
from tests.simulated import LOG_KEY, Network, Person, batch


def publish(net: Network, folder: Path, key: SigningKey = LOG_KEY) -> Verifier:
    """Writes the public files of the network's log, as a coordinator serves them."""
    verifier = Verifier("log.simulated", bytes(key.verify_key))
    entries = [entry.raw for entry in net.log]
    tree = MerkleTree(map(hash_leaf, entries))
    files = {
        "checkpoint": sign_checkpoint(
            verifier, tree.size, tree.root(), lambda m: key.sign(m).signature
        )
    }
    for tile in tiles.tiles_of(tree.size):
        files[tile.path] = tiles.tile_data(tree, tile)
    for bundle in tiles.entry_tiles_of(tree.size):
        files[bundle.path] = tiles.encode_entries(entries[bundle.start : bundle.stop])
    for entry in net.log:
        shown = transition.shown_batch(parse_envelope(entry.raw))
        if shown is not None and shown.count:
            files[f"batch/{shown.root.hex()}"] = encode_bundle(entry.leaves)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return verifier


def check(folder: Path, verifier: Verifier) -> Report:
    return audit(FolderLog(folder), verifier, lambda *_: None)


@pytest.fixture
def network() -> Network:
    net = Network(*(Person(name) for name in ("ada", "ben", "cyn", "dov")))
    net.submit(net.people[0], [net.item(i % 10) for i in range(8)])
    net.run_epoch(*net.people, gold=list(net.truth)[:3])
    return net


@pytest.fixture
def folder(network: Network, tmp_path: Path) -> Path:
    publish(network, tmp_path)
    return tmp_path


@pytest.fixture
def verifier() -> Verifier:
    return Verifier("log.simulated", bytes(LOG_KEY.verify_key))


def test_an_honest_log_holds(network: Network, folder: Path, verifier: Verifier) -> None:
    report = check(folder, verifier)
    assert report.state == network.state
    assert report.kinds["submission"] == 1
    assert report.checkpoint.size == len(network.log)


def test_any_byte_of_any_entry_that_changes_names_that_entry(
    network: Network, folder: Path, verifier: Verifier
) -> None:
    file = folder / next(tiles.entry_tiles_of(len(network.log))).path
    honest = file.read_bytes()
    at = 0
    for index, entry in enumerate(network.log):
        for offset in (0, 1, 2, 2 + len(entry.raw) // 2, 1 + len(entry.raw)):
            changed = bytearray(honest)
            changed[at + offset] ^= 1
            file.write_bytes(changed)
            with pytest.raises(Misbehaviour, match=rf"log entry {index}:"):
                check(folder, verifier)
        at += 2 + len(entry.raw)
    file.write_bytes(honest)
    check(folder, verifier)


def test_any_byte_of_any_batch_that_changes_names_its_entry(
    network: Network, folder: Path, verifier: Verifier
) -> None:
    for index, entry in enumerate(network.log):
        shown = transition.shown_batch(parse_envelope(entry.raw))
        if shown is None or not shown.count:
            continue
        file = folder / "batch" / shown.root.hex()
        honest = file.read_bytes()
        for offset in (0, 2, len(honest) // 2, len(honest) - 1):
            changed = bytearray(honest)
            changed[offset] ^= 1
            file.write_bytes(changed)
            with pytest.raises(Misbehaviour, match=rf"log entry {index}:"):
                check(folder, verifier)
        file.write_bytes(honest)
    check(folder, verifier)


def test_a_changed_checkpoint_or_tile_is_found(folder: Path, verifier: Verifier) -> None:
    for path, message in (("checkpoint", "checkpoint"), ("tile/0", "tile/0/000")):
        file = next(p for p in sorted((folder / path).rglob("*")) or [folder / path] if p.is_file())
        honest = file.read_bytes()
        changed = bytearray(honest)
        changed[-2] ^= 1
        file.write_bytes(changed)
        with pytest.raises(Misbehaviour, match=message):
            check(folder, verifier)
        file.write_bytes(honest)
    check(folder, verifier)


def test_a_missing_file_is_named(folder: Path, verifier: Verifier) -> None:
    victim = next((folder / "batch").iterdir())
    victim.unlink()
    with pytest.raises(Misbehaviour, match=f"lacks batch/{victim.name}"):
        check(folder, verifier)


def test_a_folder_without_a_log_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no copy"):
        FolderLog(tmp_path)


def test_a_log_signed_by_another_key_is_not_this_network(
    network: Network, tmp_path: Path, verifier: Verifier
) -> None:
    impostor = SigningKey(b"\x06" * 32)
    theirs = publish(network, tmp_path, impostor)
    with pytest.raises(Misbehaviour, match="checkpoint does not hold"):
        check(tmp_path, verifier)
    with pytest.raises(Misbehaviour, match="does not belong to the log's key"):
        check(tmp_path, theirs)


def test_a_rewritten_history_signed_by_the_operator_does_not_replay(
    network: Network, tmp_path: Path, verifier: Verifier
) -> None:
    """Even who holds the log's key cannot publish a close that does not follow from the answers."""
    last = network.log[-1]
    lines = [pb.RewardLine.FromString(leaf) for leaf in last.leaves]
    lines[-1].amount = str(int(lines[-1].amount) + 1)
    leaves = tuple(line.SerializeToString() for line in lines)
    body = pb.Close.FromString(parse_envelope(last.raw).payload)
    body.lines.CopyFrom(batch(leaves))
    last.raw, last.leaves = network.operator.seal("close", body), leaves
    publish(network, tmp_path)
    with pytest.raises(Misbehaviour, match=rf"log entry {len(network.log) - 1}: the amounts"):
        check(tmp_path, verifier)
