"""Keys: nobody else reads them, nothing prints them, nothing overwrites them."""

from __future__ import annotations

import base64
import json
import logging
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from node.keys import (
    Cost,
    NodeKeys,
    generate_keys,
    generate_machine_key,
    join_keys,
    load_any_keys,
    load_keys,
    passphrase_file,
    read_passphrase,
    save_keys,
)
from node.machines import make_grant, make_request, read_grant, read_request
from node.registration import joining, registration
from protocol.errors import ConfigError, StateError
from protocol.identity import name_of, peer_id_of
from protocol.log.envelope import parse_envelope, verify_signature
from protocol.log.strict import strict_parse
from protocol.money.payout import verify_binding
from protocol.rows import Member
from protocol.rules.people import check_delegation, keys_of, root_person
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK as SIMULATED
from tests.simulated import Network

CHEAP = Cost(passes=1, memory_bytes=8 * 1024 * 1024)
NETWORK = bytes(32)


def secrets_of(keys: NodeKeys) -> tuple[bytes, ...]:
    assert keys.root_seed is not None
    return keys.seed, keys.payout_secret, keys.root_seed


def never() -> bytes:
    raise AssertionError("a file without a passphrase asks for none")


def test_keys_come_back_as_they_were_saved(tmp_path: Path) -> None:
    keys, path = generate_keys(), tmp_path / "keys.json"
    save_keys(path, keys)
    assert load_keys(path, never) == keys
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["keys.json"]


def test_a_passphrase_seals_them_and_only_it_opens_them(tmp_path: Path) -> None:
    keys, path = generate_keys(), tmp_path / "keys.json"
    save_keys(path, keys, b"correct horse", CHEAP)
    assert load_keys(path, lambda: b"correct horse") == keys
    with pytest.raises(ConfigError, match="does not open"):
        load_keys(path, lambda: b"wrong horse")
    raw = path.read_bytes()
    for secret in secrets_of(keys):
        assert secret not in raw
        assert secret.hex().encode() not in raw


def test_keys_that_others_can_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    save_keys(path, generate_keys())
    for mode in (0o640, 0o604, 0o660):
        path.chmod(mode)
        with pytest.raises(ConfigError, match="other users") as caught:
            load_keys(path, never)
        assert "chmod 600" in caught.value.advice
    path.chmod(0o400)
    load_keys(path, never)


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    path, first = tmp_path / "keys.json", generate_keys()
    save_keys(path, first)
    with pytest.raises(ConfigError, match="already"):
        save_keys(path, generate_keys())
    assert load_keys(path, never) == first
    assert [p.name for p in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "AAAA"},
        {"secret": "not base64!"},
        {"root": "AAAA"},
        {"root": base64.b64encode(bytes(32)).decode()},  # somebody else's
        {"version": 1},
        {"encryption": "rot13"},
        {"secret": None},
    ],
)
def test_a_damaged_file_says_so_and_quotes_nothing(
    tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "keys.json"
    save_keys(path, generate_keys())
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ConfigError) as caught:
        load_keys(path, never)
    assert caught.value.__cause__ is None


def test_a_damaged_file_cannot_make_us_allocate_without_end(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    save_keys(path, generate_keys(), b"p", CHEAP)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"memory_bytes": 2**45}))
    with pytest.raises(ConfigError, match="unreasonable"):
        load_keys(path, lambda: b"p")


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_keys(tmp_path / "keys.json", never)
    assert "node init" in caught.value.advice


def test_secrets_never_show(caplog: pytest.LogCaptureFixture) -> None:
    keys = generate_keys()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("any").info("%s %r %s", keys, keys, [keys])
    with pytest.raises(ConfigError) as caught:
        replace(keys, payout_key=keys.payout_secret[:-1])
    shown = f"{caplog.text}{keys}{keys!r}{caught.value!r}"
    for secret in secrets_of(keys):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
    assert keys.peer_id in shown


def test_a_payout_key_lies_in_its_group(tmp_path: Path) -> None:
    good = generate_keys()
    assert pickle.loads(pickle.dumps(good)) == good
    for bad in (bytes(32), b"\xff" * 32):
        with pytest.raises(ConfigError, match="secp256k1"):
            replace(good, payout_key=bad)


def test_a_passphrase_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(b"with spaces \n")
    assert read_passphrase(path) == b"with spaces "
    monkeypatch.setenv("COMMONHOLD_PASSPHRASE_FILE", str(path))
    assert passphrase_file(None) == path
    assert passphrase_file(tmp_path) == tmp_path
    for bad in (b"", b"\n", b"x" * 2000):
        path.write_bytes(bad)
        with pytest.raises(ConfigError, match="empty, or over"):
            read_passphrase(path)


def test_the_root_key_may_rest_elsewhere(tmp_path: Path) -> None:
    whole = generate_keys()
    alone = replace(whole, root_seed=None)
    for name, passphrase in (("plain", None), ("sealed", b"p")):
        path = tmp_path / name
        save_keys(path, alone, passphrase, CHEAP)
        loaded = load_keys(path, lambda: b"p")
        assert loaded == alone
        assert (loaded.person, loaded.key) == (whole.person, whole.key)
        assert json.loads(path.read_text())["person"] == name_of(whole.person)
        with pytest.raises(ConfigError, match="not on this machine"):
            loaded.delegation(NETWORK)
    with pytest.raises(ConfigError, match="not that of the root key"):
        replace(whole, root_seed=bytes(32))


