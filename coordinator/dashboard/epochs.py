"""Epochs, which are money's: what each paid for, what it left for a later one, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from commonground.web.charts import Series, Text, column_chart
from coordinator.dashboard.formats import ROLES, WAITING_REASONS
from coordinator.tally import ClosedEpoch
from protocol.limits import PPM
from protocol.log.batch import Erased, decode_bundle
from protocol.log.strict import parse_leaf
from protocol.rules.close import compute_waiting
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

# So many columns can be told apart on a telephone.
COLUMNS_MAX: Final = 24
MINTING: Final = (pb.ROLE_CONTRIBUTOR, pb.ROLE_REVIEWER, pb.ROLE_TRAINER, pb.ROLE_TREASURY)


@dataclass(frozen=True, slots=True)
class WaitLine:
    """What a close leaves for a later one, and why."""

    campaign_id: str
    items: int
    reason: str


@dataclass(frozen=True, slots=True)
class OpenEpoch:
    """The epoch that is not closed yet: what a close would pay for now, and what it would leave."""

    number: int
    answers: int  # opened since the last close
    deposits: int
    emission_micro: int
    waiting: tuple[WaitLine, ...]


def open_epoch(state: State) -> OpenEpoch:
    """Goes through campaigns, not through items."""
    waiting = [(each.campaign_id, each.items, each.reason) for each in compute_waiting(state)]
    return OpenEpoch(
        number=state.epoch,
        answers=len(state.answers),
        deposits=len(state.deposits),
        emission_micro=state.policy.epoch_emission_micro,
        waiting=wait_lines(waiting),
    )


def wait_lines(waiting: Iterable[tuple[str, int, int]]) -> tuple[WaitLine, ...]:
    """What a close said to be waiting, in words."""
    return tuple(WaitLine(name, items, WAITING_REASONS[reason]) for name, items, reason in waiting)


def minted_by(epoch: ClosedEpoch, role: int) -> int:
    """Micro-shares that an epoch minted for a role."""
    return sum(p.amount for p in epoch.parts if p.role == role and p.asset == SHARES)


def lines_for(epoch: ClosedEpoch, role: int) -> int:
    """How many in a role got shares, or at least a line that says why not."""
    return sum(p.lines for p in epoch.parts if p.role == role and p.asset == SHARES)


def minting_chart(epochs: Sequence[ClosedEpoch]) -> Markup:
    """Shares minted in the last epochs, by role. Empty before the first close."""
    shown = epochs[-COLUMNS_MAX:]
    return column_chart(
        Text(
            key="minting",
            title="Shares minted by epoch and role",
            description="A column for each epoch; the table of epochs has the numbers.",
            across="epoch",
            up="shares",
        ),
        [str(epoch.number) for epoch in shown],
        [
            Series(ROLES[role], [minted_by(epoch, role) / PPM for epoch in shown])
            for role in MINTING
        ],
    )


def lines_in(bundle: bytes, skip: int, count: int) -> list[pb.RewardLine]:
    """Some of the reward lines beside a close."""
    some = decode_bundle(bundle)[skip : skip + count]
    return [parse_leaf(pb.RewardLine, leaf) for leaf in some if not isinstance(leaf, Erased)]
