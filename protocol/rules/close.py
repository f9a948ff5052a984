"""The end of an epoch: pays for what was decided since the last one. It waits for no campaign."""

from __future__ import annotations

from typing import Final

from protocol.identity import PersonId
from protocol.lifecycle import CampaignStatus, RoundPhase
from protocol.limits import TOLERANCE_PPM, WAITING_ROWS_MAX
from protocol.money.accounts import credit
from protocol.money.earnings import compute_lines, price_lines
from protocol.money.revenue import due_deposits
from protocol.review.decisions import is_due
from protocol.review.reputation import keep_evidence
from protocol.rules.admission import renew_budgets
from protocol.rules.asks import drop_moot
from protocol.rules.contesting import may_have_rounds
from protocol.rules.drawing import can_be_reviewed, give_up
from protocol.rules.intake import dequeue
from protocol.rules.record import Record, require
from protocol.rules.sealing import close_due
from protocol.state import SHARES, State, waits_of
from protos.gen import records_pb2 as pb

# A reviewer's weight is a sum over their answers of differences between two posteriors, or means of
# them, counted once in agreement and at most twice on gold: so many tolerances for each answer.
WEIGHT_TOLERANCES_PER_ANSWER: Final = 4

_NAMED: Final = ("person", "role", "campaign_id", "asset", "job_id", "licence_id", "revision")
_COUNTS: Final = (
    "accepted",
    "rejected",
    "duplicates",
    "undecided",
    "answers",
    "gold_answers",
    "gold_right",
    "ring_size",
    "shares_micro",
    "repaid_micro",
    "updates",
    "licensed_permille",
    "derivatives",
    "programs",
)


def compute_waiting(state: State) -> list[pb.Waiting]:
    """What this close leaves for a later one, by campaign, and why; of very many campaigns the first."""
    waiting: list[pb.Waiting] = []
    for campaign_id, campaign in state.campaigns.scan():
        if len(waiting) >= WAITING_ROWS_MAX:
            break
        round_, queued = state.round_of(campaign_id), waits_of(state, campaign_id)
        if round_.phase is not RoundPhase.OPEN:
            waiting.append(_waiting(campaign_id, len(round_.items), pb.WAITING_IN_REVIEW))
        if not queued:
            continue
        if campaign.status is CampaignStatus.PAUSED:
            reason = pb.WAITING_PAUSED
        elif not can_be_reviewed(state, campaign_id):
            reason = pb.WAITING_FOR_REVIEWERS
        else:
            reason = pb.WAITING_FOR_SEAL
        waiting.append(_waiting(campaign_id, queued, reason))
    return waiting[:WAITING_ROWS_MAX]


def _waiting(campaign_id: str, items: int, reason: pb.WaitingReason) -> pb.Waiting:
    return pb.Waiting(campaign_id=campaign_id, items=items, reason=reason)


def validate_close(state: State, record: Record[pb.Close]) -> None:
    """Every line is recomputed: weights from the answers, amounts from the weights."""
    require(record.body.epoch == state.epoch, f"this is epoch {state.epoch}")
    require(
        record.body.time_ms >= state.closed_ms,
        f"the record says {record.body.time_ms} ms, earlier than the last close, {state.closed_ms}",
    )
    require(
        list(record.body.waiting) == compute_waiting(state),
        "what the close says to be waiting is not what waits",
    )
    published = list(record.leaves)
    expected = compute_lines(state)
    require(len(published) == len(expected), "the close leaves somebody out, or adds somebody")
    for line, own in zip(published, expected, strict=True):
        _require_close(line, own)
    weighted = (pb.ROLE_CONTRIBUTOR, pb.ROLE_REVIEWER, pb.ROLE_TRAINER)
    earned = [line for line in published if line.role in weighted and line.asset == SHARES]
    require(price_lines(state, earned) == published, "the amounts do not follow from the weights")


def _require_close(line: pb.RewardLine, own: pb.RewardLine) -> None:
    require(
        all(getattr(line, name) == getattr(own, name) for name in _NAMED),
        "a line is not the one that follows from the log",
    )
    slack = 0
    # Nothing is nothing: in an epoch in which nobody earned, any weight at all would win the pool.
    if line.role == pb.ROLE_REVIEWER and own.weight_micro:
        slack = WEIGHT_TOLERANCES_PER_ANSWER * TOLERANCE_PPM * own.evidence.answers
    require(
        abs(line.weight_micro - own.weight_micro) <= slack, "a line's weight does not recompute"
    )
    theirs, ours = line.evidence, own.evidence
    require(
        abs(theirs.agreement_ppm - ours.agreement_ppm) <= TOLERANCE_PPM,
        "a line's agreement does not recompute",
    )
    require(
        all(getattr(theirs, name) == getattr(ours, name) for name in _COUNTS),
        "a line's evidence does not recompute",
    )


def process_close(state: State, record: Record[pb.Close]) -> None:
    """Credits every line, forgets what is paid for, and opens the next epoch."""
    lines: tuple[pb.RewardLine, ...] = record.leaves
    for deposit in due_deposits(state, [line for line in lines if line.asset == SHARES]):
        state.deposits.remove(deposit)
    for line in lines:
        amount, who = int(line.amount), PersonId(line.person)
        credit(state, who, line.asset, amount)
        if line.asset == SHARES:
            state.minted_micro += amount
        if line.evidence.repaid_micro:
            key = (who, line.campaign_id)
            left = state.repayable[key] - line.evidence.repaid_micro
            if left:
                state.repayable.put(key, left)
            else:
                state.repayable.remove(key)
    _forget_paid(state)
    keep_evidence(state)
    state.epoch += 1
    state.closed_ms = record.body.time_ms
    drop_moot(state)
    _give_up_what_no_close_frees(state)
    for campaign_id in list(state.standbys.firsts()):
        if not may_have_rounds(state, state.campaigns[campaign_id]):
            state.standbys.clear(campaign_id)
    renew_budgets(state)
    if state.policy_to_come is not None:
        state.policy, state.policy_to_come = state.policy_to_come, None
    if state.upgrade is not None and state.upgrade[1] <= state.epoch:
        state.rules, state.upgrade = state.upgrade[0], None


def _forget_paid(state: State) -> None:
    """Answers to what was decided have been paid; those to items still under review stay for later. Of what
    is contested those of the first panel have been: it may wait for ever, in a campaign that is paused."""
    state.contributions.clear()
    state.trained.clear()
    state.reviewed.clear()
    state.evidence.clear()
    for campaign_id in state.answers.firsts():
        for key, _ in list(state.answers.scan(campaign_id)):
            _, item_id, person = key
            if is_due(state.items[item_id], person):
                state.answers.remove(key)
                state.gold.remove((campaign_id, item_id))
            else:
                count = state.reviewed.get((campaign_id, person), 0)
                state.reviewed.put((campaign_id, person), count + 1)


def _give_up_what_no_close_frees(state: State) -> None:
    """Answers to items that wait to be drawn again stay. Should there be so many that their campaign could
    not go on, no later close would change that: the items stay undecided, and the next close pays them."""
    for campaign_id in state.answers.firsts():
        if not close_due(state, state.campaigns[campaign_id]):
            continue
        unpaid = {item_id for (_, item_id, _), _ in state.answers.scan(campaign_id)}
        for queue, _ in list(state.queues.scan(campaign_id)):
            waiting = [item_id for _, item_id in state.waiting.scan(queue)]
            answered = [item_id for item_id in waiting if item_id in unpaid]
            dequeue(state, [state.items[item_id] for item_id in answered])
            for item_id in answered:
                give_up(state, item_id)
