"""Who reviews what: standing by, the beacon, and the draw that follows from it.

Each campaign has its own reviewers and its own round. A reviewer commits to a value before the items of the
round are fixed, and opens it afterwards; the seed is made of all that were opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from protocol.errors import Ignore, Reject
from protocol.identity import PersonId
from protocol.lifecycle import ItemEvent, RoundEvent, RoundPhase, next_phase
from protocol.limits import SALT_BYTES
from protocol.log import commitments
from protocol.review.reputation import belief_of, draw_weight
from protocol.review.sampling import Candidate, Task, assign, select, tasks_of
from protocol.rows import Campaign, Item, ItemId
from protocol.rules.intake import enqueue
from protocol.rules.record import (
    Record,
    campaign_of,
    require,
    require_hash,
    require_member,
    require_next,
    require_round,
)
from protocol.rules.sealing import count, require_time, seats
from protocol.state import State
from protos.gen import records_pb2 as pb


def validate_standby(state: State, record: Record[pb.Standby]) -> None:
    """For a campaign's next round, whose items nobody knows yet."""
    body = record.body
    require_member(state, record.author)
    campaign_of(state, body.campaign_id)
    coming = state.round_of(body.campaign_id).number + 1
    if body.round < coming:
        raise Ignore(f"the reviewers of round {body.round} of {body.campaign_id} are fixed already")
    require(body.round == coming, f"round {coming} of {body.campaign_id} is the next")
    if body.commitment:
        require_hash(body.commitment, "the beacon commitment")
    key = (body.campaign_id, record.author)
    require_next(body.serial, state.words.get(key, 0), "this person")
    if state.standbys.get(key, b"") == body.commitment:
        raise Ignore("this reviewer stands by with this commitment already, or does not")


def process_standby(state: State, record: Record[pb.Standby]) -> None:
    """Replaces an earlier commitment, or stands down."""
    key = (record.body.campaign_id, record.author)
    state.words.put(key, record.body.serial + 1)
    if record.body.commitment:
        state.standbys.put(key, record.body.commitment)
    else:
        state.standbys.remove(key)


def validate_beacon(state: State, record: Record[pb.Beacon]) -> None:
    """Opens what was committed to before the round's items were fixed."""
    body, key = record.body, (record.body.campaign_id, record.author)
    require_member(state, record.author)
    round_ = require_round(state, body.campaign_id, body.round)
    if key in state.beacons:
        raise Ignore("this reviewer has opened a value for this round")
    if round_.phase is not RoundPhase.SEALED:
        raise Ignore("the draw of this round has been made")
    commitment = state.candidates.get(key)
    if commitment is None:
        raise Reject("this reviewer did not stand by when the round was sealed")
    require(len(body.value) == SALT_BYTES, f"a beacon value has {SALT_BYTES} bytes")
    require(
        commitments.beacon_commitment(state.network, record.author, body.value) == commitment,
        "the beacon value does not match the reviewer's commitment",
    )
    if body.next_commitment:
        require_hash(body.next_commitment, "the next beacon commitment")


def process_beacon(state: State, record: Record[pb.Beacon]) -> None:
    """Who opens a value is drawn from, and stands by for the next round with a further commitment."""
    key = (record.body.campaign_id, record.author)
    state.candidates.remove(key)
    state.beacons.put(key, record.body.value)
    if record.body.next_commitment:
        state.standbys.put(key, record.body.next_commitment)


def compute_draw(
    state: State, campaign: Campaign
) -> tuple[bytes, dict[ItemId, tuple[PersonId, ...]]]:
    """Seed and assignments that follow from the round's items and beacon values. Items that nobody may
    review are left out."""
    round_ = state.round_of(campaign.id)
    values = {person: value for (_, person), value in state.beacons.scan(campaign.id)}
    seed = commitments.draw_seed(state.network, campaign.id, round_.number, values)
    voices = _voices(state, values)
    tasks = [
        Task(item_id, _excluded(state, item_id, voices), campaign.reviewers_per_item)
        for item_id in round_.items
    ]
    candidates = [
        Candidate(who, draw_weight(belief_of(state, who, pb.ROLE_REVIEWER, campaign.id)))
        for who in voices.values()
    ]
    assigned = assign(seed, tasks, select(seed, candidates, seats(campaign)))
    return seed, {item_id: who for item_id in round_.items if (who := assigned[item_id])}


def _voices(state: State, values: Mapping[PersonId, bytes]) -> dict[bytes, PersonId]:
    """Payout address -> the one person who reviews for it: many names are one voice."""
    voices: dict[bytes, PersonId] = {}
    for who in sorted(values):
        voices.setdefault(state.members[who].payout, who)
    return voices


