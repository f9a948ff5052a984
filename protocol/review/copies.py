"""What is a copy of what, in one campaign: by every part that two items have in common.

An item is a copy of an earlier one if they have the same parts and each is nearly the same. Prompts that many
items share make no copies; the same picture with the same words does.
"""

from __future__ import annotations

from typing import TypeAlias

from protocol.review.fingerprints import DuplicateIndex, Match

ItemId = bytes
Fingerprints: TypeAlias = tuple[tuple[str, bytes], ...]
"""(part name, fingerprint), in the order of the item's parts."""


class Copies:
    """The items of a campaign, by fingerprint."""

    def __init__(self) -> None:
        self._parts: dict[str, DuplicateIndex[ItemId]] = {}
        self._named: dict[ItemId, tuple[str, ...]] = {}  # which parts an item has here

    def __contains__(self, item_id: ItemId) -> bool:
        return item_id in self._named

    def __len__(self) -> int:
        return len(self._named)

    def add(self, item_id: ItemId, fingerprints: Fingerprints) -> None:
        """Later items are compared with this one."""
        for part, fingerprint in fingerprints:
            self._parts.setdefault(part, DuplicateIndex()).add(fingerprint, item_id)
        self._named[item_id] = tuple(part for part, _ in fingerprints)

    def remove(self, item_id: ItemId) -> None:
        """Forgets an item's fingerprints for good; twice is as well."""
        for part in self._named.pop(item_id, ()):
            self._parts[part].remove(item_id)

    def near(self, item_id: ItemId) -> list[Match[ItemId]]:
        """Every other item that this one is nearly the same as, in the order in which they came."""
        names = self._named.get(item_id, ())
        if not names:
            return []
        own = [(part, self._parts[part].fingerprint_of(item_id)) for part in names]
        # By the part that fewest items share: a prompt may be everybody's.
        rarest = min(own, key=lambda pair: self._parts[pair[0]].occurrences(pair[1]))
        others = [pair for pair in own if pair is not rarest]
        found = []
        for match in self._parts[rarest[0]].near(rarest[1]):
            if match.key == item_id or self._named[match.key] != names:
                continue
            distances = [self._parts[part].distance_to(match.key, fp) for part, fp in others]
            if None not in distances:
                far = max((match.distance, *(each for each in distances if each is not None)))
                found.append(Match(match.key, far))
        return found
