"""The network at a glance, for `coordinator status` and the dashboard. Changes nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from coordinator.tally import Statuses, Tally, recount
from coordinator.witnesses import Witnesses, missing_of, witnesses_view
from protocol.lifecycle import ItemStatus, JobStatus, RoundPhase
from protocol.money.payload import quorum_of
from protocol.rows import Campaign
from protocol.state import State, waits_of
from protos.gen import records_pb2 as pb

# The end of the year 9999: a chain's moments are anybody's numbers.
MOMENT_S_MAX: Final = 253_402_300_799
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
    "taken down": (ItemStatus.TAKEN_DOWN,),
    "withdrawn": (ItemStatus.WITHDRAWN,),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How many reviewers, or witnesses, have done what the phase waits for, and how many it waits for in
    all."""

    done: int
    expected: int


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """One campaign: where its round is, and how its items fare."""

    id: str
    title: str
    task: str  # kind of question
    licences: str
    status: str  # open, paused or closed
    round: int  # the present or last one; 0 before the first
    phase: str
    since_ms: int  # when the phase began
    progress: Progress | None  # None while no phase waits for anybody
    missing: tuple[str, ...]  # witnesses who have not tossed, while the round is sealed
    waiting: int  # items, for the next round
    in_review: int
    standing_by: int
    submitted: int
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class RootRow:
    """A root that waits on chain. `challenger`: the address, in hex, of the witness that froze it."""

    epoch: int
    status: str
    challenger: str
    evidence: str
    is_ours: bool  # it is the one that the log proposed


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts of the present state; what of it is a table has no more than CAMPAIGNS_MAX rows."""

    name: str
    network: str
    rules: int  # version
    entries: int
    epoch: int
    is_open: bool  # anybody may join
    members: int
    standing_by: int  # people who review in some campaign
    items: int
    waiting: int
    in_review: int
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
    witnesses: Witnesses  # who toss the coin
    signers: int  # witnesses on chain, who sign for money; 0 before the chain is read
    signers_needed: int
    roots: tuple[RootRow, ...]  # that are posted and not in force, in order
    next_signers: str  # when another set may take over; empty: none waits
    deployment: dict[str, int | str]  # chain id, contract addresses, last block read; empty before
    campaigns: tuple[CampaignRow, ...]  # in the order of their ids
    campaigns_total: int


def overview(state: State, tally: Tally | None = None) -> Overview:
    """Everything at once. Without a tally the items are counted here, one by one."""
    tally = recount(state) if tally is None else tally
    asked = state.asks.get("settlement")
    return Overview(
        name=state.name,
        network=state.network.hex(),
        rules=state.rules,
        entries=state.size,
        epoch=state.epoch,
        is_open=state.policy.admission == pb.ADMISSION_OPEN,
        members=len(state.members),
        standing_by=len({person for (_, person), _ in state.standbys.scan()}),
        items=len(state.items),
        waiting=len(state.waiting),
        in_review=sum(len(round_.items) for _, round_ in state.rounds.scan()),
        accepted=tally.count(ItemStatus.ACCEPTED),
        outcomes=by_outcome(sum(tally.campaigns.values(), Statuses())),
        minted_micro=state.minted_micro,
        received={asset.hex(): amount for asset, amount in state.received.scan()},
        jobs=_jobs(state),
        snapshots=len(state.snapshots),
        licences=len(state.licences),
        closed_epoch=state.closed_epoch,
        settled_epoch=state.settled_epoch,
        proposed_epoch=0 if asked is None else asked.number,
        attestations=0 if asked is None else state.attestations.count(asked.digest),
        signers=len(state.onchain.witnesses),
        signers_needed=quorum_of(len(state.onchain.witnesses)),
        roots=waiting_roots(state),
        next_signers=moment(state.onchain.active_at_s) if state.onchain.active_at_s else "",
        witnesses=witnesses_view(state),
        deployment=_deployment(state),
        campaigns=tuple(
            campaign_row(state, campaign, tally.of_campaign(campaign.id))
            for _, campaign in list(state.campaigns.scan())[:CAMPAIGNS_MAX]
        ),
        campaigns_total=len(state.campaigns),
    )


def campaign_row(state: State, campaign: Campaign, items: Statuses) -> CampaignRow:
    """One campaign, with its items counted."""
    round_ = state.round_of(campaign.id)
    return CampaignRow(
        id=campaign.id,
        title=campaign.title,
        task=campaign.task,
        licences=", ".join(campaign.licences),
        status=campaign.status.name.lower(),
        round=round_.number,
        phase=round_.phase.name.lower(),
        since_ms=round_.since_ms,
        progress=progress_of(state, campaign.id),
        missing=missing_of(state, campaign.id) if round_.phase is RoundPhase.SEALED else (),
        waiting=waits_of(state, campaign.id),
        in_review=len(round_.items),
        standing_by=state.standbys.count(campaign.id),
        submitted=items.total(),
        accepted=items[ItemStatus.ACCEPTED],
        rejected=items[ItemStatus.REJECTED],
    )


def by_outcome(items: Statuses) -> dict[str, int]:
    """Counts of items under the names that people read; their sum is that of `items`."""
    return {name: sum(items[s] for s in statuses) for name, statuses in OUTCOMES.items()}


def progress_of(state: State, campaign_id: str) -> Progress | None:
    """Whom a campaign's round waits for; None while it waits for nobody."""
    match state.round_of(campaign_id).phase:
        case RoundPhase.SEALED:
            threshold = state.coins[state.rounds[campaign_id].coin].threshold
            return Progress(state.tosses.count(campaign_id), threshold)
        case RoundPhase.COMMITTING:
            return Progress(state.commits.count(campaign_id), state.tasks.count(campaign_id))
        case RoundPhase.REVEALING:
            return Progress(state.revealed.count(campaign_id), state.commits.count(campaign_id))
        case _:
            return None


def _jobs(state: State) -> dict[str, int]:
    found = [job.status for _, job in state.jobs.scan()]
    return {status.name.lower(): found.count(status) for status in JobStatus}


def _deployment(state: State) -> dict[str, int | str]:
    if state.deployment is None:
        return {}
    return {
        "chain_id": state.deployment.chain_id,
        "block": state.deployment.block,
        "finality": state.deployment.finality,
        "read_block": state.onchain.last,
    } | {name: each.hex() for each, name in state.deployment.contracts.items()}


def waiting_roots(state: State) -> tuple[RootRow, ...]:
    """What waits on chain, as far as the log has read it."""
    return tuple(
        RootRow(
            epoch=epoch,
            status=root.status.name.lower(),
            challenger=root.challenger.hex() if root.challenger is not None else "",
            evidence=root.evidence.hex(),
            is_ours=root.payload == state.payloads.get(epoch),
        )
        for epoch, root in state.roots.scan()
        if epoch > state.settled_epoch
    )


def moment(time_s: int) -> str:
    """A moment of the chain, for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(min(time_s, MOMENT_S_MAX)))
