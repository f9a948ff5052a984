"""What training costs: (epsilon, delta)-differential privacy, for adding or removing one example.

The mechanism of a round is the Gaussian one over a Poisson sample (Abadi et al., CCS 2016). Rounds and jobs
are composed numerically by their privacy loss random variables (PRV: Gopi, Lee & Wutschitz, NeurIPS 2021),
which states about a tenth less than Rényi accounting for the same noise. Both are Opacus'. With sampling
below one it composes the loss of removing an example; that adding one never costs more is observed, not
proven (Lebeda et al., 2024). With sampling of one the two are the same.

All epsilons are upper bounds in micro, rounded up; all noise multipliers are multiples of 1e-6, rounded
up, because that is how the log carries them.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
from opacus.accountants import PRVAccountant, RDPAccountant

from federated.spec import Mechanism, TrainingSpec
from protocol.errors import ConfigError, StateError
from protocol.limits import PPM

log = logging.getLogger(__name__)

# An epsilon is asked for again and again: by the charge, the round's record, the card, a page.
_CACHE_ENTRIES: Final = 4_096
# Whole orders, but for the least: others take ten times as long and gain a hundredth.
_ORDERS: Final = (1.25, 1.5, *range(2, 64), 128, 256, 512)
# PRV's mesh grows with epsilon, and beyond this the exact figure protects nobody any better.
_PRV_EPSILON_MAX: Final = 100.0
# Below, epsilon is in the thousands; above, noise drowns a sum over every person alive.
_NOISE_MICRO_MIN: Final = PPM // 100
_NOISE_MICRO_MAX: Final = 4_000 * PPM  # what the log's 32 bits hold
# Noise a thousandth above the least possible costs no accuracy that anybody can measure.
_NOISE_TOLERANCE: Final = 1_000


class Method(StrEnum):
    """How an epsilon was computed."""

    PRV = "PRV"
    RDP = "RDP"


@dataclass(frozen=True, slots=True)
class Bound:
    """An upper bound of epsilon at the delta that was asked for."""

    epsilon_micro: int
    method: Method


def bound(mechanisms: Sequence[Mechanism], delta: float) -> Bound:
    """All of the mechanisms together, on the same data, in any order.

    PRV's numerics fail for some extreme settings; then the bound is Rényi's, and says so. Raises
    ConfigError for settings that no bound exists for.
    """
    return _bound(_merged(mechanisms), delta)


def composed_epsilon_micro(mechanisms: Sequence[Mechanism], delta: float) -> int:
    """The accountant of a Budget: epsilon of all mechanisms together, in micro."""
    return bound(mechanisms, delta).epsilon_micro


def epsilon_micro(noise_multiplier: float, sampling: float, rounds: int, delta: float) -> int:
    """Epsilon of one job's rounds, in micro."""
    return composed_epsilon_micro([Mechanism(noise_multiplier, sampling, rounds)], delta)


