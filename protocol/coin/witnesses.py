"""Who tosses the coin: the sets of witnesses in force, and the one that is proposed. Rows of the state."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.coin.dealing import threshold_of
from protocol.coin.group import Point
from protocol.identity import KeyId
from protocol.lifecycle import DealingPhase


@dataclass(frozen=True, slots=True)
class Coin:
    """A set of witnesses whose coin is in force, or was when a round was sealed that is under way.

    keys: in ascending order; a witness's place counts from 1. public: their public shares. proposal: what its
    deals were for; empty where nobody dealt, since the secret is that of the only key.
    """

    nonce: int
    keys: tuple[KeyId, ...]
    public: tuple[Point, ...]
    proposal: bytes = b""

    @property
    def is_dealt(self) -> bool:
        """Whether its secret is the sum of deals."""
        return self.proposal != b""

    @property
    def threshold(self) -> int:
        """How many shares determine the coin."""
        return threshold_of(len(self.keys))

    def place_of(self, key: KeyId) -> int | None:
        """A witness's place, from 1; None for anybody else's key."""
        return place_in(self.keys, key)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A set of witnesses on its way into force."""

    id: bytes  # digest of the record that proposed it
    nonce: int
    keys: tuple[KeyId, ...]  # in ascending order
    since_ms: int  # time of the operator's last record about it
    phase: DealingPhase = DealingPhase.PROPOSED
    assents: tuple[KeyId, ...] = ()  # of the present set
    confirmed: tuple[KeyId, ...] = ()
    struck: tuple[KeyId, ...] = ()  # dealers whose deal was shown to be wrong

    @property
    def threshold(self) -> int:
        """How many deals and confirmations it takes at least, and how many shares then."""
        return threshold_of(len(self.keys))


@dataclass(frozen=True, slots=True)
class Diligence:
    """What became of the tosses that a person owed, over all rounds."""

    given: int = 0
    missed: int = 0
    in_a_row: int = 0  # missed since the last that was given


def place_in(keys: tuple[KeyId, ...], key: KeyId) -> int | None:
    """The place of a key, from 1."""
    return keys.index(key) + 1 if key in keys else None


def assents_needed(witnesses: int) -> int:
    """How many of the present set put another in its place: more than two thirds."""
    return 2 * witnesses // 3 + 1
