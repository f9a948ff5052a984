"""`commonhold node review`: a person answers, in a terminal or from a script."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from commonhold.cli.node import app
from commonhold.cli.output import EXIT_STATE, EXIT_USAGE
from commonhold.cli.picture import SHADES, UPPER_HALF, half_blocks
from node.config import NodeConfig, NodeDirectory, write_config
from node.follower import Follower
from node.intake import DecodedImage
from node.review import make_tasks
from node.rows import TaskRow, TaskStatus
from node.store import Store
from protos.gen import records_pb2 as pb
from tests.simulated import Network, Person
from tests.simulated_log import LINK, feed


def run(home: Path, *arguments: str, typed: str = "") -> Result:
    command = ["review", *arguments, "--dir", str(home)]
    return CliRunner().invoke(app, command, input=typed)


def png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A node whose owner was drawn for two items: one is here, the other on its way."""
    author, me, others = Person("author"), Person("me"), [Person("a"), Person("b")]
    net = Network(author, me, *others)
    net.submit(author, [net.item(3), net.item(4)])
    net.stand_by(me, *others)
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(me, *others)
    net.draw()
    write_config(NodeDirectory(tmp_path), NodeConfig(LINK))
    with Store(tmp_path / "node.db") as store:
        follower = Follower(store, LINK)
        feed(follower, net)
        tasks = make_tasks(follower.state, me.identity)
        store.add_tasks(tasks)
        content = tmp_path / "content"
        content.write_bytes(png())
        store.set_fetched(tasks[0], content)
    return tmp_path


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store(home / "node.db") as opened:
        yield opened


def tasks_of(store: Store) -> list[TaskRow]:
    return store.tasks(1, 1)


def test_the_list_shows_what_may_be_answered(home: Path, store: Store) -> None:
    listed = json.loads(run(home, "list", "--json").stdout)["tasks"]
    assert [each["status"] for each in listed] == ["fetched", "todo"]
    assert [each["item"] for each in listed] == [t.item_id.hex() for t in tasks_of(store)]
    assert "proposed" not in run(home, "list", "--json").stdout  # sealed until the verdict


def test_an_answer_by_the_first_digits_of_an_item(home: Path, store: Store) -> None:
    item_id = tasks_of(store)[0].item_id.hex()
    assert run(home, "answer", item_id[:12], "7").exit_code == 0
    assert (tasks_of(store)[0].label, tasks_of(store)[0].status) == (7, TaskStatus.ANSWERED)
    assert run(home, "answer", item_id[:12], "8").exit_code == 0  # a change of mind
    assert tasks_of(store)[0].label == 8


def test_an_abstention(home: Path, store: Store) -> None:
    assert run(home, "abstain", tasks_of(store)[1].item_id.hex()).exit_code == 0
    task = tasks_of(store)[1]
    assert (task.label, task.abstention) == (None, pb.ABSTENTION_UNSURE)


def test_what_cannot_be_answered_is_said(home: Path, store: Store) -> None:
    item_id = tasks_of(store)[0].item_id.hex()
    assert run(home, "answer", item_id, "eleven").exit_code == EXIT_USAGE
    assert run(home, "answer", "zz", "3").exit_code == EXIT_USAGE
    assert run(home, "answer", "", "3").exit_code == EXIT_USAGE
    store.set_answer(tasks_of(store)[0], 3)
    for task in tasks_of(store):
        store.set_committed(task, bytes(32))
    assert run(home, "answer", item_id, "3").exit_code == EXIT_USAGE  # no longer open


def test_going_through_the_items_in_a_terminal(home: Path, store: Store) -> None:
    shown = run(home, typed="nonsense\n3\n")
    assert shown.exit_code == 0
    assert "1 of 1 answered" in shown.stdout
    assert any(shade in shown.stdout for shade in SHADES[1:] + UPPER_HALF)
    assert tasks_of(store)[0].label == 3


@pytest.mark.parametrize(("typed", "status"), [("\n", "fetched"), (":q\n", "fetched")])
def test_skipping_answers_nothing(home: Path, store: Store, typed: str, status: str) -> None:
    assert run(home, typed=typed).exit_code == 0
    assert tasks_of(store)[0].status.value == status


def test_unsure_is_an_answer(home: Path, store: Store) -> None:
    run(home, typed=":u\n")
    assert tasks_of(store)[0].abstention == pb.ABSTENTION_UNSURE


def test_without_a_draw_there_is_nothing_to_review(tmp_path: Path) -> None:
    write_config(NodeDirectory(tmp_path), NodeConfig(LINK))
    assert json.loads(run(tmp_path, "list", "--json").stdout) == {"tasks": []}
    assert run(tmp_path).exit_code == EXIT_STATE


def picture(width: int, height: int) -> DecodedImage:
    return DecodedImage(width, height, bytes(n % 256 for n in range(width * height)))


@pytest.mark.parametrize(
    ("width", "height", "columns", "expected"),
    [(28, 28, 80, (28, 14)), (28, 28, 10, (10, 5)), (3, 3, 80, (3, 2)), (1, 1, 1, (1, 1))],
)
def test_a_picture_fits_its_columns(
    width: int, height: int, columns: int, expected: tuple[int, int]
) -> None:
    for colour in (True, False):
        lines = half_blocks(picture(width, height), columns, colour).plain.split("\n")
        assert (max(map(len, lines)), len(lines)) == expected


def test_without_colours_bright_is_dense() -> None:
    dark_and_bright = DecodedImage(2, 2, bytes([0, 255, 0, 255]))
    assert half_blocks(dark_and_bright, 10, colour=False).plain == SHADES[0] + SHADES[-1]
