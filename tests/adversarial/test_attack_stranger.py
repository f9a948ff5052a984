"""A stranger who only registered posts a root of its own, to take all deposits, mint shares and stop all.

Names that anybody can take for nothing give no power over money: witnesses are those of the contract, more
than two thirds of them sign, and the epoch of a root is the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from contracts.client import ContractRefused
from node.wallet import Wallet
from protocol.money.payload import Payload, hash_payload, post_digest
from protocol.money.settlement import ETHER, Address, Leaf, build_tree
from tests.adversarial.settled_network import SettledNetwork, ether_of, settled_network
from tests.contract_chains import devchain
from tests.helpers import Person
from tests.integration.test_coordinator_settle import state_of

DEPOSIT = 5 * 10**18
SHARES = 10**15
LAST_EPOCH = 2**256 - 1
THIEF = Person("a stranger who registered, and did nothing else")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (found, _):
        yield found


def struct(payload: Payload) -> tuple[Any, ...]:
    assets = [to_checksum_address(asset) for asset, _ in payload.totals]
    return (payload.epoch, payload.root, assets, [total for _, total in payload.totals])


def post(chain: SettledNetwork, payload: Payload, witnesses: list[Address]) -> None:
    """What the thief alone signs, in the name of `witnesses`."""
    wallet, state = Wallet(THIEF.wallet.to_bytes()), state_of(chain.home)
    deadline = chain.pays().head()[1] + 1_800
    view = state.onchain
    digest = post_digest(
        chain.deployment, hash_payload(payload), view.attempt, view.nonce, deadline
    )
    listed = [to_checksum_address(each) for each in sorted(witnesses)]
    attestation = (view.nonce, listed, wallet.sign_digest(digest), deadline)
    last = state.payloads[view.epoch]
    settlement = chain.contract("Settlement", "settlement")
    chain.stranger.send(settlement.post(struct(payload), struct(last), attestation))


@pytest.mark.timeout(240)
async def test_a_stranger_takes_nothing_and_stops_nothing(tmp_path: Path, url: str) -> None:
    async with settled_network(tmp_path, url, THIEF) as chain:
        chain.pays().deposit(ETHER, DEPOSIT, b"")
        me, share = Address(THIEF.address), chain.deployment.share_token
        state = state_of(chain.home)
        supply = dict(state.payloads[1].totals)[share]
        stolen = Leaf(me, tuple(sorted([(ETHER, DEPOSIT), (share, SHARES)])))
        tree = build_tree([stolen])
        witnesses = list(state.onchain.witnesses)
        modest = state.onchain.emission_micro
        for shares, epoch, named, error in (
            (SHARES, LAST_EPOCH, [me], "EpochNotNext"),
            (SHARES, 2, [me], "EmissionExceeded"),
            (modest, 2, [me], "NotTheSet"),
            (modest, 2, [me, *witnesses], "NotTheSet"),
            (modest, 2, witnesses, "NotAWitness"),
        ):
            totals = tuple(sorted([(ETHER, DEPOSIT), (share, supply + shares)]))
            next_ = Payload(epoch, tree.root, totals)
            with pytest.raises(ContractRefused) as refused:
                post(chain, next_, named)
            assert refused.value.error == error

        # The same as a claim, as an enactment, as a new set, and by the token's and the vault's own doors.
        proof, amounts = tree.proof(0), [amount for _, amount in stolen.amounts]
        assets = [to_checksum_address(asset) for asset, _ in stolen.amounts]
        account = to_checksum_address(me)
        settlement = chain.contract("Settlement", "settlement")
        nobody = (0, [account], b"", 2**40)
        calls = [
            settlement.claim(proof, 0, account, assets, amounts),
            settlement.enact(struct(next_)),
            settlement.setEmission(SHARES),
            settlement.cancel(1),
            chain.contract("WitnessSet", "witness_set").propose([account], nobody),
            chain.contract("WitnessSet", "witness_set").activate(),
            chain.contract("ShareToken", "share_token").mintUpTo(supply + SHARES),
            chain.contract("Vault", "vault").release(assets[0], DEPOSIT),
            chain.contract("Vault", "vault").listAsset(account),
        ]
        before = ether_of(url, chain.stranger.address)
        for call in calls:
            with pytest.raises(ContractRefused):
                chain.stranger.send(call)
        assert ether_of(url, chain.stranger.address) <= before
        assert ether_of(url, me) == 0
        assert (
            chain.stranger.read(chain.contract("ShareToken", "share_token").balanceOf(account)) == 0
        )
        assert (
            chain.stranger.read(chain.contract("ShareToken", "share_token").totalSupply()) == supply
        )
        assert ether_of(url, chain.deployment.vault) == DEPOSIT

        assert await chain.settle_epoch(2) == 2, "honest people are settled as ever"
        assert dict(state_of(chain.home).received.scan()) == {ETHER: DEPOSIT}
        assert ether_of(url, chain.deployment.vault) == DEPOSIT
