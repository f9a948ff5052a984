"""A reviewing node beside a simulated network: what it queues goes through the real rules.

The log is fed entry by entry through a real Follower and Store; only the network between is left out.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from node.answering import Answering
from node.config import NodeConfig, NodeDirectory, write_config
from node.examine import Content, Examiner, Opinion
from node.follower import Follower
from node.intake import fingerprint_content
from node.keys import NodeKeys
from node.review import REVIEWER, ReviewDuties, make_tasks, make_wanted
from node.reviewers import load_reviewers
from node.store import Store
from protocol.identity import PersonId
from protocol.log import commitments
from protocol.log.merkle import hash_leaf
from protocol.log.strict import encode_leaf
from protocol.rows import Campaign, GivenAnswer
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests import simulated
from tests.simulated import LABELS, Network, Person
from tests.simulated_log import LINK, feed, keys_of

PNG, TEXT = "image/png", "text/plain"
PATIENT_MS = 60_000
NOTE = (
    b"the river rose in the night and by the morning two of the old bridges had gone"
    b" so people crossed by boat to reach the market"
)
LIKELY = NOTE.replace(b"bridges", b"ferries")  # a likely copy, and no strict match


def digit(seed: int) -> bytes:
    """A PNG that no other seed comes near."""
    pixels = np.random.default_rng(seed).integers(0, 255, (28, 28), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def pictures(id_: str = "pictures", commit_ms: int = PATIENT_MS) -> pb.Campaign:
    """Digits, in PNG."""
    return simulated.campaign(
        id=id_,
        parts=[simulated.part("content", PNG)],
        rounds=simulated.rounds(commit_ms=commit_ms),
    )


def notes(id_: str = "notes", commit_ms: int = PATIENT_MS) -> pb.Campaign:
    """Texts."""
    return simulated.campaign(
        id=id_,
        parts=[simulated.part("content", TEXT)],
        rounds=simulated.rounds(commit_ms=commit_ms),
    )


def pairs(id_: str = "pairs", commit_ms: int = PATIENT_MS) -> pb.Campaign:
    """Which of two answers to a prompt is better?"""
    return simulated.campaign(
        id=id_,
        task="prefer",
        spec=encode_spec({"ties": True}),
        parts=[simulated.part(name) for name in ("prompt", "answer_a", "answer_b")],
        proposal=pb.PROPOSAL_NOT_TAKEN,
        rounds=simulated.rounds(commit_ms=commit_ms),
    )


def rubric(id_: str = "rubric", commit_ms: int = PATIENT_MS) -> pb.Campaign:
    """Is a solution correct, and is it clear?"""
    criteria = [
        {"name": name, "text": f"Is it {name}?", "needs_ppm": 900_000}
        for name in ("correct", "clear")
    ]
    return simulated.campaign(
        id=id_,
        task="judge",
        spec=encode_spec({"criteria": criteria}),
        parts=[simulated.part("problem"), simulated.part("solution")],
        proposal=pb.PROPOSAL_NOT_TAKEN,
        rounds=simulated.rounds(commit_ms=commit_ms),
    )


class Shelf:
    """Stands in for the network: gives out what is on it, to whoever asks, at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contents: dict[bytes, dict[str, bytes]] = {}
        self.served = 0

    async def run_pass(
        self, wanted: Sequence[Content], arrived: Callable[[Content, Path | Opinion], None]
    ) -> None:
        for each in wanted:
            if each.item_id in self.contents:
                lay_out(each, self.contents[each.item_id], self.folder)
                self.served += 1
                arrived(each, each.folder_in(self.folder))


def lay_out(wanted: Content, parts: Mapping[str, bytes], folder: Path) -> None:
    """Writes an item's parts where its reviewer finds them, as a fetch does."""
    for name, content in parts.items():
        path = wanted.path_in(folder, name)
        put({path.name: content}, path.parent)


