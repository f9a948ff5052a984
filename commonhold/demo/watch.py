"""The pages: the operator's dashboard and a contributor's own, read as a visitor without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from commonhold.demo.scene import Scene

# A page for each member, job, campaign, epoch and item of ada's, and the log's, which lead to its entries.
PAGES_MAX: Final = 300


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def watch(scene: Scene, must_say: Sequence[str]) -> bool:
    """Whether every page that a reader can reach answers, and together they say what they must."""
    with scene.display.step("the operator's dashboard, and ada's own page") as step:
        with httpx.Client(follow_redirects=True, timeout=30, trust_env=False) as client:
            public = _crawl(client, scene.http_url)
            own = _crawl(client, scene.nodes["ada"].ready["page"])
        text = "\n".join(public.values())
        missing = [fact for fact in must_say if fact not in text]
        broken = [url for url, body in (public | own).items() if not body]
        step.say(
            f"{len(public)} and {len(own)} pages answer"
            if not missing + broken
            else f"missing: {missing + broken}"
        )
    return not missing and not broken and len(own) > 1


def _crawl(client: httpx.Client, start: str) -> dict[str, str]:
    """Pages of one host by URL, as plain text; empty where one does not answer with HTML."""
    host, pages, waiting = urlsplit(start).netloc, dict[str, str](), [start]
    while waiting and len(pages) < PAGES_MAX:
        url = waiting.pop(0)
        if url in pages:
            continue
        answer = client.get(url)
        if not answer.headers.get("content-type", "").startswith("text/html"):
            if answer.status_code != httpx.codes.OK:
                pages[url] = ""
            continue
        pages[url] = _text(answer.text) if answer.status_code == httpx.codes.OK else ""
        links = _Links()
        links.feed(answer.text)
        absolute = (urljoin(url, link).partition("#")[0] for link in links.found)
        waiting += [link for link in absolute if urlsplit(link).netloc == host]
    return pages


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
