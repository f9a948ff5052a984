"""Records that break a rule, each beside the one that is taken; the coordinator serves on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from coordinator.ledger import Ledger
from coordinator.recovery import recover
from protocol.log.commitments import gold_commitment
from protocol.log.envelope import seal
from protocol.log.strict import encode_leaf
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.helpers import (
    Person,
    answer_of,
    append_request,
    batch,
    campaign_record,
    make_item,
    registration,
    submission_request,
)
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
    assert "nobody has delegated the key" in details


async def test_an_operator_record_by_somebody_else(net: Live) -> None:
    body = pb.Seal(network=net.network, campaign_id="digits", round=1, found=batch([]))
    code, _ = await refused(net, append_request(ALICE, "seal", body))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    envelope = ALICE.seal("close-epoch", api_pb2.CloseEpoch(network=net.network, epoch=1))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await net.stub.CloseEpoch(api_pb2.CloseEpochRequest(envelope=envelope))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    await net.close_epoch(1)
    gold = ALICE.seal("import-gold", api_pb2.ImportGold(network=net.network))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await net.stub.ImportGold(api_pb2.ImportGoldRequest(envelope=gold))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    await net.import_gold({})


async def test_a_wish_of_the_operators_serves_for_no_other(net: Live) -> None:
    """Both are signed envelopes that are not logged; their kinds keep them apart."""
    close = net.operator.seal("close-epoch", api_pb2.CloseEpoch(network=net.network, epoch=1))
    with pytest.raises(grpc.aio.AioRpcError, match="not of kind 'import-gold'"):
        await net.stub.ImportGold(api_pb2.ImportGoldRequest(envelope=close))
    elsewhere = net.operator.seal("close-epoch", api_pb2.CloseEpoch(network=bytes(32), epoch=1))
    with pytest.raises(grpc.aio.AioRpcError, match="for another network"):
        await net.stub.CloseEpoch(api_pb2.CloseEpochRequest(envelope=elsewhere))
    for epoch in (0, 2, 2**63):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await net.close_epoch(epoch)
        assert caught.value.code() is INVALID


async def test_a_field_that_nobody_knows(net: Live) -> None:
    bob = Person("bob")
    payload = registration(bob, net.network).SerializeToString()

    def sealed(payload: bytes) -> api_pb2.AppendRequest:
        raw = seal("register", payload, bob.key, lambda m: bob.signing_key.sign(m).signature)
        return api_pb2.AppendRequest(envelope=raw)

    code, details = await refused(net, sealed(payload + b"\xba\x3e\x01x"))  # field 999
    assert code is INVALID
    assert "canonical encoding" in details
    await net.append(sealed(payload))


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


async def test_a_key_that_nobody_delegated(net: Live) -> None:
    stolen = Person("alice")
    stolen.signing_key = Person("mallory").signing_key
    body = registration(stolen, net.network, serial=2)
    body.delegation.CopyFrom(registration(ALICE, net.network).delegation)
    code, details = await refused(net, append_request(stolen, "register", body))
    assert code is INVALID
    assert "did not delegate" in details


async def test_a_label_outside_the_campaign(net: Live) -> None:
    code, details = await refused(net, net.submission(ALICE, [10]))
    assert code is INVALID
    assert "there is no label 10" in details
    await net.append(net.submission(ALICE, [9]))


async def test_openings_that_do_not_open(net: Live) -> None:
    good = net.submission(ALICE, [1, 2])
    for spoil in ("missing", "wrong", "twice", "surplus"):
        bad = api_pb2.AppendRequest()
        bad.CopyFrom(good)
        if spoil == "missing":
            del bad.openings[1]
        elif spoil == "wrong":
            bad.openings[1].answer = answer_of(3)
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


async def test_gold_of_a_seal_must_open_and_name_items_of_the_campaign(net: Live) -> None:
    """The operator's own records are held to the rules like anybody's."""
    request = net.submission(ALICE, [3])
    await net.append(request)
    other = submission_request(ALICE, net.network, [3], net.rng, "other")
    await net.log(net.operator, "campaign", campaign_record(net.network, id="other"))
    await net.append(other)
    [mine], [elsewhere] = request.openings, other.openings

    def seal_with(item: bytes, committed: int, opened: int) -> api_pb2.AppendRequest:
        salt = net.rng.randbytes(32)
        hashed = gold_commitment(item, salt, answer_of(committed))
        leaves = [encode_leaf(pb.GoldHash(hash=hashed))]
        body = pb.Seal(network=net.network, campaign_id="digits", round=1, found=batch(leaves))
        opening = api_pb2.Opening(item_id=item, salt=salt, answer=answer_of(opened))
        return append_request(net.operator, "seal", body, leaves, [opening])

    for item_id, committed, opened, says in (
        (mine.item_id, 3, 4, "not those of the gold hashes"),
        (b"\x05" * 32, 3, 3, "nobody submitted"),
        (elsewhere.item_id, 3, 3, "nobody submitted"),
        (mine.item_id, 11, 11, "there is no label 11"),
    ):
        code, details = await refused(net, seal_with(item_id, committed, opened))
        assert code is INVALID
        assert says in details
    await net.append(seal_with(mine.item_id, 3, 3))


async def test_a_toss_an_answer_or_a_word_out_of_place(net: Live) -> None:
    here: dict[str, Any] = {"network": net.network, "campaign_id": "digits"}
    early = pb.Reveal(**here, round=1, answers=batch([]))
    assert (await refused(net, append_request(ALICE, "reveal", early)))[0] is INVALID
    toss = pb.Toss(**here, round=1, point=bytes(32), proof=bytes(64))
    for who in (ALICE, net.operator):
        assert (await refused(net, append_request(who, "toss", toss)))[0] is INVALID
    await net.log(ALICE, "standby", pb.Standby(**here, stands=True))
    again = pb.Standby(**here, stands=True, serial=1)
    code, _ = await refused(net, append_request(ALICE, "standby", again))
    assert code is grpc.StatusCode.ALREADY_EXISTS
