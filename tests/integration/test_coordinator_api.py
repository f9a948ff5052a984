"""The API over real TLS: what is acknowledged is proven, repeated calls are harmless."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from coordinator.keys import TLS_NAME
from coordinator.ledger import Ledger
from coordinator.recovery import fsck, recover
from protocol.log.batch import check_batch
from protocol.log.envelope import parse_envelope
from protocol.log.note import Verifier, open_checkpoint
from protocol.rules.table import RULES
from protocol.state import State
from protocol.transition import apply
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.fold import same
from tests.helpers import Person, delegation, registration
from tests.live_coordinator import Live, Mirror, check_receipt, found_network, live
from tests.simulated import successor

ALICE = Person("alice")


async def code_of(call: object) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call  # type: ignore[misc]
    return caught.value.code()


async def followed(net: Live, count: int, start: int = 0) -> list[api_pb2.LoggedEntry]:
    entries: list[api_pb2.LoggedEntry] = []
    stream = net.stub.Follow(api_pb2.FollowRequest(start=start))
    async for response in stream:
        open_checkpoint(response.checkpoint, net.keys.log_verifier)
        entries += response.entries
        if len(entries) >= count:
            break
    stream.cancel()
    return entries


async def test_a_receipt_proves_that_the_record_is_in_the_log(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign()
        await net.join(ALICE)
        request = net.submission(ALICE, [1, 2, 3])
        receipt = await net.append(request)
        assert receipt.index == 3
        check_receipt(request.envelope, receipt, net.keys.log_verifier)


async def test_the_same_envelope_gets_its_receipt_again_and_enters_once(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign()
        await net.join(ALICE)
        request = net.submission(ALICE, [1])
        receipts = await asyncio.gather(*(net.append(request) for _ in range(5)))
        receipts.append(await net.append(request))
        assert {receipt.index for receipt in receipts} == {3}
        for receipt in receipts:
            check_receipt(request.envelope, receipt, net.keys.log_verifier)


async def test_an_old_binding_cannot_be_played_again(tmp_path: Path) -> None:
    first, second = Person("alice"), Person("alice")
    second.wallet = Person("mallory's dream").wallet
    async with live(found_network(tmp_path / "net")) as net:
        old = api_pb2.AppendRequest(
            envelope=first.seal("register", registration(first, net.network))
        )
        index = (await net.append(old)).index
        await net.log(second, "register", registration(second, net.network, serial=2))
        assert (await net.append(old)).index == index
        state = recovered(net)
        assert state.members[first.id].payout == second.address
        assert state.size == 3


async def test_a_follower_gets_what_is_there_and_what_comes_with_its_leaves(
    tmp_path: Path,
) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign()
        following = asyncio.create_task(followed(net, 4))
        await net.join(ALICE)
        await net.append(net.submission(ALICE, [4, 5]))
        entries = await following
        assert [entry.index for entry in entries] == [0, 1, 2, 3]
        state = State()
        for entry in entries:
            envelope = parse_envelope(entry.envelope)
            leaves: list[bytes] = []
            if envelope.kind == "submission":
                items = pb.Submission.FromString(envelope.payload).items
                whole = check_batch(items.root, items.count, entry.bundle)
                leaves = [leaf for leaf in whole if isinstance(leaf, bytes)]
            apply(state, entry.envelope, leaves)
        assert len(state.items) == 2
        assert state.network == net.network


async def test_openings_stay_with_the_operator(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign()
        await net.join(ALICE)
        request = net.submission(ALICE, [9])
        await net.append(request)
        entries = await followed(net, 4)
        public = b"".join(entry.envelope + entry.bundle for entry in entries)
        assert request.openings[0].salt not in public


async def test_peers_find_each_other_by_their_own_signed_word(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        await net.join(ALICE)
        body = api_pb2.Addresses(
            network=net.network,
            multiaddrs=["/ip4/127.0.0.1/tcp/4001"],
            expires_ms=int(time.time() * 1000) + 60_000,
        )
        raw = ALICE.seal("addresses", body)
        await net.stub.Announce(api_pb2.AnnounceRequest(envelope=raw))
        wanted = [ALICE.key, Person("nobody").key]
        found = await net.stub.Lookup(api_pb2.LookupRequest(keys=wanted))
        assert list(found.envelopes) == [raw]
        stranger = Person("stranger").seal("addresses", body)
        refused = net.stub.Announce(api_pb2.AnnounceRequest(envelope=stranger))
        assert await code_of(refused) is grpc.StatusCode.INVALID_ARGUMENT
        body.expires_ms += 10**10
        endless = net.stub.Announce(api_pb2.AnnounceRequest(envelope=ALICE.seal("addresses", body)))
        assert await code_of(endless) is grpc.StatusCode.INVALID_ARGUMENT


async def test_another_key_of_a_person_announces_itself_once_it_is_delegated(
    tmp_path: Path,
) -> None:
    laptop = Person("alice")
    laptop.signing_key = Person("alice's laptop").signing_key
    async with live(found_network(tmp_path / "net")) as net:
        await net.join(ALICE)
        body = api_pb2.Addresses(network=net.network, expires_ms=int(time.time() * 1000) + 60_000)
        announcement = api_pb2.AnnounceRequest(envelope=laptop.seal("addresses", body))
        assert await code_of(net.stub.Announce(announcement)) is grpc.StatusCode.INVALID_ARGUMENT
        delegate = pb.Delegate(network=net.network, delegation=delegation(laptop, net.network))
        await net.log(laptop, "delegate", delegate)
        await net.stub.Announce(announcement)
        found = await net.stub.Lookup(api_pb2.LookupRequest(keys=[ALICE.key, laptop.key]))
        assert list(found.envelopes) == [announcement.envelope]


async def test_a_successor_of_the_log_key_signs_beside_it(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    following = Person("the next key of the log").signing_key
    key = bytes(following.verify_key)

    async def follow_up(net: Live) -> None:
        body = successor(pb.KEY_ROLE_LOG, following, net.keys.log_keys[0], net.network)
        await net.log(net.operator, "successor", body)

    async with live(home) as net:
        with pytest.raises(grpc.aio.AioRpcError, match="does not hold the key"):
            await follow_up(net)
    path = home.path / "log-2.key"
    path.write_text(bytes(following).hex() + "\n")
    path.chmod(0o600)
    async with live(home) as net:
        assert len(note_of(await net.append(joining(net)))) == 1, "it follows nobody yet"
        await follow_up(net)
        receipt = await net.append(joining(net, "bob"))
        for verifier in (net.keys.log_verifier, Verifier(net.keys.log_verifier.name, key)):
            assert open_checkpoint(receipt.checkpoint, verifier).size == 4
    async with live(home) as net:
        state = await Mirror(net).until(lambda s: s.size == 4)
        assert state.log_key == key


def joining(net: Live, name: str = "alice") -> api_pb2.AppendRequest:
    person = Person(name)
    body = registration(person, net.network)
    return api_pb2.AppendRequest(envelope=person.seal("register", body))


def note_of(receipt: api_pb2.Receipt) -> list[bytes]:
    """The signatures of a receipt's checkpoint."""
    return receipt.checkpoint.split(b"\n\n")[1].splitlines()


