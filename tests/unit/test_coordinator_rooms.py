"""Rooms that networks share, and the traffic that goes through them: each refusal beside its acceptance."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack

import pytest

from commonground.status import Busy
from coordinator import rooms, traffic
from coordinator.config import RateLimit
from coordinator.connections import Connection
from coordinator.rooms import Room
from coordinator.traffic import Traffic
from protocol.identity import KeyId

HERE, THERE = "192.0.2.1", "198.51.100.1"
KEY = KeyId(b"k" * 32)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(traffic, "PATIENCE_SECONDS", 0.01)


def test_a_network_has_its_share_and_all_together_the_total() -> None:
    room = Room("calls", total=3, each=2)
    with ExitStack() as held:
        for _ in range(2):
            room.require(HERE)
            held.enter_context(room.holding(HERE))
        with pytest.raises(Busy, match="too many calls of this address are under way") as caught:
            room.require(HERE)
        assert (caught.value.limit, caught.value.seconds) == ("calls", 1)
        room.require(THERE)
        held.enter_context(room.holding(THERE))
        with pytest.raises(Busy, match="too many calls are under way"):
            room.require(THERE)
    room.require(HERE)
    assert (room.held, room.held_by(HERE)) == (0, 0)


async def test_whoever_waits_gets_their_turn_when_there_is_room() -> None:
    room = Room("pages", total=4, each=4)
    order: list[str] = []

    async def hold(name: str, network: str, amount: int) -> None:
        async with room.waiting(network, amount):
            order.append(name)

    with room.holding(HERE, 3):
        tasks = [
            asyncio.create_task(hold("large", THERE, 2)),
            asyncio.create_task(hold("small", THERE, 1)),
        ]
        await asyncio.sleep(0.02)
        assert order == []  # who came later does not overtake, even where it would fit
    await asyncio.gather(*tasks)
    assert order == ["large", "small"]


async def test_a_network_that_has_its_share_holds_up_itself_alone() -> None:
    room = Room("pages", total=10, each=2)
    with room.holding(HERE, 2):
        own = asyncio.create_task(taken(room, HERE))
        await asyncio.sleep(0)
        await taken(room, THERE)
        assert not own.done()
    await own


async def taken(room: Room, network: str, amount: int = 1) -> None:
    async with room.waiting(network, amount):
        pass


async def test_one_thing_may_be_larger_than_a_share_and_then_it_is_alone() -> None:
    room = Room("pages", total=4, each=2)
    async with asyncio.timeout(5):
        await taken(room, HERE, 100)
    with room.holding(THERE, 1):
        large = asyncio.create_task(taken(room, HERE, 100))
        await asyncio.sleep(0.02)
        assert not large.done()
    await large


async def test_whoever_gives_up_waiting_leaves_nothing_behind() -> None:
    room = Room("pages", total=1, each=1)
    with room.holding(HERE):
        first, second = (asyncio.create_task(taken(room, THERE)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
    await second
    with room.holding(HERE):
        last = asyncio.create_task(taken(room, THERE))
        await asyncio.sleep(0)
    last.cancel()  # its turn has come, and it does not know yet
    await asyncio.wait([last])
    assert room.held == 0


async def test_somebody_may_go_ahead() -> None:
    room, order = Room("messages", total=1, each=1), list[int]()

    async def hold(number: int, ahead: bool) -> None:
        async with room.waiting(HERE, ahead=ahead):
            order.append(number)

    with room.holding(HERE):
        tasks = [asyncio.create_task(hold(number, number == 2)) for number in range(3)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == [2, 0, 1]


# ---- traffic ----


def busy(network: str = HERE, member: KeyId | None = None) -> Connection:
    return Connection(network, used=0.0, calls=traffic.FIRST_CALLS, member=member)


def test_strangers_never_use_up_what_members_have() -> None:
    counted = Traffic(RateLimit(10**6, 10**6), lambda: 0.0)
    with ExitStack() as held:
        for number in range(counted.strangers.calls.total):
            held.enter_context(counted.calling(busy(f"192.0.2.{number}")))
        with pytest.raises(Busy, match="too many calls"):
            held.enter_context(counted.calling(busy(THERE)))
        held.enter_context(counted.calling(busy(THERE, KEY)))
        for number in range(counted.strangers.streams.total):
            held.enter_context(counted.streaming(busy(f"192.0.2.{number}")))
        with pytest.raises(Busy, match="too many streams"):
            held.enter_context(counted.streaming(busy(THERE)))
        held.enter_context(counted.streaming(busy(THERE, KEY)))


def test_while_members_have_much_to_ask_strangers_wait() -> None:
    counted = Traffic(RateLimit(10**6, 10**6), lambda: 0.0)
    with ExitStack() as held:
        for number in range(counted.members.calls.total // 2):
            held.enter_context(counted.calling(busy(f"192.0.2.{number}", KEY)))
        with counted.calling(busy(THERE)):
            pass
        held.enter_context(counted.calling(busy(member=KEY)))
        with pytest.raises(Busy, match="members come first"):
            held.enter_context(counted.calling(busy(THERE)))


def test_what_a_call_held_is_given_back_however_it_ends() -> None:
    counted, peer = Traffic(RateLimit(1, 1), lambda: 7.0), busy()
    with counted.calling(peer):
        assert peer.active == 1
    with pytest.raises(Busy):
        counted.calling(peer).__enter__()
    assert (peer.active, peer.used, counted.strangers.calls.held) == (0, 7.0, 0)


async def test_a_message_that_takes_long_gives_way_and_one_in_time_does_not() -> None:
    now = 0.0
    counted = Traffic(RateLimit(10**6, 10**6), lambda: now)
    never = asyncio.Event()

    async def stuck() -> int:
        await never.wait()
        return 0

    async def here() -> int:
        return 1

    async def read(peer: Connection) -> None:
        async with counted.message(peer, stuck):
            pass

    share = counted.strangers.messages.each
    held = [asyncio.create_task(read(busy())) for _ in range(share)]
    await asyncio.sleep(0)
    newcomer = asyncio.create_task(passes(counted, busy()))
    await asyncio.sleep(0.05)
    assert not newcomer.done()
    await passes(counted, busy(THERE))  # somebody else's share is theirs
    now = rooms.PATIENCE_SECONDS
    await asyncio.wait_for(newcomer, 10)
    done, waiting = await asyncio.wait(held, timeout=0.1)
    assert [type(each.exception()) for each in done] == [TimeoutError]
    for each in waiting:
        each.cancel()
    await asyncio.wait(held)


async def passes(counted: Traffic, peer: Connection) -> None:
    async def read() -> int:
        return 1

    async with counted.message(peer, read):
        pass


async def test_many_calls_of_one_connection_give_way_to_the_first_of_another() -> None:
    counted = Traffic(RateLimit(10**6, 10**6), lambda: 0.0)
    many, single = busy(), busy()
    async with AsyncExitStack() as held:
        for _ in range(counted.strangers.calls.each):
            held.enter_context(counted.calling(many))
        never = asyncio.Event()

        async def stuck() -> int:
            await never.wait()
            return 0

        async def read() -> None:
            async with counted.message(many, stuck):
                pass

        unread = asyncio.create_task(read())
        await asyncio.sleep(0)
        with pytest.raises(Busy), counted.calling(many):
            pass
        with counted.calling(single):
            pass
        with pytest.raises(TimeoutError):
            await unread
