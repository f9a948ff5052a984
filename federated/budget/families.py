"""Data that shares examples shares a budget: which data this is, and which limit it has.

One picture or text that is the same joins two sets of data. What is only near, what occurs twice in its own
set or holds too little to name anybody, and lines of a table, join them where they are one in twenty of
either: a few of ten thousand digits look like others' by chance. Lines of a table are compared by sketches,
of a few columns each: one of either table has to hold so many of the same.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from federated.budget.examples import NOT_TOLD, Examples, Rows, Sketch, are_near
from federated.budget.file import BudgetFile
from federated.budget.terms import ALONE_TIMES, Held, Limit, default_delta
from protocol.errors import StateError
from protocol.limits import PPM, SALT_BYTES

NEAR_SHARE: Final = 0.05
# Fewer lines than these meet by luck, so many sketches are compared. All of a shorter table.
_LINES_MIN: Final = 8

_KNOWN: Final = "SELECT family FROM data WHERE commitment = ? AND family IS NOT NULL"


class Families(BudgetFile):
    """The tables of what there is to protect. Methods with an underscore run within a transaction."""

    def salt(self, digest: bytes) -> bytes:
        """The salt of the data with this digest: made once, so that the same data keeps its name."""
        with self._transaction():
            self._run(
                "INSERT OR IGNORE INTO salts VALUES (?, ?)", digest, secrets.token_bytes(SALT_BYTES)
            )
            return bytes(self._run("SELECT salt FROM salts WHERE digest = ?", digest)[0][0])

    def knows(self, commitment: bytes) -> bool:
        """Whether this very data was here before: then its examples need no names again."""
        with self._transaction(keep=False):
            return bool(self._run(_KNOWN, commitment))

    def _take(self, commitment: bytes, examples: Sequence[Examples | Rows], limit: Limit) -> int:
        """The family of this data, which joins those that it shares examples with, under a limit that is
        no higher than theirs. Raises StateError where it would be."""
        families = self._related(commitment, examples)
        count = max(map(len, examples), default=0)
        held = self._lowered([self._limit(family) for family in families], limit, count)
        if families:
            family = families[0]
            self._set_limit(family, held)
        else:
            family = self._new_family(held)
        for other in families[1:]:
            self._run("UPDATE data SET family = ? WHERE family = ?", family, other)
            self._run("DELETE FROM families WHERE id = ?", other)
        if not self._run(_KNOWN, commitment):
            self._run(
                "INSERT INTO data VALUES (?, ?, ?) ON CONFLICT (commitment)"
                " DO UPDATE SET family = excluded.family, examples = excluded.examples",
                *(commitment, family, count),
            )
            for each in examples:
                if isinstance(each, Rows):
                    self._remember_rows(commitment, each)
                else:
                    self._remember(commitment, each)
        return family

    def _remember(self, commitment: bytes, examples: Examples) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO examples VALUES (?, ?, ?)",
            sorted(
                (example, commitment, count > 1)
                for example, count in Counter(examples.exact).items()
            ),
        )
        self._connection.executemany(
            "INSERT OR IGNORE INTO likeness VALUES (?, ?, ?, ?)",
            # In order, so that the tree is filled from one side: of 10^5 examples in seconds.
            sorted(
                (key, examples.kind, commitment, signature)
                for keys, signature in zip(examples.keys, examples.signatures, strict=True)
                for key in keys
                if key
            ),
        )

    def _remember_rows(self, commitment: bytes, rows: Rows) -> None:
        keys: list[tuple[int, int]] = []
        for sketch in rows.sketches:
            number = self._run(
                "INSERT INTO sketches (commitment, count, last) VALUES (?, ?, ?) RETURNING id",
                *(commitment, len(sketch.keys), sketch.last),
            )[0][0]
            keys.extend((key, number) for key in sketch.keys)
        self._connection.executemany("INSERT INTO rows VALUES (?, ?)", sorted(keys))

    def _related(self, commitment: bytes, examples: Sequence[Examples | Rows]) -> list[int]:
        """Families that the data belongs to, or shares examples with; the oldest first."""
        known = self._run(_KNOWN, commitment)
        if known:  # whatever came after it has joined it then
            return [int(known[0][0])]
        others = set().union(
            *(
                self._sharing_rows(each) if isinstance(each, Rows) else self._resembling(each)
                for each in examples
            )
        )
        families = {
            self._run("SELECT family FROM data WHERE commitment = ?", each)[0][0] for each in others
        }
        return sorted(families)

    def _resembling(self, examples: Examples) -> set[bytes]:
        """Data that some of these examples make the same as theirs."""
        found, certain = self._near(examples), set()
        repeats = Counter(examples.exact)
        rows = self._matches(
            ((example, at) for at, example in enumerate(examples.exact)),
            "SELECT place, commitment, is_repeated FROM asked JOIN examples ON example = what",
        )
        for at, commitment, is_repeated in rows:
            is_telling = not is_repeated and repeats[examples.exact[at]] == 1
            found[commitment].add(at)
            if is_telling and examples.keys[at] != NOT_TOLD:
                certain.add(commitment)
        return certain | {
            each for each, places in found.items() if self._is_part(each, len(places), examples)
        }

    def _sharing_rows(self, rows: Rows) -> set[bytes]:
        """Data with a sketch that enough keys of one of these are in."""
        found = self._matches(
            ((key, at) for at, each in enumerate(rows.sketches) for key in each.keys),
            "SELECT place, commitment, met, count, last FROM (SELECT place, sketch, count(*) AS met"
            " FROM asked JOIN rows ON key = what GROUP BY place, sketch) JOIN sketches ON id = sketch",
        )
        return {
            commitment
            for at, commitment, met, count, last in found
            if are_one(rows.sketches[at], count, last, met)
        }

    def _near(self, examples: Examples) -> defaultdict[bytes, set[int]]:
        """For other data the places of examples that are near to one of its own."""
        found: defaultdict[bytes, set[int]] = defaultdict(set)
        rows = self._matches(
            ((key, at) for at, keys in enumerate(examples.keys) for key in keys if key),
            "SELECT place, commitment, signature FROM asked JOIN likeness ON key = what AND kind = ?",
            examples.kind,
        )
        for at, commitment, signature in rows:
            if are_near(examples.kind, examples.signatures[at], signature):
                found[commitment].add(at)
        return found

    def _matches(
        self, asked: Iterable[tuple[bytes | int, int]], sql: str, *arguments: object
    ) -> Iterator[tuple[Any, ...]]:
        """What a query finds of many names, each with its place: one query, not one for each."""
        self._run("CREATE TEMP TABLE asked (what, place)")
        self._connection.executemany("INSERT INTO asked VALUES (?, ?)", sorted(asked))
        yield from self._connection.execute(sql, arguments)
        self._run("DROP TABLE asked")

    def _is_part(self, commitment: bytes, count: int, examples: Examples) -> bool:
        size = self._run("SELECT examples FROM data WHERE commitment = ?", commitment)[0][0]
        return bool(count >= NEAR_SHARE * min(len(examples), size))

    def _lowered(self, present: list[Held], wanted: Limit, examples: int) -> Held:
        """The limit that is asked for, where it raises none of the present ones."""
        least = [min(each.of_all[at] for each in present) for at in range(3)] if present else []
        epsilon = wanted.epsilon_micro
        alone = wanted.alone_micro or (least[1] if least else ALONE_TIMES * epsilon)
        delta = wanted.delta or (least[2] if least else default_delta(examples))
        for each in present:
            if epsilon > each.epsilon_micro or alone > each.alone_micro or delta > each.delta:
                raise StateError(
                    "this data, or a part of it, is limited to epsilon"
                    f" {each.epsilon_micro / PPM:g} towards everybody and"
                    f" {each.alone_micro / PPM:g} towards whoever sees an update alone, at delta"
                    f" {each.delta:g} already",
                    "keep to that limit; `commonhold federated raise-limit` allows more, if you mean to",
                )
        return Held(epsilon, int(alone), float(delta))

    def _new_family(self, held: Held) -> int:
        rows = self._run(
            "INSERT INTO families (epsilon_micro, alone_micro, delta) VALUES (?, ?, ?) RETURNING id",
            *held.of_all,
        )
        return int(rows[0][0])

    def _set_limit(self, family: int, held: Held) -> None:
        self._run(
            "UPDATE families SET epsilon_micro = ?, alone_micro = ?, delta = ? WHERE id = ?",
            *(*held.of_all, family),
        )

    def _limit(self, family: int) -> Held:
        row = self._run(
            "SELECT epsilon_micro, alone_micro, delta FROM families WHERE id = ?", family
        )[0]
        return Held(int(row[0]), int(row[1]), float(row[2]))

    def _family(self, commitment: bytes) -> int:
        rows = self._run(_KNOWN, commitment)
        if not rows:
            raise StateError(
                "this machine knows no such data",
                "`commonhold federated budget` lists what it knows",
            )
        return int(rows[0][0])


def are_one(sketch: Sketch, count: int, last: int, met: int) -> bool:
    """Whether a sketch and another one, of so many keys up to a last one, are of the same lines, where so
    many keys are in both."""
    # Keys of the shorter table that both would have kept.
    size = min(len(sketch.keys) / sketch.last, count / last) * min(sketch.last, last)
    return met >= max(NEAR_SHARE * size, min(_LINES_MIN, size))
