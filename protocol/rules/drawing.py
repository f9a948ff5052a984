"""Who reviews what: standing by, the coin, and the draw that follows from it.

Each campaign has its own reviewers and its own round. The seed of a round is the coin of its seal: fixed with
the items and with those who stand by, foreseen by nobody, and the same whichever of the witnesses toss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from protocol.coin.group import Point
from protocol.coin.toss import Share, check_share, combine
from protocol.coin.witnesses import Diligence
from protocol.errors import Ignore, Reject
from protocol.identity import PersonId
from protocol.lifecycle import CampaignStatus, ItemEvent, RoundEvent, RoundPhase, next_phase
from protocol.review.reputation import belief_of, draw_weight
from protocol.review.sampling import Candidate, Task, assign, select, tasks_of
from protocol.rows import Campaign, Item, ItemId
from protocol.rules.admission import standing_by
from protocol.rules.contesting import may_have_rounds, uphold
from protocol.rules.intake import enqueue
from protocol.rules.record import (
    Record,
    campaign_of,
    require,
    require_member,
    require_next,
    require_not_closed,
    require_round,
)
from protocol.rules.sealing import count, require_time, seats
from protocol.rules.witnesses import forget_coins
from protocol.state import State
from protos.gen import records_pb2 as pb


def validate_standby(state: State, record: Record[pb.Standby]) -> None:
    """For every round of a campaign that is sealed from now on."""
    body = record.body
    require_member(state, record.author)
    campaign = campaign_of(state, body.campaign_id)
    if body.stands and not may_have_rounds(state, campaign):
        require_not_closed(campaign)
    key = (body.campaign_id, record.author)
    require_next(body.serial, state.words.get(key, 0), "this person")
    present = state.standbys.get(key)
    if present == (record.key if body.stands else None):
        raise Ignore("this reviewer stands by with this machine already, or does not")


def process_standby(state: State, record: Record[pb.Standby]) -> None:
    """The machine that says it reviews, and no other of the same person."""
    key = (record.body.campaign_id, record.author)
    state.words.put(key, record.body.serial + 1)
    if record.body.stands:
        state.standbys.put(key, record.key)
    else:
        state.standbys.remove(key)


def validate_toss(state: State, record: Record[pb.Toss]) -> None:
    """The one share that a witness can have. It is taken until the verdict, so that nobody who is slower than
    others passes for silent."""
    body = record.body
    round_ = require_round(state, body.campaign_id, body.round)
    if round_.phase is RoundPhase.OPEN:
        raise Ignore("this round is over")
    coin = state.coins[round_.coin]
    at = coin.place_of(record.key)
    if at is None:
        raise Reject("only the witnesses that the round was sealed under toss for it")
    if (body.campaign_id, record.key) in state.tosses:
        raise Ignore("this witness has tossed for this round")
    check_share(Share(Point(body.point), body.proof), round_.place, coin.public[at - 1])


def process_toss(state: State, record: Record[pb.Toss]) -> None:
    """Enough of them are the seed."""
    key = (record.body.campaign_id, record.key)
    state.tosses.put(key, Point(record.body.point))


def compute_seed(state: State, campaign_id: str) -> bytes:
    """The coin of the round that is sealed: the same whichever of its witnesses have tossed. Raises Reject
    while they are too few."""
    round_ = state.round_of(campaign_id)
    coin = state.coins[round_.coin]
    tossed = list(state.tosses.scan(campaign_id))
    require(
        len(tossed) >= coin.threshold,
        f"{len(tossed)} of the {coin.threshold} witnesses have tossed that it takes",
        "the round waits for them",
    )
    places = {coin.keys.index(key) + 1: point for (_, key), point in tossed[: coin.threshold]}
    return combine(round_.place, places)


def compute_draw(
    state: State, campaign: Campaign
) -> tuple[bytes, dict[ItemId, tuple[PersonId, ...]]]:
    """Seed and assignments that follow from the round's items, who stood by, and the coin. Items that nobody
    may review are left out. Raises Reject while too few have tossed."""
    round_ = state.round_of(campaign.id)
    seed = compute_seed(state, campaign.id)
    voices = _voices(state, (person for (_, person), _ in state.candidates.scan(campaign.id)))
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


def _voices(state: State, people: Iterable[PersonId]) -> dict[bytes, PersonId]:
    """Payout address -> the one person who reviews for it: many names are one voice."""
    voices: dict[bytes, PersonId] = {}
    for who in people:
        voices.setdefault(state.members[who].payout, who)
    return voices


def _excluded(
    state: State, item_id: ItemId, voices: Mapping[bytes, PersonId]
) -> frozenset[PersonId]:
    """Whoever is barred, and who is paid at the same address as one of them."""
    barred = _barred(state, state.items[item_id])
    same_address = (voices.get(state.members[who].payout) for who in barred)
    return frozenset((*barred, *(who for who in same_address if who is not None)))


def _barred(state: State, item: Item) -> tuple[PersonId, ...]:
    """The author, whoever has answered, and the author of what the item resembles: who would judge his own
    case."""
    original = state.items.get(item.resembles)
    return (item.author, *item.answered_by, *(() if original is None else (original.author,)))


def can_be_reviewed(state: State, campaign_id: str) -> bool:
    """Whether somebody stands by who may review something that waits: nobody who is barred from it, or paid
    at the address of one who is."""
    voices = {_voice(state, person) for person, _ in standing_by(state, campaign_id)}
    for queue, first_ticket in state.queues.scan(campaign_id):
        others = voices - {_voice(state, queue[1])}
        if not others:
            continue
        first = state.waiting[queue, first_ticket]
        if others - _barred_voices(state, state.items[first]):
            return True
        waiting = (state.items[item_id] for _, item_id in state.waiting.scan(queue))
        if any(others - _barred_voices(state, item) for item in waiting):
            return True
    return False


def count_who_may_review(state: State, item: Item) -> int:
    """How many of those who stand by may review an item: many names with one payout address are one."""
    voices = {_voice(state, person) for person, _ in standing_by(state, item.campaign_id)}
    return len(voices - _barred_voices(state, item))


def _voice(state: State, person: PersonId) -> bytes:
    """Many names with one payout address are one voice."""
    return state.members[person].payout


def _barred_voices(state: State, item: Item) -> set[bytes]:
    return {_voice(state, person) for person in _barred(state, item)}


def draw_leaves(assignments: Mapping[ItemId, tuple[PersonId, ...]]) -> list[pb.Assignment]:
    """The leaves of a draw record."""
    return [
        pb.Assignment(item_id=item_id, reviewers=list(reviewers))
        for item_id, reviewers in assignments.items()
    ]


def validate_draw(state: State, record: Record[pb.Draw]) -> None:
    """The draw is the one that everybody computes, as soon as enough have tossed."""
    body = record.body
    round_ = require_round(state, body.campaign_id, body.round)
    next_phase(round_.phase, RoundEvent.DRAW)
    require_time(round_, body.time_ms)
    seed, assignments = compute_draw(state, state.campaigns[body.campaign_id])
    require(body.seed == seed, "the draw's seed is not the coin of the round")
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
    somebody = state.candidates.has(campaign_id)
    for item_id in round_.items:
        if item_id not in assignments:
            _leave_out(state, item_id, somebody=somebody)
    for person, tasks in tasks_of(assignments).items():
        state.tasks.put((campaign_id, person), tasks)
    for key, _ in list(state.candidates.scan(campaign_id)):
        if key not in state.tasks:
            state.candidates.remove(key)
    event = RoundEvent.DRAW if assignments else RoundEvent.DRAW_NOBODY
    if event is RoundEvent.DRAW_NOBODY:
        end_tosses(state, campaign_id, had_time=False)
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


def end_tosses(state: State, campaign_id: str, *, had_time: bool) -> None:
    """The round is over: counts who of its witnesses tossed and, unless it ended at once, who did not."""
    coin = state.coins[state.rounds[campaign_id].coin]
    for key in coin.keys:
        tossed = (campaign_id, key) in state.tosses
        person = state.keys[key]
        known = state.diligence.get(person, Diligence())
        missed = had_time and not tossed
        row = 0 if tossed else known.in_a_row + missed
        now = Diligence(known.given + tossed, known.missed + missed, row)
        state.diligence.put(person, now)
    state.tosses.clear(campaign_id)
    state.candidates.clear(campaign_id)
    state.awaited.remove((coin.nonce, campaign_id))
    forget_coins(state)


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


def end(state: State, item_id: ItemId) -> None:
    """The item stays undecided, since its campaign is closed; what was contested waits for its panel all the
    same. No line of a close is about it: a campaign may have more authors waiting than a close has lines."""
    item = state.items[item_id]
    status = item.after(ItemEvent.END)
    state.items.put(item_id, replace(item, status=status, decided_in=state.epoch))


def goes_on(state: State, item: Item) -> bool:
    """Whether a round may still take the item: of a closed campaign, one that was contested."""
    closed = state.campaigns[item.campaign_id].status is CampaignStatus.CLOSED
    return not closed or item.before is not None


def give_up(state: State, item_id: ItemId) -> None:
    """The item stays undecided, or, if it was contested, what it was; its answers are paid with the next
    close, and forgotten."""
    before = state.items[item_id]
    if before.before is not None:
        uphold(state, item_id)
        return
    item = replace(before, status=before.after(ItemEvent.END), decided_in=state.epoch)
    state.items.put(item_id, item)
    count(state, item, undecided=1)


def requeue(state: State, item_id: ItemId) -> None:
    """The item waits again, behind all others of its author: in front it would hold them up for ever. Of a
    closed campaign only what was contested does."""
    if not goes_on(state, state.items[item_id]):
        end(state, item_id)
        return
    item = replace(state.items[item_id], ticket=state.tickets)
    state.tickets += 1
    state.items.put(item_id, item)
    enqueue(state, item_id, item)
