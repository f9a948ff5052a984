"""`commonhold node assent`: a witness agrees to the set of witnesses that is proposed to follow."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import typer

from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_sending import deliver, read_trusted
from commonhold.cli.output import EXIT_INTERRUPTED, confirm, emit, say, table
from node.keys import NodeKeys
from node.rows import Outgoing
from protocol.coin.witnesses import Proposal, assents_needed, place_in
from protocol.errors import ConfigError, Ignore, Reject, StateError
from protocol.identity import name_of, peer_id_of
from protocol.lifecycle import DealingPhase
from protocol.state import State
from protos.gen import records_pb2 as pb


def assent(
    *, yes: bool, directory: Path | None, passphrase_path: Path | None, as_json: bool
) -> None:
    """Shows what is proposed, asks unless `yes`, and sends the assent."""
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    with open_store(home) as store:
        follower = read_trusted(home, config, store)
        proposal = _to_decide(follower.state, keys)
        if not yes:
            _confirm(follower.state, proposal)
        record = pb.Assent(network=follower.state.network, proposal=proposal.id)
        outgoing = Outgoing("assent", keys.seal("assent", record))
        store.enqueue(outgoing)
        asyncio.run(deliver(home, config, store, quiet=as_json, reports="assent"))
        row = store.outbox_row(outgoing.digest)
        if row is not None and row.state == "refused":
            raise Reject(f"the network refused the assent: {row.last_error}")
    data = _data(follower.state, proposal)
    emit(data, as_json, lambda: f"you have assented to set {proposal.nonce} of witnesses")


def _to_decide(state: State, keys: NodeKeys) -> Proposal:
    """What this machine may assent to; raises StateError when there is nothing."""
    proposal = state.proposal
    if proposal is None:
        raise StateError("no other witnesses are proposed", "the operator proposes them")
    if place_in(state.coin.keys, keys.key) is None:
        raise StateError(
            "this machine is no witness, and only the present ones assent",
            "run it on the machine that tosses the coin",
        )
    if proposal.phase is not DealingPhase.PROPOSED or keys.key in proposal.assents:
        raise Ignore(
            "this set has the assents that it needs, or has yours", "nothing is left to do"
        )
    return proposal


def _confirm(state: State, proposal: Proposal) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(
            "an assent gives the coin to others, and there is no terminal to ask at",
            "add --yes if you mean it",
        )
    rows: list[list[object]] = [
        [name_of(state.keys[key]), "yes" if key in state.coin.keys else ""] for key in proposal.keys
    ]
    say(table(f"Witnesses, set {proposal.nonce}", ["person", "is one now"], rows))
    needed = assents_needed(len(state.coin.keys))
    say(f"{len(proposal.assents)} of {needed} assents are in the log.")
    say(f"Any {proposal.threshold} of them will determine every draw.")
    if not confirm("Assent?"):
        raise typer.Exit(EXIT_INTERRUPTED)


def _data(state: State, proposal: Proposal) -> dict[str, Any]:
    return {
        "nonce": proposal.nonce,
        "proposal": proposal.id.hex(),
        "witnesses": [
            {"person": name_of(state.keys[key]), "peer_id": peer_id_of(key)}
            for key in proposal.keys
        ],
    }
