"""What was sealed beside entries that a ledger restored: their authors bring it back, nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from commonground.client import CoordinatorClient
from coordinator import tables
from coordinator.ledger import Ledger
from node.outbox import send_again
from node.rows import ItemRow, Outgoing
from node.store import Store
from protocol.log.link import parse_link
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.helpers import Person
from tests.live_coordinator import Live, found_network, live


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(found_network(tmp_path / "net")) as running:
        await running.open_campaign()
        yield running
        assert not running.fatal


@pytest.fixture
async def author(net: Live) -> Person:
    ada = Person("ada")
    await net.join(ada)
    return ada


def sealed(net: Live, lose: bool = False) -> dict[bytes, bytes]:
    """The sealed rows; `lose` takes them away, as a restore from a node's copy does."""
    url = net.home.ledger_url(net.home.load())
    with Ledger.open(url, readonly=True) as ledger, ledger._engine.begin() as tx:
        rows = dict(
            tx.execute(sa.select(tables.sealed.c.key, tables.sealed.c.value)).tuples().all()
        )
        if lose:
            tx.execute(sa.delete(tables.sealed))
    return rows


async def refusal(net: Live, request: api_pb2.AppendRequest) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await net.append(request)
    return caught.value.code()


async def test_an_author_brings_back_what_was_sealed(net: Live, author: Person) -> None:
    request = net.submission(author, [1, 2, 3])
    receipt = await net.append(request)
    before = sealed(net, lose=True)
    assert before
    assert not sealed(net)
    again = await net.append(request)
    assert again.index == receipt.index
    assert sealed(net) == before
    await net.append(request)
    assert sealed(net) == before, "twice is once"


async def test_a_part_that_is_still_there_stays(net: Live, author: Person) -> None:
    one, two = net.submission(author, [1]), net.submission(author, [2])
    await net.append(one)
    await net.append(two)
    both = sealed(net, lose=True)
    await net.append(one)
    assert len(sealed(net)) == 1
    await net.append(two)
    assert sealed(net) == both


async def test_nobody_seals_what_is_not_the_records(net: Live, author: Person) -> None:
    request = net.submission(author, [1, 2])
    await net.append(request)
    sealed(net, lose=True)
    forged = api_pb2.AppendRequest()
    forged.CopyFrom(request)
    forged.openings[0].salt = bytes(32)
    assert await refusal(net, forged) is grpc.StatusCode.INVALID_ARGUMENT
    del forged.openings[0]
    assert await refusal(net, forged) is grpc.StatusCode.INVALID_ARGUMENT
    assert not sealed(net)


async def test_what_was_withdrawn_does_not_come_back(net: Live, author: Person) -> None:
    request = net.submission(author, [1, 2])
    await net.append(request)
    kept, gone = (each.item_id for each in request.openings)
    await net.log(author, "withdraw", pb.Withdraw(network=net.network, item_ids=[gone]))
    before = sealed(net, lose=True)
    await net.append(request)
    assert sealed(net) == before
    assert kept in b"".join(before.values())
    assert gone not in b"".join(before.values())


async def test_a_node_sends_again_what_is_still_sealed(
    net: Live, author: Person, tmp_path: Path
) -> None:
    requests = [net.submission(author, [label]) for label in (1, 2)]
    for each in requests:
        await net.append(each)
    before = sealed(net, lose=True)
    with Store(tmp_path / "node.db") as store:
        for at, (each, status) in enumerate(zip(requests, ("submitted", "accepted"), strict=True)):
            outgoing = Outgoing(
                "submission", each.envelope, tuple(each.leaves), tuple(each.openings)
            )
            item = ItemRow(
                each.openings[0].item_id, outgoing.digest, f"{at}", "digits", bytes([at]), ()
            )
            store.enqueue_submission(outgoing, [item])
            store.mark_sent(outgoing.digest, at + 3)
            store.set_item_statuses({item.item_id: status})
        async with CoordinatorClient(parse_link(net.address.link)) as client:
            assert await send_again(client, store) == 1
    await asyncio.sleep(0)
    found = b"".join(sealed(net).values())
    assert requests[0].openings[0].item_id in found
    assert requests[1].openings[0].item_id not in found
    assert len(before) == 2
