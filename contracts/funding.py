"""Play money for addresses on a development chain, from one of its accounts whose keys everybody knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from contracts import DEVELOPMENT_CHAIN_ID
from contracts.client import ChainClient, SentTx
from contracts.dev_accounts import dev_keys
from protocol.errors import ConfigError, StateError
from protocol.money.settlement import Address

# The last of the funded accounts: whoever tries the network takes keys from the first on.
_FUNDER: Final = -1


def fund(
    rpc_url: str, accounts: Sequence[Address], wei: int, on_sent: Callable[[SentTx], None]
) -> None:
    """Send `wei` to each account. Raises ConfigError on any chain but a development chain.

    Chains with that id but other accounts (Hardhat with a phrase of its own) end in StateError.
    """
    client = ChainClient(rpc_url, dev_keys()[_FUNDER].to_bytes())
    found = client.chain_id()
    if found != DEVELOPMENT_CHAIN_ID:
        raise ConfigError(
            f"{client.endpoint} is chain {found}, where money is real",
            "send from an account of your own; this is for `commonhold chain dev` alone",
        )
    if client.balance(client.address) <= wei * len(accounts):
        raise StateError(
            f"0x{client.address.hex()}, which gives on development chains, has not enough left",
            "give less, or start the chain anew",
        )
    for account in accounts:
        on_sent(client.transfer(account, wei))
