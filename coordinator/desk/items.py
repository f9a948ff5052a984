"""Items by state, and one item with what the log says of it and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from commonground.takedowns import takedown_words
from coordinator.dashboard.formats import REFUSALS
from coordinator.dashboard.paging import ROWS, Page, span
from coordinator.desk.content import Missing
from coordinator.desk.desk import Desk
from coordinator.desk.observations import Observed
from coordinator.overview import OUTCOMES
from protocol.errors import Reject
from protocol.identity import PersonId, name_of, short
from protocol.lifecycle import GONE, ItemStatus
from protocol.limits import HASH_BYTES
from protocol.log.strict import parse_leaf
from protocol.media import MEDIA, Shown
from protocol.rows import Campaign, Item, ItemId, Part
from protocol.state import State
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb

# Of an id, what tells one from 10^6 others; shorter ones would find half of the campaign.
PREFIX_CHARS_MIN: Final = 6
# Rounds after an item's submission that are searched for its answers; most are in the first.
ROUNDS_SEARCHED: Final = 64
# What a page shows of a text.
TEXT_CHARS_SHOWN: Final = 20_000
_IN_REVIEW: Final = frozenset(OUTCOMES["in review"])
_ORIGINS: Final[dict[int, str]] = {
    pb.ORIGIN_HUMAN: "by a person",
    pb.ORIGIN_SENSOR: "by a sensor",
    pb.ORIGIN_AGENT: "by a program that acts for its author",
    pb.ORIGIN_SYNTHETIC: "by a model",
}


@dataclass(frozen=True, slots=True)
class ItemLine:
    """An item in a list."""

    id: str
    author: str
    outcome: str
    decided: str  # the answer or the refusal, in words; empty before
    confidence_ppm: int


def item_line(campaign: Campaign, item_id: ItemId, item: Item) -> ItemLine:
    """An item in a line."""
    return ItemLine(
        item_id.hex(),
        short(item.author),
        outcome_of(item),
        _decided(campaign, item),
        item.confidence_ppm,
    )


def outcome_of(item: Item) -> str:
    """An item's state under the name that people read."""
    return next(name for name, statuses in OUTCOMES.items() if item.status in statuses)


def _decided(campaign: Campaign, item: Item) -> str:
    if item.refusal:
        return _refused(item.refusal)
    if item.answer is None:
        return ""
    question = question_of(campaign)
    return question.kind.words(question.spec, item.answer)


def _refused(reason: int) -> str:
    """Told apart from an answer: a label may be called as a reason is."""
    return f"refused: {REFUSALS[reason]}"


def item_page(
    desk: Desk, campaign_id: str, outcome: str, prefix: str, number: int
) -> Page[ItemLine]:
    """A page of a campaign's items, the latest first; those of one outcome, or whose id begins so.

    Raises Reject: there is no such outcome, id or page.
    """
    state, seen = desk.state, desk.seen.campaigns[campaign_id]
    if outcome and outcome not in OUTCOMES:
        raise Reject("items have no such state")
    if prefix:
        found = list(islice(_beginning(seen, prefix), ROWS))
        total, skip = len(found), 0
    else:
        counts = desk.operator.tally.of_campaign(campaign_id)
        total = sum(counts[status] for status in OUTCOMES.get(outcome, tuple(ItemStatus)))
        skip, take = span(number, total)
        found = list(islice(_of_outcome(state, seen, outcome), skip, skip + take))
    campaign = state.campaigns[campaign_id]
    lines = [item_line(campaign, item_id, state.items[item_id]) for item_id in found]
    return Page(1 if prefix else number, total, lines)


def _of_outcome(state: State, seen: Observed, outcome: str) -> Iterator[ItemId]:
    statuses = OUTCOMES.get(outcome)
    for item_id in reversed(seen.items):
        if statuses is None or state.items[item_id].status in statuses:
            yield item_id


def _beginning(seen: Observed, prefix: str) -> Iterator[ItemId]:
    text = prefix.strip().lower()
    if len(text) < PREFIX_CHARS_MIN or set(text) - set("0123456789abcdef"):
        raise Reject(
            "this is not the beginning of an item's id",
            f"write at least {PREFIX_CHARS_MIN} of its hexadecimal digits",
        )
    return (item_id for item_id in reversed(seen.items) if item_id.hex().startswith(text))


