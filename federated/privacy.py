"""What training costs: (epsilon, delta)-differential privacy, for adding or removing one example.

A round is a Gaussian mechanism over a Poisson sample (Abadi et al., CCS 2016). Its noise is discrete and
shared out, which costs nothing that shows (docs/adr/0050; federated/grid.py sees to that). Without sampling
any number of rounds and jobs is one Gaussian mechanism, whose epsilon has a formula (Balle & Wang, ICML
2018). With sampling their losses are composed numerically (federated/loss.py), for an example that is added
and for one that is removed, and the larger epsilon counts.

All epsilons are upper bounds in micro, rounded up; all noise multipliers are multiples of 1e-6, rounded
up, because that is how the log carries them. Numbers of composition are for rounds that were fixed before the
first one ran: a whole job is (ADR 50).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from federated.normal import log_ndtr
from federated.spec import Mechanism, TrainingSpec
from protocol.committee import COMMITTEE_MAX, colluders_of
from protocol.errors import ConfigError, StateError
from protocol.limits import PPM

# An epsilon is asked for again and again: by the charge, the round's record, the card, a page.
_CACHE_ENTRIES: Final = 4_096
# Below, epsilon is in the thousands; above, noise drowns a sum over every person alive.
_NOISE_MICRO_MIN: Final = PPM // 100
_NOISE_MICRO_MAX: Final = 4_000 * PPM  # what the log's 32 bits hold
# Noise a thousandth above the least possible costs no accuracy that anybody can measure.
_NOISE_TOLERANCE: Final = 1_000
# Numerics hold down to here. Nobody's promise needs less: it is one in all grains of sand.
DELTA_MIN: Final = 1e-20
# What updates cost that are cut to the steps of a grid: federated.grid's SLACK_MAX, rounded up.
_GRID_MICRO: Final = 1
# What the logarithms in a formula can be wrong by, for each unit of their size.
_LOG_ERROR: Final = 1e-15
_STEPS: Final = 200


class Method(StrEnum):
    """How an epsilon was computed."""

    EXACT = "exact Gaussian"
    PLD = "PLD"


@dataclass(frozen=True, slots=True)
class Bound:
    """An upper bound of epsilon at the delta that was asked for."""

    epsilon_micro: int
    method: Method


def bound(mechanisms: Sequence[Mechanism], delta: float) -> Bound:
    """All of the mechanisms together, on the same data, in any order.

    Raises ConfigError for settings that no bound exists for.
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

    def cost(micro: int) -> int:
        return epsilon_micro(micro / PPM, sampling, rounds, delta)

    wanted = math.floor(epsilon * PPM) if epsilon > 0 else 0
    low = high = _NOISE_MICRO_MIN
    above = below = cost(high)
    while not below <= wanted:
        low, above, high = high, below, 4 * high
        if high > _NOISE_MICRO_MAX:
            raise ConfigError(
                f"no noise gives epsilon {epsilon:g} at delta {delta:g}",
                "allow a larger epsilon or delta, or fewer rounds",
            )
        below = cost(high)
    for turn in itertools.count():
        gap, tolerance = high - low, max(1, high // _NOISE_TOLERANCE)
        if gap <= tolerance:
            break
        # Epsilon is nearly a power of the noise: a line through the logarithms finds it in a few turns, and
        # where it is none, each third one halves.
        line = math.log(above / max(wanted, 1)) / math.log(above / below)
        part = 0.5 if turn % 3 == 2 else line
        guess = round(low * (high / low) ** part)
        inside = min(tolerance // 2 + 1, gap // 2)
        guess = min(max(guess, low + inside), high - inside)
        if (found := cost(guess)) <= wanted:
            high, below = guess, found
        else:
            low, above = guess, found
    return high / PPM


@lru_cache(_CACHE_ENTRIES)
def _bound(mechanisms: tuple[Mechanism, ...], delta: float) -> Bound:
    _require_sane(mechanisms, delta)
    if not mechanisms:
        return Bound(0, Method.EXACT)
    # A sample never costs more than everybody.
    exact = _gaussian_epsilon(mechanisms, delta)
    found = Bound(_micro(exact, mechanisms), Method.EXACT)
    if all(each.sampling == 1 for each in mechanisms):
        return found
    from federated.loss import OutOfRange  # with scipy, which takes long to load

    try:
        composed = _micro(_composed_epsilon(mechanisms, delta), mechanisms)
    except OutOfRange:
        return found
    return Bound(min(composed, found.epsilon_micro), Method.PLD)


def _require_sane(mechanisms: Sequence[Mechanism], delta: float) -> None:
    """Written so that NaN fails every comparison."""
    if not DELTA_MIN <= delta < 1:
        raise ConfigError(
            f"delta is {delta:g}", f"let it lie between {DELTA_MIN:g} and one; 1e-5 is usual"
        )
    for each in mechanisms:
        if not (0 < each.noise_multiplier < math.inf and 0 < each.sampling <= 1 <= each.rounds):
            raise ConfigError(
                f"noise {each.noise_multiplier:g}, sampling {each.sampling:g} over {each.rounds}"
                " rounds is no private mechanism",
                "noise and sampling are above zero, sampling at most one, rounds at least one",
            )


def _gaussian_epsilon(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """Of all of them without sampling: one Gaussian mechanism, since variances of the loss add up."""
    mu = math.sqrt(sum(each.rounds / each.noise_multiplier**2 for each in mechanisms))
    wanted = math.log(delta)

    def holds(epsilon: float) -> bool:
        first = log_ndtr(mu / 2 - epsilon / mu)
        second = epsilon + log_ndtr(-mu / 2 - epsilon / mu)
        doubt = _LOG_ERROR * (1 + epsilon - first)
        return first + math.log(-math.expm1(min(second - first, 0.0) - doubt)) <= wanted

    if holds(0.0):
        return 0.0
    low, high = 0.0, mu * mu / 2 + mu * math.sqrt(-2 * math.log(delta))  # by Chernoff
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _composed_epsilon(mechanisms: Sequence[Mechanism], delta: float) -> float:
    """By their losses. Raises OutOfRange."""
    from federated.loss import bin_width, epsilon_for, sampled_gaussian

    settings = [(each.noise_multiplier, each.sampling, each.rounds) for each in mechanisms]
    bin_ = bin_width(settings)
    losses = [(sampled_gaussian(noise, sampling, bin_), n) for noise, sampling, n in settings]
    epsilon = 0.0
    for way in (0, 1):  # an example removed, and one added
        epsilon = epsilon_for(delta, [(pair[way], n) for pair, n in losses], bin_, epsilon)
    return epsilon


def _micro(epsilon: float, mechanisms: Sequence[Mechanism]) -> int:
    """Rounded up, and for every round a millionth at least: none is for nothing."""
    if not math.isfinite(epsilon):
        raise ConfigError("these settings have no finite epsilon", "add noise or train less")
    return max(math.ceil(epsilon * PPM) + _GRID_MICRO, sum(each.rounds for each in mechanisms))


def _merged(mechanisms: Sequence[Mechanism]) -> tuple[Mechanism, ...]:
    """In one order, rounds of the same kind added up: faster to compose, and found in the cache."""
    rounds: Counter[tuple[float, float]] = Counter()
    for each in mechanisms:
        rounds[each.noise_multiplier, each.sampling] += each.rounds
    return tuple(Mechanism(*kind, rounds[kind]) for kind in sorted(rounds))


class Who(StrEnum):
    """Somebody who could learn something of an example."""

    PUBLIC = "public"  # sees the models of all rounds
    PARTNER = "partner"  # knows its own noise as well
    COORDINATOR = "coordinator"  # sees sums, and no more than the public
    COMMITTEE = "committee"  # the coordinator, with as many of the committee as may side with it
    BROKEN = "broken committee"  # the coordinator, with more of them: single updates are open to it


_NAMED: Final = {
    Who.PUBLIC: "everybody",
    Who.PARTNER: "another partner, who knows its own noise",
    Who.COORDINATOR: "the coordinator",
    Who.COMMITTEE: "the coordinator and a committee below its threshold, who know their own noise",
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a whole job may cost an example towards one of them. Epsilon is nothing without its delta."""

    who: Who
    bound: Bound
    delta: float

    @property
    def epsilon(self) -> float:
        """In one, not in micro."""
        return self.bound.epsilon_micro / PPM


def adversaries(spec: TrainingSpec) -> list[Exposure]:
    """Everybody who could learn from a job, and how much at most, from the public to the worst."""
    unknown = {
        Who.PUBLIC: 1.0,
        Who.PARTNER: _unknown(spec, 1),
        Who.COORDINATOR: 1.0,
        # Each member is a partner, who knows its own noise.
        Who.COMMITTEE: _unknown(spec, colluders_of(min(COMMITTEE_MAX, spec.partners))),
        Who.BROKEN: 1 / spec.noise_parties,
    }
    return [Exposure(who, _with_noise(spec, part), spec.delta) for who, part in unknown.items()]


def require_promise(spec: TrainingSpec) -> None:
    """Raises StateError when the job's noise does not keep the epsilon that the job states, towards anybody
    but a broken committee: what that could learn has a limit of its own."""
    for each in adversaries(spec):
        if each.who is not Who.BROKEN and each.bound.epsilon_micro > round(spec.epsilon * PPM):
            raise StateError(
                f"the job promises epsilon {spec.epsilon:g} and costs {each.epsilon:.3f} at delta"
                f" {spec.delta:g} towards {_NAMED[each.who]}",
                "do not join it; its operator has to open one with more noise or fewer rounds",
            )


def _unknown(spec: TrainingSpec, colluders: int) -> float:
    """What part of the promised variance so many partners in a sum do not know.

    Whose example it is adds its own noise in any case.
    """
    return min(1.0, max(spec.summed - colluders, 1) / spec.noise_parties)


def _with_noise(spec: TrainingSpec, part: float) -> Bound:
    """The whole job towards somebody for whom only a part of the noise's variance is unknown."""
    whole = spec.mechanism  # with the spare rounds, which cost as much
    unknown = replace(whole, noise_multiplier=whole.noise_multiplier * math.sqrt(part))
    return bound([unknown], spec.delta)