def noise_multiplier_for(epsilon: float, delta: float, sampling: float, rounds: int) -> float:
    """The least noise whose bound is at most `epsilon`, in steps of 1e-6, up to one part in 1,000 more.

    Raises ConfigError when no noise that the log can carry is enough.
    """

    def holds(micro: int) -> bool:
        return epsilon_micro(micro / PPM, sampling, rounds, delta) <= epsilon * PPM

    if not holds(high := PPM):
        while not holds(high := 2 * high):
            if high > _NOISE_MICRO_MAX // 2:
                raise ConfigError(
                    f"no noise gives epsilon {epsilon:g} at delta {delta:g}",
                    "allow a larger epsilon or delta, or fewer rounds",
                )
        low = high // 2
    else:
        low = _NOISE_MICRO_MIN
    while high - low > max(1, high // _NOISE_TOLERANCE):
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high / PPM


def towards_coordinator(spec: TrainingSpec) -> Bound:
    """What the coordinator could learn: it sees each update alone, with 1/quorum of the variance."""
    return _with_noise(spec, 1 / spec.quorum)


def towards_partner(spec: TrainingSpec) -> Bound:
    """What another partner could learn: it knows its own noise, and takes that out of the sum."""
    return _with_noise(spec, max(spec.quorum - 1, 1) / spec.quorum)


def _with_noise(spec: TrainingSpec, part: float) -> Bound:
    """The whole job towards somebody for whom only a part of the noise's variance is unknown."""
    unknown = spec.noise_multiplier * math.sqrt(part)
    return bound([Mechanism(unknown, spec.sampling, spec.rounds)], spec.delta)


def require_promise(spec: TrainingSpec) -> None:
    """Raises StateError when the job's noise does not keep the epsilon that the job states."""
    cost = bound([spec.mechanism], spec.delta)
    if cost.epsilon_micro > round(spec.epsilon * PPM):
        raise StateError(
            f"the job promises epsilon {spec.epsilon:g} and costs {cost.epsilon_micro / PPM:.3f}",
            "do not join it; its operator has to open one with more noise or fewer rounds",
        )


def rdp_epsilon_micro(mechanisms: Sequence[Mechanism], delta: float) -> int:
    """The same by Rényi accounting alone, to compare with: an upper bound as well, and a looser one."""
    return _micro(_rdp(_merged(mechanisms), delta))


@lru_cache(_CACHE_ENTRIES)
def _bound(mechanisms: tuple[Mechanism, ...], delta: float) -> Bound:
    _require_sane(mechanisms, delta)
    if not mechanisms:
        return Bound(0, Method.PRV)
    renyi = _rdp(mechanisms, delta)
    if renyi <= _PRV_EPSILON_MAX:
        try:
            prv = _prv(mechanisms, delta)
        except (RuntimeError, ValueError, MemoryError) as error:
            log.warning("PRV accounting failed, Rényi's bound is used: %s", error)
        else:
            if 0 < prv <= renyi:  # not a number is neither
                return Bound(_micro(prv), Method.PRV)
    return Bound(_micro(renyi), Method.RDP)


def _require_sane(mechanisms: Sequence[Mechanism], delta: float) -> None:
    """Written so that NaN fails every comparison."""
    if not 0 < delta < 1:
        raise ConfigError(f"delta is {delta:g}", "let it lie between zero and one")
    for each in mechanisms:
        if not (0 < each.noise_multiplier < math.inf and 0 < each.sampling <= 1 <= each.rounds):
            raise ConfigError(
                f"noise {each.noise_multiplier:g}, sampling {each.sampling:g} over {each.rounds}"
                " rounds is no private mechanism",
                "noise and sampling are above zero, sampling at most one, rounds at least one",
            )


def _prv(mechanisms: tuple[Mechanism, ...], delta: float) -> float:
    accountant = PRVAccountant()
    accountant.history = _history(mechanisms)
    with _quiet():
        return float(accountant.get_epsilon(delta))


def _rdp(mechanisms: tuple[Mechanism, ...], delta: float) -> float:
    accountant = RDPAccountant()
    accountant.history = _history(mechanisms)
    with _quiet():
        return float(accountant.get_epsilon(delta, alphas=list(_ORDERS)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Opacus warns that a better Rényi order exists, and takes the logarithm of 1 - sampling: no harm."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _history(mechanisms: tuple[Mechanism, ...]) -> list[tuple[float, float, int]]:
    return [(each.noise_multiplier, each.sampling, each.rounds) for each in mechanisms]


def _micro(epsilon: float) -> int:
    if not math.isfinite(epsilon):
        raise ConfigError("these settings have no finite epsilon", "add noise or train less")
    return math.ceil(epsilon * PPM)


def _merged(mechanisms: Sequence[Mechanism]) -> tuple[Mechanism, ...]:
    """In one order, rounds of the same kind added up: faster to compose, and found in the cache."""
    rounds: Counter[tuple[float, float]] = Counter()
    for each in mechanisms:
        rounds[each.noise_multiplier, each.sampling] += each.rounds
    return tuple(Mechanism(*kind, rounds[kind]) for kind in sorted(rounds))
