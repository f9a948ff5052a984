"""Review: stand by, seal, draw, commit, reveal. Nobody sees an answer before giving their own."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from protocol.errors import Ignore, Reject
from protocol.identity import Identity
from protocol.lifecycle import EpochEvent, EpochPhase, ItemEvent, next_phase
from protocol.limits import BATCH_LEAVES_MAX, HASH_BYTES, OPERATOR_LEAVES_MAX, SALT_BYTES
from protocol.log import commitments
from protocol.review.draw import Candidate, Task, assign, select, tasks_of
from protocol.review.reputation import draw_weight
from protocol.rules.record import (
    Record,
    commitment_of,
    require,
    require_hash,
    require_member,
    require_round,
)
from protocol.rules.sealing import compute_seal, encode_seal, parse_duplicates, set_aside
from protocol.state import CommittedBatch, GivenAnswer, ItemId, State
from protocol.truth.data import MAX_CONFUSION_CELLS
from protos.gen import records_pb2 as pb

# A verdict opens all gold of an epoch beside a verdict for each item of the round.
GOLD_MAX = OPERATOR_LEAVES_MAX - BATCH_LEAVES_MAX
# A close has a line for each reviewer and campaign, beside those of contributors and of revenue.
REVIEWER_LINES_MAX = OPERATOR_LEAVES_MAX // 2

# ---- standing by, and the beacon ----


def validate_standby(state: State, record: Record[pb.Standby]) -> None:
    """Anybody who registered may review; the commitment comes before the items of a round are fixed."""
    require_member(state, record.author)
    require_hash(record.body.commitment, "the beacon commitment")
    require(
        state.epoch.phase is EpochPhase.SUBMITTING, "stand-bys are taken while submissions are open"
    )
    if state.members[record.author].standby == record.body.commitment:
        raise Ignore("this reviewer stands by with this commitment already")


def process_standby(state: State, record: Record[pb.Standby]) -> None:
    """Replaces an earlier commitment, since none is opened while submissions are open."""
    state.members[record.author].standby = record.body.commitment


def validate_beacon(state: State, record: Record[pb.Beacon]) -> None:
    """Opens what was committed to before the round's items were fixed."""
    require_member(state, record.author)
    require_round(state, record.body.epoch, record.body.round)
    require(state.epoch.phase is EpochPhase.BEACON, "beacon values are opened in the beacon phase")
    if record.author in state.epoch.round.beacons:
        raise Ignore("this reviewer has opened a value for this round")
    require(len(record.body.value) == SALT_BYTES, f"a beacon value has {SALT_BYTES} bytes")
    expected = commitments.beacon_commitment(state.network, record.author, record.body.value)
    require(
        state.members[record.author].standby == expected,
        "the beacon value does not match the reviewer's commitment",
    )
    if record.body.next_commitment:
        require_hash(record.body.next_commitment, "the next beacon commitment")


def process_beacon(state: State, record: Record[pb.Beacon]) -> None:
    """Who opens a value is a candidate of this round, and stands by for the next if it commits again."""
    state.epoch.round.beacons[record.author] = record.body.value
    state.members[record.author].standby = record.body.next_commitment


# ---- sealing the round ----


def validate_phase(state: State, record: Record[pb.Phase]) -> None:
    """The operator may seal the round and end the commits; all other moves follow from records."""
    require_round(state, record.body.epoch, record.body.round)
    next_phase(state.epoch.phase, _phase_event(record.body.to))
    if record.body.to != pb.PHASE_BEACON:
        require(not record.leaves, "duplicates are found when a round is sealed")
        return
    require(bool(state.pending), "there is nothing to review; close the epoch instead")
    expected = compute_seal(state, parse_duplicates(record.leaves))
    require(
        list(record.leaves) == encode_seal(expected),
        "the duplicates do not follow from the fingerprints",
    )


def process_phase(state: State, record: Record[pb.Phase]) -> None:
    """Fixes the items of the round, or ends the commits."""
    event = _phase_event(record.body.to)
    if event is EpochEvent.SEAL:
        set_aside(state, parse_duplicates(record.leaves))
    else:
        for item_id in state.epoch.round.assignments:
            state.items[item_id].step(ItemEvent.END_COMMITS)
    state.epoch.phase = next_phase(state.epoch.phase, event)


def _phase_event(name: pb.PhaseName) -> EpochEvent:
    if name == pb.PHASE_BEACON:
        return EpochEvent.SEAL
    if name == pb.PHASE_REVEALING:
        return EpochEvent.END_COMMITS
    raise Reject("a phase record seals a round or ends its commits")


