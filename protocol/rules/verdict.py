"""Verdicts: what the answers say of each item of a round, opened gold included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.lifecycle import ItemEvent, ItemStatus, RoundEvent, next_phase
from protocol.limits import EVIDENCE_ITEMS_MAX, PPM, SALT_BYTES, TOLERANCE_PPM
from protocol.log import commitments
from protocol.review import decisions
from protocol.review.relations import was_kept_back
from protocol.review.reputation import observe
from protocol.rows import EARNS_A_PART, Campaign, Item, ItemId, Round
from protocol.rules.contesting import owe
from protocol.rules.drawing import end_tosses, give_up, goes_on, requeue
from protocol.rules.intake import enqueue
from protocol.rules.record import Record, require, require_round
from protocol.rules.sealing import count, require_time
from protocol.rules.withdrawal import spoil_snapshots
from protocol.state import State
from protocol.tasks.question import Question, question_of
from protos.gen import records_pb2 as pb

_EVENTS: Final = {
    pb.OUTCOME_ACCEPTED: ItemEvent.ACCEPT,
    pb.OUTCOME_REJECTED: ItemEvent.REJECT,
    pb.OUTCOME_UNDECIDED: ItemEvent.LEAVE_UNDECIDED,
    pb.OUTCOME_COPY: ItemEvent.MATCH,
}


def validate_verdict(state: State, record: Record[pb.Verdict]) -> None:
    """Everybody infers again; a verdict that does not follow from the answers never enters a replay."""
    body = record.body
    round_ = require_round(state, body.campaign_id, body.round)
    next_phase(round_.phase, RoundEvent.DECIDE)
    require_time(round_, body.time_ms)
    campaign = state.campaigns[body.campaign_id]
    sealed = state.commits.count(campaign.id) - state.revealed.count(campaign.id)
    window_ms = state.campaign_under(campaign.id, round_.revision).rounds.reveal_ms
    require(
        sealed == 0 or body.time_ms - round_.since_ms >= window_ms,
        f"{sealed} reviewers have time left to open their answers",
    )
    published: Sequence[pb.ItemVerdict] = record.leaves
    decided, others = published[: len(round_.items)], published[len(round_.items) :]
    require(
        [verdict.item_id for verdict in decided] == list(round_.items),
        "the verdicts are not those of the round's items",
    )
    _check_others(round_, others)
    opened = _opened_gold(state, campaign, published)
    _check_decisions(state, campaign, decided, opened)


def _check_others(round_: Round, others: Sequence[pb.ItemVerdict]) -> None:
    """Gold that nobody could review is opened and nothing is said of it."""
    ids = [verdict.item_id for verdict in others]
    require(ids == sorted(set(ids)), "the gold that nobody reviewed is not in ascending order")
    require(set(ids).isdisjoint(round_.items), "an item of the round has two verdicts")
    for verdict in others:
        bare = pb.ItemVerdict(
            item_id=verdict.item_id, gold=verdict.gold, gold_salt=verdict.gold_salt
        )
        require(
            bool(verdict.gold_salt) and verdict == bare,
            "a leaf neither decides an item of the round nor opens gold",
        )


def _opened_gold(
    state: State, campaign: Campaign, published: Sequence[pb.ItemVerdict]
) -> dict[ItemId, bytes]:
    """All gold that the seal committed to is opened, and none that it did not commit to."""
    question = question_of(campaign)
    hashes = set()
    opened: dict[ItemId, bytes] = {}
    for verdict in published:
        if not verdict.gold_salt:
            require(not verdict.gold, "gold is opened without its salt")
            continue
        item = state.items.get(verdict.item_id)
        if item is None or item.campaign_id != campaign.id:
            raise Reject("gold is opened for an item that nobody submitted to the campaign")
        require(len(verdict.gold_salt) == SALT_BYTES, "a gold opening is malformed")
        question.kind.check_answer(question.spec, verdict.gold)
        opened[verdict.item_id] = verdict.gold
        hashes.add(commitments.gold_commitment(verdict.item_id, verdict.gold_salt, verdict.gold))
    require(
        hashes == set(state.rounds[campaign.id].gold_hashes),
        "the gold opened is not the gold committed to when the round was sealed",
    )
    return opened


def _check_decisions(
    state: State,
    campaign: Campaign,
    decided: Sequence[pb.ItemVerdict],
    opened: Mapping[ItemId, bytes],
) -> None:
    gold = decisions.known_gold(state, campaign.id) | dict(opened)
    table = decisions.infer_round(state, campaign, gold)
    beliefs = table.beliefs() if table is not None else {}
    ringed = decisions.ringed_in(state, campaign, table)
    question = question_of(campaign)
    for verdict in decided:
        try:
            _check_belief(verdict, beliefs.get(verdict.item_id, ()))
            _check_proposal(state.items[verdict.item_id], question, verdict)
            is_gold = verdict.item_id in gold
            follows = decisions.decide(state, campaign, verdict, ringed, is_gold=is_gold)
            require(
                (verdict.outcome, verdict.answer, verdict.confidence_ppm, verdict.refusal)
                == (follows.outcome, follows.answer, follows.confidence_ppm, follows.refusal),
                "its outcome does not follow from its belief",
            )
            require(
                (verdict.relation, verdict.resembles) == (follows.relation, follows.resembles),
                "what it is to another item does not follow from the answers",
            )
            require(
                (verdict.reviewers, verdict.programs) == (follows.reviewers, follows.programs),
                "its verdict miscounts who answered, or for how many a program did",
            )
        except Reject as error:
            raise Reject(f"item {verdict.item_id.hex()}: {error}", error.advice) from None


def _check_belief(verdict: pb.ItemVerdict, recomputed: Sequence[int]) -> None:
    require(
        len(verdict.belief_ppm) == len(recomputed)
        and all(stated <= PPM for stated in verdict.belief_ppm),
        "its belief is not one of this kind",
    )
    for stated, own in zip(verdict.belief_ppm, recomputed, strict=True):
        require(
            abs(stated - own) <= TOLERANCE_PPM,
            f"its belief is {stated} ppm in the verdict and {own} recomputed",
        )


def _check_proposal(item: Item, question: Question, verdict: pb.ItemVerdict) -> None:
    """What others may still be asked about keeps its own sealed; of all else it is opened, as it was
    committed to, once: that of an item that was decided before is known."""
    if item.proposal is not None:
        sealed = not verdict.proposal_salt and not verdict.proposal
        require(sealed, "its proposal is opened a second time")
        return
    if verdict.outcome in decisions.SEALED:
        sealed = not verdict.proposal_salt and not verdict.proposal
        require(sealed, "it is undecided, or a copy, so its proposal stays sealed")
        return
    if not verdict.proposal_salt:
        require(not verdict.proposal, "its proposal is opened without a salt")
        none_made = item.description is None or not item.description.proposal_commitment
        require(none_made, "the proposal that its author sealed is not opened")
        return
    question.kind.check_answer(question.spec, verdict.proposal)
    opened = commitments.proposal_commitment(verdict.proposal_salt, verdict.proposal)
    require(
        item.description is None or item.description.proposal_commitment == opened,
        "its proposal is not the one that its author sealed",
    )


def process_verdict(state: State, record: Record[pb.Verdict]) -> None:
    """Decides items, counts evidence on all sides, and lets what is undecided wait for another round."""
    body = record.body
    campaign = state.campaigns[body.campaign_id]
    for verdict in record.leaves:
        # Gold that nobody could review is known from now on, and measures nobody in a later round.
        decided = verdict.outcome not in (pb.OUTCOME_UNSPECIFIED, pb.OUTCOME_UNDECIDED)
        if verdict.gold_salt and decided:
            state.gold.put((campaign.id, verdict.item_id), verdict.gold)
    for verdict in record.leaves:
        if verdict.outcome != pb.OUTCOME_UNSPECIFIED:
            _settle_item(state, campaign, verdict)
    _penalise_silence(state, campaign.id)
    for table in (state.assignments, state.tasks, state.commits, state.revealed):
        table.clear(campaign.id)
    end_tosses(state, campaign.id, had_time=True)
    round_ = state.rounds[campaign.id]
    phase = next_phase(round_.phase, RoundEvent.DECIDE)
    ended = replace(round_, phase=phase, since_ms=body.time_ms, items=(), gold_hashes=())
    state.rounds.put(campaign.id, ended)


def _settle_item(state: State, campaign: Campaign, verdict: pb.ItemVerdict) -> None:
    item_id = ItemId(verdict.item_id)
    item = state.items[item_id]
    item = replace(item, status=item.after(ItemEvent.END_REVEALS))
    item = replace(
        item,
        status=item.after(_EVENTS[verdict.outcome]),
        confidence_ppm=verdict.confidence_ppm,
        belief_ppm=tuple(verdict.belief_ppm),
        refusal=verdict.refusal,
        relation=verdict.relation,
        programs=verdict.programs,
    )
    if item.status is ItemStatus.UNDECIDED:
        _leave_undecided(state, campaign, item_id, item)
        return
    # Refused content has no answer, nor has a copy: nobody who gave one was right or wrong.
    is_copy = item.status is ItemStatus.DUPLICATE
    answer = None if verdict.refusal or is_copy else verdict.answer
    proposal = verdict.proposal if verdict.proposal_salt else item.proposal
    before, item = item.before, replace(item, before=None)
    item = replace(item, answer=answer, proposal=proposal, decided_in=state.epoch)
    if was_kept_back(item, decisions.answers_to(state, item_id)):
        original = state.items[item.resembles]
        state.items.put(item.resembles, replace(original, kept_back=True))
    if is_copy:
        item = replace(item, duplicate_of=item.resembles)
        state.copies[campaign.id].set_aside(item_id)
    state.items.put(item_id, item)
    if verdict.refusal == pb.REFUSAL_MISMATCH:
        # Or it would keep the true original of its fingerprint out. An item that was rejected for its
        # answer stays, or whoever reads the right one here could submit the content again.
        state.copies[campaign.id].remove(item_id)
    _remember(state, campaign.id, item_id)
    _count_item(state, item_id, item, before)
    _count_review_evidence(state, campaign, item_id, item)


def _count_item(state: State, item_id: ItemId, item: Item, before: Item | None) -> None:
    """For the next close, and as evidence about its author: a copy is none, as a duplicate is none. `before`:
    as it was until its author contested that; what it earned is repaid, as it earns anew."""
    earned = before is not None and before.earned
    if before is not None and earned:
        owe(state, before)
        if item.status is not ItemStatus.ACCEPTED:  # what learned from it is marked
            spoil_snapshots(state, item, withdrawn=0, refused=1)
    if item.status is ItemStatus.DUPLICATE:
        count(state, item, duplicates=1)
        return
    accepted = item.status is ItemStatus.ACCEPTED
    if accepted:
        state.accepted.put((item.campaign_id, item.place), item_id)
        count(state, item, accepted=1, derivatives=item.relation in EARNS_A_PART)
    else:
        count(state, item, rejected=1)
    if not (accepted and earned):  # or to contest would be to be right twice
        observe(state, item.author, pb.ROLE_CONTRIBUTOR, item.campaign_id, PPM if accepted else 0)


def _leave_undecided(state: State, campaign: Campaign, item_id: ItemId, item: Item) -> None:
    """Drawn again, in front of its author's others, until it was drawn often enough."""
    state.items.put(item_id, item)
    if item.draws >= campaign.rounds.draws_max or not goes_on(state, item):
        give_up(state, item_id)
    elif item.panel:
        enqueue(state, item_id, item)
    else:
        # Nobody answered, or in a contest only the first panel did: in front, enough of them would hold up
        # the author's others for ever.
        requeue(state, item_id)


