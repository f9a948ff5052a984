"""commonground/directory.py: where machines are, as they signed it themselves."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from commonground import directory as module
from commonground.addresses import LIFETIME_MS, now_ms, seal_announcement
from commonground.directory import LOOKUP_MAX, Directory
from protocol.identity import KeyId
from tests.simulated import NETWORK, Person

ANN, BOB = Person("ann"), Person("bob")


def announcement(
    of: Person, place: str = "/ip4/192.0.2.1/tcp/1", lasts_ms: int = LIFETIME_MS
) -> bytes:
    return seal_announcement(
        NETWORK, of.key, [place], now_ms() + lasts_ms, lambda m: of.signing_key.sign(m).signature
    )


class Coordinator:
    """Answers every question with the same envelopes; remembers what was asked."""

    def __init__(self, *envelopes: bytes) -> None:
        self.envelopes = list(envelopes)
        self.asked: list[list[KeyId]] = []

    async def lookup(self, keys: Sequence[KeyId]) -> list[bytes]:
        self.asked.append(list(keys))
        return self.envelopes


def asking(coordinator: Coordinator) -> Directory:
    return Directory(NETWORK, coordinator)  # type: ignore[arg-type]  # all that it needs of a client


async def test_keys_are_found_in_the_order_asked_for_and_asked_for_once() -> None:
    coordinator = Coordinator(announcement(ANN), announcement(BOB))
    directory = asking(coordinator)
    found = await directory.find([BOB.key, ANN.key, BOB.key])
    assert list(found) == [BOB.key, ANN.key]
    assert found[ANN.key].addresses == ("/ip4/192.0.2.1/tcp/1",)
    assert await directory.find([ANN.key]) == {ANN.key: found[ANN.key]}
    assert coordinator.asked == [[BOB.key, ANN.key]]


async def test_who_is_not_where_he_said_is_asked_for_again() -> None:
    coordinator = Coordinator(announcement(ANN))
    directory = asking(coordinator)
    await directory.find([ANN.key])
    directory.forget(ANN.key)
    directory.forget(BOB.key)  # unknown: as well
    coordinator.envelopes = [announcement(ANN, "/ip4/192.0.2.2/tcp/2")]
    assert (await directory.find([ANN.key]))[ANN.key].addresses == ("/ip4/192.0.2.2/tcp/2",)


async def test_a_coordinator_can_hide_a_peer_and_nothing_worse() -> None:
    forged = bytearray(announcement(ANN))
    forged[-1] ^= 1
    directory = asking(
        Coordinator(b"junk", bytes(forged), announcement(ANN, lasts_ms=-1), announcement(BOB))
    )
    assert await directory.find([ANN.key]) == {}
    assert BOB.key not in directory._known  # nobody asked for it


async def test_what_has_expired_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = Coordinator(announcement(ANN))
    directory = asking(coordinator)
    await directory.find([ANN.key])
    later = now_ms() + LIFETIME_MS + 1
    monkeypatch.setattr(module, "now_ms", lambda: later)
    assert await directory.find([ANN.key]) == {}
    assert len(coordinator.asked) == 2


async def test_many_keys_are_several_questions() -> None:
    coordinator = Coordinator()
    keys = [KeyId(number.to_bytes(32)) for number in range(LOOKUP_MAX + 1)]
    assert await asking(coordinator).find(keys) == {}
    assert [len(asked) for asked in coordinator.asked] == [LOOKUP_MAX, 1]
