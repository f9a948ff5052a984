"""Consent withdrawn: what an author gave, the author may take back.

The log keeps the item's id, a salted hash that says nothing once content, salt and description are gone,
and what was decided about it. Every later snapshot leaves the item out, and every snapshot that holds it
can no longer be licensed or trained on.
"""

from __future__ import annotations

from protocol.errors import Ignore, Reject
from protocol.lifecycle import ItemEvent, ItemStatus, next_status
from protocol.limits import WITHDRAWN_ITEMS_MAX
from protocol.rules.record import Record, require, require_member
from protocol.state import ItemId, State
from protos.gen import records_pb2 as pb


def validate_withdraw(state: State, record: Record[pb.Withdraw]) -> None:
    """One's own items, each once, and none that reviewers are at work on."""
    require_member(state, record.author)
    wanted = record.body.item_ids
    require(
        0 < len(wanted) <= WITHDRAWN_ITEMS_MAX, f"one withdraws 1 to {WITHDRAWN_ITEMS_MAX} items"
    )
    require(len(set(wanted)) == len(wanted), "an item is withdrawn twice")
    reviewed = in_review(state)
    for item_id in wanted:
        item = state.items.get(item_id)
        if item is None or item.author != record.author:
            raise Reject(f"{item_id.hex()} is not an item of this author")
        if item.status is ItemStatus.WITHDRAWN:
            raise Ignore(f"{item_id.hex()} was withdrawn already")
        require(
            item_id not in reviewed,
            f"{item_id.hex()} is being reviewed; withdraw it when epoch {state.epoch.number} has closed",
        )
        next_status(item.status, ItemEvent.WITHDRAW)


def in_review(state: State) -> set[ItemId]:
    """What the present epoch has sealed: its close counts each of these items by its status."""
    return {*state.epoch.items, *state.epoch.duplicates, *state.epoch.round.items}


def process_withdraw(state: State, record: Record[pb.Withdraw]) -> None:
    """Forgets the descriptions. Verdicts and shares stay, or are repaid, as the campaign says."""
    withdrawn = set(record.body.item_ids)
    for item_id in record.body.item_ids:
        item = state.items[item_id]
        campaign = state.campaigns[item.campaign_id]
        accepted = item.status is ItemStatus.ACCEPTED
        if accepted and campaign.withdrawal == pb.WITHDRAWAL_REPAYS:
            state.repayable[item.author, item.campaign_id] += 1
        item.step(ItemEvent.WITHDRAW)
        item.leaf = b""
        state.indexes[item.campaign_id].remove(item_id)
        for digest in item.snapshots:
            state.snapshots[digest].withdrawn += 1
    state.unexplained -= withdrawn
    state.pending = [item_id for item_id in state.pending if item_id not in withdrawn]
