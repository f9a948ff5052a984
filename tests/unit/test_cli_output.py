"""What commands print where nobody looks: a file or another program gets all of it."""

from __future__ import annotations

import errno
import io
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
from commonhold.cli.output import COLUMNS_VARIABLE, ask, confirm, guarded, require_agreed, table
from protocol.errors import ConfigError, StoreError

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
