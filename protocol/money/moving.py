"""What a network takes along when it moves to other contracts, and what it leaves where it was.

Shares go along, all that anybody ever earned: the log counts them, the new contracts mint them. Ether and
tokens are where they came in. What the root in force promises of them is claimed there, for ever; what it
does not promise stays in the vault, so a move says how much that is.
"""

from __future__ import annotations

from protocol.money.onchain import Move
from protocol.money.settlement import Amounts, Deployment
from protocol.state import SHARES, State


def carried_shares(state: State) -> int:
    """The micro-shares that new contracts have to mint with their first root: of all whom it can pay."""
    return sum(
        amount
        for (who, asset), amount in state.earned.scan()
        if asset == SHARES and who in state.members
    )


def deployment_at(state: State, index: int) -> Deployment | None:
    """Where the network settled as of an entry of the log."""
    for _, past in state.past.scan():
        if index <= past.moved_at:
            return past.deployment
    return state.deployment


def promised_in_force(state: State) -> Amounts:
    """What the root in force promises; nothing before the first."""
    root = state.roots.get(state.settled_epoch)
    return () if root is None else root.payload.totals


def left_behind(state: State) -> Amounts:
    """What came in and no root in force promises, as far as the log has read the chain. Ascending."""
    promised = dict[bytes, int](promised_in_force(state))
    missing = ((asset, n - promised.get(asset, 0)) for asset, n in sorted(state.received.scan()))
    return tuple((asset, amount) for asset, amount in missing if amount > 0)  # type: ignore[misc]


def move_stands(state: State, move: Move) -> bool:
    """Whether a move says what the log says now: no epoch was closed since, nothing came in or into force."""
    to = move.to
    return (to.start, to.carried) == (state.closed_epoch, carried_shares(state)) and (
        move.left == left_behind(state)
    )
