"""What a daemon makes of errors and of a second daemon. Its life is tested with real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.client import Lie
from node.daemon import cause_of, single_instance
from protocol.errors import Misbehaviour, Reject, StateError, StoreError, Unreachable

LIE = Lie("rule", "a lie", ())


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        ([Unreachable("away"), Reject("no")], Unreachable),
        ([Unreachable("away"), StoreError("disk full")], StoreError),
        ([StoreError("disk full"), LIE], Lie),
        ([Unreachable("away"), Misbehaviour("another certificate")], Misbehaviour),
    ],
)
def test_the_gravest_cause_of_a_group_counts(
    errors: list[Exception], cause: type[Exception]
) -> None:
    assert type(cause_of(ExceptionGroup("parts", errors))) is cause
    nested = ExceptionGroup("outer", [ExceptionGroup("inner", errors), Unreachable("also")])
    assert type(cause_of(nested)) is cause


def test_a_single_error_is_its_own_cause() -> None:
    assert cause_of(LIE) is LIE


def test_a_directory_has_one_daemon(tmp_path: Path) -> None:
    lock = tmp_path / "node.lock"
    with (
        single_instance(lock),
        pytest.raises(StateError, match=f"process {os.getpid()}") as caught,
        single_instance(lock),
    ):
        raise AssertionError("two daemons run")
    assert f"kill {os.getpid()}" in caught.value.advice
    with single_instance(lock):  # given back
        assert lock.read_text() == f"{os.getpid()}\n"


def test_a_lock_file_that_a_kill_left_is_no_obstacle(tmp_path: Path) -> None:
    lock = tmp_path / "node.lock"
    lock.write_text("4711 and more than a pid\n")
    with single_instance(lock):
        assert lock.read_text() == f"{os.getpid()}\n"
