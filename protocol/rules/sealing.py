"""Sealing a round: which items it has, and which of those that waited are copies of earlier ones, or likely
to be.

The seal is written down, not only computed: a fingerprint may be erased later, since its author withdrew
the item, and a replay must still come to the same round. It also commits to the gold of the round, before
anybody knows who reviews what, so that no gold can be invented afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from google.protobuf.message import Message

from protocol.errors import Reject
from protocol.lifecycle import (
    CampaignStatus,
    ItemEvent,
    RoundEvent,
    RoundPhase,
    next_phase,
)
from protocol.limits import (
    EARNED_LINES_MAX,
    HASH_BYTES,
    OPERATOR_LEAVES_MAX,
    UNPAID_ANSWERS_MAX,
    UNPAID_CELLS_MAX,
)
from protocol.log.commitments import round_place
from protocol.review.copies import Fingerprints
from protocol.review.index import Match
from protocol.rows import Campaign, Contribution, Item, ItemId, Round
from protocol.rules.admission import standing_by
from protocol.rules.contesting import ended_in
from protocol.rules.flagging import Flag, Flags, is_known, is_pending, kept_original, stands
from protocol.rules.intake import dequeue
from protocol.rules.record import Record, campaign_of, require
from protocol.state import State
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Found:
    """The items of a round, what was found to be a copy of what, and what resembles what; all in log
    order."""

    items: tuple[ItemId, ...] = ()
    duplicates: Mapping[ItemId, ItemId] = field(default_factory=dict)  # copy -> original
    flags: Mapping[ItemId, Flag] = field(
        default_factory=dict
    )  # of the items; see protocol.rules.flagging


NOTHING_LOGGED: Final = Found()


# Reviewers of one campaign's round; a close has a line for each, beside those of other campaigns.
SEATS_MAX: Final = OPERATOR_LEAVES_MAX // 4


def seats(campaign: Campaign) -> int:
    """How many reviewers a round takes: half of what one inference can weigh, the other half being those
    of the rounds before (see close_due)."""
    question = question_of(campaign)
    return max(1, min(SEATS_MAX, question.kind.reviewers_max(question.spec) // 2))


def close_due(state: State, campaign: Campaign) -> str:
    """Why the epoch must be closed before the campaign's next round; empty if it need not.

    What is decided waits for its pay at the close, and one close, like one inference, has its limits. What
    a close leaves above them it gives up (see protocol.rules.close), so that closing always helps.
    """
    question = question_of(campaign)
    most = campaign.rounds.items_max * campaign.reviewers_per_item
    cells = UNPAID_CELLS_MAX // question.kind.belief_size(question.spec)
    if state.answers.count(campaign.id) + most > max(min(UNPAID_ANSWERS_MAX, cells), most):
        return f"{state.answers.count(campaign.id)} answers of {campaign.id} wait for their pay"
    if state.reviewed.count(campaign.id) > question.kind.reviewers_max(question.spec) // 2:
        return f"{state.reviewed.count(campaign.id)} reviewers of {campaign.id} wait for their pay"
    lines = len(state.contributions) + len(state.reviewed) + len(state.trained)
    if lines and lines + _lines_to_come(state, campaign) > EARNED_LINES_MAX:
        return f"{lines} people and campaigns wait for their pay"
    return ""


def _lines_to_come(state: State, campaign: Campaign) -> int:
    """Lines that the campaign's next round may add to a close, with those of rounds that are under way."""
    # An author has a line for each revision of the terms that items of the round were submitted under.
    most = state.queues.count(campaign.id) * (campaign.revision + 1)
    authors = min(campaign.rounds.items_max, most)
    reviewers = min(seats(campaign), state.standbys.count(campaign.id))
    return (
        authors
        + reviewers
        + sum(
            len(round_.items) + min(seats(state.campaigns[name]), _present(state, name))
            for name, round_ in state.rounds.scan()
            if round_.phase is not RoundPhase.OPEN
        )
    )


def _present(state: State, campaign_id: str) -> int:
    """Who may answer in a round that is under way."""
    return state.candidates.count(campaign_id)


def next_items(state: State, campaign: Campaign) -> Iterator[ItemId]:
    """What waits in a campaign, going round the authors: whoever submits much stands behind himself, and
    in nobody else's way."""
    first_tickets = {author: ticket for (_, author), ticket in state.queues.scan(campaign.id)}
    order = sorted(first_tickets, key=lambda author: first_tickets[author])
    turns = deque(state.waiting.scan((campaign.id, author)) for author in order)
    while turns:
        queue = turns.popleft()
        for _, item_id in queue:
            yield item_id
            turns.append(queue)
            break


