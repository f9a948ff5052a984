"""What I gave, and what was said of it: each item with the reason, and the entry that proves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from node.intake import PNG
from node.page.own import Answers, Standing, standing_of
from node.page.sources import Replay, Sources
from node.page.words import certainty, plural
from protocol.lifecycle import EpochPhase, ItemStatus
from protocol.limits import ITEM_DRAWS_MAX
from protocol.state import ItemId, ItemState, State
from protos.gen import records_pb2 as pb

PAGE_ITEMS: Final = 50

_SAID: Final[dict[ItemStatus, str]] = {
    ItemStatus.SUBMITTED: "It waits for review, which begins when the operator ends the submissions"
    " of this epoch.",
    ItemStatus.DRAWN: "Reviewers were drawn for it. They fetch it from this machine: leave the node"
    " running.",
    ItemStatus.COMMITTED: "The reviewers have sealed their answers; they are opened next.",
    ItemStatus.REVEALED: "The answers are open; the verdict is being worked out.",
    ItemStatus.WITHDRAWN: "You took it back. Its content and description are deleted; the log keeps"
    " its number.",
}
# Items in these states may be sealed by the present epoch without having been drawn in it.
_UNDRAWN: Final = (ItemStatus.SUBMITTED, ItemStatus.UNDECIDED, ItemStatus.DUPLICATE)
STANDING_WORDS: Final[dict[Standing, str]] = {
    Standing.WAITING: "Waiting",
    Standing.ACCEPTED: "Accepted",
    Standing.REJECTED: "Not accepted",
    Standing.UNDECIDED: "Undecided",
    Standing.COPY: "Set aside as a copy",
    Standing.WITHDRAWN: "Withdrawn",
}


@dataclass(frozen=True, slots=True)
class Original:
    """The earlier item that a copy resembles."""

    id: str
    is_mine: bool
    entry: int


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item, in words."""

    id: str
    name: str  # of the file; empty once it is forgotten
    campaign: str
    label: str  # what I proposed; empty once it is forgotten
    standing: Standing
    why: str
    answers: str  # of the reviewers, counted; empty before there are any
    submitted: int  # log entry
    entry: int | None  # the log entry that says so
    original: Original | None
    has_picture: bool
    withdraw: str  # the command, or when it can be given
    can_withdraw: bool
    repays: bool  # accepted items that are withdrawn make as many later ones earn nothing


@dataclass(frozen=True, slots=True)
class ItemsView:
    """One page of items."""

    shown: tuple[ItemView, ...]
    counts: dict[Standing, int]
    standing: Standing | None  # that is shown; None = all
    page: int  # from 1
    pages: int
    total: int  # in this state
    queued: int  # wait on this machine to be sent
    refused: int


