"""The operator's desk for tests: over a log with something on every page, and as a browser would use it."""

from __future__ import annotations

import asyncio
import html
import random
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
from google.protobuf.message import Message

from commonground.web.gate import FORM_FIELD
from coordinator.config import Home
from coordinator.desk.desk import Desk
from coordinator.desk.server import serving
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.live_coordinator import CLI, live
from tests.showcase import served
from tests.simulated import Network, Person, campaign, part, rounds

DRAFT = """\
id = "birds"
title = "Birds"
guidelines = "The bird in the middle."
labels = ["crow", "jay"]
privacy = "open"
"""


@asynccontextmanager
async def desk_over(net: Network, folder: Path) -> AsyncIterator[tuple[Desk, str]]:
    """A desk beside a coordinator that serves the network's log, and the address that opens it."""
    home = served(net, folder / "net")
    (home.path / "drafts").mkdir()
    (home.path / "drafts" / "birds.toml").write_text(DRAFT)
    async with live(home):
        with await asyncio.to_thread(Desk, home) as desk:
            async with serving(desk) as url:
                yield desk, url


@contextmanager
def desk_process(home: Home) -> Iterator[str]:
    """`commonhold coordinator desk` in a process of its own; gives the address that it prints."""
    process = subprocess.Popen(
        [*CLI, "coordinator", "desk", "--dir", str(home.path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


class Visitor:
    """A browser without a script: it follows links, keeps cookies, and sends forms as they stand."""

    def __init__(self, url: str) -> None:
        """Enters by the address that was printed."""
        self.client = httpx.Client(follow_redirects=True, timeout=60)
        self.page = self.client.get(url)
        assert self.page.status_code == 200
        self.base = str(self.page.url)
        self.origin = f"http://{self.page.url.netloc.decode()}"

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def read(self, path: str) -> str:
        """The text of a page, as HTML."""
        self.page = self.client.get(self.base + path)
        assert self.page.status_code == 200, f"{path}: {self.page.text}"
        return self.page.text

    @property
    def secret(self) -> str:
        """What the forms of the present page carry."""
        found = re.search(rf'name="{FORM_FIELD}" value="([0-9a-f]+)"', self.page.text)
        assert found is not None, "the page has no form that changes something"
        return found[1]

    def hidden(self, name: str) -> str:
        """The value of a hidden field of the present page."""
        found = re.search(rf'type="hidden" name="{name}" value="([^"]*)"', self.page.text)
        assert found is not None, f"the page has no hidden {name}"
        return html.unescape(found[1])

    def send(self, path: str, *, files: Any = None, **fields: Any) -> httpx.Response:
        """Sends a form of the present page."""
        self.page = self.client.post(
            self.base + path,
            data={FORM_FIELD: self.secret} | fields,
            files=files,
            headers={"origin": self.origin},
        )
        return self.page


# ---- a campaign that lasts for weeks ----

MOODS = ("angry", "neutral", "pleased")
QUARTER_MS = 15 * 60_000
WEEK_MS = 7 * 86_400_000
BEGAN_MS = 1_789_000_000_000  # long ago for whoever reads this: no clock is behind it
# Of twenty texts a week, how many are of each mood. From the fifth on somebody brings complaints.
WEEKS = ((4, 9, 7), (5, 9, 6), (4, 8, 8), (5, 8, 7), (11, 6, 3), (12, 5, 3), (10, 6, 4))
TEXTS = (
    "The parcel was here a day early, and the box was dry although it rained. Thank you!",
    "I have written to you three times, and three times the same letter came back.",
    "Where do I find the serial number?",
    "The new handle is better than the old one was. My mother can open it by herself now.",
    "It stopped on the second day. I want my money back, not another one.",
    "Is the shop open on the third of October?",
)


class Unhurried(Network):
    """Every record of the operator comes a quarter of an hour after the one before."""

    def add(self, person: Person, kind: str, body: Message, leaves: Sequence[bytes] = ()) -> None:
        if person is self.operator:
            self.clock_ms += QUARTER_MS
        super().add(person, kind, body, leaves)


def mood_network() -> Network:
    """Seven weeks of a campaign in which careless reviewers, and what is brought, change; six texts wait."""
    rng = random.Random(5)

    def careless(share: float) -> Callable[[Any], Any]:
        return lambda truth: rng.choice(MOODS) if rng.random() < share else truth

    names = ("ada", "ben", "cyn", "dan", "eva", "fay", "gus", "hal")
    shares = (0.0, 0.0, 0.05, 0.05, 0.1, 0.1, 0.25, 0.4)
    people = [Person(name, careless(share)) for name, share in zip(names, shares, strict=True)]
    net = Unhurried(*people)
    net.clock_ms = BEGAN_MS
    body = campaign(
        id="mood",
        title="How does the writer feel?",
        guidelines="Judge the words, not what they are about. Neutral is whoever only asks.",
        spec=encode_spec({"labels": list(MOODS)}),
        proposal=pb.PROPOSAL_OPTIONAL,
        parts=[part("text", "text/plain")],
        rounds=rounds(),
    )
    net.add(net.operator, "campaign", body)
    for number, week in enumerate(WEEKS):
        truths = [mood for mood, count in zip(MOODS, week, strict=True) for _ in range(count)]
        for place, author in enumerate(people[:4]):
            mine = truths[place::4] if place or number < 4 else truths[::4] + truths[1:5]
            net.submit(author, [net.item(each, c="mood", proposes=False) for each in mine], "mood")
        waiting = [item_id for _, item_id in net.state.waiting.scan()]
        net.run_rounds(*people[2:], gold=waiting[:3], c="mood")
        net.clock_ms += WEEK_MS
    fresh = [
        net.item(MOODS[at % 3], c="mood", proposes=False, content=text.encode())
        for at, text in enumerate(TEXTS)
    ]
    net.submit(people[0], fresh, "mood")
    return net
