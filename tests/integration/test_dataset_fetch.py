"""Fetching a snapshot from peers who lie, refuse or are away, over real libp2p."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from commonground.addresses import Announcement, now_ms
from commonground.p2p import Denial, DialRule, Grant, OpenBlob
from commonground.p2p.host import PeerHost
from commonground.p2p.limits import REQUESTS_BURST
from coordinator.dataset.content import ContentStore
from coordinator.dataset.fetch import SnapshotFetcher, Wanted, fetching_host
from protocol.errors import StoreError
from protocol.identity import KeyId
from protocol.log import commitments

SALT = b"\7" * 32
RESERVED, WRONG, SHORT, NO_TEXT = (bytes([number]) * 32 for number in (1, 2, 3, 4))


def content_of(item_id: bytes, part: str = "text") -> bytes:
    if item_id == NO_TEXT:
        return b"\xff\xfe"
    return f"{part} of {item_id.hex()}".encode()


class Contributor:
    """Serves anything, but: refuses one item, and gives other bytes than it committed to for another."""

    async def authorise(self, item_id: bytes, part: str, peer: bytes) -> Grant | Denial:
        return Denial("reserved") if item_id == RESERVED else Grant()

    async def open(self, item_id: bytes, part: str) -> OpenBlob | None:
        content = b"other" if item_id == WRONG else content_of(item_id, part)
        return OpenBlob(SALT, len(content), io.BytesIO(content))

    async def accept(self, author: bytes, data: bytes) -> bool:
        return True


class Empty(Contributor):
    """The machine of a contributor whose items are on another one."""

    async def authorise(self, item_id: bytes, part: str, peer: bytes) -> Grant | Denial:
        return Denial("not here")


class Where:
    """A directory that knows some of them."""

    def __init__(self, *hosts: PeerHost) -> None:
        self.known = {
            KeyId(host.key): Announcement(KeyId(host.key), host.addresses, now_ms() + 60_000)
            for host in hosts
        }

    async def find(self, wanted: Iterable[KeyId]) -> dict[KeyId, Announcement]:
        return {key: self.known[key] for key in wanted if key in self.known}

    def forget(self, key: KeyId) -> None:
        return


@asynccontextmanager
async def peer(seed: int, kind: type[Contributor] = Contributor) -> AsyncIterator[PeerHost]:
    who = kind()
    host = PeerHost(
        bytes([seed]) * 32,
        authorise=who.authorise,
        source=who,
        validate_checkpoint=who.accept,
        dialling=DialRule("127.0.0.1"),
    )
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


def wanted(*keys: bytes, item_id: bytes, part: str = "text", **changes: Any) -> Wanted:
    """A part of somebody whose machines have these keys."""
    content = content_of(item_id, part)
    commitment = commitments.content_commitment(SALT, content)
    fields: dict[str, Any] = {"size": len(content), "commitment": commitment}
    machines = tuple(KeyId(key) for key in keys)
    return Wanted(item_id, part, machines, "text/plain", **(fields | changes))


@pytest.mark.timeout(60)
async def test_what_arrives_is_what_was_committed_to(tmp_path: Path) -> None:
    good = [bytes([number]) * 32 for number in range(10, 14)]
    content, told = ContentStore(tmp_path), []
    async with peer(1) as honest, peer(2) as liar, peer(3) as refuser, peer(9) as operator:
        fetcher = SnapshotFetcher(
            operator,
            Where(honest, liar, refuser),  # type: ignore[arg-type]
            content,
            lambda: told.append(1),
        )
        await fetcher.run_pass(
            [
                *(wanted(honest.key, item_id=item_id) for item_id in good),
                wanted(liar.key, item_id=WRONG),
                wanted(refuser.key, item_id=RESERVED),
                wanted(honest.key, item_id=SHORT, size=3),  # more bytes than the log says
                wanted(b"\4" * 32, item_id=b"\x20" * 32),  # nobody knows where
                wanted(honest.key, item_id=NO_TEXT),
            ]
        )
    assert len(told) == len(good)
    for item_id in good:
        commitment = commitments.content_commitment(SALT, content_of(item_id))
        assert content.read(item_id, "text", commitment) == (SALT, content_of(item_id))
    missing = {(item_id, "text") for item_id in (WRONG, RESERVED, SHORT, NO_TEXT, b"\x20" * 32)}
    assert not any(content.has(*place) for place in missing)
    problems = fetcher.problems
    assert set(problems) == missing
    assert "does not match its commitment" in problems[WRONG, "text"]
    assert "refuses the item" in problems[RESERVED, "text"]
    assert "is not plain text" in problems[NO_TEXT, "text"]
    assert "offers" in problems[SHORT, "text"]
    assert problems[b"\x20" * 32, "text"] == "its contributor's node is offline"


@pytest.mark.timeout(60)
async def test_a_disk_that_fails_ends_the_fetch(tmp_path: Path) -> None:
    content = ContentStore(tmp_path / "content")
    (tmp_path / "content").rmdir()
    async with peer(1) as honest, peer(9) as operator:
        fetcher = SnapshotFetcher(operator, Where(honest), content, lambda: None)  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="cannot write"):
            await fetcher.run_pass(
                [wanted(honest.key, item_id=bytes([at]) * 32) for at in range(10, 14)]
            )


@pytest.mark.timeout(120)
async def test_many_items_of_one_contributor_do_not_get_the_operator_banned(tmp_path: Path) -> None:
    content = ContentStore(tmp_path)
    items = [bytes([number]) * 32 for number in range(10, 10 + 2 * REQUESTS_BURST)]
    async with peer(1) as honest, peer(9) as operator:
        fetcher = SnapshotFetcher(operator, Where(honest), content, lambda: None)  # type: ignore[arg-type]
        await fetcher.run_pass([wanted(honest.key, item_id=item_id) for item_id in items])
    assert fetcher.problems == {}
    assert all(content.has(item_id, "text") for item_id in items)


@pytest.mark.timeout(60)
async def test_who_gossips_while_we_fetch_is_not_banned_for_it(tmp_path: Path) -> None:
    content = ContentStore(tmp_path)
    before, after = (bytes([number]) * 32 for number in (10, 11))
    operator = fetching_host(b"\x09" * 32, "127.0.0.1")
    await operator.start()
    try:
        async with peer(1) as honest:
            where = Where(honest)
            fetcher = SnapshotFetcher(operator, where, content, lambda: None)  # type: ignore[arg-type]
            heard = operator.subscribe()
            await fetcher.run_pass([wanted(honest.key, item_id=before)])
            await honest.publish(b"a checkpoint that the fetcher cannot judge")
            await asyncio.wait_for(heard.get(), 30)
            await fetcher.run_pass([wanted(honest.key, item_id=after)])
    finally:
        await operator.stop()
    assert fetcher.problems == {}
    assert content.has(after, "text")


@pytest.mark.timeout(60)
async def test_every_part_is_asked_for_by_its_name(tmp_path: Path) -> None:
    content, item_id = ContentStore(tmp_path), b"\x30" * 32
    async with peer(1) as honest, peer(9) as operator:
        fetcher = SnapshotFetcher(operator, Where(honest), content, lambda: None)  # type: ignore[arg-type]
        parts = [wanted(honest.key, item_id=item_id, part=name) for name in ("prompt", "answer_a")]
        await fetcher.run_pass(parts)
    assert fetcher.problems == {}
    for each in parts:
        _, found = content.read(item_id, each.part, each.commitment) or (b"", b"")
        assert found == content_of(item_id, each.part)


@pytest.mark.timeout(60)
async def test_each_machine_of_an_author_is_asked_until_one_has_it(tmp_path: Path) -> None:
    content, told = ContentStore(tmp_path), []
    away, item_id = b"\x05" * 32, b"\x31" * 32
    async with peer(2, Empty) as empty, peer(1) as honest, peer(9) as operator:
        fetcher = SnapshotFetcher(
            operator,
            Where(empty, honest),  # type: ignore[arg-type]
            content,
            lambda: told.append(1),
        )
        await fetcher.run_pass(
            [
                wanted(away, empty.key, honest.key, item_id=item_id),
                wanted(away, empty.key, item_id=RESERVED),
            ]
        )
    assert content.has(item_id, "text") and told == [1]
    assert set(fetcher.problems) == {(RESERVED, "text")}
