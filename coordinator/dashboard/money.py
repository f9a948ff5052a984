"""Revenue and settlement: what came in and for which licence, and what has been promised on chain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice

from coordinator.dashboard.paging import ROWS
from coordinator.overview import RootRow, moment, waiting_roots
from coordinator.watching import Checked
from protocol.money.settlement import Amounts, Deployment
from protocol.rows import Licence
from protocol.state import State
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class AssetRow:
    """One asset: revenue ever, and the part that waits for a close."""

    asset: bytes
    received: int
    waiting: int
    treasury: int  # what the operator's treasury has of what was shared out


@dataclass(frozen=True, slots=True)
class PastRow:
    """Contracts that the network has left. `epoch`: of the root that was in force; `index`: of the entry that
    decided it; `left`: what stayed there, promised to nobody."""

    chain_id: int
    settlement: str
    epoch: int
    index: int
    left: Amounts


@dataclass(frozen=True, slots=True)
class MoneyView:
    """The page, but for deposits and settlements, which are in the ledger."""

    assets: tuple[AssetRow, ...]
    licences: tuple[Licence, ...]  # by id, at most ROWS
    licences_total: int
    treasury_ppm: int
    royalty_ppm: int
    closed_epoch: int
    settled_epoch: int
    deployment: Deployment | None
    roots: dict[int, str]  # epoch -> where its root is on chain
    start: int  # what was settled up to this epoch is on contracts that the network has left
    past: tuple[PastRow, ...]  # those


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """A proposal, as the log has it."""

    index: int
    record: pb.Settlement


@dataclass(frozen=True, slots=True)
class DepositRow:
    """Money that came in, and the entry that says so."""

    index: int
    asset: bytes
    amount: int
    memo: str
    tx_hash: bytes


def money_view(state: State) -> MoneyView:
    """What the state says; linear in assets, licences and the deposits of one epoch."""
    waiting = Counter[bytes]()
    for _, deposit in state.deposits.scan():
        waiting[deposit.asset] += deposit.amount
    return MoneyView(
        assets=tuple(
            AssetRow(asset, amount, waiting[asset], state.earned.get((state.operator, asset), 0))
            for asset, amount in state.received.scan()
        ),
        licences=tuple(licence for _, licence in islice(state.licences.scan(), ROWS)),
        licences_total=len(state.licences),
        treasury_ppm=state.policy.revenue_treasury_ppm,
        royalty_ppm=state.policy.royalty_ppm,
        closed_epoch=state.closed_epoch,
        settled_epoch=state.settled_epoch,
        deployment=state.deployment,
        roots={epoch: root.status.name.lower() for epoch, root in state.roots.scan()},
        start=0 if state.deployment is None else state.deployment.start,
        past=tuple(
            PastRow(
                each.deployment.chain_id,
                each.deployment.settlement.hex(),
                each.view.epoch,
                each.moved_at,
                each.left,
            )
            for _, each in state.past.scan()
        ),
    )


@dataclass(frozen=True, slots=True)
class ChainView:
    """What the network has on its chain, as the log says it; and whether the chain says so, too."""

    addresses: tuple[tuple[str, str], ...]  # name of a contract, and where it is, in hex
    block: int  # the last that the log has read
    read: str  # when that was, by the chain's clock
    epoch: int  # in force
    roots: tuple[
        tuple[RootRow, str], ...
    ]  # that wait, with the time from when an upheld one is due
    emission_micro: int  # an epoch may mint at most
    bonds: int  # that vouch for a witness
    bonded_wei: int
    bond_minimum: int
    looks: bool  # the coordinator has an endpoint
    word: str  # what came of its last look
    findings: tuple[str, ...]
    unchecked: str
    unchecked_since: str
    compared: int  # block


def chain_view(state: State, checked: Checked | None) -> ChainView | None:
    """The section on the chain; None before there are contracts."""
    if state.deployment is None:
        return None
    view, seen = state.onchain, checked or Checked()
    bonds = [bond for _, bond in state.bonds.scan() if any(bond.witness) and bond.active]
    look = seen.look
    return ChainView(
        addresses=tuple(
            (name.replace("_", " "), each.hex())
            for each, name in state.deployment.contracts.items()
        ),
        block=view.last,
        read=moment(view.time_s) if view.last else "",
        epoch=view.epoch if view.epoch > state.deployment.start else 0,
        roots=tuple((row, _due(state, row.epoch)) for row in waiting_roots(state)),
        emission_micro=view.emission_micro,
        bonds=len(bonds),
        bonded_wei=sum(bond.active for bond in bonds),
        bond_minimum=view.bond_minimum,
        looks=checked is not None,
        word=seen.word,
        findings=tuple(map(str, look.findings)) if look is not None else (),
        unchecked=look.unchecked if look is not None else "",
        unchecked_since=moment(seen.unchecked_since_ms // 1_000) if seen.unchecked_since_ms else "",
        compared=seen.compared,
    )


def _due(state: State, epoch: int) -> str:
    """From when an upheld root may come into force; the log does not say it of others."""
    root = state.roots.get(epoch)
    return moment(root.due_s) if root is not None and root.due_s else ""
