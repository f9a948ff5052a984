"""The gate alone, before a server of the test's own: who waits, who is woken, who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from federated.flower import gate
from federated.flower.gate import Gate

KEY = b"the key of a partner"
TAKE, GIVE, ACTIVATE = (
    "/v1/fleet/take-parcel",
    "/v1/runtime/give-parcel",
    "/v1/fleet/activate-node",
)
SECRET = "73"


class Flower:
    """Answers with the bytes that the test put there for a path."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.status = 200
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": self.bodies.get(scope["path"], b"")})


Ask = Callable[..., Coroutine[Any, Any, tuple[int, bytes]]]


def asking(flower: Flower) -> Ask:
    door = Gate(flower, 1, SECRET)

    async def ask(
        path: str, process: bytes = b"one", port: int = 1, then: Message | None = None
    ) -> tuple[int, bytes]:
        sent: list[Message] = []
        coming: list[Message] = [{"type": "http.request"}, *([then] if then else [])]

        async def receive() -> Message:
            if not coming:
                await asyncio.Event().wait()  # the connection stands, and says nothing
            return coming.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"flwr-public-key", KEY), (b"x-commonhold-process", process)]
        scope = {"type": "http", "path": path, "server": ("", port), "headers": headers}
        await door(scope, receive, send)
        status = sent[0]["status"] if sent else 0
        return status, b"".join(each.get("body", b"") for each in sent[1:])

    return ask


def test_who_asks_in_vain_is_answered_when_there_is_something() -> None:
    async def scene() -> None:
        flower = Flower()
        ask = asking(flower)
        waiting = asyncio.create_task(ask(TAKE))
        await asyncio.sleep(0)
        await ask(TAKE.replace("take", "give"))  # another partner's reply is no news for this one
        assert flower.asked.count(TAKE) == 1
        flower.bodies[TAKE] = b"message"
        await ask(GIVE, port=2)
        assert await waiting == (200, b"message")

    asyncio.run(scene())


def test_of_two_who_wait_the_one_without_a_message_goes_on_waiting() -> None:
    async def scene() -> None:
        flower = Flower()
        ask = asking(flower)
        waiting = asyncio.create_task(ask(TAKE))
        await asyncio.sleep(0)
        await ask(GIVE, port=2)  # for somebody else
        while flower.asked.count(TAKE) < 2:
            await asyncio.sleep(0)
        assert not waiting.done()
        flower.bodies[TAKE] = b"message"
        await ask(GIVE, port=2)
        assert await waiting == (200, b"message")

    asyncio.run(scene())


def test_who_is_gone_takes_no_message_with_him() -> None:
    async def scene() -> None:
        flower = Flower()
        ask = asking(flower)
        waiting = asyncio.create_task(ask(TAKE, then={"type": "http.disconnect"}))
        await asyncio.sleep(0)
        flower.bodies[TAKE] = b"message"
        await ask(GIVE, port=2)
        assert await waiting == (0, b"")
        assert flower.asked.count(TAKE) == 1  # it is still there

    asyncio.run(scene())


def test_who_waits_is_told_that_a_newer_process_has_its_place() -> None:
    async def scene() -> None:
        flower = Flower()
        ask = asking(flower)
        await ask(ACTIVATE, process=b"one")
        waiting = asyncio.create_task(ask(TAKE, process=b"one"))
        await asyncio.sleep(0)
        await ask(ACTIVATE, process=b"two")
        status, _ = await waiting
        assert (status, flower.asked.count(TAKE)) == (409, 1)

    asyncio.run(scene())


@pytest.mark.parametrize("side", ["fleet", "runtime"])
@pytest.mark.parametrize("call", ["pull-messages", "push-messages", "pull-object", "push-object"])
def test_messages_do_not_travel_in_pieces(side: str, call: str) -> None:
    flower = Flower()
    port = 1 if side == "fleet" else 2
    status, _ = asyncio.run(asking(flower)(f"/v1/{side}/{call}", port=port))
    assert (status, flower.asked) == (404, [])


def test_who_asks_with_success_is_answered_at_once() -> None:
    flower = Flower()
    flower.bodies[TAKE] = b"message"
    assert asyncio.run(asking(flower)(TAKE)) == (200, b"message")


def test_what_comes_while_flower_looks_is_not_missed() -> None:
    async def scene() -> None:
        flower = Flower()
        ask = asking(flower)
        answer = Flower.__call__

        async def slow(self: Flower, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == TAKE and flower.asked.count(TAKE) == 0:
                await answer(self, scope, receive, send)
                flower.bodies[TAKE] = b"message"
                await ask(GIVE, port=2)
            else:
                await answer(self, scope, receive, send)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Flower, "__call__", slow)
            patch.setitem(gate._TAKES, TAKE, 60.0)
            assert await ask(TAKE) == (200, b"message")

    asyncio.run(scene())


def test_nobody_is_held_for_ever_nor_where_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gate._TAKES, TAKE, 0.001)
    assert asyncio.run(asking(Flower())(TAKE)) == (200, b"")
    monkeypatch.setitem(gate._TAKES, TAKE, 60.0)
    monkeypatch.setattr(gate, "HELD_MAX", 0)
    assert asyncio.run(asking(Flower())(TAKE)) == (200, b"")


def test_a_refusal_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gate._TAKES, TAKE, 60.0)
    flower = Flower()
    flower.status = 401
    assert asyncio.run(asking(flower)(TAKE)) == (401, b"")


def test_of_two_processes_with_one_key_the_newer_is_the_partner() -> None:
    async def scene() -> None:
        flower = Flower()
        flower.bodies[TAKE] = b"message"
        ask = asking(flower)
        await ask(ACTIVATE, process=b"one")
        assert await ask(TAKE, process=b"one") == (200, b"message")
        flower.status = 412  # Flower has refused its signature, or its key
        await ask(ACTIVATE, process=b"stranger")
        flower.status = 200
        assert await ask(TAKE, process=b"one") == (200, b"message")
        await ask(ACTIVATE, process=b"two")
        status, _ = await ask(TAKE, process=b"one")
        assert status == 409
        assert await ask(TAKE, process=b"two") == (200, b"message")

    asyncio.run(scene())
