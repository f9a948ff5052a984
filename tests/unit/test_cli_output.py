"""What commands print where nobody looks: a file or another program gets all of it."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from commonhold.cli.node import app
from commonhold.cli.output import (
    COLUMNS_VARIABLE,
    EXIT_UNREAD,
    EXIT_USAGE,
    ask,
    confirm,
    emit,
    guarded,
    require_agreed,
    table,
)
from protocol.errors import ConfigError, StateError, StoreError

LONG = "x" * 200
PRINTED = f"from commonhold.cli.output import show, table; show(table('T', ['a'], [['{LONG}']]))"


@pytest.mark.parametrize(("columns", "whole"), [("", True), ("60", False)])
def test_a_table_is_cut_only_where_somebody_says_how_wide_it_may_be(
    columns: str, whole: bool
) -> None:
    others = {k: v for k, v in os.environ.items() if k != COLUMNS_VARIABLE}
    given = {COLUMNS_VARIABLE: columns} if columns else {}
    command = [sys.executable, "-c", PRINTED]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=others | given)
    assert (LONG in done.stdout) == whole
    assert len(done.stdout.splitlines()[1]) < 210, "and no wider than it needs"


@pytest.mark.parametrize("as_json", [True, False])
def test_who_is_not_read_to_the_end_says_nothing_of_checks_that_failed(as_json: bool) -> None:
    """`commonhold verify LINK | head -1` must not end as a log that does not hold."""
    printed = f"from commonhold.cli.output import emit; emit({{}}, {as_json}, lambda: 'a line')"
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "wb") as unread:
        done = subprocess.run(
            [sys.executable, "-c", printed], stdout=unread, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (EXIT_UNREAD, b"")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["status", "--dir", "NOWHERE"], "there is no node in "),
        (["status", "--director", "NOWHERE"], "no such option: --director"),
        (["review", "answer"], "missing argument 'item'"),
    ],
)
def test_a_script_reads_one_object_of_a_command_that_fails_too(
    words: list[str], error: str
) -> None:
    command = [sys.executable, "-m", "commonhold", "node", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert told.keys() == {"error", "next", "exit_code"}
    assert told["error"].startswith(error) and told["next"]
    assert told["exit_code"] == done.returncode == EXIT_USAGE
    assert told["error"] in done.stderr, "people are told as before"


@pytest.mark.parametrize(
    ("advice", "directory", "shown"),
    [
        ("run `commonhold node start`", Path("my net"), " (with --dir 'my net')"),
        ("run `commonhold node start`", None, ""),
        ("run `commonhold node init`, or name it with --dir", Path("my net"), ""),
        ("run `commonhold coordinator serve`", Path("my net"), ""),
    ],
)
def test_advice_means_the_directory_that_the_command_was_given(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    advice: str,
    directory: Path | None,
    shown: str,
) -> None:
    @guarded
    def command(directory: Path | None) -> None:
        raise StateError("the node does not run", advice)

    monkeypatch.setattr(sys, "argv", ["commonhold", "node", "page"])
    with pytest.raises(typer.Exit):
        command(directory=directory)
    assert capsys.readouterr().err.endswith(f"next: {advice}{shown}\n")


def test_there_is_no_second_object_where_a_command_fails_behind_its_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @guarded
    def command(as_json: bool) -> None:
        emit({"found": 1}, as_json, list)
        raise StateError("not all of it")

    with pytest.raises(typer.Exit):
        command(as_json=True)
    assert json.loads(capsys.readouterr().out) == {"found": 1}


@pytest.mark.parametrize(
    "words",
    [
        ["review", "--dir", "MINE", "list"],
        ["review", "list", "--dir", "MINE"],
        ["review", "--dir", "OTHER", "list", "--dir", "MINE"],
        ["review", "--dir", "MINE", "show", "12"],
        ["review", "--dir", "MINE", "answer", "12", "cat"],
        ["review", "--dir", "MINE", "refuse", "12", "unsure"],
        ["review", "--dir", "MINE"],
    ],
)
def test_the_directory_may_stand_before_what_is_done_in_it(
    tmp_path: Path, words: list[str]
) -> None:
    places = {"MINE": str(tmp_path / "mine"), "OTHER": str(tmp_path / "other")}
    done = CliRunner().invoke(app, [places.get(word, word) for word in words])
    assert f"there is no node in {tmp_path / 'mine'}" in done.output


@pytest.mark.parametrize(
    ("asks", "says"),
    [
        (lambda: confirm("Sure?"), "nobody answers: Sure?"),
        (lambda: ask("Which?"), "nobody answers: Which?"),
        (
            lambda: require_agreed("Sure?", "it is for ever"),
            "it is for ever, and there is no terminal",
        ),
    ],
)
def test_nobody_at_the_terminal_is_wrong_use_and_no_silent_end(
    asks: Callable[[], object], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ConfigError, match=re.escape(says)) as refused:
        asks()
    assert refused.value.advice


@pytest.mark.parametrize(("columns", "head"), [(["", ""], False), (["name", ""], True)])
def test_a_table_has_a_head_only_where_a_column_has_a_name(columns: list[str], head: bool) -> None:
    assert table("T", columns, [["a", 1]]).show_header is head


def test_what_is_piped_in_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert confirm("Sure?")


def full_database() -> sqlite3.Error:
    database = sqlite3.connect(":memory:")
    database.execute("pragma max_page_count = 1")
    with pytest.raises(sqlite3.Error) as raised:
        database.execute("create table t (x)")
    return raised.value


@pytest.mark.parametrize(
    ("cause", "says_room"),
    [
        (OSError(errno.ENOSPC, ""), True),
        (OSError(errno.EACCES, ""), False),
        (full_database(), True),
    ],
    ids=["full", "forbidden", "full database"],
)
def test_on_a_full_disk_it_is_said_what_to_do(
    cause: Exception, says_room: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    @guarded
    def command() -> None:
        try:
            raise RuntimeError from cause  # as a library would, which says it with an error of its own
        except RuntimeError as error:
            raise StoreError("it cannot be written") from error

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 6
    assert ("make room on that disk" in capsys.readouterr().err) is says_room