async def test_records_go_by_the_rules_that_govern_when_they_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        with pytest.raises(grpc.aio.AioRpcError, match="version 2 of the rules"):
            await upgrade(net)
        # A second version in which nobody may register.
        closed = {kind: rule for kind, rule in RULES[1].items() if kind != "register"}
        monkeypatch.setitem(RULES, 2, closed)
        await upgrade(net)
        await net.append(joining(net))
        assert net.address.link
        await net.close_epoch(1)
        with pytest.raises(grpc.aio.AioRpcError, match="no record kind 'register'"):
            await net.append(joining(net, "bob"))
        await net.close_epoch(2)
    with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
        assert fsck(ledger, net.keys.log_verifier).entries == 5


async def upgrade(net: Live) -> None:
    body = pb.Upgrade(network=net.network, version=2, epoch=2)
    await net.log(net.operator, "upgrade", body)


async def test_health_is_told_to_whoever_asks_and_watched_by_nobody(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        health = health_pb2_grpc.HealthStub(net.channel)
        for service in ("", "commonhold.v1.Coordinator"):
            status = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert status.status == health_pb2.HealthCheckResponse.SERVING
        asked = health.Check(health_pb2.HealthCheckRequest(service="another"))
        assert await code_of(asked) is grpc.StatusCode.NOT_FOUND
        watched = health.Watch(health_pb2.HealthCheckRequest())
        assert await code_of(watched.read()) is grpc.StatusCode.UNIMPLEMENTED


async def reflected(net: Live) -> list[str]:
    """The services that the server says it has."""
    reflect = reflection_pb2_grpc.ServerReflectionStub(net.channel)
    stream = reflect.ServerReflectionInfo()
    await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    answer = await stream.read()
    stream.cancel()
    return [each.name for each in answer.list_services_response.service]


async def test_reflection_answers_where_the_operator_wants_it(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await reflected(net)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    settings = home.config_path.read_text()
    home.config_path.write_text(settings.replace("reflection = false", "reflection = true"))
    async with live(home) as net:
        assert "commonhold.v1.Coordinator" in await reflected(net)


async def test_a_client_that_pins_another_certificate_sends_nothing(tmp_path: Path) -> None:
    other = found_network(tmp_path / "other")
    async with live(other) as impostor, live(found_network(tmp_path / "net")) as net:
        credentials = grpc.ssl_channel_credentials(impostor.keys.tls_certificate)
        options = [("grpc.ssl_target_name_override", TLS_NAME)]
        target = f"127.0.0.1:{net.address.grpc_port}"
        async with grpc.aio.secure_channel(target, credentials, options=options) as channel:
            lookup: Any = channel.unary_unary("/commonhold.v1.Coordinator/Lookup")
            call = lookup(b"")
            assert await code_of(call) is grpc.StatusCode.UNAVAILABLE


async def test_a_restart_replays_to_the_same_state(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        await net.open_campaign()
        await net.join(ALICE)
        request = net.submission(ALICE, list(range(10)))
        before = await net.append(request)
    async with live(home) as net:
        again = await net.append(request)
        assert again.index == before.index
        check_receipt(request.envelope, again, net.keys.log_verifier)
        fresh = State()
        with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
            report = fsck(ledger, net.keys.log_verifier)
            for entry in ledger.entries(0, ledger.size):
                leaves = list(request.leaves) if entry.index == before.index else []
                apply(fresh, entry.envelope, leaves)
        assert report.entries == 4
        assert same(recovered(net), fresh)


def recovered(net: Live) -> State:
    with Ledger.open(net.home.ledger_url(net.home.load()), readonly=True) as ledger:
        return recover(ledger, net.keys.log_verifier).state
