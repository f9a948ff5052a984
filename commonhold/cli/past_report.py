"""The contracts that a network has left, as commands show them: as data, then as text."""

from __future__ import annotations

from typing import Any

from protocol.money.settlement import ETHER
from protocol.state import State


def past_data(state: State) -> list[dict[str, Any]]:
    """The contracts that the network has left, the first ones first."""
    return [
        {
            "chain_id": each.deployment.chain_id,
            "settlement": f"0x{each.deployment.settlement.hex()}",
            "epoch": each.view.epoch,
            "moved_at": each.moved_at,
            "left": {
                "ether" if asset == ETHER else f"0x{asset.hex()}": str(amount)
                for asset, amount in each.left
            },
        }
        for _, each in state.past.scan()
    ]


def past_text(past: list[dict[str, Any]]) -> list[str]:
    """What was left, in sentences."""
    return [
        f"it has left settlement {each['settlement']} on chain {each['chain_id']}, by entry"
        f" {each['moved_at']:,}: `commonhold node claim` claims what epoch {each['epoch']} pays there"
        for each in past
    ]
