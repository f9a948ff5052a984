"""What a submission's leaves say: the items, and the parts of them that have leaves of their own.

    leaves = Item*  Part*       the Parts of the first item, then those of the second, and so on

A leaf is what can be erased. A part that the campaign requires goes with its item only, and is in its item's
leaf; every other one may be taken back alone. An erased leaf does not say what it was, so the record says how
many of the leaves are Parts, and each Item which of them are its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from protocol.limits import BATCH_ITEMS_MAX
from protocol.log.merkle import hash_leaf
from protocol.log.strict import encode_leaf
from protocol.rows import ItemId
from protocol.rules.record import Record, require
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Given:
    """An item of a submission. `leaf` is None where it was erased, its parts' leaves with it.

    optional: name -> (leaf hash, what it says, or None where that was erased), in the item's order.
    """

    item_id: ItemId
    leaf: pb.Item | None
    optional: Mapping[str, tuple[bytes, pb.Part | None]]

    @property
    def parts(self) -> list[tuple[bytes, pb.Part]]:
        """Of the parts with leaves of their own, those that are there, with the hashes of the leaves."""
        return [(leaf, part) for leaf, part in self.optional.values() if part is not None]

    @property
    def erased_parts(self) -> list[str]:
        """The names of the others."""
        return [name for name, (_, part) in self.optional.items() if part is None]


def item_count(record: Record[pb.Submission]) -> int:
    """How many of a submission's leaves are items: the first ones."""
    return len(record.leaves) - record.body.parts


def read_items(record: Record[pb.Submission]) -> list[Given]:
    """The items with their parts. Raises Reject unless each leaf is in its place, and each part an item's."""
    count = item_count(record)
    require(0 < count <= BATCH_ITEMS_MAX, f"a submission has 1 to {BATCH_ITEMS_MAX} items")
    own = record.hashes[count:]
    require(len(set(own)) == len(own), "the leaf of a part stands twice")
    first: Sequence[Any] = record.leaves[:count]
    are_items = {type(leaf) for leaf in first} <= {pb.Item, type(None)}
    require(are_items, "a part stands among the items")
    rest = _Parts(own, record.leaves[count:])
    items = [
        Given(item_id, leaf, rest.of(leaf))
        for item_id, leaf in zip(record.hashes[:count], first, strict=True)
    ]
    rest.end()
    return items


_NONE: Final = b""  # the hash of no leaf
_NO_PARTS: Final[Mapping[str, tuple[bytes, pb.Part | None]]] = {}  # as nearly every item has


class _Parts:
    """The leaves of parts, taken one after the other."""

    def __init__(self, hashes: Sequence[bytes], leaves: Sequence[Any]) -> None:
        self._leaves = deque(zip(hashes, leaves, strict=True))
        self._gap = False  # an erased item was passed: here may be what was erased with it

    def of(self, item: pb.Item | None) -> Mapping[str, tuple[bytes, pb.Part | None]]:
        """The next item's; of an erased one nobody knows which they were."""
        if item is None:
            self._gap = True
            return _NO_PARTS
        if not item.optional:
            return _NO_PARTS
        return {named.name: (named.hash, self._next(named)) for named in item.optional}

    def _next(self, named: pb.PartHash) -> pb.Part | None:
        leaf_hash, part = self._pop()
        while self._gap and part is None and leaf_hash not in (named.hash, _NONE):
            leaf_hash, part = self._pop()
        self._gap = False
        require(leaf_hash == named.hash, f"the leaf of the part {named.name!r} is not in its place")
        as_named = part is None or (isinstance(part, pb.Part) and part.name == named.name)
        require(as_named, f"the leaf of the part {named.name!r} holds something else")
        return part

    def _pop(self) -> tuple[bytes, pb.Part | None]:
        return self._leaves.popleft() if self._leaves else (_NONE, None)

    def end(self) -> None:
        """Nothing is left but what went with erased items."""
        whole = any(part is not None for _, part in self._leaves)
        require(not whole and (self._gap or not self._leaves), "a part belongs to no item")


def part_leaf(part: pb.Part) -> tuple[pb.PartHash, bytes]:
    """What an item says of a part that can go alone, and the part's own leaf."""
    leaf = encode_leaf(part)
    return pb.PartHash(name=part.name, hash=hash_leaf(leaf)), leaf
