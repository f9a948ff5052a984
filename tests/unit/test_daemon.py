"""What a daemon makes of errors and of a second daemon. Its life is tested with real processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from commonground.backoff import Backoff
from commonground.receipts import Lie
from node.config import NodeConfig, NodeDirectory
from node.daemon import Daemon, Options, cause_of, single_instance
from node.keys import generate_keys
from protocol.errors import Misbehaviour, Reject, StateError, StoreError, Unreachable
from tests.simulated_log import LINK

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


class Frail:
    """A peer host that has given up as often as it was started, but for the last time."""

    def __init__(self, lives: int) -> None:
        self.lives, self.log = lives, list[str]()
        self.failed: asyncio.Future[BaseException] | None = None
        self._begin()

    def _begin(self) -> None:
        self.failed = asyncio.get_running_loop().create_future()
        self.lives -= 1
        if self.lives:
            self.failed.set_result(RuntimeError("the network thread died"))

    async def start(self) -> None:
        self.log.append("start")
        self._begin()

    async def stop(self) -> None:
        self.log.append("stop")


async def test_a_peer_host_that_gave_up_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.daemon.PATIENT", Backoff(0.0, 0.0))
    daemon = Daemon(NodeDirectory(tmp_path), NodeConfig(LINK), generate_keys(), Options())
    host = Frail(lives=3)
    keeping = asyncio.create_task(daemon._keep_host(host))  # type: ignore[arg-type]
    while host.lives:
        await asyncio.sleep(0)
    keeping.cancel()
    assert host.log == ["stop", "start"] * 2


async def test_parts_start_again_but_for_lies_and_faults_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "delay", lambda *_: 0.0)
    daemon = Daemon(NodeDirectory(tmp_path), NodeConfig(LINK), generate_keys(), Options())
    for last in (LIE, StoreError("disk full")):
        errors: list[Exception] = [
            Unreachable("away"),
            Reject("not yet"),
            Misbehaviour("lie"),
            last,
        ]

        async def part(left: list[Exception] = errors) -> None:
            raise left.pop(0)

        with pytest.raises(type(last)):
            await daemon._supervise("part", part)
        assert errors == []


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
