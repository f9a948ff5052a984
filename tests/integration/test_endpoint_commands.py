"""What commands make of an endpoint's moods: an empty account, a ceiling, a crash in mid-deposit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commonhold.cli.chain import app as chain_app
from commonhold.cli.node import app as node_app
from commonhold.cli.output import EXIT_STATE, EXIT_USAGE
from contracts.client import ChainClient
from contracts.spending import WEI_PER_GWEI, Spending
from coordinator.chain import OperatorChain
from node.config import NodeConfig, NodeDirectory, write_config
from node.keys import save_keys
from protocol.money.settlement import ETHER, Address
from tests.contract_lab import OPERATOR, ChainLab, ask_chain
from tests.endpoints import Error, Reply, misbehaving
from tests.integration.test_node_claims import Settling, rpc_url, settling  # noqa: F401  fixtures
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
    assert not list((home.root / "transactions").glob("*.json")), "nothing is under way any more"


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
