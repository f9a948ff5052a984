"""From what persons earned to what addresses may claim: the leaves of a settlement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from protocol.identity import PersonId
from protocol.money.settlement import Address, Leaf, address
from protocol.state import SHARES, State


def credit(state: State, person: PersonId, asset: bytes, amount: int) -> None:
    """Somebody earned so much in the present epoch, and is owed it until a settlement promises it."""
    earned = (person, asset)
    state.earned.put(earned, state.earned.get(earned, 0) + amount)
    if amount:
        owed = (state.epoch, person, asset)
        state.owed.put(owed, state.owed.get(owed, 0) + amount)


def owed_to(state: State, person: PersonId, asset: bytes) -> int:
    """What no settlement has promised yet of what a person earned."""
    return sum(state.owed.get((epoch, person, asset), 0) for epoch in state.owed.firsts())


def promised_leaves(state: State) -> list[Leaf]:
    """A leaf for each address, with all it was ever promised, sorted: those of the last proposed
    settlement.
    """
    return _leaves(state, ())


def cumulative_leaves(state: State, epoch: int) -> list[Leaf]:
    """A leaf for each address, with all it was ever promised and what the settlement of `epoch` adds, sorted.

    What a person earned up to that epoch goes to the address that is bound now; without one it waits in the
    log. What was proposed before stays with the address of then.
    """
    return _leaves(state, _unsettled(state, epoch))


def _leaves(
    state: State, added: Iterable[tuple[tuple[int, PersonId, bytes], bytes, bytes, int]]
) -> list[Leaf]:
    amounts: dict[Address, dict[Address, int]] = {}
    for (account, asset), amount in state.promised.scan():
        amounts.setdefault(address(account), {})[on_chain_asset(state, asset)] = amount
    for _, account, owed, amount in added:
        asset, its = on_chain_asset(state, owed), amounts.setdefault(address(account), {})
        its[asset] = its.get(asset, 0) + amount
    return [Leaf(account, tuple(sorted(its.items()))) for account, its in sorted(amounts.items())]


def promise_leaves(state: State, epoch: int) -> None:
    """Fixes the leaves of a proposed settlement: no later change of address moves them."""
    for key, account, asset, amount in list(_unsettled(state, epoch)):
        promised = (account, asset)
        state.promised.put(promised, state.promised.get(promised, 0) + amount)
        state.owed.remove(key)


def _unsettled(
    state: State, epoch: int
) -> Iterator[tuple[tuple[int, PersonId, bytes], bytes, bytes, int]]:
    """(key in `owed`, payout address, asset, amount) of all that the settlement of `epoch` adds."""
    held_back = _uncovered(state, epoch)
    for key, amount in _owed_until(state, epoch):
        _, person, asset = key
        member = state.members.get(person)
        if member is not None and asset not in held_back:
            yield key, member.payout, asset, amount


def _uncovered(state: State, epoch: int) -> set[bytes]:
    """Assets of which more would be promised than came in, after a reorganisation took revenue back: the
    contract would refuse the root of all of them. They wait until as much comes in."""
    totals: dict[bytes, int] = {}
    for (_, asset), amount in state.promised.scan():
        totals[asset] = totals.get(asset, 0) + amount
    for (_, _, asset), amount in _owed_until(state, epoch):
        totals[asset] = totals.get(asset, 0) + amount
    return {
        asset
        for asset, total in totals.items()
        if asset != SHARES and total > state.received.get(asset, 0)
    }


def _owed_until(state: State, epoch: int) -> Iterator[tuple[tuple[int, PersonId, bytes], int]]:
    for earlier in state.owed.firsts():
        if earlier <= epoch:
            yield from state.owed.scan(earlier)


def on_chain_asset(state: State, asset: bytes) -> Address:
    """The 20-byte address of an asset; shares are the share token's."""
    if asset != SHARES:
        return address(asset)
    if state.deployment is None:
        raise ValueError("shares have no address before a deployment")
    return state.deployment.share_token


def conserves(state: State) -> bool:
    """Whether every micro-unit that was earned was minted or received, and no more."""
    there: dict[bytes, int] = {}
    for (_, asset), amount in state.earned.scan():
        there[asset] = there.get(asset, 0) + amount
    for _, deposit in state.deposits.scan():
        there[deposit.asset] = there.get(deposit.asset, 0) + deposit.amount
    for asset, amount in state.overshared.scan():
        there[asset] = there.get(asset, 0) - amount
    return there.pop(SHARES, 0) == state.minted_micro and {a: n for a, n in there.items() if n} == {
        asset: amount for asset, amount in state.received.scan() if amount
    }
