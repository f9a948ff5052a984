"""The operator's commands: what they print, what they write, how they end. Servers are processes."""

from __future__ import annotations

import json
import random
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from commonhold.cli.root import build
from coordinator.config import Config, Home, RateLimit
from coordinator.keys import TLS_NAME, Keys, load_keys
from coordinator.ledger import Ledger
from coordinator.operator import Operator
from coordinator.sealed import known_key
from protocol.errors import ConfigError
from protocol.limits import PPM
from protocol.log.link import parse_link
from protocol.log.merkle import hash_leaf
from protos.gen import api_pb2, api_pb2_grpc
from tests.helpers import Person, answer_of, registration, submission_request
from tests.live_coordinator import CLI, found_network, serving_process

LABELS = [word for digit in range(10) for word in ("--label", str(digit))]
SECRETS = (
    "root.key",
    "operator.key",
    "log.key",
    "chain.key",
    "tls.key",
    "coordinator.toml",
    "ledger.db",
)


def run(home: Path, *arguments: str, code: int = 0) -> str:
    """Standard output of `commonhold coordinator ...`; standard error where it fails."""
    command = ["coordinator", *arguments, "--dir", str(home)]
    done = CliRunner().invoke(build("coordinator"), command)
    assert done.exit_code == code, done.stdout + done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.stdout if code == 0 else done.stderr


def run_json(home: Path, *arguments: str) -> Any:
    return json.loads(run(home, *arguments, "--json"))


def test_init_founds_a_network_that_only_its_operator_can_read(tmp_path: Path) -> None:
    home = tmp_path / "net"
    founded = run_json(home, "init", "--name", "First Light", "--host", "198.51.100.7")
    link = parse_link(founded["link"])
    assert (link.host, link.port, link.network.hex()) == ("198.51.100.7", 7600, founded["network"])
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for name in SECRETS:
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
    assert Home(home).load().listen == "0.0.0.0"
    assert "holds a coordinator already" in run(home, "init", "--name", "again", code=2)
    shown = run_json(home, "status")
    assert (shown["link"], shown["epoch"], shown["running"]) == (founded["link"], 1, False)
    assert shown["campaigns"] == []


