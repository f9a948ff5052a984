"""Keys that follow one another, with real processes: the operator's, the log's, and who reads on."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from commonhold.cli.coordinator_keys import KeyRole
from commonhold.cli.root import build
from commonhold.demo.stage import Stage
from coordinator.config import Home
from coordinator.keys import Role, delegation_of
from coordinator.operator import Operator
from node.config import NodeConfig
from node.follower import Follower
from node.rows import OutboxState
from protocol.errors import ConfigError
from protocol.log.link import parse_link
from protocol.log.note import Verifier, is_signed
from protocol.rules.people import check_delegation
from tests.live_coordinator import found_network, serving_process
from tests.node_lab import Lab, Node, until

pytestmark = pytest.mark.timeout(120)

TERMS = (
    *("--campaign", "digits", "--licence", "CC-BY-4.0", "--origin", "human", "--label", "3"),
    *("--consent", "train", "--consent", "redistribute"),
)


def coordinator(home: Home, *arguments: str, code: int = 0) -> Any:
    """What `commonhold coordinator ...` prints: an object, or words where it fails."""
    command = ["coordinator", *arguments, "--dir", str(home.path), *([] if code else ["--json"])]
    done = CliRunner().invoke(build("coordinator"), command)
    assert done.exit_code == code, done.stdout + done.stderr
    return " ".join(done.stderr.split()) if code else json.loads(done.stdout)


def successor(home: Home, role: str, code: int = 0) -> Any:
    return coordinator(home, "keys", "successor", "--role", role, code=code)


def test_the_command_names_the_roles_that_there_are() -> None:
    assert [each.value for each in KeyRole] == [each.value for each in Role]


def test_another_key_of_the_operators_signs_at_once_and_alone(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    with serving_process(home):
        done = successor(home, "operator")
        assert (done["index"], Path(done["file"]).name) == (1, "operator-2.key")
        assert [Path(path).name for path in done["before"]] == ["operator.key"]
        coordinator(home, "campaign", "create", "--id", "x", "--label", "a", "--label", "b")
        assert coordinator(home, "epoch", "close")["index"] == 3, "the server signs with it, too"
        assert successor(home, "operator") == done | {"index": None}, "it is done"
    (home.path / "operator.key").unlink()
    with serving_process(home):
        assert coordinator(home, "epoch", "close")["index"] == 4
        done = successor(home, "operator")
        assert (done["index"], Path(done["file"]).name) == (5, "operator-3.key")
        coordinator(home, "epoch", "close")
    assert coordinator(home, "fsck")["kinds"]["successor"] == 2
    (home.path / "operator-3.key").unlink()
    said = coordinator(home, "serve", code=2)
    assert "no operator*.key file here holds the key that the log names" in said
    assert "restore it from your backup" in said


def test_a_key_that_was_written_and_not_logged_is_logged_by_the_next_call(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    for role in Role:
        assert "is not running" in successor(home, role, code=3)
        path = home.path / f"{role}-2.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = {role: (home.path / f"{role}-2.key").read_text() for role in Role}
    with serving_process(home):
        done = [successor(home, role) for role in Role]
        assert [each["index"] for each in done] == [1, 2]
        assert [successor(home, role)["index"] for role in Role] == [None, None]
    assert kept == {role: (home.path / f"{role}-2.key").read_text() for role in Role}
    assert not list(home.path.glob("*-3.key"))
    with Operator(home) as operator:
        keys = operator.state.operator_key, operator.state.log_key
    assert [each["key"] for each in done] == [key.hex() for key in keys]


def test_a_log_goes_on_without_its_first_key(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        first = parse_link(lab.link).log_verifier
        follows, late = lab.node("follows", stand_by=False), lab.node("late", stand_by=False)
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2)
        key = bytes.fromhex(successor(lab.home, "log")["key"])
        second = Verifier(first.name, key)
        # Reads of the successor while both keys sign.
        stage.run("node", "campaigns", "--dir", str(follows.home.root))
        stage.stop(lab.server)
        (lab.home.path / "log.key").unlink()
        lab.server = lab.serve(lab.home)
        link = parse_link(lab.server.ready["link"])
        assert link.log_verifier == first, "the first key names the network for ever"

        for node in (follows, late):
            node.configure(NodeConfig(link, stand_by=False))
        daemon = lab.start(follows)
        stage.wait_ready(daemon)
        for place, node in enumerate((follows, late)):
            file = list(lab.write_digits(place + 1, "3"))[place]
            done = stage.run("node", "submit", str(file), *TERMS, "--dir", str(node.home.root))
            assert [batch["state"] for batch in done["batches"]] == ["sent"]
        new = ("node", "init", "--link", str(link), "--no-stand-by")
        # It reads the log to know who signed its receipt.
        stage.run(*new, "--dir", str(tmp_path / "new"))
        assert stage.run("node", "status", "--dir", str(tmp_path / "new"))["registered"]
        until(lambda: signed_by(follows, second, size=8), "the daemon to read what was submitted")
        with follows.store() as store:
            assert store.alarms() == []
            assert not is_signed(last_note(follows), first)
            assert store.outbox_counts() == {OutboxState.SENT: 2}

        checked = stage.run("verify", str(link))
        assert (checked["ok"], [each["what"] for each in checked["log_keys"]]) == (
            True,
            [first.public_key.hex(), second.public_key.hex()],
        )
        served = httpx.get(f"{link.http_url}/verifier").text
        assert served == f"{second}\n", "for tools that know nothing of successors"
        coordinator(lab.home, "fsck")
        third = successor(lab.home, "log")
        assert Path(third["file"]).name == "log-3.key"
        assert [Path(path).name for path in third["before"]] == ["log-2.key"]
        assert stage.run("verify", str(link))["log_keys"][-1]["what"] == third["key"]


def last_note(node: Node) -> bytes:
    with node.store() as store:
        row = store.checkpoint()
    assert row is not None
    return row.note


def signed_by(node: Node, verifier: Verifier, size: int) -> bool | None:
    """Whether the node has read so far, up to a checkpoint that this key signed."""
    with node.store() as store:
        follower = Follower(store, parse_link(node.link))
        follower.replay()
    return (follower.size >= size and is_signed(last_note(node), verifier)) or None


def test_an_operator_registers_with_a_later_key_by_the_root_key_s_word(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    with serving_process(home), Operator(home) as operator:
        assert delegation_of(home, operator.keys) == operator.keys.delegation
        successor(home, "operator")
        operator.refresh()
        delegation = delegation_of(home, operator.keys)
        check_delegation(operator.state.network, delegation, operator.state.operator_key)
        (home.path / "root.key").rename(tmp_path / "root.key")
        with pytest.raises(ConfigError, match="has not said that the operator's present key"):
            delegation_of(home, operator.keys)
