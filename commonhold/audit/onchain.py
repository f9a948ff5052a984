"""Does the chain say what the log says? The last settlement, as the contracts have it."""

from __future__ import annotations

import secrets

from eth_utils.address import to_checksum_address

from protocol.errors import ConfigError, Misbehaviour
from protocol.state import State


def audit_chain(state: State, rpc_url: str) -> int:
    """Compares root, epoch, totals and share supply; gives the epoch in force (0: none to compare).

    Raises Misbehaviour where they differ, Unreachable when the chain does not answer.
    """
    deployment, proposal = state.deployment, state.settlement
    if deployment is None or proposal is None or proposal.epoch != state.published_epoch:
        return 0  # nothing is published, or a newer settlement waits for its witnesses
    try:
        from contracts.client import ChainClient
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--rpc-url needs the package {error.name}", "pip install 'commonhold[node]'"
        ) from error
    # The client signs what it sends; this one only reads, with a key that nobody will ever use.
    totals = dict(proposal.totals)
    client = ChainClient(rpc_url, secrets.token_bytes(32))
    if client.chain_id() != deployment.chain_id:
        raise ConfigError(
            f"{client.endpoint} is chain {client.chain_id()}, and the settlement is on {deployment.chain_id}",
            f"name an endpoint of chain {deployment.chain_id} with --rpc-url",
        )
    settlement = client.contract("Settlement", deployment.settlement).functions
    token = client.contract("ShareToken", deployment.share_token).functions
    found = {
        "share token": (settlement.shareToken(), to_checksum_address(deployment.share_token)),
        "root": (settlement.root(), proposal.root),
        "epoch": (settlement.epoch(), state.published_epoch),
        "supply of shares": (token.totalSupply(), totals.get(deployment.share_token, 0)),
    } | {
        f"total of 0x{asset.hex()}": (settlement.published(to_checksum_address(asset)), total)
        for asset, total in totals.items()
    }
    for what, (function, logged) in found.items():
        on_chain = client.read(function)
        if on_chain != logged:
            raise Misbehaviour(
                f"the chain's {what} is {_show(on_chain)}, the log's {_show(logged)}"
            )
    return state.published_epoch


def _show(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
