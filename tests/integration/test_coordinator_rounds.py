"""Rounds run by themselves: real sockets, reviewers who only follow the log."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from coordinator import conductor, steps
from coordinator.keys import load_keys
from coordinator.ledger import Ledger
from coordinator.recovery import fsck
from coordinator.sealed import gold_key, known_key, proposals_key
from protocol.errors import Reject
from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.money.accounts import conserves
from protocol.review.decisions import compute_verdicts
from protocol.rows import Campaign
from protocol.rules import sealing
from protocol.state import State
from protos.gen import api_pb2, api_pb2_grpc
from protos.gen import records_pb2 as pb
from tests.helpers import (
    Person,
    answer_of,
    append_request,
    campaign_record,
    registration,
    submission_request,
)
from tests.live_coordinator import (
    Live,
    Mirror,
    Stub,
    channel_to,
    found_network,
    live,
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


def in_phase(campaign_id: str, phase: RoundPhase) -> Callable[[State], bool]:
    return lambda state: state.round_of(campaign_id).phase is phase


async def panel(net: Live, *requests: api_pb2.AppendRequest, c: str = "digits") -> Reviewers:
    """The panel, at work for one campaign; all people have joined."""
    await net.join(AUTHOR, *PANEL)
    return Reviewers(net, net.network, PANEL, [c], truth_of(*requests))


@pytest.mark.timeout(60)
async def test_a_fast_campaign_ends_twenty_rounds_while_a_slow_one_waits(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    keys = load_keys(home)
    operator = Person("operator")
    operator.signing_key = keys.operator_key
    with serving_process(home) as (_, address):
        async with channel_to(keys, address.grpc_port) as channel:
            stub: Stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
            slow = patient_rounds(commit_ms=HOUR_MS, reveal_ms=HOUR_MS)
            fast = patient_rounds(items_max=5, commit_ms=2_000, reveal_ms=2_000)
            for name, terms in (("slow", slow), ("fast", fast)):
                campaign = campaign_record(keys.network, id=name, rounds=terms)
                await stub.Append(append_request(operator, "campaign", campaign))
            for person in (AUTHOR, *PANEL):
                joins = registration(person, keys.network)
                await stub.Append(append_request(person, "register", joins))
            rng = random.Random(1)
            labels = [rng.randrange(10) for _ in range(100)]
            slow_items = submission_request(AUTHOR, keys.network, [1, 2], rng, "slow")
            fast_items = submission_request(AUTHOR, keys.network, labels, rng, "fast")
            truth = truth_of(slow_items, fast_items)
            reviewers = Reviewers(stub, keys.network, PANEL, ["slow", "fast"], truth)
            reviewers.silent = {"slow"}
            async with reviewing(reviewers):
                await stub.Append(slow_items)
                await reviewers.until(in_phase("slow", RoundPhase.COMMITTING))
                await stub.Append(fast_items)
                state = await reviewers.until(lambda s: rounds_of(s, "fast") == 20)
                assert state.round_of("slow").number == 1
                assert state.round_of("slow").phase is RoundPhase.COMMITTING
                assert state.epoch == 1
                # What the fast one decided is paid while the slow one goes on.
                body = api_pb2.CloseEpoch(network=keys.network, epoch=1)
                close = api_pb2.CloseEpochRequest(envelope=operator.seal("close-epoch", body))
                await stub.CloseEpoch(close)
                state = await reviewers.until(lambda s: s.closed_epoch == 1)
                assert state.earned[AUTHOR.id, b""] > 0
            assert conserves(state)


async def test_an_item_goes_from_submission_to_pay_and_the_close_says_where_it_is(
    tmp_path: Path,
) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=30))
        request = net.submission(AUTHOR, [number % 10 for number in range(30)])
        async with reviewing(await panel(net, request)) as reviewers:
            await net.append(request)
            state = await reviewers.until(lambda s: rounds_of(s, "digits") == 1)
            assert {item.status for _, item in state.items.scan()} == {ItemStatus.ACCEPTED}
            assert state.earned.get((AUTHOR.id, b"")) is None, "pay comes with the close"
            index = await net.close_epoch(1)
            state = await reviewers.until(lambda s: s.closed_epoch == 1)
        assert all(state.earned[each.id, b""] > 0 for each in (AUTHOR, *PANEL))
        assert conserves(state)
        # Once more, and for ever, it says where the close is; a future epoch it does not close.
        assert await net.close_epoch(1) == index == state.size - 1
        with pytest.raises(grpc.aio.AioRpcError, match="this is epoch 2") as caught:
            await net.close_epoch(3)
        assert "close epoch 2 first" in (caught.value.details() or "")
        assert not net.fatal
    with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
        kinds = fsck(ledger, net.keys.log_verifier).kinds
    assert [kinds[kind] for kind in ("seal", "draw", "end-commits", "verdict", "close")] == [1] * 5


async def test_an_epoch_without_anything_is_an_epoch_and_says_what_waits(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        assert await net.close_epoch(1) == 1
        await net.open_campaign()
        await net.join(AUTHOR)
        await net.append(net.submission(AUTHOR, [1, 2]))
        index = await net.close_epoch(2)
        mirror = Mirror(net)
        state = await mirror.until(lambda s: s.closed_epoch == 2)
        assert len(state.waiting) == 2
        assert state.minted_micro == 0
        assert mirror.kinds[index] == "close"
        assert "seal" not in mirror.kinds, "nobody stands by"


async def test_gold_is_sealed_with_its_round_and_opened_by_its_verdict(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=4))
        request = net.submission(AUTHOR, [1, 2, 3])
        reviewers = await panel(net, request)
        await net.append(request)
        first, second = (each.item_id for each in request.openings[:2])
        await net.import_gold({first: answer_of(1), second: answer_of(5)})
        await net.import_gold({second: answer_of(2)})  # says it better
        with pytest.raises(grpc.aio.AioRpcError, match="there is no label 11"):
            await net.import_gold({first: answer_of(11)})
        with pytest.raises(grpc.aio.AioRpcError, match="nobody submitted"):
            await net.import_gold({bytes(32): answer_of(1)})
        with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
            keys = [known_key(first), known_key(second)]
            assert set(ledger.sealed(keys).values()) == {answer_of(1), answer_of(2)}
            async with reviewing(reviewers):
                reviewers.truth = truth_of(request, last := net.submission(AUTHOR, [4]))
                await net.append(last)
                state = await reviewers.until(in_phase("digits", RoundPhase.COMMITTING))
                hashes = state.round_of("digits").gold_hashes
                assert len(hashes) == 2
                assert list(hashes) == sorted(hashes), "their order says nothing"
                assert len(ledger.sealed([gold_key(each) for each in hashes])) == 2
                state = await reviewers.until(lambda s: rounds_of(s, "digits") == 1)
            gold = {item_id: answer for (_, item_id), answer in state.gold.scan()}
            assert gold == {first: answer_of(1), second: answer_of(2)}
            # All of it is public now, so nothing of it is kept.
            submitted = [proposals_key(item.submitted_at, i) for i, item in state.items.scan()]
            keys += [*(gold_key(each) for each in hashes), *submitted]
            assert ledger.sealed(keys) == {}
            with pytest.raises(grpc.aio.AioRpcError, match="does not wait for review") as caught:
                await net.import_gold({first: answer_of(1)})
            assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_gold_of_a_round_that_could_draw_nobody_waits_for_the_next(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_wait_ms=100, items_max=1))
        requests = [net.submission(AUTHOR, [1]), net.submission(PANEL[0], [2])]
        reviewers = await panel(net, *requests)
        for request in requests:
            await net.append(request)
        [opening] = requests[0].openings
        await net.import_gold({opening.item_id: opening.answer})
        # May review the second item, and no round takes more than one: the first finds nobody.
        await net.log(AUTHOR, "standby", stands_by(net))
        mirror = Mirror(net)
        await mirror.until(in_phase("digits", RoundPhase.COMMITTING))
        first, second = mirror.gold
        assert len(first) == 1 and not second
        with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
            assert ledger.sealed([gold_key(each) for each in first]) == {}
            assert ledger.sealed([known_key(opening.item_id)])
        reviewers.people = [AUTHOR, *PANEL]
        async with reviewing(reviewers):
            await reviewers.until(lambda s: s.gold.count("digits") == 1)


def stands_by(net: Live, stands: bool = True, serial: int = 0) -> pb.Standby:
    return pb.Standby(network=net.network, campaign_id="digits", stands=stands, serial=serial)


async def test_reviewers_who_answer_nothing_do_not_fill_the_log(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign(rounds=patient_rounds(seal_wait_ms=50, commit_ms=50))
        await net.join(AUTHOR, *PANEL)
        await net.append(net.submission(AUTHOR, [1, 2]))
        await net.log(PANEL[0], "standby", stands_by(net))
        mirror = Mirror(net)
        await mirror.until(lambda s: rounds_of(s, "digits") == 1)
        await net.append(net.submission(AUTHOR, [3]))
        await asyncio.sleep(0.5)
        state = await mirror.until(lambda s: len(s.items) == 3)
        assert state.round_of("digits").number == 1
        assert not state.standbys.has("digits")


async def test_a_round_ends_in_a_campaign_that_is_paused_meanwhile(tmp_path: Path) -> None:
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign()
        request = net.submission(AUTHOR, [1, 2, 3])
        reviewers = await panel(net, request)
        reviewers.silent = {"digits"}
        pause = pb.Pause(network=net.network, campaign_id="digits", paused=True)
        async with reviewing(reviewers):
            await net.append(request)
            await reviewers.until(in_phase("digits", RoundPhase.COMMITTING))
            await net.log(net.operator, "pause", pause)
            reviewers.silent.clear()
            await net.join(Person("somebody"))  # lets them look again
            await reviewers.until(lambda s: rounds_of(s, "digits") == 1)
            with pytest.raises(grpc.aio.AioRpcError, match="is paused"):
                await net.append(net.submission(AUTHOR, [4]))


async def test_a_step_that_is_refused_is_tried_again_and_stops_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conductor, "RETRY_MS", 300)
    real, failures = steps.draft, [Reject("not now"), ZeroDivisionError("a defect")]

    def draft(step: Any, state: State, campaign: Any, *rest: Any) -> Any:
        if campaign.id == "bad" and failures:
            raise failures.pop()
        return real(step, state, campaign, *rest)

    monkeypatch.setattr(conductor, "draft", draft)
    async with live(found_network(tmp_path / "net")) as net:
        for name in ("bad", "good"):
            await net.open_campaign(id=name)
        await net.join(AUTHOR, *PANEL)
        bad = submission_request(AUTHOR, net.network, [1], net.rng, "bad")
        good = submission_request(AUTHOR, net.network, [2], net.rng, "good")
        reviewers = Reviewers(net, net.network, PANEL, ["bad", "good"], truth_of(bad, good))
        async with reviewing(reviewers):
            await net.append(bad)
            await net.append(good)
            state = await reviewers.until(lambda s: rounds_of(s, "good") == 1)
            assert rounds_of(state, "bad") == 0
            await reviewers.until(lambda s: rounds_of(s, "bad") == 1)
        assert not failures
        assert not net.fatal


async def test_an_epoch_without_room_is_closed_before_the_next_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "UNPAID_ANSWERS_MAX", 0)
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign(rounds=patient_rounds(items_max=2, seal_items=2))
        request = net.submission(AUTHOR, [1, 2, 3, 4])
        reviewers = await panel(net, request)
        async with reviewing(reviewers):
            await net.append(request)
            state = await reviewers.until(lambda s: rounds_of(s, "digits") == 2)
        assert state.closed_epoch == 1
        kinds = reviewers.mirror.kinds
        assert (
            kinds.index("verdict")
            < kinds.index("close")
            < len(kinds) - 1 - kinds[::-1].index("seal")
        )


async def test_what_was_withdrawn_takes_its_known_answer_along(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        await net.open_campaign()
        await net.join(AUTHOR)
        request = net.submission(AUTHOR, [1, 2])
        await net.append(request)
        gone, kept = (each.item_id for each in request.openings)
        await net.import_gold({gone: answer_of(1), kept: answer_of(2)})
        withdraw = pb.Withdraw(network=net.network, item_ids=[gone])
        await net.log(AUTHOR, "withdraw", withdraw)
        with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
            keys = [known_key(gone), known_key(kept)]
            assert ledger.sealed(keys) == {known_key(kept): answer_of(2)}


@pytest.mark.parametrize("closes", [False, True])
async def test_nobody_waits_for_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closes: bool
) -> None:
    """Inference over many answers takes seconds; here it takes until the test lets it go on."""
    goes_on, attempts = threading.Event(), 0

    def compute_slowly(state: State, campaign: Campaign, *rest: Any) -> Any:
        nonlocal attempts
        if campaign.id == "large":
            attempts += 1
            assert goes_on.wait(30)
        return compute_verdicts(state, campaign, *rest)

    monkeypatch.setattr(steps, "compute_verdicts", compute_slowly)
    async with live(found_network(tmp_path / "net")) as net:
        for name in ("large", "small"):
            await net.open_campaign(id=name)
        await net.join(AUTHOR, *PANEL)
        large = submission_request(AUTHOR, net.network, [1], net.rng, "large")
        small = submission_request(AUTHOR, net.network, [2], net.rng, "small")
        reviewers = Reviewers(net, net.network, PANEL, ["large", "small"], truth_of(large, small))
        async with reviewing(reviewers):
            await net.append(large)
            await reviewers.until(
                lambda s: (
                    s.round_of("large").phase is RoundPhase.REVEALING
                    and s.revealed.count("large") == 3
                )
            )
            await net.append(small)
            state = await reviewers.until(lambda s: rounds_of(s, "small") == 1)
            assert rounds_of(state, "large") == 0
            if closes:  # takes effect on what a verdict follows from: it is found anew
                await net.close_epoch(1)
            goes_on.set()
            state = await reviewers.until(lambda s: rounds_of(s, "large") == 1)
        assert state.items[large.openings[0].item_id].status is ItemStatus.ACCEPTED
        assert attempts == 1 + closes
        assert not net.fatal


async def test_epochs_close_on_a_schedule(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    settings = home.config_path.read_text()
    home.config_path.write_text(settings.replace('close_every = ""', 'close_every = "200ms"'))
    async with live(home) as net:
        mirror = Mirror(net)
        state = await mirror.until(lambda s: s.closed_epoch == 3)
        assert conserves(state)
    assert set(mirror.kinds[1:]) == {"close"}


async def test_a_batch_of_copies_is_set_aside_with_the_first_seal(tmp_path: Path) -> None:
    copier = Person("copier")
    async with live(found_network(tmp_path / "net")) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=2))
        original = net.submission(AUTHOR, [1])
        reviewers = await panel(net, original)
        await net.join(copier)
        await net.append(original)
        item = pb.Item.FromString(original.leaves[0][1:])
        copy = net.submission(copier, [1], fingerprint=item.parts[0].fingerprint)
        async with reviewing(reviewers):
            await net.append(copy)
            state = await reviewers.until(lambda s: rounds_of(s, "digits") == 1)
        assert state.items[original.openings[0].item_id].status is ItemStatus.ACCEPTED
        assert state.items[copy.openings[0].item_id].status is ItemStatus.DUPLICATE
