"""commonground/locks.py, between processes. Run as a program: takes the lock PATH, says so and waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commonground import locks
from commonground.locks import alone, is_held, shared
from protocol.errors import StateError


def refusal(process: str) -> StateError:
    return StateError(f"process {process} is at it", f"kill {process}")


def ignore() -> None:
    pass


@contextmanager
def another(path: Path, how: str = "alone") -> Iterator[subprocess.Popen[str]]:
    """A process that has the lock."""
    holder = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.test_locks", how, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "locked\n"
        yield holder
        holder.stdin.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOOK_SECONDS", 0.1)


def test_a_second_process_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with another(lock) as holder:
        with pytest.raises(StateError, match=f"process {holder.pid} is") as caught:
            alone(lock, refusal).__enter__()
        assert caught.value.advice == f"kill {holder.pid}"
        assert is_held(lock)
    assert not is_held(lock)
    with alone(lock, refusal):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_a_killed_holder_gives_its_lock_back(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with another(lock) as holder:
        holder.send_signal(signal.SIGKILL)
        assert holder.wait(timeout=10) == -signal.SIGKILL
        with alone(lock, refusal):
            assert is_held(lock)


def test_a_way_through_a_link_leads_to_the_same_lock(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "way").symlink_to("home")
    (tmp_path / "lock").symlink_to(Path("home") / "lock")
    with another(tmp_path / "home" / "lock"):
        for path in (tmp_path / "way" / "lock", tmp_path / "lock"):
            with pytest.raises(StateError, match="is at it"):
                alone(path, refusal).__enter__()


def test_one_process_does_not_have_a_lock_twice(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with alone(lock, refusal), pytest.raises(StateError, match=f"process {os.getpid()}"):
        alone(lock, refusal).__enter__()


def test_what_the_block_raises_is_not_taken_for_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), alone(tmp_path / "lock", refusal):
        raise BlockingIOError
    assert not is_held(tmp_path / "lock")


def test_whoever_only_looks_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LOOK_SECONDS", 20.0)
    lock = tmp_path / "lock"
    looking = shared(lock, ignore)
    assert not is_held(lock)

    def look_away(_: float) -> None:
        looking.close()

    monkeypatch.setattr(time, "sleep", look_away)
    with alone(lock, refusal):
        assert looking.closed


def test_a_lock_is_private_and_what_a_file_holds_is_not_trusted(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with alone(lock, refusal):
        assert lock.stat().st_mode & 0o777 == 0o600
        lock.write_text("4711; rm -rf /")
        with pytest.raises(StateError, match="process unknown is at it"):
            alone(lock, refusal).__enter__()


def test_no_lock_is_made_by_looking(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def test_the_first_of_many_is_told_that_it_is_alone(tmp_path: Path) -> None:
    lock, called = tmp_path / "lock", list[str]()
    shared(lock, lambda: called.append("first")).close()
    with shared(lock, lambda: called.append("again")):
        shared(lock, lambda: called.append("not alone")).close()
    assert called == ["first", "again"]
    with another(lock, "shared"):
        shared(lock, lambda: called.append("not alone")).close()
    assert called == ["first", "again"]


def test_a_failure_when_alone_gives_the_lock_back(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        shared(tmp_path / "lock", fail)
    with alone(tmp_path / "lock", refusal):
        pass


if __name__ == "__main__":
    path = Path(sys.argv[2])
    with alone(path, refusal) if sys.argv[1] == "alone" else shared(path, ignore):
        print("locked", flush=True)
        sys.stdin.read()
