"""Records that break a rule, each beside the one that is taken; the coordinator serves on."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from coordinator.ledger import Ledger
from coordinator.recovery import recover
from protocol.log import commitments
from protocol.log.commitments import gold_commitment
from protocol.log.merkle import hash_leaf
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.helpers import Person, append_request, batch, make_item, registration
from tests.live_coordinator import Live, found_network, live

ALICE = Person("alice")
INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(found_network(tmp_path / "net")) as running:
        await running.open_campaign()
        await running.join(ALICE)
        yield running
        # Whatever the test sent, the next honest record is taken.
        await running.append(running.submission(ALICE, [0]))
        assert not running.fatal


async def refused(net: Live, request: api_pb2.AppendRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await net.append(request)
    return caught.value.code(), caught.value.details() or ""


async def test_a_forged_signature(net: Live) -> None:
    request = net.submission(ALICE, [1])
    forged = pb.Envelope.FromString(request.envelope)
    forged.signature = bytes([forged.signature[0] ^ 1]) + forged.signature[1:]
    changed = api_pb2.AppendRequest()
    changed.CopyFrom(request)
    changed.envelope = forged.SerializeToString()
    code, details = await refused(net, changed)
    assert code is INVALID
    assert "signature" in details
    await net.append(request)


async def test_a_signature_made_for_another_kind(net: Live) -> None:
    signed = pb.Envelope.FromString(net.submission(ALICE, [1]).envelope)
    signed.kind = "standby"
    assert (await refused(net, api_pb2.AppendRequest(envelope=signed.SerializeToString())))[
        0
    ] is INVALID


async def test_another_network(net: Live) -> None:
    bob = Person("bob")
    code, details = await refused(
        net, append_request(bob, "register", registration(bob, b"\x01" * 32))
    )
    assert code is INVALID
    assert "another network" in details
    await net.join(bob)


async def test_a_stranger_submits(net: Live) -> None:
    code, details = await refused(net, net.submission(Person("stranger"), [1]))
    assert code is INVALID
    assert "registered" in details


async def test_an_operator_record_by_somebody_else(net: Live) -> None:
    body = pb.Phase(network=net.network, epoch=1, round=1, to=pb.PHASE_BEACON, duplicates=batch([]))
    code, _ = await refused(net, append_request(ALICE, "phase", body))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    envelope = ALICE.seal("close-epoch", api_pb2.CloseEpoch(network=net.network, epoch=1))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await net.stub.CloseEpoch(api_pb2.CloseEpochRequest(envelope=envelope))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    envelope = net.operator.seal("close-epoch", api_pb2.CloseEpoch(network=net.network, epoch=1))
    await net.stub.CloseEpoch(api_pb2.CloseEpochRequest(envelope=envelope))


@pytest.mark.parametrize(
    ("licence", "says"), [("", "no licence"), ("WTFPL", "not among the campaign's")]
)
async def test_a_licence_that_the_campaign_does_not_take(
    net: Live, licence: str, says: str
) -> None:
    code, details = await refused(net, net.submission(ALICE, [1], licence=licence))
    assert code is INVALID
    assert says in details
    await net.append(net.submission(ALICE, [1], licence="CC-BY-4.0"))


async def test_a_label_outside_the_campaign(net: Live) -> None:
    code, details = await refused(net, net.submission(ALICE, [10]))
    assert code is INVALID
    assert "outside the campaign's 10 labels" in details
    await net.append(net.submission(ALICE, [9]))


async def test_openings_that_do_not_open(net: Live) -> None:
    good = net.submission(ALICE, [1, 2])
    for spoil in ("missing", "wrong", "twice", "surplus"):
        bad = api_pb2.AppendRequest()
        bad.CopyFrom(good)
        if spoil == "missing":
            del bad.openings[1]
        elif spoil == "wrong":
            bad.openings[1].label = 3
        elif spoil == "twice":
            bad.openings[1].CopyFrom(bad.openings[0])
        else:
            bad.openings.add().CopyFrom(bad.openings[0])
        assert (await refused(net, bad))[0] is INVALID, spoil
    await net.append(good)


async def test_leaves_that_are_not_those_of_the_root(net: Live) -> None:
    good = net.submission(ALICE, [1, 2])
    other = net.submission(ALICE, [1, 2])
    bad = api_pb2.AppendRequest(
        envelope=good.envelope, leaves=other.leaves, openings=other.openings
    )
    assert (await refused(net, bad))[0] is INVALID
    await net.append(good)


async def test_one_bad_item_keeps_the_whole_batch_out(net: Live) -> None:
    items = [make_item(net.rng, 1), make_item(net.rng, 1, media_type="text/html")]
    leaves = [leaf for leaf, _ in items]
    body = pb.Submission(network=net.network, campaign_id="digits", items=batch(leaves))
    openings = [opening for _, opening in items]
    code, details = await refused(net, append_request(ALICE, "submission", body, leaves, openings))
    assert code is INVALID
    assert details.startswith("item 2 of 2")
    with Ledger.open(net.home.ledger_url(net.home.load()), readonly=True) as ledger:
        assert not recover(ledger, net.keys.log_verifier).state.items


async def test_an_item_that_was_submitted_already(net: Live) -> None:
    leaf, opening = make_item(net.rng, 1)
    body = pb.Submission(network=net.network, campaign_id="digits", items=batch([leaf]))
    bob = Person("bob")
    await net.join(bob)
    await net.append(append_request(ALICE, "submission", body, [leaf], [opening]))
    assert (await refused(net, append_request(bob, "submission", body, [leaf], [opening])))[
        0
    ] is INVALID


async def test_gold_must_open_and_name_items_that_exist(net: Live) -> None:
    request = net.submission(ALICE, [3])
    await net.append(request)
    item_id = hash_leaf(request.leaves[0])

    def gold(item: bytes, committed: int, opened: int) -> api_pb2.AppendRequest:
        salt = random.Random(committed + opened).randbytes(32)
        hashes = [gold_commitment(item, salt, committed)]
        body = pb.GoldCommit(network=net.network, epoch=1, hashes=batch(hashes))
        opening = api_pb2.Opening(item_id=item, salt=salt, label=opened)
        return append_request(net.operator, "gold-commit", body, hashes, [opening])

    assert (await refused(net, gold(item_id, 3, 4)))[0] is INVALID
    assert (await refused(net, gold(b"\x05" * 32, 3, 3)))[0] is INVALID
    assert (await refused(net, gold(item_id, 11, 11)))[0] is INVALID
    await net.append(gold(item_id, 3, 3))
    # A second answer for the same item could never be opened beside the first.
    assert (await refused(net, gold(item_id, 5, 5)))[0] is INVALID


async def test_a_beacon_or_an_answer_out_of_its_window(net: Live) -> None:
    early = pb.Reveal(network=net.network, epoch=1, round=1, answers=batch([]))
    assert (await refused(net, append_request(ALICE, "reveal", early)))[0] is INVALID
    value = b"\x07" * 32
    commitment = commitments.beacon_commitment(net.network, ALICE.identity, value)
    await net.log(ALICE, "standby", pb.Standby(network=net.network, commitment=commitment))
    beacon = pb.Beacon(network=net.network, epoch=1, round=1, value=value)
    assert (await refused(net, append_request(ALICE, "beacon", beacon)))[0] is INVALID
    late = pb.Beacon(network=net.network, epoch=0, round=1, value=value)
    code, _ = await refused(net, append_request(ALICE, "beacon", late))
    assert code is grpc.StatusCode.ALREADY_EXISTS
