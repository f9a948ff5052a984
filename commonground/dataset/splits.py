"""Which items train a model and which test it, so that the test is not of what was learnt by heart.

Items that resemble each other stay together: what was derived from one of them (or from one and the same
item that is not here), as authors say; what reviewers compared with one, whatever they called it; and items
that share a part, as two answers to one prompt do; on request, all of one author. Every answer is spread
over the splits as far as these groups allow.

A pure function of the items, the shares and the seed: who checks a dataset computes it again.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from protocol.errors import ConfigError, Misbehaviour, StateError
from protocol.identity import PersonId
from protocol.rows import ItemId
from protos.gen import records_pb2 as pb

TRAIN: Final = "train"
SPLITS: Final = (TRAIN, "validation", "test")
SHARES_SUM: Final = 100
# A seed is told by people and written in JSON, whose numbers not all programs read beyond this.
SEED_MAX: Final = 2**53 - 1
_DOMAIN: Final = b"commonhold/v1/split\0"


@dataclass(frozen=True, slots=True)
class SplitTerms:
    """How a dataset is split: percent for each of SPLITS."""

    shares: tuple[int, ...]
    seed: int
    by_author: bool = False

    @classmethod
    def read(cls, text: str, seed: int, by_author: bool) -> SplitTerms:
        """From `80/10/10`. Raises ConfigError."""
        shares = [
            int(each) if each.isascii() and each.isdigit() else -1 for each in text.split("/")
        ]
        try:
            return cls.parse({"shares": shares, "seed": seed, "by_author": by_author})
        except Misbehaviour as error:
            raise ConfigError(str(error), "say it like --split 80/10/10 --split-seed 1") from None

    @classmethod
    def parse(cls, found: Any) -> SplitTerms:
        """What a manifest holds; raises Misbehaviour."""
        match found:
            case {"shares": [*shares], "seed": int(seed), "by_author": bool(by_author)}:
                pass
            case _:
                raise Misbehaviour("its split is malformed")
        if len(shares) != len(SPLITS) or not all(
            type(each) is int and each >= 0 for each in shares
        ):
            raise Misbehaviour(f"a split has a share for each of {', '.join(SPLITS)}")
        if sum(shares) != SHARES_SUM:
            raise Misbehaviour(f"the shares of a split add up to {sum(shares)}, not {SHARES_SUM}")
        if type(seed) is not int or not 0 <= seed <= SEED_MAX:
            raise Misbehaviour(f"the seed of a split is not in 0..{SEED_MAX}")
        return cls(tuple(shares), seed, by_author)

    def describe(self) -> dict[str, Any]:
        """The same, as `parse` takes it."""
        return asdict(self) | {"shares": list(self.shares)}


@dataclass(frozen=True, slots=True)
class Member:
    """What the split goes by. `marks`: an item that has one of them too is like this one."""

    item_id: ItemId
    answer: bytes
    marks: tuple[bytes, ...]

    @classmethod
    def of(
        cls,
        item: pb.Item,
        item_id: ItemId,
        answer: bytes,
        related: Sequence[ItemId],
        author: PersonId | None,
    ) -> Member:
        """`related`: as its author and its reviewers say (`decided.kin`); `author`: whose items stay
        together, None where they need not."""
        printed = (each for each in item.parts if each.fingerprint)
        shared = (each.name.encode() + b"\0" + each.fingerprint for each in printed)
        marks = [item_id, *related, *shared]
        if author is not None:
            marks.append(b"author\0" + author)
        return cls(item_id, answer, tuple(marks))


def split_items(members: Sequence[Member], terms: SplitTerms) -> dict[ItemId, str]:
    """The split of each item. Raises StateError where one that has a share would get nothing."""
    groups = _ordered(_groups(members), terms.seed)
    totals = Counter(member.answer for member in members)
    missing = _Missing(terms.shares, totals)
    found: dict[ItemId, str] = {}
    for group in groups:
        split = missing.fill(Counter(member.answer for member in group))
        found.update((member.item_id, SPLITS[split]) for member in group)
    empty = {name for name, share in zip(SPLITS, terms.shares, strict=True) if share}
    empty -= set(found.values())
    if empty:
        raise StateError(
            f"{len(members):,} items in {len(groups):,} groups of like ones leave nothing for "
            + " and ".join(sorted(empty)),
            "give that split more, or none",
        )
    return found


class _Missing:
    """How many items each split lacks, of each answer and of all, in hundredths of an item."""

    def __init__(self, shares: Sequence[int], totals: Mapping[bytes, int]) -> None:
        self._all = [share * sum(totals.values()) for share in shares]
        self._of = {answer: [share * n for share in shares] for answer, n in totals.items()}

    def fill(self, group: Counter[bytes]) -> int:
        """Gives a group to the split that lacks its answers, and items, most; the first of equals.

        Only to one that lacks its answers at all: so items that resemble nothing are spread to within one
        item of what was asked, whatever the other answers need.
        """
        size = group.total()
        own = [
            sum(count * self._of[answer][split] for answer, count in group.items())
            for split in range(len(self._all))
        ]
        lacking = [split for split, lacks in enumerate(own) if lacks > 0]
        best = max(lacking, key=lambda split: (own[split] + size * self._all[split], -split))
        self._all[best] -= SHARES_SUM * size
        for answer, count in group.items():
            self._of[answer][best] -= SHARES_SUM * count
        return best


def _groups(members: Sequence[Member]) -> list[list[Member]]:
    """Members that a chain of shared marks connects: union-find over the marks."""
    above: dict[bytes, bytes] = {}

    def top(mark: bytes) -> bytes:
        while (parent := above.setdefault(mark, mark)) != mark:
            above[mark] = mark = above[parent]  # halves the path
        return mark

    for member in members:
        for mark in member.marks:
            above[top(mark)] = top(member.item_id)
    groups: dict[bytes, list[Member]] = defaultdict(list)
    for member in members:
        groups[top(member.item_id)].append(member)
    return list(groups.values())


def _ordered(groups: Iterable[list[Member]], seed: int) -> list[list[Member]]:
    """The largest first, while there is room for them; the others as the seed has it."""

    def place(group: list[Member]) -> tuple[int, bytes]:
        least = min(member.item_id for member in group)
        return -len(group), hashlib.sha256(_DOMAIN + seed.to_bytes(8) + least).digest()

    return sorted(groups, key=place)