def put(parts: Mapping[str, bytes], folder: Path) -> None:
    """Writes files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in parts.items():
        (folder / name).write_bytes(content)


class Bench:
    """One reviewing node, `me`, whose owner reviews in `campaigns`; two others review as well."""

    def __init__(self, folder: Path, *campaigns: pb.Campaign) -> None:
        self.me, self.author = Person("me"), Person("author")
        self.others = [Person("a"), Person("b")]
        self.keys = keys_of(self.me)
        self.net = Network(self.author, self.me, *self.others)
        for campaign in campaigns:
            self.net.add(self.net.operator, "campaign", campaign)
        self.campaigns = [campaign.id for campaign in campaigns]
        self.folder = folder
        self.shelf = Shelf(folder / "review")
        self.chance = random.Random(7)
        self.store: Store | None = None
        self.restart()

    def submit(self, c: str, *items: Mapping[str, bytes] | bytes) -> None:
        """Submits items; bytes are the one part of an item."""
        self.net.submit(self.author, [self.leaf(c, item) for item in items], c=c)

    def leaf(self, c: str, item: Mapping[str, bytes] | bytes, claimed: bytes = b"") -> bytes:
        """A leaf whose content is on the shelf; `claimed` is what its author says it looks like."""
        terms = self.net.campaign(c).parts
        contents = dict(item) if not isinstance(item, bytes) else {terms[0].name: item}
        parts = []
        for each in terms:
            content, media_type = contents[each.name], each.media_types[0]
            salt = self.chance.randbytes(32)
            parts.append(
                pb.Part(
                    name=each.name,
                    commitment=commitments.content_commitment(salt, content),
                    size=len(content),
                    media_type=media_type,
                    fingerprint=claimed or fingerprint_content(content, media_type),
                    source="model-x" if each.name == "answer_a" else "",
                )
            )
        salt, proposes = self.chance.randbytes(32), self.net.campaign(c).proposal
        answer = self.net.answer(3, c) if proposes == pb.PROPOSAL_REQUIRED else b""
        leaf = encode_leaf(
            pb.Item(
                parts=parts,
                proposal_commitment=commitments.proposal_commitment(salt, answer)
                if answer
                else b"",
                licence="CC-BY-4.0",
                consent=simulated.EVERY_USE,
                origin=pb.ORIGIN_HUMAN,
            )
        )
        if answer:
            self.net.openings[hash_leaf(leaf)] = (salt, answer)
        self.net.truth[hash_leaf(leaf)] = (
            3 if answer else self.net.question(c).kind.choices(self.net.question(c).spec)[0]
        )
        self.shelf.contents[hash_leaf(leaf)] = contents
        return leaf

    def restart(
        self,
        plugin: str = "constant:3",
        wants: Callable[[Campaign], bool] | None = None,
        keys: NodeKeys | None = None,
        tells_seconds: bool = False,
        **plugins: str,
    ) -> None:
        """What a kill and a start leave: the files, and nothing that was in memory.

        `plugin` answers in all campaigns but those of `plugins`; empty: a person does.
        """
        if self.store is not None:
            self.store.close()
        self.keys = keys or self.keys
        self.store = Store(self.folder / "node.db")
        self.follower = Follower(self.store, LINK)
        self.follower.replay()
        answering = Answering(
            self.store,
            self.shelf,  # type: ignore[arg-type]  # the network's stand-in
            Examiner(load_reviewers({"*": plugin} | plugins)),
            self.shelf.folder,
        )
        self.duties = ReviewDuties(
            self.keys,
            self.store,
            self.follower,
            answering,
            wants=wants or (lambda campaign: campaign.id in self.campaigns),
            queued=lambda: None,
            tells_seconds=tells_seconds,
        )
        self.follow()

    @property
    def db(self) -> Store:
        assert self.store is not None
        return self.store

    def follow(self) -> None:
        """Brings the node's replay up to the network's log."""
        feed(self.follower, self.net)

    async def act(self) -> list[str]:
        """One step of duty, to its end; what it queued is logged. Gives the kinds."""
        self.follow()
        await self.step()
        return self.deliver()

    async def step(self) -> None:
        """One step of duty, to its end."""
        await self.duties.step()
        await self.duties.finish()

    def deliver(self) -> list[str]:
        kinds = []
        while (row := self.db.next_queued()) is not None:
            self.net.add_raw(row.outgoing.envelope, row.outgoing.leaves)
            self.db.mark_sent(row.outgoing.digest, len(self.net.log) - 1, b"")
            kinds.append(row.outgoing.kind)
        self.follow()
        return kinds

    async def until_drawn(self, c: str) -> int:
        """Up to the draw, in which everybody gets every item; gives the round's number."""
        if (c, self.me.id) not in self.net.state.standbys:
            assert "standby" in await self.act()
        self.net.stand_by(*self.others, c=c)
        self.net.seal(c=c)
        self.net.draw(c)
        self.follow()
        return self.net.round(c).number

    def finish_commits(self, c: str) -> None:
        for other in self.others:
            self.net.commit(other, self.net.answers(other, c), c)
        self.net.end_commits(c)
        self.follow()

    def answers(self, c: str, person: PersonId | None = None) -> list[GivenAnswer]:
        """What the log holds of me, or of somebody else."""
        who = self.me.id if person is None else person
        return [given for (_, _, whose), given in self.net.state.answers.scan(c) if whose == who]

    def said(self, c: str) -> list[str | int]:
        """The same in words; refusals by their number."""
        kind, spec = self.net.question(c).kind, self.net.question(c).spec
        return [given.refusal or kind.words(spec, given.answer) for given in self.answers(c)]


__all__ = [
    "LABELS",
    "LIKELY",
    "NOTE",
    "Bench",
    "digit",
    "notes",
    "pairs",
    "pictures",
    "put",
    "rubric",
]


def drawn(
    folder: Path, *campaigns: pb.Campaign, **items: Sequence[Mapping[str, bytes] | bytes]
) -> Bench:
    """A node whose owner was drawn for these items, by campaign; all of them are here."""
    bench = Bench(folder, *campaigns)
    for c, contents in items.items():
        bench.submit(c, *contents)
        bench.net.stand_by(bench.me, *bench.others, c=c)
        bench.net.seal(c=c)
        bench.net.draw(c)
    write_config(NodeDirectory(folder), NodeConfig(LINK))
    feed(Follower(bench.db, LINK), bench.net)
    bench.db.set_meta(REVIEWER, bench.me.id)
    for c in items:
        tasks = make_tasks(bench.net.state, bench.me.id, c)
        bench.db.add_tasks(tasks)
        for task in tasks:
            wanted = make_wanted(bench.net.state, bench.me.id, task)
            lay_out(wanted, bench.shelf.contents[task.item_id], folder / "review")
            bench.db.set_fetched(task, folder / "review" / task.item_id.hex())
    return bench


def lay_out_originals(bench: Bench, c: str) -> None:
    """Writes what likely copies resemble beside them, as a fetch does."""
    for task in bench.db.tasks(c, 1):
        earlier = make_wanted(bench.net.state, bench.me.id, task).original
        if earlier is None:
            continue
        contents = bench.shelf.contents[earlier.item_id]
        for part in earlier.compared:
            path = earlier.path_in(bench.folder / "review", part.name)
            put({path.name: contents[part.name]}, path.parent)