def _excluded(
    state: State, item_id: ItemId, voices: Mapping[bytes, PersonId]
) -> frozenset[PersonId]:
    """The author and whoever has answered, and who is paid at the same address as one of them."""
    item = state.items[item_id]
    barred = (item.author, *item.answered_by)
    same_address = (voices.get(state.members[who].payout) for who in barred)
    return frozenset((*barred, *(who for who in same_address if who is not None)))


def can_be_reviewed(state: State, campaign_id: str) -> bool:
    """Whether somebody stands by who may review something that waits: not its author, nobody who has
    answered, and nobody who is paid at the address of one of these."""
    voices = {_voice(state, person) for (_, person), _ in state.standbys.scan(campaign_id)}
    for queue, first_ticket in state.queues.scan(campaign_id):
        others = voices - {_voice(state, queue[1])}
        if not others:
            continue
        first = state.waiting[queue, first_ticket]
        if others - _answered(state, state.items[first]):
            return True
        waiting = (state.items[item_id] for _, item_id in state.waiting.scan(queue))
        if any(others - _answered(state, item) for item in waiting):
            return True
    return False


def _voice(state: State, person: PersonId) -> bytes:
    """Many names with one payout address are one voice."""
    return state.members[person].payout


def _answered(state: State, item: Item) -> set[bytes]:
    return {_voice(state, person) for person in item.answered_by}


def draw_leaves(assignments: Mapping[ItemId, tuple[PersonId, ...]]) -> list[pb.Assignment]:
    """The leaves of a draw record."""
    return [
        pb.Assignment(item_id=item_id, reviewers=list(reviewers))
        for item_id, reviewers in assignments.items()
    ]


def validate_draw(state: State, record: Record[pb.Draw]) -> None:
    """The draw is the one that everybody computes from the opened beacons, when their window ends."""
    body = record.body
    round_ = require_round(state, body.campaign_id, body.round)
    next_phase(round_.phase, RoundEvent.DRAW)
    require_time(round_, body.time_ms)
    campaign = state.campaigns[body.campaign_id]
    require(
        not state.candidates.has(campaign.id)
        or body.time_ms - round_.since_ms >= campaign.rounds.beacon_ms,
        "reviewers have time left to open their beacon values",
    )
    seed, assignments = compute_draw(state, campaign)
    require(body.seed == seed, "the draw's seed does not follow from the opened beacon values")
    require(
        list(record.leaves) == draw_leaves(assignments), "the draw does not follow from its seed"
    )


def process_draw(state: State, record: Record[pb.Draw]) -> None:
    """The reviewers drawn now hold the assignment; contributors serve content to nobody else. Items
    that nobody can review now wait again, behind the author's others."""
    body = record.body
    campaign_id, round_ = body.campaign_id, state.rounds[body.campaign_id]
    assignments = {
        ItemId(leaf.item_id): tuple(PersonId(r) for r in leaf.reviewers) for leaf in record.leaves
    }
    for item_id, reviewers in assignments.items():
        item = state.items[item_id]
        status = item.after(ItemEvent.DRAW)
        state.items.put(item_id, replace(item, status=status, draws=item.draws + 1))
        state.assignments.put((campaign_id, item_id), reviewers)
    somebody = state.beacons.has(campaign_id)
    for item_id in round_.items:
        if item_id not in assignments:
            _leave_out(state, item_id, somebody=somebody)
    for person, tasks in tasks_of(assignments).items():
        state.tasks.put((campaign_id, person), tasks)
    state.candidates.clear(campaign_id)
    state.beacons.clear(campaign_id)
    event = RoundEvent.DRAW if assignments else RoundEvent.DRAW_NOBODY
    state.rounds.put(
        campaign_id,
        replace(
            round_,
            phase=next_phase(round_.phase, event),
            since_ms=body.time_ms,
            items=tuple(assignments),
            seed=body.seed,
            gold_hashes=round_.gold_hashes if assignments else (),
        ),
    )


def _leave_out(state: State, item_id: ItemId, *, somebody: bool) -> None:
    """The item waits again. If all who came have answered it before, that counts as one draw more: the same
    reviewers would come again, and its answers wait for their pay for ever."""
    item = state.items[item_id]
    if not (item.answered_by and somebody):
        requeue(state, item_id)
        return
    state.items.put(item_id, replace(item, draws=item.draws + 1))
    if item.draws + 1 < state.campaigns[item.campaign_id].rounds.draws_max:
        requeue(state, item_id)
    else:
        give_up(state, item_id)


def give_up(state: State, item_id: ItemId) -> None:
    """The item stays undecided; its answers are paid with the next close, and forgotten."""
    item = replace(state.items[item_id], decided_in=state.epoch)
    state.items.put(item_id, item)
    count(state, item, undecided=1)


def requeue(state: State, item_id: ItemId) -> None:
    """The item waits again, behind all others of its author: in front it would hold them up for ever."""
    item = replace(state.items[item_id], ticket=state.tickets)
    state.tickets += 1
    state.items.put(item_id, item)
    enqueue(state, item_id, item)
