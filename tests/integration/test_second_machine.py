"""A person's second machine, with real commands and daemons: request, grant, and what both may do at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commonhold.cli.root import build
from commonhold.demo.stage import Stage
from coordinator.operator import Operator
from node.config import locate
from node.rows import OutboxState
from node.store import Store
from protocol.identity import key_of, person_of
from protocol.rules.people import keys_of
from tests.node_lab import Lab, digit, wait_for

pytestmark = pytest.mark.timeout(120)

TERMS = (
    *("--campaign", "digits", "--licence", "CC-BY-4.0", "--origin", "human", "--label", "3"),
    *("--consent", "train", "--consent", "redistribute"),
)


class Machine:
    """A node's directory, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> Any:
        """The object that a command prints."""
        done = self._run(*arguments, "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def refused(self, *arguments: str, code: int) -> str:
        """What a command says that ends with this code."""
        done = self._run(*arguments)
        assert done.exit_code == code, done.stdout + done.stderr
        return " ".join(done.stderr.split())

    def _run(self, *arguments: str) -> Result:
        return CliRunner().invoke(build("node"), ["node", *arguments, "--dir", str(self.folder)])

    def secrets(self) -> list[str]:
        kept = json.loads((self.folder / "keys.json").read_text())
        return [kept[name] for name in ("secret", "root") if kept.get(name)]

    def store(self) -> Store:
        return Store(locate(self.folder).database)


def test_two_machines_of_one_person(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2)
        first, second = Machine(tmp_path / "first"), Machine(tmp_path / "second")
        listen = ("--listen", "/ip4/127.0.0.1/tcp/0")
        made = first.run("init", "--link", lab.link, *listen)

        asked = second.run("init", "--link", lab.link, "--join", *listen)
        assert second.run("join") == asked, "the request can be shown again"
        for command in (("start",), ("submit", str(tmp_path), *TERMS)):
            assert "signs for nobody yet" in second.refused(*command, code=5)
        assert "has no name yet" in second.refused("status", "--offline", code=5)
        assert "already" in second.refused("init", "--link", lab.link, "--join", code=2)

        assert "--yes if the request" in first.refused("delegate", asked["request"], code=2)
        granted = first.run("delegate", asked["request"], "--yes")
        assert granted["peer_id"] == asked["peer_id"]
        other = Machine(tmp_path / "other")
        other.run("init", "--link", lab.link, "--join")
        assert "for another machine" in other.refused("join", granted["grant"], code=2)

        stage.stop(lab.server)  # what is granted is kept until it can be logged
        assert second.run("join", granted["grant"])["entry"] is None
        lab.server = lab.serve(lab.home)
        for machine in (first, second):
            settings = machine.folder / "node.toml"
            settings.write_text(settings.read_text().replace(lab.link, lab.server.ready["link"]))
        joined = second.run("join", granted["grant"])
        assert joined == second.run("join", granted["grant"]), "joining twice is joining once"
        assert (joined["person"], joined["entry"]) == (made["person"], 3)
        assert not set(first.secrets()) & set(second.secrets())

        for machine in (first, second):
            shown = machine.run("status")
            assert (shown["person"], shown["registered"]) == (made["person"], True)
            assert shown["payout_address"] == made["payout_address"]
            assert [(each["peer_id"], each["since_entry"]) for each in shown["keys"]] == [
                (made["peer_id"], 2),
                (asked["peer_id"], 3),
            ]
            assert [each["here"] for each in shown["keys"]] == [
                machine is first,
                machine is second,
            ]
        assert "payout key is not on this machine" in second.refused("claim", code=2)

        daemons = [
            stage.serve(m.folder.name, "node", "start", "--dir", str(m.folder))
            for m in (first, second)
        ]
        stage.wait_ready(*daemons)
        person = person_of(made["person"])
        with Operator(lab.home) as operator:
            wait_for(operator, lambda s: ("digits", person) in s.standbys, "one to stand by")
        for number, machine in enumerate((first, second)):
            file = tmp_path / f"{number}.png"
            file.write_bytes(digit(number))
            machine.run("submit", str(file), *TERMS)
        with Operator(lab.home) as operator:
            state = operator.state
            authors = {item.author for _, item in state.items.scan()}
            assert (len(state.items), authors) == (2, {person})
            signing = [key for key, _ in keys_of(state, person)]
            assert signing == [key_of(made["peer_id"]), key_of(asked["peer_id"])]
        for machine in (first, second):
            with machine.store() as store:
                assert OutboxState.REFUSED not in store.outbox_counts(), store.refused()
            assert machine.run("status")["items"] == {"submitted": 2}, "whatever machine sent them"
