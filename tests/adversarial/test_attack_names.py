"""Attacks by many names, on a real coordinator: neither one name nor a thousand of them fill the network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from nacl.signing import SigningKey

from protocol.identity import KeyId
from protocol.invitation import Ticket, make_ticket
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.helpers import Person, append_request, registration
from tests.live_coordinator import Live, found_network, live

NEWCOMER_ITEMS = 20
BUDGET = 3
NAMES = 1_000


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Live]:
    home = found_network(
        tmp_path / "net",
        admission=pb.ADMISSION_INVITATION,
        operator_invitations=BUDGET,
        newcomer_items=NEWCOMER_ITEMS,
    )
    async with live(home) as running:
        await running.open_campaign()
        yield running
        assert not running.fatal


def ticket(net: Live, seed: int, inviter: SigningKey | None = None) -> Ticket:
    key = inviter or net.keys.operator_key
    return make_ticket(
        net.network,
        KeyId(bytes(key.verify_key)),
        lambda message: key.sign(message).signature,
        seed.to_bytes(32, "big"),
        1,
    )


def joining(net: Live, person: Person, invitation: Ticket | None) -> api_pb2.AppendRequest:
    body = registration(person, net.network)
    if invitation is not None:
        body.invitation.CopyFrom(invitation.accepted_by(net.network, person.id))
    return append_request(person, "register", body)


async def refusal(net: Live, request: api_pb2.AppendRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await net.append(request)
    return caught.value.code(), caught.value.details() or ""


async def test_a_thousand_free_names_do_not_join(net: Live) -> None:
    for number in range(NAMES):
        code, why = await refusal(net, joining(net, Person(f"free {number}"), None))
        assert code is grpc.StatusCode.INVALID_ARGUMENT, why
        assert "by invitation" in why


async def test_the_operators_budget_is_all_that_joins(net: Live) -> None:
    for seed in range(BUDGET):
        await net.append(joining(net, Person(f"guest {seed}"), ticket(net, seed)))
    code, why = await refusal(net, joining(net, Person("one more"), ticket(net, BUDGET)))
    assert code is grpc.StatusCode.FAILED_PRECONDITION, "it may be sent in the next epoch"
    assert "nobody more in this epoch" in why


async def test_whoever_was_invited_invites_nobody(net: Live) -> None:
    guest = Person("guest")
    await net.append(joining(net, guest, ticket(net, 1)))
    sock = joining(net, Person("sock"), ticket(net, 2, guest.signing_key))
    assert "nobody more" in (await refusal(net, sock))[1]


async def test_one_name_does_not_fill_the_queue(net: Live) -> None:
    flood, honest = Person("flood"), Person("honest")
    await net.append(joining(net, flood, ticket(net, 1)))
    await net.append(joining(net, honest, ticket(net, 2)))
    whole = net.submission(flood, [0] * (NEWCOMER_ITEMS + 1))
    code, why = await refusal(net, whole)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert f"you may submit {NEWCOMER_ITEMS} more" in why
    for _ in range(NEWCOMER_ITEMS):
        await net.append(net.submission(flood, [0]))
    for _ in range(NEWCOMER_ITEMS):
        assert "you may submit 0 more" in (await refusal(net, net.submission(flood, [0])))[1]
    await net.append(net.submission(honest, [0] * NEWCOMER_ITEMS))
