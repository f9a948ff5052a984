"""What the status page and `coordinator status` say of a network. Read from the state, changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from protocol.identity import Identity, peer_id_of, short
from protocol.lifecycle import ItemStatus
from protocol.reputation import interval_ppm, mean_ppm
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

# A page is for people: beyond this they ask the log.
ROWS_MAX: Final = 100
_ROLES: Final[dict[int, str]] = {
    pb.ROLE_CONTRIBUTOR: "contributor",
    pb.ROLE_REVIEWER: "reviewer",
    pb.ROLE_TRAINER: "trainer",
}


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """One campaign and how its items fare."""

    id: str
    title: str
    labels: int
    licences: str
    submitted: int
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ReputationRow:
    """What is believed of one identity in one role and campaign."""

    name: str
    peer_id: str
    role: str
    campaign: str
    mean_ppm: int
    low_ppm: int
    high_ppm: int
    shares_micro: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts and tables of the present state."""

    name: str
    network: str
    entries: int
    epoch: int
    round: int
    phase: str
    members: int
    standing_by: int
    items: int
    pending: int
    accepted: int
    minted_micro: int
    settled_epoch: int
    deployment: dict[str, int | str]  # chain id and contract addresses; empty before
    campaigns: tuple[CampaignRow, ...]
    reputations: tuple[ReputationRow, ...]


def overview(state: State) -> Overview:
    """Everything at once; linear in the number of items."""
    tallies: Counter[tuple[str, ItemStatus]] = Counter(
        (item.campaign_id, item.status) for item in state.items.values()
    )
    statuses: Counter[ItemStatus] = Counter()
    for (_, status), count in tallies.items():
        statuses[status] += count
    return Overview(
        name=state.name,
        network=state.network.hex(),
        entries=state.size,
        epoch=state.epoch.number,
        round=state.epoch.round.number,
        phase=state.epoch.phase.name.lower(),
        members=len(state.members),
        standing_by=sum(bool(member.standby) for member in state.members.values()),
        items=len(state.items),
        pending=len(state.pending),
        accepted=statuses[ItemStatus.ACCEPTED],
        minted_micro=state.minted_micro,
        settled_epoch=state.published_epoch,
        deployment=_deployment(state),
        campaigns=tuple(_campaigns(state, tallies)),
        reputations=tuple(_reputations(state)),
    )


def _deployment(state: State) -> dict[str, int | str]:
    if state.deployment is None:
        return {}
    return {
        "chain_id": state.deployment.chain_id,
        "settlement": state.deployment.settlement.hex(),
        "share_token": state.deployment.share_token.hex(),
    }


def _campaigns(state: State, tallies: Counter[tuple[str, ItemStatus]]) -> list[CampaignRow]:
    return [
        CampaignRow(
            id=campaign.id,
            title=campaign.title,
            labels=len(campaign.labels),
            licences=", ".join(campaign.licences),
            submitted=sum(tallies[campaign.id, status] for status in ItemStatus),
            accepted=tallies[campaign.id, ItemStatus.ACCEPTED],
            rejected=tallies[campaign.id, ItemStatus.REJECTED],
        )
        for campaign in list(state.campaigns.values())[:ROWS_MAX]
    ]


def _reputations(state: State) -> list[ReputationRow]:
    """Those with the most evidence first."""
    beliefs = sorted(
        state.reputation.items(),
        key=lambda pair: (-pair[1].right_micro - pair[1].wrong_micro, pair[0]),
    )
    rows = []
    for (who, role, campaign_id), belief in beliefs[:ROWS_MAX]:
        low, high = interval_ppm(belief)
        rows.append(
            ReputationRow(
                name=short(who),
                peer_id=peer_id_of(who),
                role=_ROLES.get(role, "other"),
                campaign=campaign_id,
                mean_ppm=mean_ppm(belief),
                low_ppm=low,
                high_ppm=high,
                shares_micro=state.earned.get((Identity(who), SHARES), 0),
            )
        )
    return rows
