"""What each command needs that acts on chain for a node's owner: the keys, what the log says, the chain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from commonhold.cli.node_home import open_home, open_keys, open_store, tell_sent
from commonhold.cli.node_sending import catch_up
from node.chain import NodeChain
from node.chainwatch import require_agreement
from node.config import gas_terms
from node.follower import Follower
from node.keys import NodeKeys
from node.wallet import Wallet
from protocol.errors import ConfigError, StateError
from protocol.state import State


@dataclass(frozen=True, slots=True)
class OnChain:
    """A node's owner before the network's contracts, with the log read as far as it goes."""

    keys: NodeKeys
    state: State
    chain: NodeChain


def open_chain(
    directory: Path | None, passphrase_path: Path | None, *, pays: bool = False
) -> OnChain:
    """Reads the log to its end. Raises ConfigError without an endpoint, StateError without contracts; where
    the command `pays` more than gas, also on a chain that does not agree with the log.
    """
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    if not config.rpc_url:
        raise ConfigError("this node knows no chain", "set rpc_url in node.toml to an endpoint")
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        asyncio.run(catch_up(home, config, follower))
        state = follower.state
        if pays:
            require_agreement(store, state, config.rpc_url)
    if state.deployment is None:
        raise StateError(
            "the network has no contracts yet", "its operator deploys them with `settle`"
        )
    wallet = Wallet(keys.payout_secret, gas_terms(config, home, tell_sent))
    return OnChain(keys, state, wallet.chain(config.rpc_url, state.deployment))
