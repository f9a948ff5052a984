"""The rules of protocol/ that tools/mutants.py takes away, by room, each with the tests that should notice.

A change is one piece of text for another; the text stands once in its file. Whoever moves a rule moves its
line here, and whoever adds one adds what it would be without it.
"""

from __future__ import annotations

from typing import Final

from rules_lost import chain, coin, copies, money, moving, people, review, rounds, terms, training
from rules_lost.mutant import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (
    *review.MUTANTS,
    *copies.MUTANTS,
    *coin.MUTANTS,
    *rounds.MUTANTS,
    *money.MUTANTS,
    *chain.MUTANTS,
    *terms.MUTANTS,
    *people.MUTANTS,
    *moving.MUTANTS,
    *training.MUTANTS,
)
