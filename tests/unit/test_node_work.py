"""`commonhold node review`: a person answers, in a terminal or from a script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from commonhold.cli.node import app
from commonhold.cli.output import EXIT_REFUSED, EXIT_STATE, EXIT_USAGE
from commonhold.cli.picture import (
    SHADES,
    TEXT_CHARS_SHOWN,
    UPPER_HALF,
    half_blocks,
    shown_content,
)
from node.config import NodeConfig, NodeDirectory, write_config
from node.intake import DecodedImage
from node.review import make_tasks
from node.rows import TaskRow, TaskStatus
from node.store import Store
from protocol.review.sampling import is_flipped
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests import simulated
from tests.media_files import recording
from tests.review_bench import Bench, digit, drawn, pairs, pictures, put, rubric
from tests.simulated_log import LINK

PAIR = {"prompt": b"Why?", "answer_a": b"The first reason.", "answer_b": b"Another reason."}
SOLUTION = {"problem": b"1 + 1", "solution": b"It is 3."}


def run(home: Path, *arguments: str, typed: str = "") -> Result:
    command = ["review", *arguments, "--dir", str(home)]
    return CliRunner().invoke(app, command, input=typed)


def animals() -> pb.Campaign:
    """Labels that are no numbers, and one that looks like a command; with guidelines."""
    spec = encode_spec({"labels": ["cat", "dog", "u"]})
    return simulated.campaign(
        id="animals",
        title="Animals",
        guidelines="Look at the [red]ears[/].",
        spec=spec,
        proposal=pb.PROPOSAL_NOT_TAKEN,
        parts=[simulated.part("content", "image/png")],
        rounds=simulated.rounds(commit_ms=60_000),
    )


def close(bench: Bench) -> Path:
    bench.db.close()
    return bench.folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A node whose owner was drawn for two pictures of digits, and a pair of answers."""
    return close(drawn(tmp_path, pictures(), pairs(), pictures=[digit(1), digit(2)], pairs=[PAIR]))


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store(home / "node.db") as opened:
        yield opened


def tasks_of(store: Store, c: str = "pictures") -> list[TaskRow]:
    return store.tasks(c, 1)


# ---- from a script ----


def test_the_list_shows_what_may_be_answered_in_all_campaigns(home: Path, store: Store) -> None:
    listed = json.loads(run(home, "list", "--json").stdout)["tasks"]
    assert [each["status"] for each in listed] == ["fetched"] * 3
    ids = {t.item_id.hex() for c in ("pictures", "pairs") for t in tasks_of(store, c)}
    assert {each["item"] for each in listed} == ids
    [pair] = [each for each in listed if each["kind"] == "prefer"]
    assert pair["choices"] == ["first", "second", "tie"]
    assert [part["name"] for part in pair["parts"]] == ["prompt", "first", "second"]
    contents = [Path(part["path"]).read_bytes() for part in pair["parts"]]
    assert contents[0] == PAIR["prompt"]
    assert sorted(contents) == sorted(PAIR.values())
    for shown in (run(home, "list", "--json").stdout, run(home, "list").stdout):
        assert "proposal" not in shown  # sealed until the verdict
        assert "model-x" not in shown  # who made a part
        assert "answer_" not in shown  # which of the two it is


def test_an_answer_by_the_first_digits_of_an_item(home: Path, store: Store) -> None:
    item_id = tasks_of(store)[0].item_id.hex()
    assert run(home, "answer", item_id[:12], "7").exit_code == 0
    assert (tasks_of(store)[0].answer, tasks_of(store)[0].status) == (
        b"\0\7",
        TaskStatus.ANSWERED,
    )
    assert run(home, "answer", item_id[:12], "8").exit_code == 0  # a change of mind
    assert tasks_of(store)[0].answer == b"\0\x08"
    [row] = [r for r in json.loads(run(home, "list", "--json").stdout)["tasks"] if r["answer"]]
    assert (row["item"], row["answer"]) == (item_id, "8")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("unsure", pb.REFUSAL_UNSURE),
        ("unreadable", pb.REFUSAL_UNREADABLE),
        ("off-topic", pb.REFUSAL_OFF_TOPIC),
        ("personal", pb.REFUSAL_PERSONAL),
        ("harmful", pb.REFUSAL_HARMFUL),
    ],
)
def test_a_refusal(home: Path, store: Store, reason: str, code: int) -> None:
    assert run(home, "refuse", tasks_of(store)[1].item_id.hex(), reason).exit_code == 0
    task = tasks_of(store)[1]
    assert (task.answer, task.refusal) == (None, code)


