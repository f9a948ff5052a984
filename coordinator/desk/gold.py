"""Gold at the desk: what is imported and waits, what was opened, and what experts say of items that wait."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from commonground.tables import Form, form_of
from coordinator.desk.desk import Desk
from coordinator.desk.experts import Said
from coordinator.desk.items import PartView, part_view
from coordinator.desk.statistics import Coincidences, agreement
from coordinator.gold import keep_those_waiting, read_answers
from coordinator.sealed import waits
from protocol.errors import CommonholdError, ConfigError, Reject, StateError
from protocol.identity import short
from protocol.rows import Campaign, ItemId
from protocol.state import State
from protocol.tasks.question import question_of

# Of a list of choices, what is a button each; a longer one is chosen from.
BUTTONS_MAX: Final = 24
# Items of which a page shows what experts said.
LINES_SHOWN: Final = 100
# Waiting items that are looked through for gold and for work: what a page can tell of.
WAITING_SEEN: Final = 10_000
# Items that are fetched ahead of an expert.
AHEAD: Final = 8
# What is read row by row, with nothing but the standard library.
_FORMS: Final = (Form.CSV, Form.TSV, Form.JSON_LINES)


@dataclass(frozen=True, slots=True)
class ExpertLine:
    """An item that experts have seen, and what they said of it, in words."""

    id: str
    said: tuple[tuple[str, str], ...]  # by expert; empty where they cannot tell
    agree: bool
    waits: bool  # or its round has begun, and it is too late


@dataclass(frozen=True, slots=True)
class GoldView:
    """A campaign's gold."""

    waiting: int  # items that wait for a round, of WAITING_SEEN at most
    kept: int  # of them, those whose answer is imported
    in_round: int
    opened: int  # retired: the log has their answers
    answers: int  # that reviewers gave to those
    right: int
    lines: tuple[ExpertLine, ...]  # the first LINES_SHOWN, those that disagree first
    seen: int  # items that experts said something of
    agreed: int  # of those that wait, all experts of whom say the same
    experts: tuple[str, ...]
    agreement: float | None  # of pairs of experts' answers to one item


def gold_view(desk: Desk, campaign_id: str, experts_min: int = 1) -> GoldView:
    """What there is of gold. Linear in the items that wait, up to WAITING_SEEN."""
    state, campaign = desk.state, desk.state.campaigns[campaign_id]
    waiting = _waiting(state, campaign_id)
    said = desk.experts.of(campaign_id)
    total = desk.seen.campaigns[campaign_id].total
    lines = [_line(state, campaign, item_id, each) for item_id, each in said.items()]
    lines.sort(key=lambda line: (line.agree, not line.waits, line.id))
    return GoldView(
        waiting=len(waiting),
        kept=len(desk.operator.known(waiting)),
        in_round=len(state.round_of(campaign_id).gold_hashes),
        opened=total.gold_opened,
        answers=total.gold_answers,
        right=total.gold_right,
        lines=tuple(lines[:LINES_SHOWN]),
        seen=len(lines),
        agreed=len(agreed(state, said, experts_min)),
        experts=tuple(sorted({name for each in said.values() for name in each})),
        agreement=_agreement(said),
    )


def _waiting(state: State, campaign_id: str) -> list[ItemId]:
    queues = (queue for queue, _ in state.queues.scan(campaign_id))
    found = (item_id for queue in queues for _, item_id in state.waiting.scan(queue))
    return list(islice(found, WAITING_SEEN))


def _line(state: State, campaign: Campaign, item_id: ItemId, said: Said) -> ExpertLine:
    words = tuple((name, answer_words(campaign, answer)) for name, answer in said.items())
    return ExpertLine(item_id.hex(), words, len(set(said.values())) == 1, waits(state, item_id))


def answer_words(campaign: Campaign, answer: bytes) -> str:
    """An expert's answer in words; empty where they cannot tell, which a label may be called, too."""
    question = question_of(campaign)
    return question.kind.words(question.spec, answer) if answer else ""


def _agreement(said: Mapping[ItemId, Said]) -> float | None:
    """On whole answers, which are numbered as they come."""
    numbers: dict[bytes, int] = {}
    found = Coincidences()
    for each in said.values():
        found.add([numbers.setdefault(answer, len(numbers)) for answer in each.values() if answer])
    return agreement(found)


def agreed(state: State, said: Mapping[ItemId, Said], experts_min: int) -> dict[ItemId, bytes]:
    """The answers that at least `experts_min` experts gave, and no expert another one, of items that wait."""
    return {
        item_id: answer
        for item_id, each in said.items()
        if len(each) >= experts_min
        for answer in [next(iter(each.values()))]
        if answer and set(each.values()) == {answer} and waits(state, item_id)
    }


