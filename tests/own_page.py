"""A contributor's page over a simulated network: real records, a real store, real pictures."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from node.blobs import BlobStore
from node.follower import Follower
from node.page.own import OwnRecords
from node.page.server import serving
from node.page.sources import Replay, Sources, Spending
from node.rows import ItemRow, Outgoing
from node.store import Store
from protocol.log.merkle import hash_leaf
from protocol.state import ItemId
from protos.gen import records_pb2 as pb
from tests.simulated import Network, Person
from tests.simulated_log import LINK, feed
from tests.simulated_training import enrol, open_job, train

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"
SALT = b"\x5a" * 32


@dataclass(frozen=True, slots=True)
class Spent:
    """What `Spending` asks for."""

    commitment: bytes
    job_id: str
    rounds: int
    epsilon: float
    limit: float
    delta: float
    last: float


def picture(seed: int) -> bytes:
    """A PNG of a digit-like scrawl, another one for each seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (28, 28))
    points = [(int(x), int(y)) for x, y in rng.integers(5, 23, (5, 2))]
    ImageDraw.Draw(image).line(points, fill=255, width=3, joint="curve")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@dataclass
class World:
    """ada's node in a network of some people; `open` serves her page."""

    folder: Path
    net: Network = field(init=False)
    store: Store = field(init=False)
    blobs: BlobStore = field(init=False)
    follower: Follower = field(init=False)
    sources: Sources = field(init=False)
    spending: list[Spending] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self.net = Network(*(Person(name) for name in ("ada", "ben", "cyn", "dov", "eve")))
        self.store = Store(self.folder / "node.db")
        self.blobs = BlobStore(self.folder / "blobs")
        self.follower = Follower(self.store, LINK)
        own = OwnRecords(self.follower, self.store, self.ada.identity)
        self.sources = Sources(
            self.ada.identity,
            LINK,
            self.store,
            self.blobs,
            peers=lambda: 3,
            read_spending=lambda: self.spending,
            replay=Replay(self.follower, own, lambda: True),
        )
        self.follow()

    @property
    def ada(self) -> Person:
        return self.net.people[0]

    @property
    def url_file(self) -> Path:
        return self.folder / "page.url"

    def close(self) -> None:
        self.blobs.close()
        self.store.close()

    def follow(self) -> None:
        """Brings ada's replay up to the log."""
        feed(self.follower, self.net)

    def give(
        self, labels: Sequence[int], *, wrong: Sequence[int] = (), name: str = "", seed: int = -1
    ) -> list[ItemId]:
        """ada submits a picture for each label; those at the places in `wrong` she mislabels."""
        leaves = []
        for place, truth in enumerate(labels):
            content = picture(self.made if seed < 0 else seed)
            said = (truth + 1) % 10 if place in wrong else truth
            leaves.append(self.net.item(truth, said, content=content))
            self._keep(leaves[-1], content, said, name or f"scan-{self.made:03}.png")
            self.made += 1
        self.net.submit(self.ada, leaves)
        self.follow()
        return [hash_leaf(leaf) for leaf in leaves]

    def _keep(self, leaf: bytes, content: bytes, label: int, name: str) -> None:
        """As a submission keeps an item on ada's disk."""
        outgoing = Outgoing("submission", leaf)
        row = ItemRow(
            item_id=hash_leaf(leaf),
            submission=outgoing.digest,
            name=name,
            campaign_id="digits",
            label=label,
            content_sha256=hash_leaf(leaf),
            content_salt=SALT,
            label_salt=SALT,
            commitment=self.blobs.put(content, SALT).commitment,
            size=len(content),
            media_type="image/png",
        )
        self.store.enqueue_submission(outgoing, [row])
        self.store.mark_sent(outgoing.digest)

    def review(self) -> None:
        """A whole epoch, in which all others, and ada, review."""
        self.net.run_epoch(*self.net.people)
        self.follow()

    def withdraw(self, *items: ItemId) -> None:
        """ada takes items back."""
        self.net.add(
            self.ada, "withdraw", pb.Withdraw(network=self.net.state.network, item_ids=items)
        )
        self.follow()

    def train(self, rounds: int, title: str = "Digits, privately") -> None:
        """ada trains with ben."""
        partners = (self.ada, self.net.people[1])
        open_job(self.net, *partners, title=title, rounds=30)
        enrol(self.net, *partners)
        for _ in range(rounds):
            train(self.net, *partners)
        self.follow()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serves the page; gives the address that opens it."""
        async with serving(self.sources, self.url_file) as url:
            yield url


def live_world(folder: Path) -> World:
    """Everything that a page shows: items in every state, money, reviews, training."""
    world = World(folder)
    digits = [number % 10 for number in range(40)]
    items = world.give(digits, wrong=(3, 17))
    bens = [world.net.item(number % 10) for number in range(20)]
    world.net.submit(world.net.people[1], bens)
    world.review()
    world.give([5, 6, 7, 8] * 4)
    world.give([0], seed=0, name="scan-000 again.png")
    world.net.submit(world.net.people[2], [world.net.item(number % 10) for number in range(9)])
    world.review()
    world.withdraw(items[5])
    world.train(12)
    world.spending.append(Spent(b"\x3f" * 32, "train", 12, 1.18, 3.0, 1e-5, 1_763_700_000))
    world.give([1, 2, 3])
    world.review()
    world.give([4, 9])
    return world
