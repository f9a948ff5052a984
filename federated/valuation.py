"""What each partner's part of a model was worth, from sums in which nobody is alone.

In every round partners are drawn into cohorts afresh, and the sum of each cohort is known
(protocol.cohorts). Its usefulness is how far it points downhill on public examples: that is linear, so a
cohort's is the sum of its partners', and over rounds least squares tell them apart. The noise in a cohort's
sum has a known deviation in any direction, so estimates come with an error.

What is measured is the push towards public examples. A partner whose cases are rare there is worth less by
this measure than to those who need its cases; one whose examples everybody has is worth the more, the more
it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.jobs import CohortSum
from protocol.limits import PPM
from protocol.money.pools import split

# So much of what a helpful partner adds on average has a harmful one to undo: whose examples are rare among
# the public ones may push a little the other way, and is no attacker.
HARMFUL_PART: Final = 0.25
# And that far beyond chance: an estimate is so many errors too low for one of 1,000 partners.
HARMFUL_ERRORS: Final = 3.0
# Two computers solve the same equations to so many parts per million, rounding included.
TOLERANCE_PPM: Final = 2


@dataclass(frozen=True, slots=True)
class Worth:
    """Of one partner in a round, on average: an estimate, and its standard error."""

    value: float
    error: float


def usefulness_micro(total: NDArray[np.float64], downhill: NDArray[np.float64]) -> int:
    """How far a sum points downhill, in millionths: its part along the (negative) public gradient.

    Both are (parameters,), and of the same sign. Raises Reject for sums that are not finite; zero where
    there is no downhill.
    """
    if total.shape != downhill.shape or not np.isfinite(total).all():
        raise Reject(f"a cohort's sum is not {downhill.size} finite values")
    length = float(np.linalg.norm(downhill))
    return round(float(total @ downhill) / length * PPM) if length else 0


def estimate(
    measured: Sequence[CohortSum], partners: Sequence[PersonId], deviation: float
) -> dict[PersonId, Worth] | None:
    """Each partner's usefulness in a round; None while the cohorts so far do not tell all of them apart.

    `deviation` is that of the noise in a cohort's sum, in each value, and so along any direction. Where sums
    scatter more than by noise (a partner's worth changes as the model learns), the errors grow with it.
    """
    index = {partner: number for number, partner in enumerate(partners)}
    members = np.zeros((len(measured), len(partners)))
    for row, each in zip(members, measured, strict=True):
        row[[index[partner] for partner in each.partners]] = 1.0
    if not len(measured) or np.linalg.matrix_rank(members) < len(partners):
        return None
    seen = np.array([each.usefulness_micro / PPM for each in measured])
    inverse = np.linalg.inv(members.T @ members)
    values = inverse @ (members.T @ seen)
    free = len(measured) - len(partners)
    scatter = float(((seen - members @ values) ** 2).sum()) / free if free else 0.0
    errors = np.sqrt(max(scatter, deviation**2) * np.diag(inverse))
    return {
        partner: Worth(float(value), float(error))
        for partner, value, error in zip(partners, values, errors, strict=True)
    }


def harmful(worth: Mapping[PersonId, Worth]) -> set[PersonId]:
    """Whose updates pushed the wrong way, by more than chance and rare examples explain."""
    helpful = [its.value for its in worth.values() if its.value > 0]
    tolerated = HARMFUL_PART * sum(helpful) / len(helpful) if helpful else 0.0
    return {
        who for who, its in worth.items() if its.value + HARMFUL_ERRORS * its.error < -tolerated
    }


def shares_ppm(worth: Mapping[PersonId, Worth] | None, partners: Sequence[PersonId]) -> list[int]:
    """Each partner's share in parts per million, PPM together; alike while nothing is known.

    Who is worth less than nothing has no share, and owes none.
    """
    if worth is None:
        return split(PPM, [1] * len(partners))
    weights = [max(0, round(worth[partner].value * PPM)) for partner in partners]
    return split(PPM, weights if any(weights) else [1] * len(partners))
