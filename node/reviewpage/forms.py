"""The page without a script: every item is a form, and what is sent is kept before the next one is shown.

With scripts, the same addresses are where they begin; see static/main.js.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from commonground.counting import plural
from commonground.web.gate import sent_form
from commonground.web.pages import environment
from node.answering import RoundKey
from node.examine import Wanted
from node.page.words import moment
from node.reviewers import ShownPart
from node.reviewpage.answers import Said, in_words, say
from node.reviewpage.asked import Hand, key_in
from node.reviewpage.contents import glimpse_of, is_prose, prose_language, rows_of, text_of
from node.reviewpage.desk import (
    Desk,
    RoundDesk,
    case_of,
    is_whole,
    read_change,
    reasons,
    refusal_word,
    relation_word,
    relations,
    summary_of,
)
from node.reviewpage.pairing import Pairing
from node.reviewpage.session import Sitting
from node.rows import MARK_BYTES
from protocol.errors import StateError
from protocol.media import CSV, MEDIA, Shown
from protocol.tasks.kind import Form, FormStyle

_HERE: Final = Path(__file__).parent
_WHY: Final = {403: "This form is from another sitting.", 404: "There is no such page."}


@dataclass(frozen=True, slots=True)
class PartView:
    """A part as a page shows it."""

    name: str
    shown: str  # text, code, picture, sound or file
    at: int
    text: str
    language: str  # of the text, where that is sure
    rows: Sequence[Sequence[str]]  # of a text that is a table, the first one names the columns


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What was said of an item."""

    place: int
    id: str
    glimpse: str  # its first line, if that is what tells it from others
    shown: str  # what its first part is
    words: str
    is_whole: bool


