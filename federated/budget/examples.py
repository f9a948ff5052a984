"""The names of examples, as a budget stores and compares them. federated/identity.py makes them.

Nothing heavy is imported here: the node's own page reads budgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

KEYS: Final = 4
SIGNATURE_BYTES: Final = 32
NOT_TOLD: Final = (0,) * KEYS  # keys of an example that holds too little to tell

# Of 256 bits. Pictures: a copy as JPEG of quality 75 differs in 3 on average, one grey value in none; of
# 30,000 other digits one in a hundred has one so near (docs/adr/0053). Texts: those that share 70 % of their
# runs in 38.
_BITS_APART_MAX: Final = {"pictures": 8, "texts": 38}

KEY_LAST: Final = (1 << 63) - 1  # the largest that an SQLite integer holds


class Kind(StrEnum):
    """What examples are; only those of one kind are compared."""

    PICTURES = "pictures"
    TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class Examples:
    """n pictures or texts of one data set."""

    kind: Kind
    exact: tuple[bytes, ...]  # (n,) 32 bytes: the same content, whatever the file
    keys: tuple[tuple[int, ...], ...]  # (n, KEYS) of 63 bits; 0: none
    signatures: tuple[bytes, ...]  # (n,) SIGNATURE_BYTES

    def __post_init__(self) -> None:
        if not len(self.exact) == len(self.keys) == len(self.signatures):
            raise ValueError("each example has a name, keys and a signature")

    def __len__(self) -> int:
        return len(self.exact)


def are_near(kind: Kind, one: bytes, other: bytes) -> bool:
    """Whether examples that share a key are the same but for small changes."""
    apart = (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()
    return apart <= _BITS_APART_MAX[kind]


@dataclass(frozen=True, slots=True)
class Sketch:
    """Rows of a table by what they hold in some of its columns: those of their keys up to a last one."""

    keys: tuple[int, ...]  # each of one row; ascending
    last: int  # KEY_LAST where all are kept


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows of a table (federated.tables)."""

    count: int
    sketches: tuple[Sketch, ...]

    def __len__(self) -> int:
        return self.count
