"""Pairs to prefer: questions with one right answer, and four sources that answer them worse and worse.

What is better follows from the campaign's guidelines alone, so the true order of the sources is known.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations
from typing import Final

SOURCES: Final = ("handbook", "terse", "hedger", "guesser")
"""From the best to the worst."""

GUIDELINES: Final = (
    "A right answer is better than one that names two, and that is better than a wrong one. "
    "Of two right answers, the full sentence is better."
)

# question -> its answer; the others of the same group are wrong answers that sound as good.
_CAPITALS: Final = {
    "Peru": "Lima",
    "Kenya": "Nairobi",
    "Norway": "Oslo",
    "Cuba": "Havana",
    "Nepal": "Kathmandu",
    "Ghana": "Accra",
    "Chile": "Santiago",
    "Latvia": "Riga",
    "Jordan": "Amman",
    "Senegal": "Dakar",
}
_SYMBOLS: Final = {
    "iron": "Fe",
    "tin": "Sn",
    "gold": "Au",
    "lead": "Pb",
    "silver": "Ag",
    "sodium": "Na",
    "copper": "Cu",
    "potassium": "K",
    "tungsten": "W",
    "mercury": "Hg",
}
_GROUPS: Final = (("the capital of", _CAPITALS), ("the chemical symbol for", _SYMBOLS))


@dataclass(frozen=True, slots=True)
class PairItem:
    """Two answers to one question, who gave each, and which is better: "a" or "b"."""

    prompt: str
    answers: tuple[str, str]
    sources: tuple[str, str]
    better: str


def facts() -> dict[str, str]:
    """Every question with its answer: what a reviewer knows."""
    return {
        f"What is {relation} {thing}?": answer
        for relation, group in _GROUPS
        for thing, answer in group.items()
    }


def make_pairs(count: int, seed: int) -> list[PairItem]:
    """`count` pairs, no two the same, either way round."""
    chosen = random.Random(seed)  # noqa: S311
    possible = [
        (relation, thing, pair)
        for relation, group in _GROUPS
        for thing in group
        for pair in combinations(range(len(SOURCES)), 2)
    ]
    return [_pair(*each, chosen) for each in chosen.sample(possible, count)]


def _pair(relation: str, thing: str, ranks: tuple[int, int], chosen: random.Random) -> PairItem:
    group = dict(_GROUPS)[relation]
    order = ranks if chosen.random() < 0.5 else ranks[::-1]
    wrong = chosen.choice([each for other, each in group.items() if other != thing])
    said = [_answer(SOURCES[rank], relation, thing, group[thing], wrong) for rank in order]
    return PairItem(
        f"What is {relation} {thing}?",
        (said[0], said[1]),
        (SOURCES[order[0]], SOURCES[order[1]]),
        "a" if order[0] < order[1] else "b",
    )


def _answer(source: str, relation: str, thing: str, right: str, wrong: str) -> str:
    match source:
        case "handbook":
            return f"{right} is {relation} {thing}."
        case "terse":
            return f"{right}."
        case "hedger":
            return f"Either {right} or {wrong} is {relation} {thing}."
        case _:
            return f"{wrong} is {relation} {thing}."