# ---- gold ----


def validate_gold_commit(state: State, record: Record[pb.GoldCommit]) -> None:
    """Known answers are fixed before the epoch's first draw, so that none can be invented afterwards."""
    require(record.body.epoch == state.epoch.number, "gold is committed for the present epoch")
    before_draw = state.epoch.phase in (EpochPhase.SUBMITTING, EpochPhase.BEACON)
    # Whoever has seen the beacon values knows who reviews what, and might choose gold to suit.
    require(
        before_draw and state.epoch.round.number == 1 and not state.epoch.round.beacons,
        "gold is committed before the first draw, and before any beacon value is opened",
    )
    require(all(len(leaf) == HASH_BYTES for leaf in record.leaves), "a gold leaf is a 32-byte hash")
    fresh = set(record.leaves)
    require(len(fresh) == len(record.leaves), "a gold hash stands twice")
    require(not fresh & state.epoch.gold_hashes, "a gold hash was committed already")
    require(
        len(state.epoch.gold_hashes) + len(fresh) <= GOLD_MAX,
        f"one verdict cannot open more than {GOLD_MAX} gold items",
    )


def process_gold_commit(state: State, record: Record[pb.GoldCommit]) -> None:
    """Each hash must be opened by the epoch's first verdict."""
    state.epoch.gold_hashes.update(record.leaves)


# ---- the draw ----


def compute_draw(state: State) -> tuple[bytes, dict[ItemId, tuple[Identity, ...]]]:
    """Seed and assignments that follow from the round's items and beacon values."""
    number, round_ = state.epoch.number, state.epoch.round
    seed = commitments.draw_seed(state.network, number, round_.number, round_.beacons)
    by_campaign: dict[str, list[ItemId]] = {}
    for item_id in round_.items:
        by_campaign.setdefault(state.items[item_id].campaign_id, []).append(item_id)
    voices = _voices(state)
    assignments: dict[ItemId, tuple[Identity, ...]] = {}
    for campaign_id, item_ids in by_campaign.items():
        campaign = state.campaigns[campaign_id]
        tasks = [
            Task(item_id, _excluded(state, item_id, voices), campaign.reviewers_per_item)
            for item_id in item_ids
        ]
        candidates = [
            Candidate(who, draw_weight(state.reputation.get((who, pb.ROLE_REVIEWER, campaign_id))))
            for who in voices.values()
        ]
        seats = _seats(state, campaign, len(by_campaign))
        assignments.update(assign(seed, tasks, select(seed, candidates, seats)))
    return seed, {item: who for item in round_.items if (who := assignments[item])}


def _voices(state: State) -> dict[bytes, Identity]:
    """Payout address -> the one identity that reviews for it: many names are one voice."""
    voices: dict[bytes, Identity] = {}
    for who in sorted(state.epoch.round.beacons):
        voices.setdefault(state.members[who].payout, who)
    return voices


def _excluded(state: State, item_id: ItemId, voices: dict[bytes, Identity]) -> frozenset[Identity]:
    """The author and whoever has answered, and who is paid at the same address as one of them."""
    item = state.items[item_id]
    barred = (item.author, *item.answered_by)
    same_address = (voices.get(state.members[who].payout) for who in barred)
    return frozenset((*barred, *(who for who in same_address if who is not None)))


