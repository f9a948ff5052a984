"""Revenue: what came in, and whose it is.

    treasury   its part of everything, by policy
    royalties  of what a licence brought after that: to the authors of its snapshot, by their items, a
               derivative as much as it earned; nothing where no item is worth any
    holders    the rest, by the shares held at the end of the epoch

Every unit of every asset goes to somebody, and the parts add up exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocol.identity import PersonId
from protocol.limits import OPERATOR_LEAVES_MAX, PPM
from protocol.money.pools import split
from protocol.rows import Snapshot
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Flow:
    """What came in of one asset for one licence, or for the network as a whole."""

    asset: bytes
    licence_id: str  # empty = the network's
    amount: int


def revenue_lines(state: State, minted: Sequence[pb.RewardLine]) -> Iterator[pb.RewardLine]:
    """The lines of all revenue that this epoch shares out; `minted` are its lines in shares."""
    holdings = _holdings(state, minted)
    holders = sorted(holdings)
    rest: dict[bytes, list[int]] = {}  # asset -> parts of treasury and holders
    for flow in due_flows(state, minted):
        treasury = flow.amount * state.policy.revenue_treasury_ppm // PPM
        royalty = 0
        if flow.licence_id and any(worth for _, worth in _snapshot(state, flow.licence_id).credits):
            royalty = (flow.amount - treasury) * state.policy.royalty_ppm // PPM
            yield from _royalty_lines(state, flow, royalty)
        shared = flow.amount - treasury - royalty if holders else 0
        parts = rest.setdefault(flow.asset, [0, 0])
        parts[0] += flow.amount - royalty - shared
        parts[1] += shared
    for asset, (treasury, shared) in sorted(rest.items()):
        if treasury:
            yield treasury_line(state, asset, treasury)
        amounts = split(shared, [holdings[who] for who in holders])
        for who, amount in zip(holders, amounts, strict=True):
            if amount:
                yield pb.RewardLine(
                    person=who,
                    role=pb.ROLE_HOLDER,
                    asset=asset,
                    amount=str(amount),
                    evidence=pb.Evidence(shares_micro=holdings[who]),
                )


def treasury_line(state: State, asset: bytes, amount: int) -> pb.RewardLine:
    """The treasury's part, which the operator holds."""
    return pb.RewardLine(
        person=state.operator, role=pb.ROLE_TREASURY, asset=asset, amount=str(amount)
    )


def due_flows(state: State, minted: Sequence[pb.RewardLine]) -> list[Flow]:
    """What this epoch shares out, by licence and asset.

    Anybody may deposit any token, and each costs a line for every holder. What does not fit into one
    close waits for the next, first come first served: an epoch can always be closed.
    """
    amounts: dict[tuple[str, bytes], int] = {}
    for _, deposit in state.deposits.scan():
        key = (deposit.licence_id, deposit.asset)
        amounts[key] = amounts.get(key, 0) + deposit.amount
    room = OPERATOR_LEAVES_MAX - len(minted)
    holders, assets, taken = len(_holdings(state, minted)), set[bytes](), list[Flow]()
    for (licence_id, asset), amount in amounts.items():
        lines = 0 if asset in assets else holders + 1
        lines += len(_snapshot(state, licence_id).credits) if licence_id else 0
        if lines > room:
            break
        room -= lines
        assets.add(asset)
        taken.append(Flow(asset, licence_id, amount))
    return sorted(taken, key=lambda flow: (flow.licence_id, flow.asset))


def due_deposits(state: State, minted: Sequence[pb.RewardLine]) -> list[tuple[int, int]]:
    """The deposits that this epoch shares out, by their keys."""
    due = {(flow.licence_id, flow.asset) for flow in due_flows(state, minted)}
    return [key for key, each in state.deposits.scan() if (each.licence_id, each.asset) in due]


def _holdings(state: State, minted: Sequence[pb.RewardLine]) -> dict[PersonId, int]:
    """Micro-shares of everybody who holds some, with those of this epoch."""
    holdings = {who: amount for (who, asset), amount in state.earned.scan() if asset == SHARES}
    for line in minted:
        who = PersonId(line.person)
        holdings[who] = holdings.get(who, 0) + int(line.amount)
    return {who: amount for who, amount in holdings.items() if amount > 0}


def _snapshot(state: State, licence_id: str) -> Snapshot:
    return state.snapshots[state.licences[licence_id].snapshot]


def _royalty_lines(state: State, flow: Flow, royalty: int) -> Iterator[pb.RewardLine]:
    snapshot = _snapshot(state, flow.licence_id)
    credits = snapshot.credits
    for (author, worth), amount in zip(
        credits, split(royalty, [worth for _, worth in credits]), strict=True
    ):
        if amount:
            yield pb.RewardLine(
                person=author,
                role=pb.ROLE_CONTRIBUTOR,
                campaign_id=snapshot.campaign_id,
                asset=flow.asset,
                amount=str(amount),
                licence_id=flow.licence_id,
                evidence=pb.Evidence(licensed_permille=worth),
            )
