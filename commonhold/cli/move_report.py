"""A move of the network, as commands show it: what is asked, what was left. As data, then as text."""

from __future__ import annotations

from typing import Any

from commonhold.cli.node_home import asset_name
from commonhold.cli.output import micro, moment
from commonhold.cli.past_report import past_data
from node.moving import AskedMove, asked_move
from protocol.identity import PersonId
from protocol.money.settlement import CONTRACTS, Amounts
from protocol.state import State


def asked_data(asked: AskedMove) -> dict[str, Any]:
    """What the witnesses decide on."""
    to = asked.move.to
    return {
        "chain_id": to.chain_id,
        "block": to.block,
        "contracts": {name: f"0x{getattr(to, name).hex()}" for name in CONTRACTS},
        "start": to.start,
        "carried_micro": to.carried,
        "left": {asset_name(asset): str(amount) for asset, amount in asked.move.left},
        "deadline_s": asked.ask.deadline_s,
        "agreed": asked.agreed,
        "quorum": asked.quorum,
        "mine": asked.mine,
        "words": asked.words,
    }


def move_data(state: State, person: PersonId) -> dict[str, Any]:
    """Both, for `status`."""
    asked = asked_move(state, person)
    return {"asked": None if asked is None else asked_data(asked), "past": past_data(state)}


def asked_text(asked: AskedMove) -> list[str]:
    """What is asked, in sentences."""
    to = asked.move.to
    return [
        f"the operator asks the witnesses to move the network to chain {to.chain_id},"
        f" settlement 0x{to.settlement.hex()}",
        f"from epoch {to.start + 1} on; {micro(to.carried)} shares go along, all that were earned",
        f"left behind, for nobody: {amounts_text(asked.move.left) or 'nothing'}",
        f"until {moment(asked.ask.deadline_s)}; {asked.agreed} of {asked.quorum} witnesses have agreed;"
        f" your word: {asked.mine}",
    ]


def move_text(data: dict[str, Any]) -> list[str]:
    """The lines of `status`."""
    lines = []
    if asked := data["asked"]:
        lines.append(f"move        {asked['words']}; see `node move`")
    return lines + [
        f"left        chain {each['chain_id']}: `node claim` claims what epoch {each['epoch']} pays there"
        for each in data["past"]
    ]


def amounts_text(amounts: Amounts) -> str:
    """Of each asset so much, in its smallest unit."""
    return ", ".join(f"{amount:,} of {asset_name(asset)}" for asset, amount in amounts)