def test_no_work_needs_the_root_key(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    (home.path / "root.key").rename(tmp_path / "offline")
    with serving_process(home):
        run_json(home.path, "campaign", "create", "--id", "x", "--label", "a", "--label", "b")
    assert run_json(home.path, "fsck")["entries"] == 2


def test_init_refuses_a_policy_that_breaks_a_rule(tmp_path: Path) -> None:
    said = run(tmp_path / "net", "init", "--name", "x", "--contributors", "90", code=2)
    assert "are 125 % of the emission together" in said
    assert not (tmp_path / "net").exists()


def test_a_network_is_led_from_the_command_line(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    file = tmp_path / "digits.toml"
    file.write_text('id = "digits"\ntitle = "Digits"\nlabels = ["zero", "one"]\n')
    with serving_process(home) as (_, address):
        assert run_json(home.path, "campaign", "create", str(file))["index"] == 1
        assert run_json(home.path, "campaign", "create", str(file))["index"] == 1  # a repetition
        said = run(home.path, "campaign", "create", str(file), "--title", "Other", code=4)
        assert "there is a campaign 'digits' already" in said
        named = ["campaign", "create", "--id", "x", "--label", "a"]
        assert "at least 2 and at most 1024 labels" in run(home.path, *named, code=4)
        rows = run_json(home.path, "campaign", "list")["campaigns"]
        assert [(row["id"], row["task"], row["phase"]) for row in rows] == [
            ("digits", "classify", "open")
        ]
        shown = run_json(home.path, "status")
        assert (shown["running"], shown["link"]) == (True, address.link)
        said = run(home.path, "status")
        assert "not begun" in said
        assert run_json(home.path, "campaign", "pause", "digits")["paused"]
        assert "paused" in run(home.path, "campaign", "list")
        said = run(home.path, "campaign", "pause", "letters", code=2)
        assert "coordinator campaign list" in said
        said = run(home.path, "campaign", "pause", "digits", code=4)
        assert "paused already" in said
        run(home.path, "campaign", "resume", "digits")
        run(home.path, "campaign", "pause", "digits")  # again, and not the pause of before
        assert run_json(home.path, "status")["campaigns"][0]["status"] == "paused"
        run(home.path, "campaign", "resume", "digits")
        run(home.path, "policy", "set", "--emission", "500", "--contributors", "50")
        said = run(home.path, "policy", "set", "--contributors", "80", code=2)
        assert "are 115 % of the emission together" in said
        assert "nothing is to change" in run(home.path, "policy", "set", code=2)
        assert "version 2 of the rules" in run(home.path, "upgrade", code=4)
        closed = run_json(home.path, "epoch", "close")
        assert closed == {"epoch": 1, "index": 7, "lines": [], "waiting": []}
        # Repeating is safe, and says the same.
        assert run_json(home.path, "epoch", "close", "--epoch", "1") == closed
        assert "nobody earned anything" in run(home.path, "epoch", "close", "--epoch", "1")
        said = run(home.path, "epoch", "close", "--epoch", "7", code=4)
        assert "close epoch 2 first" in said.replace("\n", " ")
    checked = run_json(home.path, "fsck")
    assert checked["kinds"] == {"genesis": 1, "campaign": 1, "pause": 4, "policy": 1, "close": 1}
    with Operator(home) as operator:
        policy = operator.state.policy
        assert (policy.epoch_emission_micro, policy.contributors_ppm) == (500 * PPM, 500_000)
        assert policy.reviewers_ppm == 250_000, "what was not named stays"


def test_a_close_says_what_waits_and_why(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    keys = load_keys(home)
    author = Person("author")
    request = submission_request(author, keys.network, [1, 0], random.Random(3))
    with serving_process(home) as (_, address):
        create = ["campaign", "create", "--id", "digits", *LABELS, "--privacy", "open"]
        run(home.path, *create, "--part", "image:text/plain:65536")
        submit(keys, address.grpc_port, author, request)
        closed = run_json(home.path, "epoch", "close")
        assert closed["waiting"] == [{"campaign": "digits", "items": 2, "reason": "for-reviewers"}]
        said = run(home.path, "epoch", "close", "--epoch", "1")
        assert "digits: 2 items wait and nobody who may review stands by" in said
        run(home.path, "campaign", "pause", "digits")
        assert "the campaign is paused" in run(home.path, "epoch", "close")
        row = run_json(home.path, "status")["campaigns"][0]
        assert (row["waiting"], row["status"], row["standing_by"]) == (2, "paused", 0)


def submit(keys: Keys, port: int, author: Person, request: api_pb2.AppendRequest) -> None:
    """Joins and submits, as a node would."""
    credentials = grpc.ssl_channel_credentials(keys.tls_certificate)
    options = [("grpc.ssl_target_name_override", TLS_NAME)]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
        stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
        body = registration(author, keys.network)
        stub.Append(api_pb2.AppendRequest(envelope=author.seal("register", body)))
        stub.Append(request)


def test_gold_is_imported_from_a_file(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    keys = load_keys(home)
    author = Person("author")
    request = submission_request(author, keys.network, [1, 0], random.Random(3))
    with serving_process(home) as (_, address):
        create = ["campaign", "create", "--id", "digits", "--label", "no", "--label", "yes"]
        run(home.path, *create, "--privacy", "open", "--part", "image:text/plain:65536")
        submit(keys, address.grpc_port, author, request)
        answers = tmp_path / "gold.csv"
        item_id = hash_leaf(request.leaves[0]).hex()
        answers.write_text(f"item_id,answer\n{item_id},Yes\n")
        said = run(home.path, "gold", "import", str(answers), code=2)
        assert 'gold.csv:2: "Yes" is written "yes" in this campaign' in said.replace("\n", "")
        answers.write_text(f"item_id,answer\n{item_id},yes\n")
        assert run_json(home.path, "gold", "import", str(answers)) == {"answers": 1, "late": 0}
        with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
            [kept] = ledger.sealed([known_key(bytes.fromhex(item_id))]).values()
            assert kept == answer_of(1)
        answers.write_text(f"item_id,answer\n{item_id},maybe\n")
        said = run(home.path, "gold", "import", str(answers), code=2)
        assert 'gold.csv:2: there is no label "maybe"' in said.replace("\n", "")
        assert "say one of: no, yes" in said
        answers.write_text(f"item_id,answer\n{'00' * 32},yes\n")
        assert "nobody has submitted" in run(home.path, "gold", "import", str(answers), code=5)
        answers.write_text(f"item_id,opinion\n{item_id},yes\n")
        said = run(home.path, "gold", "import", str(answers), code=2)
        assert "let its first line be item_id,answer" in said.replace("\n", " ")
    assert "seal" not in run_json(home.path, "fsck")["kinds"], "the log says nothing of it yet"


def test_serve_closes_epochs_on_a_schedule(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    said = run(home.path, "serve", "--close-every", "now and then", code=2)
    assert "write it like 2s, 30m, 24h or 7d" in said.replace("\n", " ")
    with serving_process(home, "--close-every", "200ms"):
        while run_json(home.path, "status")["closed_epoch"] < 2:
            pass  # the test's own timeout bounds it
        closed = run_json(home.path, "epoch", "close", "--epoch", "1")
    assert (closed["lines"], closed["waiting"]) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    home = found_network(tmp_path / "net")
    with serving_process(home) as (process, _):
        second = subprocess.run(
            [*CLI, "coordinator", "serve", "--dir", str(home.path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert second.returncode == 6
        assert "another process has the ledger open" in second.stderr
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    assert not home.server_path.exists()


@pytest.mark.parametrize("name", ["root.key", "operator.key", "log.key", "chain.key", "tls.key"])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, name: str) -> None:
    home = found_network(tmp_path / "net")
    load_keys(home)
    (home.path / name).chmod(0o640)
    with pytest.raises(ConfigError, match="others may access"):
        load_keys(home)


def test_a_malformed_key_is_refused_without_being_shown(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    path = home.path / "log.key"
    path.write_text(path.read_text().strip() + "7\n")
    with pytest.raises(ConfigError) as caught:
        load_keys(home)
    assert path.read_text().strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("colour = 1\n", "no setting 'colour'"),
        ('grpc_port = "many"\n', "grpc_port is 'many'"),
        ("grpc_port = 70000\n", "the port of the API is 70000"),
        ("grpc_port = \n", "malformed"),
        ('host = "a b"\n', "the host is 'a b'"),
        ('http_url = "example.org"\n', "http_url is 'example.org'"),
        ('close_every = "often"\n', "close_every is not a duration"),
        ('close_every = "0s"\n', "close_every is '0s': it has to be above zero"),
        ("[rate_limit]\nburst = 1\n", "no setting 'burst'"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, line: str, says: str) -> None:
    home = Home(tmp_path)
    home.config_path.write_text(f'name = "x"\n{line}')
    with pytest.raises(ConfigError, match=says) as caught:
        home.load()
    assert caught.value.advice


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    config = Config(
        name='quo"ted ünï',
        http_url="https://a.example",
        close_every="24h",
        rate_limit=RateLimit(5, 6),
    )
    home = Home(tmp_path / "net")
    home.create(config)
    assert home.load() == config


def test_without_a_coordinator_the_command_says_what_to_do(tmp_path: Path) -> None:
    for command in (["status"], ["serve"], ["fsck"], ["epoch", "close"]):
        said = run(tmp_path, *command, code=2)
        assert "commonhold coordinator init" in said.replace("\n", " ")
