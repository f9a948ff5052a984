"""The network at a glance, for `coordinator status` and the dashboard. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coordinator.tally import Statuses, Tally, recount
from protocol.lifecycle import EpochPhase, ItemStatus, JobStatus
from protocol.state import State
from protos.gen import records_pb2 as pb

# A page and a terminal are for people: beyond this they ask the log.
CAMPAIGNS_MAX: Final = 100
# In the order in which an operator asks; several statuses are one stage of review.
OUTCOMES: Final[dict[str, tuple[ItemStatus, ...]]] = {
    "accepted": (ItemStatus.ACCEPTED,),
    "rejected": (ItemStatus.REJECTED,),
    "undecided": (ItemStatus.UNDECIDED,),
    "copies": (ItemStatus.DUPLICATE,),
    "in review": (ItemStatus.DRAWN, ItemStatus.COMMITTED, ItemStatus.REVEALED),
    "new": (ItemStatus.SUBMITTED,),
    "withdrawn": (ItemStatus.WITHDRAWN,),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How many reviewers have done what the phase waits for, and how many it waits for in all."""

    done: int
    expected: int


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
class Overview:
    """Counts of the present state; what of it is a table has no more than CAMPAIGNS_MAX rows."""

    name: str
    network: str
    entries: int
    epoch: int
    round: int
    phase: str
    progress: Progress | None  # None while no phase waits for reviewers
    members: int
    standing_by: int
    items: int
    pending: int
    accepted: int
    outcomes: dict[str, int]  # of all items; the sum is `items`
    minted_micro: int
    received: dict[str, int]  # revenue ever, by asset in hex, in its smallest unit
    jobs: dict[str, int]  # training jobs by status
    snapshots: int
    licences: int
    closed_epoch: int  # 0 before the first
    settled_epoch: int  # 0 before the first
    proposed_epoch: int  # waits for witnesses; 0 when none does
    attestations: int  # to that proposal
    witness_quorum: int
    deployment: dict[str, int | str]  # chain id and contract addresses; empty before
    campaigns: tuple[CampaignRow, ...]  # oldest first
    campaigns_total: int


def overview(state: State, tally: Tally | None = None) -> Overview:
    """Everything at once. Without a tally the items are counted here, one by one."""
    tally = recount(state) if tally is None else tally
    waiting = state.proposal is not None and state.proposal.epoch > state.published_epoch
    return Overview(
        name=state.name,
        network=state.network.hex(),
        entries=state.size,
        epoch=state.epoch.number,
        round=state.epoch.round.number,
        phase=state.epoch.phase.name.lower(),
        progress=_progress(state),
        members=len(state.members),
        standing_by=sum(bool(member.standby) for member in state.members.values()),
        items=len(state.items),
        pending=len(state.pending),
        accepted=tally.count(ItemStatus.ACCEPTED),
        outcomes=by_outcome(sum(tally.campaigns.values(), Statuses())),
        minted_micro=state.minted_micro,
        received={asset.hex(): amount for asset, amount in state.received.items()},
        jobs=_jobs(state),
        snapshots=len(state.snapshots),
        licences=len(state.licences),
        closed_epoch=state.closed_epoch,
        settled_epoch=state.published_epoch,
        proposed_epoch=state.proposal.epoch if state.proposal and waiting else 0,
        attestations=len(state.attestations) if waiting else 0,
        witness_quorum=state.policy.witness_quorum,
        deployment=_deployment(state),
        campaigns=tuple(
            campaign_row(campaign, tally.of_campaign(campaign.id))
            for campaign in list(state.campaigns.values())[:CAMPAIGNS_MAX]
        ),
        campaigns_total=len(state.campaigns),
    )


def campaign_row(campaign: pb.Campaign, items: Statuses) -> CampaignRow:
    """One campaign, with its items counted."""
    return CampaignRow(
        id=campaign.id,
        title=campaign.title,
        labels=len(campaign.labels),
        licences=", ".join(campaign.licences),
        submitted=items.total(),
        accepted=items[ItemStatus.ACCEPTED],
        rejected=items[ItemStatus.REJECTED],
    )


def by_outcome(items: Statuses) -> dict[str, int]:
    """Counts of items under the names that people read; their sum is that of `items`."""
    return {name: sum(items[s] for s in statuses) for name, statuses in OUTCOMES.items()}


def _progress(state: State) -> Progress | None:
    round_ = state.epoch.round
    match state.epoch.phase:
        case EpochPhase.BEACON:
            missing = sum(
                bool(member.standby) and who not in round_.beacons
                for who, member in state.members.items()
            )
            return Progress(len(round_.beacons), len(round_.beacons) + missing)
        case EpochPhase.COMMITTING:
            return Progress(len(round_.commits), len(round_.tasks))
        case EpochPhase.REVEALING:
            return Progress(len(round_.revealed), len(round_.commits))
        case _:
            return None


def _jobs(state: State) -> dict[str, int]:
    found = [job.status for job in state.jobs.values()]
    return {status.name.lower(): found.count(status) for status in JobStatus}


def _deployment(state: State) -> dict[str, int | str]:
    if state.deployment is None:
        return {}
    return {
        "chain_id": state.deployment.chain_id,
        "settlement": state.deployment.settlement.hex(),
        "share_token": state.deployment.share_token.hex(),
    }
