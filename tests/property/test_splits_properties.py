"""Splits, whatever the items: like ones together, computed alike by everybody, shares as far as they go."""

from __future__ import annotations

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from commonground.dataset.splits import SPLITS, Member, SplitTerms, split_items
from protocol.errors import StateError

MARKS = st.lists(st.integers(0, 40).map(lambda number: b"mark %d" % number), max_size=2)
MEMBERS = st.lists(st.tuples(st.sampled_from([b"\0", b"\1"]), MARKS), min_size=1, max_size=60).map(
    lambda rows: [
        Member(item_id, answer, (item_id, *marks))
        for number, (answer, marks) in enumerate(rows)
        for item_id in [number.to_bytes(32)]
    ]
)
SHARES = st.sampled_from([(100, 0, 0), (80, 10, 10), (50, 25, 25), (34, 33, 33), (0, 50, 50)])


def components(members: list[Member]) -> list[set[bytes]]:
    """The slow way: merge whatever overlaps until nothing does."""
    found: list[tuple[set[bytes], set[bytes]]] = []
    for member in members:
        items, marks = {member.item_id}, set(member.marks)
        rest = []
        for other_items, other_marks in found:
            if marks & other_marks:
                items, marks = items | other_items, marks | other_marks
            else:
                rest.append((other_items, other_marks))
        found = [*rest, (items, marks)]
    return [items for items, _ in found]


@given(MEMBERS, SHARES, st.integers(0, 2**53 - 1))
def test_like_items_are_together_and_the_order_says_nothing(
    members: list[Member], shares: tuple[int, ...], seed: int
) -> None:
    terms = SplitTerms(shares, seed)
    try:
        found = split_items(members, terms)
    except StateError:
        assert (
            len(components(members)) < 9
        )  # too few groups for three splits of 25 percent and more
        return
    assert set(found) == {member.item_id for member in members}
    for group in components(members):
        assert len({found[item_id] for item_id in group}) == 1
    shuffled = sorted(members, key=lambda member: hash(member.item_id))
    assert split_items(shuffled, terms) == found
    given_none = {name for name, share in zip(SPLITS, shares, strict=True) if not share}
    assert not given_none & set(found.values())


@given(st.integers(0, 1_000), st.lists(st.integers(1, 60), min_size=1, max_size=4))
@example(429, [1, 12, 2])  # off by three, as long as what other answers need could decide
@example(392, [22, 4])
def test_items_that_resemble_nothing_are_split_as_asked_answer_by_answer(
    seed: int, sizes: list[int]
) -> None:
    members = [
        Member(item_id, bytes([answer]), (item_id,))
        for answer, size in enumerate(sizes)
        for number in range(10 * size)
        for item_id in [bytes([answer]) + number.to_bytes(31)]
    ]
    found = split_items(members, SplitTerms((80, 10, 10), seed))
    counts = Counter((member.answer, found[member.item_id]) for member in members)
    for answer, size in enumerate(sizes):
        for name, tenths in zip(SPLITS, (8, 1, 1), strict=True):
            assert abs(counts[bytes([answer]), name] - tenths * size) <= 1
