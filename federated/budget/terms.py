"""What is asked of a budget, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf, sqrt
from typing import Final

from federated.spec import Mechanism, TrainingSpec
from protocol.errors import ConfigError
from protocol.limits import PPM

Accountant = Callable[[Sequence[Mechanism], float], int]
"""Epsilon of all mechanisms together at a delta, in micro (federated.privacy)."""

DELTA_MAX: Final = 1e-5  # an owner's, where none is named
# A delta of one example in n would allow to publish one of them outright; a tenth of that is the custom.
_DELTA_TIMES_EXAMPLES_MAX: Final = 0.1
# Whoever sees one partner's share alone is not meant to exist. What it could learn may cost this many times
# as much, unless the owner says otherwise: up to 16 partners who share the noise of epsilon 3.
ALONE_TIMES: Final = 4


class Towards(StrEnum):
    """Whom an epsilon holds against."""

    EVERYBODY = (
        "everybody"  # who sees the models of all rounds, the coordinator with its sums among them
    )
    ALONE = "alone"  # who gets to see one partner's update by itself


@dataclass(frozen=True, slots=True)
class Release:
    """One round's mechanism. Noises are standard deviations in multiples of the clipping bound."""

    sampling: float
    noise: float  # in what everybody sees
    alone: float  # that one partner adds by itself

    def __post_init__(self) -> None:
        """Raises ConfigError for what hides nothing. Written so that NaN fails."""
        if not (0 < self.sampling <= 1 and 0 < self.noise < inf and 0 < self.alone < inf):
            raise ConfigError(
                f"noise {self.noise:g} and {self.alone:g} at sampling {self.sampling:g} is no private"
                " mechanism",
                "noise and sampling are above zero, sampling at most one",
            )

    def towards(self, whom: Towards, rounds: int) -> Mechanism:
        """So many such rounds, as an accountant takes them."""
        noise = self.noise if whom is Towards.EVERYBODY else self.alone
        return Mechanism(noise, self.sampling, rounds)


def release_of(spec: TrainingSpec) -> Release:
    """A round of a job."""
    alone = spec.noise_multiplier / sqrt(spec.noise_parties)
    return Release(spec.sampling, spec.noise_multiplier, alone)


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that data may ever cost, over all jobs. None: as it is now, or else the default."""

    epsilon_micro: int  # towards everybody
    alone_micro: int | None = None  # towards whoever sees an update alone
    delta: float | None = None  # the largest that a job may state

    def __post_init__(self) -> None:
        """Raises ConfigError for what is no limit. Written so that NaN fails."""
        alone, delta = self.alone_micro, self.delta
        if not (self.epsilon_micro > 0 and (alone is None or alone > 0)):
            raise ConfigError(
                "a limit of epsilon is above zero",
                "give a number above 0: a job seldom asks for more than 10",
            )
        if not (delta is None or 0 < delta < 1):
            raise ConfigError(
                f"a limit of delta {delta:g} means nothing", "let it lie between zero and one"
            )


@dataclass(frozen=True, slots=True)
class Held:
    """The limit of a family of data."""

    epsilon_micro: int
    alone_micro: int
    delta: float

    def of(self, whom: Towards) -> int:
        """In micro."""
        return self.epsilon_micro if whom is Towards.EVERYBODY else self.alone_micro

    @property
    def of_all(self) -> tuple[int, int, float]:
        """As they are stored."""
        return self.epsilon_micro, self.alone_micro, self.delta


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that wants to spend."""

    job_id: str
    release: Release
    rounds: int  # that are to come, the one that runs now included
    first: int  # number of the round that runs now
    delta: float  # that the job states its epsilon at


@dataclass(frozen=True, slots=True)
class Spent:
    """Epsilons of data towards one adversary, in micro, at the limit's delta."""

    spent: int
    reserved: int  # what all jobs that are reserved would bring it to, the present one included
    limit: int

    @property
    def left(self) -> int:
        """What no job has reserved yet. Epsilons do not add up exactly; this is the difference."""
        return max(0, self.limit - self.reserved)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where data stands."""

    everybody: Spent
    alone: Spent
    delta: float
    related: int  # other sets of data that share its budget
    unknown: int  # rounds of data that this machine does not recognise, counted in


def default_delta(examples: int) -> float:
    """The least of 1e-5 and a tenth of an example."""
    return min(DELTA_MAX, _DELTA_TIMES_EXAMPLES_MAX / max(1, examples))


def micro(epsilon: float) -> int:
    """An epsilon as it is stored."""
    return round(epsilon * PPM)
