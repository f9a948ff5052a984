"""A first dataset, in eight commands: each line of docs/coordinator.md is run as it stands there.

The friend answers in the page, as a browser without JavaScript would: one form for each text, then the seal.
"""

from __future__ import annotations

import csv
import json
import random
import re
import time
from html import unescape
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.integration.test_readme import LINE_S, Reader, commands_in, reader

DOCS: Final = Path(__file__).parents[2] / "docs" / "coordinator.md"
HEADING: Final = "## A first dataset, in eight commands"
ROWS: Final = 200
TALK: Final = (
    "see you at the old bridge by nine and bring a lamp some bread both maps no dog this time"
)
OFFERS: Final = (
    "win a free prize claim it now cash gift code reply stop urgent final offer phone winner"
)
COMMANDS_MAX: Final = 8

pytestmark = pytest.mark.timeout(600)


def write_texts(path: Path) -> dict[str, str]:
    """Gives the label of each of 200 different texts."""
    rng = random.Random(9)
    found: dict[str, str] = {}
    while len(found) < ROWS:
        label = "spam" if len(found) % 5 == 0 else "ham"
        words = (OFFERS if label == "spam" else TALK).split()
        found[f"{' '.join(rng.choices(words, k=12))} {len(found)}"] = label
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t").writerows((label, text) for text, label in found.items())
    return found


class Friend:
    """Somebody at the review page, without JavaScript."""

    def __init__(self, address: str, labels: dict[str, str]) -> None:
        self.labels = labels
        self.base = address.partition("?")[0]
        self.client = httpx.Client(follow_redirects=True, timeout=30)
        self.client.headers["origin"] = "/".join(address.split("/")[:3])
        self.client.get(address).raise_for_status()

    def review(self) -> None:
        """Waits until all texts are here, answers them, looks at the answers, and seals them."""
        [where] = self._until(r'href="[^"]*item/(texts/\d+)/\d+"', at_least=1)
        for path in self._until(r'<li><a href="/\w+/(item/[^"]+)"', f"answers/{where}", ROWS):
            self._answer(path)
        answers = self._page(f"answers/{where}")
        assert "no answer yet" not in answers
        form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answers))
        sealed = self.client.post(f"{self.base}answers/{where}", data=form | {"sure": "yes"})
        assert sealed.status_code == 200, sealed.text

    def _answer(self, path: str) -> None:
        page = self._page(path)
        text = unescape(
            re.findall(r'class="prose" dir="auto"[^>]*>([^<]*)</p>\s*</section>', page)[0]
        )
        label = re.findall(rf'value="(\d+)"[^>]*><bdi>{self.labels[text]}</bdi>', page)[0]
        form = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
        said = dict(form) | {"said": label}
        if 'name="relation"' in page:
            said["relation"] = "independent"
        assert self.client.post(self.base + path, data=said).status_code == 200

    def _page(self, path: str = "") -> str:
        answer = self.client.get(self.base + path)
        answer.raise_for_status()
        return answer.text

    def _until(self, pattern: str, page: str = "", at_least: int = 1) -> list[str]:
        """What a page has of something, once it has enough: content comes from the author's node."""
        deadline = time.monotonic() + LINE_S
        while len(found := list(dict.fromkeys(re.findall(pattern, self._page(page))))) < at_least:
            assert time.monotonic() < deadline, self._page(page)
            time.sleep(0.2)
        return found


def until_decided(someone: Reader) -> int:
    """Waits for the round's verdicts; gives how many items are accepted."""
    deadline = time.monotonic() + LINE_S
    while True:
        said = someone.type("commonhold coordinator status --dir ./net --json")
        [campaign] = json.loads(said)["campaigns"]
        if campaign["accepted"] + campaign["rejected"] == ROWS:
            return int(campaign["accepted"])
        assert time.monotonic() < deadline, campaign
        time.sleep(0.5)


def test_a_table_becomes_a_dataset_in_eight_commands(tmp_path: Path) -> None:
    lines = commands_in(DOCS, HEADING)
    assert len(lines) <= COMMANDS_MAX
    assert lines[0].startswith("pip install")
    with reader(tmp_path) as someone:
        labels = write_texts(tmp_path / "sms.tsv")
        for line in [". .venv/bin/activate", *lines[1:-1]]:
            someone.type(line)
        friend = Friend(someone.ready[-1]["page"], labels)
        friend.review()
        assert until_decided(someone) == ROWS
        said = someone.type(lines[-1])
        someone.stop()
    [written] = tmp_path.glob("**/csv/*.csv")
    with written.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["content"]: row["answer"] for row in rows} == labels, said
