"""Revenue and settlement: what came in and for which licence, and what has been promised on chain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice

from coordinator.dashboard.paging import ROWS
from protocol.money.settlement import Deployment
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
    )
