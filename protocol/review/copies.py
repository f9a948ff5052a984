"""What is a copy of what, in one campaign: by the parts that every item has.

An item is a copy of an earlier one if each of these parts is nearly the same. Prompts that many items share
make no copies; the same picture with the same words does. Where a kind of task compares two parts with each
other, the same two the other way round are a copy as well.

What an item may have beside them tells nothing: else the same picture would be paid for again with another
note, or once its note was taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from protocol.review.fingerprints import (
    NEAR_DUPLICATE_PERMILLE,
    PERCEPTUAL,
    DuplicateIndex,
    Match,
    distance,
)
from protocol.rows import Campaign

LIKELY_PERMILLE: Final = 32
MAX_FLAGS: Final = 8

ItemId = bytes
Fingerprints: TypeAlias = tuple[tuple[str, bytes], ...]
"""(part name, fingerprint), in the order of the item's parts."""


def fingerprinted(campaign: Campaign) -> frozenset[str]:
    """The parts that carry a fingerprint: those that every item of an open campaign has."""
    required = (part.name for part in campaign.parts if not part.optional)
    return frozenset(required) if campaign.is_open else frozenset()


class Copies:
    """The items of a campaign, by fingerprint. `compared`: two parts that may stand for each other."""

    def __init__(self, compared: tuple[str, ...] = ()) -> None:
        self._swapped = dict(zip(compared, reversed(compared), strict=True))
        # By part, in the order of the campaign's: all items here have the same.
        self._parts = defaultdict[str, DuplicateIndex[ItemId]](DuplicateIndex)
        self._items: set[ItemId] = set()
        self._aside: dict[ItemId, Fingerprints] = {}

    def __contains__(self, item_id: ItemId) -> bool:
        return item_id in self._items

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item_id: ItemId, fingerprints: Fingerprints) -> None:
        """Later items are compared with this one."""
        for part, fingerprint in fingerprints:
            self._parts[part].add(fingerprint, item_id)
        self._items.add(item_id)

    def set_aside(self, item_id: ItemId) -> None:
        """Later items are not compared with this one, as it is a copy; its fingerprints are kept: its author
        may contest that."""
        fingerprints = self.fingerprints_of(item_id)
        self.remove(item_id)
        if fingerprints:
            self._aside[item_id] = fingerprints

    def restore(self, item_id: ItemId) -> None:
        """Takes back `set_aside`."""
        if (fingerprints := self._aside.pop(item_id, None)) is not None:
            self.add(item_id, fingerprints)

    def remove(self, item_id: ItemId) -> None:
        """Forgets an item's fingerprints for good; twice is as well."""
        self._aside.pop(item_id, None)
        if item_id in self._items:
            self._items.remove(item_id)
            for index in self._parts.values():
                index.remove(item_id)

    def fingerprints_of(self, item_id: ItemId) -> Fingerprints:
        """What an item's parts look like, as its author said; empty for one that is not here."""
        if item_id not in self._items:
            return self._aside.get(item_id, ())
        return tuple((part, index.fingerprint_of(item_id)) for part, index in self._parts.items())

    def readings(self, item_id: ItemId) -> list[Fingerprints]:
        """An item's fingerprints, and those that it has with its two compared parts changed over."""
        own = self.fingerprints_of(item_id)
        if not own or not self._swapped:
            return [own] if own else []
        by_name = dict(own)
        other = tuple((part, by_name[self._swapped.get(part, part)]) for part, _ in own)
        return [own] if other == own else [own, other]

    def same(self, reading: Fingerprints) -> Iterator[ItemId]:
        """Every item with these very fingerprints, in the order in which they came."""
        (part, fingerprint), others = self._rarest(reading)
        for key in self._parts[part].same(fingerprint):
            if all(self._parts[name].fingerprint_of(key) == each for name, each in others):
                yield key

    def near(self, reading: Fingerprints) -> list[Match[ItemId]]:
        """Every item that is nearly but not quite this, in the order in which they came. As far from it as
        the part that is farthest."""
        (part, fingerprint), others = self._rarest(reading)
        found = []
        for match in self._parts[part].near(fingerprint):
            if self.fingerprints_of(match.key) == reading:
                continue
            distances = [self._parts[name].distance_to(match.key, each) for name, each in others]
            if None not in distances:
                far = max((match.distance, *(each for each in distances if each is not None)))
                found.append(Match(match.key, far))
        return found

    def likely(
        self, reading: Fingerprints, may_be: Callable[[ItemId], bool]
    ) -> list[Match[ItemId]]:
        """The items that are likely, but not nearly enough, to be the same, the nearest first, MAX_FLAGS at
        most: of those that `may_be` says yes to."""
        (part, fingerprint), others = self._rarest(reading)
        if fingerprint[0] != PERCEPTUAL:
            return []
        found = []
        for key in self._items:
            mine = dict(self.fingerprints_of(key))
            if mine[part][0] != PERCEPTUAL or any(mine[name] != each for name, each in others):
                continue
            far = distance(mine[part], fingerprint)
            if NEAR_DUPLICATE_PERMILLE < far <= LIKELY_PERMILLE and may_be(key):
                found.append(Match(key, far))
        return sorted(found, key=lambda match: match.distance)[:MAX_FLAGS]

    def _rarest(self, reading: Fingerprints) -> tuple[tuple[str, bytes], Fingerprints]:
        """The part that fewest items share, and the others: a prompt may be everybody's."""
        rarest = min(reading, key=lambda pair: self._parts[pair[0]].occurrences(pair[1]))
        return rarest, tuple(pair for pair in reading if pair is not rarest)
