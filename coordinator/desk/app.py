"""The desk's addresses: pages that read, and forms that a person sends, with the secret that only our own
pages have. None needs a script.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from commonground.web.gate import Gate, Secrets
from commonground.web.headers import HEADERS, SecurityHeaders
from commonground.web.pages import static_files
from coordinator.desk.desk import Desk
from coordinator.desk.forms import Forms
from coordinator.desk.pages import Pages

_STATIC: Final = Path(__file__).parents[1] / "static"
COMMAND: Final = "commonhold coordinator desk"
# Forms go to us alone, and sound is played. A browser says where a form comes from only under this policy.
_HEADERS: Final = {
    "content-security-policy": HEADERS["content-security-policy"].replace(
        "form-action 'none'", "form-action 'self'; media-src 'self'"
    ),
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

View = Callable[[Request], Awaitable[Response]]


def build_app(desk: Desk, known: Secrets, host: str) -> ASGIApp:
    """The application behind its gate; `host` is "127.0.0.1:PORT"."""
    pages = Pages(desk, known)
    forms = Forms(pages)
    reads: dict[str, View] = {
        "": pages.campaigns,
        "new": forms.new,
        "drafts/{id}": forms.draft,
        "campaigns/{id}": pages.campaign,
        "campaigns/{id}/progress.json": pages.progress,
        "campaigns/{id}/terms": pages.terms,
        "campaigns/{id}/items": pages.items,
        "campaigns/{id}/gold": pages.gold,
        "campaigns/{id}/gold/review": pages.review,
        "items/{item_id}": pages.item,
        "items/{item_id}/{part}": pages.content,
    }
    # Each by its whole address: a mount takes no line ends, which an old log's names may have.
    app = Starlette(
        routes=[
            *(Route(known.path + path, view) for path, view in reads.items()),
            *(
                Route(known.path + path, act, methods=["POST"])
                for path, act in forms.actions().items()
            ),
            Mount(f"{known.path}static", static_files(_STATIC)),
        ],
        exception_handlers={HTTPException: pages.error, 500: pages.error},
    )
    return SecurityHeaders(Gate(app, known, host, COMMAND, takes_forms=True), _HEADERS)
