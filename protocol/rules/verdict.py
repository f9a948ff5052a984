"""Verdicts: what the answers say of each item, opened gold included."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from protocol.errors import Reject
from protocol.identity import Identity
from protocol.lifecycle import EpochEvent, EpochPhase, ItemEvent, ItemStatus, next_phase
from protocol.limits import ITEM_DRAWS_MAX, SALT_BYTES
from protocol.log import commitments
from protocol.review import verdicts
from protocol.review.reputation import observe
from protocol.rules.record import Record, require, require_round
from protocol.state import GivenAnswer, ItemId, RoundState, State
from protocol.truth.inference import TOLERANCE_PPM
from protos.gen import records_pb2 as pb

_EVENTS = {
    pb.OUTCOME_ACCEPTED: ItemEvent.ACCEPT,
    pb.OUTCOME_REJECTED: ItemEvent.REJECT,
    pb.OUTCOME_UNDECIDED: ItemEvent.LEAVE_UNDECIDED,
}

_DECIDED = (pb.OUTCOME_ACCEPTED, pb.OUTCOME_REJECTED)


def validate_verdict(state: State, record: Record[pb.Verdict]) -> None:
    """Everybody infers again; a verdict that does not follow from the answers never enters a replay."""
    require_round(state, record.body.epoch, record.body.round)
    require(
        state.epoch.phase is EpochPhase.REVEALING, "verdicts are given after answers were opened"
    )
    published = _parse_verdicts(record.leaves)
    gold = _validate_gold(state, published)
    decided = [v for v in published if v.outcome != pb.OUTCOME_UNSPECIFIED]
    require(
        all(v.gold_salt for v in published if v.outcome == pb.OUTCOME_UNSPECIFIED),
        "a leaf neither decides an item nor opens gold",
    )
    require(
        [v.item_id for v in decided] == list(state.epoch.round.assignments),
        "the verdicts are not those of the round's items",
    )
    rows, grouped = verdicts.posteriors(state, gold), verdicts.answers_by_item(state)
    for verdict in decided:
        answers = grouped.get(verdict.item_id, [])
        try:
            _validate_item_verdict(state, verdict, rows.get(verdict.item_id))
            follows = verdicts.decide(state, verdict, answers, is_gold=verdict.item_id in gold)
            require(verdict.outcome == follows, "its outcome does not follow from its posterior")
        except Reject as error:
            raise Reject(f"item {verdict.item_id.hex()}: {error}") from None


def _validate_gold(state: State, published: list[pb.ItemVerdict]) -> dict[ItemId, int]:
    """All committed gold is opened by the epoch's first verdict, and none that was not committed."""
    opened = {v.item_id: (v.gold_salt, v.gold_label) for v in published if v.gold_salt}
    if state.epoch.round.number > 1:
        require(not opened, "gold is opened by the epoch's first verdict")
        return state.epoch.gold
    for item_id, (salt, label) in opened.items():
        require(item_id in state.items, "gold is opened for an item that nobody submitted")
        labels = len(state.campaigns[state.items[item_id].campaign_id].labels)
        require(len(salt) == SALT_BYTES and label < labels, "a gold opening is malformed")
    hashes = {commitments.gold_commitment(i, salt, label) for i, (salt, label) in opened.items()}
    require(
        hashes == state.epoch.gold_hashes,
        "the gold opened is not the gold committed before the draw",
    )
    return {item_id: label for item_id, (_, label) in opened.items()}


def _validate_item_verdict(state: State, verdict: pb.ItemVerdict, row: list[int] | None) -> None:
    item = state.items[verdict.item_id]
    labels = len(state.campaigns[item.campaign_id].labels)
    require(verdict.label < labels, "its label is outside the campaign's")
    recomputed = 0 if row is None else row[verdict.label]
    require(
        abs(recomputed - verdict.posterior_ppm) <= TOLERANCE_PPM,
        f"its posterior is {verdict.posterior_ppm} ppm in the verdict and {recomputed} recomputed",
    )
    require(
        row is None or max(row) - recomputed <= TOLERANCE_PPM,
        "its label is not the most probable one",
    )
    if verdict.outcome == pb.OUTCOME_UNDECIDED:
        sealed = not verdict.label_salt and not verdict.proposed_label
        require(sealed, "it is undecided, so its label stays sealed")
    else:
        require(verdict.proposed_label < labels, "its proposed label is outside the campaign's")
        opened = commitments.label_commitment(verdict.label_salt, verdict.proposed_label)
        require(
            item.is_erased or opened == item.record().label_commitment,
            "its label is not the one its author sealed",
        )


