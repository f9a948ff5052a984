"""Addresses on chain, as people type them."""

from __future__ import annotations

from protocol.errors import ConfigError
from protocol.money.settlement import Address


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
