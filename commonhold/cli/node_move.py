"""`commonhold node move`: where the network is asked to go, and a witness's word on it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from commonhold.cli.move_report import amounts_text, asked_data, asked_text
from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_report import person_of_node
from commonhold.cli.node_sending import deliver, read_trusted
from commonhold.cli.output import complain, emit, micro
from commonhold.cli.past_report import past_data, past_text
from contracts.arriving import Terms
from contracts.findings import Finding
from node.moving import AskedMove, agreement, asked_move, look_there
from node.rows import Outgoing
from node.store import Store
from node.wallet import Wallet
from protocol.errors import ConfigError, Reject, StateError
from protocol.state import State

Looked = tuple[list[Finding], Terms | None]
"""What speaks against the contracts, and what is fixed in them if nothing does."""


def move(
    rpc_url: str,
    *,
    agree: bool,
    leave_behind: bool,
    directory: Path | None,
    passphrase_path: Path | None,
    as_json: bool,
) -> None:
    """Shows what is asked, and looks at the contracts there; with `agree` sends this witness's word."""
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path) if agree else None
    with open_store(home) as store:
        state = read_trusted(home, config, store).state
        asked = asked_move(state, person_of_node(store))
        if asked is None:
            _nothing(state, as_json=as_json)
            return
        there = rpc_url or _present_endpoint(state, asked, config.rpc_url)
        looked = look_there(state, asked.move, there, config.rpc_url) if there else None
        if keys is not None:
            _require_fit(asked, looked, leave_behind=leave_behind)
            answer = agreement(state, asked, Wallet(keys.payout_secret), time.time())
            outgoing = Outgoing("attest", keys.seal("attest", answer))
            store.enqueue(outgoing)
            asyncio.run(deliver(home, config, store, quiet=as_json))
            _require_taken(store, outgoing)
    emit(
        {"asked": asked_data(asked), "past": past_data(state)}
        | {"looked": _looked_data(looked), "sent": agree},
        as_json,
        lambda: [*asked_text(asked), *_looked_words(looked), *(["you have agreed"] * agree)],
    )


def _nothing(state: State, *, as_json: bool) -> None:
    past = past_data(state)
    emit(
        {"asked": None, "past": past}, as_json, lambda: ["nobody asks for a move", *past_text(past)]
    )


def _present_endpoint(state: State, asked: AskedMove, rpc_url: str) -> str:
    """The node's own, where the chain stays the same."""
    same = state.deployment is not None and state.deployment.chain_id == asked.move.to.chain_id
    return rpc_url if same else ""


def _require_fit(asked: AskedMove, looked: Looked | None, *, leave_behind: bool) -> None:
    if not asked.is_mine_to_decide:
        raise StateError(f"your word on the move is {asked.mine}", "nothing is left to do")
    if looked is None:
        raise ConfigError(
            f"the contracts are on chain {asked.move.to.chain_id}, and nobody has looked at them",
            "name an endpoint of that chain with --rpc-url: your own, not the operator's",
        )
    for found in looked[0]:
        complain(str(found), found.kind.advice)
    if looked[0]:
        raise StateError("the contracts are not fit to move to", "do not agree; tell the operator")
    if asked.move.left and not leave_behind:
        raise StateError(
            f"the move leaves behind, for nobody: {amounts_text(asked.move.left)}",
            "if you mean it, add --leave-behind",
        )


def _require_taken(store: Store, outgoing: Outgoing) -> None:
    row = store.outbox_row(outgoing.digest)
    if row is not None and row.state == "refused":
        raise Reject(f"the network refused your word: {row.last_error}", "look again: `node move`")


# ---- as data, and as text ----


def _looked_data(looked: Looked | None) -> dict[str, Any] | None:
    if looked is None:
        return None
    found, terms = looked
    return {
        "findings": [str(each) for each in found],
        "terms": None if terms is None else asdict(terms),
    }


def _looked_words(looked: Looked | None) -> list[str]:
    if looked is None:
        return ["nobody has looked at the contracts: --rpc-url names an endpoint of their chain"]
    found, terms = looked
    if terms is None:
        return [f"NOT FIT: {each}" for each in found]
    return [
        "the contracts are those that this software ships, and as a move needs them: a root waits"
        f" {terms.delay_s:,} s for objections, an epoch mints {micro(terms.emission_micro)} shares at most, a"
        f" vote may raise that to {micro(terms.emission_max_micro)}"
    ]
