"""What is a copy of what, in one campaign: by every part that two items have in common.

An item is a copy of an earlier one if they have the same parts and each is nearly the same. Prompts that many
items share make no copies; the same picture with the same words does. Where a kind of task compares two parts
with each other, the same two the other way round are a copy as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeAlias

from protocol.review.fingerprints import DuplicateIndex, Match

ItemId = bytes
Fingerprints: TypeAlias = tuple[tuple[str, bytes], ...]
"""(part name, fingerprint), in the order of the item's parts."""


class Copies:
    """The items of a campaign, by fingerprint. `compared`: two parts that may stand for each other."""

    def __init__(self, compared: tuple[str, ...] = ()) -> None:
        self._swapped = dict(zip(compared, reversed(compared), strict=True))
        self._parts = defaultdict[str, DuplicateIndex[ItemId]](DuplicateIndex)
        self._named: dict[ItemId, tuple[str, ...]] = {}  # which parts an item has here
        self._aside: dict[ItemId, Fingerprints] = {}

    def __contains__(self, item_id: ItemId) -> bool:
        return item_id in self._named

    def __len__(self) -> int:
        return len(self._named)

    def add(self, item_id: ItemId, fingerprints: Fingerprints) -> None:
        """Later items are compared with this one."""
        for part, fingerprint in fingerprints:
            self._parts[part].add(fingerprint, item_id)
        self._named[item_id] = tuple(part for part, _ in fingerprints)

    def put_aside(self, item_id: ItemId, fingerprints: Fingerprints) -> None:
        """Nothing is compared with an item that lacks a part as long as nobody has read why."""
        self._aside[item_id] = fingerprints

    def take_up(self, item_id: ItemId) -> None:
        """Now it is, with the parts that it has; nothing happens for one that was not put aside."""
        if item_id in self._aside:
            self.add(item_id, self._aside.pop(item_id))

    def remove(self, item_id: ItemId) -> None:
        """Forgets an item's fingerprints for good; twice is as well."""
        self._aside.pop(item_id, None)
        for part in self._named.pop(item_id, ()):
            self._parts[part].remove(item_id)

    def remove_part(self, item_id: ItemId, name: str) -> None:
        """Forgets one part's fingerprint for good, if it is here; the other parts stay comparable."""
        names = self._named.get(item_id, ())
        if name in names:
            self._parts[name].remove(item_id)
            self._named[item_id] = tuple(each for each in names if each != name)

    def fingerprints_of(self, item_id: ItemId) -> Fingerprints:
        """What an item's parts look like, as its author said; empty for one that is not here."""
        names = self._named.get(item_id, ())
        return tuple((part, self._parts[part].fingerprint_of(item_id)) for part in names)

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
        names = tuple(name for name, _ in reading)
        for key in self._parts[part].same(fingerprint):
            if self._named[key] == names and all(
                self._parts[name].fingerprint_of(key) == each for name, each in others
            ):
                yield key

    def near(self, reading: Fingerprints) -> list[Match[ItemId]]:
        """Every item that is nearly but not quite this, in the order in which they came. As far from it as
        the part that is farthest."""
        (part, fingerprint), others = self._rarest(reading)
        names = tuple(name for name, _ in reading)
        found = []
        for match in self._parts[part].near(fingerprint):
            if self._named[match.key] != names or self.fingerprints_of(match.key) == reading:
                continue
            distances = [self._parts[name].distance_to(match.key, each) for name, each in others]
            if None not in distances:
                far = max((match.distance, *(each for each in distances if each is not None)))
                found.append(Match(match.key, far))
        return found

    def _rarest(self, reading: Fingerprints) -> tuple[tuple[str, bytes], Fingerprints]:
        """The part that fewest items share, and the others: a prompt may be everybody's."""
        rarest = min(reading, key=lambda pair: self._parts[pair[0]].occurrences(pair[1]))
        return rarest, tuple(pair for pair in reading if pair is not rarest)
