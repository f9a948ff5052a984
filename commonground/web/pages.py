"""Templates and static files of a site: its own folders, and behind them what all sites share."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

_SHARED: Final = Path(__file__).parent / "templates"


def environment(templates: Path, static: str) -> Environment:
    """The templates of a site whose static files are below the path `static`. All text is escaped."""
    made = Environment(
        loader=FileSystemLoader([templates, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static
    made.filters["count"] = lambda number: f"{number:,}"
    return made


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