def compute_seal(state: State, campaign: Campaign, logged: Found = NOTHING_LOGGED) -> Found:
    """Takes what waits and sets duplicates aside: the first submitter keeps the credit. So a round with
    copies is the smaller for them, and a seal has something to look at, however many there are. Of the rest
    it flags what is likely to be a copy.

    An item that was erased cannot be compared any more; it is taken from `logged`, the duplicates and flags
    that the log holds, which everybody checked who was there.
    """
    duplicates: dict[ItemId, ItemId] = {}
    search = _Search(state, campaign, duplicates)
    flags = Flags(state, campaign, logged.flags, search.is_original)
    fresh: list[ItemId] = []
    # Earlier ones first, whoever's turn it was: a copy of what is itself a copy is none of it.
    for item_id in _next_in_log_order(state, campaign):
        if is_known(state, state.items[item_id]):
            fresh.append(item_id)
            continue
        original = logged.duplicates.get(item_id)
        if not _is_plausible(state, item_id, original, duplicates):
            original = search.original_of(item_id)
        if original is None:
            fresh.append(item_id)
            flags.look(item_id)
        else:
            duplicates[item_id] = original
    return Found(tuple(fresh), duplicates, flags.found)


def _next_in_log_order(state: State, campaign: Campaign) -> list[ItemId]:
    """What a seal looks at: as many as a round may have."""
    looked_at = islice(next_items(state, campaign), campaign.rounds.items_max)
    return sorted(looked_at, key=lambda item_id: state.items[item_id].place)


def _is_plausible(
    state: State,
    item_id: ItemId,
    original_id: ItemId | None,
    duplicates: Container[ItemId],
) -> bool:
    """Whether the log may say what an item is a copy of, since nobody can compare the two any more.

    Only in a replay, between the submission of an erased item and its withdrawal.
    """
    original = None if original_id is None else state.items.get(original_id)
    if original is None:
        return False
    item = state.items[item_id]
    return (
        (item.is_erased or original.is_erased)
        and original.campaign_id == item.campaign_id
        and original.place < item.place
        and stands(original)
        and original_id not in duplicates
    )


class _Search:
    """Looks for originals, in one seal. `duplicates` grows meanwhile.

    What is found for an item depends on it and on one other: the best of those that came before it, in a
    round or still waiting for theirs. So it is the same for whoever finds any of the others erased.
    """

    def __init__(self, state: State, campaign: Campaign, duplicates: Container[ItemId]) -> None:
        self._state = state
        self._copies = state.copies[campaign.id]
        self._duplicates = duplicates
        # Thousands of the same are looked through, and compared with the others, once.
        self._same: dict[Fingerprints, deque[ItemId]] = {}
        self._near: dict[Fingerprints, list[Match[ItemId]]] = {}

    def original_of(self, item_id: ItemId) -> ItemId | None:
        """The same content first, then the nearest, then the earliest; None for an original."""
        item = self._state.items[item_id]
        if item.is_erased:
            return None
        readings = self._copies.readings(item_id)
        same = [first for each in readings if (first := self._first(each, item)) is not None]
        if same:
            return min(same, key=lambda other: self._state.items[other].place)
        near = [
            (match.distance, self._state.items[match.key].place, match.key)
            for each in readings
            for match in self._matches(each)
            if self._precedes(match.key, item)
        ]
        return min(near)[2] if near else None

    def _first(self, reading: Fingerprints, item: Item) -> ItemId | None:
        if reading not in self._same:
            # By their places: one that was set aside and came back is the last in the index.
            found = sorted(self._copies.same(reading), key=lambda key: self._state.items[key].place)
            self._same[reading] = deque(found)
        same = self._same[reading]
        while same and not self.is_original(same[0]):
            same.popleft()
        return same[0] if same and self._precedes(same[0], item) else None

    def _matches(self, reading: Fingerprints) -> list[Match[ItemId]]:
        if reading not in self._near:
            self._near[reading] = self._copies.near(reading)
        return self._near[reading]

    def _precedes(self, other_id: ItemId, item: Item) -> bool:
        return self._state.items[other_id].place < item.place and self.is_original(other_id)

    def is_original(self, item_id: ItemId) -> bool:
        """Whether an item may have copies, as far as this seal has got."""
        item = self._state.items[item_id]
        return (
            item_id not in self._duplicates and stands(item) and not is_pending(self._state, item)
        )


def seal_leaves(found: Found, gold_hashes: Sequence[bytes]) -> list[Message]:
    """The leaves of the record that seals a round."""
    copies = [
        pb.Duplicate(item_id=copy, duplicate_of=original)
        for copy, original in found.duplicates.items()
    ]
    likely = [
        pb.Resemblance(item_id=item_id, original=flag.original, distance=flag.distance)
        for item_id, flag in found.flags.items()
    ]
    return [*copies, *likely, *(pb.GoldHash(hash=each) for each in gold_hashes)]


