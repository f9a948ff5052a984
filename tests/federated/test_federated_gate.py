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
PULL, PUSH, ACTIVATE = (
    "/v1/fleet/pull-messages",
    "/v1/runtime/push-object",
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

    async def ask(path: str, process: bytes = b"one", port: int = 1) -> tuple[int, bytes]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"flwr-public-key", KEY), (b"x-commonhold-process", process)]
        scope = {"type": "http", "path": path, "server": ("", port), "headers": headers}
        await door(scope, receive, send)
        return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])

    return ask


def test_who_asks_in_vain_is_answered_when_there_is_something() -> None:
    async def scene() -> None:
        ask = asking(Flower())
        waiting = asyncio.create_task(ask(PULL))
        await asyncio.sleep(0)
        await ask(PULL.replace("pull", "push"))  # another partner's reply is no news for this one
        assert not waiting.done()
        await ask(PUSH, port=2)
        assert await waiting == (200, b"")  # it asks again, and finds it

    asyncio.run(scene())


def test_who_asks_with_success_is_answered_at_once() -> None:
    flower = Flower()
    flower.bodies[PULL] = b"message"
    assert asyncio.run(asking(flower)(PULL)) == (200, b"message")


def test_what_comes_while_flower_looks_is_not_missed() -> None:
    async def scene() -> None:
        flower = Flower()
        ask = asking(flower)
        answer = Flower.__call__

        async def slow(self: Flower, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == PULL:
                await ask(PUSH, port=2)
            await answer(self, scope, receive, send)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Flower, "__call__", slow)
            patch.setitem(gate._PULLS, PULL, 60.0)
            assert await ask(PULL) == (200, b"")

    asyncio.run(scene())


def test_nobody_is_held_for_ever_nor_where_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gate._PULLS, PULL, 0.001)
    assert asyncio.run(asking(Flower())(PULL)) == (200, b"")
    monkeypatch.setitem(gate._PULLS, PULL, 60.0)
    monkeypatch.setattr(gate, "HELD_MAX", 0)
    assert asyncio.run(asking(Flower())(PULL)) == (200, b"")


def test_a_refusal_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gate._PULLS, PULL, 60.0)
    flower = Flower()
    flower.status = 401
    assert asyncio.run(asking(flower)(PULL)) == (401, b"")


def test_of_two_processes_with_one_key_the_newer_is_the_partner() -> None:
    async def scene() -> None:
        flower = Flower()
        flower.bodies[PULL] = b"message"
        ask = asking(flower)
        await ask(ACTIVATE, process=b"one")
        assert await ask(PULL, process=b"one") == (200, b"message")
        flower.status = 412  # Flower has refused its signature, or its key
        await ask(ACTIVATE, process=b"stranger")
        flower.status = 200
        assert await ask(PULL, process=b"one") == (200, b"message")
        await ask(ACTIVATE, process=b"two")
        status, _ = await ask(PULL, process=b"one")
        assert status == 409
        assert await ask(PULL, process=b"two") == (200, b"message")

    asyncio.run(scene())
