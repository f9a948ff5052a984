"""Addresses on chain, as people type them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ConfigError
from protocol.money.settlement import ETHER, Address

if TYPE_CHECKING:
    from protocol.state import State  # with numpy, for which no help page waits


def parse_address(text: str) -> Address:
    """The address that is written so. Raises ConfigError for what is none, or has a wrong digit."""
    from eth_utils.address import (
        is_checksum_address,
        is_checksum_formatted_address,
        is_hex_address,
        to_canonical_address,
    )

    if not is_hex_address(text):
        raise ConfigError(f"{text!r} is no address", "an address is 0x and 40 hexadecimal digits")
    if is_checksum_formatted_address(text) and not is_checksum_address(text):
        raise ConfigError(f"{text!r} has a wrong digit: its capitals do not fit", "copy it again")
    return Address(to_canonical_address(text))


def require_somebodys(state: State, address: Address) -> None:
    """Raises ConfigError for what is nobody's: zero, and the contracts of the network and of its assets."""
    deployments = [past.deployment for _, past in state.past.scan()]
    deployments += [] if state.deployment is None else [state.deployment]
    names = {ETHER: "zero"} | {
        bytes(asset): "an asset" for asset, _ in state.listed.scan() if asset != ETHER
    }
    for each in deployments:
        names |= {
            own: f"the network's {name.replace('_', ' ')}" for own, name in each.contracts.items()
        }
    if address in names:
        raise ConfigError(
            f"{shown_address(address)} is {names[address]}, where nobody fetches what arrives",
            "name an address of somebody's: an account, or a Safe",
        )


def shown_address(address: Address) -> str:
    """An address with the capitals by which a wallet notices a wrong digit (EIP-55)."""
    from eth_utils.address import to_checksum_address

    return to_checksum_address(address)
