"""An author contests what an item was said to be to an earlier one: people who have not seen it decide.

A copy is contested, whether a fingerprint or a panel said so, and what earned a part only: a derivative, or
an item whose original its reviewers were not shown. Once for each item. It counts among the items that its
author may submit in an epoch, since it costs reviewers as much as one: what contests bring before people is
never more than new submissions could.

The panel decides all of it again, the answer too, and what the first one said counts no more. Until it has
decided, the item is kept as it was (`Item.before`): a contest that nobody decides, or that ends because the
item goes, has changed nothing.

No operator takes that right. A campaign that is paused takes contests, and one that is closed lets those that
wait run to their end, and takes others for a while.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from protocol.errors import Ignore, Reject
from protocol.lifecycle import CampaignStatus, ItemEvent, ItemStatus, RoundPhase
from protocol.limits import CONTEST_EPOCHS_AFTER_CLOSE, HASH_BYTES
from protocol.money.pools import item_weight
from protocol.rows import EARNS_A_PART, Campaign, Item, ItemId
from protocol.rules.admission import count_submitted, require_quota
from protocol.rules.intake import enqueue
from protocol.rules.record import Record, require, require_member
from protocol.state import State
from protos.gen import records_pb2 as pb

_UPHELD: Final = {ItemStatus.DUPLICATE: ItemEvent.MATCH, ItemStatus.ACCEPTED: ItemEvent.ACCEPT}


def can_be_contested(item: Item) -> bool:
    """Whether its author may still say that the item is something else to the one that it resembles."""
    in_part = item.status is ItemStatus.ACCEPTED and item.relation in EARNS_A_PART
    return not item.contested and (item.status is ItemStatus.DUPLICATE or in_part)


def contests_until(campaign: Campaign, item: Item) -> int:
    """The last epoch in which an item of a closed campaign is contested: counted from the close, or from a
    verdict that came later."""
    return max(campaign.closed_in, item.decided_in or 0) + CONTEST_EPOCHS_AFTER_CLOSE


def may_have_rounds(state: State, campaign: Campaign) -> bool:
    """Whether the campaign may still need reviewers: one that is closed does while something that was
    contested is under review or waits for it, and as long as more can be contested."""
    return (
        campaign.status is not CampaignStatus.CLOSED
        or state.round_of(campaign.id).phase is not RoundPhase.OPEN
        or state.queues.has(campaign.id)
        or state.epoch <= campaign.closed_in + CONTEST_EPOCHS_AFTER_CLOSE
    )


def validate_contest(state: State, record: Record[pb.Contest]) -> None:
    """One's own item, while it is set aside or earns a part, and never a second time."""
    require_member(state, record.author)
    item_id = record.body.item_id
    require(len(item_id) == HASH_BYTES, "the item's id is malformed")
    name, item = item_id.hex(), state.items.get(item_id)
    if item is None or item.author != record.author:
        raise Reject(f"{name} is not an item of this author", "only its author contests")
    if item.contested:
        raise Ignore(f"{name} was contested already", "an item is contested once")
    require(
        can_be_contested(item),
        f"{name} is neither set aside as a copy nor paid in part: it is {item.status.name.lower()}",
        "only that can be contested",
    )
    campaign = state.campaigns[item.campaign_id]
    until = contests_until(campaign, item)
    require(
        campaign.status is not CampaignStatus.CLOSED or state.epoch <= until,
        f"campaign {campaign.id!r} is closed, and took contests of this item until epoch {until}",
        "what was said of it stands",
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
        # But for what its author may take back meanwhile, of which nothing may stay anywhere.
        before=replace(item, description=None, taken_back=()),
        resembles=item.duplicate_of or item.resembles,
        duplicate_of=b"",
        relation=pb.RELATION_NONE,
        heard=len(item.answered_by),
        draws=0,
        answer=None,
        confidence_ppm=0,
        belief_ppm=(),
        programs=0,
        decided_in=None,
        ticket=state.tickets,
    )
    state.tickets += 1
    state.items.put(item_id, contested)
    state.gold.remove((item.campaign_id, item_id))  # everybody knows the answer: it measures nobody
    if item.status is ItemStatus.ACCEPTED:
        state.accepted.remove((item.campaign_id, item.place))
    else:
        state.copies[item.campaign_id].restore(item_id)
    count_submitted(state, item.author, 1)
    enqueue(state, item_id, contested)


def uphold(state: State, item_id: ItemId) -> None:
    """Ends a contest that no panel has decided, of an item that does not wait any more: it is what it was,
    but for what happened to it meanwhile. Answers that were given in it are paid with the next close."""
    item = state.items[item_id]
    if item.before is None:
        return
    before = item.before
    upheld = replace(
        before,
        status=item.after(_UPHELD[before.status]),
        contested=True,
        description=item.description,
        taken_back=item.taken_back,
        kept_back=item.kept_back,
        decided_in=state.epoch if before.decided_in is None else before.decided_in,
    )
    state.items.put(item_id, upheld)
    if upheld.status is ItemStatus.ACCEPTED:
        state.accepted.put((upheld.campaign_id, upheld.place), item_id)
    else:
        state.copies[upheld.campaign_id].set_aside(item_id)


def ended_in(state: State, item: Item) -> int | None:
    """The epoch in which an item that goes now was decided. Answers to one that was to be drawn again are
    paid with the next close, and forgotten."""
    return state.epoch if item.answered_by and item.decided_in is None else item.decided_in


def owe(state: State, item: Item) -> None:
    """What an item earned, at its own price, is repaid by its author's next ones in the campaign: it does not
    stand for that any more."""
    campaign = state.campaign_under(item.campaign_id, item.revision)
    worth = item_weight(campaign.price_ppm, campaign.worth_permille(item.relation))
    if worth:
        key = (item.author, item.campaign_id)
        state.repayable.put(key, state.repayable.get(key, 0) + worth)
