"""What a node has checked once it does not check again; and nothing else goes unchecked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.keys import Keys
from node import checked
from node.follower import Follower
from node.rows import Checked
from node.store import Store
from protocol import transition
from protocol.errors import StoreError
from protocol.log.link import NetworkLink
from tests.fold import same
from tests.scripted_coordinator import ScriptedCoordinator, make_keys, serving
from tests.simulated import campaign

FEW = 10


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("operator"))


@pytest.fixture
def coordinator(operator: Keys) -> ScriptedCoordinator:
    return ScriptedCoordinator(operator)


@pytest.fixture
async def link(coordinator: ScriptedCoordinator) -> NetworkLink:
    async with serving(coordinator) as where:
        return where


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db") as opened:
        yield opened


class Counted:
    """How many entries were checked, and how many were only applied again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checked: list[int] = []
        self.applied: list[int] = []
        for name, seen in (("apply", self.checked), ("reapply", self.applied)):
            monkeypatch.setattr(transition, name, self._counting(name, seen))

    def _counting(self, name: str, seen: list[int]) -> object:
        act = getattr(transition, name)

        def counting(state: object, *rest: object) -> object:
            done = act(state, *rest)
            seen.append(done.record.index)
            return done

        return counting


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def grown(coordinator: ScriptedCoordinator, count: int) -> None:
    for number in range(count):
        coordinator.operate("campaign", campaign(id=f"c{len(coordinator.log)}-{number}"))


def replayed(store: Store, link: NetworkLink) -> Follower:
    again = Follower(store, link)
    again.replay()
    return again


async def test_what_came_before_the_last_entries_is_not_checked_again(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store, counted: Counted
) -> None:
    first = Follower(store, link)
    first.take(coordinator.page())
    grown(coordinator, FEW)
    first.take(coordinator.page(2))
    assert counted.applied == []
    counted.checked.clear()
    again = replayed(store, link)
    assert counted.applied == [0, 1]
    assert counted.checked == list(range(2, 2 + FEW)), "the last ones were noted nowhere yet"
    assert same(again.state, first.state)


async def test_much_is_noted_at_once_also_by_a_replay(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store, counted: Counted
) -> None:
    grown(coordinator, checked.NOTED_AT_ONCE)
    whole = Follower(store, link)
    whole.take(coordinator.page())
    size = len(coordinator.log)
    assert store.checked() == Checked(size, coordinator.tree.root(), checked.checker())
    store._write("DELETE FROM meta WHERE key = 'checked'")
    counted.checked.clear()
    assert same(replayed(store, link).state, whole.state)
    assert (counted.checked, counted.applied) == (list(range(size)), [])
    assert same(replayed(store, link).state, whole.state)
    assert (len(counted.checked), counted.applied) == (size, list(range(size)))


async def test_what_another_version_checked_is_checked_again(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store, counted: Counted
) -> None:
    grown(coordinator, checked.NOTED_AT_ONCE)
    Follower(store, link).take(coordinator.page())
    noted = store.checked()
    assert noted is not None
    store.note_checked(replace(noted, by="another version"))
    counted.checked.clear()
    replayed(store, link)
    assert (counted.checked, counted.applied) == (list(range(len(coordinator.log))), [])
    assert store.checked() == noted


async def test_other_entries_than_those_that_were_checked_are(
    coordinator: ScriptedCoordinator,
    operator: Keys,
    link: NetworkLink,
    store: Store,
    counted: Counted,
) -> None:
    grown(coordinator, checked.NOTED_AT_ONCE)
    Follower(store, link).take(coordinator.page())
    noted = store.checked()
    assert noted is not None
    for table in ("entries", "checkpoints"):  # as our own advice says; and another history comes
        store._write(f"DELETE FROM {table}")
    other = ScriptedCoordinator(operator)
    other.operate("campaign", campaign(id="other"))
    grown(other, checked.NOTED_AT_ONCE)
    all_of_it = list(range(len(other.log)))
    counted.checked.clear()
    Follower(store, link).take(other.page())
    assert counted.checked == all_of_it
    store.note_checked(noted)  # the last word of a process that still had the first history
    replayed(store, link)
    assert (counted.checked, counted.applied) == (2 * all_of_it, [])
    replayed(store, link)
    assert (counted.checked, counted.applied) == (2 * all_of_it, all_of_it)


async def test_a_bundle_that_is_damaged_is_our_own_fault(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    grown(coordinator, checked.NOTED_AT_ONCE)
    Follower(store, link).take(coordinator.page())
    store._write("UPDATE entries SET bundle = x'00010203' WHERE idx = 1")
    with pytest.raises(StoreError, match=r"entry 1 in node\.db is damaged") as caught:
        replayed(store, link)
    assert "fetched again" in caught.value.advice
    assert store.alarms() == []


async def test_where_nothing_can_be_written_a_replay_works_and_checks_again(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store, counted: Counted
) -> None:
    grown(coordinator, checked.NOTED_AT_ONCE)
    Follower(store, link).take(coordinator.page())
    store._write("DELETE FROM meta WHERE key = 'checked'")
    store._db.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError):
        store._db.conn.execute("DELETE FROM meta")
    for _ in range(2):
        assert replayed(store, link).size == len(coordinator.log)
    assert counted.applied == []
