"""A training job whose processes are killed: it goes on, from the same round, and nobody pays twice."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from commonhold.demo.stage import Server, Stage
from federated.budget import read_spending
from federated.budget.reading import read_reserved
from tests.federated_net import JOB, PATIENCE_SECONDS, Net
from tests.node_lab import Node, until
from tests.processes import children_of, kill

pytestmark = pytest.mark.timeout(400)

ROUNDS = 6


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    monkeypatch.setattr("commonhold.demo.stage.READY_S", PATIENCE_SECONDS)
    with Stage(tmp_path) as stage:
        made = Net(stage, tmp_path)
        made.found(partners=2)
        yield made


def fixed(net: Net) -> list[Server]:
    """Both partners, with noise that is the same in every run."""
    return net.join(net.partners, "--fixed-noise-for-tests", "1")


def finished(net: Net, leading: Server, joining: list[Server]) -> bytes:
    """Waits for everybody; gives the last model's hash, after a look at what was paid."""
    code, printed, said = net.end(leading)
    assert (code, printed.get("outcome")) == (0, "completed"), said
    for server in joining:
        code, joined, said = net.end(server)
        assert (code, joined["outcome"]) == (0, "completed"), said
    for node in net.partners:
        [spending] = read_spending(node.home.root / "budget.db")
        assert spending.rounds == ROUNDS
        assert spending.epsilon <= 3
    return net.job().model


def open_job(net: Net) -> Server:
    """A job in whose rounds both take part, however long one is away."""
    return net.open("--rounds", str(ROUNDS), "--round-seconds", "120", quorum=2)


def test_the_whole_operators_side_is_killed_and_resumed(net: Net) -> None:
    """With the command its server and its ServerApp end. Partners wait, and need no command."""
    leading, joining = open_job(net), fixed(net)
    net.await_rounds(2)
    kill(leading.process.pid)
    leading.process.wait()
    done = len(net.job().rounds)
    assert done < ROUNDS
    resumed = net.resume()
    model = finished(net, resumed, joining)
    assert model == net.job().rounds[-1].model
    assert len(net.job().rounds) == ROUNDS


def test_server_and_serverapp_are_killed_and_started_again_by_themselves(net: Net) -> None:
    leading, joining = open_job(net), fixed(net)
    for module in ("superlink", "serverapp"):
        net.await_rounds(len(net.job().rounds) + 1)
        [found] = [
            child
            for child in children_of(leading.process.pid)
            if f"federated.flower.{module}" in child.command
        ]
        kill(found.process_id)
    finished(net, leading, joining)


def test_a_partner_is_killed_and_is_back_in_the_round_that_runs(net: Net) -> None:
    leading, joining = open_job(net), fixed(net)
    net.await_rounds(2)
    kill(joining[0].process.pid)
    joining[0].process.wait()
    started = time.monotonic()
    again = net.join(net.partners[:1], "--fixed-noise-for-tests", "1")
    finished(net, leading, [*again, joining[1]])
    assert time.monotonic() - started < PATIENCE_SECONDS
    assert all(len(each.partners) == 2 for each in net.job().rounds)


def test_a_job_that_ends_while_partners_are_dead_leaves_nothing_behind(net: Net) -> None:
    """One that is back before the end reports like the others. One that comes later is told that it is over,
    and forgets its keys, what it gave last, and what it had reserved."""
    leading, joining = open_job(net), fixed(net)
    net.await_rounds(1)
    for server in (leading, *joining):
        kill(server.process.pid)
        server.process.wait()
    back, late = net.partners
    [again] = net.join([back], "--fixed-noise-for-tests", "1")
    until(lambda: "waiting, up to an hour" in again.log.read_text() or None, "it to wait")
    ending = ("federated", "end", "--dir", str(net.lab.home.path), "--id", JOB, "--reason", "flood")
    assert net.stage.run(*ending)["outcome"] == "ended"
    code, joined, said = net.end(again)
    assert (code, joined["outcome"], joined["reason"]) == (0, "ended", "flood"), said
    assert Path(joined["report"]).exists()

    kept = late.home.root / "training" / f"{JOB}.update"
    assert kept.exists() and facts(late) > {"set"} and reserved(late) == [JOB]
    [gone] = net.join([late], "--fixed-noise-for-tests", "1")
    code, printed, said = net.end(gone)
    assert (code, printed["error"]) == (5, "the job is over"), said
    for node in net.partners:
        assert facts(node) <= {"set"} and reserved(node) == []
        assert not (node.home.root / "training" / f"{JOB}.update").exists()


def facts(node: Node) -> set[str]:
    """What duty.db has of jobs."""
    with closing(sqlite3.connect(node.home.root / "duty.db")) as duty:
        return {row[0] for row in duty.execute("SELECT fact FROM facts")}


def reserved(node: Node) -> list[str]:
    return read_reserved(node.home.root / "budget.db")
