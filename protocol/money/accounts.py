"""From what identities earned to what addresses may claim: the leaves of a settlement."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.identity import Identity
from protocol.money.settlement import Address, Leaf, address
from protocol.state import SHARES, State


def cumulative_leaves(state: State) -> list[Leaf]:
    """One leaf for each bound address and asset, with all it was ever promised, sorted.

    What an identity earned since the last proposed settlement goes to the address that it has bound
    now; without one it waits in the log. What was proposed before stays with the address of then.
    """
    totals = {
        (address(account), on_chain_asset(state, asset)): amount
        for (account, asset), amount in state.promised.items()
    }
    for _, account, asset, amount in _unsettled(state):
        key = (address(account), on_chain_asset(state, asset))
        totals[key] = totals.get(key, 0) + amount
    return [Leaf(account, asset, amount) for (account, asset), amount in sorted(totals.items())]


def promise_leaves(state: State) -> None:
    """Fixes the leaves of a proposed settlement: no later change of address moves them."""
    for identity, account, asset, amount in list(_unsettled(state)):
        state.promised[account, asset] += amount
        state.settled[identity, asset] += amount


def _unsettled(state: State) -> Iterator[tuple[Identity, bytes, bytes, int]]:
    """(identity, payout address, asset, amount) of all that no settlement has promised yet."""
    for (identity, asset), earned in state.earned.items():
        member = state.members.get(identity)
        amount = earned - state.settled.get((identity, asset), 0)
        if member is not None and amount > 0:
            yield identity, member.payout, asset, amount


def on_chain_asset(state: State, asset: bytes) -> Address:
    """The 20-byte address of an asset; shares are the share token's."""
    if asset != SHARES:
        return address(asset)
    if state.deployment is None:
        raise ValueError("shares have no address before a deployment")
    return state.deployment.share_token


def conserves(state: State) -> bool:
    """Whether every micro-unit that was earned was minted or received, and no more."""
    shares = sum(a for (_, asset), a in state.earned.items() if asset == SHARES)
    revenue: dict[bytes, int] = {}
    for (_, asset), amount in state.earned.items():
        if asset != SHARES:
            revenue[asset] = revenue.get(asset, 0) + amount
    waiting: dict[bytes, int] = {}
    for deposit in state.epoch.deposits:
        waiting[deposit.asset] = waiting.get(deposit.asset, 0) + deposit.amount
    return shares == state.minted_micro and all(
        revenue.get(asset, 0) + waiting.get(asset, 0) == amount
        for asset, amount in state.received.items()
    )
