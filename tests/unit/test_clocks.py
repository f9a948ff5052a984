"""The operator's clock against ours: told while it matters, taken back by itself, never from old records."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from commonground.addresses import now_ms
from commonhold.cli.node_report import status, status_text
from node.clocks import NOTED_MS, TOLERANCE_MS, ClockWatch, clock_warning, differences
from node.config import NodeConfig, NodeDirectory
from node.follower import Follower
from node.store import Store
from protocol.errors import Misbehaviour
from tests.simulated import Network, Person, campaign
from tests.simulated_log import LINK, assurance_of, feed, page_of

MINUTE_MS = 60_000
START_MS = 1_700_000_000_000


class Scene:
    """A log whose operator has a clock of their own, and a node that follows it with another one."""

    def __init__(self, folder: Path) -> None:
        self.net = Network(Person("ada"), Person("ben"), Person("cyn"))
        self.net.add(self.net.operator, "campaign", campaign(id="other"))
        self.store = Store(folder / "node.db")
        self.follower = Follower(self.store, LINK)
        self.net.clock_ms = START_MS
        self.ours_ms = START_MS
        ClockWatch(self.store, self.follower, lambda: self.ours_ms)

    def seal(self, ahead_ms: int = 0, c: str = "digits") -> None:
        """Something waits, and the operator seals it, by a clock that is so much ahead of ours."""
        self.ours_ms += 10 * MINUTE_MS
        self.net.clock_ms = self.ours_ms + ahead_ms
        self.net.submit(self.net.people[0], [self.net.item(1, c=c)], c=c)
        self.net.seal(c=c)

    def go_on(self, ahead_ms: int = 0, c: str = "digits") -> None:
        """The round's next record. Nobody stood by: it is drawn again."""
        self.ours_ms += 10 * MINUTE_MS
        self.net.clock_ms = self.ours_ms + ahead_ms
        self.net.draw(c)

    def read(self) -> str:
        """What the node says once it has read on."""
        feed(self.follower, self.net)
        return clock_warning(self.store, self.ours_ms)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.store.close()


def test_clocks_that_differ_little_are_nothing(scene: Scene) -> None:
    scene.read()
    scene.seal(TOLERANCE_MS - 1_000)
    assert scene.read() == ""
    scene.go_on(-TOLERANCE_MS + 1_000)
    assert scene.read() == ""


@pytest.mark.parametrize(
    ("ahead_ms", "words"),
    [
        (5 * MINUTE_MS, ("5 minutes ahead of", "windows end earlier", "digits")),
        (-90 * MINUTE_MS, ("90 minutes behind", "windows end later", "digits")),
    ],
)
def test_a_difference_is_told_once_in_the_log_and_taken_back_by_the_next_record(
    scene: Scene, caplog: pytest.LogCaptureFixture, ahead_ms: int, words: tuple[str, ...]
) -> None:
    scene.read()
    with caplog.at_level(logging.WARNING):
        scene.seal(ahead_ms)
        said = scene.read()
        for each in words:
            assert each in said
        scene.go_on(ahead_ms)
        assert scene.read() == said
    assert [record.getMessage() for record in caplog.records] == [said]
    scene.seal()
    assert scene.read() == ""


def test_old_records_say_nothing_of_clocks(scene: Scene) -> None:
    scene.seal(5 * MINUTE_MS)
    scene.ours_ms += 365 * 24 * 60 * MINUTE_MS
    assert scene.read() == ""


def test_each_campaign_takes_back_its_own_and_time_all(scene: Scene) -> None:
    scene.read()
    scene.seal(7 * MINUTE_MS)
    assert "7 minutes" in scene.read()
    scene.seal(3 * MINUTE_MS, c="other")
    assert "7 minutes" in scene.read()  # the largest
    scene.go_on(c="other")
    assert "7 minutes" in scene.read()
    scene.go_on()
    assert scene.read() == ""
    scene.seal(-4 * MINUTE_MS, c="other")
    assert "4 minutes behind" in scene.read()
    assert differences(scene.store, scene.ours_ms + NOTED_MS - 1)
    assert clock_warning(scene.store, scene.ours_ms + NOTED_MS) == ""


def test_the_close_of_an_epoch_counts_and_a_restart_forgets_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    scene.read()
    scene.net.clock_ms = scene.ours_ms + 6 * MINUTE_MS
    scene.net.close()
    assert "the close of an epoch" in scene.read()
    with Store(tmp_path / "node.db") as other:
        assert clock_warning(other, scene.ours_ms) == scene.read()
        again = Follower(other, LINK)
        ClockWatch(other, again, lambda: scene.ours_ms)
        again.replay()  # old by now
        assert clock_warning(other, scene.ours_ms) == scene.read()


async def test_every_stream_begins_with_what_is_old(scene: Scene) -> None:
    seen: list[bool] = []

    class Client:
        async def follow(self, start: int, held: bytes, _: int = 0) -> AsyncGenerator[Any, None]:
            seen.append(scene.follower.is_live)
            if len(seen) == 3:
                raise Misbehaviour("enough")
            yield assurance_of(scene.net, held)
            scene.seal()
            yield page_of(scene.net, start)
            seen.append(scene.follower.is_live)

        async def pause(self, *_: object) -> None:
            return None

    async def at_once(seconds: float) -> None:
        return None

    follower = Follower(scene.store, LINK, sleep=at_once)
    scene.follower = follower
    with pytest.raises(Misbehaviour, match="enough"):
        await follower.run(Client())  # type: ignore[arg-type]
    assert seen == [False, True, False]


def test_status_says_it_before_everything_else(scene: Scene, tmp_path: Path) -> None:
    ada = scene.net.people[0]
    for name, value in (("person", ada.id), ("key", ada.key), ("payout_address", ada.address)):
        scene.store.set_meta(name, value)
    scene.read()

    def said() -> str:
        home, config = NodeDirectory(tmp_path), NodeConfig(LINK)
        return "\n".join(status_text(status(home, config, scene.store, scene.follower, "up")))

    assert "CLOCK" not in said()
    note = [["digits", 5 * MINUTE_MS, now_ms()]]
    scene.store.set_meta("clocks", json.dumps(note).encode())
    assert said().startswith("CLOCK: the operator's clock is 5 minutes ahead")
