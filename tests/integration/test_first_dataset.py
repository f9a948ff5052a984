"""A first dataset, in eight commands: each line of docs/coordinator.md is run as it stands there."""

from __future__ import annotations

import csv
import json
import random
import re
import time
from pathlib import Path
from typing import Final

import pytest

from tests.friend import Friend
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


def write_texts(path: Path) -> dict[str | bytes, str]:
    """Gives the label of each of 200 different texts."""
    rng = random.Random(9)
    found: dict[str | bytes, str] = {}
    while len(found) < ROWS:
        label = "spam" if len(found) % 5 == 0 else "ham"
        words = (OFFERS if label == "spam" else TALK).split()
        found[f"{' '.join(rng.choices(words, k=12))} {len(found)}"] = label
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t").writerows((label, text) for text, label in found.items())
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
        friend.review("texts", ROWS)
        assert until_decided(someone) == ROWS
        said = someone.type(lines[-1])
        sale = re.search(r"next: (commonhold coordinator licence --snapshot \w+)", said)
        assert sale, said
        sold = someone.type(
            f"{sale[1]} --id first --licensee Northwind --terms CC-BY-4.0 --asset eth --price 5 --dir ./net"
        )
        assert "licence first is logged" in sold
        assert "eth" in someone.type("commonhold coordinator licences --dir ./net")
        someone.stop()
    [written] = tmp_path.glob("**/csv/*.csv")
    with written.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["content"]: row["answer"] for row in rows} == labels, said
