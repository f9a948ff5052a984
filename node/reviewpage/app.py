"""The addresses of the review page: for scripts here, and without one in forms.py.

    /                           which rounds wait
    /item/CAMPAIGN/ROUND/PLACE  an item, with a form that answers it
    /answers/CAMPAIGN/ROUND     all answers, and the form that seals them
    /phone                      lets a phone in, on this machine alone
    /desk /pulse /became/…      what a script needs to begin, and to notice that something changed
    /change /summary/… /seal    what it sends
    /content/… /peaks/…         parts of items

The desk is asked in one thread; the loop stays free to send content.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from commonground.web.gate import Secrets, same
from commonground.web.headers import SecurityHeaders
from commonground.web.pages import static_files
from node.reviewers import ShownPart
from node.reviewpage.asked import Hand, key_in, read_item_id, read_key
from node.reviewpage.contents import content_of, peaks_of
from node.reviewpage.desk import (
    Desk,
    case_of,
    desk_data,
    item_data,
    read_change,
    reasons,
    relations,
)
from node.reviewpage.forms import Forms
from node.reviewpage.pairing import Pairing
from node.reviewpage.session import Sitting
from protocol.depth import load_json
from protocol.errors import Reject, StateError

_HERE: Final = Path(__file__).parent
FORM_HEADER: Final = "x-commonhold-form"
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    # A form says where it comes from only under a policy that lets it.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Scripts:
    """What the page's scripts ask, one handler for each path."""

    def __init__(self, desk: Desk, hand: Hand, known: Secrets) -> None:
        self._desk, self._hand, self._known = desk, hand, known

    async def desk(self, _: Request) -> Response:
        """Everything but the content."""

        def look() -> bytes:
            self._desk.refresh()
            rounds = [desk_data(each) for each in self._desk.rounds()]
            return json.dumps(
                {"rounds": rounds, "reasons": list(reasons()), "relations": list(relations())}
            ).encode()

        return Response(await self._hand.run(look), media_type="application/json")

    async def pulse(self, _: Request) -> Response:
        """Whether there is anything new; and the secret of our forms, for a page that is older than it."""

        def look() -> dict[str, list[int]]:
            self._desk.refresh()
            return self._desk.pulse()

        return JSONResponse({"rounds": await self._hand.run(look), "form": self._known.form})

    async def became(self, request: Request) -> Response:
        """What became of the items of a round that is over."""
        key = key_in(request)
        return JSONResponse(asdict(await self._hand.run(lambda: self._desk.became(key))))

    async def change(self, request: Request) -> Response:
        """Keeps a draft: 200 with its version; 409 with the item as it is when somebody else came first;
        410 when it is too late."""
        body = await self._posted(request)
        key, item_id = (
            read_key(body.get("campaign"), body.get("round")),
            read_item_id(body.get("item")),
        )

        def keep() -> Response:
            wanted = self._desk.find(key, item_id)
            kept = self._desk.change(wanted, read_change(wanted, body))
            return JSONResponse(item_data(kept.wanted), 200 if kept.is_kept else 409)

        return await self._hand.run(keep)

    async def summary(self, request: Request) -> Response:
        """What would be sealed, and the token that stands for it."""
        key = key_in(request)
        summary = await self._hand.run(lambda: self._desk.summary(key))
        items = [[each.item_id.hex(), each.task.draft_version] for each in summary.wanted]
        return JSONResponse({"token": summary.token, "items": items})

    async def seal(self, request: Request) -> Response:
        """Seals what a summary showed."""
        body = await self._posted(request)
        key = read_key(body.get("campaign"), body.get("round"))
        token = str(body.get("token"))
        return JSONResponse({"sealed": await self._hand.run(lambda: self._desk.seal(key, token))})

    async def content(self, request: Request) -> Response:
        """A part of an item, for eyes and ears."""
        return await self._of_part(request, content_of)

    async def peaks(self, request: Request) -> Response:
        """How loud a recording is."""
        return await self._of_part(request, peaks_of)

    async def _of_part(self, request: Request, show: Callable[[ShownPart], Response]) -> Response:
        key, item_id = key_in(request), read_item_id(request.path_params["item_id"])
        wanted = await self._hand.run(lambda: self._desk.find(key, item_id))
        case, at = case_of(wanted), request.path_params["at"]
        parts = (*case.parts, *case.original)
        if not wanted.task.content_path or at >= len(parts):
            raise HTTPException(404)
        try:
            return await asyncio.to_thread(show, parts[at])
        except OSError:
            raise HTTPException(404) from None  # its round has ended: it is gone

    async def _posted(self, request: Request) -> dict[str, Any]:
        """The object that a script sent, with the secret of our pages."""
        if not same(request.headers.get(FORM_HEADER, ""), self._known.form):
            raise HTTPException(403)
        try:
            body = load_json(await request.body())
        except ValueError:
            raise HTTPException(400) from None
        if not isinstance(body, dict):
            raise HTTPException(400)
        return body


async def _refused(_: Request, error: Exception) -> Response:
    """What was asked makes no sense: it is not ours."""
    return PlainTextResponse(f"{error}\n", 400)


def build_app(desk: Desk, hand: Hand, sitting: Sitting, pairing: Pairing | None) -> ASGIApp:
    """The application, to be put behind a gate. `pairing` is how a phone comes in, for its owner alone."""
    path = sitting.known.path
    scripts, forms = Scripts(desk, hand, sitting.known), Forms(desk, hand, sitting, pairing)
    of_round = "{campaign}/{round:int}"
    routes = [
        Route("/", forms.rounds),
        Route(f"/item/{of_round}/{{place:int}}", forms.item, methods=["GET", "POST"]),
        Route(f"/answers/{of_round}", forms.answers, methods=["GET", "POST"]),
        Route("/phone", forms.phone, methods=["GET", "POST"]),
        Route("/desk", scripts.desk),
        Route("/pulse", scripts.pulse),
        Route(f"/became/{of_round}", scripts.became),
        Route("/change", scripts.change, methods=["POST"]),
        Route(f"/summary/{of_round}", scripts.summary),
        Route("/seal", scripts.seal, methods=["POST"]),
        Route(f"/content/{of_round}/{{item_id}}/{{at:int}}", scripts.content),
        Route(f"/peaks/{of_round}/{{item_id}}/{{at:int}}", scripts.peaks),
        Mount("/static", static_files(_HERE / "static")),
    ]
    return Starlette(
        routes=[
            Mount(path.rstrip("/"), routes=routes),
            Mount("/static", static_files(_HERE / "static")),
        ],
        exception_handlers={
            Reject: _refused,
            StateError: forms.late,
            HTTPException: forms.error,
            500: forms.error,
        },
    )


def guarded(gate: ASGIApp) -> ASGIApp:
    """What is served: all that a gate lets pass, and what it says itself, with what browsers must know."""
    return SecurityHeaders(gate, _HEADERS)
