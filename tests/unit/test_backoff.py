"""commonground/backoff.py: who waits how long, and who gives up when."""

from __future__ import annotations

import asyncio
import time

import pytest

from commonground.backoff import HEEDED_SECONDS_MAX, PATIENT, Backoff, persistent, persistent_async
from commonground.status import Busy
from protocol.errors import Unreachable


class Away(Exception):
    pass


class Call:
    """Fails some times, then answers; `waits` are the pauses that its caller made."""

    def __init__(
        self, failures: int, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None
    ) -> None:
        self.failures, self.made, self.now = failures, 0, 1_000.0
        self.error = error
        self.waits: list[float] = []

        async def sleep_async(seconds: float) -> None:
            self._sleep(seconds)

        monkeypatch.setattr(time, "sleep", self._sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(asyncio, "sleep", sleep_async)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def __call__(self) -> str:
        self.made += 1
        if self.made <= self.failures:
            raise self.error or Away(f"{self.made}")
        return "here"

    async def later(self) -> str:
        return self()


def test_waits_double_up_to_the_longest_and_never_overflow() -> None:
    for failures, longest in ((0, 1), (1, 2), (5, 32), (6, 60), (10**9, 60)):
        waits = {PATIENT.delay(failures) for _ in range(200)}
        assert longest / 2 <= min(waits) < max(waits) <= longest
        assert len(waits) > 100, "not everybody comes back in the same moment"
    assert Backoff(0.0, 0.0).delay(3) == 0.0


def test_a_call_is_repeated_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(3, monkeypatch)
    assert persistent()(Away, call) == "here"
    assert call.made == 4
    for wait, least in zip(call.waits, (0.25, 0.5, 1.0), strict=True):
        assert least <= wait <= least + 0.25


def test_the_last_error_is_raised_when_the_attempts_are_used_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = Call(99, monkeypatch)
    with pytest.raises(Away, match="5"):
        persistent()(Away, call)
    assert max(call.waits) <= 2.25
    assert sum(call.waits) <= 5


def test_what_does_not_pass_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(99, monkeypatch)
    with pytest.raises(Away, match="2"):
        persistent()(lambda error: str(error) == "1", call)
    with pytest.raises(Away, match="3"):
        persistent()(OSError, call)


async def test_with_a_time_the_attempts_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(20, monkeypatch)
    assert await persistent_async(seconds=60.0)(Away, call.later) == "here"
    call = Call(99, monkeypatch)
    with pytest.raises(Away):
        await persistent_async(seconds=60.0)(Away, call.later)
    assert 60 <= call.now - 1_000 <= 63


def test_nothing_is_said_about_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(0):
        persistent()(Away, Call(2, monkeypatch))
    assert caplog.records == []


def busy(seconds: float) -> Busy:
    return Busy("too much to do", seconds)


def test_whoever_is_asked_to_wait_waits_as_long_and_not_all_for_the_same_time() -> None:
    waits = {PATIENT.delay(0, busy(20)) for _ in range(200)}
    assert 20 <= min(waits) < max(waits) <= 30
    assert PATIENT.delay(9, busy(1)) >= 30, "the wait is no shorter for being asked"
    assert PATIENT.delay(0, Away()) <= 1


async def test_a_repeated_call_heeds_what_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(2, monkeypatch, busy(7))
    assert persistent()(Unreachable, call) == "here"
    assert len(call.waits) == 2
    assert all(7 <= wait <= 10.5 for wait in call.waits)
    call = Call(1, monkeypatch, busy(7))
    assert await persistent_async()(lambda error: True, call.later) == "here"
    assert call.waits[0] >= 7


def test_a_call_that_would_have_to_wait_for_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(1, monkeypatch, busy(HEEDED_SECONDS_MAX + 1))
    with pytest.raises(Busy):
        persistent()(Busy, call)
    assert call.waits == []
