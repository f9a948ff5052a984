"""The auditor finds whatever was changed, and names it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from commonhold.audit.replay import Report, audit
from commonhold.audit.report import ClosedEpoch, Since
from commonhold.audit.source import FolderLog
from commonhold.cli import verify_log
from protocol import transition
from protocol.errors import ConfigError, Misbehaviour
from protocol.log import tiles
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Checkpoint, Note, Verifier
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.fold import same
from tests.simulated import LOG_KEY, Network, Person, batch, campaign, part, successor


def publish(
    net: Network, folder: Path, key: SigningKey = LOG_KEY, *more_keys: SigningKey
) -> Verifier:
    """Writes the public files of the network's log, as a coordinator serves them; all keys sign it."""
    verifier = verifier_of(key)
    entries = [entry.raw for entry in net.log]
    tree = MerkleTree(map(hash_leaf, entries))
    note = Note(Checkpoint(verifier.name, tree.size, tree.root()).text, ())
    for each in (key, *more_keys):
        note = note.with_signature(verifier_of(each), partial(signature_by, each))
    files = {"checkpoint": note.encode()}
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


def signature_by(key: SigningKey, text: bytes) -> bytes:
    return key.sign(text).signature


def verifier_of(key: SigningKey) -> Verifier:
    return Verifier("log.simulated", bytes(key.verify_key))


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
    return verifier_of(LOG_KEY)


def test_an_honest_log_holds(network: Network, folder: Path, verifier: Verifier) -> None:
    report = check(folder, verifier)
    assert same(report.state, network.state)
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
    with pytest.raises(Misbehaviour, match="not signed by the log's key since entry 0"):
        check(tmp_path, verifier)
    with pytest.raises(Misbehaviour, match="does not belong to the log's key"):
        check(tmp_path, theirs)


def test_a_rewritten_history_signed_by_the_operator_does_not_replay(
    network: Network, tmp_path: Path, verifier: Verifier
) -> None:
    """Even who holds the log's key cannot publish a close that does not follow from the answers."""
    last = network.log[-1]
    lines = [parse_leaf(pb.RewardLine, leaf) for leaf in last.leaves]
    lines[-1].amount = str(int(lines[-1].amount) + 1)
    leaves = tuple(encode_leaf(line) for line in lines)
    body = pb.Close.FromString(parse_envelope(last.raw).payload)
    body.lines.CopyFrom(batch(leaves))
    last.raw, last.leaves = network.operator.seal("close", body), leaves
    publish(network, tmp_path)
    with pytest.raises(Misbehaviour, match=rf"log entry {len(network.log) - 1}: the amounts"):
        check(tmp_path, verifier)


def replace_key(net: Network, role: pb.KeyRole, key: SigningKey) -> None:
    after = LOG_KEY if role == pb.KEY_ROLE_LOG else None
    net.add(net.operator, "successor", successor(role, key, after))


def test_a_log_whose_key_was_replaced_holds_with_either_key(
    network: Network, tmp_path: Path, verifier: Verifier
) -> None:
    later = SigningKey(b"\x07" * 32)
    replace_key(network, pb.KEY_ROLE_LOG, later)
    entry = len(network.log)
    network.close()
    for name, keys in (("both", (LOG_KEY, later)), ("the later alone", (later,))):
        publish(network, tmp_path / name, *keys)
        for each in (verifier, verifier_of(later)):
            report = check(tmp_path / name, each)
            assert report.log_keys == [
                Since(verifier.public_key.hex(), 0),
                Since(bytes(later.verify_key).hex(), entry),
            ]


def test_a_key_that_was_replaced_shows_nobody_a_history(
    network: Network, tmp_path: Path, verifier: Verifier
) -> None:
    """Whoever stole the first key can sign with it; the one that follows is missing."""
    later = SigningKey(b"\x07" * 32)
    replace_key(network, pb.KEY_ROLE_LOG, later)
    publish(network, tmp_path)
    message = f"log's key since entry {len(network.log)}"
    with pytest.raises(Misbehaviour, match=message):
        check(tmp_path, verifier)


