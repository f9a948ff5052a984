"""Rounds run by themselves: real processes and sockets, reviewers who only follow the log."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from coordinator.keys import load_keys
from protocol.lifecycle import RoundPhase
from protos.gen import api_pb2, api_pb2_grpc
from tests.helpers import (
    Person,
    append_request,
    campaign_record,
    registration,
    submission_request,
)
from tests.live_coordinator import (
    Stub,
    channel_to,
    found_network,
    patient_rounds,
    serving_process,
)
from tests.live_reviewers import Reviewers, reviewing

AUTHOR, *PANEL = [Person(name) for name in ("author", "r1", "r2", "r3")]
HOUR_MS = 3_600_000


def truth_of(*requests: api_pb2.AppendRequest) -> dict[bytes, bytes]:
    """What the authors say is what the items are."""
    return {each.item_id: each.answer for request in requests for each in request.openings}


def rounds_of(state: State, campaign_id: str) -> int:
    """How many rounds of a campaign have ended."""
    round_ = state.round_of(campaign_id)
    return round_.number - (round_.phase is not RoundPhase.OPEN)


@pytest.mark.timeout(60)
async def test_a_fast_campaign_closes_twenty_rounds_while_a_slow_one_waits(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    keys = load_keys(home, home.load())
    operator = Person("operator")
    operator.signing_key = keys.operator_key
    with serving_process(home) as (_, address):
        async with channel_to(keys, address.grpc_port) as channel:
            stub: Stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
            slow = patient_rounds(beacon_ms=HOUR_MS, commit_ms=HOUR_MS, reveal_ms=HOUR_MS)
            fast = patient_rounds(items_max=5, beacon_ms=2_000, commit_ms=2_000, reveal_ms=2_000)
            for name, terms in (("slow", slow), ("fast", fast)):
                body = campaign_record(keys.network, id=name, rounds=terms)
                await stub.Append(append_request(operator, "campaign", body))
            for person in (AUTHOR, *PANEL):
                body = registration(person, keys.network)
                await stub.Append(append_request(person, "register", body))
            rng = random.Random(1)
            labels = [rng.randrange(10) for _ in range(100)]
            slow_items = submission_request(AUTHOR, keys.network, [1, 2], rng, "slow")
            fast_items = submission_request(AUTHOR, keys.network, labels, rng, "fast")
            truth = truth_of(slow_items, fast_items)
            reviewers = Reviewers(stub, keys.network, PANEL, ["slow", "fast"], truth)
            reviewers.silent = {"slow"}
            async with reviewing(reviewers):
                await stub.Append(slow_items)
                await reviewers.until(lambda s: s.round_of("slow").phase is RoundPhase.COMMITTING)
                await stub.Append(fast_items)
                state = await reviewers.until(lambda s: rounds_of(s, "fast") == 20)
            assert state.round_of("slow").number == 1
            assert state.round_of("slow").phase is RoundPhase.COMMITTING
            assert state.epoch == 1
