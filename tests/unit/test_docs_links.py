"""What the pages refer to is there: files, headings in them, decisions by their number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DECISIONS: Final = ROOT / "docs" / "adr"
PAGES: Final = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(DECISIONS.glob("*.md")),
)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_FENCED: Final = re.compile(r"```.*?```", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as a link names them."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(page.read_text()):
        file, _, heading = link.partition("#")
        target = page.parent / file if file else page
        if not link.startswith("http") and (
            not target.exists() or (heading and heading not in anchors(target))
        ):
            broken.append(link)
    assert not broken


def test_each_decision_that_is_named_was_taken() -> None:
    taken = {int(path.name[:4]) for path in DECISIONS.glob("*.md")}
    assert len(taken) == len(list(DECISIONS.glob("*.md"))), "a number is one decision's"
    sources = [
        path
        for room in ("commonground", "commonhold", "contracts", "coordinator", "federated", "node")
        for path in (ROOT / room).rglob("*.py")
        if "node_modules" not in path.parts
    ]
    named = {
        int(number)
        for path in (*PAGES, *sources, *(ROOT / "protocol").rglob("*.py"))
        for number in re.findall(r"\bADR\s+(\d+)", path.read_text())
    }
    assert named <= taken
