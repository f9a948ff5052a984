"""What I gave, and what was said of it: each item with the reason, and the entry that proves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from commonground.counting import plural
from commonground.takedowns import takedown_words
from node.page.own import Answers, Standing, standing_of
from node.page.sources import Replay, Sources
from node.page.words import certainty, quote, told
from node.quota import may_submit
from node.rows import ItemRow, PartRow
from node.statement import REFUSALS, RELATIONS, contested_words, few_may_review
from node.withdrawal import parts_alone
from protocol.lifecycle import GONE, CampaignStatus, ItemStatus
from protocol.media import MEDIA, Shown
from protocol.rows import Campaign, GivenAnswer, Item, ItemId
from protocol.rules.contesting import can_be_contested
from protocol.rules.withdrawal import in_review
from protocol.state import State
from protocol.tasks.question import Question, question_of
from protos.gen import records_pb2 as pb

PAGE_ITEMS: Final = 50

_SAID: Final[Mapping[ItemStatus, str]] = {
    ItemStatus.UNDECIDED: "The operator closed the campaign before anybody reviewed it.",
    ItemStatus.DRAWN: "Reviewers were drawn for it. They fetch it from this machine: leave the node"
    " running.",
    ItemStatus.COMMITTED: "The reviewers have sealed their answers; they are opened next.",
    ItemStatus.REVEALED: "The answers are open; the verdict is being worked out.",
    ItemStatus.WITHDRAWN: "You took it back. Its content and description are deleted; the log keeps"
    " its number.",
}
STANDING_WORDS: Final[Mapping[Standing, str]] = {
    Standing.WAITING: "Waiting",
    Standing.ACCEPTED: "Accepted",
    Standing.REJECTED: "Not accepted",
    Standing.UNDECIDED: "Undecided",
    Standing.COPY: "Set aside as a copy",
    Standing.TAKEN_DOWN: "Taken down",
    Standing.WITHDRAWN: "Withdrawn",
}


@dataclass(frozen=True, slots=True)
class Original:
    """The earlier item that a copy resembles."""

    id: str
    is_mine: bool
    entry: int


@dataclass(frozen=True, slots=True)
class PartView:
    """One part of an item, as it is on this disk."""

    name: str
    file: str  # empty for a text that a table held
    medium: str  # "a PNG picture"
    shown: Shown
    size: int  # bytes
    source: str  # who or what made it, as I said
    is_here: bool


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item, in words."""

    id: str
    name: str  # of the file; empty once it is forgotten
    campaign: str
    asked: str  # the question
    proposal: str  # what I proposed, in words; empty without one, and once it is forgotten
    decided: str  # what reviewers say it is, in words; empty before
    belief: str  # how probable each answer is, in words; empty before
    standing: Standing
    why: str
    answers: str  # of the reviewers, counted; empty before there are any
    submitted: int  # log entry
    entry: int | None  # the log entry that says so
    original: Original | None
    parts: tuple[PartView, ...]  # empty once they are forgotten
    withdraw: str  # the command, or when it can be given
    can_withdraw: bool
    terms: (
        int | None
    )  # log entry of the campaign's terms that it goes by; None while it has no others
    repays: bool  # accepted items that are withdrawn make as many later ones earn nothing
    taken_back: tuple[str, ...]  # parts that I withdrew alone
    part_commands: tuple[str, ...]  # that withdraw each of the parts which can go alone
    contest: str  # the command that says that it is something else; empty where there is nothing to contest

    @property
    def picture(self) -> str:
        """The name of its first part that is a picture and here; empty if none is."""
        pictures = (p.name for p in self.parts if p.shown is Shown.PICTURE and p.is_here)
        return next(pictures, "")


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
    may_submit: int | None  # more of them, in this epoch; None before the log is read


