"""Check digits. Each takes digits alone, and is where its standard says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final


def digits_of(text: str) -> list[int]:
    """The digits, whatever stands between them."""
    return [ord(c) - 48 for c in text if "0" <= c <= "9"]


def is_luhn(digits: Sequence[int]) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def is_mod97(text: str) -> bool:
    """ISO/IEC 7064 MOD 97-10 of letters and digits, the first four moved to the end (IBAN: ISO 13616)."""
    turned = text[4:] + text[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def weighted(digits: Sequence[int], weights: Sequence[int]) -> int:
    """The sum of products."""
    return sum(a * b for a, b in zip(digits, weights, strict=True))


# The dihedral group of order ten, and the permutation that is applied once more at each place.
_PERMUTED: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def is_verhoeff(digits: Sequence[int]) -> bool:
    """J. Verhoeff, Error Detecting Decimal Codes, 1969."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        for _ in range(place % 8):
            digit = _PERMUTED[digit]  # noqa: PLW2901 - once more for each place
        check = _dihedral(check, digit)
    return check == 0


def _dihedral(a: int, b: int) -> int:
    if a < 5:
        return (a + b) % 5 + (0 if b < 5 else 5)
    return (a - b) % 5 + (5 if b < 5 else 0)
