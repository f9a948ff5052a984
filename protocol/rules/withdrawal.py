"""Consent withdrawn: what an author gave, the author may take back.

The log keeps the item's id, a salted hash that says nothing once content, salt and description are gone,
and what was decided about it. Every later snapshot leaves the item out, and every snapshot that holds it
can no longer be licensed or trained on.

A part that the campaign does not require can be taken back alone. The item still answers the campaign, with
its verdict and shares; of the part nothing stays but its name and the hash of its leaf.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from protocol.errors import Ignore, Reject
from protocol.lifecycle import ItemEvent, ItemStatus, next_status
from protocol.limits import WITHDRAWN_ITEMS_MAX
from protocol.rows import Item, ItemId
from protocol.rules.contesting import ended_in, owe, uphold
from protocol.rules.intake import dequeue
from protocol.rules.record import Record, require, require_member
from protocol.state import ITSELF, State
from protos.gen import records_pb2 as pb


def validate_withdraw(state: State, record: Record[pb.Withdraw]) -> None:
    """One's own items, or a part of each: each once, and none that reviewers are at work on."""
    require_member(state, record.author)
    wanted = record.body.item_ids
    require(
        0 < len(wanted) <= WITHDRAWN_ITEMS_MAX, f"one withdraws 1 to {WITHDRAWN_ITEMS_MAX} items"
    )
    require(len(set(wanted)) == len(wanted), "an item is withdrawn twice")
    part = record.body.part
    for item_id in wanted:
        item = state.items.get(item_id)
        if item is None or item.author != record.author:
            raise Reject(f"{item_id.hex()} is not an item of this author")
        if item.status is ItemStatus.WITHDRAWN:
            raise Ignore(f"{item_id.hex()} was withdrawn already")
        require_not_in_review(state, item_id, "withdraw it")
        if part == ITSELF:
            next_status(item.status, ItemEvent.WITHDRAW)
        else:
            _check_part(state, item_id, item, part)


def _check_part(state: State, item_id: ItemId, item: Item, name: str) -> None:
    """The part can go without its item, and is there: an erased one, as far as anybody can tell."""
    terms = next(
        (each for each in state.campaigns[item.campaign_id].parts if each.name == name), None
    )
    if terms is None:
        raise Reject(f"items of {item.campaign_id} have no part {name!r}")
    require(
        terms.optional,
        f"{item.campaign_id} requires the part {name!r} of every item",
        "withdraw the item",
    )
    if name in item.taken_back:
        raise Ignore(f"the part {name!r} of {item_id.hex()} was withdrawn already")
    require(
        (item_id, name) in state.unexplained
        or item.description is None
        or any(part.name == name for part in item.description.parts),
        f"{item_id.hex()} has no part {name!r}",
    )


def in_review(state: State, item_id: ItemId, item: Item) -> bool:
    """Whether the item is in a round: its verdict is to come."""
    return item.decided_in is None and (
        item.status in (ItemStatus.DRAWN, ItemStatus.COMMITTED, ItemStatus.REVEALED)
        or item_id in state.round_of(item.campaign_id).items
    )


def require_not_in_review(state: State, item_id: ItemId, what: str) -> None:
    """Raises Reject that says when to do `what` instead. Whoever was drawn has to find what was sealed."""
    item = state.items[item_id]
    round_ = state.round_of(item.campaign_id)
    require(
        not in_review(state, item_id, item),
        f"{item_id.hex()} is being reviewed",
        f"{what} after round {round_.number} of {item.campaign_id}",
    )


def process_withdraw(state: State, record: Record[pb.Withdraw]) -> None:
    """Forgets the descriptions. Verdicts and shares stay, or are repaid, as the campaign says; where an item
    loses a part only, they stay."""
    for item_id in record.body.item_ids:
        if state.items[item_id].status is not ItemStatus.TAKEN_DOWN:
            spoil_snapshots(state, state.items[item_id])
    if record.body.part == ITSELF:
        _take_items(state, record)
    else:
        _take_parts(state, record)


def _take_parts(state: State, record: Record[pb.Withdraw]) -> None:
    name = record.body.part
    for item_id in record.body.item_ids:
        item = state.items[item_id]
        left = None if item.description is None else item.description.without(name)
        state.items.put(
            item_id, replace(item, description=left, taken_back=(*item.taken_back, name))
        )
        state.unexplained.remove((item_id, name))


def _take_items(state: State, record: Record[pb.Withdraw]) -> None:
    leave_review(state, record.body.item_ids)
    for item_id in record.body.item_ids:
        item = state.items[item_id]
        campaign = state.campaigns[item.campaign_id]
        # What was taken down is still paid for: its author gives it back like any other.
        if item.earned and campaign.withdrawal == pb.WITHDRAWAL_REPAYS:
            owe(state, item)
        ended, withdrawn = ended_in(state, item), item.after(ItemEvent.WITHDRAW)
        state.items.put(
            item_id, replace(item, status=withdrawn, description=None, decided_in=ended)
        )
        state.copies[campaign.id].remove(item_id)
        state.unexplained.clear(item_id)


def spoil_snapshots(state: State, item: Item, *, withdrawn: int = 1, refused: int = 0) -> None:
    """Those that hold the item lose it, or a part of it, and so does every model that they made."""
    for digest in item.snapshots:
        snapshot = state.snapshots[digest]
        lost = replace(
            snapshot,
            withdrawn=snapshot.withdrawn + withdrawn,
            refused=snapshot.refused + refused,
            spoilt_in=snapshot.spoilt_in or state.epoch,
        )
        state.snapshots.put(digest, lost)


def leave_review(state: State, item_ids: Iterable[ItemId]) -> None:
    """The items wait for no round any more, and for no snapshot. What was contested is what it was."""
    named = list(item_ids)
    dequeue(state, [state.items[item_id] for item_id in named if state.items[item_id].waits])
    for item_id in named:
        uphold(state, item_id)
        item = state.items[item_id]
        if item.status is ItemStatus.ACCEPTED:
            state.accepted.remove((item.campaign_id, item.place))
