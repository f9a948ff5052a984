"""A contributor's page over a simulated network: real records, a real store, real pictures."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from google.protobuf.message import Message
from PIL import Image, ImageDraw

from node.blobs import BlobStore
from node.follower import Follower
from node.page.own import OwnRecords
from node.page.server import serving
from node.page.sources import Replay, Sources, Spending
from node.rows import ItemRow, Outgoing, PartRow
from node.store import Store
from protocol.log.merkle import hash_leaf
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.rows import ItemId
from protos.gen import records_pb2 as pb
from tests.showcase import four_kinds
from tests.simulated import Network, Person
from tests.simulated_log import LINK, feed
from tests.simulated_training import enrol, open_job, train

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"
SALT = b"\x5a" * 32
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(32)


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
    is_reserved: bool = False


def picture(seed: int) -> bytes:
    """A PNG of a digit-like scrawl, another one for each seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (28, 28))
    points = [(int(x), int(y)) for x, y in rng.integers(5, 23, (5, 2))]
    ImageDraw.Draw(image).line(points, fill=255, width=3, joint="curve")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class Pictures(Network):
    """Its digits are pictures."""

    def add(self, person: Person, kind: str, body: Message, leaves: Sequence[bytes] = ()) -> None:
        if isinstance(body, pb.Campaign) and body.id == "digits":
            body.parts[0].media_types[:] = ["image/png"]
        super().add(person, kind, body, leaves)


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
        self.net = Pictures(*(Person(name) for name in ("ada", "ben", "cyn", "dov", "eve")))
        self.store = Store(self.folder / "node.db")
        self.blobs = BlobStore(self.folder / "blobs")
        self.follower = Follower(self.store, LINK)
        own = OwnRecords(self.follower, self.store, self.ada.id)
        self.sources = Sources(
            self.ada.id,
            LINK,
            self.store,
            self.blobs,
            peers=lambda: 3,
            read_spending=lambda: self.spending,
            key=self.ada.key,
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

    def ask(self) -> None:
        """Opens a campaign of each other kind."""
        for body in four_kinds():
            self.net.add(self.net.operator, "campaign", body)
        self.follow()

    def give(
        self, labels: Sequence[int], *, wrong: Sequence[int] = (), name: str = "", seed: int = -1
    ) -> list[ItemId]:
        """ada submits a picture for each label; those at the places in `wrong` she mislabels."""
        leaves = []
        for place, truth in enumerate(labels):
            content = picture(self.made if seed < 0 else seed)
            said = (truth + 1) % 10 if place in wrong else truth
            leaves.append(self.net.item(truth, said, content=content))
            file = name or f"scan-{self.made:03}.png"
            self._keep(leaves[-1], "digits", file, {"image": content}, file)
            self.made += 1
        return self._submit(leaves, "digits")

    def give_parts(
        self,
        c: str,
        truth: str,
        parts: Mapping[str, bytes],
        *,
        said: str | None = None,
        sources: Mapping[str, str] | None = None,
        table: str = "table.csv:2",
    ) -> ItemId:
        """ada submits an item of these parts, which her table holds."""
        item = parse_leaf(pb.Item, self.net.item(truth, said, c=c, proposes=said is not None))
        described = hash_leaf(encode_leaf(item))
        for part in (each for each in item.parts if each.name in parts):
            part.size = len(parts[part.name])
            part.source = (sources or {}).get(part.name, "")
        own = [parse_leaf(pb.Part, self.net.part_leaves[each.hash]) for each in item.optional]
        del item.optional[:]
        for part in (each for each in own if each.name in parts):
            part.size = len(parts[part.name])
            item.optional.append(self.net.own_leaf(part))
        leaf = encode_leaf(item)
        for known in (self.net.truth, self.net.openings):
            if described in known:
                known[hash_leaf(leaf)] = known.pop(described)
        self._keep(leaf, c, table, parts)
        [item_id] = self._submit([leaf], c)
        return item_id

    def _submit(self, leaves: Sequence[bytes], c: str) -> list[ItemId]:
        self.net.submit(self.ada, leaves, c)
        self.follow()
        return [hash_leaf(leaf) for leaf in leaves]

    def _keep(
        self, leaf: bytes, c: str, name: str, parts: Mapping[str, bytes], path: str = ""
    ) -> None:
        """As a submission keeps an item on ada's disk."""
        outgoing = Outgoing("submission", leaf)
        terms = self.net.campaign(c).parts
        media = {each.name: each.media_types[0] for each in terms}
        _, proposal = self.net.openings.get(hash_leaf(leaf), (b"", None))
        row = ItemRow(
            item_id=hash_leaf(leaf),
            submission=outgoing.digest,
            name=name,
            campaign_id=c,
            content_sha256=hash_leaf(leaf),
            parts=tuple(
                PartRow(
                    part,
                    self.blobs.put(content, SALT).commitment,
                    SALT,
                    len(content),
                    media[part],
                    path,
                )
                for part, content in parts.items()
            ),
            proposal=proposal,
            proposal_salt=SALT,
        )
        self.store.enqueue_submission(outgoing, [row])
        self.store.mark_sent(outgoing.digest)

    def review(self, *campaigns: str) -> None:
        """Rounds of these campaigns, or of digits, in which all others, and ada, review; then the close."""
        for c in campaigns or ("digits",):
            self.net.run_rounds(*self.net.people, c=c)
        self.net.close()
        self.follow()

    def withdraw(self, *items: ItemId, part: str = "") -> None:
        """ada takes items back, or a part of each."""
        self.net.withdraw(self.ada, items, part)
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
    """Everything that a page shows: items of every kind in every state, money, reviews, training."""
    world = World(folder)
    world.ask()
    digits = [number % 10 for number in range(40)]
    items = world.give(digits, wrong=(3, 17))
    bens = [world.net.item(number % 10) for number in range(20)]
    world.net.submit(world.net.people[1], bens)
    world.review()
    give_kinds(world)
    world.give([5, 6, 7, 8] * 4)
    world.give([0], seed=0, name="scan-000 again.png")
    world.net.submit(world.net.people[2], [world.net.item(number % 10) for number in range(9)])
    world.review("digits", "answers", "essays", "transcripts")
    world.withdraw(items[5])
    world.train(12)
    world.spending.append(Spent(b"\x3f" * 32, "train", 12, 1.18, 3.0, 1e-5, 1_763_700_000))
    world.give([1, 2, 3])
    world.review()
    world.give([4, 9])
    world.give_parts("essays", "good", {"essay": b"My summer was long."})
    return world


def give_kinds(world: World) -> None:
    """An item of each other kind."""
    world.give_parts(
        "essays",
        "good",
        {
            "essay": "The river was wide,\nand <b>nobody</b> had a boat.\n\u0633\u0644\u0627\u0645".encode()
        },
        said="great",
        table="essays.csv:2",
    )
    world.give_parts(
        "answers",
        "a",
        {
            "prompt": b"Why is the sky blue?",
            "answer_a": b"Air scatters blue light more than red.",
            "answer_b": b"Because it reflects the sea.",
        },
        sources={"answer_a": "aurora-7b", "answer_b": "birch-3b"},
        table="pairs.jsonl:1",
    )
    world.give_parts(
        "transcripts",
        "yes, no, yes",
        {"recording": WAV, "transcript": b"Good morning, and welcome."},
        table="calls.csv:9",
    )


KINDS_GIVEN = 3
GIVEN = 62 + KINDS_GIVEN + 1