def _seats(state: State, campaign: pb.Campaign, campaigns: int) -> int:
    """How many reviewers a campaign takes in a round.

    Standing by costs nothing, and an epoch's answers must fit one inference and one close, or it
    could never be decided.
    """
    inferable = MAX_CONFUSION_CELLS // len(campaign.labels) ** 2
    return max(1, min(inferable, REVIEWER_LINES_MAX // campaigns) // state.policy.rounds_max)


def encode_draw(assignments: dict[ItemId, tuple[Identity, ...]]) -> list[bytes]:
    """The leaves of a draw record."""
    return [
        pb.Assignment(item_id=item_id, reviewers=list(reviewers)).SerializeToString()
        for item_id, reviewers in assignments.items()
    ]


def validate_draw(state: State, record: Record[pb.Draw]) -> None:
    """The draw is the one that everybody computes from the opened beacons."""
    require_round(state, record.body.epoch, record.body.round)
    next_phase(state.epoch.phase, EpochEvent.DRAW)
    seed, assignments = compute_draw(state)
    require(
        record.body.seed == seed, "the draw's seed does not follow from the opened beacon values"
    )
    require(
        list(record.leaves) == encode_draw(assignments),
        "the draw does not follow from its seed",
    )


def process_draw(state: State, record: Record[pb.Draw]) -> None:
    """The reviewers drawn now hold the assignment; contributors serve content to nobody else."""
    round_ = state.epoch.round
    for leaf in record.leaves:
        assignment = pb.Assignment.FromString(leaf)
        item = state.items[assignment.item_id]
        state.epoch.items.setdefault(assignment.item_id)
        item.step(ItemEvent.DRAW)
        item.draws += 1
        round_.assignments[assignment.item_id] = tuple(Identity(r) for r in assignment.reviewers)
    round_.tasks = tasks_of(round_.assignments)
    state.epoch.phase = next_phase(state.epoch.phase, EpochEvent.DRAW)


# ---- commit and reveal ----


def validate_commit(state: State, record: Record[pb.Commit]) -> None:
    """One commitment for all of a reviewer's tasks, before anybody's answers are opened."""
    require_round(state, record.body.epoch, record.body.round)
    round_ = state.epoch.round
    tasks = round_.tasks.get(record.author)
    if tasks is None:
        raise Reject("this identity was not drawn in this round")
    if record.author in round_.commits:
        raise Ignore("this reviewer has committed already")
    if state.epoch.phase is EpochPhase.REVEALING:
        raise Ignore("the commits of this round have ended")
    require(state.epoch.phase is EpochPhase.COMMITTING, "commits are taken after the draw")
    _, count = commitment_of(record.body.answers)
    require(
        count == len(tasks), f"the reviewer has {len(tasks)} tasks and commits to {count} answers"
    )


def process_commit(state: State, record: Record[pb.Commit]) -> None:
    """Keeps the root that the reveal must match."""
    root, count = commitment_of(record.body.answers)
    state.epoch.round.commits[record.author] = CommittedBatch(root, count)


def validate_reveal(state: State, record: Record[pb.Reveal]) -> None:
    """The very answers that were committed to, by the one who committed, one for each task."""
    require_round(state, record.body.epoch, record.body.round)
    round_ = state.epoch.round
    require(
        state.epoch.phase is EpochPhase.REVEALING, "answers are opened after the commits have ended"
    )
    committed = round_.commits.get(record.author)
    if committed is None:
        raise Reject("this reviewer made no commitment in this round")
    if record.author in round_.revealed:
        raise Ignore("this reviewer has revealed already")
    batch = record.body.answers
    require(
        (batch.root, batch.count) == (committed.root, committed.count),
        "the reveal does not match the reviewer's commitment",
    )
    answers = _parse_answers(record.leaves)
    tasks = round_.tasks[record.author]
    require(
        tuple(a.item_id for a in answers) == tasks, "the answers are not those of the tasks drawn"
    )
    for answer in answers:
        require(answer.reviewer == record.author, "an answer names another reviewer")
        require(len(answer.nonce) == SALT_BYTES, f"a nonce has {SALT_BYTES} bytes")
        labels = len(state.campaigns[state.items[answer.item_id].campaign_id].labels)
        require(answer.label < labels, "an answer's label is outside the campaign's")
        require(
            answer.abstention in pb.Abstention.values(), "an abstention gives an unknown reason"
        )


def process_reveal(state: State, record: Record[pb.Reveal]) -> None:
    """The answers count."""
    state.epoch.round.revealed.add(record.author)
    for answer in _parse_answers(record.leaves):
        label = None if answer.abstention else answer.label
        state.epoch.answers.append(
            GivenAnswer(answer.item_id, record.author, label, answer.abstention)
        )
        item = state.items[answer.item_id]
        item.answered_by = (*item.answered_by, record.author)


def _parse_answers(leaves: Sequence[bytes]) -> list[pb.Answer]:
    try:
        answers = [pb.Answer.FromString(leaf) for leaf in leaves]
    except DecodeError:
        raise Reject("a leaf is not a protobuf Answer") from None
    # Batches rest under their roots. Leaves that read as answers and as items could be submitted, too,
    # and withdrawn: erased from under the reveal, which nobody could replay any more.
    for answer, leaf in zip(answers, leaves, strict=True):
        require(_size_of(answer) == len(leaf), "an answer has fields that no answer has")
    return answers


def _size_of(answer: pb.Answer) -> int:
    """In bytes, of what an answer is made of, once each."""
    return pb.Answer(
        item_id=answer.item_id,
        reviewer=answer.reviewer,
        nonce=answer.nonce,
        label=answer.label,
        abstention=answer.abstention,
    ).ByteSize()
