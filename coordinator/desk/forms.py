"""What may be posted to the desk. Each does one thing and leads to a page that shows it done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from commonground.web.gate import sent_form
from coordinator.campaigns import AUTOMATION, PRIVACY, PROPOSAL, WITHDRAWAL, read_draft
from coordinator.change import FIELDS, change_of, number_in
from coordinator.desk.desk import Desk
from coordinator.desk.drafts import (
    DRAFT_BYTES_MAX,
    LISTS,
    NUMBERS,
    TEXTS,
    DraftFile,
    delete_draft,
    digest_of,
    load_draft,
    save_draft,
)
from coordinator.desk.experts import check_expert
from coordinator.desk.gold import import_table, keep_agreed, keep_answer
from coordinator.desk.items import parse_item_id
from coordinator.desk.pages import Pages
from coordinator.dryrun import DryRun, dry_run
from coordinator.life import close_record, pause_record, takedown_record
from protocol.errors import CommonholdError, ConfigError, StateError
from protocol.limits import NAME_CHARS_MAX
from protocol.media import MEDIA
from protocol.tasks import KINDS

# A table of gold has some 70 bytes a line: 100,000 of them.
UPLOAD_BYTES_MAX: Final = 8 * 1024 * 1024
_FIELDS: Final = (*TEXTS, *LISTS, *NUMBERS)

Act = Callable[[Request, FormData], Awaitable[str]]
"""Does what a form asks; gives the address, below the desk's own, that shows it done."""


