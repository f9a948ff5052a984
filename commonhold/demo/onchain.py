"""The demo's own look at the chain: it funds accounts and reads what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from eth_utils.address import to_checksum_address

from contracts.client import ChainClient
from contracts.devchain import dev_keys
from protocol.money.settlement import CONTRACTS, ETHER, Address, Deployment
from protocol.state import SHARES

GAS_WEI: Final = 10**18  # play money for claims
_FUNDER: Final = 1  # of the development chain's accounts; the operator has the one before
BUYER: Final = 2  # another of them


class ChainView:
    """One client for the whole demo; making one costs more than asking it."""

    def __init__(self, rpc_url: str) -> None:
        self._client = ChainClient(rpc_url, dev_keys()[_FUNDER].to_bytes())

    def fund(self, account: Address) -> None:
        """Gives an account ether to pay for its claims."""
        self._client.transfer(account, GAS_WEI)

    def paid(self, deployment: Deployment, asset: Address, account: Address) -> int:
        """What the account holds; of ether, what it was ever paid, since it also pays for gas."""
        holder = to_checksum_address(account)
        if asset == ETHER:
            contract = self._client.contract("Settlement", deployment.settlement)
            function: Any = contract.functions.claimed(holder, to_checksum_address(asset))
        else:
            token = self._client.contract("ShareToken", asset)  # any ERC-20 has this function
            function = token.functions.balanceOf(holder)
        amount: int = self._client.read(function)
        return amount


def deployment_of(status: Mapping[str, Any]) -> Deployment:
    """The contracts that `coordinator status --json` names."""
    made = status["deployment"]
    places: dict[str, Any] = {name: Address(bytes.fromhex(made[name])) for name in CONTRACTS}
    return Deployment(made["chain_id"], made["block"], made["finality"], **places)


def asset_of(name: str, deployment: Deployment) -> Address:
    """The address behind an asset's name in a statement."""
    if name in ("shares", SHARES.hex()):
        return deployment.share_token
    return ETHER if name == "ether" else Address(bytes.fromhex(name.removeprefix("0x")))
