"""Sealing a round: which items it has, and which of those that waited are copies of earlier ones.

The seal is written down, not only computed: a fingerprint may be erased later, since its author withdrew
the item, and a replay must still come to the same round. It also commits to the gold of the round, before
anybody knows who reviews what, so that no gold can be invented afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from protocol.errors import Reject
from protocol.lifecycle import ItemEvent, ItemStatus, RoundEvent, RoundPhase, next_phase
from protocol.limits import EARNED_LINES_MAX, HASH_BYTES, UNPAID_ANSWERS_MAX
from protocol.rows import Campaign, Contribution, Item, ItemId, Round
from protocol.rules.intake import dequeue
from protocol.rules.record import Record, campaign_of, require
from protocol.state import State
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb

# Items that one seal looks at: copies by the thousand must not make a record that no log can hold.
_LOOKED_AT_FACTOR = 2


@dataclass(frozen=True, slots=True)
class Found:
    """The items of a round, and what was found to be a copy of what; both in log order."""

    items: tuple[ItemId, ...]
    duplicates: Mapping[ItemId, ItemId]  # copy -> original


def close_due(state: State, campaign: Campaign) -> str:
    """Why the epoch must be closed before the campaign's next round; empty if it need not.

    What is decided waits for its pay at the close, and one close, like one inference, has its limits.
    """
    most = campaign.rounds.items_max * campaign.reviewers_per_item
    if state.answers.count(campaign.id) + most > max(UNPAID_ANSWERS_MAX, most):
        return f"{state.answers.count(campaign.id)} answers of {campaign.id} wait for their pay"
    question = question_of(campaign)
    if state.reviewed.count(campaign.id) > question.kind.reviewers_max(question.spec) // 2:
        return f"{state.reviewed.count(campaign.id)} reviewers of {campaign.id} wait for their pay"
    lines = len(state.contributions) + len(state.reviewed) + len(state.trained)
    coming = min(campaign.rounds.items_max, state.queues.count(campaign.id))
    if lines and lines + coming + state.standbys.count(campaign.id) > EARNED_LINES_MAX:
        return f"{lines} people and campaigns wait for their pay"
    return ""


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


def compute_seal(
    state: State, campaign: Campaign, logged: Mapping[ItemId, ItemId] | None = None
) -> Found:
    """Takes what waits and sets duplicates aside: the first submitter keeps the credit.

    An item that was erased cannot be compared any more; it is taken from `logged`, the duplicates that the
    log holds, which everybody checked who was there.
    """
    logged = {} if logged is None else logged
    fresh: list[ItemId] = []
    duplicates: dict[ItemId, ItemId] = {}
    for looked_at, item_id in enumerate(next_items(state, campaign)):
        full = len(fresh) == campaign.rounds.items_max
        if full or looked_at == _LOOKED_AT_FACTOR * campaign.rounds.items_max:
            break
        original = logged.get(item_id)
        if not _is_plausible(state, item_id, original):
            original = _original_of(state, item_id, duplicates)
        if original is None:
            fresh.append(item_id)
        else:
            duplicates[item_id] = original
    return Found(
        tuple(sorted(fresh, key=lambda item_id: state.items[item_id].place)),
        {copy: duplicates[copy] for copy in sorted(duplicates, key=lambda i: state.items[i].place)},
    )


def _is_plausible(state: State, item_id: ItemId, original_id: ItemId | None) -> bool:
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
        and _stands(original)
    )


def _stands(item: Item) -> bool:
    """Whether a copy of the item can be found: it is an original, and its content what it says."""
    return item.status not in (ItemStatus.DUPLICATE, ItemStatus.WITHDRAWN) and (
        item.refusal != pb.REFUSAL_MISMATCH
    )


def _original_of(state: State, item_id: ItemId, duplicates: Container[ItemId]) -> ItemId | None:
    """The nearest of the items that came before it, in a round or still waiting for theirs: the same
    content first, then the earliest."""
    item = state.items[item_id]
    if item.is_erased or item.draws:  # undecided: it was found to be an original before
        return None
    best: tuple[int, tuple[int, int], ItemId] | None = None
    for match in state.copies[item.campaign_id].near(item_id):
        other = state.items[match.key]
        if other.place < item.place and _stands(other) and match.key not in duplicates:
            candidate = (match.distance, other.place, match.key)
            best = candidate if best is None else min(best, candidate)
    return None if best is None else best[2]


def seal_leaves(found: Found, gold_hashes: Sequence[bytes]) -> list[Message]:
    """The leaves of the record that seals a round."""
    copies = [
        pb.Duplicate(item_id=copy, duplicate_of=original)
        for copy, original in found.duplicates.items()
    ]
    return [*copies, *(pb.GoldHash(hash=each) for each in gold_hashes)]


def split_leaves(leaves: Sequence[Message]) -> tuple[dict[ItemId, ItemId], list[bytes]]:
    """Copy -> original, and the gold hashes, from the leaves of a seal."""
    duplicates = {
        ItemId(leaf.item_id): ItemId(leaf.duplicate_of)
        for leaf in leaves
        if isinstance(leaf, pb.Duplicate)
    }
    return duplicates, [leaf.hash for leaf in leaves if isinstance(leaf, pb.GoldHash)]


def validate_seal(state: State, record: Record[pb.Seal]) -> None:
    """The next round of a campaign that is between two, with the items that everybody would take."""
    body = record.body
    campaign = campaign_of(state, body.campaign_id)
    round_ = state.round_of(campaign.id)
    next_phase(round_.phase, RoundEvent.SEAL)
    require(body.round == round_.number + 1, f"round {round_.number + 1} is the next")
    require_time(round_, body.time_ms)
    require(not campaign.paused, f"campaign {campaign.id!r} is paused")
    require(state.queues.has(campaign.id), "nothing waits for review")
    if due := close_due(state, campaign):
        raise Reject(f"the epoch has to be closed first: {due}")
    duplicates, hashes = split_leaves(record.leaves)
    found = compute_seal(state, campaign, duplicates)
    require(
        list(record.leaves) == seal_leaves(found, hashes),
        "the duplicates do not follow from the fingerprints",
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
    """Fixes the items, and who may be drawn: those who stood by before anybody knew the items."""
    body = record.body
    campaign = state.campaigns[body.campaign_id]
    duplicates, hashes = split_leaves(record.leaves)
    found = compute_seal(state, campaign, duplicates)
    for item_id, original in found.duplicates.items():
        item = state.items[item_id]
        dequeue(state, item)
        status = item.after(ItemEvent.MATCH)
        state.items.put(item_id, replace(item, status=status, duplicate_of=original))
        state.copies[campaign.id].remove(item_id)
        count(state, item, duplicates=1)
    for item_id in found.items:
        dequeue(state, state.items[item_id])
    for (_, person), commitment in list(state.standbys.scan(campaign.id)):
        state.candidates.put((campaign.id, person), commitment)
    state.standbys.clear(campaign.id)
    state.rounds.put(
        campaign.id,
        Round(body.round, RoundPhase.SEALED, body.time_ms, found.items, b"", tuple(hashes)),
    )


def count(state: State, item: Item, **by: int) -> None:
    """Adds to what the next close says of an author."""
    key = (item.author, item.campaign_id)
    known = state.contributions.get(key, Contribution())
    changed = {name: getattr(known, name) + more for name, more in by.items()}
    state.contributions.put(key, replace(known, **changed))
