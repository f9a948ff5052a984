"""The desk's pages, which read: made by the server, without a script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from commonground.addresses import now_ms
from commonground.takedowns import CODES as TAKEDOWNS
from commonground.web import charts
from commonground.web.gate import FORM_FIELD, Secrets
from commonground.web.pages import environment
from coordinator.change import terms_of
from coordinator.dashboard import formats
from coordinator.dashboard.campaigns import campaign_line, question_view
from coordinator.dashboard.paging import parse_page
from coordinator.desk.desk import Desk
from coordinator.desk.drafts import list_drafts
from coordinator.desk.experts import check_expert
from coordinator.desk.gold import gold_view, review_view
from coordinator.desk.items import item_page, item_view, parse_item_id
from coordinator.desk.progress import (
    agreement_chart,
    alpha_words,
    class_chart,
    class_series,
    progress_of,
)
from coordinator.overview import OUTCOMES
from protocol.errors import CommonholdError, Reject, Unreachable
from protocol.lifecycle import GONE, CampaignStatus
from protocol.limits import PPM, TAKEDOWN_CHARS_MAX
from protocol.media import MEDIA, Shown
from protocol.tasks.question import question_of

_DESK: Final = Path(__file__).parent
_COORDINATOR: Final = _DESK.parent
# Somebody else's content, opened by itself, runs nothing, whatever a browser takes it for.
_STRANGE: Final = {
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}

# Where there is no number: a dash as the tables have it.
NONE: Final = "\N{EN DASH}"

T = TypeVar("T")
Work = Callable[[Desk], T]


class Pages:
    """One handler for each page. Those that read raise Reject where an address names nothing."""

    def __init__(self, desk: Desk, known: Secrets) -> None:
        self.desk, self.known, self.base = desk, known, known.path
        self._templates = environment(
            _DESK / "templates", f"{self.base}static", _COORDINATOR / "templates"
        )
        self._templates.filters |= formats.FILTERS
        self._templates.globals |= {
            "base": self.base,
            "form_field": FORM_FIELD,
            "form_secret": known.form,
            "many": formats.many,
            "amount": formats.amount,
            "share": _share,
            "alpha_words": alpha_words,
            "Shown": Shown,
            "patterns": charts.PATTERNS,
            "swatch": charts.swatch,
            "part_bar": charts.part_bar,
            "share_bar": charts.share_bar,
            "interval_bar": charts.interval_bar,
            "part_ppm": lambda share: round(PPM * (share or 0)),
        }

    def page(self, name: str, title: str, status: int = 200, **values: Any) -> Response:
        """A page; `name` is that of its template."""
        html = self._templates.get_template(f"{name}.html").render(
            here=name,
            title=title,
            network=self.desk.state.name,
            size=self.desk.state.size,
            is_served=self.desk.is_served,
            **values,
        )
        return HTMLResponse(html, status)

    def refused(self, error: CommonholdError) -> Response:
        """What was asked for is not done, and why."""
        status = 503 if isinstance(error, Unreachable) else 400
        return self.page(
            "refused", "That was not done", status, told=str(error), advice=error.advice
        )

    async def error(self, _: Request, error: Exception) -> Response:
        """An error as a page with the way back; nothing of its cause but the number."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self.page("error", "There is nothing here", status, number=status)

    async def read(self, work: Work[T]) -> T:
        """What `work` finds in the present state; raises 404 where that is nothing."""
        try:
            return await self.desk.do(work)
        except Reject:
            raise HTTPException(404) from None

    # ---- campaigns

    async def campaigns(self, _: Request) -> Response:
        """All of them, and drafts."""

        def work(desk: Desk) -> dict[str, Any]:
            state, tally, now = desk.state, desk.operator.tally, now_ms()
            lines = [campaign_line(state, tally, each, now) for _, each in state.campaigns.scan()]
            return {"lines": lines, "drafts": list_drafts(desk.home)}

        return self.page("campaigns", "Campaigns", **await self.read(work))

    async def campaign(self, request: Request) -> Response:
        """How one campaign fares."""
        return self.page("progress", **await self.read(lambda desk: _progress(desk, request)))

    async def progress(self, request: Request) -> Response:
        """The same as data."""

        def work(desk: Desk) -> dict[str, Any]:
            campaign_id = _campaign(desk, request)
            seen = desk.seen.campaigns[campaign_id]
            view = progress_of(desk.state, desk.operator.tally, seen, campaign_id)
            return {"campaign": campaign_id, "entries": desk.state.size, **asdict(view)}

        return JSONResponse(await self.read(work))

    async def terms(self, request: Request) -> Response:
        """On which terms a campaign runs, and what may become of it."""

        def work(desk: Desk) -> dict[str, Any]:
            campaign_id = _campaign(desk, request)
            values = _campaign_values(desk, campaign_id)
            campaign = values["campaign"]
            return values | {"question": question_view(campaign), "fields": terms_of(campaign)}

        return self.page("terms", "Terms", **await self.read(work), statuses=CampaignStatus)

    # ---- items

    async def items(self, request: Request) -> Response:
        """A campaign's items."""
        outcome, find = (request.query_params.get(name, "")[:80] for name in ("state", "find"))

        def work(desk: Desk) -> dict[str, Any]:
            campaign_id = _campaign(desk, request)
            number = parse_page(request.query_params.get("page"))
            values = _campaign_values(desk, campaign_id)
            try:
                page = item_page(desk, campaign_id, outcome, find, number)
            except Reject as error:
                if not find:
                    raise
                return values | {"page": None, "told": str(error), "advice": error.advice}
            return values | {"page": page, "told": "", "advice": ""}

        values = await self.read(work)
        return self.page("items", "Items", **values, outcome=outcome, find=find, outcomes=OUTCOMES)

    async def item(self, request: Request) -> Response:
        """One item."""
        item_id = request.path_params["item_id"]
        view = await self.read(lambda desk: item_view(desk, parse_item_id(item_id)))
        return self.page(
            "item",
            f"Item {view.line.id[:12]}",
            item=view,
            log=self._log(),
            codes=TAKEDOWNS,
            words_max=TAKEDOWN_CHARS_MAX,
        )

    async def content(self, request: Request) -> Response:
        """A picture or a recording as it was submitted, of a type that browsers show as such."""
        name = request.path_params["part"]

        def work(desk: Desk) -> tuple[bytes, str]:
            item_id = parse_item_id(request.path_params["item_id"])
            item = desk.state.items.get(item_id)
            if item is None or item.description is None or item.status in GONE:
                raise Reject("the log has no such item")
            for part in item.description.parts:
                content = desk.contents.read(item_id, part) if part.name == name else None
                medium = MEDIA[part.media_type]
                if isinstance(content, bytes) and medium.shown in (Shown.PICTURE, Shown.SOUND):
                    return content, medium.name
            raise Reject("it is not here")

        content, media_type = await self.read(work)
        return Response(content, media_type=media_type, headers=_STRANGE)

    # ---- gold

    async def gold(self, request: Request) -> Response:
        """A campaign's gold."""

        def work(desk: Desk) -> dict[str, Any]:
            campaign_id = _campaign(desk, request)
            return _campaign_values(desk, campaign_id) | {"gold": gold_view(desk, campaign_id)}

        kept, late = (request.query_params.get(name, "") for name in ("kept", "late"))
        told = [each if each.isascii() and each.isdecimal() else "" for each in (kept, late)]
        return self.page(
            "gold", "Gold", **await self.read(work), kept=told[0][:9], late=told[1][:9]
        )

    async def review(self, request: Request) -> Response:
        """An expert at work."""
        query = request.query_params

        def work(desk: Desk) -> dict[str, Any]:
            campaign_id = _campaign(desk, request)
            expert = check_expert(query.get("expert", ""))
            wanted = parse_item_id(query["item"]) if "item" in query else None
            view = review_view(desk, campaign_id, expert, wanted)
            last = query.get("last", "")
            return _campaign_values(desk, campaign_id) | {
                "view": view,
                "expert": expert,
                "last": parse_item_id(last).hex() if last else "",
            }

        try:
            values = await self.desk.do(work)
        except Reject as error:
            return self.refused(error)
        return self.page("review", "Gold by experts", **values)

    def _log(self) -> str:
        """Where the public log is; empty while the coordinator does not run."""
        if not self.desk.is_served:
            return ""
        try:
            return self.desk.operator.http_url
        except CommonholdError:
            return ""


