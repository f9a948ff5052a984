"""How far people agree, how many kinds there are, how much shares have moved. Pure arithmetic on counts.

Agreement is told from coincidences: all ordered pairs of values that different people gave to the same unit,
weighted so that a unit with m values counts m times (K. Krippendorff, Computing Krippendorff's
Alpha-Reliability, 2011). They add up, so that years of answers take as much memory as a day's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Pair = tuple[int, int]
Distance = Callable[[int, int], float]
"""How far apart two values are, squared; 0 for the same."""

# Below it nobody should build on the answers; from the next one on conclusions are sound (Krippendorff,
# Content Analysis, 4th ed., 2019, section 12.6).
ALPHA_TENTATIVE: Final = 0.667
ALPHA_SOUND: Final = 0.8


@dataclass(slots=True)
class Coincidences:
    """Pairs of values with their weights; a value is a whole number. Units with one value say nothing."""

    pairs: defaultdict[Pair, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, values: Sequence[int]) -> None:
        """The values that one unit was given, each by somebody else."""
        if len(values) < 2:
            return
        counts = Counter(values)
        weight = 1 / (len(values) - 1)
        for a, of_a in counts.items():
            for b, of_b in counts.items():
                self.pairs[a, b] += weight * (of_a * (of_b - 1) if a == b else of_a * of_b)

    def update(self, other: Coincidences) -> None:
        """Takes another's in."""
        for pair, weight in other.pairs.items():
            self.pairs[pair] += weight

    def margins(self) -> dict[int, float]:
        """How many values of each there are that can be paired."""
        found: defaultdict[int, float] = defaultdict(float)
        for (a, _), weight in self.pairs.items():
            found[a] += weight
        return {value: weight for value, weight in sorted(found.items()) if weight}

    def about(self, value: int) -> Coincidences:
        """The same, told apart only by whether it is this value: 1 or 0."""
        found = Coincidences()
        for (a, b), weight in self.pairs.items():
            found.pairs[int(a == value), int(b == value)] += weight
        return found


def agreement(found: Coincidences) -> float | None:
    """The share of pairs whose values are the same, from 0 to 1; None where there are no pairs."""
    whole = sum(found.pairs.values())
    same = sum(weight for (a, b), weight in found.pairs.items() if a == b)
    return same / whole if whole else None


def alpha(found: Coincidences, *, ordered: bool = False) -> float | None:
    """Krippendorff's alpha: 1 is perfect agreement, 0 what chance alone would give, below it is worse.

    With `ordered` values stand on a scale, and far apart disagrees more (his ordinal metric). None where
    chance could not disagree: fewer than two values were ever given.
    """
    margins = found.margins()
    distance = _ordinal(margins) if ordered else _nominal
    observed = sum(weight * distance(a, b) for (a, b), weight in found.pairs.items())
    expected = sum(
        of_a * of_b * distance(a, b) for a, of_a in margins.items() for b, of_b in margins.items()
    )
    if not expected:
        return None
    return 1 - (sum(margins.values()) - 1) * observed / expected


def _nominal(a: int, b: int) -> float:
    return float(a != b)


def _ordinal(margins: Mapping[int, float]) -> Distance:
    values = sorted(margins)

    def distance(a: int, b: int) -> float:
        low, high = min(a, b), max(a, b)
        between = sum(margins[value] for value in values if low <= value <= high)
        return (between - (margins[low] + margins[high]) / 2) ** 2

    return distance


def effective_number(counts: Iterable[int]) -> float:
    """As how many equally frequent ones they are: the inverse of Simpson's index, the chance that two drawn
    at random are of one kind (M. O. Hill, Diversity and Evenness, Ecology 54, 1973: order 2). 0 of none."""
    known = [count for count in counts if count]
    whole = sum(known)
    return whole**2 / sum(count**2 for count in known) if known else 0.0


def moved(before: Sequence[int], after: Sequence[int]) -> float | None:
    """How much of the whole changed its place between two counts of the same classes: total variation
    distance, from 0, the same shares, to 1, none in common. None where one of them is empty."""
    all_before, all_after = sum(before), sum(after)
    if not all_before or not all_after:
        return None
    pairs = zip(before, after, strict=True)
    return sum(abs(a / all_before - b / all_after) for a, b in pairs) / 2


def median(values: Iterable[int]) -> int | None:
    """The middle one, the lower of two; None of none."""
    known = sorted(values)
    return known[(len(known) - 1) // 2] if known else None