def _remember(state: State, campaign_id: str, item_id: ItemId) -> None:
    """Its answers tell the rounds that follow who knows what; those of the oldest do no longer."""
    state.evidence.put((campaign_id, state.tickets), item_id)
    state.tickets += 1
    if state.evidence.count(campaign_id) > EVIDENCE_ITEMS_MAX:
        oldest, _ = next(state.evidence.scan(campaign_id))
        state.evidence.remove(oldest)


def _count_review_evidence(state: State, campaign: Campaign, item_id: ItemId, item: Item) -> None:
    """Each answer that decided an item is evidence about its reviewer, once; gold is the better judge."""
    truth = state.gold.get((campaign.id, item_id), item.answer)
    question = question_of(campaign)
    for person in item.panel:
        given = state.answers.get((campaign.id, item_id, person))
        if given is None or not given.answer or truth is None:
            continue
        right_ppm = question.kind.credit_ppm(question.spec, given.answer, truth)
        observe(state, person, pb.ROLE_REVIEWER, campaign.id, right_ppm)


def _penalise_silence(state: State, campaign_id: str) -> None:
    """A reviewer who was drawn and did not open an answer is wrong on each task."""
    for (_, person), tasks in state.tasks.scan(campaign_id):
        if (campaign_id, person) not in state.revealed:
            for _ in tasks:
                observe(state, PersonId(person), pb.ROLE_REVIEWER, campaign_id, 0)
