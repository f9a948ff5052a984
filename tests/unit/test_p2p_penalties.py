"""Bans, buckets and slots, on a clock that the test turns."""

from __future__ import annotations

import pytest

from commonground.p2p.penalties import Busy, PenaltyBox, Slots
from commonground.rates import Buckets, RecentlyUsed, TokenBucket

A, B = b"a" * 32, b"b" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_ban_starts_at_the_limit_and_ends() -> None:
    clock = Clock()
    box = PenaltyBox(clock, offences_max=3, window_seconds=10, ban_seconds=60)
    assert [box.punish(A) for _ in range(3)] == [False, False, True]
    assert box.is_banned(A)
    assert not box.is_banned(B)
    clock.now += 59
    assert box.is_banned(A)
    clock.now += 1
    assert not box.is_banned(A)
    assert not box.punish(A)  # a ban served wipes the slate


def test_offences_outside_the_window_do_not_add_up() -> None:
    clock = Clock()
    box = PenaltyBox(clock, offences_max=2, window_seconds=10, ban_seconds=60)
    for _ in range(5):
        assert not box.punish(A)
        clock.now += 10
    clock.now -= 1
    assert box.punish(A)


def test_a_bucket_allows_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=2, burst=3, clock=clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.now += 100
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_borrowed_tokens_are_waited_for() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=10, clock=clock)
    assert bucket.borrow(10) == 0
    assert bucket.borrow(10) == 1
    assert bucket.borrow(5) == 1.5
    assert bucket.seconds_until(5) == 2
    clock.now += 2.5
    assert bucket.borrow(10) == 0


def test_a_fine_leaves_no_more_debt_than_one_bucket() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=10, clock=clock)
    bucket.fine(4)
    assert bucket.take(6) and not bucket.take()
    bucket.fine(1_000)
    clock.now += 1
    assert not bucket.take()
    clock.now += 1
    assert bucket.take(10)


def test_each_name_has_a_bucket_of_its_own() -> None:
    buckets = Buckets[bytes](1, 2, Clock(), size_max=1)
    assert buckets[A].take(2) and not buckets[A].take()
    assert buckets[B].take(2)
    assert buckets[A].take(2), "forgotten, and full again"


def test_slots_are_counted_per_peer_and_in_all() -> None:
    slots = Slots(per_peer_max=1, total_max=2)
    with slots.hold(A):
        with pytest.raises(Busy), slots.hold(A):
            pass
        with slots.hold(B), pytest.raises(Busy), slots.hold(b"c" * 32):
            pass
    with slots.hold(A):
        pass


def test_a_flood_of_keys_forgets_the_oldest() -> None:
    table: RecentlyUsed[bytes, list[int]] = RecentlyUsed(list, size_max=2)
    table[A].append(1)
    table[B].append(2)
    assert table[A] == [1]  # used: B is the oldest now
    assert table[b"c" * 32] == []
    assert len(table) == 2
    assert table[A] == [1]
    assert table[B] == []
