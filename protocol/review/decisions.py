"""From answers to verdicts: runs a campaign's inference and decides by its kind's rule.

Floating point ends here. A belief is quantised into the record that reports it; whoever replays the log
recomputes it within TOLERANCE_PPM, and everything that follows from it exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import numpy as np

from protocol.identity import PersonId
from protocol.review.relations import relation_of
from protocol.rows import Campaign, GivenAnswer, Item, ItemId
from protocol.state import State
from protocol.tasks.kind import Ballots, Inferred, Known, Ruling
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb

OUTCOMES: Final = {
    Ruling.ACCEPT: pb.OUTCOME_ACCEPTED,
    Ruling.REFUSE: pb.OUTCOME_REJECTED,
    Ruling.UNSURE: pb.OUTCOME_UNDECIDED,
}

# After one of these others may still be asked, who must not know the proposal.
SEALED: Final = (pb.OUTCOME_UNDECIDED, pb.OUTCOME_COPY)

# A reviewer who says one of these says that the item is of no use, and not only that he cannot tell.
USELESS: Final = frozenset(
    {
        pb.REFUSAL_MISMATCH,
        pb.REFUSAL_UNREADABLE,
        pb.REFUSAL_OFF_TOPIC,
        pb.REFUSAL_PERSONAL,
        pb.REFUSAL_HARMFUL,
    }
)

Opening = tuple[bytes, bytes]
"""(salt, answer): opens a proposal or a gold hash."""


@dataclass(frozen=True, slots=True)
class Table:
    """The inference of a campaign's answers, with the meaning of its indices."""

    campaign: Campaign
    item_ids: tuple[ItemId, ...]
    reviewers: tuple[PersonId, ...]
    result: Inferred

    def beliefs(self) -> dict[ItemId, tuple[int, ...]]:
        """What is believed of each item that was answered, in ppm."""
        rows = self.result.belief_ppm.tolist()
        return {item: tuple(row) for item, row in zip(self.item_ids, rows, strict=True)}

    def ringed(self) -> frozenset[PersonId]:
        """Reviewers whose answers count as one vote with those of others."""
        sizes = self.result.scores().ring_size.tolist()
        return frozenset(who for who, size in zip(self.reviewers, sizes, strict=True) if size > 1)


def infer_round(state: State, campaign: Campaign, gold: Mapping[ItemId, bytes]) -> Table | None:
    """Infers the answers of the round, and with them those to the items that were decided last: they say
    who knows what. Of what was contested the panel since then is heard, and no other. None without any
    answer."""
    decided = (item_id for _, item_id in state.evidence.scan(campaign.id))
    items = {*state.round_of(campaign.id).items, *decided}
    return _infer(state, campaign, gold, {each: state.items[each].panel for each in items})


def infer_decided(state: State, campaign: Campaign, gold: Mapping[ItemId, bytes]) -> Table | None:
    """Infers all answers that wait for their pay, of every panel, but for those to items that are still
    under review. The answers say of whom: an item that a contest left what it was names its first panel."""
    heard: dict[ItemId, list[PersonId]] = {}
    for (_, item_id, person), _ in state.answers.scan(campaign.id):
        if is_due(state.items[item_id], person):
            heard.setdefault(item_id, []).append(person)
    return _infer(state, campaign, gold, heard)


def is_due(item: Item, reviewer: PersonId) -> bool:
    """Whether the next close pays this reviewer's answer: the item is decided, or was before a contest."""
    return item.decided_in is not None or reviewer in item.answered_by[: item.heard]


def _infer(
    state: State,
    campaign: Campaign,
    gold: Mapping[ItemId, bytes],
    heard: Mapping[ItemId, Collection[PersonId]],
) -> Table | None:
    """`heard`: of each item, whose answers count."""
    # In the order of keys, so that the order of arrival does not touch the last bit of a sum.
    given = [
        (item_id, person, answer.answer)
        for item_id in sorted(heard)
        for person in sorted(heard[item_id])
        if (answer := state.answers.get((campaign.id, item_id, person))) and answer.answer
    ]
    if not given:
        return None
    item_ids = tuple(sorted({item_id for item_id, _, _ in given}))
    reviewers = tuple(sorted({person for _, person, _ in given}))
    item_at = {item_id: i for i, item_id in enumerate(item_ids)}
    reviewer_at = {person: i for i, person in enumerate(reviewers)}
    question = question_of(campaign)
    width = question.kind.answer_bytes(question.spec)
    ballots = Ballots(
        item=np.array([item_at[item_id] for item_id, _, _ in given], dtype=np.int64),
        reviewer=np.array([reviewer_at[person] for _, person, _ in given], dtype=np.int64),
        answer=_table(width, (answer for _, _, answer in given)),
        n_items=len(item_ids),
        n_reviewers=len(reviewers),
    )
    known = sorted(
        (item_at[item_id], answer) for item_id, answer in gold.items() if item_id in item_at
    )
    anchored = Known(
        item=np.array([at for at, _ in known], dtype=np.int64),
        answer=_table(width, (answer for _, answer in known)),
    )
    result = question.kind.infer(question.spec, ballots, anchored)
    return Table(campaign, item_ids, reviewers, result)