def _campaign(desk: Desk, request: Request) -> str:
    campaign_id: str = request.path_params["id"]
    if desk.state.campaigns.get(campaign_id) is None:
        raise Reject("the network has no such campaign")
    return campaign_id


def _campaign_values(desk: Desk, campaign_id: str) -> dict[str, Any]:
    campaign = desk.state.campaigns[campaign_id]
    return {
        "campaign": campaign,
        "line": campaign_line(desk.state, desk.operator.tally, campaign, now_ms()),
    }


def _progress(desk: Desk, request: Request) -> dict[str, Any]:
    campaign_id = _campaign(desk, request)
    values = _campaign_values(desk, campaign_id)
    campaign, seen = values["campaign"], desk.seen.campaigns[campaign_id]
    view = progress_of(desk.state, desk.operator.tally, seen, campaign_id)
    question = question_of(campaign)
    series = class_series(view, question.kind.summary(question.spec).names)
    return values | {
        "title": campaign.title or campaign.id,
        "view": view,
        "question": question_view(campaign),
        "series": [each.name for each in series],
        "class_chart": class_chart(view, series),
        "agreement_chart": agreement_chart(view),
    }


def _share(share: float | None) -> str:
    """A share in words."""
    return NONE if share is None else f"{100 * share:.1f} %"
