"""Settlement on a real chain: every step once, whatever happens in between."""

from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.devchain import dev_keys
from coordinator.chain import OperatorChain
from coordinator.config import Home
from coordinator.ledger import Ledger, StoredEntry
from coordinator.moving import move
from coordinator.operator import Operator
from coordinator.reading import read_chain
from coordinator.settle import Settled, deposit_revenue, open_chain, settle
from coordinator.terms import tryout
from protocol.errors import ConfigError, StateError, Unreachable
from protocol.log.envelope import parse_envelope
from protocol.money.settlement import ETHER
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.contract_chains import devchain
from tests.contract_lab import ask_chain
from tests.helpers import Person
from tests.live_coordinator import CLI, Live, Mirror, found_network, live, patient_rounds
from tests.live_reviewers import Reviewers, reviewing

AUTHOR, *REVIEWERS = [Person(name) for name in ("author", "r1", "r2", "r3")]


@pytest.fixture(scope="module")
def chain_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        yield url


def home_on(path: Path, url: str, **terms: str) -> Home:
    secret = dev_keys()[0].to_bytes()
    return found_network(
        path, rpc_url=url, chain_secret=secret, settlement=tryout(**terms), accept_ppm=510_000
    )


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


def run_settle(
    home: Home, seconds_max: float = 60, told: Callable[[str], None] = lambda _: None
) -> Settled:
    with Operator(home) as operator:
        return settle(operator, open_chain(operator), told, seconds_max)


def chain_head(url: str) -> int:
    return int(str(ask_chain(url, "eth_blockNumber")), 16)


def state_of(home: Home) -> State:
    with Operator(home) as operator:
        return operator.state


@pytest.mark.timeout(180)
async def test_an_epoch_settles_once_and_again_does_nothing(tmp_path: Path, chain_url: str) -> None:
    home, told = home_on(tmp_path / "net", chain_url), list[str]()
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=20))
        await net.join(AUTHOR, *REVIEWERS)
        with pytest.raises(StateError, match="no epoch has been closed"):
            await asyncio.to_thread(run_settle, home)
        await earn(net, 1)
        settled = await asyncio.to_thread(run_settle, home, 60, told.append)
        assert (settled.epoch, settled.posted, settled.waiting) == (1, 1, ())
        assert any("WARNING: one witness signs for all money" in line for line in told)
        size = state_of(home).size
        again = await asyncio.to_thread(run_settle, home)
        assert (again.epoch, again.root) == (1, settled.root)
        assert state_of(home).size == size, "nothing was logged twice"

        # Revenue that comes in is logged once and shared out with the next epoch.
        def deposit() -> None:
            with Operator(home) as operator:
                view, chain = operator.state.onchain, open_chain(operator)
                operator.state.onchain = replace(view, last_hash=bytes(32))
                with pytest.raises(StateError, match="does not agree with the log"):
                    deposit_revenue(operator, chain, ETHER, 10**18, b"licence 7")
                assert chain.received(ETHER) == 0
                operator.state.onchain = view
                deposit_revenue(operator, chain, ETHER, 10**18, b"licence 7")

        # Nobody moves while other witnesses are to come.
        def leave() -> None:
            with Operator(home) as operator:
                operator.state.onchain = replace(operator.state.onchain, active_at_s=1)
                with pytest.raises(StateError, match="a change of the witnesses waits"):
                    move(operator, chain_url, told.append, 5)

        await asyncio.to_thread(leave)
        await asyncio.to_thread(deposit)
        await asyncio.to_thread(run_settle, home)
        await earn(net, 2)
        settled = await asyncio.to_thread(run_settle, home)
        assert settled.epoch == 2
        state = await Mirror(net).until(lambda s: s.settled_epoch == 2)
        assert dict(state.received.scan()) == {ETHER: 10**18}
        assert sum(a for (_, asset), a in state.earned.scan() if asset == ETHER) == 10**18
        assert state.claimed[ETHER] > 0, "the treasury's part"


