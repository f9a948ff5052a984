"""Templates and static files of a site: its own folders, and behind them what all sites share.

Text of others is escaped where a template names it, and on the whole page what cannot be seen is spelt out,
but in what a form sends back: beside that stands what it holds, by the filter `unseen`.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from starlette.staticfiles import StaticFiles

from commonground.escaping import in_page, unseen

_SHARED: Final = Path(__file__).parent / "templates"


class _Page(Template):
    """A template that renders to a page."""

    def render(self, *args: Any, **values: Any) -> str:
        """The page, in which everything can be seen."""
        return in_page(super().render(*args, **values))


def environment(templates: Path, static: str, *further: Path) -> Environment:
    """The templates of a site whose static files are below the path `static`, and `further` ones that it
    borrows. All text is escaped."""
    made = Environment(
        loader=FileSystemLoader([templates, *further, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.template_class = _Page
    made.globals["static"] = static
    made.filters["count"] = lambda number: f"{number:,}"
    made.filters["segment"] = segment
    made.filters["unseen"] = unseen
    return made


def segment(text: str) -> str:
    """A name as one segment of a path, whatever is in it."""
    return quote(text, safe="", errors="replace")


def digest_of(templates: Path) -> str:
    """Changes with the templates of a site, so that nobody keeps a page of an older program."""
    digest = sha256()
    for folder in (templates, _SHARED):
        for path in sorted(folder.glob("*.html")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def static_files(folder: Path) -> StaticFiles:
    """Serves the site's own static files, and the shared ones beside them."""
    return StaticFiles(directory=folder, packages=[("commonground.web", "static")])
