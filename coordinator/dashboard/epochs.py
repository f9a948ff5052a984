"""Epochs: the live one, and what came of those that are closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from coordinator.dashboard.charts import Series, Text, column_chart
from coordinator.dashboard.formats import ROLES
from coordinator.tally import ClosedEpoch
from protocol.limits import PPM
from protocol.log.batch import Erased, decode_bundle
from protocol.state import SHARES
from protos.gen import records_pb2 as pb

# So many columns can be told apart on a telephone.
COLUMNS_MAX: Final = 24
MINTING: Final = (pb.ROLE_CONTRIBUTOR, pb.ROLE_REVIEWER, pb.ROLE_TRAINER, pb.ROLE_TREASURY)


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
    return [pb.RewardLine.FromString(leaf) for leaf in some if not isinstance(leaf, Erased)]
