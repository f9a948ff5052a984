"""Which rows of a table are the same rows: what of them stays when a table is written down again.

A column may be added, dropped, renamed, moved, translated, or told in other units; rows may be left out. So
rows are compared by the values of a few columns at a time, nameless and without order:

1. A value is folded: a number is its first three digits, wherever the point is; anything else its letters.
2. Columns are put in order by how much they tell (Shannon's entropy of the folded values). What is the same
   in all rows tells nothing. What numbers the rows tells nothing either: others' rows have numbers, too.
3. Sets of the columns that tell most are chosen, each large enough for a table of this length, none much
   larger. A row's key in a set is a hash of its values there; rows whose values are too common have none.
4. A set tells rows from others' if its keys tell them from one another: as many as agree by chance within the
   table would agree with another table of other people. Sets in which more do are left out.

Two tables are the same data where keys of one set of each agree in one row of twenty (families.NEAR_SHARE).
Of each set the same sample of all possible keys is kept, so that a long table costs no more than a short one.
A table that tells nothing, three answers of a thousand people, is known as a whole, and not by its rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations, islice
from math import isfinite, log2, sqrt
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from federated.budget.examples import KEY_LAST, Rows, Sketch
from protocol.review import texts

_TAG: Final = b"commonhold/v1/example/value\0"
# Digits of a number that other programs keep: float32 has seven, people write three.
_DIGITS: Final = 3
# Of rows that may agree with others' by chance: a tenth of what makes two tables one, so that it is not
# reached by luck, whichever sets of columns are compared.
_CHANCE: Final = 1 / 256
# A table of up to so many times the rows (2^4) finds one of our sets among its own.
_SPARE_BITS: Final = 4.0
# Values are nameless, so that those of columns that are alike may change places.
_MORE_BITS: Final = (0, 4, 8)
_COLUMNS_MAX: Final = 14  # that sets are made of
_SETS_MAX: Final = 256
_KEYS_MAX: Final = 1 << 18  # of a table: 5 MB in budget.db
# Different rows of a table that is known as a whole, and different numbers of times that they occur: with
# fewer the same table comes about again.
_DIFFERENT_MIN: Final = 16
_TIMES_MIN: Final = 3
# Fewer different places than these are as even by chance as those of a numbering.
_PLACES_MIN: Final = 30
_PARTS: Final = 1e6  # of a unit, in which places are told apart

Hashes = NDArray[np.uint64]
"""(n,) of one column, or summed over several: a sum has no order."""


Bits = NDArray[np.float32]
"""(n,) of one column, or summed over several."""


class _Column(NamedTuple):
    bits: float  # that a value tells
    tie: int  # the same in any order of rows and columns
    hashes: Hashes
    tells: Bits  # what the value of each row does: the rarer, the more

    def at(self, places: NDArray[np.intp]) -> Self:
        """Some of the rows."""
        return self._replace(hashes=self.hashes[places], tells=self.tells[places])


def of_rows(columns: Mapping[str, Sequence[str]]) -> Rows:
    """Of a table's columns, as text. Their names and order are not compared, nor is the order of rows."""
    count = len(next(iter(columns.values()), ()))
    whole, best = np.zeros(count, np.uint64), list[_Column]()
    telling = np.zeros(count, np.float32)
    for column in map(_column, columns.values()):
        if column.bits:
            whole += column.hashes
            telling += column.tells
            best = _with(best, column)
    if not best:
        return Rows(count, ())
    kept = _but_copies(whole, best[0])
    one_each = [column.at(kept) for column in best]
    sets = list(_sets([column.bits for column in best], len(kept)))
    last = min(KEY_LAST, KEY_LAST * _KEYS_MAX // ((len(sets) + 1) * len(kept)))
    sketches = [_sketch(whole[kept], telling[kept], last)]
    for each in sets:
        hashes = np.stack([one_each[at].hashes for at in each]).sum(axis=0, dtype=np.uint64)
        tells = np.stack([one_each[at].tells for at in each]).sum(axis=0)
        sketches.append(_sketch(hashes, tells, last))
    return Rows(count, (*filter(None, sketches), *_as_a_whole(whole)))


def _column(values: Sequence[str]) -> _Column:
    """What a column tells, and its values' hashes."""
    different = dict.fromkeys(values)
    folded = {each: _value(each) for each in different}
    hashes_of = {each: _hash(each) for each in set(folded.values())}
    hashes = np.array([hashes_of[folded[each]] for each in values], np.uint64)
    _, of, times = np.unique(hashes, return_inverse=True, return_counts=True)
    tells = np.log2(len(values) / times).astype(np.float32)[of]
    bits = 0.0 if len(times) < 2 or _is_numbering(values) else float(tells.mean())
    return _Column(bits, int(hashes.sum(dtype=np.uint64)), hashes, tells)


def _value(text: str) -> str:
    """The first digits of a number, which other units of ten leave; anything else folded."""
    try:
        number = float(text)
    except ValueError:
        return texts.fold(text)
    return f"{number + 0.0:.{_DIGITS - 1}e}".partition("e")[0]  # there is a -0.0


def _hash(value: str) -> int:
    digest = hashlib.sha256(_TAG + value.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big")


def _with(best: list[_Column], column: _Column) -> list[_Column]:
    """The columns that tell most, those that tell the same as another left out."""
    if any(column[:2] == each[:2] and np.array_equal(column.hashes, each.hashes) for each in best):
        return best
    return sorted([*best, column], key=lambda each: (-each.bits, each.tie))[:_COLUMNS_MAX]


def _is_numbering(values: Sequence[str]) -> bool:
    """Whether numbers, dates or codes are used up one by one, as no measurement is: each place between the
    quarters of them as often as any other, more evenly than chance would have it."""
    places = np.array([_place(each) for each in values])
    if not np.isfinite(places).all():
        return False
    places = np.sort(places)[len(places) // 4 : len(places) - len(places) // 4]
    scale = _PARTS if np.abs(places).max() * _PARTS < KEY_LAST else 1.0
    whole = np.rint((places - places[0]) * scale).astype(np.int64)
    step = int(np.gcd.reduce(whole))
    different = int(whole[-1]) // step + 1 if step else 1
    if different < _PLACES_MIN:
        return False
    times = np.unique(whole, return_counts=True)[1]
    # The index of dispersion: 1 of what falls evenly by chance, more of what prefers some, 0 of a numbering.
    dispersion = float((times**2).sum()) / len(whole) - len(whole) / different
    return dispersion < 1 - 3 * sqrt(2 / different)


def _place(text: str) -> float:
    """Where a number, a date or the digits of a code lie on a line; NaN where there are none."""
    try:
        number = float(text)
        return number if isfinite(number) and abs(number) < KEY_LAST / 2 else np.nan
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        digits = "".join(filter(str.isdecimal, text[-18:]))
        return float(digits) if digits else np.nan


def _but_copies(whole: Hashes, telling: _Column) -> NDArray[np.intp]:
    """The places of rows, one of each. Rows that agree in all columns are copies where pairs that agree in
    all but the most telling one are so few that hardly any would agree in it, too; else they are different
    people who gave the same answers."""
    _, first = np.unique(whole, return_index=True)
    times = np.unique((whole - telling.hashes)[first], return_counts=True)[1]
    by_chance = float((times * (times - 1) / 2).sum()) / 2**telling.bits
    return first if by_chance <= _CHANCE * len(first) else np.arange(len(whole))


def _sets(bits: Sequence[float], count: int) -> Iterator[tuple[int, ...]]:
    """Sets of columns that tell enough together, and without the last of them not far too much; those of the
    first columns first. `bits` descends."""
    least = _bits_needed(count)

    def found() -> Iterator[tuple[int, ...]]:
        for last, more in enumerate(bits):
            for width in range(last + 1):
                for rest in combinations(range(last), width):
                    without = sum(bits[at] for at in rest)
                    if least - more <= without < least + _SPARE_BITS:
                        yield (*rest, last)

    return islice(found(), _SETS_MAX)


def _bits_needed(count: int) -> float:
    """To tell one of so many rows from all others. So a set that holds something like a numbering, which
    tells log2(count) and is the same in other tables, needs other columns beside it."""
    return log2(count / _CHANCE)


def _sketch(hashes: Hashes, tells: Bits, last: int) -> Sketch | None:
    """The keys of rows that tell enough, and more than that where columns that are alike make it needed;
    None where they are too often those of other rows."""
    all_keys = _keys(hashes)
    for more in _MORE_BITS:
        enough = tells >= _bits_needed(len(hashes)) + more
        keys, times = np.unique(all_keys[enough & (all_keys <= last)], return_counts=True)
        single = keys[times == 1]
        # Of those that are alone with their key twice as many meet another one there as there are pairs here.
        if len(single) and 2 * (len(keys) - len(single)) <= _CHANCE * len(single):
            return Sketch(tuple(single.tolist()), last)
    return None


def _as_a_whole(whole: Hashes) -> Iterator[Sketch]:
    """One key of all rows, of a table that has some variety, in what its rows hold and how often they do:
    so many of each kind may have been drawn on purpose."""
    keys, times = np.unique(_keys(whole), return_counts=True)
    if len(keys) >= _DIFFERENT_MIN and len(np.unique(times)) >= _TIMES_MIN:
        told = np.stack([keys, times.astype(np.uint64)]).astype("<u8").tobytes()
        name = hashlib.sha256(_TAG + b"\0whole\0" + told).digest()
        yield Sketch((int.from_bytes(name[:8], "big") >> 1,), KEY_LAST)


def _keys(summed: Hashes) -> Hashes:
    """63 bits, which an SQLite integer holds: evenly spread, so that a part of them is a sample."""
    return texts.mixed(summed) >> np.uint64(1)