class Forms:
    """The handlers of forms, and the two pages that are forms themselves."""

    def __init__(self, pages: Pages) -> None:
        self._pages, self._desk = pages, pages.desk

    def actions(self) -> dict[str, Callable[[Request], Awaitable[Response]]]:
        """By path, what is only posted to."""
        acts: dict[str, Act] = {
            "drafts/{id}/open": self.open,
            "drafts/{id}/delete": self.delete,
            "campaigns/{id}/pause": self.pause,
            "campaigns/{id}/close": self.close,
            "campaigns/{id}/change/log": self.change,
            "items/{item_id}/takedown": self.take_down,
            "campaigns/{id}/gold/import": self.import_gold,
            "campaigns/{id}/gold/keep": self.keep_gold,
            "campaigns/{id}/gold/review": self.answer,
        }
        done = {path: self._done(act) for path, act in acts.items()}
        return done | {"new": self.save, "campaigns/{id}/change": self.look_at_change}

    def _done(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            form = await sent_form(request, self._pages.known, files_max=1)
            try:
                path = await act(request, form)
            except CommonholdError as error:
                return self._pages.refused(error)
            finally:
                await form.close()
            return RedirectResponse(self._pages.base + path, 303)

        return answer

    # ---- drafts

    async def new(self, request: Request) -> Response:
        """The form of a new campaign, or of a draft."""
        name = request.query_params.get("draft", "")
        fields: Mapping[str, str] = {"task": request.query_params.get("task", "classify")[:40]}
        replaces = ""
        if name:
            try:
                draft = await self._desk.do(lambda desk: load_draft(desk.home, name))
            except CommonholdError as error:
                return self._pages.refused(error)
            fields, replaces = draft.fields, draft.digest
        return self._form(fields, replaces)

    def _form(
        self, fields: Mapping[str, str], replaces: str, wrong: CommonholdError | None = None
    ) -> Response:
        return self._pages.page(
            "new",
            "A new campaign",
            400 if wrong else 200,
            wrong=wrong,
            replaces=replaces,
            fields={field: fields.get(field, "") for field in _FIELDS},
            kinds=list(KINDS),
            media=list(MEDIA.values()),
            choices={
                "automation": AUTOMATION,
                "privacy": PRIVACY,
                "proposal": PROPOSAL,
                "withdrawal": WITHDRAWAL,
            },
        )

    async def save(self, request: Request) -> Response:
        """Keeps a draft; what cannot be kept is in the form again, with the reason."""
        form = await sent_form(request, self._pages.known)
        fields = {name: "\n".join(map(str, form.getlist(name))) for name in _FIELDS}
        replaces = _text(form, "replaces")
        try:
            if sum(map(len, fields.values())) > DRAFT_BYTES_MAX:
                raise ConfigError("the campaign's texts are too long for a draft", "shorten them")
            draft = await self._desk.do(lambda desk: save_draft(desk.home, fields, replaces))
        except StateError as error:  # whoever reads that there is one may replace it
            there = await self._desk.do(lambda desk: digest_of(desk.home, fields["id"]))
            return self._form(fields, there, error)
        except CommonholdError as error:
            return self._form(fields, replaces, error)
        return RedirectResponse(f"{self._pages.base}drafts/{quote(draft.id)}", 303)

    async def draft(self, request: Request) -> Response:
        """A draft, and what a check of it says."""
        name = request.path_params["id"]

        def work(desk: Desk) -> dict[str, Any]:
            draft = load_draft(desk.home, name)
            return {"draft": draft, "check": _check(desk, draft)}

        try:
            values = await self._desk.do(work)
        except CommonholdError as error:
            return self._pages.refused(error)
        return self._pages.page("draft", f"Draft {name}", **values)

    async def open(self, request: Request, form: FormData) -> str:
        """Opens the campaign of a draft, as it was shown: it is for ever."""
        name = request.path_params["id"]
        _require_sure(form)

        def work(desk: Desk) -> None:
            draft = load_draft(desk.home, name)
            if draft.digest != form.get("shown"):
                raise StateError(
                    "the draft has changed meanwhile", "look at it again, then open it"
                )
            body = read_draft(desk.state.network, draft.path, {}).whole()
            desk.operator.append("campaign", body)
            delete_draft(desk.home, name)

        await self._desk.do(work)
        return f"campaigns/{quote(name)}"

    async def delete(self, request: Request, form: FormData) -> str:
        """Deletes a draft."""
        _require_sure(form)
        name = request.path_params["id"]
        await self._desk.do(lambda desk: delete_draft(desk.home, name))
        return ""

    # ---- the life of a campaign, and of an item

    async def pause(self, request: Request, form: FormData) -> str:
        """Has a campaign paused, or go on."""
        name, paused = request.path_params["id"], _text(form, "paused") == "yes"

        def work(desk: Desk) -> None:
            desk.operator.append("pause", pause_record(desk.state, name, paused))

        await self._desk.do(work)
        return f"campaigns/{quote(name)}/terms"

    async def close(self, request: Request, form: FormData) -> str:
        """Closes a campaign for ever."""
        name = request.path_params["id"]
        _require_sure(form)

        def work(desk: Desk) -> None:
            desk.operator.append("close-campaign", close_record(desk.state, name))

        await self._desk.do(work)
        return f"campaigns/{quote(name)}/terms"

    async def look_at_change(self, request: Request) -> Response:
        """What a change would change; the page has the form that logs it."""
        form = await sent_form(request, self._pages.known)
        name, fields = request.path_params["id"], {each: _sent(form, each) for each in FIELDS}
        serial = _text(form, "serial")
        try:
            change = await self._desk.do(
                lambda desk: change_of(desk.state, name, fields, number_in({"s": serial}, "s"))
            )
        except CommonholdError as error:
            return self._pages.refused(error)
        return self._pages.page(
            "change", "A change", id=name, fields=fields, serial=serial, lines=change.lines
        )

    async def change(self, request: Request, form: FormData) -> str:
        """Logs a change that was looked at."""
        name, fields = request.path_params["id"], {each: _sent(form, each) for each in FIELDS}
        _require_sure(form)

        def work(desk: Desk) -> None:
            serial = number_in({"serial": _text(form, "serial")}, "serial")
            desk.operator.append("change", change_of(desk.state, name, fields, serial).record)

        await self._desk.do(work)
        return f"campaigns/{quote(name)}/terms"

    async def take_down(self, request: Request, form: FormData) -> str:
        """Takes an item down, for a reason that everybody can read."""
        item, code = request.path_params["item_id"], _text(form, "code")
        # The field has room for several lines, and the log for one.
        words = " ".join(filter(None, map(str.strip, _text(form, "words").split("\n"))))
        _require_sure(form)

        def work(desk: Desk) -> None:
            desk.operator.append("takedown", takedown_record(desk.state, item, code, words))

        await self._desk.do(work)
        return f"items/{quote(item)}"

    # ---- gold

    async def import_gold(self, request: Request, form: FormData) -> str:
        """Imports a table of answers."""
        name, file = request.path_params["id"], form.get("file")
        if not isinstance(file, UploadFile) or not file.size:
            raise ConfigError("no file was sent", "choose a table with the columns item_id,answer")
        content = await file.read(UPLOAD_BYTES_MAX + 1)
        if len(content) > UPLOAD_BYTES_MAX:
            raise ConfigError("the file is too large", "import it in several parts")
        called = (file.filename or "the table")[:NAME_CHARS_MAX]
        kept, late = await self._desk.do(lambda desk: import_table(desk, name, called, content))
        return f"campaigns/{quote(name)}/gold?{urlencode({'kept': kept, 'late': late})}"

    async def keep_gold(self, request: Request, form: FormData) -> str:
        """Makes gold of what experts agree on."""
        name, least = (
            request.path_params["id"],
            number_in({"experts": _text(form, "experts")}, "experts"),
        )
        kept = await self._desk.do(lambda desk: keep_agreed(desk, name, least))
        return f"campaigns/{quote(name)}/gold?{urlencode({'kept': kept})}"

    async def answer(self, request: Request, form: FormData) -> str:
        """Keeps an expert's answer, and goes on to the next item."""
        name = request.path_params["id"]
        expert, item = (_text(form, field) for field in ("expert", "item"))
        words = None if "cannot_tell" in form else _text(form, "answer")

        def work(desk: Desk) -> None:
            keep_answer(desk, name, check_expert(expert), parse_item_id(item), words)

        await self._desk.do(work)
        last = urlencode({"expert": expert, "last": item})
        return f"campaigns/{quote(name)}/gold/review?{last}"


def _check(desk: Desk, draft: DraftFile) -> DryRun:
    return dry_run(read_draft(desk.state.network, draft.path, {}), desk.state)


def _text(form: FormData, name: str) -> str:
    return _sent(form, name).strip()


def _sent(form: FormData, name: str) -> str:
    """A text as it stood in its form: with blanks at its ends, and without what browsers do to line ends."""
    value = form.get(name, "")
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _require_sure(form: FormData) -> None:
    if _text(form, "sure") != "yes":
        raise ConfigError("you did not say that you are sure", "tick the box, then send it again")
