"""The dashboard in a real browser: how it looks, how it keeps up with the log, how keys move through it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.identity import name_of
from tests.browser import Browser, chromium
from tests.helpers import Person
from tests.integration.test_dashboard import dataset_names
from tests.integration.test_node_page_browser import FAINT
from tests.live_coordinator import Live, live
from tests.showcase import served, showcase
from tests.simulated import Network


@pytest.fixture(scope="module")
def shown() -> Network:
    return showcase(title="<img src=x onerror=alert(1)>", job="</title><script>alert(2)</script>")


@pytest.fixture
async def net(shown: Network, tmp_path: Path) -> AsyncIterator[Live]:
    async with live(served(shown, tmp_path / "net")) as running:
        yield running


def paths_of(shown: Network) -> list[str]:
    """One of each page."""
    return [
        "/",
        "/campaigns",
        "/campaigns/street-signs",
        "/campaigns/answers",
        "/campaigns/digits",
        "/campaigns/essays",
        "/campaigns/transcripts",
        "/contributors",
        f"/contributors/{name_of(shown.people[0].id)}",
        "/epochs",
        "/epochs/3",
        f"/epochs/{shown.state.epoch}",
        "/jobs",
        "/jobs/train",
        "/jobs/train-again",
        "/datasets",
        f"/datasets/{dataset_names(shown)[-1]}",
        "/revenue",
        "/log",
        "/log/1",
    ]


def url_of(net: Live, path: str = "/") -> str:
    return f"http://127.0.0.1:{net.address.http_port}{path}"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
async def test_every_page_fits(net: Live, shown: Network, width: int, dark: bool) -> None:
    def look(browser: Browser) -> None:
        for path in paths_of(shown):
            browser.open(url_of(net, path))
            assert browser.evaluate("document.documentElement.scrollWidth") <= width, path
            assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == (
                "rgb(20, 24, 31)" if dark else "rgb(248, 248, 245)"
            )
            # Nothing that a reader must see is cut off: what is wide scrolls by itself.
            cut = browser.evaluate(
                "[...document.querySelectorAll('main *')].filter(e => e.scrollWidth >"
                " e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).overflowX"
                " === 'hidden').length"
            )
            assert cut == 0, path
            assert browser.evaluate(FAINT) == [], path

    with chromium(width, 844, dark=dark) as browser:
        await asyncio.to_thread(look, browser)


async def test_the_page_keeps_up_and_the_reader_keeps_their_place(net: Live) -> None:
    with chromium(1280, 600) as browser:
        await asyncio.to_thread(browser.open, url_of(net, "/log"))
        before = await asyncio.to_thread(
            browser.evaluate,
            """(() => {
              window.sameDocument = true;
              document.querySelector("details").open = true;
              const row = document.querySelector("tbody tr:nth-child(20)");
              row.querySelector("a").focus({preventScroll: true});
              getSelection().selectAllChildren(row.querySelector(".said"));
              scrollTo({top: 700, behavior: "instant"});
              return {row: row.dataset.key, selected: String(getSelection())};
            })()""",
        )
        await net.join(Person("newcomer"))
        first = "document.querySelector('tbody tr')"
        await asyncio.to_thread(browser.wait, f"{first}.innerText.includes('is to be paid at')")
        after = await asyncio.to_thread(
            browser.evaluate,
            """({
              same: window.sameDocument === true,
              open: document.querySelector("details").open,
              focused: document.activeElement.closest("tr")?.dataset.key,
              selected: String(getSelection()),
              scrolled: scrollY > 600,
              position: document.querySelectorAll("tbody tr")[20].dataset.key,
            })""",
        )
    assert after == {
        "same": True,
        "open": True,
        "focused": before["row"],
        "selected": before["selected"],
        "scrolled": True,
        "position": before["row"],
    }


async def test_a_paused_page_stands_still_until_it_may_go_on(net: Live) -> None:
    size = "document.querySelector('footer a').textContent"
    following = "document.querySelector('[data-following]')"
    with chromium(1280, 800) as browser:
        await asyncio.to_thread(browser.open, url_of(net))
        before = await asyncio.to_thread(browser.evaluate, size)
        await asyncio.to_thread(browser.click, "button")
        assert "Paused." in await asyncio.to_thread(browser.text, "[data-following]")
        await net.join(Person("newcomer"))
        assert await asyncio.to_thread(browser.evaluate, size) == before
        await asyncio.to_thread(browser.click, "button")
        await asyncio.to_thread(browser.wait, f"{size} !== {json.dumps(before)}")
        assert await asyncio.to_thread(
            browser.evaluate, f"{following}.innerText.includes('Follows the log.')"
        )


async def test_the_tab_key_reaches_every_link_and_shows_where_it_is(net: Live) -> None:
    def walk(browser: Browser) -> None:
        browser.open(url_of(net))
        browser.press("Tab", 9)
        assert browser.text(":focus") == "Skip to the content"
        links = browser.evaluate(
            "[...document.querySelectorAll('a, button, [tabindex=\"0\"], summary')]"
            ".map((e, i) => (e.dataset.place = i)).length"
        )
        reached = set()
        for _ in range(links):
            reached.add(browser.evaluate("document.activeElement.dataset.place"))
            shown = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert shown == "solid"
            browser.press("Tab", 9)
        assert len(reached) == links
        browser.open(url_of(net))
        browser.press("Tab", 9)
        browser.press("Enter", 13, "\r")
        browser.wait("document.activeElement.id === 'main'")

    with chromium(1280, 800) as browser:
        await asyncio.to_thread(walk, browser)


async def test_without_a_script_the_pages_say_the_same(net: Live, shown: Network) -> None:
    def read(javascript: bool) -> list[str]:
        with chromium(1280, 800, javascript=javascript) as browser:
            texts = []
            for path in paths_of(shown):
                browser.open(url_of(net, path))
                texts.append(browser.text("#live"))
            following = browser.text("[data-following]")
            assert following.startswith("Follows" if javascript else "Reload this page")
            return texts

    assert await asyncio.to_thread(read, True) == await asyncio.to_thread(read, False)
