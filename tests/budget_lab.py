"""Budgets that tests can follow: an accountant with round numbers, and data of made-up examples."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from federated.budget import Budget, Claim, Limit, Release, Standing
from federated.budget.examples import Examples, Kind
from federated.spec import Mechanism

DELTA = 1e-5
ONE, OTHER, THIRD = b"1" * 32, b"2" * 32, b"3" * 32
NOISE = 6.0
ROUND = Release(sampling=1.0, noise=NOISE, alone=NOISE / 2)  # four share the noise: 400 micro alone


def flat(spent: Sequence[Mechanism], delta: float) -> int:
    """An accountant that anybody can follow: 100 micro a round at this noise, four times at half of it."""
    return sum(round(100 * (NOISE / each.noise_multiplier) ** 2) * each.rounds for each in spent)


def pictures(*names: str) -> list[Examples]:
    """Examples that are told by their names alone; each could be recognised by itself."""
    exact = tuple(name.encode().ljust(32, b"\0") for name in names)
    keys = tuple(tuple(zlib.crc32(each) + at + 1 for at in range(4)) for each in exact)
    return [Examples(Kind.PICTURES, exact, keys, tuple(exact))]


def claim(
    job_id: str = "job",
    rounds: int = 2,
    first: int = 1,
    release: Release = ROUND,
    delta: float = DELTA,
) -> Claim:
    """A job of so many rounds from `first` on."""
    return Claim(job_id, release, rounds, first, delta)


def reserve(
    budget: Budget,
    limit: int,
    *,
    data: bytes = ONE,
    examples: Iterable[str] = ("x",),
    alone: int | None = None,
    delta: float | None = None,
    keep: bool = True,
    **job: object,
) -> Standing:
    """Takes data of these examples into a job, under a limit in micro."""
    wanted = Limit(limit, alone, delta)
    return budget.reserve(data, pictures(*examples), wanted, claim(**job), keep=keep)  # type: ignore[arg-type]


def open_flat(path: Path) -> Budget:
    """A budget that this accountant keeps, at noon of no particular day."""
    return Budget(path, flat, clock=lambda: 1_700_000_000.5)
