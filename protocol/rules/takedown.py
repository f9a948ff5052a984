"""Takedown: the operator takes an item out that must not be shown, and says why.

What goes is the content: nobody serves, keeps, shows, exports or trains on it from now on. All else stays:

- The description and its commitments, so that an operator cannot hide what was taken out. Its author alone
  may have them erased, by withdrawing the item.
- The fingerprint: a copy of what was taken down is found to be one.
- The verdict, and what author and reviewers earned. Reviewers decided that it is worth its price; an operator
  who could take it back would be a panel of one.

The log is for ever, and a wrong takedown is one that everybody can read.
"""

from __future__ import annotations

from dataclasses import replace

from protocol.errors import Ignore, Reject
from protocol.lifecycle import ItemEvent, ItemStatus, next_status
from protocol.limits import TAKEDOWN_CHARS_MAX
from protocol.rows import ItemId, Takedown
from protocol.rules.contesting import ended_in
from protocol.rules.record import Record, require
from protocol.rules.withdrawal import (
    leave_review,
    require_not_in_review,
    spoil_snapshots,
)
from protocol.state import State
from protocol.text import check_text
from protos.gen import records_pb2 as pb


def validate_takedown(state: State, record: Record[pb.Takedown]) -> None:
    """An item that is there, with a reason and a word to its author; none that reviewers are at work on."""
    body = record.body
    item = state.items.get(ItemId(body.item_id))
    if item is None:
        raise Reject(
            f"the log holds no item {body.item_id.hex()}", "write all of its 64 hexadecimal digits"
        )
    require(
        body.reason in pb.TakedownReason.values() and body.reason > 0,
        "the takedown does not say which kind of reason it has",
        "say that it is for rights, personal data, the law, harm, a defect, or another one",
    )
    check_text(body.words, "why it is taken down", TAKEDOWN_CHARS_MAX)
    if item.status is ItemStatus.TAKEN_DOWN:
        raise Ignore(f"{body.item_id.hex()} was taken down already", "nothing is to be done")
    if item.status is ItemStatus.WITHDRAWN:
        raise Ignore(f"{body.item_id.hex()} was withdrawn by its author", "nothing is left of it")
    require_not_in_review(state, ItemId(body.item_id), "take it down")
    next_status(item.status, ItemEvent.TAKE_DOWN)


def process_takedown(state: State, record: Record[pb.Takedown]) -> None:
    """No later snapshot has it, and none that has it may be licensed or trained on any more."""
    item_id = ItemId(record.body.item_id)
    spoil_snapshots(state, state.items[item_id])
    leave_review(state, [item_id])
    item = state.items[item_id]
    ended = ended_in(state, item)
    why = Takedown(record.body.reason, record.body.words, item.status, record.index)
    status = item.after(ItemEvent.TAKE_DOWN)
    state.items.put(item_id, replace(item, status=status, takedown=why, decided_in=ended))
