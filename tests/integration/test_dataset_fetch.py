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
from commonground.p2p import Denial, Grant, OpenBlob, PeerHost
from commonground.p2p.limits import REQUESTS_BURST
from coordinator.dataset.content import ContentStore
from coordinator.dataset.fetch import SnapshotFetcher, Wanted, fetching_host
from protocol.errors import StoreError
from protocol.identity import Identity
from protocol.log import commitments

SALT = b"\7" * 32
RESERVED, WRONG, SHORT = (bytes([number]) * 32 for number in (1, 2, 3))


def content_of(item_id: bytes) -> bytes:
    return b"content " + item_id


class Contributor:
    """Serves anything, but: refuses one item, and gives other bytes than it committed to for another."""

    async def authorise(self, peer: bytes, item_id: bytes) -> Grant | Denial:
        return Denial("reserved") if item_id == RESERVED else Grant()

    async def open(self, item_id: bytes) -> OpenBlob | None:
        content = b"other" if item_id == WRONG else content_of(item_id)
        return OpenBlob(SALT, len(content), io.BytesIO(content))

    async def accept(self, author: bytes, data: bytes) -> bool:
        return True


class Where:
    """A directory that knows some of them."""

    def __init__(self, *hosts: PeerHost) -> None:
        self.known = {
            Identity(host.key): Announcement(Identity(host.key), host.addresses, now_ms() + 60_000)
            for host in hosts
        }

    async def find(self, wanted: Iterable[Identity]) -> dict[Identity, Announcement]:
        return {who: self.known[who] for who in wanted if who in self.known}

    def forget(self, identity: Identity) -> None:
        return


@asynccontextmanager
async def peer(seed: int) -> AsyncIterator[PeerHost]:
    who = Contributor()
    host = PeerHost(
        bytes([seed]) * 32,
        authorise=who.authorise,
        source=who,
        validate_checkpoint=who.accept,
    )
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


def wanted(author: bytes, item_id: bytes, **changes: Any) -> Wanted:
    content = content_of(item_id)
    commitment = commitments.content_commitment(SALT, content)
    fields: dict[str, Any] = {"size": len(content), "commitment": commitment}
    return Wanted(item_id, Identity(author), **(fields | changes))


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
                *(wanted(honest.key, item_id) for item_id in good),
                wanted(liar.key, WRONG),
                wanted(refuser.key, RESERVED),
                wanted(honest.key, SHORT, size=3),  # more bytes than the log says
                wanted(b"\4" * 32, b"\x20" * 32),  # nobody knows where
            ]
        )
    assert len(told) == len(good)
    for item_id in good:
        commitment = commitments.content_commitment(SALT, content_of(item_id))
        assert content.read(item_id, commitment) == (SALT, content_of(item_id))
    assert not any(content.has(item_id) for item_id in (WRONG, RESERVED, SHORT))
    problems = fetcher.problems
    assert set(problems) == {WRONG, RESERVED, SHORT, b"\x20" * 32}
    assert "does not match its commitment" in problems[WRONG]
    assert "refuses the item" in problems[RESERVED]
    assert "offers" in problems[SHORT]
    assert problems[b"\x20" * 32] == "its contributor's node is offline"


@pytest.mark.timeout(60)
async def test_a_disk_that_fails_ends_the_fetch(tmp_path: Path) -> None:
    content = ContentStore(tmp_path / "content")
    (tmp_path / "content").rmdir()
    async with peer(1) as honest, peer(9) as operator:
        fetcher = SnapshotFetcher(operator, Where(honest), content, lambda: None)  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="cannot write"):
            await fetcher.run_pass([wanted(honest.key, bytes([at]) * 32) for at in range(10, 14)])


@pytest.mark.timeout(120)
async def test_many_items_of_one_contributor_do_not_get_the_operator_banned(tmp_path: Path) -> None:
    content = ContentStore(tmp_path)
    items = [bytes([number]) * 32 for number in range(10, 10 + 2 * REQUESTS_BURST)]
    async with peer(1) as honest, peer(9) as operator:
        fetcher = SnapshotFetcher(operator, Where(honest), content, lambda: None)  # type: ignore[arg-type]
        await fetcher.run_pass([wanted(honest.key, item_id) for item_id in items])
    assert fetcher.problems == {}
    assert all(content.has(item_id) for item_id in items)


@pytest.mark.timeout(60)
async def test_who_gossips_while_we_fetch_is_not_banned_for_it(tmp_path: Path) -> None:
    content = ContentStore(tmp_path)
    before, after = (bytes([number]) * 32 for number in (10, 11))
    operator = fetching_host(b"\x09" * 32)
    await operator.start()
    try:
        async with peer(1) as honest:
            where = Where(honest)
            fetcher = SnapshotFetcher(operator, where, content, lambda: None)  # type: ignore[arg-type]
            heard = operator.subscribe()
            await fetcher.run_pass([wanted(honest.key, before)])
            await honest.publish(b"a checkpoint that the fetcher cannot judge")
            await asyncio.wait_for(heard.get(), 30)
            await fetcher.run_pass([wanted(honest.key, after)])
    finally:
        await operator.stop()
    assert fetcher.problems == {}
    assert content.has(after)
