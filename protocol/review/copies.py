"""What is a copy of what, in one campaign: by the parts that every item has.

An item is a copy of an earlier one if each of these parts is nearly the same, and may be one, for people to
say, if each of them is like the other's. Prompts that many items share make no copies; the same picture with
the same words does. Where a kind of task compares two parts with each other, the same two the other way round
are a copy as well. How near is near, the campaign says, for each kind of media.

What an item may have beside them tells nothing: else the same picture would be paid for again with another
note, or once its note was taken back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from protocol.review.fingerprints import EXACT, PICTURE, SOUND, TEXT, identity
from protocol.review.index import DuplicateIndex, Match, likely_distance, strict_distance
from protocol.review.likeness import FARTHEST_PERMILLE
from protocol.rows import Campaign, CopyTerms

ItemId = bytes
Fingerprints: TypeAlias = tuple[tuple[str, bytes], ...]
"""(part name, fingerprint), in the order of the item's parts."""

# What a campaign takes where its operator says nothing; docs/adr/0038 has the measurements. 60,000 digits,
# one after the other, lose 2 to a strict threshold of 9, and 6 at 10.
DEFAULT_COPY_TERMS: Final = CopyTerms(
    picture_strict=9,
    picture_likely=13,
    text_strict=0,
    text_likely=690,
    sound_strict=0,
    sound_likely=300,
)


def fingerprinted(campaign: Campaign) -> frozenset[str]:
    """The parts that carry a fingerprint: those that every item of an open campaign has."""
    required = (part.name for part in campaign.parts if not part.optional)
    return frozenset(required) if campaign.is_open else frozenset()


def strict_permille(terms: CopyTerms, fingerprint: bytes) -> int:
    """Within which distance content of this kind is a copy, without people; 0: only where it is the same."""
    return {
        PICTURE: terms.picture_strict,
        TEXT: terms.text_strict,
        SOUND: terms.sound_strict,
        EXACT: 0,
    }[fingerprint[0]]


def likely_permille(terms: CopyTerms, fingerprint: bytes) -> int:
    """Within which distance people are to look at it; 0: never."""
    return {
        PICTURE: terms.picture_likely,
        TEXT: terms.text_likely,
        SOUND: terms.sound_likely,
        EXACT: 0,
    }[fingerprint[0]]


class Copies:
    """The items of a campaign, by fingerprint. `compared`: two parts that may stand for each other."""

    def __init__(self, terms: CopyTerms, compared: tuple[str, ...] = ()) -> None:
        self._terms = terms
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
        """Every item of this very content, in the order in which they came."""
        (part, fingerprint), others = self._rarest(reading)
        for key in self._parts[part].same(fingerprint):
            if self._is_same(key, others):
                yield key

    def near(self, reading: Fingerprints) -> list[Match[ItemId]]:
        """Every item that is nearly but not quite this, in the order in which they came. As far from it as
        the part that is farthest."""
        (part, fingerprint), others = self._rarest(reading)
        found = self._parts[part].near(fingerprint, strict_permille(self._terms, fingerprint))
        return self._in_all(found, reading, others, strict_distance, strict_permille)

    def likely(
        self, reading: Fingerprints, may_be: Callable[[ItemId], bool] = lambda _: True
    ) -> list[Match[ItemId]]:
        """The items that this may be a copy of, of those that `may_be` says yes to, the nearest first; none
        that is a copy without people. All of them, as only the caller knows which of equally near ones came
        first: an item that was set aside and came back is the last one here."""
        (part, fingerprint), others = self._rarest(reading)
        alike = self._parts[part].likely(fingerprint, likely_permille(self._terms, fingerprint))
        found = self._in_all(alike, reading, others, likely_distance, likely_permille)
        near = {match.key for match in self.near(reading)} if found else set()
        flagged = [match for match in found if match.key not in near and may_be(match.key)]
        return sorted(flagged, key=lambda match: match.distance)

    def _in_all(
        self,
        found: list[Match[ItemId]],
        reading: Fingerprints,
        others: Fingerprints,
        distance: Callable[[bytes, bytes], int],
        threshold: Callable[[CopyTerms, bytes], int],
    ) -> list[Match[ItemId]]:
        """Those of one part's matches that are alike in all other parts too, but are not the same."""
        matches = []
        for match in found:
            if self._is_same(match.key, reading):
                continue
            far = [match.distance]
            for name, each in others:
                theirs = self._parts[name].fingerprint_of(match.key)
                # From the new to the stored one, as an index scans: likeness is not quite the same both ways,
                # and which part is scanned depends on what else is here.
                far.append(_within(each, theirs, distance, threshold(self._terms, each)))
            if max(far) <= FARTHEST_PERMILLE:
                matches.append(Match(match.key, max(far)))
        return matches

    def _is_same(self, item_id: ItemId, reading: Fingerprints) -> bool:
        return all(
            identity(self._parts[name].fingerprint_of(item_id)) == identity(each)
            for name, each in reading
        )

    def _rarest(self, reading: Fingerprints) -> tuple[tuple[str, bytes], Fingerprints]:
        """The part that fewest items share, and the others: a prompt may be everybody's."""
        rarest = min(reading, key=lambda pair: self._parts[pair[0]].occurrences(pair[1]))
        return rarest, tuple(pair for pair in reading if pair is not rarest)


def _within(a: bytes, b: bytes, distance: Callable[[bytes, bytes], int], permille: int) -> int:
    """How far apart two fingerprints are; beyond everything where that is beyond the threshold, of which 0
    takes the same content alone."""
    if identity(a) == identity(b):
        return 0
    far = distance(a, b)
    return far if permille > 0 and far <= permille else FARTHEST_PERMILLE + 1
