"""commonground/backoff.py: who waits how long, and who gives up when."""

from __future__ import annotations

import asyncio
import time

import pytest

from commonground.backoff import PATIENT, Backoff, persistent, persistent_async


class Away(Exception):
    pass


class Call:
    """Fails some times, then answers; `waits` are the pauses that its caller made."""

    def __init__(self, failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failures, self.made, self.now = failures, 0, 1_000.0
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
            raise Away(f"{self.made}")
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