def view_items(
    sources: Sources, replay: Replay, standing: Standing | None = None, page: int = 1
) -> ItemsView:
    """The items of one state, or all, newest first; a page past the last is the last."""
    counts = replay.own.counts()
    total = sum(counts.values()) if standing is None else counts[standing]
    pages = max(1, -(-total // PAGE_ITEMS))
    page = min(max(1, page), pages)
    chosen = replay.own.items(standing, (page - 1) * PAGE_ITEMS, PAGE_ITEMS)
    stored, state = sources.store.item_counts(), replay.follower.state
    return ItemsView(
        shown=tuple(describe(sources, replay, chosen)),
        counts=counts,
        standing=standing,
        page=page,
        pages=pages,
        total=total,
        queued=stored.get("queued", 0),
        refused=stored.get("refused", 0),
        may_submit=may_submit(sources.store, state, sources.me) if state.size else None,
    )


def describe(sources: Sources, replay: Replay, chosen: Sequence[ItemId]) -> list[ItemView]:
    """These items in words."""
    return [_describe(sources, replay, item_id) for item_id in chosen]


def latest(sources: Sources, replay: Replay, count: int) -> list[ItemView]:
    """The newest items, for a first look."""
    return describe(sources, replay, replay.own.items(None, 0, count))


def _describe(sources: Sources, replay: Replay, item_id: ItemId) -> ItemView:
    state, own = replay.follower.state, replay.own
    item = state.items[item_id]
    campaign, standing = state.campaigns[item.campaign_id], standing_of(item)
    question, is_gone = question_of(campaign), standing is Standing.WITHDRAWN
    row = None if item.status in GONE else sources.store.item(item_id)
    proposal = item.proposal if row is None else row.proposal
    reviewing = in_review(state, item_id, item)
    withdraw = _withdraw(sources, state, item_id, item, reviewing)
    alone = () if reviewing else parts_alone(state, item_id)
    decided = "" if item.answer is None or is_gone else _words(question, item.answer)
    return ItemView(
        id=item_id.hex(),
        name="" if row is None else row.name,
        campaign=item.campaign_id,
        asked=question.kind.asks(question.spec)[0],
        proposal="" if proposal is None or is_gone else _words(question, proposal),
        decided=decided,
        belief=_belief(question, item),
        standing=standing,
        why=_why(state, question, item, proposal),
        answers="" if is_gone else _count(own.answers_to(item_id), question, item),
        submitted=item.submitted_at,
        entry=own.entry_of(item_id),
        original=_original(state, item),
        parts=() if row is None else tuple(_parts(sources, item, row)),
        withdraw=withdraw,
        can_withdraw=not is_gone and not reviewing,
        terms=_terms(state, item) if campaign.revision else None,
        repays=campaign.withdrawal == pb.WITHDRAWAL_REPAYS,
        taken_back=item.taken_back,
        part_commands=tuple(f"{withdraw} --part {name}" for name in alone),
        contest=_contest(sources, item_id, item),
    )


def _terms(state: State, item: Item) -> int:
    return state.campaign_under(item.campaign_id, item.revision).logged_at


def _words(question: Question, answer: bytes) -> str:
    return question.kind.words(question.spec, answer)


def _belief(question: Question, item: Item) -> str:
    if not item.belief_ppm or item.status is ItemStatus.WITHDRAWN:
        return ""
    return question.kind.explain(question.spec, item.belief_ppm)


def _parts(sources: Sources, item: Item, row: ItemRow) -> list[PartView]:
    described = () if item.description is None else item.description.parts
    made_by = {part.name: part.source for part in described}
    return [_part(sources, part, made_by.get(part.name, "")) for part in row.parts]


def _part(sources: Sources, part: PartRow, source: str) -> PartView:
    medium = MEDIA[part.media_type]
    return PartView(
        name=part.name,
        file=part.path,
        medium=medium.words,
        shown=medium.shown,
        size=part.size,
        source=source,
        is_here=sources.blobs.find(part.commitment) is not None,
    )


# ---- why ----


def _why(state: State, question: Question, item: Item, proposal: bytes | None) -> str:
    campaign = state.campaigns[item.campaign_id]
    match item.status:
        case ItemStatus.ACCEPTED | ItemStatus.REJECTED:
            return _verdict(question, item, proposal) + _novelty(campaign, item)
        case ItemStatus.UNDECIDED if item.draws:
            drawn = plural(item.draws, "draw")
            goes_on = "it goes to others" if item.waits else "it stays open"
            few = few_may_review(state, item) if item.waits else ""
            said = f"The reviewers could not settle it in {drawn}; {goes_on}."
            return said + (f" At present {few}." if few else "")
        case ItemStatus.DUPLICATE:
            return _copy(state, item)
        case ItemStatus.SUBMITTED if item.before is not None:
            few = few_may_review(state, item)
            return told(
                "You contested that it is {}. It waits for reviewers who have not seen it.",
                contested_words(item.before),
            ) + (f" At present {few}." if few else "")
        case ItemStatus.SUBMITTED:
            return _waits(state, campaign)
        case _:
            return _stage(item)


def _stage(item: Item) -> str:
    why = item.takedown
    if item.status is ItemStatus.TAKEN_DOWN and why is not None:
        return told(
            "The operator took it down, since {}. Its content is deleted; what it earned is yours.",
            takedown_words(why.reason, why.words),
        )
    return _SAID[item.status]


def _waits(state: State, campaign: Campaign) -> str:
    """What has to happen before somebody looks at it."""
    if campaign.status is CampaignStatus.PAUSED:
        return "It waits for review: the operator has paused the campaign."
    if not state.standbys.has(campaign.id):
        return "It waits for review: nobody stands by for the campaign yet."
    return "It waits for review, in the campaign's next round."


def _verdict(question: Question, item: Item, proposal: bytes | None) -> str:
    if item.answer is None:
        return f"Most reviewers found it {REFUSALS[item.refusal]}."
    said, sure = _words(question, item.answer), certainty(item.confidence_ppm)
    if proposal == item.answer:
        return told("The reviewers say {}, as you did: {}.", quote(said), sure)
    if proposal is None:
        return told("The reviewers say {}: {}.", quote(said), sure)
    close = ", which is near enough" if item.status is ItemStatus.ACCEPTED else ""
    yours = quote(_words(question, proposal))
    return told("You said {}; the reviewers say {}{}: {}.", yours, quote(said), close, sure)


def _copy(state: State, item: Item) -> str:
    """Who says so, and what can be done about it."""
    whose = "you" if _is_own(state, item, item.duplicate_of) else "somebody else"
    if item.relation == pb.RELATION_NONE:
        said = f"It is the same, or nearly, as an item that {whose} submitted earlier."
    else:
        called = "It counts as" if item.contested else "Its reviewers call it"
        said = f"{called} a copy of an item that {whose} submitted earlier."
    return said + _final(item)


def _final(item: Item) -> str:
    return " You contested that; this is final." if item.contested else ""


def _novelty(campaign: Campaign, item: Item) -> str:
    """What it earned, where it was compared with an earlier item."""
    if item.status is not ItemStatus.ACCEPTED or item.relation == pb.RELATION_NONE:
        return ""
    if item.relation == pb.RELATION_INDEPENDENT:
        few = " It resembles an earlier item, and too few of them call it a copy or a derivative"
        return f"{few}: it earns the whole price.{_final(item)}"
    part = f"{campaign.worth_permille(item.relation) / 10:g} %"
    if item.relation == pb.RELATION_UNSEEN:
        why = " It resembles an earlier item that they were not shown"
    else:
        called = "It counts as" if item.contested else "They call it"
        why = f" {called} a derivative of an earlier item"
    return f"{why}: it earns {part} of the price.{_final(item)}"


def _is_own(state: State, item: Item, other: ItemId) -> bool:
    return state.items[other].author == item.author


def _original(state: State, item: Item) -> Original | None:
    """The earlier item that it is said to be a copy of, or that its reviewers compare it with."""
    other = item.duplicate_of or item.resembles
    if not other or item.status is ItemStatus.WITHDRAWN:
        return None
    return Original(other.hex(), _is_own(state, item, other), state.items[other].submitted_at)


def _count(answers: Answers, question: Question, item: Item) -> str:
    """“3 reviewers: 2 said 7, 1 found it impossible to tell”."""
    if not answers:
        return plural(len(item.answered_by), "reviewer") if item.answered_by else ""
    parts = [
        told("{} found it {}", _who(given, count), REFUSALS[given.refusal])
        if given.refusal
        else told("{} said {}", _who(given, count), quote(_words(question, given.answer)))
        + (Markup(" and called it ") + RELATIONS[given.relation] if given.relation else "")
        for given, count in answers.most_common()
    ]
    return told("{}: {}", plural(answers.total(), "reviewer"), Markup(", ").join(parts))


def _contest(sources: Sources, item_id: ItemId, item: Item) -> str:
    if not can_be_contested(item):
        return ""
    return f"commonhold node contest {item_id.hex()}{sources.arguments}"


def _who(given: GivenAnswer, count: int) -> str:
    return f"{count} by a program" if given.by_program else str(count)


def _withdraw(sources: Sources, state: State, item_id: ItemId, item: Item, reviewing: bool) -> str:
    if reviewing:
        number = state.round_of(item.campaign_id).number
        return f"It is being reviewed; you can withdraw it when round {number} of {item.campaign_id} is over."
    return f"commonhold node withdraw {item_id.hex()}{sources.arguments}"