def test_root_key_and_machine_and_address_sign_the_registration() -> None:
    keys = generate_keys()
    outgoing = registration(keys, NETWORK)
    envelope = parse_envelope(outgoing.envelope)
    verify_signature(envelope)
    record = strict_parse(pb.Register, envelope.payload, "the register")
    check_delegation(NETWORK, record.delegation, envelope.key)
    assert root_person(record.delegation) == keys.person
    verify_binding(NETWORK, keys.person, record.payout_address, record.payout_signature)
    assert peer_id_of(envelope.key) == keys.peer_id
    assert registration(keys, NETWORK).digest == outgoing.digest, "queued twice is queued once"


def test_a_later_registration_follows_the_one_in_the_log() -> None:
    keys = generate_keys()
    again = registration(keys, NETWORK, Member(bytes(20), 3, serial=7))
    record = pb.Register.FromString(parse_envelope(again.envelope).payload)
    assert (registration_serial(keys), record.serial) == (1, 8)


def registration_serial(keys: NodeKeys) -> int:
    payload = parse_envelope(registration(keys, NETWORK).envelope).payload
    return pb.Register.FromString(payload).serial


def test_another_machine_of_a_member_is_delegated_to_and_changes_no_address() -> None:
    net, first = Network(), generate_keys()
    joined = joining(first, net.state)
    assert joined is not None
    net.add_raw(joined.envelope)
    assert joining(first, net.state) is None
    assert first.root_seed is not None
    other = generate_keys()
    second = NodeKeys.made_of(other.seed, other.payout_secret, first.root_seed)
    delegated = joining(second, net.state)
    assert delegated is not None
    net.add_raw(delegated.envelope)
    assert net.state.keys[second.key] == net.state.keys[first.key] == first.person
    assert net.state.members[first.person].payout == first.payout_address
    with pytest.raises(ConfigError, match="not on this machine"):
        joining(replace(generate_keys(), root_seed=None), net.state)


# ---- a further machine ----


@pytest.mark.parametrize("passphrase", [None, b"p"])
def test_a_machine_signs_for_nobody_until_the_root_key_gives_its_word(
    tmp_path: Path, passphrase: bytes | None
) -> None:
    path, asked = tmp_path / "keys.json", lambda: passphrase or never()
    first, machine = generate_keys(), generate_machine_key()
    save_keys(path, machine, passphrase, CHEAP)
    assert load_any_keys(path, asked) == machine
    with pytest.raises(StateError, match="signs for nobody yet"):
        load_keys(path, asked)
    word = first.delegation(NETWORK, machine.key)
    keys = join_keys(path, word, asked)
    assert load_keys(path, asked) == keys
    assert join_keys(path, word, asked) == keys, "twice is once"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (keys.person, keys.key) == (first.person, machine.key)
    check_delegation(NETWORK, keys.delegation(NETWORK), machine.key)
    raw = path.read_bytes()
    for secret in (*secrets_of(first), machine.seed if passphrase else first.seed):
        assert base64.b64encode(secret) not in raw, "nothing secret is copied between machines"
    assert machine.seed.hex() not in f"{machine}{machine!r}"
    with pytest.raises(StateError, match="already"):
        join_keys(path, generate_keys().delegation(NETWORK, machine.key), asked)


def test_a_further_machine_lets_nobody_sign_and_claims_nothing(tmp_path: Path) -> None:
    first, machine = generate_keys(), generate_machine_key()
    save_keys(tmp_path / "keys.json", machine)
    keys = join_keys(tmp_path / "keys.json", first.delegation(NETWORK, machine.key), never)
    with pytest.raises(ConfigError, match="root key is not on this machine"):
        keys.delegation(NETWORK, generate_machine_key().key)
    with pytest.raises(ConfigError, match="payout key is not on this machine"):
        keys.sign_payout(bytes(32))
    with pytest.raises(ConfigError, match="payout key is not on this machine"):
        joining(keys, Network().state)  # the person has to be a member first


def test_a_machine_joins_by_a_request_and_a_grant() -> None:
    net, first, machine = Network(), generate_keys(), generate_machine_key()
    net.add_raw(registration(first, SIMULATED).envelope)
    request = make_request(SIMULATED, machine.key)
    assert read_request(f" {request}\n", SIMULATED) == machine.key
    grant = make_grant(first, SIMULATED, machine.key)
    word = read_grant(grant, SIMULATED, machine.key)
    keys = NodeKeys(machine.seed, None, word.root_key, word=word.signature)
    record = joining(keys, net.state)
    assert record is not None
    net.add_raw(record.envelope)
    assert keys_of(net.state, first.person) == [
        (first.key, len(net.log) - 2),
        (machine.key, len(net.log) - 1),
    ]
    assert joining(keys, net.state) is None


def test_requests_and_grants_that_are_not_are_refused() -> None:
    first, machine = generate_keys(), generate_machine_key()
    request = make_request(NETWORK, machine.key)
    grant = make_grant(first, NETWORK, machine.key)
    mistyped = request[:-1] + ("3" if request[-1] == "2" else "2")
    for text in ("", "chr1", request[:-1], mistyped, grant):
        with pytest.raises(ConfigError, match="not a request"):
            read_request(text, NETWORK)
    for text in ("", "chg1", grant[:-1], request):
        with pytest.raises(ConfigError, match="not a grant"):
            read_grant(text, NETWORK, machine.key)
    with pytest.raises(ConfigError, match="another network"):
        read_request(request, SIMULATED)
    for network, key in ((SIMULATED, machine.key), (NETWORK, generate_machine_key().key)):
        with pytest.raises(ConfigError, match="for another machine, or another network"):
            read_grant(grant, network, key)
    with pytest.raises(ConfigError, match="not on this machine"):
        make_grant(replace(first, root_seed=None), NETWORK, machine.key)