@pytest.mark.timeout(180)
async def test_the_treasury_leaves_ether_that_its_gas_would_eat(
    tmp_path: Path, chain_url: str
) -> None:
    home, told = home_on(tmp_path / "net", chain_url), list[str]()
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=20))
        await net.join(AUTHOR, *REVIEWERS)
        await earn(net, 1)
        await asyncio.to_thread(run_settle, home, 60, told.append)
        assert any("the treasury has claimed" in line for line in told)

        def pay(wei: int, epoch: int) -> str:
            with Operator(home) as operator:
                deposit_revenue(operator, open_chain(operator), ETHER, wei, b"a gift")
                operator.close_epoch(epoch)
            told.clear()
            run_settle(home, 60, told.append)
            return "\n".join(told)

        assert "it waits for more, or for cheaper gas" in await asyncio.to_thread(pay, 1_000, 2)
        assert "the treasury has claimed" in await asyncio.to_thread(pay, 10**18, 3)


@pytest.mark.timeout(180)
async def test_two_commands_may_read_the_chain_at_once(tmp_path: Path, chain_url: str) -> None:
    home = home_on(tmp_path / "net", chain_url)
    async with live(home) as net:
        await net.close_epoch(1)
        await asyncio.to_thread(run_settle, home)

        def read() -> tuple[int, int]:
            with Operator(home) as one, Operator(home) as other:
                chain, beside = open_chain(one), open_chain(other)
                chain.deposit(ETHER, 10**18)
                logs, found = chain.logs, []

                def overtaken(*asked: Any) -> list[pb.ChainLog]:
                    beside.deposit(ETHER, 10**18)
                    found.append(read_chain(other, beside, print).deposits)
                    return logs(*asked)

                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(chain, "logs", overtaken)
                    return read_chain(one, chain, print).deposits, found[0]

        assert await asyncio.to_thread(read) == (0, 2)
        assert dict(state_of(home).received.scan()) == {ETHER: 2 * 10**18}


@pytest.mark.timeout(180)
async def test_epochs_that_closed_meanwhile_are_settled_one_by_one(
    tmp_path: Path, chain_url: str
) -> None:
    home = home_on(tmp_path / "net", chain_url)
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=20))
        await net.join(AUTHOR, *REVIEWERS)
        await net.close_epoch(1)
        await earn(net, 2)
        await net.close_epoch(3)
        settled = await asyncio.to_thread(run_settle, home)
        assert (settled.epoch, settled.posted) == (3, 3)


@pytest.mark.timeout(180)
async def test_what_waits_longer_than_there_is_time_is_said(tmp_path: Path, chain_url: str) -> None:
    terms = {"delay": "1h", "appeal_delay": "1h", "unbond_delay": "9h"}
    home, told = home_on(tmp_path / "net", chain_url, **terms), list[str]()
    async with live(home) as net:
        await net.close_epoch(1)
        settled = await asyncio.to_thread(run_settle, home, 30, told.append)
        assert (settled.epoch, settled.posted) == (0, 1)
        assert settled.waiting[0].status == "waiting"
        assert any("epoch 1 waits" in line and "UTC" in line for line in told)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["deployment", "chain", "settlement", "attest"])
async def test_a_crash_before_any_record_is_repaired_by_the_next_run(
    tmp_path: Path, chain_url: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    home = home_on(tmp_path / "net", chain_url)
    async with live(home) as net:
        await net.close_epoch(1)
        real, left = Operator.append, [1]

        def crash(self: Operator, what: str, *rest: object) -> object:
            if what == kind and left.pop():
                raise KeyboardInterrupt
            return real(self, what, *rest)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(Operator, "append", crash)
            with pytest.raises(RuntimeError, match="crashed"):
                await asyncio.to_thread(_settle_until_crash, home)
        settled = await asyncio.to_thread(run_settle, home)
        assert settled.epoch == 1


@pytest.mark.timeout(180)
@pytest.mark.parametrize("step", ["post", "enact", "claim_for"])
async def test_a_crash_after_any_transaction_is_repaired_by_the_next_run(
    tmp_path: Path, chain_url: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    home = home_on(tmp_path / "net", chain_url)
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=20))
        await net.join(AUTHOR, *REVIEWERS)
        await earn(net, 1)
        real = getattr(OperatorChain, step)

        def crash(self: OperatorChain, *rest: object) -> object:
            real(self, *rest)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(OperatorChain, step, crash)
            with pytest.raises(RuntimeError, match="crashed"):
                await asyncio.to_thread(_settle_until_crash, home)
        settled = await asyncio.to_thread(run_settle, home)
        assert (settled.epoch, settled.posted) == (1, 1)
        assert state_of(home).settled_epoch == 1