class Forms:
    """One handler for each page."""

    def __init__(self, desk: Desk, hand: Hand, sitting: Sitting, pairing: Pairing | None) -> None:
        known = sitting.known
        self._desk, self._hand, self._known, self._pairing = desk, hand, known, pairing
        base = self._base = known.path
        self._templates = environment(_HERE / "templates", f"{base}static")
        self._templates.globals.update(
            base=base,
            csrf=known.form,
            plural=plural,
            moment=_moment,
            phone=pairing is not None,
            node=sitting.name,
            before=sitting.before,
        )

    def _page(self, name: str, code: int = 200, **views: Any) -> Response:
        page = self._templates.get_template(f"{name}.html").render(here=name, **views)
        return HTMLResponse(page, code)

    async def rounds(self, _: Request) -> Response:
        """Which rounds wait."""

        def look() -> Response:
            self._desk.refresh()
            return self._page("rounds", rounds=[_round_view(each) for each in self._desk.rounds()])

        return await self._hand.run(look)

    async def item(self, request: Request) -> Response:
        """An item, and what is said of it."""
        key, place = key_in(request), request.path_params["place"]
        form = await sent_form(request, self._known) if request.method == "POST" else None
        return await self._hand.run(lambda: self._item(key, place, form))

    def _item(self, key: RoundKey, place: int, form: FormData | None) -> Response:
        desk = self._round(key)
        wanted = next((each for each in desk.wanted if each.task.position == place), None)
        if wanted is None:
            raise HTTPException(404)
        if form is None:
            return self._show(desk, wanted)
        kept = self._desk.change(wanted, read_change(wanted, _change(wanted, form)))
        if not kept.is_kept:
            return self._show(desk, kept.wanted, 409)
        if _lacks(kept.wanted):
            return self._show(desk, kept.wanted)
        after = [each for each in desk.wanted if each.task.position > place]
        if after:
            return RedirectResponse(self._address("item", key, after[0].task.position), 303)
        return RedirectResponse(self._address("answers", key), 303)

    def _show(self, desk: RoundDesk, wanted: Wanted, status: int = 200) -> Response:
        case, places = case_of(wanted), [each.task.position for each in desk.wanted]
        at = places.index(wanted.task.position)
        return self._page(
            "item",
            status,
            round=_round_view(desk),
            guidelines=wanted.campaign.guidelines,
            id=wanted.item_id.hex(),
            place=wanted.task.position,
            number=at + 1,
            back=places[at - 1] if at else None,
            next=places[at + 1] if at + 1 < len(places) else None,
            parts=_parts_of(case.parts),
            earlier=wanted.original,
            beside=_parts_of(case.original, len(case.parts)),
            relation=relation_word(wanted.task),
            relations=list(relations()),
            form=case.form,
            said=say(case, wanted.task.draft),
            words=_words(wanted),
            refused=refusal_word(wanted.task),
            reasons=list(reasons()),
            version=wanted.task.draft_version,
            is_late=status != 200,
            lacks=_lacks(wanted),
        )

    async def answers(self, request: Request) -> Response:
        """All answers of a round, and the form that seals them."""
        key = key_in(request)
        form = await sent_form(request, self._known) if request.method == "POST" else None

        def look() -> Response:
            if form is not None:
                if form.get("sure") != "yes":
                    raise HTTPException(400)
                sealed = self._desk.seal(key, str(form.get("token")))
                return self._page("sealed", count=sealed)
            desk = self._round(key)
            summary = summary_of(desk)
            return self._page(
                "answers",
                round=_round_view(desk),
                answers=[_answer_view(each) for each in desk.wanted],
                token=summary.token,
                count=len(summary.wanted),
            )

        return await self._hand.run(look)

    async def error(self, _: Request, error: Exception) -> Response:
        """An error as a page with the way back; nothing of its cause but the number."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._page("error", status, status=status, why=_WHY.get(status, ""))

    async def late(self, request: Request, error: Exception) -> Response:
        """What was asked is not possible any more: a page for who reads one."""
        if "text/html" in request.headers.get("accept", ""):
            return self._page("error", 410, status=410, why=f"{error}.")
        return PlainTextResponse(f"{error}\n", 410)

    async def phone(self, request: Request) -> Response:
        """How a phone comes in, and how the one that did is sent away."""
        if self._pairing is None:
            raise HTTPException(404)
        offer = None
        if request.method == "POST":
            form = await sent_form(request, self._known)
            if form.get("do") == "end":
                self._pairing.end()
            else:
                offer = self._pairing.offer()
        return self._page("phone", offer=offer, has_phone=self._pairing.has_phone)

    def _round(self, key: RoundKey) -> RoundDesk:
        self._desk.refresh()
        desk = self._desk.round(key)
        if desk is None:
            raise StateError("this round cannot be answered any more")
        return desk

    def _address(self, page: str, key: RoundKey, *place: int) -> str:
        return "/".join(map(str, (f"{self._base}{page}", key.campaign_id, key.round, *place)))


def _change(wanted: Wanted, form: FormData) -> dict[str, Any]:
    """A form as a script would send it."""
    case, base = case_of(wanted), str(form.get("base", ""))
    refused = str(form.get("refused", "")) if form.get("do") == "refuse" else ""
    taken_back = form.get("do") == "take back"
    return {
        "said": None if refused or taken_back else _said(case.form, form),
        "refused": refused,
        "relation": "" if refused or taken_back else str(form.get("relation", "")),
        "base": int(base) if base.isascii() and base.isdigit() else None,
        "mark": secrets.token_hex(MARK_BYTES),
    }


def _lacks(wanted: Wanted) -> str:
    """What is still to be said of an item of which something is said; empty where nothing or all is."""
    if is_whole(wanted):
        return ""
    case = case_of(wanted)
    said = say(case, wanted.task.draft)
    if said is None:
        return "your answer" if wanted.task.draft_relation and case.original else ""
    if isinstance(said, list) and None in said:
        names = [name for name, each in zip(case.form.names, said, strict=True) if each is None]
        return ", ".join(names)
    return "what it is to the earlier item"


def _said(form: Form, fields: FormData) -> Said:
    if form.style is FormStyle.ONE:
        said = str(fields.get("said", ""))
        if not said:
            return None  # what it is to an earlier item may be said before
        return int(said) if said.isascii() and said.isdigit() else -1
    if form.style is FormStyle.SEVERAL:
        chosen = set(fields.getlist("said"))
        return [int(str(at) in chosen) for at in range(len(form.names))]
    words = {"yes": 1, "no": 0}
    return [words.get(str(fields.get(f"said{at}", ""))) for at in range(len(form.names))]


def _round_view(desk: RoundDesk) -> dict[str, Any]:
    drafts = sum(is_whole(each) for each in desk.wanted)
    undone = next((each for each in desk.wanted if not is_whole(each)), None)
    first = undone or next(iter(desk.wanted), None)
    asks, *_ = _asks(desk)
    return {
        "campaign": desk.campaign.id,
        "number": desk.key.round,
        "title": desk.campaign.title or desk.campaign.id,
        "asks": asks,
        "total": len(desk.wanted),
        "drafts": drafts,
        "coming": desk.coming,
        "sealed": desk.sealed,
        "ends_ms": desk.ends_ms,
        "first": None if first is None else first.task.position,
    }


def _asks(desk: RoundDesk) -> list[str]:
    from protocol.tasks.question import question_of

    question = question_of(desk.campaign)
    return question.kind.asks(question.spec)


def _parts_of(parts: Sequence[ShownPart], start: int = 0) -> list[PartView]:
    """How parts are shown; `start` is the place of the first one among all of an item's."""
    made = []
    for at, part in enumerate(parts, start):
        shown = MEDIA[part.media_type].shown
        text = text_of(part.path) if shown is Shown.TEXT else ""
        language = prose_language(text, part.media_type)
        is_code = shown is Shown.TEXT and not is_prose(part.media_type)
        rows = rows_of(text) if part.media_type == CSV.name else []
        kind = "code" if is_code else shown.value
        made.append(PartView(part.name, kind, at, text, language, rows))
    return made


def _words(wanted: Wanted) -> str:
    case = case_of(wanted)
    if refused := refusal_word(wanted.task):
        return f"skipped: {refused}"  # as with a script; "unsure" by itself may be a label
    said = in_words(case.form, say(case, wanted.task.draft))
    return "; ".join(filter(None, (said, relation_word(wanted.task))))


def _answer_view(wanted: Wanted) -> AnswerView:
    parts = case_of(wanted).parts
    return AnswerView(
        wanted.task.position,
        wanted.item_id.hex(),
        glimpse_of(parts),
        MEDIA[parts[0].media_type].shown.value,
        _words(wanted),
        is_whole(wanted),
    )


def _moment(ms: int) -> str:
    return moment(ms / 1000)