def keep_agreed(desk: Desk, campaign_id: str, experts_min: int) -> int:
    """Imports what experts agree on; gives how many. Their answers are deleted here then, also those of
    items that came too late.

    Raises StateError: there are none; and what `keep_those_waiting` raises.
    """
    said = desk.experts.of(campaign_id)
    answers = agreed(desk.state, said, experts_min)
    if not answers:
        raise StateError(
            "there is no item that waits and that so many experts agree on",
            "let them see more items, or settle what they disagree on",
        )
    kept = keep_those_waiting(desk.operator, answers)
    late = [item_id for item_id in said if not waits(desk.state, item_id)]
    desk.experts.forget([*answers, *late])
    return kept


def import_table(desk: Desk, campaign_id: str, name: str, content: bytes) -> tuple[int, int]:
    """Imports a table of answers to a campaign's items; gives how many, and how many came too late. `name` is
    what its owner calls the file: its end says of which form it is.

    Raises ConfigError: names the line that is wrong; and what `keep_those_waiting` raises.
    """
    named = form_of(Path(name))
    form = named if named in _FORMS else Form.CSV
    with tempfile.TemporaryDirectory(dir=desk.uploads) as folder:
        path = Path(folder) / f"answers.{form}"
        path.write_bytes(content)
        try:
            answers = read_answers(path, desk.state, campaign_id)
        except CommonholdError as error:
            raise ConfigError(str(error).replace(str(path), name), error.advice) from error
    kept = keep_those_waiting(desk.operator, answers)
    return kept, len(answers) - kept


# ---- an expert at work ----


@dataclass(frozen=True, slots=True)
class ReviewView:
    """The next item for an expert; empty id: there is none."""

    id: str
    author: str
    parts: tuple[PartView, ...]
    asks: str
    lines: tuple[str, ...]  # what there is to say of the question
    buttons: tuple[str, ...]
    choices: tuple[str, ...]  # where there are too many for buttons
    hint: str  # what to write, where there is nothing to choose from
    was_seen: bool  # by this expert, before
    given: str  # what they said of it then; empty where they could not tell
    seen: int  # items that this expert has answered
    left: int  # that wait, and this expert has not seen


def review_view(
    desk: Desk, campaign_id: str, expert: str, wanted: ItemId | None = None
) -> ReviewView:
    """What an expert sees: the next item, or the one that is `wanted`. What others said is not shown.

    Raises Reject: the wanted item does not wait in this campaign.
    """
    state, campaign = desk.state, desk.state.campaigns[campaign_id]
    said = desk.experts.of(campaign_id)
    mine = {item_id for item_id, each in said.items() if expert in each}
    waiting = _waiting(state, campaign_id)
    known = desk.operator.known(waiting)
    open_ones = [each for each in waiting if each not in known]
    left = [each for each in open_ones if each not in mine]
    if wanted is not None and wanted not in open_ones:
        raise Reject("this item does not wait for gold any more", "take the next one")
    # What others have seen comes first: two answers to one item say more than one each to two.
    left.sort(key=lambda item_id: item_id not in said)
    item_id = wanted if wanted is not None else next(iter(left), None)
    if desk.is_served and item_id is not None:
        desk.contents.ask(desk.operator, [item_id, *left[:AHEAD]])
    question = question_of(campaign)
    asks, *lines = question.kind.asks(question.spec)
    choices = tuple(question.kind.choices(question.spec))
    is_list = len(choices) > 1
    item = state.items[item_id] if item_id is not None else None
    return ReviewView(
        id=item_id.hex() if item_id is not None else "",
        author=short(item.author) if item else "",
        parts=tuple(part_view(desk, item_id, part) for part in item.described().parts)
        if item and item_id
        else (),
        asks=asks,
        lines=tuple(lines) if len(lines) <= BUTTONS_MAX and not is_list else (),
        buttons=choices if is_list and len(choices) <= BUTTONS_MAX else (),
        choices=choices if is_list and len(choices) > BUTTONS_MAX else (),
        hint="" if is_list else "".join(choices),
        was_seen=item_id in mine,
        given=answer_words(campaign, said[item_id][expert]) if item_id in mine else "",
        seen=len(mine),
        left=len(left),
    )


def keep_answer(
    desk: Desk, campaign_id: str, expert: str, item_id: ItemId, words: str | None
) -> None:
    """Keeps what an expert said of an item that waits, None where they cannot tell; raises Reject unless it
    is an answer."""
    state, campaign = desk.state, desk.state.campaigns[campaign_id]
    item = state.items.get(item_id)
    if item is None or item.campaign_id != campaign_id or not waits(state, item_id):
        raise Reject("this item does not wait for gold any more", "take the next one")
    question = question_of(campaign)
    answer = b"" if words is None else question.kind.read_words(question.spec, words)
    desk.experts.keep(campaign_id, item_id, expert, answer)
