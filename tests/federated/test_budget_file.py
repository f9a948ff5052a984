"""The file of a budget: private, durable, and plain words for whoever finds it damaged, locked or full."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from federated.budget import file as budget_file
from federated.budget import read_spending
from protocol.errors import ConfigError, StateError, StoreError
from tests.budget_lab import ONE, OTHER, open_flat, reserve


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budget.db"


def test_the_file_is_private_and_each_commit_reaches_the_disk(path: Path) -> None:
    with open_flat(path) as budget:
        assert path.stat().st_mode & 0o777 == 0o600
        assert budget._run("PRAGMA synchronous") == [(3,)], "EXTRA"
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others may access") as refused:
        open_flat(path)
    assert refused.value.advice == f"run: chmod 600 {path}"


def test_a_damaged_file_can_be_made_again(path: Path) -> None:
    path.write_bytes(b"junk, but long enough to be taken for a database by a careless reader" * 20)
    path.chmod(0o600)
    for attempt in (open_flat, read_spending):
        with pytest.raises(StoreError, match="is damaged") as refused:
            attempt(path)
        assert "filled from the log" in refused.value.advice


def test_half_a_file_is_damaged(path: Path) -> None:
    with open_flat(path) as budget:
        reserve(budget, 100_000, rounds=900)
        for number in range(1, 40):
            budget.charge(ONE, "job", number)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StoreError, match=r"damaged|malformed"), open_flat(path) as budget:
        budget.spent(ONE)
        budget.charge(ONE, "job", 40)


def test_a_file_of_another_version_is_not_touched(path: Path) -> None:
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE families (id INTEGER PRIMARY KEY)")
    old.close()
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="another version") as refused:
        open_flat(path)
    assert "filled from the log" in refused.value.advice
    assert path.read_bytes() == before


def test_a_missing_folder_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"budget\.db"):
        open_flat(tmp_path / "nowhere" / "budget.db")
    assert read_spending(tmp_path / "nowhere" / "budget.db") == []


def test_who_is_locked_out_is_told_by_whom(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_file, "BUSY_SECONDS", 0.01)
    with open_flat(path) as budget:
        reserve(budget, 300)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"another process keeps .* locked"):
            budget.charge(ONE, "job", 1)
        with pytest.raises(StoreError, match=r"another process keeps .* locked"):
            open_flat(path)
        other.execute("ROLLBACK")
        other.close()
        assert budget.charge(ONE, "job", 1) == 100, "nothing was lost"


def test_a_full_disk_charges_nothing(path: Path) -> None:
    with open_flat(path) as budget:
        reserve(budget, 1_000_000, rounds=5_000)
        budget._run(f"PRAGMA max_page_count = {budget._run('PRAGMA page_count')[0][0]}")
        charged = 0
        with pytest.raises(StoreError, match="is full"):
            for number in range(1, 5_000):
                budget.charge(ONE, "job", number)
                charged = number
        assert budget.spent(ONE) == 100 * charged


def test_a_file_that_cannot_be_written_is_said_before_anything_is_signed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a read-only disk answers; whoever runs tests as root may write anything else."""
    open_flat(path).close()
    connect = sqlite3.connect

    def read_only(_: object, *arguments: object, **options: object) -> sqlite3.Connection:
        return connect(f"file:{path}?mode=ro", *arguments, uri=True, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with pytest.raises(StoreError, match="cannot be written"):
        open_flat(path)


def test_a_step_that_is_refused_leaves_the_file_usable(path: Path) -> None:
    with open_flat(path) as budget:
        with pytest.raises(StateError):
            reserve(budget, 1)
        reserve(budget, 300)


def test_who_is_killed_has_charged(path: Path, tmp_path: Path) -> None:
    """What is left then: the file, and what was written ahead of it."""
    left = tmp_path / "left"
    left.mkdir()
    with open_flat(path) as budget:
        reserve(budget, 300)
        budget.charge(ONE, "job", 1)
        for each in tmp_path.glob("budget.db*"):
            (left / each.name).touch(0o600)
            (left / each.name).write_bytes(each.read_bytes())
    with open_flat(left / "budget.db") as again:
        assert again.spent(ONE) == 100
        assert again.charge(ONE, "job", 2) == 200


def deleted(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def replaced(path: Path) -> None:
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)
    copy.replace(path)


def gone_with_its_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("lose", [deleted, moved, replaced, gone_with_its_folder])
def test_nothing_is_charged_in_a_file_that_nobody_will_find(
    path: Path, lose: Callable[[Path], None]
) -> None:
    with open_flat(path) as budget:
        reserve(budget, 100_000, rounds=10)
        assert budget.charge(ONE, "job", 1) == 100
        lose(path)
        with pytest.raises(StoreError, match="was deleted, moved or replaced") as refused:
            budget.charge(ONE, "job", 2)
        assert "put the file back" in refused.value.advice
        assert str(path.parent) not in str(refused.value), "the coordinator is told as well"
        with pytest.raises(StoreError, match="was deleted, moved or replaced"):
            reserve(budget, 100_000, rounds=10, job_id="next")


def test_what_an_older_file_left_beside_a_copy_is_named(path: Path) -> None:
    """Under another file's log of writes a copy is damaged; one that is put back without it is whole."""
    budget = open_flat(path)
    reserve(budget, 1_000_000, rounds=40, examples=[f"e{number}" for number in range(500)])
    for number in range(1, 4):
        budget.charge(ONE, "job", number)
    log, shared = path.with_name("budget.db-wal"), path.with_name("budget.db-shm")
    old = {each: each.read_bytes() for each in (log, shared)}
    for number in range(4, 20):
        budget.charge(ONE, "job", number)
    more = [f"z{number}" for number in range(500)]
    reserve(budget, 1_000_000, rounds=20, job_id="other", data=OTHER, examples=more)
    budget.close()
    backup = path.read_bytes()
    for each, content in old.items():
        each.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged") as refused, open_flat(path) as mixed:
        mixed.spent(ONE)
        mixed.charge(ONE, "job", 20)
    assert "-wal" in refused.value.advice
    for each in old:
        each.unlink(missing_ok=True)
    path.write_bytes(backup)
    with open_flat(path) as whole:
        assert whole.spent(ONE) == 1_900
