"""What a person is told of a submission: counts, what was left out and why, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from commonhold.cli.background import said_last
from commonhold.cli.finding import Found
from commonhold.cli.submit_report import LISTED, end, report_plan, report_submitted
from node.bringing.sources import Brought
from node.contents import CheckedPart
from node.drafts import LeftOut
from node.planning import Plan, Planned
from node.rows import Outgoing
from node.store import Store
from node.submission import BATCH_ITEMS, Submitted
from protocol.errors import ConfigError

ITEM = Planned(0, "a.txt", "ham", b"\0\0", (CheckedPart("text", "text/plain", 7, b"x", b""),))
NONE_FOUND = Found((), ())
LOST = LeftOut("b.txt", "the content is empty")
THERE = LeftOut("c.txt", "submitted before", is_there=True)


@pytest.mark.parametrize(
    ("items", "left_out", "strict", "code"),
    [
        ((ITEM,), (), True, None),
        ((ITEM,), (LOST,), False, None),
        ((ITEM,), (LOST,), True, 10),
        ((ITEM,), (THERE,), True, None),
        ((), (THERE,), True, None),
        ((), (THERE, LOST), False, None),
        ((), (THERE, LOST), True, 10),
        ((), (LOST,), False, 9),
        ((), (), False, 9),
    ],
)
def test_exit_codes_tell_nothing_submitted_from_some_left_out(
    items: tuple[Planned, ...], left_out: tuple[LeftOut, ...], strict: bool, code: int | None
) -> None:
    if code is None:
        end(Plan(items, left_out), "texts", strict)
        return
    with pytest.raises(typer.Exit) as caught:
        end(Plan(items, left_out), "texts", strict)
    assert caught.value.exit_code == code


def test_a_long_list_is_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = tuple(LeftOut(f"\udce9{number}.txt", "empty") for number in range(LISTED + 5))
    done, file = Submitted((), 0, (*lost, THERE)), tmp_path / "left-out.jsonl"
    with Store(tmp_path / "node.db") as store:
        report_submitted(store, done, Brought([]), NONE_FOUND, file=file, as_json=False)
        said = " ".join(capsys.readouterr().out.split())
        report_submitted(
            store, done, Brought([]), NONE_FOUND, file=tmp_path / "a" / "b", as_json=False
        )
        unwritten = " ".join(capsys.readouterr().out.split())
        report_submitted(store, done, Brought([], ("n",)), NONE_FOUND, file=file, as_json=True)
        data = json.loads(capsys.readouterr().out)
    assert "submitted before: 1" in said
    assert f"left out: {LISTED + 5}" in said
    assert said.count("left out: <U+DCE9>") == LISTED
    assert "and 5 more; all of them are in" in said
    assert [json.loads(line)["file"] for line in file.read_text().splitlines()] == [
        each.name for each in lost
    ]
    assert "could not be written" in unwritten
    assert (len(data["skipped"]), data["there"], data["notes"]) == (LISTED + 5, ["c.txt"], ["n"])


def _queued(store: Store, *sizes: int, stopped: ConfigError | None = None) -> Submitted:
    """Batches of these many items in the outbox."""
    rows = [Outgoing("submission", bytes([number])) for number in range(len(sizes))]
    for row in rows:
        store.enqueue(row)
    return Submitted(tuple(row.digest for row in rows), sum(sizes), (), stopped=stopped)


def test_what_waits_for_the_next_epoch_is_not_called_submitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path / "node.db") as store:
        done = _queued(store, BATCH_ITEMS, 7)
        store.mark_sent(done.batches[0])
        store.mark_postponed(done.batches[1], "too many")
        report_submitted(
            store, done, Brought([]), NONE_FOUND, file=tmp_path / "left", as_json=False
        )
    said = " ".join(capsys.readouterr().out.split())
    assert f"{BATCH_ITEMS:,} items submitted in 1 batch" in said
    assert "7 items postponed, since you may submit no more in this epoch" in said


@pytest.mark.parametrize("was_refused", [False, True])
def test_what_ended_it_in_the_middle_is_told_beside_what_was_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], was_refused: bool
) -> None:
    with Store(tmp_path / "node.db") as store:
        done = _queued(store, 7, stopped=ConfigError("the disk is full"))
        if was_refused:
            store.mark_refused(done.batches[0], "bad terms")
        with pytest.raises(ConfigError, match="the disk is full"):
            report_submitted(
                store, done, Brought([]), NONE_FOUND, file=tmp_path / "left", as_json=False
            )
    assert ("refused 1 of 1 batches: bad terms" in capsys.readouterr().err) is was_refused


def test_a_dry_run_counts_answers(capsys: pytest.CaptureFixture[str]) -> None:
    brought = Brought([], ("the column x is not read",))
    report_plan(Plan((ITEM, ITEM), (LOST,)), brought, NONE_FOUND, False)
    said = capsys.readouterr()
    assert "2 items would be submitted, 14 bytes; nothing was written" in said.out
    assert "left out: b.txt: the content is empty" in said.out
    assert "the column x is not read" in said.err


def test_of_a_long_log_the_end_is_read(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    for text, said in (
        ("", ""),
        ("one\ntwo\n", "one two"),
        ("old\n" * 100_000 + "one\ntwo\nthree\n", "one two three"),
        ("\xe9" * 9_000, "\xe9" * 2_048),
    ):
        log.write_text(text)
        assert said_last(log).strip("\ufffd") == said
