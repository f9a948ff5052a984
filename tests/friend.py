"""A person who reviews at the page that `commonhold node review --web` serves."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping
from html import unescape
from typing import Final

import httpx
from PIL import Image

WAIT_S: Final = 120.0


class Friend:
    """Somebody at the review page, without JavaScript: one form for each item, then the seal. `labels`: what
    each text is, or each picture by its pixels."""

    def __init__(self, address: str, labels: Mapping[str | bytes, str]) -> None:
        self.labels = labels
        self.base = address.partition("?")[0]
        self.client = httpx.Client(follow_redirects=True, timeout=30)
        self.client.headers["origin"] = "/".join(address.split("/")[:3])
        self.client.get(address).raise_for_status()

    def review(self, campaign: str, items: int) -> None:
        """Waits until all items are here, answers them, looks at the answers, and seals them."""
        [where] = self._until(rf'href="[^"]*item/({campaign}/\d+)/\d+"')
        for path in self._until(r'<li><a href="/\w+/(item/[^"]+)"', f"answers/{where}", items):
            self._answer(path)
        answers = self._page(f"answers/{where}")
        assert "no answer yet" not in answers
        form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answers))
        sealed = self.client.post(f"{self.base}answers/{where}", data=form | {"sure": "yes"})
        assert sealed.status_code == 200, sealed.text
        self.client.close()

    def _answer(self, path: str) -> None:
        page = self._page(path)
        word = self.labels[self._shown(page)]
        label = re.findall(rf'value="(\d+)"[^>]*>\s*<bdi>{word}</bdi>', page)[0]
        form = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
        said = dict(form) | {"said": label}
        if 'name="relation"' in page:
            said["relation"] = "independent"
        assert self.client.post(self.base + path, data=said).status_code == 200

    def _shown(self, page: str) -> str | bytes:
        if found := re.search(r'<img class="picture" src="/\w+/([^"]+)"', page):
            answer = self.client.get(self.base + found[1])
            answer.raise_for_status()
            return Image.open(io.BytesIO(answer.content)).convert("RGB").tobytes()
        return unescape(
            re.findall(r'class="prose" dir="auto"[^>]*>([^<]*)</p>\s*</section>', page)[0]
        )

    def _page(self, path: str = "") -> str:
        answer = self.client.get(self.base + path)
        answer.raise_for_status()
        return answer.text

    def _until(self, pattern: str, page: str = "", at_least: int = 1) -> list[str]:
        """What a page has of something, once it has enough: content comes from the author's node."""
        deadline = time.monotonic() + WAIT_S
        while len(found := list(dict.fromkeys(re.findall(pattern, self._page(page))))) < at_least:
            assert time.monotonic() < deadline, self._page(page)
            time.sleep(0.2)
        return found
