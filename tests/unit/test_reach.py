"""Whether others can reach a node: told by who did, and never more than is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.reach import MEMBERS_NOTED_MAX, NOTED_MS, ReachWatch, reach_words, was_reached
from node.store import Store
from protocol.identity import PersonId
from tests.simulated import Person

NOW = 1_800_000_000_000


def visit(store: Store, person: PersonId, at_ms: int) -> None:
    ReachWatch(store, lambda: at_ms).visited_by(person)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db") as found:
        yield found


def test_who_reached_us_is_counted_until_a_day_is_over(store: Store) -> None:
    for minute, name in ((0, "ann"), (1, "bob"), (2, "ann")):
        visit(store, Person(name).id, NOW + minute * 60_000)
    at = NOW + 5 * 60_000
    assert was_reached(store, at)
    assert reach_words(store, at) == "reached from outside 3 minutes ago; by 2 members within a day"
    assert not was_reached(store, at + NOTED_MS)
    assert "not announced yet" in reach_words(store, at + NOTED_MS)


@pytest.mark.parametrize(
    ("addresses", "says"),
    [
        (["/ip4/192.168.1.5/tcp/4001"], "which nobody outside its own network can dial"),
        (["/ip6/::1/tcp/4001"], "which nobody outside its own network can dial"),
        (["/ip4/192.168.1.5/tcp/1", "/ip4/8.8.8.8/tcp/1"], "none had to, or it cannot be reached"),
        (["/dns/node.example/tcp/4001"], "none had to, or it cannot be reached"),
    ],
)
def test_nobody_came_and_what_to_do(store: Store, addresses: list[str], says: str) -> None:
    ReachWatch(store).announced(addresses)
    words = reach_words(store, NOW)
    assert says in words
    assert "forward its port" in words
    assert "`announce`" in words
    assert not was_reached(store, NOW)


def test_what_is_noted_is_bounded(store: Store) -> None:
    for number in range(MEMBERS_NOTED_MAX + 9):
        visit(store, PersonId(number.to_bytes(32, "big")), NOW + number)
    assert f"by {MEMBERS_NOTED_MAX} members" in reach_words(store, NOW + 100)
