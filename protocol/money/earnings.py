"""The lines of an epoch: all that anybody earned, and the counts that explain it.

Shares are minted for work that was done: the pool of a role that nobody earned is not minted, and so
does not dilute anybody. Revenue of a licence goes by attribution to the authors of its snapshot, as far
as the policy says; all other revenue follows the shares held after the epoch (protocol.money.revenue).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from protocol.identity import PersonId
from protocol.limits import AMOUNT_MICRO_MAX, PPM
from protocol.money.pools import contribution_weights, emission_pools, item_weight, split
from protocol.money.revenue import revenue_lines, treasury_line
from protocol.review.decisions import infer_decided, is_due, known_gold
from protocol.rows import Campaign, Contribution
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

# A thousandth of an answer's worth for each answer is noise and counts as none: a weight that is
# paid is then far above the tolerance within which it is recomputed.
ANSWER_WEIGHT_MIN_MICRO: Final = 1_000


def compute_lines(state: State) -> list[pb.RewardLine]:
    """Every reward line of the present epoch, in their one order."""
    return price_lines(
        state, [*contributor_lines(state), *reviewer_lines(state), *trainer_lines(state)]
    )


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
        (pb.ROLE_TRAINER, pools.trainers),
    ):
        mine = [line for line in earned if line.role == role]
        for line, amount in zip(mine, split(pool, [m.weight_micro for m in mine]), strict=True):
            lines.append(_priced(line, amount))
    if any(line.amount != "0" for line in lines):
        lines.append(treasury_line(state, SHARES, pools.treasury))
    return [*lines, *revenue_lines(state, lines)]


def contributor_lines(state: State) -> Iterator[pb.RewardLine]:
    """One line for each contributor and campaign of this epoch, and for each revision of its terms that their
    items were submitted under, unpriced. What comes off comes off all of them together."""
    for (author, campaign_id), rows in groupby(state.contributions.scan(), lambda row: row[0][:2]):
        counted = {revision: count for (_, _, revision), count in rows}
        terms = {each: state.campaign_under(campaign_id, each) for each in counted}
        weights, repaid = contribution_weights(
            [_earned(terms[each], count) for each, count in counted.items()],
            sum(_penalty(state, terms[each], count) for each, count in counted.items()),
            state.repayable.get((author, campaign_id), 0),
        )
        for (revision, count), weight, back in zip(counted.items(), weights, repaid, strict=True):
            yield pb.RewardLine(
                person=author,
                role=pb.ROLE_CONTRIBUTOR,
                campaign_id=campaign_id,
                revision=revision,
                weight_micro=weight,
                evidence=pb.Evidence(
                    accepted=count.accepted,
                    rejected=count.rejected,
                    duplicates=count.duplicates,
                    undecided=count.undecided,
                    repaid_micro=back,
                    derivatives=count.derivatives,
                ),
            )


def _earned(campaign: Campaign, counted: Contribution) -> int:
    """What accepted items weigh: derivatives at their part of the price, all others at all of it."""
    part = campaign.worth_permille(pb.RELATION_DERIVATIVE)
    derived = counted.derivatives * item_weight(campaign.price_ppm, part)
    return (counted.accepted - counted.derivatives) * campaign.price_ppm + derived


def _penalty(state: State, campaign: Campaign, counted: Contribution) -> int:
    return campaign.price_ppm * counted.rejected * state.policy.rejection_penalty_ppm // PPM


def reviewer_lines(state: State) -> Iterator[pb.RewardLine]:
    """One line for each reviewer and campaign with answers to what was decided, unpriced."""
    lines = []
    for _, campaign in state.campaigns.scan():
        table = infer_decided(state, campaign, known_gold(state, campaign.id))
        if table is None:
            continue
        scores, programs = table.result.scores(), answers_by_programs(state, campaign.id)
        for position, reviewer in enumerate(table.reviewers):
            weight, answers = int(scores.micro[position]), int(scores.answers[position])
            lines.append(
                pb.RewardLine(
                    person=reviewer,
                    role=pb.ROLE_REVIEWER,
                    campaign_id=campaign.id,
                    weight_micro=weight if weight >= ANSWER_WEIGHT_MIN_MICRO * answers else 0,
                    evidence=pb.Evidence(
                        answers=answers,
                        gold_answers=int(scores.gold_answered[position]),
                        gold_right=int(scores.gold_right[position]),
                        agreement_ppm=round(float(scores.agreement[position]) * PPM),
                        ring_size=int(scores.ring_size[position]),
                        programs=programs[reviewer],
                    ),
                )
            )
    yield from sorted(lines, key=lambda line: (line.person, line.campaign_id))


def answers_by_programs(state: State, campaign_id: str) -> Counter[PersonId]:
    """How many answers to what was decided programs gave, by the reviewer in whose place."""
    return Counter(
        reviewer
        for (_, item_id, reviewer), given in state.answers.scan(campaign_id)
        if given.by_program and given.answer and is_due(state.items[item_id], reviewer)
    )


def trainer_lines(state: State) -> Iterator[pb.RewardLine]:
    """One line for each partner and job of this epoch, unpriced.

    Every update counts the same, but for the part of the pay that a job gives by worth.

    A partner does not say how much data it has, since nobody could check it.
    """
    for (person, job_id), trained in state.trained.scan():
        terms = state.jobs[job_id].terms
        yield pb.RewardLine(
            person=person,
            role=pb.ROLE_TRAINER,
            job_id=job_id,
            weight_micro=terms.price_ppm * trained.worth_ppm // PPM,
            evidence=pb.Evidence(
                updates=trained.updates, worth_ppm=trained.worth_ppm if terms.worth_ppm else 0
            ),
        )


def _priced(line: pb.RewardLine, amount: int) -> pb.RewardLine:
    priced = pb.RewardLine()
    priced.CopyFrom(line)
    priced.amount = str(amount)
    return priced
