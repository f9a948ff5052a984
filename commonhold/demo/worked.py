"""Worked examples to judge: small problems, and solutions some of which are wrong in known ways."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

GUIDELINES: Final = "Judge each criterion by itself, whatever you think of the others."
# As the spec of a `judge` campaign has them: two that must hold surely, and one of taste.
CRITERIA: Final = (
    {"name": "sound", "text": "Every line of the working is true.", "needs_ppm": 900_000},
    {
        "name": "answered",
        "text": "The last line gives the number that was asked for.",
        "needs_ppm": 900_000,
    },
    {"name": "shown", "text": "The steps are there, not only the result.", "needs_ppm": 700_000},
)

# What is wrong with a solution -> whether it is sound, answered, shown; and how many of 20 are so.
FLAWS: Final = {
    "none": ((True, True, True), 11),
    "slip": ((False, False, True), 4),  # a product is wrong, and so is what follows from it
    "misread": ((True, False, True), 3),  # all lines are true, and of another problem
    "bare": ((True, True, False), 2),
}
_STORIES: Final = (
    "{} crates hold {} melons each, and {} melons are loose. How many melons are there?",
    "{} rows have {} chairs each, and {} chairs stand aside. How many chairs are there?",
    "{} books cost {} crowns each, and a map costs {} crowns. How many crowns is it all?",
    "{} shifts take {} minutes each, and the way takes {} minutes. How many minutes is it all?",
)


@dataclass(frozen=True, slots=True)
class Worked:
    """A problem, a solution, and whether that meets each criterion."""

    task: str
    solution: str
    meets: tuple[bool, ...]

    @property
    def words(self) -> str:
        """The true answer, as a reviewer would write it."""
        return ", ".join("yes" if each else "no" for each in self.meets)


def make_worked(count: int, seed: int) -> list[Worked]:
    """`count` solutions of different problems."""
    chosen = random.Random(seed)  # noqa: S311
    shares = [flaw for flaw, (_, share) in FLAWS.items() for _ in range(share)]
    flaws = [shares[i % len(shares)] for i in range(count)]
    chosen.shuffle(flaws)
    numbers = chosen.sample([(n, m) for n in range(3, 20) for m in range(11, 60)], count)
    return [_work(chosen, n, m, flaw) for (n, m), flaw in zip(numbers, flaws, strict=True)]


def _work(chosen: random.Random, times: int, each: int, flaw: str) -> Worked:
    more = chosen.randrange(5, 90)
    task = chosen.choice(_STORIES).format(times, each, more)
    if flaw == "misread":
        times, each = times + chosen.choice((-1, 1)), each + chosen.choice((-2, 2))
    product = times * each + (chosen.choice((-10, 10, 1)) if flaw == "slip" else 0)
    steps = [f"{times} x {each} = {product}", f"{product} + {more} = {product + more}"]
    lines = ([] if flaw == "bare" else steps) + [f"Answer: {product + more}"]
    return Worked(task, "\n".join(lines) + "\n", FLAWS[flaw][0])
