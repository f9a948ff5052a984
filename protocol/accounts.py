"""From what identities earned to what addresses may claim: the leaves of a settlement."""

from __future__ import annotations

from protocol.settlement import Address, Leaf, address
from protocol.state import SHARES, State


def cumulative_leaves(state: State) -> list[Leaf]:
    """One leaf for each bound address and asset, with all it ever earned, sorted.

    Earnings of an identity without a payout address stay with it in the log until it binds one.
    """
    totals: dict[tuple[Address, Address], int] = {}
    for (identity, asset), amount in state.earned.items():
        member = state.members.get(identity)
        if member is not None and amount > 0:
            key = (address(member.payout), on_chain_asset(state, asset))
            totals[key] = totals.get(key, 0) + amount
    return [Leaf(account, asset, amount) for (account, asset), amount in sorted(totals.items())]


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
    for asset, amount in state.epoch.deposits:
        waiting[asset] = waiting.get(asset, 0) + amount
    return shares == state.minted_micro and all(
        revenue.get(asset, 0) + waiting.get(asset, 0) == amount
        for asset, amount in state.received.items()
    )