def test_what_cannot_be_answered_is_said(home: Path, store: Store) -> None:
    item_id = tasks_of(store)[0].item_id.hex()
    assert run(home, "answer", item_id, "eleven").exit_code == EXIT_USAGE
    assert run(home, "answer", item_id, "tie").exit_code == EXIT_USAGE  # another kind's
    assert run(home, "refuse", item_id, "boring").exit_code == EXIT_USAGE
    assert run(home, "answer", "zz", "3").exit_code == EXIT_USAGE
    assert run(home, "answer", "", "3").exit_code == EXIT_USAGE
    store.set_answer(tasks_of(store)[0], b"\0\3")
    for task in tasks_of(store):
        store.set_committed(task, bytes(32))
    said = run(home, "answer", item_id, "3")
    assert said.exit_code == EXIT_STATE and "is committed already" in said.stderr
    store.set_failed(tasks_of(store)[1], "the round went on")
    said = run(home, "refuse", tasks_of(store)[1].item_id.hex(), "unsure")
    assert said.exit_code == EXIT_STATE and "cannot be answered any more" in said.stderr
    assert EXIT_REFUSED not in {EXIT_USAGE, EXIT_STATE}


def test_one_item_is_shown_with_its_question(home: Path, store: Store) -> None:
    [task] = tasks_of(store, "pairs")
    shown = run(home, "show", task.item_id.hex()).stdout
    for words in ("Which of the two answers", "Why?", "The first reason.", "1 = first"):
        assert words in shown


# ---- in a terminal ----


def test_going_through_the_items_of_all_campaigns(home: Path, store: Store) -> None:
    shown = run(home, typed="nonsense\nb\nsecond\n3\n4\ny\n")
    assert shown.exit_code == 0
    assert "3 of 3 answered" in shown.stdout
    assert any(shade in shown.stdout for shade in SHADES[1:] + UPPER_HALF)
    assert [task.answer for task in tasks_of(store)] == [b"\0\3", b"\0\4"]
    listed = json.loads(run(home, "list", "--json").stdout)["tasks"]
    [pair] = [each for each in listed if each["kind"] == "prefer"]
    second = Path(pair["parts"][-1]["path"]).read_bytes()
    is_b = second == PAIR["answer_b"]
    assert [task.answer for task in tasks_of(store, "pairs")] == [bytes([is_b])]


def test_one_goes_back_and_changes_what_one_said(home: Path, store: Store) -> None:
    shown = run(home, typed="tie\n3\n:b\n:b\n\n7\n4\ny\n")
    items = [task.item_id.hex()[:12] for task in tasks_of(store)]
    words = shown.stderr + shown.stdout
    assert all(item in words for item in items), "each item is named"
    assert "you said 3" in words and "3 sealed" in words
    assert [task.answer for task in tasks_of(store)] == [b"\0\7", b"\0\4"]


def test_nothing_is_sealed_that_was_not_confirmed(home: Path, store: Store) -> None:
    assert run(home, typed="tie\n3\n4\nn\n").exit_code == 0
    assert {task.status for task in tasks_of(store)} == {TaskStatus.FETCHED}
    assert [task.draft for task in tasks_of(store)] == [b"\0\3", b"\0\4"]
    assert "3 sealed" in run(home, typed="\n\n\ny\n").stdout, "they are still there"
    assert [task.answer for task in tasks_of(store)] == [b"\0\3", b"\0\4"]


