"""The operator's desk in a real browser: how it looks, for whom it works, that nothing of others' runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from coordinator.desk.desk import Desk
from tests.browser import Browser, chromium
from tests.integration.test_node_page_browser import FAINT
from tests.operators_desk import desk_over
from tests.showcase import showcase
from tests.simulated import Network

pytestmark = pytest.mark.timeout(180)

FOCUSED = "document.activeElement.name || document.activeElement.className"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def shown() -> Network:
    return showcase(title=HOSTILE, guidelines="</title><script>alert(2)</script>")


@pytest.fixture
async def desk(shown: Network, tmp_path: Path) -> AsyncIterator[tuple[Desk, str]]:
    async with desk_over(shown, tmp_path) as opened:
        yield opened


def paths_of(desk: Desk) -> list[str]:
    """One of each page."""
    item = desk.seen.campaigns["digits"].items[0].hex()
    return [
        "",
        "new",
        "new?draft=birds",
        "drafts/birds",
        *(f"campaigns/{name}" for name in desk.seen.campaigns),
        "campaigns/digits/items",
        "campaigns/digits/items?find=zz",
        "campaigns/digits/gold",
        *(f"campaigns/{name}/terms" for name in ("digits", "transcripts")),
        *(f"campaigns/{name}/gold/review?expert=Ann" for name in desk.seen.campaigns),
        f"items/{item}",
        "nothing",
    ]


@pytest.mark.parametrize(
    ("width", "height", "dark"), [(1280, 900, False), (390, 844, True)], ids=["wide", "narrow"]
)
async def test_every_page_fits_and_is_accessible(
    desk: tuple[Desk, str], width: int, height: int, dark: bool
) -> None:
    opened, url = desk
    small = (  # WCAG 2.2, 2.5.8
        "[...document.querySelectorAll('main input:not([type=hidden]), main button, main select')]"
        ".filter(e => e.checkVisibility() && Math.min(e.offsetWidth, e.offsetHeight) < 24)"
        ".map(e => e.outerHTML)"
    )

    def look(browser: Browser) -> None:
        browser.open(url)
        base = browser.evaluate("location.href")
        for path in paths_of(opened):
            browser.open(base + path)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width, path
            assert browser.evaluate("document.querySelectorAll('h1').length") == 1, path
            assert browser.evaluate(FAINT) == [], path
            assert browser.evaluate(small) == [], path
            assert browser.violations() == [], path
        browser.complaints[:] = [each for each in browser.complaints if "404" not in each]

    def read() -> None:
        with chromium(width, height, dark=dark) as browser:
            look(browser)

    await asyncio.to_thread(read)


async def test_names_of_others_run_nothing(desk: tuple[Desk, str]) -> None:
    opened, url = desk

    def read() -> None:
        with chromium(1280, 900) as browser:  # an alert, or a breach of the policy, fails it
            browser.open(url)
            base = browser.evaluate("location.href")
            for path in paths_of(opened)[:-1]:
                browser.open(base + path)
                assert browser.evaluate("document.querySelectorAll('img[src=x]').length") == 0
                assert browser.evaluate("document.scripts.length") == 0
            browser.open(base)
            assert HOSTILE in browser.text()

    await asyncio.to_thread(read)


async def test_a_new_price_changes_no_text(tmp_path: Path) -> None:
    """Whatever is in the guidelines: signs that cannot be seen, line ends, blanks at the ends."""
    written = "\n  \u200f\u05e9\u05dc\u05d5\u05dd\u200e (one\u00adword).\n\tAnd <b>more</b>, 100\u00a0%.\n\n"

    def press(browser: Browser, words: str) -> None:
        found = f"[...document.querySelectorAll('button')].find(e => e.textContent == '{words}')"
        browser.evaluate(f"{found}.click()")

    def change(url: str) -> None:
        with chromium(1280, 900, javascript=False) as browser:
            browser.open(url)
            base = browser.evaluate("location.href")
            browser.open(f"{base}campaigns/street-signs/terms")
            assert (
                "It holds what cannot be seen, and keeps it: U+200F, U+200E, U+00AD."
                in browser.text()
            )
            assert browser.evaluate("document.getElementById('f-guidelines').value") == written
            browser.evaluate("document.getElementById('f-price_ppm').value = '123456'")
            for words in ("See what would change", "Change the terms"):
                browser.evaluate(
                    "[...document.querySelectorAll('[name=sure]')].forEach(e => e.checked = true)"
                )
                browser.follow(partial(press, browser, words))
            browser.complaints.clear()

    async with desk_over(showcase(guidelines=written), tmp_path) as (desk, url):
        assert desk.state.campaigns["street-signs"].guidelines == written
        await asyncio.to_thread(change, url)
        campaign = desk.state.campaigns["street-signs"]
        assert campaign.price_ppm == 123_456, "so the form was sent"
        assert campaign.guidelines == written


async def test_a_draft_by_keyboard_alone_and_without_a_script(desk: tuple[Desk, str]) -> None:
    """Every field has a key's reach, in the order of the page; sending works without JavaScript."""
    _, url = desk

    def type_in(browser: Browser, text: str) -> None:
        browser.call("Input.insertText", text=text)

    def reach(browser: Browser, name: str) -> None:
        """Goes on by tabs until the field of this name has the focus, and is seen to have it."""
        for _ in range(60):
            browser.press("Tab", 9)
            if browser.evaluate(FOCUSED) == name:
                style = "getComputedStyle(document.activeElement).outlineStyle"
                assert browser.evaluate(style) != "none"
                return
        raise AssertionError(f"no key leads to {name}")

    def write() -> None:
        with chromium(390, 844, javascript=False) as browser:
            browser.open(url)
            browser.open(browser.evaluate("location.href") + "new")
            for name, text in (("id", "owls"), ("labels", "barn\nsnowy"), ("seal_items", "7")):
                reach(browser, name)
                type_in(browser, text)
            reach(browser, "main")
            browser.follow(lambda: browser.press("Enter", 13, "\r"))
            assert browser.text("h1") == "Draft owls"
            assert "Nothing is wrong with it." in browser.text()
            assert "seal_items = 7" in browser.text("pre")

    await asyncio.to_thread(write)
