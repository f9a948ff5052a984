"""A network whose first epoch is settled on a development chain, and what a stranger may send there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from contracts.client import ChainClient
from contracts.devchain import dev_keys
from contracts.journal import Order
from coordinator.chain import OperatorChain
from coordinator.config import Home
from protocol.money.settlement import Address, Deployment
from tests.contract_lab import ask_chain
from tests.helpers import Person
from tests.integration.test_coordinator_settle import (
    AUTHOR,
    REVIEWERS,
    earn,
    home_on,
    run_settle,
    state_of,
)
from tests.live_coordinator import Live, live, patient_rounds

STRANGER = dev_keys()[7].to_bytes()
VECTORS = Path(__file__).parent.parent / "vectors"


@dataclass
class SettledNetwork:
    """The network, and its contracts as a stranger reaches them: by JSON-RPC, with ether of its own."""

    home: Home
    net: Live
    url: str
    deployment: Deployment
    stranger: ChainClient

    def contract(self, name: str, where: str) -> Any:
        """The functions of one of the network's contracts."""
        return self.stranger.contract(name, getattr(self.deployment, where)).functions

    def pays(self) -> OperatorChain:
        """Somebody who pays in."""
        return OperatorChain(self.url, STRANGER, self.deployment)

    async def settle_epoch(self, epoch: int) -> int:
        """Another epoch, of honest people; gives what is settled then."""
        await earn(self.net, epoch)
        settled = await asyncio.to_thread(run_settle, self.home)
        return settled.epoch


@asynccontextmanager
async def settled_network(
    folder: Path, url: str, *others: Person, tokens: Sequence[Address] = ()
) -> AsyncIterator[SettledNetwork]:
    """`others` register, and do nothing else."""
    home = home_on(folder / "net", url, tokens=[f"0x{token.hex()}" for token in tokens])  # type: ignore[arg-type]
    async with live(home) as net:
        await net.open_campaign(rounds=patient_rounds(seal_items=20))
        await net.join(AUTHOR, *REVIEWERS, *others)
        await earn(net, 1)
        settled = await asyncio.to_thread(run_settle, home)
        assert settled.epoch == 1
        deployment = state_of(home).deployment
        assert deployment is not None
        yield SettledNetwork(home, net, url, deployment, ChainClient(url, STRANGER))


def deploy_sticky(url: str) -> tuple[ChainClient, Address, Any]:
    """A token of the stranger's that never leaves whoever was paid in it; the stranger has all of it."""
    from web3 import Web3

    vector = json.loads((VECTORS / "sticky_token.json").read_text())
    client = ChainClient(url, STRANGER)
    receipt = client._send(Order(b"", bytes.fromhex(vector["bytecode"].removeprefix("0x")), 0))
    address = Address(receipt.contract)
    where = to_checksum_address(address)
    return client, address, Web3().eth.contract(address=where, abi=vector["abi"]).functions


def ether_of(url: str, account: bytes) -> int:
    """What an account has, in wei."""
    return int(str(ask_chain(url, "eth_getBalance", f"0x{account.hex()}", "latest")), 16)
