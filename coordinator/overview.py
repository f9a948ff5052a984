"""What the status page and `coordinator status` say of a network. Read from the state, changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final

from protocol.identity import Identity, peer_id_of, short
from protocol.lifecycle import EpochPhase, ItemStatus
from protocol.limits import PPM
from protocol.reputation import interval_ppm, mean_ppm
from protocol.state import SHARES, Belief, State
from protos.gen import records_pb2 as pb

# A page is for people: beyond this they ask the log.
ROWS_MAX: Final = 100
_ROLES: Final[dict[int, str]] = {
    pb.ROLE_CONTRIBUTOR: "contributor",
    pb.ROLE_REVIEWER: "reviewer",
    pb.ROLE_TRAINER: "trainer",
}
_OUTCOMES: Final[dict[str, tuple[ItemStatus, ...]]] = {
    "accepted": (ItemStatus.ACCEPTED,),
    "rejected": (ItemStatus.REJECTED,),
    "undecided": (ItemStatus.UNDECIDED,),
    "copies": (ItemStatus.DUPLICATE,),
    "in review": (ItemStatus.DRAWN, ItemStatus.COMMITTED, ItemStatus.REVEALED),
    "new": (ItemStatus.SUBMITTED,),
}

_Beliefs = dict[tuple[Identity, str], dict[int, Belief]]
"""By identity and campaign, then by role."""


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
class OwnerRow:
    """What somebody gave, and the part of the network that it earned."""

    name: str
    peer_id: str
    is_operator: bool  # the operator's shares are the treasury
    submitted: int
    accepted: int
    shares_micro: int
    part_ppm: int  # of all shares


@dataclass(frozen=True, slots=True)
class Interval:
    """The rate of right work: its mean, and one standard deviation to either side."""

    mean_ppm: int
    low_ppm: int
    high_ppm: int


@dataclass(frozen=True, slots=True)
class ReputationRow:
    """What is believed of one identity in one campaign, by role."""

    name: str
    peer_id: str
    campaign: str
    roles: dict[str, Interval]


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts and tables of the present state. No table is longer than ROWS_MAX."""

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
    closed_epoch: int  # 0 before the first
    settled_epoch: int  # 0 before the first
    proposed_epoch: int  # waits for witnesses; 0 when none does
    attestations: int  # to that proposal
    witness_quorum: int
    deployment: dict[str, int | str]  # chain id and contract addresses; empty before
    campaigns: tuple[CampaignRow, ...]
    campaigns_total: int
    owners: tuple[OwnerRow, ...]  # who has most shares first
    owners_total: int
    reputations: tuple[ReputationRow, ...]  # with the most evidence first
    reputations_total: int
    roles: tuple[str, ...]  # those that occur in `reputations`


def overview(state: State) -> Overview:
    """Everything at once; linear in the number of items."""
    by_campaign = Counter((item.campaign_id, item.status) for item in state.items.values())
    by_author = Counter((item.author, item.status) for item in state.items.values())
    outcomes = _outcomes(by_campaign)
    waiting = state.proposal is not None and state.proposal.epoch > state.published_epoch
    beliefs = _beliefs(state)
    reputations = _reputations(beliefs)
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
        accepted=outcomes["accepted"],
        outcomes=outcomes,
        minted_micro=state.minted_micro,
        closed_epoch=state.closed_epoch,
        settled_epoch=state.published_epoch,
        proposed_epoch=state.proposal.epoch if state.proposal and waiting else 0,
        attestations=len(state.attestations) if waiting else 0,
        witness_quorum=state.policy.witness_quorum,
        deployment=_deployment(state),
        campaigns=tuple(_campaigns(state, by_campaign)),
        campaigns_total=len(state.campaigns),
        owners=tuple(_owners(state, by_author)),
        owners_total=len(_holders(state)),
        reputations=tuple(reputations),
        reputations_total=len(beliefs),
        roles=tuple(
            role for role in _ROLES.values() if any(role in row.roles for row in reputations)
        ),
    )


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


def _outcomes(tallies: Counter[tuple[str, ItemStatus]]) -> dict[str, int]:
    return {
        name: sum(count for (_, status), count in tallies.items() if status in statuses)
        for name, statuses in _OUTCOMES.items()
    }


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


def _holders(state: State) -> set[Identity]:
    """Members, and whoever else earned shares: the operator, for the treasury."""
    return {*state.members, *(who for who, asset in state.earned if asset == SHARES)}


def _owners(state: State, tallies: Counter[tuple[Identity, ItemStatus]]) -> list[OwnerRow]:
    shares = {who: state.earned.get((who, SHARES), 0) for who in _holders(state)}
    first = nsmallest(ROWS_MAX, shares, key=lambda who: (-shares[who], who))
    return [
        OwnerRow(
            name=short(who),
            peer_id=peer_id_of(who),
            is_operator=who == state.operator,
            submitted=sum(tallies[who, status] for status in ItemStatus),
            accepted=tallies[who, ItemStatus.ACCEPTED],
            shares_micro=shares[who],
            part_ppm=shares[who] * PPM // (state.minted_micro or 1),
        )
        for who in first
    ]


def _beliefs(state: State) -> _Beliefs:
    grouped: _Beliefs = {}
    for (who, role, campaign_id), belief in state.reputation.items():
        grouped.setdefault((who, campaign_id), {})[role] = belief
    return grouped


def _reputations(beliefs: _Beliefs) -> list[ReputationRow]:
    def evidence(key: tuple[Identity, str]) -> int:
        return sum(belief.right_micro + belief.wrong_micro for belief in beliefs[key].values())

    return [
        ReputationRow(
            name=short(who),
            peer_id=peer_id_of(who),
            campaign=campaign_id,
            roles={
                name: _interval(beliefs[who, campaign_id][role])
                for role, name in _ROLES.items()
                if role in beliefs[who, campaign_id]
            },
        )
        for who, campaign_id in nsmallest(ROWS_MAX, beliefs, key=lambda key: (-evidence(key), key))
    ]


def _interval(belief: Belief) -> Interval:
    low, high = interval_ppm(belief)
    return Interval(mean_ppm(belief), low, high)
