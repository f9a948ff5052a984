"""What commands make of an endpoint's moods: an empty account, a ceiling, a crash in mid-deposit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commonhold.cli.chain import app as chain_app
from commonhold.cli.node import app as node_app
from commonhold.cli.output import EXIT_STATE, EXIT_USAGE
from contracts.client import ChainClient
from contracts.spending import WEI_PER_GWEI, Spending, TooDear
from coordinator.chain import OperatorChain
from coordinator.operator import Operator
from coordinator.settle import deposit_revenue, open_chain
from node.claims import LATER_S, Claimer
from node.config import NodeConfig, NodeDirectory, write_config
from node.keys import save_keys
from node.wallet import ClaimTx, Wallet
from protocol.money.settlement import ETHER, Address, Leaf
from tests.contract_chains import devchain
from tests.contract_lab import OPERATOR, ChainLab, ask_chain
from tests.endpoints import Answer, Error, Proxy, Reply, Result, Rule, misbehaving
from tests.integration.test_coordinator_settle import AUTHOR, REVIEWERS, earn, home_on, run_settle
from tests.integration.test_node_claims import Settling, rpc_url, settling  # noqa: F401  fixtures
from tests.live_coordinator import live, patient_rounds
from tests.simulated import Person
from tests.simulated_log import LINK, keys_of

SECRET = "0123456789abcdef0123456789abcdef"
# Enough for the gas of a transfer, and not for that of a claim.
KEPT_WEI = 80_000 * WEI_PER_GWEI


def claim(home: NodeDirectory) -> tuple[int, str]:
    done = CliRunner().invoke(node_app, ["claim", "--dir", str(home.root)])
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture
def home(settling: Settling, tmp_path: Path) -> NodeDirectory:  # noqa: F811
    """A node with something to claim."""
    settling.propose()
    settling.settle()
    ask_chain(settling.lab.url, "anvil_mine", hex(60))  # the base fee falls to next to nothing
    made = NodeDirectory(tmp_path)
    save_keys(made.keys, keys_of(settling.ann))
    write_config(made, NodeConfig(LINK, rpc_url=settling.lab.url))
    return made


def test_a_claim_without_gas_says_what_to_send_and_then_works(
    home: NodeDirectory,
    settling: Settling,  # noqa: F811
) -> None:
    client = ChainClient(settling.lab.url, settling.ann.wallet.to_bytes())
    client.transfer(Address(b"\x99" * 20), client.balance(client.address) - KEPT_WEI)
    code, said = claim(home)
    assert code == EXIT_STATE and "and this takes up to" in said and "on chain 31337" in said
    command = said.partition("run `commonhold chain ")[2].partition("`")[0]
    assert f"0x{settling.wallet.address.hex()}" in command.lower()
    funded = CliRunner().invoke(chain_app, command.split())
    assert funded.exit_code == 0, funded.output
    code, said = claim(home)
    assert code == 0 and "sent transaction 0x" in said and "shares" in said
    assert not list((home.root / "chain").glob("*.json")), "nothing is under way any more"


def test_a_claim_costs_no_more_than_the_owner_allows(
    home: NodeDirectory,
    settling: Settling,  # noqa: F811
) -> None:
    with misbehaving(settling.lab.url) as proxy:
        proxy.rule = lambda method, _: (
            Error(-32601, "no tips here") if method == "eth_maxPriorityFeePerGas" else None
        )
        config = NodeConfig(LINK, rpc_url=f"{proxy.url}/v3/{SECRET}", max_fee_gwei=1)
        write_config(home, config)
        code, said = claim(home)
        assert code == EXIT_STATE and "you allow 1 gwei" in said and "max_fee_gwei" in said
        proxy.rule = lambda *_: Reply(401, f"no project {SECRET}".encode())
        code, refused = claim(home)
        assert code == EXIT_USAGE and "refuses the key" in refused
        assert SECRET not in said + refused
        proxy.rule = lambda *_: None
        write_config(home, replace(config, max_fee_gwei=2))
        assert claim(home)[0] == 0
        assert not proxy.asked("eth_getLogs")


class Crash(BaseException):
    """We are no more."""


def test_a_deposit_that_crashed_is_ordered_again_and_paid_once(
    rpc_url: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    lab = ChainLab(rpc_url)

    def crash(tx_hash: bytes) -> None:
        raise Crash

    def operator(spending: Spending) -> OperatorChain:
        return OperatorChain(lab.url, OPERATOR, lab.deployment, spending)

    with pytest.raises(Crash):
        operator(Spending(journal=tmp_path, on_sent=crash)).deposit(ETHER, 10**18, b"licence 7")
    [journal] = tmp_path.glob("31337-*.json")
    assert lab.chain.received(ETHER) == 10**18, "it was mined, and nobody was told"
    again = operator(Spending(journal=tmp_path))
    assert again.deposit(ETHER, 10**18, b"licence 7") and lab.chain.received(ETHER) == 10**18
    assert not journal.exists()
    again.deposit(ETHER, 10**18, b"licence 7")
    assert lab.chain.received(ETHER) == 2 * 10**18, "another one is another one"


def moody(proxy: Proxy) -> Rule:
    """All at once: busy, failing, losing answers, with narrow logs and headers of proof of authority."""
    asked: Counter[str] = Counter()

    def rule(method: str, params: list[Any]) -> Answer | None:
        asked[method] += 1
        number = sum(asked.values())
        if number % 11 == 0:
            return Reply(429, b"slow down", {"Retry-After": "0"})
        if number % 13 == 0:
            return Reply(200, b'{"jsonrpc": "2.0", "id"', promised=9_000)
        if method == "eth_sendRawTransaction" and asked[method] % 3 == 1:
            proxy.ask(method, *params)  # it is mined, and nobody hears of it
            return Reply(502)
        if method == "eth_getLogs":
            blocks = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
            return Error(-32005, "query exceeds max block range 4") if blocks > 4 else None
        if method == "eth_getBlockByNumber" and (block := proxy.ask(method, *params)):
            return Result(block | {"extraData": "0x" + "d8" * 97})
        return None

    return rule


@pytest.mark.timeout(240)
async def test_an_epoch_is_settled_over_an_endpoint_with_every_mood(tmp_path: Path) -> None:
    """Deployed, paid in, posted, enacted and read back: each once. On a chain whose clock nobody moved."""
    with devchain(tmp_path) as (url, _), misbehaving(url) as proxy:
        home = home_on(tmp_path / "net", f"{proxy.url}/v3/{SECRET}")
        proxy.rule = moody(proxy)
        told: list[str] = []
        async with live(home) as net:
            await net.open_campaign(rounds=patient_rounds(seal_items=20))
            await net.join(AUTHOR, *REVIEWERS)
            await earn(net, 1)
            settled = await asyncio.to_thread(run_settle, home, 120, told.append)
            assert (settled.epoch, settled.posted, settled.waiting) == (1, 1, ())

            def deposit() -> OperatorChain:
                with Operator(home) as operator:
                    chain = open_chain(operator, told.append)
                    deposit_revenue(operator, chain, ETHER, 10**18, b"licence 7")
                    return chain

            chain = await asyncio.to_thread(deposit)
            assert await asyncio.to_thread(chain.received, ETHER) == 10**18
        assert not list((home.path / "chain").glob("*.json"))
        assert any("sent transaction 0x" in line for line in told)
        assert SECRET not in "".join(told)
        assert min(int(params[0]["fromBlock"], 16) for params in proxy.asked("eth_getLogs")) > 0


async def test_a_daemon_claims_once_it_is_not_too_dear_any_more(
    settling: Settling,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its account is empty: it says so once, asks no more for a while, and claims when it can."""
    now, lab = [0.0], settling.lab
    poor = ChainClient(lab.url, settling.ann.wallet.to_bytes())
    settling.propose()
    settling.settle()
    ask_chain(lab.url, "anvil_mine", hex(60))
    poor.transfer(Address(b"\x99" * 20), poor.balance(poor.address) - KEPT_WEI)
    claimer = Claimer(
        *(settling.store, settling.wallet, lab.url, settling.follower, settling.watch),
        clock=lambda: now[0],
    )
    running = asyncio.create_task(claimer.run())

    async def until_warned(times: int) -> None:
        while sum("not claimed yet" in line for line in caplog.messages) < times:
            await asyncio.sleep(0.02)  # the suite's timeout bounds it

    def another_entry(name: str) -> None:
        settling.log(Person(name), "register", settling.net.registration(Person(name)))

    await until_warned(1)
    assert "chain fund 0x" in caplog.text
    lab.chain.fund([settling.wallet.address], 10**18)
    another_entry("one")
    await asyncio.sleep(0)
    assert settling.store.claims() == []
    now[0] = LATER_S
    another_entry("two")
    while not settling.store.claims():
        await asyncio.sleep(0.02)
    running.cancel()
    assert sum("not claimed yet" in line for line in caplog.messages) == 1


