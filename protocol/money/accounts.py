"""From what persons earned to what addresses may claim: the leaves of a settlement."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.identity import PersonId
from protocol.money.settlement import Address, Leaf, address
from protocol.state import SHARES, State


def credit(state: State, person: PersonId, asset: bytes, amount: int) -> None:
    """Somebody earned so much, and is owed it until a settlement promises it."""
    key = (person, asset)
    state.earned.put(key, state.earned.get(key, 0) + amount)
    if amount:
        state.owed.put(key, state.owed.get(key, 0) + amount)


def cumulative_leaves(state: State) -> list[Leaf]:
    """One leaf for each bound address and asset, with all it was ever promised, sorted.

    What a person earned since the last proposed settlement goes to the address that is bound
    now; without one it waits in the log. What was proposed before stays with the address of then.
    """
    totals = {
        (address(account), on_chain_asset(state, asset)): amount
        for (account, asset), amount in state.promised.scan()
    }
    for _, account, asset, amount in _unsettled(state):
        key = (address(account), on_chain_asset(state, asset))
        totals[key] = totals.get(key, 0) + amount
    return [Leaf(account, asset, amount) for (account, asset), amount in sorted(totals.items())]


def promise_leaves(state: State) -> None:
    """Fixes the leaves of a proposed settlement: no later change of address moves them."""
    for person, account, asset, amount in list(_unsettled(state)):
        key = (account, asset)
        state.promised.put(key, state.promised.get(key, 0) + amount)
        state.owed.remove((person, asset))


def _unsettled(state: State) -> Iterator[tuple[PersonId, bytes, bytes, int]]:
    """(person, payout address, asset, amount) of all that no settlement has promised yet."""
    for (person, asset), amount in state.owed.scan():
        member = state.members.get(person)
        if member is not None:
            yield person, member.payout, asset, amount


def on_chain_asset(state: State, asset: bytes) -> Address:
    """The 20-byte address of an asset; shares are the share token's."""
    if asset != SHARES:
        return address(asset)
    if state.deployment is None:
        raise ValueError("shares have no address before a deployment")
    return state.deployment.share_token


def conserves(state: State) -> bool:
    """Whether every micro-unit that was earned was minted or received, and no more."""
    earned: dict[bytes, int] = {}
    for (_, asset), amount in state.earned.scan():
        earned[asset] = earned.get(asset, 0) + amount
    for _, deposit in state.deposits.scan():
        earned[deposit.asset] = earned.get(deposit.asset, 0) + deposit.amount
    return earned.get(SHARES, 0) == state.minted_micro and all(
        earned.get(asset, 0) == amount for asset, amount in state.received.scan()
    )
