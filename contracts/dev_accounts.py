"""The accounts of development chains. They come from a phrase that everybody knows, and so do their keys."""

from __future__ import annotations

from typing import Final

from eth_account.hdaccount.deterministic import HDPath
from eth_account.hdaccount.mnemonic import Mnemonic
from eth_keys.datatypes import PrivateKey

#: The phrase of every development chain (also anvil's and Hardhat's). Money sent to these accounts
#: on a real chain is stolen within seconds.
PHRASE: Final = "test test test test test test test test test test test junk"
ACCOUNTS: Final = 10


def dev_keys() -> list[PrivateKey]:
    """Return the keys of the funded accounts, the same on every machine."""
    seed = Mnemonic.to_seed(PHRASE)
    paths = (f"m/44'/60'/0'/0/{index}" for index in range(ACCOUNTS))
    return [PrivateKey(HDPath(path).derive(seed)) for path in paths]


def dev_addresses() -> list[bytes]:
    """Return the 20-byte addresses of `dev_keys`."""
    return [key.public_key.to_canonical_address() for key in dev_keys()]
