"""Does the chain say what the log says? All that it says of the contracts, read again from an endpoint."""

from __future__ import annotations

import secrets
from typing import Any, Final

from protocol.errors import ConfigError, Misbehaviour, Reject
from protocol.identity import KeyId
from protocol.money.settlement import Deployment
from protocol.rules.chain import CHAIN_TABLES, process_chain, validate_chain
from protocol.rules.record import Record
from protocol.state import State
from protos.gen import records_pb2 as pb

_WORDS: Final = {
    "received": "revenue",
    "claimed": "claims",
    "listed": "listed assets",
    "roots": "roots",
    "bonds": "bonds",
    "slashes": "slashes",
    "payees": "payees that agreed",
    "decided": "decisions",
    "onchain": "epochs, witnesses and terms",
}


def audit_chain(state: State, rpc_url: str) -> int:
    """Reads every block again that the log has read, and compares what follows; gives the epoch in force
    (0: none).

    Raises Misbehaviour where they differ, Unreachable when the chain does not answer, ConfigError for
    another one.
    """
    deployment = state.deployment
    if deployment is None or not state.onchain.last:
        return 0  # the log says nothing of any chain
    try:
        from contracts.client import ChainClient
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--rpc-url needs the package {error.name}", "pip install 'commonhold[node]'"
        ) from error
    # The client signs what it sends; this one only reads, with a key that nobody will ever use.
    client = ChainClient(rpc_url, secrets.token_bytes(32))
    client.require_chain(deployment.chain_id)
    again = _read_again(client, deployment, state)
    for name in (*CHAIN_TABLES, "onchain"):
        if _rows(state, name) != _rows(again, name):
            raise Misbehaviour(
                f"the chain's {_WORDS[name]} up to block {state.onchain.last} are not the log's"
            )
    return state.settled_epoch


def _read_again(client: Any, deployment: Deployment, state: State) -> State:
    """What the log would have to say, if it had read the chain at this endpoint."""
    from contracts.facts import read_logs

    last = state.onchain.last
    if client.head() < last:
        raise ConfigError(
            f"this endpoint has {client.head()} blocks, and the log has read {last}",
            "wait until it has caught up, or name another endpoint",
        )
    last_hash, last_time = client.block_at(last)
    logs = read_logs(client, deployment, (), deployment.block, last)
    body = pb.Chain(first=deployment.block, last=last, last_hash=last_hash, last_time=last_time)
    record = Record(0, b"", KeyId(b""), body, tuple(logs))
    again = State(deployment=deployment)
    try:
        validate_chain(again, record)
    except Reject as error:
        raise Misbehaviour(f"these are not the network's contracts: {error}") from error
    process_chain(again, record)
    return again


def _rows(state: State, name: str) -> Any:
    value = getattr(state, name)
    return dict(value.scan()) if name != "onchain" else value
