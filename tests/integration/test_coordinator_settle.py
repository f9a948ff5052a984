"""Settlement on a real chain: every step once, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.devchain import dev_keys
from coordinator.config import Home
from coordinator.operator import Operator
from coordinator.settle import Settled, deposit_revenue, open_chain, settle
from protocol.errors import StateError, Unreachable
from protocol.money.settlement import ETHER, Address, publication_digest
from protos.gen import records_pb2 as pb
from tests.contract_chains import devchain
from tests.helpers import Person
from tests.live_coordinator import Live, Mirror, found_network, live, patient_rounds
from tests.live_reviewers import Reviewers, reviewing

AUTHOR, *REVIEWERS = [Person(name) for name in ("author", "r1", "r2", "r3")]


@pytest.fixture(scope="module")
def chain_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        yield url


def home_on(path: Path, url: str) -> Home:
    secret = dev_keys()[0].to_bytes()
    return found_network(path, rpc_url=url, chain_secret=secret, accept_ppm=510_000)


async def earn(net: Live, epoch: int) -> None:
    """An epoch in which items are accepted."""
    request = net.submission(AUTHOR, [1, 2, 3, 4] * 5)
    truth = {each.item_id: each.answer for each in request.openings}
    reviewers = Reviewers(net, net.network, REVIEWERS, ["digits"], truth)
    async with reviewing(reviewers):
        await net.append(request)
        for item_id in truth:
            await reviewers.until(lambda s, i=item_id: i in s.items and s.items[i].decided_in)  # type: ignore[misc]
    await net.close_epoch(epoch)


async def attest(net: Live, epoch: int) -> None:
    """A witness signs what is proposed."""
    state = await Mirror(net).until(
        lambda s: s.settlement is not None and s.settlement.epoch == epoch
    )
    proposal, deployment = state.settlement, state.deployment
    assert proposal is not None
    assert deployment is not None
    totals = {Address(asset): amount for asset, amount in proposal.totals}
    digest = publication_digest(
        deployment.chain_id, deployment.settlement, epoch, proposal.root, totals
    )
    body = pb.Attest(
        network=net.network,
        epoch=epoch,
        root=proposal.root,
        signature=AUTHOR.sign_digest(digest),
    )
    await net.log(AUTHOR, "attest", body)


def run_settle(home: Home, seconds_max: float = 60) -> Settled | None:
    with Operator(home) as operator:
        return settle(operator, open_chain(operator), lambda _: None, seconds_max)


@pytest.mark.timeout(180)
async def test_an_epoch_settles_once_and_again_does_nothing(tmp_path: Path, chain_url: str) -> None:
    home = home_on(tmp_path / "net", chain_url)
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=20))
        await net.join(AUTHOR, *REVIEWERS)
        with pytest.raises(StateError, match="no epoch has been closed"):
            await asyncio.to_thread(run_settle, home)
        await earn(net, 1)
        # Nobody attests in time: nothing is lost, and the proposal stands.
        with pytest.raises(StateError, match="only 0 of 1"):
            await asyncio.to_thread(run_settle, home, 0.5)
        witness = asyncio.create_task(attest(net, 1))
        settled = await asyncio.to_thread(run_settle, home)
        await witness
        assert settled is not None
        assert settled.epoch == 1
        assert await asyncio.to_thread(run_settle, home) is None

        # Revenue that comes in is logged once and shared out with the next epoch.
        def deposit() -> None:
            with Operator(home) as operator:
                deposit_revenue(operator, open_chain(operator), ETHER, 10**18, b"licence 7")

        await asyncio.to_thread(deposit)
        await asyncio.to_thread(run_settle, home)
        await earn(net, 2)
        witness = asyncio.create_task(attest(net, 2))
        settled = await asyncio.to_thread(run_settle, home)
        await witness
        assert settled is not None
        state = await Mirror(net).until(lambda s: s.published_epoch == 2)
        assert dict(state.received.scan()) == {ETHER: 10**18}
        assert sum(a for (_, asset), a in state.earned.scan() if asset == ETHER) == 10**18
        with Operator(home) as operator:
            chain = open_chain(operator)
            assert (chain.published().epoch, chain.published().root) == (2, settled.root)


@pytest.mark.timeout(180)
async def test_a_publication_that_was_not_noted_down_is_found_on_chain(
    tmp_path: Path, chain_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_on(tmp_path / "net", chain_url)
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=20))
        await net.join(AUTHOR, *REVIEWERS)
        await earn(net, 1)
        real = Operator.append

        def crash_before_published(self: Operator, kind: str, *rest: object) -> object:
            if kind == "published":
                raise KeyboardInterrupt
            return real(self, kind, *rest)  # type: ignore[arg-type]

        witness = asyncio.create_task(attest(net, 1))
        with monkeypatch.context() as patch:
            patch.setattr(Operator, "append", crash_before_published)
            with pytest.raises(RuntimeError, match="crashed"):
                await asyncio.to_thread(_settle_until_crash, home)
        await witness
        settled = await asyncio.to_thread(run_settle, home)
        assert settled is not None
        state = await Mirror(net).until(lambda s: s.published_epoch == 1)
        assert state.published_epoch == 1


def _settle_until_crash(home: Home) -> None:
    try:
        run_settle(home)
    except KeyboardInterrupt:
        raise RuntimeError("crashed") from None


async def test_a_silent_chain_is_said_to_be_silent(tmp_path: Path) -> None:
    home = home_on(tmp_path / "net", "http://127.0.0.1:9")
    async with live(home) as net:
        await net.join(AUTHOR)
        with pytest.raises(Unreachable):
            await asyncio.to_thread(run_settle, home)


def test_without_a_server_the_operator_is_told_to_start_it(tmp_path: Path) -> None:
    with Operator(found_network(tmp_path / "net")) as operator:
        assert operator.state.size == 1
        with pytest.raises(Unreachable, match="not running"):
            operator.close_epoch(1)
