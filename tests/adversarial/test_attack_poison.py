"""A stranger pays in a worthless token that refuses to move on, so that no epoch is ever settled again.

Only listed assets are taken, and each stands alone: one that was listed and never moves costs its own claims.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from contracts.client import ContractRefused
from protocol.money.settlement import ETHER
from tests.adversarial.settled_network import deploy_sticky, ether_of, settled_network
from tests.contract_chains import devchain
from tests.integration.test_coordinator_settle import run_settle, state_of


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (found, _):
        yield found


@pytest.mark.timeout(240)
async def test_a_token_that_nobody_listed_is_not_taken(tmp_path: Path, url: str) -> None:
    client, token, functions = deploy_sticky(url)
    async with settled_network(tmp_path, url) as chain:
        client.send(functions.approve(to_checksum_address(chain.deployment.vault), 10**30))
        vault = chain.contract("Vault", "vault")
        deposit = vault.deposit(to_checksum_address(token), 1_000, bytes(32))
        with pytest.raises(ContractRefused) as refused:
            client.send(deposit)
        assert refused.value.error == "NotListed"
        # Sent there all the same, it is no revenue, and in nobody's way.
        client.send(functions.transfer(to_checksum_address(chain.deployment.vault), 1_000))
        client.send(functions.transfer(to_checksum_address(chain.deployment.settlement), 1_000))
        chain.pays().deposit(ETHER, 10**18, b"")
        await asyncio.to_thread(run_settle, chain.home)
        for epoch in (2, 3):
            assert await chain.settle_epoch(epoch) == epoch
        state = state_of(chain.home)
        assert dict(state.received.scan()) == {ETHER: 10**18}


@pytest.mark.timeout(240)
async def test_a_listed_token_that_never_moves_costs_its_own_claims_alone(
    tmp_path: Path, url: str
) -> None:
    _, token, _ = deploy_sticky(url)
    async with settled_network(tmp_path, url, tokens=[token]) as chain:
        chain.pays().deposit(token, 1_000, b"")
        chain.pays().deposit(ETHER, 10**18, b"")
        await asyncio.to_thread(run_settle, chain.home)
        for epoch in (2, 3):
            assert await chain.settle_epoch(epoch) == epoch
        state = state_of(chain.home)
        assert dict(state.received.scan()) == {ETHER: 10**18, token: 1_000}
        assert state.claimed[ETHER] > 0, "the treasury's part was paid"
        assert state.claimed.get(token, 0) == 0
        held = ether_of(url, chain.deployment.settlement) + ether_of(url, chain.deployment.vault)
        assert held + state.claimed[ETHER] == 10**18
