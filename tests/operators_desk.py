"""The operator's desk for tests: over a log with something on every page, and as a browser would use it."""

from __future__ import annotations

import asyncio
import html
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from commonground.web.gate import FORM_FIELD
from coordinator.config import Home
from coordinator.desk.desk import Desk
from coordinator.desk.server import serving
from tests.live_coordinator import CLI, live
from tests.showcase import served
from tests.simulated import Network

DRAFT = """\
id = "birds"
title = "Birds"
guidelines = "The bird in the middle."
labels = ["crow", "jay"]
privacy = "open"
"""


@asynccontextmanager
async def desk_over(net: Network, folder: Path) -> AsyncIterator[tuple[Desk, str]]:
    """A desk beside a coordinator that serves the network's log, and the address that opens it."""
    home = served(net, folder / "net")
    (home.path / "drafts").mkdir()
    (home.path / "drafts" / "birds.toml").write_text(DRAFT)
    async with live(home):
        with await asyncio.to_thread(Desk, home) as desk:
            async with serving(desk) as url:
                yield desk, url


@contextmanager
def desk_process(home: Home) -> Iterator[str]:
    """`commonhold coordinator desk` in a process of its own; gives the address that it prints."""
    process = subprocess.Popen(
        [*CLI, "coordinator", "desk", "--dir", str(home.path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


class Visitor:
    """A browser without a script: it follows links, keeps cookies, and sends forms as they stand."""

    def __init__(self, url: str) -> None:
        """Enters by the address that was printed."""
        self.client = httpx.Client(follow_redirects=True, timeout=60)
        self.page = self.client.get(url)
        assert self.page.status_code == 200
        self.base = str(self.page.url)
        self.origin = f"http://{self.page.url.netloc.decode()}"

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def read(self, path: str) -> str:
        """The text of a page, as HTML."""
        self.page = self.client.get(self.base + path)
        assert self.page.status_code == 200, f"{path}: {self.page.text}"
        return self.page.text

    @property
    def secret(self) -> str:
        """What the forms of the present page carry."""
        found = re.search(rf'name="{FORM_FIELD}" value="([0-9a-f]+)"', self.page.text)
        assert found is not None, "the page has no form that changes something"
        return found[1]

    def hidden(self, name: str) -> str:
        """The value of a hidden field of the present page."""
        found = re.search(rf'type="hidden" name="{name}" value="([^"]*)"', self.page.text)
        assert found is not None, f"the page has no hidden {name}"
        return html.unescape(found[1])

    def send(self, path: str, *, files: Any = None, **fields: Any) -> httpx.Response:
        """Sends a form of the present page."""
        self.page = self.client.post(
            self.base + path,
            data={FORM_FIELD: self.secret} | fields,
            files=files,
            headers={"origin": self.origin},
        )
        return self.page
