"""Play money for addresses on a development chain, from one of its accounts whose keys everybody knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from eth_account import Account

from contracts import DEVELOPMENT_CHAIN_IDS
from contracts.account import Receipt
from contracts.answers import as_number
from contracts.dev_accounts import dev_keys
from contracts.endpoint import Endpoint
from contracts.history import History
from contracts.journal import Order
from contracts.sending import Sender
from contracts.spending import Spending
from protocol.errors import ConfigError, StateError

# The last of the funded accounts: whoever tries the network takes keys from the first on.
_FUNDER: Final = -1


def fund(rpc_url: str, accounts: Sequence[bytes], wei: int) -> Iterator[Receipt]:
    """Send `wei` to each account; yield the receipts. Needs no web3.

    Raises ConfigError on any chain but a development chain, StateError where the giver has too little,
    and what `Sender.send` raises.
    """
    endpoint = Endpoint(rpc_url)
    chain_id = as_number(endpoint, endpoint.call("eth_chainId"))
    if chain_id not in DEVELOPMENT_CHAIN_IDS:
        raise ConfigError(
            f"{endpoint.shown} is chain {chain_id}, where money is real",
            "send from an account of your own; this is for `commonhold chain dev` alone",
        )
    key = Account.from_key(dev_keys()[_FUNDER].to_bytes())
    sender = Sender(endpoint, History(endpoint), key, Spending())
    if sender.account.balance() <= wei * len(accounts):
        raise StateError(
            f"{sender.account.address}, which gives on development chains, has not enough left",
            "give less, or start the chain anew",
        )
    for account in accounts:
        yield sender.send(Order(account, b"", wei), chain_id)
