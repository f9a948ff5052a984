"""From answers to verdicts: runs the inference over an epoch's answers and reads it in integers.

Floating point ends here. A posterior is quantised into the record that reports it; whoever replays the
log recomputes it within TOLERANCE_PPM and everything after it exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from protocol.identity import Identity
from protocol.state import GivenAnswer, ItemId, State
from protocol.truth.inference import Answers, Gold, Inference, infer, quantise_ppm
from protocol.truth.scoring import ReviewerScores, score_reviewers
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class CampaignInference:
    """The inference of one campaign's answers in this epoch, with the meaning of its indices."""

    campaign_id: str
    item_ids: tuple[ItemId, ...]
    reviewers: tuple[Identity, ...]
    answers: Answers
    gold: Gold
    result: Inference

    def scores(self) -> ReviewerScores:
        """What each reviewer's answers were worth."""
        return score_reviewers(self.answers, self.gold, self.result)


def infer_campaigns(state: State, gold: Mapping[ItemId, int]) -> Iterator[CampaignInference]:
    """Infers each campaign that has answers in this epoch; `gold` maps item ids to known labels."""
    for campaign_id, campaign in state.campaigns.items():
        given = [
            answer
            for answer in state.epoch.answers
            if answer.label is not None and state.items[answer.item_id].campaign_id == campaign_id
        ]
        if given:
            yield _infer(campaign_id, len(campaign.labels), given, gold)


def _infer(
    campaign_id: str, labels: int, given: list[GivenAnswer], gold: Mapping[ItemId, int]
) -> CampaignInference:
    # Sorted keys, so that the order of arrival does not even touch the last bit of a sum.
    item_ids = tuple(sorted({answer.item_id for answer in given}))
    reviewers = tuple(sorted({answer.reviewer for answer in given}))
    item_at = {item_id: i for i, item_id in enumerate(item_ids)}
    reviewer_at = {reviewer: i for i, reviewer in enumerate(reviewers)}
    rows = sorted((item_at[a.item_id], reviewer_at[a.reviewer], a.label) for a in given)
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    answers = Answers(table[:, 0], table[:, 1], table[:, 2], len(item_ids), len(reviewers), labels)
    known = sorted((item_at[i], label) for i, label in gold.items() if i in item_at)
    gold_table = np.array(known, dtype=np.int64).reshape(-1, 2)
    anchored = Gold(gold_table[:, 0], gold_table[:, 1])
    result = infer(answers, anchored)
    return CampaignInference(campaign_id, item_ids, reviewers, answers, anchored, result)


def posteriors(state: State, gold: Mapping[ItemId, int]) -> dict[ItemId, list[int]]:
    """Probability of each label, in ppm, for every item that was answered in this epoch."""
    found: dict[ItemId, list[int]] = {}
    for campaign in infer_campaigns(state, gold):
        table = quantise_ppm(campaign.result.posterior)
        found.update(zip(campaign.item_ids, table.tolist(), strict=True))
    return found


def decide(
    state: State, verdict: pb.ItemVerdict, answers: list[GivenAnswer], *, is_gold: bool
) -> pb.Outcome:
    """The outcome that follows from a verdict's label, posterior and proposed label.

    Where all others are silent, one reviewer would decide alone, and agree with himself: it takes
    more than half of the reviewers whom the campaign asks for. Gold needs nobody to agree; it is
    decided by the first answer, since from the first verdict on everybody knows it.
    """
    if is_mismatched(state, verdict.item_id, answers):
        return pb.OUTCOME_REJECTED
    labels = sum(answer.label is not None for answer in answers)
    quorate = is_gold or 2 * labels > _reviewers_wanted(state, verdict.item_id)
    if not quorate or verdict.posterior_ppm < state.policy.accept_ppm:
        return pb.OUTCOME_UNDECIDED
    right = verdict.label == verdict.proposed_label
    return pb.OUTCOME_ACCEPTED if right else pb.OUTCOME_REJECTED


def is_mismatched(state: State, item_id: ItemId, answers: list[GivenAnswer]) -> bool:
    """Most who tried to review the item, and more than half of those whom the campaign asks for, say
    that its content is not what the record describes."""
    mismatches = sum(answer.abstention == pb.ABSTENTION_MISMATCH for answer in answers)
    return 2 * mismatches > max(len(answers), _reviewers_wanted(state, item_id))


def _reviewers_wanted(state: State, item_id: ItemId) -> int:
    return state.campaigns[state.items[item_id].campaign_id].reviewers_per_item


def answers_by_item(state: State) -> dict[ItemId, list[GivenAnswer]]:
    """The epoch's opened answers, grouped."""
    grouped: dict[ItemId, list[GivenAnswer]] = {}
    for answer in state.epoch.answers:
        grouped.setdefault(answer.item_id, []).append(answer)
    return grouped


def compute_verdicts(
    state: State,
    openings: Mapping[ItemId, tuple[bytes, int]],
    gold: Mapping[ItemId, tuple[bytes, int]],
) -> list[pb.ItemVerdict]:
    """The verdicts of the round, as the operator publishes them.

    `openings` and `gold` map item ids to (salt, label): what contributors sealed, and what the operator
    committed to before the draw. Undecided items keep their label sealed, since they are drawn again.
    """
    known = {item_id: label for item_id, (_, label) in gold.items()} or state.epoch.gold
    rows, grouped = posteriors(state, known), answers_by_item(state)
    verdicts = []
    for item_id in state.epoch.round.assignments:
        verdict = _most_probable(item_id, rows.get(item_id))
        salt, verdict.proposed_label = openings[item_id]
        answers = grouped.get(item_id, [])
        verdict.outcome = decide(state, verdict, answers, is_gold=item_id in known)
        if verdict.outcome == pb.OUTCOME_UNDECIDED:
            verdict.proposed_label = 0
        else:
            verdict.label_salt = salt
        if item_id in gold:
            verdict.gold_salt, verdict.gold_label = gold[item_id]
        verdicts.append(verdict)
    rest = (item_id for item_id in gold if item_id not in state.epoch.round.assignments)
    verdicts.extend(
        pb.ItemVerdict(item_id=i, gold_salt=gold[i][0], gold_label=gold[i][1]) for i in sorted(rest)
    )
    return verdicts


def _most_probable(item_id: ItemId, row: list[int] | None) -> pb.ItemVerdict:
    label, posterior = (0, 0) if row is None else max(enumerate(row), key=lambda pair: pair[1])
    return pb.ItemVerdict(item_id=item_id, label=label, posterior_ppm=posterior)
