"""Fetching for review over libp2p: part by part, from any of an author's machines, at a pace that no node
takes for an attack."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from commonground.addresses import Announcement, now_ms
from commonground.carried import PART_BYTES_MAX
from commonground.p2p import Denial, DialRule, Grant, OpenBlob
from commonground.p2p.host import PeerHost
from commonground.p2p.limits import REQUESTS_BURST
from node.examine import MISMATCH, UNSURE, Content, Fetcher, Opinion, Wanted
from node.rows import TaskRow
from protocol.identity import KeyId
from protocol.log import commitments
from protocol.rows import Campaign, Consent, Description, Part
from protos.gen import records_pb2 as pb
from tests import simulated

SALT = b"\7" * 32
TEXT = "text/plain"
AUTHOR = b"\x0a" * 32  # a person
# Of two parts each. Without a pause a reviewer is banned after some 170 requests.
ITEMS = REQUESTS_BURST
NAMES = ("prompt", "answer")


def content_of(item_id: bytes, part: str) -> bytes:
    return b"%s of %s" % (part.encode(), item_id)


class Library:
    """Gives everything to everybody but what is reserved; remembers what was asked."""

    def __init__(self, *, reserved: Iterable[tuple[bytes, str]] = (), has: str = "all") -> None:
        self.reserved, self.has = set(reserved), has
        self.asked: list[tuple[bytes, str]] = []

    async def authorise(self, item_id: bytes, part: str, peer: KeyId) -> Grant | Denial:
        self.asked.append((item_id, part))
        return Denial("reserved") if (item_id, part) in self.reserved else Grant()

    async def open(self, item_id: bytes, part: str) -> OpenBlob | None:
        if self.has == "nothing":
            return None
        content = content_of(item_id, part)
        return OpenBlob(SALT, len(content), io.BytesIO(content))

    async def accept(self, author: KeyId, data: bytes) -> bool:
        return True

    @asynccontextmanager
    async def peer(self, seed: int) -> AsyncIterator[PeerHost]:
        """A running peer that serves this library."""
        host = PeerHost(
            bytes([seed]) * 32,
            authorise=self.authorise,
            source=self,
            validate_checkpoint=self.accept,
            dialling=DialRule("127.0.0.1"),
        )
        await host.start()
        try:
            yield host
        finally:
            await host.stop()


class Book:
    """Where machines are: what a directory answers."""

    def __init__(self, *machines: PeerHost) -> None:
        self.known = {
            each.key: Announcement(each.key, each.addresses, now_ms() + 60_000) for each in machines
        }

    async def find(self, wanted: Iterable[KeyId]) -> Mapping[KeyId, Announcement]:
        return {key: self.known[key] for key in wanted if key in self.known}

    def forget(self, key: KeyId) -> None:
        return


def wanted(number: int, *keys: KeyId, part: str = "answer", **changes: object) -> Wanted:
    """An item of two parts; `changes` are of what the log says of one of them."""
    item_id = bytes([number]) * 32
    parts = []
    for name in NAMES:
        content = content_of(item_id, name)
        values: dict[str, object] = {
            "name": name,
            "commitment": commitments.content_commitment(SALT, content),
            "size": len(content),
            "media_type": TEXT,
            "source": "",
        }
        parts.append(Part(**values | (changes if name == part else {})))  # type: ignore[arg-type]
    described = Description(
        tuple(parts), b"", "CC-BY-4.0", Consent(train=True), pb.ORIGIN_HUMAN, "", False, (), ""
    )
    campaign = Campaign.of(simulated.campaign(parts=[simulated.part(name) for name in NAMES]))
    task = TaskRow("digits", 1, number, item_id, AUTHOR)
    return Wanted(task, campaign, described, {}, keys, flipped=False)


async def run_pass(folder: Path, items: Iterable[Wanted], *machines: PeerHost) -> dict[int, object]:
    """One pass of a reviewer's node; what became of each item, by its number."""
    outcomes: dict[int, object] = {}

    def arrived(each: Content, outcome: Path | Opinion) -> None:
        assert isinstance(each, Wanted)
        outcomes[each.task.position] = outcome

    async with Library().peer(2) as reader:
        book = Book(*machines)
        fetcher = Fetcher(reader, book, folder, PART_BYTES_MAX)  # type: ignore[arg-type]
        await fetcher.run_pass(list(items), arrived)
    return outcomes


def lying(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_an_author_of_many_items_does_not_ban_the_reviewer(tmp_path: Path) -> None:
    async with Library().peer(1) as author:
        items = [wanted(number + 2, author.key) for number in range(ITEMS)]
        outcomes = await run_pass(tmp_path, items, author)
    assert outcomes == {each.task.position: each.folder_in(tmp_path) for each in items}
    for each in items:
        expected = {name: content_of(each.item_id, name) for name in NAMES}
        assert lying(each.folder_in(tmp_path)) == expected


async def test_what_does_not_fit_its_record_is_told_apart(tmp_path: Path) -> None:
    reserved = (bytes([20]) * 32, "answer")
    async with Library(reserved=[reserved]).peer(3) as author:
        key = author.key
        items = [
            wanted(10, key),
            wanted(11, key, commitment=bytes(32)),
            wanted(12, key, size=3),  # less than is served
            wanted(13, key, size=10_000),  # more than is served
            wanted(14, key, media_type="video/ogg"),
            wanted(15, key, size=PART_BYTES_MAX + 1),
            wanted(17, key, part="prompt", commitment=bytes(32)),  # the first of two
            wanted(16, KeyId(b"\4" * 32)),  # an author who is away
        ]
        outcomes = await run_pass(tmp_path, items, author)
        assert outcomes.pop(10) == items[0].folder_in(tmp_path)
        assert outcomes == {
            **dict.fromkeys((11, 12, 13, 17), MISMATCH),
            **dict.fromkeys((14, 15), UNSURE),
        }
        # Half of an item is no item: it is asked for again, and perhaps refused only for now.
        assert await run_pass(tmp_path, [wanted(20, key)], author) == {}


async def test_what_has_arrived_is_not_asked_for_again(tmp_path: Path) -> None:
    library = Library(reserved=[(bytes([20]) * 32, "answer")])
    async with library.peer(5) as author:
        item = wanted(20, author.key)
        assert await run_pass(tmp_path, [item], author) == {}
        assert list(lying(item.folder_in(tmp_path))) == ["prompt"]
        library.reserved.clear()
        assert await run_pass(tmp_path, [item], author) == {20: item.folder_in(tmp_path)}
    assert [part for _, part in library.asked] == ["prompt", "answer", "answer"]


async def test_any_machine_of_the_author_will_do(tmp_path: Path) -> None:
    """The laptop that submitted has the content; the others of the same person do not."""
    async with (
        Library(has="nothing").peer(6) as desk,
        Library(reserved=[(bytes([30]) * 32, name) for name in NAMES]).peer(7) as phone,
        Library().peer(8) as laptop,
    ):
        gone = KeyId(b"\5" * 32)
        item = wanted(30, gone, desk.key, phone.key, laptop.key)
        outcomes = await asyncio.wait_for(run_pass(tmp_path, [item], desk, phone, laptop), 30)
    assert outcomes == {30: item.folder_in(tmp_path)}
    assert set(lying(item.folder_in(tmp_path))) == set(NAMES)
