"""Likely copies: which items of a round are compared with an earlier one by their reviewers, and with which.

A strict match is set aside without people; a likely one is only flagged, since a fingerprint cannot tell a
copy from a chance. One flag an item at most, for the nearest earlier item: nobody is asked more than one
question of a pair. What comes back (undecided, or contested by its author) keeps its flag, and is never
searched for again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocol.lifecycle import ItemStatus
from protocol.limits import FLAGS_PER_ORIGINAL_MAX
from protocol.rows import Campaign, Item, ItemId
from protocol.state import State
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Flag:
    """The earlier item that one resembles, and how far it is, in per mille."""

    original: ItemId
    distance: int


def stands(item: Item) -> bool:
    """Whether a copy of the item can be found: it is an original, and its content what it says. One that was
    taken down still is: a copy of it would be the same again."""
    return (
        item.status is not ItemStatus.WITHDRAWN
        and not item.duplicate_of
        and item.refusal != pb.REFUSAL_MISMATCH
    )


def kept_original(state: State, item: Item) -> ItemId:
    """What an item that comes back is compared with: what it resembled before, or what that was found to be a
    copy of. Empty for an item that comes for the first time, and where that one has gone."""
    at = item.resembles if item.draws or item.before else b""
    # By what it names, whatever its status: a copy that is gone was one of the same original.
    while at and (further := state.items[at].duplicate_of):
        at = further  # an earlier item, so that this ends
    if not at or not stands(state.items[at]):
        return b""
    # Nobody was shown it: what is contested is judged all the same, and its author has to show why.
    return b"" if state.items[at].kept_back and item.before is None else at


def is_known(state: State, item: Item) -> bool:
    """Whether a seal has nothing to look for: it was found to be an original before, or a panel is to say
    what it is."""
    found = item.draws > 0 or (item.before is not None and item.before.earned)
    return found or kept_original(state, item) != b""


def is_pending(state: State, item: Item) -> bool:
    """Whether a panel is still to say that the item is no copy: until then it is nobody's original."""
    was_copy = item.before is not None and not item.before.earned
    return was_copy and kept_original(state, item) != b""


def _attracts(item: Item) -> bool:
    """Whether likely copies of the item are flagged: not of content that reviewers refused, nor of what
    nobody could decide: nobody is paid for it, so what is derived from it takes nothing from anybody. Nor of
    what was taken down: nobody is to see it; nor of what its author kept back from reviewers."""
    given_up = item.status is ItemStatus.UNDECIDED and item.decided_in is not None
    return (
        stands(item)
        and item.refusal == pb.REFUSAL_NONE
        and not given_up
        and not item.kept_back
        and item.status is not ItemStatus.TAKEN_DOWN
    )


class Flags:
    """The flags of one seal, as they are found, in the order of the log.

    What is found for an item depends on it, on one other, and on how often that one was found before: so it
    is the same for whoever finds any of the others erased.
    """

    def __init__(
        self,
        state: State,
        campaign: Campaign,
        logged: Mapping[ItemId, Flag],
        is_original: Callable[[ItemId], bool],
    ) -> None:
        """`logged` is what the log says, if it does; `is_original` whether the seal took an item for a
        copy."""
        self._state, self._copies = state, state.copies[campaign.id]
        self._logged, self._is_original = logged, is_original
        self._counts = Counter[ItemId]()
        self.found: dict[ItemId, Flag] = {}

    def look(self, item_id: ItemId) -> None:
        """Flags an item that comes for the first time, if it resembles an earlier one."""
        flag = self._logged.get(item_id)
        if flag is None or not self._is_plausible(item_id, flag):
            flag = self._nearest(item_id)
        if flag is not None:
            self.found[item_id] = flag
            self._counts[flag.original] += 1

    def _nearest(self, item_id: ItemId) -> Flag | None:
        near = [
            (match.distance, self._state.items[match.key].place, match.key)
            for reading in self._copies.readings(item_id)
            for match in self._copies.likely(reading, lambda key: self._may_be(item_id, key))
        ]
        if not near:
            return None
        distance, _, original = min(near)
        return Flag(original, distance)

    def _may_be(self, item_id: ItemId, original_id: ItemId) -> bool:
        """Whether an item may be flagged as resembling another one."""
        item, original = self._state.items[item_id], self._state.items[original_id]
        return (
            original.place < item.place
            and _attracts(original)
            and self._is_original(original_id)
            and self._counts[original_id] < FLAGS_PER_ORIGINAL_MAX
        )

    def _is_plausible(self, item_id: ItemId, flag: Flag) -> bool:
        """Whether the log may say what an item resembles, since nobody can compare the two any more."""
        item, original = self._state.items[item_id], self._state.items.get(flag.original)
        return (
            original is not None
            and (item.is_erased or original.is_erased)
            and original.campaign_id == item.campaign_id
            and self._may_be(item_id, flag.original)
        )