def test_a_thrifty_claim_leaves_what_its_gas_would_eat(rpc_url: str) -> None:  # noqa: F811
    lab, ann = ChainLab(rpc_url), Wallet(b"\x31" * 32)
    lab.chain.fund([ann.address], 10**18)
    lab.chain.deposit(ETHER, 10**18)

    def thrifty(wei: int) -> ClaimTx:
        tree = lab.settle([Leaf(ann.address, ((ETHER, wei),))])
        chain = ann.chain(lab.url, lab.deployment)
        return chain.claim(tree.leaves[0], tree.proof(0), tree.root, [ETHER], thrifty=True)

    with pytest.raises(TooDear, match="claiming it takes") as caught:
        thrifty(1_000)
    assert "node claim" in caught.value.advice
    assert thrifty(10**17).paid == ((ETHER, 10**17),)


def test_a_token_that_lets_no_approval_replace_another_is_paid_in_after_a_crash(
    rpc_url: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    """As USDT: an approval is taken back before there is another."""
    stable = OperatorChain(rpc_url, OPERATOR).deploy_test_stable()
    lab = ChainLab(rpc_url, tokens=[stable])
    account, vault = lab.chain.address.rjust(32, b"\0"), lab.deployment.vault.rjust(32, b"\0")
    approve, allowance = "0x095ea7b3", f"0xdd62ed3e{account.hex()}{vault.hex()}"

    def stubborn(method: str, params: list[Any]) -> Answer | None:
        data = params[0].get("data", "") if method == "eth_estimateGas" else ""
        call = {"to": f"0x{stable.hex()}", "data": allowance}
        replaces = data.startswith(approve) and int(data[-64:], 16) > 0
        if replaces and int(proxy.ask("eth_call", call, "latest"), 16) > 0:
            return Error(3, "execution reverted: reset it first")
        return None

    with misbehaving(rpc_url) as proxy:
        proxy.rule = stubborn

        def operator(on_sent: Callable[[bytes], None] = lambda _: None) -> OperatorChain:
            spending = Spending(journal=tmp_path, on_sent=on_sent)
            return OperatorChain(proxy.url, OPERATOR, lab.deployment, spending)

        def crash(tx_hash: bytes) -> None:
            raise Crash

        with pytest.raises(Crash):  # approved, and not paid in
            operator(crash).deposit(stable, 600)
        operator().deposit(stable, 600)
        assert lab.chain.received(stable) == 600
        with pytest.raises(Crash):
            operator(crash).deposit(stable, 500)
        operator().deposit(stable, 400)  # the operator has thought better of it
        assert lab.chain.received(stable) == 1_000


def test_two_accounts_are_funded_on_a_line_each(rpc_url: str) -> None:  # noqa: F811
    friends = ["0x" + f"{n:02x}" * 20 for n in (0xA1, 0xA2)]
    command = ["fund", *friends, "--ether", "0.5", "--rpc-url", rpc_url]
    lines = CliRunner().invoke(chain_app, command).output.splitlines()
    assert [line.partition(" has got 0.5 ether")[0] for line in lines] == friends
