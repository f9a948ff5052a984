"""An author contests that an item is a copy: people who have not seen it say what it is.

Once for each item, whether a fingerprint or a panel called it a copy. It counts among the items that its
author may submit in an epoch, since it costs reviewers as much as one: what contests bring before people is
never more than new submissions could.
"""

from __future__ import annotations

from dataclasses import replace

from protocol.errors import Ignore, Reject
from protocol.lifecycle import CampaignStatus, ItemEvent, ItemStatus
from protocol.limits import HASH_BYTES
from protocol.rows import ItemId
from protocol.rules.admission import count_submitted, require_quota
from protocol.rules.intake import enqueue
from protocol.rules.record import Record, require, require_member, require_not_closed
from protocol.state import State
from protos.gen import records_pb2 as pb


def validate_contest(state: State, record: Record[pb.Contest]) -> None:
    """One's own item, while it is set aside as a copy, and never a second time."""
    require_member(state, record.author)
    item_id = record.body.item_id
    require(len(item_id) == HASH_BYTES, "the item's id is malformed")
    name, item = item_id.hex(), state.items.get(item_id)
    if item is None or item.author != record.author:
        raise Reject(f"{name} is not an item of this author", "only its author contests")
    if item.contested:
        raise Ignore(f"{name} was contested already", "an item is contested once")
    require(
        item.status is ItemStatus.DUPLICATE,
        f"{name} is not set aside as a copy: it is {item.status.name.lower()}",
        "only that can be contested",
    )
    campaign = state.campaigns[item.campaign_id]
    require_not_closed(campaign)
    require(
        campaign.status is not CampaignStatus.PAUSED,
        f"campaign {campaign.id!r} is paused",
        "`commonhold node campaigns` says when it goes on",
    )
    require_quota(state, record.author, 1)


def process_contest(state: State, record: Record[pb.Contest]) -> None:
    """The item waits for the next round, behind its author's others, and for a panel with nobody of the
    first. What was said of it up to now counts no more."""
    item_id = ItemId(record.body.item_id)
    item = state.items[item_id]
    contested = replace(
        item,
        status=item.after(ItemEvent.CONTEST),
        contested=True,
        resembles=item.duplicate_of,
        duplicate_of=b"",
        relation=pb.RELATION_NONE,
        heard=len(item.answered_by),
        draws=0,
        decided_in=None,
        ticket=state.tickets,
    )
    state.tickets += 1
    state.items.put(item_id, contested)
    state.gold.remove((item.campaign_id, item_id))  # everybody knows the answer: it measures nobody
    state.copies[item.campaign_id].restore(item_id)
    count_submitted(state, item.author, 1)
    enqueue(state, item_id, contested)
