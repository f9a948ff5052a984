"""SIGKILL of the real server under load: what was acknowledged is there, and the state is its replay."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path

import grpc
import pytest

from coordinator.config import Home
from coordinator.keys import Keys, load_keys
from coordinator.ledger import Ledger
from coordinator.recovery import fsck, leaves_of, recover
from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.log.merkle import hash_leaf, verify_consistency
from protocol.log.note import open_checkpoint
from protocol.state import State
from protocol.transition import apply
from protos.gen import api_pb2, api_pb2_grpc
from protos.gen import records_pb2 as pb
from tests.fold import same
from tests.helpers import Person, append_request, campaign_record, registration, submission_request
from tests.live_coordinator import (
    Mirror,
    Stub,
    channel_to,
    check_receipt,
    found_network,
    patient_rounds,
    serving_process,
)
from tests.live_reviewers import Reviewers, reviewing

WRITERS = 8
ACKS = (1, 60, 250)

Acknowledged = list[tuple[bytes, api_pb2.Receipt]]


def _operator(keys: Keys) -> Person:
    operator = Person("operator")
    operator.signing_key = keys.operator_key
    return operator


async def _open(stub: Stub, keys: Keys, people: list[Person], **terms: int) -> None:
    """A campaign, and people who have joined."""
    body = campaign_record(keys.network, rounds=patient_rounds(**terms))
    await stub.Append(append_request(_operator(keys), "campaign", body))
    for person in people:
        joins = registration(person, keys.network)
        await stub.Append(append_request(person, "register", joins))


async def _begin_round(stub: Stub, keys: Keys, people: list[Person]) -> None:
    """Leaves a round drawn, waiting for a reviewer who stays silent."""
    await _open(stub, keys, people, seal_wait_ms=1)
    reviewer, author = people[0], people[1]
    standby = pb.Standby(network=keys.network, campaign_id="digits", stands=True)
    await stub.Append(append_request(reviewer, "standby", standby))
    await stub.Append(submission_request(author, keys.network, [1, 2, 3], random.Random(0)))
    await Mirror(stub).until(lambda s: s.round_of("digits").phase is RoundPhase.COMMITTING)


async def _load_until_killed(home: Home, kill_after: int) -> Acknowledged:
    """Eight writers submit as fast as they can; the server is killed at the given number of answers."""
    keys = load_keys(home)
    people = [Person(f"person {number}") for number in range(WRITERS)]
    acknowledged: Acknowledged = []
    with serving_process(home) as (process, address):
        async with channel_to(keys, address.grpc_port) as channel:
            stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
            await _begin_round(stub, keys, people)

            async def write(number: int) -> None:
                rng = random.Random(number + 1)
                while True:
                    labels = [rng.randrange(10) for _ in range(rng.choice((1, 1, 1, 20)))]
                    request = submission_request(people[number], keys.network, labels, rng)
                    try:
                        receipt = await stub.Append(request)
                    except grpc.aio.AioRpcError:
                        return  # unknown whether it was logged: no promise was made
                    acknowledged.append((request.envelope, receipt))
                    if len(acknowledged) >= kill_after and process.poll() is None:
                        process.kill()

            await asyncio.gather(*(write(number) for number in range(WRITERS)))
        process.wait()
    return acknowledged


def _replayed(ledger: Ledger) -> State:
    """By the rules that an auditor uses, signatures and all."""
    state = State()
    for entry in ledger.entries(0, ledger.size):
        apply(state, entry.envelope, leaves_of(entry))
    return state


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kill_after", ACKS)
async def test_a_killed_server_keeps_every_promise(tmp_path: Path, kill_after: int) -> None:
    home = found_network(tmp_path / "net")
    keys = load_keys(home)
    acknowledged = await _load_until_killed(home, kill_after)
    assert len(acknowledged) >= kill_after

    with serving_process(home) as (_, address):
        async with channel_to(keys, address.grpc_port) as channel:
            stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
            for raw, before in acknowledged:
                # A retry without its leaves: only the receipt of the first time can answer it.
                again = await stub.Append(api_pb2.AppendRequest(envelope=raw))
                assert again.index == before.index
                check_receipt(raw, again, keys.log_verifier)

    with Ledger.open(home.ledger_url(home.load())) as ledger:
        recovered = recover(ledger, keys.log_verifier)
        now = open_checkpoint(ledger.checkpoint(), keys.log_verifier)
        for raw, before in acknowledged:
            assert recovered.places[hash_leaf(raw)] == before.index
            then = open_checkpoint(before.checkpoint, keys.log_verifier)
            proof = recovered.tree.consistency_proof(then.size, now.size)
            verify_consistency(then.size, now.size, proof, then.root, now.root)
        assert same(recovered.state, _replayed(ledger))
        assert recovered.state.round_of("digits").phase is RoundPhase.COMMITTING
        assert fsck(ledger, keys.log_verifier).entries == ledger.size


@pytest.mark.timeout(90)
async def test_killed_in_each_phase_of_a_round_the_next_start_goes_on(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    keys = load_keys(home)
    author, *panel = people = [Person(name) for name in ("author", "r1", "r2", "r3")]
    request = submission_request(author, keys.network, [1, 2, 3], random.Random(0))
    truth = {each.item_id: each.answer for each in request.openings}
    phases = (RoundPhase.COMMITTING, RoundPhase.COMMITTING, RoundPhase.REVEALING, RoundPhase.OPEN)
    for phase in phases:
        with serving_process(home) as (process, address):
            async with channel_to(keys, address.grpc_port) as channel:
                stub: Stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
                if phase is phases[0]:
                    await _open(stub, keys, people, seal_items=3)
                    await stub.Append(request)
                reviewers = Reviewers(stub, keys.network, panel, ["digits"], truth)
                reviewers.holds = phase if phase is not RoundPhase.OPEN else None
                async with reviewing(reviewers):
                    await reviewers.until(
                        lambda s, p=phase: (
                            s.round_of("digits").number == 1  # type: ignore[misc]
                            and s.round_of("digits").phase is p
                        )
                    )
            process.kill()
            process.wait()
    with serving_process(home) as (_, address):
        async with channel_to(keys, address.grpc_port) as channel:
            stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
            body = api_pb2.CloseEpoch(network=keys.network, epoch=1)
            close = _operator(keys).seal("close-epoch", body)
            await stub.CloseEpoch(api_pb2.CloseEpochRequest(envelope=close))
    with Ledger.open(home.ledger_url(home.load())) as ledger:
        state = recover(ledger, keys.log_verifier).state
        kinds = fsck(ledger, keys.log_verifier).kinds
        assert same(state, _replayed(ledger))
    assert {item.status for _, item in state.items.scan()} == {ItemStatus.ACCEPTED}
    assert [kinds[kind] for kind in ("seal", "draw", "end-commits", "verdict", "close")] == [1] * 5
    assert state.earned[author.id, b""] > 0


async def _join(home: Home, port: int, person: Person) -> api_pb2.Receipt:
    keys = load_keys(home)
    request = append_request(person, "register", registration(person, keys.network))
    async with channel_to(keys, port) as channel:
        stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
        receipt: api_pb2.Receipt = await stub.Append(request)
        return receipt


@pytest.mark.timeout(60)
async def test_a_commit_of_unknown_outcome_ends_the_process_and_the_next_start_repairs(
    tmp_path: Path,
) -> None:
    home = found_network(tmp_path / "net")
    with serving_process(home) as (process, address):
        await _join(home, address.grpc_port, Person("before"))
        # Somebody who got round the lock moves the head: the next commit must not go on top of it.
        ledger = sqlite3.connect(home.path / "ledger.db")
        (head,) = ledger.execute("SELECT body FROM checkpoint").fetchone()
        ledger.execute("UPDATE checkpoint SET body = ?", (b"another head",))
        ledger.commit()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _join(home, address.grpc_port, Person("during"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await asyncio.to_thread(process.wait, 20) == 6
        ledger.execute("UPDATE checkpoint SET body = ?", (head,))
        ledger.commit()
        ledger.close()
    with serving_process(home) as (process, address):
        assert (await _join(home, address.grpc_port, Person("during"))).index == 2