@pytest.mark.timeout(240)
async def test_a_process_that_is_killed_again_and_again_settles_once(
    tmp_path: Path, chain_url: str
) -> None:
    """Wherever `kill -9` meets it; a little later each time, so that it ends at last."""
    home = home_on(tmp_path / "net", chain_url)
    async with live(home) as net:
        await net.close_epoch(1)
        command = [*CLI, "coordinator", "settle", "--dir", str(home.path), "--json"]
        kills = 0
        while await asyncio.to_thread(_killed, command, 1.0 + 0.7 * kills):
            kills += 1
        state = state_of(home)
        kinds = Counter(parse_envelope(each.envelope).kind for each in entries_of(home))
        assert kills > 1
        assert (state.settled_epoch, state.onchain.posted, state.onchain.attempt) == (1, 1, 0)
        assert (kinds["deployment"], kinds["settlement"], kinds["attest"]) == (1, 1, 1)


def _killed(command: list[str], seconds: float) -> bool:
    """Whether a process had to be killed after so long."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    assert process.returncode == 0, said.decode()
    return False


def entries_of(home: Home) -> list[StoredEntry]:
    with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
        return list(ledger.entries(0, ledger.size))


def _settle_until_crash(home: Home) -> None:
    try:
        run_settle(home)
    except KeyboardInterrupt:
        raise RuntimeError("crashed") from None


@pytest.mark.timeout(180)
async def test_a_reorganisation_is_corrected_by_a_record(tmp_path: Path, chain_url: str) -> None:
    home, told = home_on(tmp_path / "net", chain_url), list[str]()
    async with live(home) as net:
        await net.close_epoch(1)
        await asyncio.to_thread(run_settle, home)
        before = str(ask_chain(chain_url, "evm_snapshot"))

        def deposit(wei: int) -> None:
            with Operator(home) as operator:
                chain = open_chain(operator)
                deposit_revenue(operator, chain, ETHER, wei, b"", report=told.append)

        await asyncio.to_thread(deposit, 10**18)
        assert ask_chain(chain_url, "evm_revert", before)
        with pytest.raises(StateError, match="blocks at this endpoint"), Operator(home) as operator:
            await asyncio.to_thread(read_chain, operator, open_chain(operator), told.append)
        with pytest.raises(StateError, match="has no block"):
            await asyncio.to_thread(deposit, 3)
        while chain_head(chain_url) <= state_of(home).onchain.last:
            ask_chain(chain_url, "evm_mine")
        with pytest.raises(StateError, match="does not agree with the log"):
            await asyncio.to_thread(deposit, 3)
        await asyncio.to_thread(run_settle, home, 60, told.append)
        await asyncio.to_thread(deposit, 3)
        state = state_of(home)
        assert any("reorganised" in line for line in told)
        assert (dict(state.received.scan()), state.rewinds) == ({ETHER: 3}, 1)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 0, -1])
def test_a_timeout_is_a_number_of_seconds(tmp_path: Path, seconds: float) -> None:
    home = found_network(tmp_path / "net")
    with pytest.raises(ConfigError, match="--timeout is"):
        run_settle(home, seconds)


async def test_a_silent_chain_is_said_to_be_silent(tmp_path: Path) -> None:
    home = home_on(tmp_path / "net", "http://127.0.0.1:9")
    async with live(home) as net:
        await net.close_epoch(1)
        with pytest.raises(Unreachable):
            await asyncio.to_thread(run_settle, home)


def test_without_a_server_the_operator_is_told_to_start_it(tmp_path: Path) -> None:
    with Operator(found_network(tmp_path / "net")) as operator:
        assert operator.state.size == 1
        with pytest.raises(Unreachable, match="not running"):
            operator.close_epoch(1)