def split_leaves(leaves: Sequence[Message]) -> tuple[Found, list[bytes]]:
    """What the leaves of a seal say was found, without its items, and the gold hashes."""
    duplicates = {
        ItemId(leaf.item_id): ItemId(leaf.duplicate_of)
        for leaf in leaves
        if isinstance(leaf, pb.Duplicate)
    }
    flags = {
        ItemId(leaf.item_id): Flag(ItemId(leaf.original), leaf.distance)
        for leaf in leaves
        if isinstance(leaf, pb.Resemblance)
    }
    hashes = [leaf.hash for leaf in leaves if isinstance(leaf, pb.GoldHash)]
    return Found(duplicates=duplicates, flags=flags), hashes


def validate_seal(state: State, record: Record[pb.Seal]) -> None:
    """The next round of a campaign that is between two, with the items that everybody would take."""
    body = record.body
    campaign = campaign_of(state, body.campaign_id)
    round_ = state.round_of(campaign.id)
    next_phase(round_.phase, RoundEvent.SEAL)
    require(body.round == round_.number + 1, f"round {round_.number + 1} is the next")
    require_time(round_, body.time_ms)
    # Of one that is closed nothing waits but what was contested, which runs to its end.
    require(campaign.status is not CampaignStatus.PAUSED, f"campaign {campaign.id!r} is paused")
    require(state.queues.has(campaign.id), "nothing waits for review")
    if due := close_due(state, campaign):
        raise Reject(f"the epoch has to be closed first: {due}")
    require(
        _lines_to_come(state, campaign) <= EARNED_LINES_MAX,
        "the rounds of other campaigns fill what one close can pay",
        "seal this one when some of them have their verdict",
    )
    logged, hashes = split_leaves(record.leaves)
    found = compute_seal(state, campaign, logged)
    require(
        list(record.leaves) == seal_leaves(found, hashes),
        "the duplicates and flags do not follow from the fingerprints",
    )
    require(all(len(each) == HASH_BYTES for each in hashes), "a gold hash has 32 bytes")
    require(len(set(hashes)) == len(hashes), "a gold hash stands twice")
    require(len(hashes) <= len(found.items), "there is more gold than the round has items")


def require_time(round_: Round, time_ms: int) -> None:
    """Time is the operator's word, but it never runs backwards."""
    require(
        time_ms >= round_.since_ms,
        f"the record says {time_ms} ms, earlier than the campaign's last, {round_.since_ms}",
    )


def process_seal(state: State, record: Record[pb.Seal]) -> None:
    """Fixes the items, who may be drawn, and with all that the place of the coin, which nobody can
    foresee."""
    body = record.body
    campaign = state.campaigns[body.campaign_id]
    logged, hashes = split_leaves(record.leaves)
    looked_at = _next_in_log_order(state, campaign)
    dequeue(state, [state.items[item_id] for item_id in looked_at])
    for item_id, original in logged.duplicates.items():
        item = state.items[item_id]
        status = item.after(ItemEvent.MATCH)
        ended = ended_in(state, item)
        found = replace(item, status=status, duplicate_of=original, before=None, decided_in=ended)
        state.items.put(item_id, found)
        state.copies[campaign.id].set_aside(item_id)
        count(state, item, duplicates=1)
    fresh = tuple(item_id for item_id in looked_at if item_id not in logged.duplicates)
    _flag(state, fresh, logged.flags)
    for person, key in standing_by(state, campaign.id):
        state.candidates.put((campaign.id, person), key)
    nonce = state.coin_nonce
    state.awaited.put((nonce, campaign.id), body.round)
    state.rounds.put(
        campaign.id,
        Round(
            number=body.round,
            phase=RoundPhase.SEALED,
            since_ms=body.time_ms,
            items=fresh,
            gold_hashes=tuple(hashes),
            coin=nonce,
            place=round_place(state.network, campaign.id, body.round, record.digest, nonce),
            revision=campaign.revision,
        ),
    )


def _flag(state: State, items: Iterable[ItemId], flags: Mapping[ItemId, Flag]) -> None:
    """Fixes what reviewers of each item compare it with in this round, whatever becomes of that meanwhile."""
    for item_id in items:
        item = state.items[item_id]
        flag = flags.get(item_id)
        resembles = kept_original(state, item) if flag is None else flag.original
        if resembles != item.resembles:
            state.items.put(item_id, replace(item, resembles=resembles))


def count(state: State, item: Item, **by: int) -> None:
    """Adds to what the next close says of an author."""
    key = (item.author, item.campaign_id, item.revision)
    known = state.contributions.get(key, Contribution())
    changed = {name: getattr(known, name) + more for name, more in by.items()}
    state.contributions.put(key, replace(known, **changed))
