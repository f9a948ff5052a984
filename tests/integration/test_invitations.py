"""Joining by invitation, with real commands and a real coordinator: links, budgets, refusals, quotas."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
from protocol.identity import name_of
from protocol.log.link import parse_link
from protos.gen import records_pb2 as pb
from tests.node_lab import Lab, digit

pytestmark = pytest.mark.timeout(120)

TERMS = (
    *("--campaign", "digits", "--licence", "CC-BY-4.0", "--origin", "human", "--label", "3"),
    *("--consent", "train", "--consent", "redistribute"),
)


def run(group: str, folder: Path, *arguments: str, given: str = "") -> Result:
    command = [group, *arguments, "--dir", str(folder)]
    return CliRunner().invoke(build(group), command, input=given)


def run_json(group: str, folder: Path, *arguments: str, given: str = "") -> Any:
    done = run(group, folder, *arguments, "--json", given=given)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def refused(group: str, folder: Path, *arguments: str, code: int, given: str = "") -> str:
    """What a command says that ends with this code."""
    done = run(group, folder, *arguments, given=given)
    assert done.exit_code == code, done.stdout + done.stderr
    return " ".join(done.stderr.split())


def forms(link: str) -> list[bytes]:
    """What must not stay anywhere: the secret of the link's invitation, as bytes and as text."""
    ticket = parse_link(link).invitation
    assert ticket is not None
    return [str(ticket).encode(), ticket.secret, ticket.secret.hex().encode()]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Stage(tmp_path) as stage:
        made = Lab(stage, tmp_path)
        made.found(
            admission=pb.ADMISSION_INVITATION,
            operator_invitations=2,
            member_invitations=3,
            invite_standing=20,
            newcomer_items=3,
        )
        with Operator(made.home) as operator:
            made.open_campaign(operator, reviewers=2)
        yield made


def invite(lab: Lab, *arguments: str) -> list[str]:
    links: list[str] = run_json("coordinator", lab.home.path, "invite", *arguments)["links"]
    return links


def test_a_newcomer_joins_by_an_invitation_that_stays_nowhere(lab: Lab, tmp_path: Path) -> None:
    done = run("coordinator", lab.home.path, "invite")
    [link] = done.stdout.splitlines()
    assert "good for one person, until epoch 3 closes" in " ".join(done.stderr.split())
    folder = tmp_path / "ada"
    made = run("node", folder, "init", "--link", "-", given=link + "\n")
    assert made.exit_code == 0, made.stderr
    shown = run("node", folder, "status")
    assert "(registered)" in shown.stdout
    assert "quota       you may submit 3 more in this epoch" in shown.stdout
    printed = (made.output + shown.output).encode()
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for form in forms(link):
        assert form not in printed
        assert not [path.name for path, data in kept.items() if form in data]
    assert str(parse_link(link).without_invitation()).encode() in kept[folder / "node.toml"]
    [ada] = run_json("coordinator", lab.home.path, "people")["people"]
    with Operator(lab.home) as operator:
        assert ada["invited_by"] == name_of(operator.state.operator)


def test_a_refused_newcomer_hears_why_and_joins_with_another(lab: Lab, tmp_path: Path) -> None:
    first, second = invite(lab, "--count", "2")
    run_json("node", tmp_path / "ada", "init", "--link", first)
    ben = tmp_path / "ben"
    said = refused("node", ben, "init", "--link", first, code=4)
    assert "does not take you in" in said
    assert "used already" in said
    assert "node register -" in said
    status = run("node", ben, "status").stdout
    assert "not registered yet" in status
    assert "used already" in status
    (tmp_path / "one.png").write_bytes(digit(1))
    assert "used already" in refused(
        "node", ben, "submit", str(tmp_path / "one.png"), *TERMS, code=4
    )
    assert "used already" in refused("node", ben, "register", code=4), "asked again, for nothing"
    assert "no invitation in the link" in refused("node", ben, "register", lab.link, code=2)

    joined = run_json("node", ben, "register", "-", given=second)
    assert joined["registered"]
    shown = run_json("node", ben, "status")
    assert (shown["registered"], shown["refused"]) == (True, [])
    assert "a member already" in refused("node", ben, "register", "-", given=second, code=5)


def test_nobody_joins_without_an_invitation(lab: Lab, tmp_path: Path) -> None:
    assert "by invitation" in refused("node", tmp_path / "eve", "init", "--link", lab.link, code=4)


def test_the_budget_is_said_and_kept(lab: Lab, tmp_path: Path) -> None:
    assert "2 still may" in refused("coordinator", lab.home.path, "invite", "--count", "3", code=5)
    one, two = invite(lab, "--count", "2")
    [three] = invite(lab)  # only those that are used count
    for name, link in (("ada", one), ("ben", two)):
        run_json("node", tmp_path / name, "init", "--link", link)
    assert "0 still may" in refused("coordinator", lab.home.path, "invite", code=5)
    said = refused("node", tmp_path / "cy", "init", "--link", three, code=4)
    assert "may invite nobody more in this epoch" in said
    with Store(locate(tmp_path / "cy").database) as store:
        assert store.outbox_counts() == {OutboxState.POSTPONED: 1}
    run_json("coordinator", lab.home.path, "epoch", "close")
    assert run_json("node", tmp_path / "cy", "register")["registered"], (
        "in the next epoch it is taken"
    )


def test_inviting_takes_standing(lab: Lab, tmp_path: Path) -> None:
    [link] = invite(lab)
    run_json("node", tmp_path / "ada", "init", "--link", link)
    said = refused("node", tmp_path / "ada", "invite", code=5)
    assert "takes a standing of 20, and yours is 0.0" in said


def test_what_is_too_much_for_an_epoch_is_left_for_later(lab: Lab, tmp_path: Path) -> None:
    [link] = invite(lab)
    ada, folder = tmp_path / "ada", tmp_path / "digits"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.png").write_bytes(digit(number))
    run_json("node", ada, "init", "--link", link)
    sent = run_json("node", ada, "submit", str(folder), *TERMS)
    assert (sent["items"], sent["left"]) == (3, 2)
    assert run_json("node", ada, "status")["may_submit"] == 0
    said = refused("node", ada, "submit", str(folder), *TERMS, code=5)
    assert "no more items in epoch 1" in said
    run_json("node", ada, "withdraw", "--all-of", "digits", "--yes")
    run_json("coordinator", lab.home.path, "epoch", "close")
    assert run_json("node", ada, "submit", str(folder), *TERMS)["items"] == 3, "a new epoch"
