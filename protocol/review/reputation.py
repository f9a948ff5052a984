"""Reputation: a decaying Beta belief for each person, role and campaign, in integers.

Evidence is counted in millionths; right and wrong start from a flat Beta(1, 1) prior (Josang & Ismail,
"The Beta Reputation System", 2002). Draw weights use the lower end of its interval, computed with
integers alone, so that every replay draws the same reviewers. Stake does not enter.
"""

from __future__ import annotations

from itertools import pairwise
from math import isqrt
from typing import Final

from protocol.identity import PersonId
from protocol.limits import PPM
from protocol.rows import Belief
from protocol.state import State
from protocol.tables import Table

PRIOR_MICRO: Final = PPM  # one pseudo-observation on each side

# One standard deviation below the mean: with no evidence this gives 0.21, and 0.86 after 50 right of 50.
_DEVIATIONS: Final = 1


def mean_ppm(belief: Belief) -> int:
    """The mean of the belief, in ppm."""
    right = belief.right_micro + PRIOR_MICRO
    return right * PPM // (right + belief.wrong_micro + PRIOR_MICRO)


def deviation_ppm(belief: Belief) -> int:
    """The standard deviation of Beta(a, b) in ppm: sqrt(m (1 - m) / (a + b + 1)), rounded down."""
    mean = mean_ppm(belief)
    total_micro = belief.right_micro + belief.wrong_micro + 2 * PRIOR_MICRO
    return isqrt(mean * (PPM - mean) * PPM // (total_micro + PPM))


def interval_ppm(belief: Belief) -> tuple[int, int]:
    """The interval mean +- one deviation, within [0, 10^6] ppm."""
    mean, spread = mean_ppm(belief), _DEVIATIONS * deviation_ppm(belief)
    return max(0, mean - spread), min(PPM, mean + spread)


NEWCOMER_PPM: Final = interval_ppm(Belief())[0]


def draw_weight(belief: Belief | None) -> int:
    """The weight of a reviewer in a draw, in ppm.

    Nobody weighs less than a newcomer: a bad name is then never worth shedding for a new one.
    """
    return NEWCOMER_PPM if belief is None else max(NEWCOMER_PPM, interval_ppm(belief)[0])


def faded(belief: Belief, epoch: int, decay: Table[int, int]) -> Belief:
    """The belief as of an epoch: old evidence fades at each close, by what that epoch's policy keeps.

    `decay` maps epochs to what each close from that one on kept, in ppm. Nobody walks over all beliefs at a
    close: each is brought up to date when it is asked for.
    """
    right, wrong = belief.right_micro, belief.wrong_micro
    changes = [*decay.scan(), (epoch, PPM)]
    for (since, kept_ppm), (until, _) in pairwise(changes):
        if kept_ppm == PPM:
            continue
        for _ in range(max(since, belief.epoch), until):
            if not (right or wrong):
                break
            right, wrong = right * kept_ppm // PPM, wrong * kept_ppm // PPM
    return Belief(right, wrong, epoch)


def keep_evidence(state: State) -> None:
    """The present epoch's close lets old evidence fade as its policy says."""
    kept_ppm = state.policy.reputation_decay_ppm
    last = [kept for _, kept in state.decay.scan()][-1:]
    if last != [kept_ppm]:
        state.decay.put(state.epoch, kept_ppm)


def observed(belief: Belief, right_ppm: int) -> Belief:
    """The belief after one more observation, that was right to so many ppm."""
    return Belief(
        belief.right_micro + right_ppm, belief.wrong_micro + PPM - right_ppm, belief.epoch
    )


def belief_of(state: State, person: PersonId, role: int, campaign_id: str) -> Belief | None:
    """What is believed of somebody's work now; None without any evidence yet."""
    belief = state.beliefs.get((person, role, campaign_id))
    return None if belief is None else faded(belief, state.epoch, state.decay)


def observe(state: State, person: PersonId, role: int, campaign_id: str, right_ppm: int) -> None:
    """Counts one more observation, that was right to so many ppm."""
    known = belief_of(state, person, role, campaign_id) or Belief(epoch=state.epoch)
    state.beliefs.put((person, role, campaign_id), observed(known, right_ppm))