def test_nobody_names_the_key_that_follows_another_network_s(
    network: Network, tmp_path: Path, verifier: Verifier
) -> None:
    """A stranger's log may begin with our log's key, which is public; it cannot make it hand over."""
    impostor = SigningKey(b"\x06" * 32)
    network.add(network.operator, "successor", successor(pb.KEY_ROLE_LOG, impostor, LOG_KEY))
    body = successor(pb.KEY_ROLE_LOG, impostor, impostor)
    network.log[-1].raw = network.operator.seal("successor", body)
    publish(network, tmp_path, impostor)
    with pytest.raises(Misbehaviour, match="the log's key did not hand over"):
        check(tmp_path, verifier)


def test_an_operator_s_key_that_was_replaced_signs_no_more(
    network: Network, tmp_path: Path, verifier: Verifier
) -> None:
    before, later = network.operator.signing_key, SigningKey(b"\x08" * 32)
    replace_key(network, pb.KEY_ROLE_OPERATOR, later)
    network.operator.signing_key = later
    network.close()
    publish(network, tmp_path / "honest")
    report = check(tmp_path / "honest", verifier)
    assert [each.entry for each in report.operator_keys] == [0, len(network.log) - 1]
    last = network.log[-1]
    network.operator.signing_key = before
    body = pb.Close.FromString(parse_envelope(last.raw).payload)
    last.raw = network.operator.seal("close", body)
    publish(network, tmp_path / "stolen")
    with pytest.raises(
        Misbehaviour, match=rf"log entry {len(network.log) - 1}: only the network's"
    ):
        check(tmp_path / "stolen", verifier)


@pytest.fixture
def several(network: Network) -> Network:
    """Campaigns of two kinds, in different phases; reviewers who refuse; epochs without anything."""
    ada = network.people[0]
    network.close()  # nothing was decided and nobody earned
    network.close()
    spec = encode_spec({"ties": False})
    parts = [part("answer_a"), part("answer_b")]
    body = campaign(
        id="pairs", task="prefer", spec=spec, parts=parts, proposal=pb.PROPOSAL_NOT_TAKEN
    )
    network.add(network.operator, "campaign", body)
    network.submit(ada, [network.item(each, c="pairs") for each in "abb"], "pairs")
    network.people[1].judge = lambda truth: None
    network.run_rounds(*network.people, c="pairs")
    network.submit(ada, [network.item(7)])
    network.stand_by(*network.people)
    network.seal()
    network.close()
    return network


def test_what_happened_is_counted_by_campaign(
    several: Network, tmp_path: Path, verifier: Verifier
) -> None:
    publish(several, tmp_path)
    report = check(tmp_path, verifier)
    assert [each.is_empty for each in report.epochs] == [False, True, True, False]
    assert report.epochs[0] == ClosedEpoch(
        1, decided=8, lines=sum(epoch == 1 for epoch, _ in report.lines)
    )
    assert report.epochs[-1].decided == report.items()["pairs"].total() == 3
    assert report.rounds["digits"] >= 1 and report.rounds["pairs"] >= 1
    assert report.items()["digits"]["submitted"] == 1
    answers, refusals = report.given()
    assert answers["digits"] == 8 * 3 and "digits" not in refusals
    given = [
        leaf for leaf in report.answers if several.state.items[leaf.item_id].campaign_id == "pairs"
    ]
    assert answers["pairs"] + refusals["pairs"]["unsure"] == len(given)
    assert report.rules == [Since("1", 0)]


def test_the_command_says_what_holds(
    several: Network, tmp_path: Path, verifier: Verifier, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(several, tmp_path)
    verify_log.check(str(tmp_path), str(verifier), save=None, since=None, rpc_url="", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["size"], told["network"]) == (True, len(several.log), "simulated")
    assert told["epochs_empty"] == [2, 3] and told["epochs_closed"] == 4
    assert told["persons"] == len(several.state.members) == 5
    assert told["campaigns"]["pairs"]["task"] == "prefer"
    assert told["campaigns"]["pairs"]["refusals"] == {"unsure": 3}
    assert told["campaigns"]["digits"]["phase"] == "sealed"
    assert told["items"]["accepted"] == told["campaigns"]["digits"]["items"]["accepted"] + 3
    assert sum(told["shares_micro"].values()) == told["shares_minted_micro"] > 0
    assert told["rules"] == [{"what": "1", "entry": 0}]
    verify_log.check(str(tmp_path), str(verifier), save=None, since=None, rpc_url="", as_json=False)
    text = capsys.readouterr().out
    for words in ("simulated: all", "4 epochs closed, 2 of them empty", "prefer", "classify"):
        assert words in text
