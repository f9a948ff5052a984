"""The lines of an epoch: all that anybody earned, and the counts that explain it.

Shares are minted for work that was done: the pool of a role that nobody earned is not minted, and so
does not dilute anybody. Revenue received in the epoch follows the shares held after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from protocol.identity import Identity
from protocol.lifecycle import ItemStatus
from protocol.limits import AMOUNT_MICRO_MAX, OPERATOR_LEAVES_MAX, PPM
from protocol.rewards import contribution_weight, emission_pools, split
from protocol.state import SHARES, State
from protocol.verdicts import infer_campaigns
from protos.gen import records_pb2 as pb

# A thousandth of an answer's worth for each answer is noise and counts as none: a weight that is
# paid is then far above the tolerance within which it is recomputed.
ANSWER_WEIGHT_MIN_MICRO: Final = 1_000


def compute_lines(state: State) -> list[pb.RewardLine]:
    """Every reward line of the present epoch, in their one order."""
    return price_lines(state, [*contributor_lines(state), *reviewer_lines(state)])


def price_lines(state: State, earned: list[pb.RewardLine]) -> list[pb.RewardLine]:
    """Gives weighted lines their amounts and adds the treasury's and the holders' lines.

    The weights of reviewers come from floating point and are taken as logged; everything from there on
    is integers, recomputed exactly.
    """
    policy = state.policy
    pools = emission_pools(
        # Shares ever minted fit every store and wire format; the last epochs mint what is left.
        min(policy.epoch_emission_micro, AMOUNT_MICRO_MAX - state.minted_micro),
        policy.contributors_ppm,
        policy.reviewers_ppm,
        policy.trainers_ppm,
    )
    lines: list[pb.RewardLine] = []
    for role, pool in (
        (pb.ROLE_CONTRIBUTOR, pools.contributors),
        (pb.ROLE_REVIEWER, pools.reviewers),
    ):
        mine = [line for line in earned if line.role == role]
        for line, amount in zip(mine, split(pool, [m.weight_micro for m in mine]), strict=True):
            lines.append(_priced(line, amount))
    if any(line.amount != "0" for line in lines):
        lines.append(_treasury_line(state, SHARES, pools.treasury))
    return [*lines, *_revenue_lines(state, lines)]


def contributor_lines(state: State) -> Iterator[pb.RewardLine]:
    """One line for each contributor and campaign of this epoch, unpriced."""
    tallies: dict[tuple[Identity, str], Counter[ItemStatus]] = {}
    for item_id in (*state.epoch.items, *state.epoch.duplicates):
        item = state.items[item_id]
        tallies.setdefault((item.author, item.campaign_id), Counter())[item.status] += 1
    for (author, campaign_id), tally in sorted(tallies.items()):
        accepted, rejected = tally[ItemStatus.ACCEPTED], tally[ItemStatus.REJECTED]
        yield pb.RewardLine(
            identity=author,
            role=pb.ROLE_CONTRIBUTOR,
            campaign_id=campaign_id,
            weight_micro=contribution_weight(
                accepted,
                rejected,
                state.campaigns[campaign_id].price_ppm,
                state.policy.rejection_penalty_ppm,
            ),
            evidence=pb.Evidence(
                accepted=accepted,
                rejected=rejected,
                duplicates=tally[ItemStatus.DUPLICATE],
                undecided=tally[ItemStatus.UNDECIDED],
            ),
        )


def reviewer_lines(state: State) -> Iterator[pb.RewardLine]:
    """One line for each reviewer and campaign of this epoch, unpriced."""
    lines = []
    for campaign in infer_campaigns(state, state.epoch.gold):
        scores = campaign.scores()
        for position, reviewer in enumerate(campaign.reviewers):
            weight, answers = int(scores.micro[position]), int(scores.answers[position])
            lines.append(
                pb.RewardLine(
                    identity=reviewer,
                    role=pb.ROLE_REVIEWER,
                    campaign_id=campaign.campaign_id,
                    weight_micro=weight if weight >= ANSWER_WEIGHT_MIN_MICRO * answers else 0,
                    evidence=pb.Evidence(
                        answers=answers,
                        gold_answers=int(scores.gold_answered[position]),
                        gold_right=int(scores.gold_right[position]),
                        agreement_ppm=int(np.rint(scores.agreement[position] * PPM)),
                        ring_size=int(scores.ring_size[position]),
                    ),
                )
            )
    yield from sorted(lines, key=lambda line: (line.identity, line.campaign_id))


def _revenue_lines(state: State, minted: list[pb.RewardLine]) -> Iterator[pb.RewardLine]:
    holdings = {who: amount for (who, asset), amount in state.earned.items() if asset == SHARES}
    for line in minted:
        who = Identity(line.identity)
        holdings[who] = holdings.get(who, 0) + int(line.amount)
    holders = sorted(who for who, amount in holdings.items() if amount > 0)
    room = OPERATOR_LEAVES_MAX - len(minted)
    for asset, total in _due_revenue(state, room // (len(holders) + 1)):
        treasury = total * state.policy.revenue_treasury_ppm // PPM if holders else total
        if treasury:
            yield _treasury_line(state, asset, treasury)
        parts = split(total - treasury, [holdings[who] for who in holders])
        for who, part in zip(holders, parts, strict=True):
            if part == 0:
                continue
            yield pb.RewardLine(
                identity=who,
                role=pb.ROLE_HOLDER,
                asset=asset,
                amount=str(part),
                evidence=pb.Evidence(shares_micro=holdings[who]),
            )


def _due_revenue(state: State, assets_max: int) -> list[tuple[bytes, int]]:
    """(asset, amount) of what this epoch shares out, by asset.

    Anybody may deposit any token, and each costs a line for every holder. What does not fit into one
    close waits for the next, first come first served: an epoch can always be closed.
    """
    totals: dict[bytes, int] = {}
    for asset, amount in state.epoch.deposits:
        totals[asset] = totals.get(asset, 0) + amount
    return sorted(list(totals.items())[:assets_max])


def _treasury_line(state: State, asset: bytes, amount: int) -> pb.RewardLine:
    return pb.RewardLine(
        identity=state.operator, role=pb.ROLE_TREASURY, asset=asset, amount=str(amount)
    )


def _priced(line: pb.RewardLine, amount: int) -> pb.RewardLine:
    priced = pb.RewardLine()
    priced.CopyFrom(line)
    priced.amount = str(amount)
    return priced
