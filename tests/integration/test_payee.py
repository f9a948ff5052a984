"""A contract is paid for a person: it agrees on chain, is registered, and the person's node claims for it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from commonhold.cli.node_report import remember_names
from contracts.client import ChainClient
from coordinator.operator import Operator
from coordinator.reading import read_chain
from coordinator.settle import open_chain
from coordinator.witnesses import keys_named
from node.config import NodeConfig, NodeDirectory, write_config
from node.keys import NodeKeys, save_keys
from node.store import Store
from protocol.errors import Reject
from protocol.identity import name_of
from protocol.log.link import parse_link
from protocol.money.settlement import Address
from tests.adversarial.settled_network import STRANGER, SettledNetwork, settled_network
from tests.contract_chains import devchain
from tests.integration.test_coordinator_settle import AUTHOR, state_of
from tests.integration.test_invitations import refused, run_json
from tests.simulated_log import keys_of

pytestmark = pytest.mark.timeout(180)

NOTHING = bytes(32)


@pytest.fixture
def chain_url(tmp_path: Path) -> Iterator[str]:
    with devchain(tmp_path) as (url, _):
        yield url


class Safe:
    """A contract account: it sends what its owner tells it to, as a Safe does."""

    def __init__(self, url: str) -> None:
        self._owner = ChainClient(url, STRANGER)
        owner = to_checksum_address(self._owner.address)
        self.address, _ = self._owner.deploy("TimelockController", 0, [owner], [owner], owner)

    def send(self, to: str, data: bytes) -> None:
        its = self._owner.contract("TimelockController", self.address).functions
        self._owner.send(its.schedule(to, 0, data, NOTHING, NOTHING, 0))
        self._owner.send(its.execute(to, 0, data, NOTHING, NOTHING))

    def holds(self, token: Address) -> int:
        shares = self._owner.contract("ShareToken", token).functions
        return int(self._owner.read(shares.balanceOf(to_checksum_address(self.address))))


def node_of_author(folder: Path, network: SettledNetwork) -> NodeKeys:
    """The node of somebody who has earned something."""
    home, keys = NodeDirectory(folder), keys_of(AUTHOR)
    home.create()
    save_keys(home.keys, keys)
    with Operator(network.home) as operator:
        link = parse_link(operator.link)
    write_config(home, NodeConfig(link, rpc_url=network.url))
    with Store(home.database) as store:
        remember_names(store, keys)
    return keys


def read(network: SettledNetwork) -> None:
    """The log reads the chain."""
    with Operator(network.home) as operator:
        read_chain(operator, open_chain(operator), lambda _: None)


async def test_a_contract_agrees_is_registered_and_is_paid(tmp_path: Path, chain_url: str) -> None:
    node = tmp_path / "node"

    async def asks(call: Callable[..., Any], *words: object, **more: object) -> Any:
        return await asyncio.to_thread(call, *words, **more)

    async with settled_network(tmp_path, chain_url) as network:
        keys = await asyncio.to_thread(node_of_author, node, network)
        safe, own = await asyncio.to_thread(Safe, chain_url), "0x" + keys.payout_address.hex()
        there = to_checksum_address(safe.address)

        for wrong in ("0x12", there[:-1] + ("0" if there[-1] != "0" else "1")):
            await asks(refused, "node", node, "payee", wrong, code=2)
        said = await asks(refused, "node", node, "payee", there, code=5)
        board = to_checksum_address(network.deployment.board)
        assert f"to {board}, the network's Board" in said
        assert f"person 0x{AUTHOR.id.hex()}" in said
        assert "on chain 31337" in said
        [data] = re.findall("calldata 0x([0-9a-f]+)", said)
        await asyncio.to_thread(safe.send, board, bytes.fromhex(data))
        await asks(refused, "node", node, "payee", there, code=5)
        await asyncio.to_thread(read, network)

        done = await asks(run_json, "node", node, "payee", there)
        assert done["registered"]
        shown = await asks(run_json, "node", node, "status")
        assert (shown["payout_address"], shown["account"]) == (there.lower(), own)
        with pytest.raises(Reject, match="a contract has no key to sign settlements with"):
            keys_named(await asyncio.to_thread(state_of, network.home), [name_of(AUTHOR.id)])

        assert await network.settle_epoch(2) == 2
        state = await asyncio.to_thread(state_of, network.home)
        await asyncio.to_thread(network.pays().fund, [keys.payout_address], 10**18)
        claimed = (await asks(run_json, "node", node, "claim"))["claims"]
        assert [row["account"] for row in claimed] == [own, there.lower()]
        assert sum(int(row["paid"]) for row in claimed) == state.earned[AUTHOR.id, b""]
        held = await asyncio.to_thread(safe.holds, network.deployment.share_token)
        assert held == int(claimed[1]["paid"]) > 0
        [balance] = (await asks(run_json, "node", node, "statement"))["balances"]
        assert (balance["claimed"], balance["claimable"]) == (balance["earned"], 0)
        assert "nothing to claim" in await asks(refused, "node", node, "claim", code=5)

        back = await asks(run_json, "node", node, "payee", own)
        assert (back["before"], back["registered"]) == (there.lower(), True)
        assert (await asks(run_json, "node", node, "payee", own))["before"] == own
