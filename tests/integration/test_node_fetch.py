"""Many items of one author: fetched at a pace that the author's node does not take for an attack."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from commonground.addresses import Announcement, now_ms
from commonground.p2p import Denial, Grant, OpenBlob, PeerHost
from commonground.p2p.limits import REQUESTS_BURST
from node.examine import MISMATCH, UNSURE, Fetcher, Opinion, Wanted
from node.intake import MAX_CONTENT_BYTES, PNG
from node.rows import TaskRow
from protocol.identity import Identity
from protocol.log import commitments
from protos.gen import records_pb2 as pb

SALT = b"\7" * 32
# Without a pause a reviewer is banned after some 84 of them.
ITEMS = 2 * REQUESTS_BURST


def content_of(item_id: bytes) -> bytes:
    return b"content " + item_id


class Library:
    """Gives everything to everybody; item 0 has other content than its record says."""

    async def authorise(self, peer: bytes, item_id: bytes) -> Grant | Denial:
        return Denial("reserved") if item_id == bytes([1]) * 32 else Grant()

    async def open(self, item_id: bytes) -> OpenBlob | None:
        content = content_of(item_id)
        return OpenBlob(SALT, len(content), io.BytesIO(content))

    async def accept(self, author: bytes, data: bytes) -> bool:
        return True


class Book:
    """Where the author is: what a directory answers."""

    def __init__(self, author: PeerHost) -> None:
        identity = Identity(author.key)
        self.known = {identity: Announcement(identity, author.addresses, now_ms() + 60_000)}

    async def find(self, wanted: Iterable[Identity]) -> dict[Identity, Announcement]:
        return {who: self.known[who] for who in wanted if who in self.known}

    def forget(self, identity: Identity) -> None:
        return


def wanted(author: bytes, number: int, **changes: object) -> Wanted:
    item_id = bytes([number]) * 32
    content = content_of(item_id)
    record = pb.Item(
        content_commitment=commitments.content_commitment(SALT, content),
        size=len(content),
        media_type=PNG,
    )
    for name, value in changes.items():
        setattr(record, name, value)
    return Wanted(TaskRow(1, 1, number, item_id, author, "digits"), record, ())


async def run_pass(folder: Path, items: Iterable[Wanted], author: PeerHost) -> dict[int, object]:
    """One pass of a reviewer's node; what became of each item, by its number."""
    outcomes: dict[int, object] = {}

    def arrived(each: Wanted, outcome: Path | Opinion) -> None:
        outcomes[each.task.position] = outcome

    library = Library()
    reader = PeerHost(
        b"\2" * 32,
        authorise=library.authorise,
        source=library,
        validate_checkpoint=library.accept,
    )
    await reader.start()
    try:
        fetcher = Fetcher(reader, Book(author), folder, MAX_CONTENT_BYTES)  # type: ignore[arg-type]
        await fetcher.run_pass(list(items), arrived)
    finally:
        await reader.stop()
    return outcomes


async def test_an_author_of_many_items_does_not_ban_the_reviewer(tmp_path: Path) -> None:
    library = Library()
    author = PeerHost(
        b"\1" * 32,
        authorise=library.authorise,
        source=library,
        validate_checkpoint=library.accept,
    )
    await author.start()
    try:
        items = [wanted(author.key, number + 2) for number in range(ITEMS)]
        outcomes = await run_pass(tmp_path, items, author)
        assert len(outcomes) == ITEMS
        assert all(isinstance(outcome, Path) for outcome in outcomes.values())
        assert items[0].path_in(tmp_path).read_bytes() == content_of(items[0].item_id)
    finally:
        await author.stop()


async def test_what_does_not_fit_its_record_is_told_apart(tmp_path: Path) -> None:
    library = Library()
    author = PeerHost(
        b"\3" * 32,
        authorise=library.authorise,
        source=library,
        validate_checkpoint=library.accept,
    )
    await author.start()
    try:
        items = [
            wanted(author.key, 10),
            wanted(author.key, 11, content_commitment=bytes(32)),
            wanted(author.key, 12, size=3),  # less than is served
            wanted(author.key, 13, size=10_000),  # more than is served
            wanted(author.key, 14, media_type="audio/ogg"),
            wanted(author.key, 15, size=MAX_CONTENT_BYTES + 1),
            wanted(b"\4" * 32, 16),  # an author who is away
        ]
        outcomes = await run_pass(tmp_path, items, author)
        path = outcomes.pop(10)
        assert path == items[0].path_in(tmp_path)
        expected = {11: MISMATCH, 12: MISMATCH, 13: MISMATCH, 14: UNSURE, 15: UNSURE}
        assert outcomes == expected
        refused = await run_pass(tmp_path, [wanted(author.key, 1)], author)
        assert refused == {}  # perhaps only not yet: it is asked for again
    finally:
        await author.stop()
