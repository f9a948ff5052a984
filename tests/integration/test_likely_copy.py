"""A likely copy between real processes: a person and a program call it a derivative, and it earns half; a
strict match is contested, and a panel decides."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from commonhold.cli.node_report import remember_names
from commonhold.cli.output import EXIT_REFUSED, EXIT_USAGE
from commonhold.demo.stage import Stage
from coordinator.operator import Operator
from node.rows import TaskStatus
from protocol.lifecycle import ItemStatus
from protocol.rows import ItemId
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.node_lab import WINDOWS, Lab, Node, standing_by, until, wait_for
from tests.review_bench import LIKELY, NOTE
from tests.simulated import part, rounds

pytestmark = pytest.mark.timeout(240)

JUDGE = """#!/bin/sh
read -r asked
case "$asked" in
*'"kind": "relation"'*) echo '{"answer": "derivative"}' ;;
*) echo '{"answer": "3"}' ;;
esac
"""


def commonhold(*words: str, code: int = 0) -> str:
    """What a command prints, with nobody at the terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "commonhold", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def submit(node: Node, folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    asyncio.run(node.submit({path: "3"}))


def wait_until(operator: Operator, author: Node, count: int, status: ItemStatus) -> ItemId:
    """The latest of so many items of an author, once it has a status."""

    def latest(state: State) -> ItemId | None:
        mine = [i for i, each in state.items.scan() if each.author == author.keys.person]
        mine.sort(key=lambda item_id: state.items[item_id].place)
        return mine[-1] if len(mine) == count else None

    state = wait_for(
        operator,
        lambda s: (i := latest(s)) is not None and s.items[i].status is status,
        f"item {count} of {author.name} to be {status.name.lower()}",
    )
    item_id = latest(state)
    assert item_id is not None
    return item_id


def fetched(node: Node) -> bool | None:
    with node.store() as store:
        return bool(store.tasks_with(TaskStatus.FETCHED)) or None


def answer(person: Node, relation: str = "") -> None:
    """The person answers the one item that waits."""
    until(lambda: fetched(person), "the person's item")
    home = ("--dir", str(person.home.root))
    [task] = [
        each
        for each in json.loads(commonhold("node", "review", "list", "--json", *home))["tasks"]
        if each["status"] == "fetched"
    ]
    words: tuple[str, ...] = ("node", "review", "answer", task["item"], "3", *home)
    assert bool(task["resembles"]) == bool(relation)
    if relation:
        assert all(Path(each["path"]).exists() for each in task["resembles"]["parts"])
        assert "add --relation" in commonhold(*words, code=EXIT_USAGE)
        assert "It resembles the earlier item" in commonhold(
            "node", "review", "show", task["item"], *home
        )
        words = (*words, "--relation", relation)
    commonhold(*words)


def test_half_the_price_for_a_derivative_and_a_contest(tmp_path: Path) -> None:
    script = tmp_path / "judge"
    script.write_text(JUDGE)
    script.chmod(0o755)
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        with Operator(lab.home) as operator:
            # A person's three commands take seconds; a window ends by itself once all have committed.
            terms = {
                "parts": [part("note", "text/plain")],
                "rounds": rounds(**WINDOWS | {"commit_ms": 120_000}),
            }
            lab.open_campaign(operator, reviewers=2, **terms)
            ada, ben = (lab.node(name, stand_by=False) for name in ("ada", "ben"))
            program, person = lab.node("program", reviewer=f"command:{script}"), lab.node("person")
            servers = [lab.start(each) for each in (program, person)]
            stage.wait_ready(*servers)
            wait_for(operator, lambda s: standing_by(s, program, person), "stand-bys")

            submit(ada, tmp_path, "one.txt", NOTE)
            servers.append(lab.start(ada))
            answer(person)
            original = wait_until(operator, ada, 1, ItemStatus.ACCEPTED)

            submit(ben, tmp_path, "two.txt", LIKELY)
            servers.append(lab.start(ben))
            answer(person, "derivative")
            likely = wait_until(operator, ben, 1, ItemStatus.ACCEPTED)
            found = operator.state.items[likely]
            assert (found.relation, found.resembles) == (pb.RELATION_DERIVATIVE, original)
            operator.close_epoch(operator.state.epoch)
            whole, half = (
                sum(a for (who, _), a in operator.state.earned.scan() if who == each.keys.person)
                for each in (ada, ben)
            )
            assert whole == 2 * half > 0
            home = ("--dir", str(ben.home.root))
            with ben.store() as store:
                remember_names(store, ben.keys)  # as `node init` does
            why = f"half price: reviewers called it a derivative of {original.hex()[:12]}"
            until(lambda: _says(why, "node", "statement", "--items", "--json", *home), why)

            # The very text once more: nobody is asked, until its author contests that.
            submit(ben, tmp_path, "three.txt", NOTE)
            copy = wait_until(operator, ben, 2, ItemStatus.DUPLICATE)
            shown = commonhold("node", "statement", "--items", *home)
            assert copy.hex()[:12] in shown and "came before" in shown
            contest = ("node", "contest", copy.hex()[:12], *home)
            assert "joins the next round" in commonhold(*contest)
            assert "contested already" in commonhold(*contest, code=EXIT_REFUSED)
            answer(person, "copy")
            wait_until(operator, ben, 2, ItemStatus.ACCEPTED)
            # One voice of two for a copy, and both for no more than a derivative.
            assert operator.state.items[copy].relation == pb.RELATION_DERIVATIVE
        commonhold("verify", lab.link)
        for server in servers:
            server.process.terminate()
            server.process.wait(timeout=10)


def _says(words: str, *command: str) -> bool | None:
    return words in commonhold(*command) or None