@pytest.mark.parametrize("typed", ["\n\n\n", ":q\n", "q\n:q\n"])
def test_skipping_answers_nothing(home: Path, store: Store, typed: str) -> None:
    assert run(home, typed=typed).exit_code == 0
    assert {task.status for task in tasks_of(store)} == {TaskStatus.FETCHED}


@pytest.mark.parametrize(
    ("typed", "refusal"),
    [
        (":u", pb.REFUSAL_UNSURE),
        (":r off-topic", pb.REFUSAL_OFF_TOPIC),
        (":r boring\n:r\n:x\n:r harmful", pb.REFUSAL_HARMFUL),
        ("u\nr personal\n:r unreadable", pb.REFUSAL_UNREADABLE),  # without a colon it is no command
        (":r personal", pb.REFUSAL_PERSONAL),
    ],
)
def test_a_refusal_is_an_answer(home: Path, store: Store, typed: str, refusal: int) -> None:
    assert run(home, typed=f"{typed}\n:q\ny\n").exit_code == 0
    assert tasks_of(store, "pairs")[0].refusal == refusal


def test_a_choice_by_its_number_and_a_label_that_looks_like_a_command(tmp_path: Path) -> None:
    home = close(drawn(tmp_path, animals(), animals=[digit(n) for n in range(4)]))
    shown = run(home, typed="2\nu\n:u\nCAT\ny\n")
    assert "1 = cat  2 = dog  3 = u" in shown.stdout.replace("\n", " ")
    assert "Look at the [red]ears[/]." in shown.stdout  # letter by letter
    with Store(home / "node.db") as store:
        given = [(task.answer, task.refusal) for task in tasks_of(store, "animals")]
    assert given == [(b"\0\1", 0), (b"\0\2", 0), (None, pb.REFUSAL_UNSURE), (b"\0\0", 0)]


@pytest.mark.parametrize("numbers", [True, False])
def test_no_label_is_taken_for_a_command(tmp_path: Path, numbers: bool) -> None:
    """Labels are a stranger's words: every one can be given, and so can every command beside them."""
    labels = ["u", ":u", ":q", "refuse: harmful", "::", "r unsure", *([] if numbers else ["7"])]
    asked = animals()
    asked.spec = encode_spec({"labels": labels})
    home = close(drawn(tmp_path, asked, animals=[digit(n) for n in range(len(labels) + 1)]))
    by_words = [f":{label}" if label.startswith(":") else label for label in labels]
    by_number = [str(n + 1) for n in range(len(labels))]
    shown = run(home, typed="\n".join([*(by_number if numbers else by_words), ":u", "y", ""]))
    assert shown.exit_code == 0
    if not numbers:
        assert ", ".join(by_words) in shown.stdout.replace("\n", " ")  # as they are to be typed
    with Store(home / "node.db") as store:
        given = [(task.answer, task.refusal) for task in tasks_of(store, "animals")]
    everyone = [(n.to_bytes(2), 0) for n in range(len(labels))]
    assert given == [*everyone, (None, pb.REFUSAL_UNSURE)]


def test_labels_that_are_numbers_have_no_other_numbers(home: Path, store: Store) -> None:
    run(home, typed="tie\n3\n:q\ny\n")
    assert tasks_of(store)[0].answer == b"\0\3"  # the label 3, not the third


def test_a_rubric_is_shown_and_answered(tmp_path: Path) -> None:
    home = close(drawn(tmp_path, rubric(), rubric=[SOLUTION]))
    shown = run(home, typed="maybe\nyes, no\ny\n")
    for words in ("correct: Is it correct?", "clear: Is it clear?", "It is 3.", "1 of 1 answered"):
        assert words in shown.stdout
    with Store(home / "node.db") as store:
        assert tasks_of(store, "rubric")[0].answer == b"\1\0"