def process_verdict(state: State, record: Record[pb.Verdict]) -> None:
    """Decides items, counts evidence on all sides, and opens another round where that can help."""
    grouped = verdicts.answers_by_item(state)
    for verdict in _parse_verdicts(record.leaves):
        # Gold that nobody answered is known from now on, and measures nobody in a later round.
        if verdict.gold_salt and verdict.outcome in _DECIDED:
            state.epoch.gold[verdict.item_id] = verdict.gold_label
        if verdict.outcome != pb.OUTCOME_UNSPECIFIED:
            _settle_item(state, verdict, grouped.get(verdict.item_id, []))
    _penalise_silence(state)
    _next_round(state)


def _settle_item(state: State, verdict: pb.ItemVerdict, answers: list[GivenAnswer]) -> None:
    item = state.items[verdict.item_id]
    item.step(ItemEvent.END_REVEALS)
    item.step(_EVENTS[verdict.outcome])
    item.posterior_ppm = verdict.posterior_ppm
    if item.status is ItemStatus.UNDECIDED:
        return
    # Content that is not what its record says has no label, and no claim to be an original.
    false = verdicts.is_mismatched(state, verdict.item_id, answers)
    item.label, item.proposed_label = None if false else verdict.label, verdict.proposed_label
    if false:
        # Or it would keep the true original of its fingerprint out. An item that was rejected for its
        # label stays, or whoever reads the right label here could submit the picture again.
        state.indexes[item.campaign_id].remove(verdict.item_id)
    item.decided_in = state.epoch.number
    accepted = item.status is ItemStatus.ACCEPTED
    belief = state.reputation[item.author, pb.ROLE_CONTRIBUTOR, item.campaign_id]
    observe(belief, right=int(accepted), wrong=int(not accepted))


def _penalise_silence(state: State) -> None:
    """A reviewer who was drawn and did not open an answer is wrong on each task."""
    round_ = state.epoch.round
    for reviewer, tasks in round_.tasks.items():
        if reviewer not in round_.revealed:
            for item_id in tasks:
                campaign_id = state.items[item_id].campaign_id
                observe(state.reputation[reviewer, pb.ROLE_REVIEWER, campaign_id], wrong=1)


def _next_round(state: State) -> None:
    """Undecided items are drawn again while rounds are left and somebody stands by."""
    round_ = state.epoch.round
    undecided = [
        item_id
        for item_id in round_.items
        if state.items[item_id].status in (ItemStatus.UNDECIDED, ItemStatus.SUBMITTED)
        and state.items[item_id].draws < ITEM_DRAWS_MAX
    ]
    standing_by = any(member.standby for member in state.members.values())
    if undecided and standing_by and round_.number < state.policy.rounds_max:
        state.epoch.phase = next_phase(state.epoch.phase, EpochEvent.REDRAW)
        state.epoch.round = RoundState(number=round_.number + 1, items=tuple(undecided))
    else:
        state.epoch.phase = next_phase(state.epoch.phase, EpochEvent.DECIDE)
        state.pending[:0] = [i for i in undecided if i in round_.assignments]
        # Nobody could review these: in front, enough of them would hold up everything for ever.
        state.pending += [i for i in undecided if i not in round_.assignments]


def count_review_evidence(state: State) -> None:
    """At the end of an epoch each answer to a decided item is evidence about its reviewer."""
    for answer in state.epoch.answers:
        item = state.items[answer.item_id]
        truth = state.epoch.gold.get(answer.item_id, item.label)
        if answer.label is None or truth is None:
            continue
        belief = state.reputation[Identity(answer.reviewer), pb.ROLE_REVIEWER, item.campaign_id]
        observe(belief, right=int(answer.label == truth), wrong=int(answer.label != truth))


def _parse_verdicts(leaves: tuple[bytes, ...]) -> list[pb.ItemVerdict]:
    try:
        return [pb.ItemVerdict.FromString(leaf) for leaf in leaves]
    except DecodeError:
        raise Reject("a leaf is not a protobuf ItemVerdict") from None
