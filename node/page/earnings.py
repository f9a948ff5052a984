"""What I earned and why, line by line, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from node.page.sources import Sources
from node.page.words import amount_text, asset_name, percent
from node.rows import ClaimRow
from node.statement import StatementLine, explain, read_balances
from protocol.limits import PPM
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

PAGE_LINES: Final = 50
# The chart's width in its own units; beyond so many epochs it shows the last ones.
CHART_EPOCHS: Final = 60
CHART_HEIGHT: Final = 100

_ROLES: Final[dict[int, str]] = {
    pb.ROLE_CONTRIBUTOR: "for items you gave",
    pb.ROLE_REVIEWER: "for reviews",
    pb.ROLE_TRAINER: "for training",
    pb.ROLE_TREASURY: "treasury",
    pb.ROLE_HOLDER: "for the shares you hold",
}


@dataclass(frozen=True, slots=True)
class LineView:
    """One amount, why, and how to recompute it."""

    epoch: int
    role: str
    amount: str
    asset: str
    why: str
    so_far: str  # of this asset, this line included
    pool: str  # what all lines of its pool got
    part: str
    weight_micro: int
    entry: int
    leaf: int
    leaves: int
    leaf_hex: str
    root: str
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BalanceView:
    """Where one asset's earnings are."""

    asset: str
    earned: str
    published: str
    claimed: str
    claimable: str
    can_claim: bool


@dataclass(frozen=True, slots=True)
class ClaimView:
    """One claim on chain."""

    asset: str
    cumulative: str
    epoch: int
    status: str
    transaction: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """Shares earned so far, by epoch: an SVG path in a box of `width` by CHART_HEIGHT."""

    line: str
    area: str
    width: int
    first: int  # epoch
    last: int
    top: str  # the amount at the end


@dataclass(frozen=True, slots=True)
class EarningsView:
    """Everything about money, and one page of lines, newest first."""

    balances: tuple[BalanceView, ...]
    claims: tuple[ClaimView, ...]
    lines: tuple[LineView, ...]
    total: int
    page: int
    pages: int
    chart: ChartView | None
    claim: str  # the command
    has_chain: bool


def view_earnings(
    sources: Sources, state: State, lines: Sequence[StatementLine], page: int = 1
) -> EarningsView:
    """All of it; `lines` are the whole statement, oldest first."""
    pages = max(1, -(-len(lines) // PAGE_LINES))
    page = min(max(1, page), pages)
    stop = len(lines) - (page - 1) * PAGE_LINES
    shown = range(max(0, stop - PAGE_LINES), max(0, stop))
    so_far = _running_totals(lines)
    return EarningsView(
        balances=tuple(view_balances(sources, state, lines)),
        claims=tuple(
            _claim(state, each) for each in reversed(sources.store.claims()[-PAGE_LINES:])
        ),
        lines=tuple(_line(state, lines[i], so_far[i]) for i in reversed(shown)),
        total=len(lines),
        page=page,
        pages=pages,
        chart=_chart(lines),
        claim=f"commonhold node claim{sources.arguments}",
        has_chain=state.deployment is not None,
    )


def view_balances(
    sources: Sources, state: State, lines: Sequence[StatementLine]
) -> list[BalanceView]:
    """What was earned, published, claimed and is claimable, by asset."""
    made = []
    for each in read_balances(sources.store, state, lines):
        asset = asset_name(state, each.asset)
        earned, published, claimed, claimable = (
            amount_text(asset, amount)
            for amount in (each.earned, each.published, each.claimed, each.claimable)
        )
        can_claim = each.claimable > 0 and state.deployment is not None
        made.append(BalanceView(asset, earned, published, claimed, claimable, can_claim))
    return made


def _running_totals(lines: Sequence[StatementLine]) -> list[int]:
    totals: dict[bytes, int] = {}
    made = []
    for line in lines:
        asset = line.line.asset
        totals[asset] = totals.get(asset, 0) + line.amount
        made.append(totals[asset])
    return made


def _line(state: State, line: StatementLine, so_far: int) -> LineView:
    asset = asset_name(state, line.line.asset)
    part = line.amount * PPM // line.pool if line.pool else 0
    royalty = bool(line.line.licence_id)
    return LineView(
        epoch=line.epoch,
        role="as royalties" if royalty else _ROLES.get(line.line.role, ""),
        amount=amount_text(asset, line.amount),
        asset=asset,
        why=explain(line),
        so_far=amount_text(asset, so_far),
        pool=amount_text(asset, line.pool),
        part=percent(part, 2),
        weight_micro=line.line.weight_micro,
        entry=line.entry_index,
        leaf=line.leaf_index,
        leaves=line.leaves,
        leaf_hex=line.leaf.hex(),
        root=line.root.hex(),
        proof=tuple(each.hex() for each in line.proof),
    )


def _claim(state: State, claim: ClaimRow) -> ClaimView:
    asset = asset_name(state, claim.asset)
    amount = amount_text(asset, claim.cumulative)
    return ClaimView(asset, amount, claim.epoch, claim.status, claim.tx_hash.hex())


def _chart(lines: Sequence[StatementLine]) -> ChartView | None:
    """Steps, since shares come at the close of an epoch and not in between; None below two epochs."""
    total, by_epoch = 0, dict[int, int]()
    for line in lines:
        if line.line.asset == SHARES:
            total += line.amount
            by_epoch[line.epoch] = total
    epochs = list(by_epoch)[-CHART_EPOCHS:]
    if len(epochs) < 2 or total == 0:
        return None
    first, width = epochs[0], epochs[-1] - epochs[0] + 1
    heights = {
        epoch: CHART_HEIGHT - by_epoch[epoch] * CHART_HEIGHT * 10 // total / 10 for epoch in epochs
    }
    steps = "".join(f"H{epoch - first}V{height:g}" for epoch, height in heights.items())
    path = f"M0 {heights[first]:g}{steps}H{width}"
    area = f"{path}V{CHART_HEIGHT}H0Z"
    return ChartView(path, area, width, first, epochs[-1], amount_text("shares", total))