def test_parts_are_shown_in_the_drawn_order(tmp_path: Path) -> None:
    items = [{**PAIR, "prompt": b"Question %d" % n} for n in range(8)]
    bench = drawn(tmp_path, pairs(), pairs=items)
    seed, me = bench.net.round("pairs").seed, bench.me.id
    orders = set()
    for task in make_tasks(bench.net.state, me, "pairs"):
        shown = run(tmp_path, "show", task.item_id.hex()).stdout
        assert shown.index("Question") < min(shown.index("The first"), shown.index("Another"))
        flipped = shown.index("Another") < shown.index("The first")
        assert flipped == is_flipped(seed, task.item_id, me)
        places = [shown.index(f"── {place} ──") for place in ("prompt", "first", "second")]
        assert places == sorted(places)
        assert "answer_" not in shown
        # What is said of the place is taken for the part that was there.
        assert run(tmp_path, "answer", task.item_id.hex(), "first").exit_code == 0
        assert run(tmp_path, "answer", task.item_id.hex(), "a").exit_code == EXIT_USAGE
        assert tasks_of(bench.db, "pairs")[task.position].answer == bytes([flipped])
        listed = json.loads(run(tmp_path, "list", "--json").stdout)["tasks"]
        assert [t["answer"] for t in listed if t["item"] == task.item_id.hex()] == ["first"]
        orders.add(flipped)
    assert orders == {True, False}
    close(bench)


def test_content_cannot_move_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b[2J[bold]hi[/bold] \u202eabc\u200b".encode()
    bench = drawn(tmp_path, rubric(), rubric=[SOLUTION])
    [task] = make_tasks(bench.net.state, bench.me.id, "rubric")
    put({"solution": evil}, tmp_path / "review" / task.item_id.hex())
    shown = run(close(bench), "show", task.item_id.hex()).stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "<U+001B>[2J[bold]hi[/bold] <U+202E>abc<U+200B>" in shown


def test_an_answer_that_comes_too_late_is_said(tmp_path: Path) -> None:
    bench = drawn(tmp_path, pairs(), pairs=[PAIR])
    [task] = tasks_of(bench.db, "pairs")
    bench.db.set_answer(task, b"\0")
    bench.db.set_committed(task, bytes(32))
    assert run(tmp_path).exit_code == EXIT_STATE
    assert json.loads(run(tmp_path, "list", "--json").stdout) == {"tasks": []}
    close(bench)


def test_without_a_draw_there_is_nothing_to_review(tmp_path: Path) -> None:
    write_config(NodeDirectory(tmp_path), NodeConfig(LINK))
    assert json.loads(run(tmp_path, "list", "--json").stdout) == {"tasks": []}
    assert run(tmp_path).exit_code == EXIT_STATE


# ---- content ----


def test_each_medium_is_shown_as_a_terminal_can(tmp_path: Path) -> None:
    def shown(content: bytes, media_type: str) -> str:
        (tmp_path / "content").write_bytes(content)
        return shown_content(tmp_path / "content", media_type, 80, colour=False).plain

    assert set(shown(digit(1), "image/png")) <= {*SHADES, "\n"}
    assert "cannot be shown" in shown(b"no picture", "image/png")
    assert shown(b'{"a": 1}', "application/json") == '{"a": 1}'
    assert "WAV recording, 4 bytes" in shown(b"RIFF", "audio/wav")
    bars, words = shown(recording("audio/flac"), "audio/flac").splitlines()
    assert len(bars) == 63 and set(bars[1:-1]) == {"▃"} and "a FLAC recording" in words
    assert shown(b"one\r\ntwo\rthree\r\n", "text/plain") == "one\ntwo<U+000D>three\n"
    long = shown(b"x" * (TEXT_CHARS_SHOWN + 5), "text/plain")
    assert "5 more characters" in long
    (tmp_path / "content").unlink()
    assert "cannot read" in shown_content(tmp_path / "content", "text/plain", 80).plain


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
