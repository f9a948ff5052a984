"""Bonds: what a witness vouches with, on chain, for a word against a wrong root."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_sending import catch_up
from commonhold.cli.output import emit
from node.chain import NodeChain
from node.config import gas_terms
from node.follower import Follower
from node.keys import NodeKeys
from node.wallet import Wallet
from protocol.errors import ConfigError, StateError


def bond(wei: int, directory: Path | None, passphrase_path: Path | None, as_json: bool) -> None:
    """Adds to our bond, which stands for our payout address as a witness."""
    keys, chain = _open(directory, passphrase_path)
    sent = chain.bond(keys.person, wei)
    vouches, least = chain.bonded(keys.person)[0], chain.bond_minimum()
    enough = "enough to object" if vouches >= least else f"objecting takes {least}"
    emit(
        {"bonded_wei": str(vouches), "minimum_wei": str(least), "tx_hash": sent.tx_hash},
        as_json,
        lambda: f"your bond is {vouches} wei: {enough}; transaction 0x{sent.tx_hash.hex()}",
    )


def unbond(directory: Path | None, passphrase_path: Path | None, as_json: bool) -> None:
    """Begins to take all of it back, or takes back what has waited long enough."""
    keys, chain = _open(directory, passphrase_path)
    vouches, leaving, leaves_at_s = chain.bonded(keys.person)
    if vouches:
        sent = chain.request_unbond(keys.person, vouches)
        leaves_at_s = chain.bonded(keys.person)[2]
        said = f"{vouches + leaving} wei leave; run this again from {_moment(leaves_at_s)} on"
    elif leaving:
        sent = chain.withdraw(keys.person)
        said = f"{leaving} wei are back, but for what an open slash asks for"
    else:
        raise StateError("you have no bond", "`commonhold node bond AMOUNT` makes one")
    data: dict[str, Any] = {"tx_hash": sent.tx_hash, "leaves_at": leaves_at_s}
    emit(data, as_json, lambda: f"{said}; transaction 0x{sent.tx_hash.hex()}")


def _open(directory: Path | None, passphrase_path: Path | None) -> tuple[NodeKeys, NodeChain]:
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    if not config.rpc_url:
        raise ConfigError("this node knows no chain", "set rpc_url in node.toml to an endpoint")
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        asyncio.run(catch_up(home, config, follower))
        deployment = follower.state.deployment
    if deployment is None:
        raise StateError(
            "the network has no contracts yet", "its operator deploys them with `settle`"
        )
    wallet = Wallet(keys.payout_secret, gas_terms(config, home))
    return keys, wallet.chain(config.rpc_url, deployment)


def _moment(time_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_s))
