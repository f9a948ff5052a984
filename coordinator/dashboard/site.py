"""The pages as HTML: rendering, caching, and what a reader gets who asks for nothing that there is.

A page is a pure function of the log (and of which metadata files there are), so its entity tag is the size
of the log that it shows. The script on it asks every other second whether it has changed; mostly the
answer is 304, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from commonground.addresses import now_ms
from commonground.web import charts
from commonground.web.pages import digest_of, environment
from coordinator.book import Book
from coordinator.dashboard import formats
from coordinator.dashboard.datasets import Metadata
from coordinator.dashboard.epochs import MINTING, lines_for, minted_by
from coordinator.dashboard.routes import Shown, Views
from coordinator.overview import by_outcome
from coordinator.watching import Checked
from protocol.errors import Reject
from protocol.identity import NOBODY
from protocol.log.link import NetworkLink

_TEMPLATES: Final = Path(__file__).parent.parent / "templates"
# These say how long a window is still open, or what was seen of the chain: they change by the clock as well.
_TICKING: Final = frozenset({"/", "/campaigns", "/campaigns/{id}", "/revenue"})
_TICK_MS: Final = 60_000
_ASK_AGAIN: Final = {"cache-control": "no-cache"}
NAVIGATION: Final = (
    ("/", "Overview"),
    ("/campaigns", "Campaigns"),
    ("/contributors", "Contributors"),
    ("/epochs", "Epochs"),
    ("/jobs", "Jobs"),
    ("/datasets", "Datasets"),
    ("/revenue", "Revenue"),
    ("/log", "Log"),
)


class Site:
    """The dashboard of one network. `link` is what newcomers are given."""

    def __init__(
        self,
        book: Book,
        link: NetworkLink,
        home: Path,
        clock_ms: Callable[[], int] = now_ms,
        checked: Callable[[], Checked | None] = lambda: None,
    ) -> None:
        self._book = book
        self._link = link
        self._home = home
        self._clock_ms = clock_ms
        self._views = Views(book, Metadata(home), clock_ms, checked)
        self._operator = NOBODY  # until somebody asks
        self._templates = _environment()
        self._build = digest_of(_TEMPLATES)

    def routes(self) -> list[Route]:
        """Every page, and the metadata files beside them."""
        views = self._views
        pages = {
            "/": views.overview,
            "/campaigns": views.campaigns,
            "/campaigns/{id}": views.campaign,
            "/contributors": views.contributors,
            "/contributors/{id}": views.contributor,
            "/epochs": views.epochs,
            "/epochs/{number}": views.epoch,
            "/jobs": views.jobs,
            "/jobs/{id}": views.job,
            "/datasets": views.datasets,
            "/datasets/{name}": views.dataset,
            "/revenue": views.revenue,
            "/log": views.log,
            "/log/{index}": views.entry,
        }
        files = {
            "/datasets/{name}/{file}": views.dataset_file,
            "/models/{id}/{file}": views.model_file,
        }
        return [
            *(Route(path, self._page(view, path in _TICKING)) for path, view in pages.items()),
            *(Route(path, self._file(view)) for path, view in files.items()),
        ]

    def _page(
        self, view: Callable[[Request], Awaitable[Shown]], ticks: bool
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            files = self._files_stamp() + (self._clock_ms() // _TICK_MS if ticks else 0)
            present = self._tag(self._book.head.size, files)
            if request.headers.get("if-none-match") == present:
                return Response(status_code=304, headers=_ASK_AGAIN | {"etag": present})
            try:
                shown = await view(request)
            except Reject as error:
                return self.missing(request, str(error))
            self._operator = self._operator or await self._views.operator()
            tag = self._tag(min(shown.as_of, self._book.head.size), files)
            html = self._render(request, shown, tag)
            return HTMLResponse(html, headers=_ASK_AGAIN | {"etag": tag})

        return answer

    def _file(
        self, view: Callable[[Request], Awaitable[tuple[bytes, str]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                content, media_type = await view(request)
            except Reject as error:
                return self.missing(request, str(error))
            return Response(content, media_type=media_type, headers=_ASK_AGAIN)

        return answer

    def missing(self, request: Request, why: str) -> Response:
        """The page for a URL that names nothing."""
        shown = Shown("missing.html", "Nothing here", self._book.head.size, {"why": why})
        return HTMLResponse(self._render(request, shown, ""), 404, {"cache-control": "no-store"})

    def _render(self, request: Request, shown: Shown, tag: str) -> str:
        size = self._book.head.size
        path = request.url.path
        section = next((p for p, _ in NAVIGATION[1:] if path == p or path.startswith(f"{p}/")), "/")
        return self._templates.get_template(shown.template).render(
            title=shown.title,
            network=self._link.name,
            link=str(self._link),
            verifier=str(self._book.log_verifier),
            http_url=self._link.http_url,
            size=size,
            root=self._book.tree.root(size),
            navigation=NAVIGATION,
            section=section,
            path=path,
            tag=tag,
            operator=self._operator,
            **shown.values,
        )

    def _tag(self, size: int, files: int) -> str:
        return f'"{size}-{files:x}-{self._build}"'

    def _files_stamp(self) -> int:
        """Changes when a dataset or a model appears in the operator's directory, or goes."""
        return sum(
            folder.stat().st_mtime_ns
            for folder in (self._home / "datasets", self._home / "models")
            if folder.is_dir()
        )


def _environment() -> Environment:
    made = environment(_TEMPLATES, "/static")
    made.filters |= formats.FILTERS
    made.globals |= {
        "amount": formats.amount,
        "units": formats.units,
        "many": formats.many,
        "evidence": formats.evidence,
        "roles": formats.ROLES,
        "minting_roles": MINTING,
        "minted_by": minted_by,
        "lines_for": lines_for,
        "by_outcome": by_outcome,
        "patterns": charts.PATTERNS,
        "share_bar": charts.share_bar,
        "part_bar": charts.part_bar,
        "swatch": charts.swatch,
        "line_swatch": charts.line_swatch,
        "interval_bar": charts.interval_bar,
    }
    return made