def view_items(
    sources: Sources, replay: Replay, standing: Standing | None = None, page: int = 1
) -> ItemsView:
    """The items of one state, or all, newest first; a page past the last is the last."""
    counts = replay.own.counts()
    total = sum(counts.values()) if standing is None else counts[standing]
    pages = max(1, -(-total // PAGE_ITEMS))
    page = min(max(1, page), pages)
    chosen = replay.own.items(standing, (page - 1) * PAGE_ITEMS, PAGE_ITEMS)
    stored = sources.store.item_counts()
    return ItemsView(
        shown=tuple(describe(sources, replay, chosen)),
        counts=counts,
        standing=standing,
        page=page,
        pages=pages,
        total=total,
        queued=stored.get("queued", 0),
        refused=stored.get("refused", 0),
    )


def describe(sources: Sources, replay: Replay, chosen: Sequence[ItemId]) -> list[ItemView]:
    """These items in words."""
    state = replay.follower.state
    in_review = _in_review(state, chosen)
    return [_describe(sources, replay, item_id, item_id in in_review) for item_id in chosen]


def _in_review(state: State, chosen: Sequence[ItemId]) -> set[ItemId]:
    """Those of the chosen that the present epoch has sealed; they cannot be withdrawn before its close."""
    if state.epoch.phase is EpochPhase.SUBMITTING:
        return set()
    epoch = state.epoch
    drawn = {i for i in chosen if i in epoch.items}
    undrawn = {i for i in chosen if i not in drawn and state.items[i].status in _UNDRAWN}
    if not undrawn:
        return drawn  # as in most epochs: without a walk over all that is sealed
    return drawn | {i for i in chain(epoch.round.items, epoch.duplicates) if i in undrawn}


def _describe(sources: Sources, replay: Replay, item_id: ItemId, in_review: bool) -> ItemView:
    state, own = replay.follower.state, replay.own
    item = state.items[item_id]
    labels = state.campaigns[item.campaign_id].labels
    standing = standing_of(item)
    row = None if standing is Standing.WITHDRAWN else sources.store.item(item_id)
    label = item.proposed_label if row is None else row.label
    forgotten = standing is Standing.WITHDRAWN or label is None
    has_picture = (
        row is not None and row.media_type == PNG and sources.blobs.find(row.commitment) is not None
    )
    return ItemView(
        id=item_id.hex(),
        name="" if row is None else row.name,
        campaign=item.campaign_id,
        label="" if forgotten or label is None else labels[label],
        standing=standing,
        why=_why(state, item, labels),
        answers=_count(own.answers_to(item_id), labels, item),
        submitted=item.submitted_at,
        entry=own.entry_of(item_id),
        original=_original(state, item),
        has_picture=has_picture,
        withdraw=_withdraw(sources, state, item_id, in_review),
        can_withdraw=standing is not Standing.WITHDRAWN and not in_review,
        repays=state.campaigns[item.campaign_id].withdrawal == pb.WITHDRAWAL_REPAYS,
    )


def _why(state: State, item: ItemState, labels: Sequence[str]) -> str:
    match item.status:
        case ItemStatus.ACCEPTED | ItemStatus.REJECTED:
            return _verdict(item, labels)
        case ItemStatus.UNDECIDED:
            drawn = plural(item.draws, "draw")
            goes_on = "it goes to others" if item.draws < ITEM_DRAWS_MAX else "it stays open"
            return f"The reviewers could not settle it in {drawn}; {goes_on}."
        case ItemStatus.DUPLICATE:
            whose = "you" if _is_own(state, item) else "somebody else"
            return f"It is the same, or nearly, as an item that {whose} submitted earlier."
        case _:
            return _SAID[item.status]


def _verdict(item: ItemState, labels: Sequence[str]) -> str:
    if item.label is None or item.proposed_label is None:
        return "What the reviewers received is not what its record describes."
    said, read = labels[item.proposed_label], labels[item.label]
    sure = certainty(item.posterior_ppm)
    if item.status is ItemStatus.ACCEPTED:
        return f"The reviewers read “{read}”, as you did: {sure}."
    return f"You said “{said}”; the reviewers read “{read}”: {sure}."


def _is_own(state: State, item: ItemState) -> bool:
    return state.items[item.duplicate_of].author == item.author


def _original(state: State, item: ItemState) -> Original | None:
    if item.status is not ItemStatus.DUPLICATE:
        return None
    earlier = state.items[item.duplicate_of]
    return Original(item.duplicate_of.hex(), _is_own(state, item), earlier.submitted_at)


def _count(answers: Answers, labels: Sequence[str], item: ItemState) -> str:
    """“3 reviewers: 2 said 7, 1 could not say”."""
    if not answers:
        return plural(len(item.answered_by), "reviewer") if item.answered_by else ""
    parts = [
        f"{count} said “{labels[label]}”"
        for label, count in answers.most_common()
        if label is not None
    ]
    if answers[None]:
        parts.append(f"{answers[None]} could not say")
    return f"{plural(answers.total(), 'reviewer')}: {', '.join(parts)}"


def _withdraw(sources: Sources, state: State, item_id: ItemId, in_review: bool) -> str:
    if in_review:
        return (
            f"It is being reviewed; you can withdraw it when epoch {state.epoch.number} has closed."
        )
    return f"commonhold node withdraw {item_id.hex()}{sources.arguments}"


def latest(sources: Sources, replay: Replay, count: int) -> list[ItemView]:
    """The newest items, for a first look."""
    return describe(sources, replay, replay.own.items(None, 0, count))