def _table(width: int, answers: Iterable[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(answers), dtype=np.uint8).reshape(-1, width)


def known_gold(state: State, campaign_id: str) -> dict[ItemId, bytes]:
    """Answers that were opened by earlier verdicts, of items whose answers wait for their pay."""
    return {item_id: answer for (_, item_id), answer in state.gold.scan(campaign_id)}


def ringed_in(state: State, campaign: Campaign, table: Table | None) -> frozenset[PersonId]:
    """Who shares a voice on likely copies of the round; nobody is looked for where it has none."""
    round_ = state.round_of(campaign.id)
    if table is None or not any(state.items[item_id].resembles for item_id in round_.items):
        return frozenset()
    return table.ringed()


def decide(
    state: State,
    campaign: Campaign,
    verdict: pb.ItemVerdict,
    ringed: Collection[PersonId],
    *,
    is_gold: bool,
) -> pb.ItemVerdict:
    """The verdict that follows from the answers, their belief and an opened proposal: outcome, answer,
    confidence, refusal, and what the item is to the one that it resembles.

    Where all others are silent, one reviewer would decide alone, and agree with himself: it takes
    more than half of the reviewers whom the campaign asks for. Gold needs nobody to agree; it is
    decided by the first answer, since from the verdict on everybody knows it. A copy is one whatever the
    answer.
    """
    answers = answers_to(state, verdict.item_id)
    decided = pb.ItemVerdict(
        item_id=verdict.item_id,
        belief_ppm=verdict.belief_ppm,
        reviewers=len(answers),
        programs=sum(answer.by_program for answer in answers.values()),
    )
    question = question_of(campaign)
    confident = False
    if verdict.belief_ppm:
        # That of an item that was accepted before was opened then.
        known = state.items[verdict.item_id].proposal
        proposal = verdict.proposal if verdict.proposal_salt else known
        decision = question.kind.decide(
            question.spec, verdict.belief_ppm, proposal, state.policy.accept_ppm
        )
        decided.answer, decided.confidence_ppm = decision.answer, decision.confidence_ppm
        decided.outcome = OUTCOMES[decision.ruling]
        confident = decided.outcome != pb.OUTCOME_UNDECIDED
    given = sum(answer.refusal == pb.REFUSAL_NONE for answer in answers.values())
    many = 2 * given > campaign.reviewers_per_item
    item = state.items[verdict.item_id]
    relation = relation_of(state, item, answers, ringed) if many else pb.RELATION_NONE
    # Of what may be a copy one answer decides nothing, gold or not: nobody has said yet what it is.
    quorate = many or (is_gold and not item.resembles)
    decided.refusal = cast("pb.Refusal", refusal_of(campaign, list(answers.values())))
    if decided.refusal:
        decided.outcome = pb.OUTCOME_REJECTED
    elif relation == pb.RELATION_COPY:
        decided.outcome = pb.OUTCOME_COPY
    elif not (quorate and confident):
        decided.outcome = pb.OUTCOME_UNDECIDED
    if relation and not decided.refusal and decided.outcome != pb.OUTCOME_UNDECIDED:
        decided.relation, decided.resembles = relation, item.resembles
    return decided


def refusal_of(campaign: Campaign, answers: list[GivenAnswer]) -> int:
    """Why an item is of no use, if most who tried to review it, and more than half of those whom the
    campaign asks for, say so: the reason that most give, the first of those that are level."""
    reasons = Counter(a.refusal for a in answers if a.refusal in USELESS)
    if 2 * sum(reasons.values()) > max(len(answers), campaign.reviewers_per_item):
        return min(reasons, key=lambda reason: (-reasons[reason], reason))
    return pb.REFUSAL_NONE


def answers_to(state: State, item_id: ItemId) -> dict[PersonId, GivenAnswer]:
    """What was answered of an item, by whom, over all its rounds until it is paid for; where it was
    contested, by the panel that was drawn since."""
    item = state.items[item_id]
    found = {who: state.answers.get((item.campaign_id, item_id, who)) for who in item.panel}
    return {who: answer for who, answer in found.items() if answer is not None}


def compute_verdicts(
    state: State,
    campaign: Campaign,
    proposals: Mapping[ItemId, Opening],
    gold: Mapping[ItemId, Opening],
) -> list[pb.ItemVerdict]:
    """The verdicts of the round, as the operator publishes them.

    `proposals` and `gold` map item ids to (salt, answer): what contributors sealed, and what the operator
    committed to with the seal. Undecided items keep their proposal sealed, since they are drawn again, and
    copies, since their author may contest that.
    """
    known = known_gold(state, campaign.id) | {item: answer for item, (_, answer) in gold.items()}
    table = infer_round(state, campaign, known)
    beliefs = table.beliefs() if table is not None else {}
    ringed = ringed_in(state, campaign, table)
    verdicts = []
    drawn = state.round_of(campaign.id).items
    for item_id in drawn:
        draft = pb.ItemVerdict(item_id=item_id, belief_ppm=beliefs.get(item_id, ()))
        if state.items[item_id].proposal is None:
            draft.proposal_salt, draft.proposal = proposals.get(item_id, (b"", b""))
        verdict = decide(state, campaign, draft, ringed, is_gold=item_id in known)
        if verdict.outcome not in SEALED:
            verdict.proposal_salt, verdict.proposal = draft.proposal_salt, draft.proposal
        if item_id in gold:
            verdict.gold_salt, verdict.gold = gold[item_id]
        verdicts.append(verdict)
    rest = sorted(item_id for item_id in gold if item_id not in drawn)
    verdicts += [pb.ItemVerdict(item_id=i, gold_salt=gold[i][0], gold=gold[i][1]) for i in rest]
    return verdicts