# ---- one item ----


@dataclass(frozen=True, slots=True)
class PartView:
    """A part, and what of it can be shown. `text`: where it is text and here."""

    name: str
    medium: str
    size: int
    shown: Shown
    text: str | None
    is_cut: bool
    missing: Missing | None


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """What one reviewer said, and the log entry that has it."""

    reviewer: str
    program: str  # what gave it in the reviewer's place, as the reviewer says
    said: str
    index: int


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item; empty strings and None where there is nothing to say."""

    line: ItemLine
    campaign: Campaign
    author: str
    parts: tuple[PartView, ...]
    proposal: str
    belief: str
    original: str  # of which it is a copy
    origin: str
    licence: str
    derived_from: tuple[str, ...]
    submitted: int  # log index
    answers: tuple[AnswerLine, ...]
    revision: int  # of the campaign's terms that it was submitted under
    gone: str  # why it was taken down
    can_go: bool  # it can be taken down now


def parse_item_id(text: str) -> ItemId:
    """The item of an address; raises Reject unless it is one."""
    try:
        item_id = bytes.fromhex(text)
    except ValueError:
        item_id = b""
    if len(item_id) != HASH_BYTES:
        raise Reject("an item's id has 64 hexadecimal digits")
    return item_id


def item_view(desk: Desk, item_id: ItemId) -> ItemView:
    """Everything about an item; begins to fetch what it holds. Raises Reject: there is none."""
    state = desk.state
    item = state.items.get(item_id)
    if item is None:
        raise Reject("the log has no such item")
    campaign = state.campaigns[item.campaign_id]
    question = question_of(campaign)
    described = item.description
    shown = described.parts if described is not None and item.status not in GONE else ()
    if shown and desk.is_served:
        desk.contents.ask(desk.operator, [item_id])
    return ItemView(
        line=item_line(campaign, item_id, item),
        campaign=campaign,
        author=name_of(item.author),
        parts=tuple(part_view(desk, item_id, part) for part in shown),
        proposal=question.kind.words(question.spec, item.proposal) if item.proposal else "",
        belief=question.kind.explain(question.spec, item.belief_ppm) if item.belief_ppm else "",
        original=item.duplicate_of.hex(),
        origin=_ORIGINS.get(described.origin, "") if described else "",
        licence=described.licence if described else "",
        derived_from=tuple(each.hex() for each in described.derived_from) if described else (),
        submitted=item.submitted_at,
        answers=tuple(_answers(desk, campaign, item_id, item)),
        revision=item.revision,
        gone=takedown_words(item.takedown.reason, item.takedown.words) if item.takedown else "",
        can_go=item.status not in GONE | _IN_REVIEW,
    )


def part_view(desk: Desk, item_id: ItemId, part: Part) -> PartView:
    """A part as it can be shown now."""
    medium = MEDIA[part.media_type]
    content = desk.contents.read(item_id, part)
    text = None
    if isinstance(content, bytes) and medium.is_text:
        text = content.decode("utf-8", errors="replace")
    return PartView(
        name=part.name,
        medium=medium.words,
        size=part.size,
        shown=medium.shown,
        text=None if text is None else text[:TEXT_CHARS_SHOWN],
        is_cut=text is not None and len(text) > TEXT_CHARS_SHOWN,
        missing=content if isinstance(content, Missing) else None,
    )


def _answers(desk: Desk, campaign: Campaign, item_id: ItemId, item: Item) -> Iterator[AnswerLine]:
    """What its reviewers said, from the entries in which they opened it; only of rounds that are decided."""
    left, question = len(item.answered_by), question_of(campaign)
    rounds = (
        each for each in desk.seen.campaigns[campaign.id].rounds if each.verdict > item.submitted_at
    )
    for each in islice(rounds, ROUNDS_SEARCHED):
        for index in each.reveals:
            if not left:
                return
            for leaf in desk.operator.leaves(index):
                answer = parse_leaf(pb.Answer, leaf)
                if answer.item_id == item_id:
                    said = (
                        question.kind.words(question.spec, answer.answer)
                        if answer.answer
                        else _refused(answer.refusal)
                    )
                    yield AnswerLine(short(PersonId(answer.reviewer)), answer.program, said, index)
                    left -= 1
