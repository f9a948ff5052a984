"""The contributor's page as its reader sees it: in a real browser, wide and narrow, light and dark."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.page.own import Standing
from tests.browser import Browser, chromium
from tests.own_page import GIVEN, HOSTILE, World, live_world

pytestmark = pytest.mark.timeout(120)

PAGES = ("", "items", "items?state=withdrawn", "earnings", "reviews", "training", "node", "log/9")

# Everything that can be reached by a key, in the order of the document.
FOCUSABLE = "[...document.querySelectorAll('a, summary, [tabindex=\"0\"]')].filter(e => e.checkVisibility())"
# Text whose colour is too near to what lies behind it: WCAG 2.2, 1.4.3, at 4.5:1.
FAINT = """(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const linear = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const behind = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; }
    return [255, 255, 255]; };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = [];
  while (texts.nextNode()) { const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !e.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) faint.push(e.outerHTML.slice(0, 120)); }
  return faint; })()"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = live_world(tmp_path)
    yield made
    made.close()


def enter(browser: Browser, url: str) -> str:
    """Opens the page with its token; gives the address without it."""
    browser.open(url)
    base = str(browser.evaluate("location.href"))
    assert "token" not in base
    return base


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_page_fits_and_is_legible(
    world: World, width: int, height: int, dark: bool
) -> None:
    def read(url: str) -> None:
        with chromium(width, height, dark=dark) as browser:
            base = enter(browser, url)
            for path in PAGES:
                browser.open(base + path)
                overflow = browser.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                assert overflow == 0, path
                assert browser.evaluate("document.querySelectorAll('h1').length") == 1
                assert browser.evaluate(FAINT) == [], path
                assert browser.evaluate("document.querySelectorAll('img:not([alt])').length") == 0
                broken = "[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
                assert browser.evaluate(broken) == []

    async with world.open() as url:
        await asyncio.to_thread(read, url)


async def test_without_javascript_every_fact_is_there(world: World) -> None:
    def read(url: str, javascript: bool) -> list[str]:
        with chromium(390, 844, javascript=javascript) as browser:
            base = enter(browser, url)
            texts = []
            for path in PAGES:
                browser.open(base + path)
                texts.append(browser.text())
            return texts

    async with world.open() as url:
        without = await asyncio.to_thread(read, url, False)
        assert without == await asyncio.to_thread(read, url, True)
    assert f"You gave {GIVEN} items, and 58 are part of the commons." in without[0]


async def test_a_new_verdict_appears_without_a_reload(world: World) -> None:
    """What the reader has before the eyes stays: where the page is, what has the focus, what is open."""
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read(url: str) -> None:
        with chromium(1280, 700) as browser:
            base = enter(browser, url)
            browser.open(base + "earnings")
            browser.evaluate("document.querySelectorAll('details')[2].open = true")
            browser.evaluate("document.querySelectorAll('summary')[2].focus()")
            browser.evaluate("scrollTo(0, 500)")
            place = "document.activeElement.closest('li').id"
            before = browser.evaluate(place)
            browser.evaluate("window.mark = 'the same document'")
            loop.call_soon_threadsafe(seen.set)
            browser.wait("document.querySelector('.lines h3').textContent.includes('Epoch 4')")
            assert browser.evaluate("window.mark") == "the same document"
            assert browser.evaluate(place) == before
            assert browser.evaluate("document.activeElement.nodeName") == "SUMMARY"
            assert browser.evaluate("document.activeElement.parentElement.open") is True
            assert browser.evaluate("document.querySelectorAll('details[open]').length") == 1
            assert browser.evaluate("scrollY") >= 500

    async with world.open() as url:
        reader = asyncio.create_task(asyncio.to_thread(read, url))
        await until(reader, seen)
        world.review()
        await reader


async def until(task: asyncio.Task[None], event: asyncio.Event) -> None:
    """Waits for the event; a task that ends before has failed, and says how."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()


async def test_a_withdrawn_item_loses_its_picture_before_the_readers_eyes(world: World) -> None:
    assert world.sources.replay is not None
    [item_id] = world.sources.replay.own.items(Standing.ACCEPTED, 0, 1)
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()
    row = f"#i{item_id.hex()[:16]}"

    def read(url: str) -> None:
        with chromium(1280, 900) as browser:
            base = enter(browser, url)
            browser.open(base + "items")
            assert browser.evaluate(f"document.querySelectorAll('{row} img').length") == 1
            loop.call_soon_threadsafe(seen.set)
            browser.wait(f"document.querySelector('{row} .badge').textContent == 'Withdrawn'")
            assert browser.evaluate(f"document.querySelectorAll('{row} img').length") == 0
            assert "scan-" not in browser.text(row)

    async with world.open() as url:
        reader = asyncio.create_task(asyncio.to_thread(read, url))
        await until(reader, seen)
        world.withdraw(item_id)
        await reader


async def test_a_node_that_is_gone_is_said_to_be(world: World) -> None:
    seen, loop = asyncio.Event(), asyncio.get_running_loop()

    def read(url: str) -> None:
        with chromium(390, 844) as browser:
            enter(browser, url)
            assert (
                browser.evaluate("document.querySelector('[data-gone]').checkVisibility()") is False
            )
            loop.call_soon_threadsafe(seen.set)
            browser.wait("document.querySelector('[data-gone]').checkVisibility()")
            assert f"You gave {GIVEN} items" in browser.text(), "what it said last stays"
            browser.complaints.clear()  # that nobody answered

    async with world.open() as url:
        reader = asyncio.create_task(asyncio.to_thread(read, url))
        await until(reader, seen)
    await reader


async def test_hostile_names_and_titles_run_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    [item_id] = world.give([1], name=HOSTILE)
    world.train(1, title=HOSTILE)

    def read(url: str) -> None:
        with chromium(1280, 900) as browser:  # an alert, or a breach of the policy, fails it
            base = enter(browser, url)
            for path in ("items", f"items/{item_id.hex()}", "training"):
                browser.open(base + path)
                assert HOSTILE in str(browser.evaluate("document.body.textContent"))
                assert browser.evaluate("document.querySelectorAll('img[src=x]').length") == 0
                assert browser.evaluate("document.scripts.length") == 1

    async with world.open() as url:
        await asyncio.to_thread(read, url)
    world.close()


async def test_the_keyboard_reaches_everything_in_order(world: World) -> None:
    def read(url: str) -> None:
        with chromium(1280, 900) as browser:
            base = enter(browser, url)
            for path in ("", "earnings", "reviews"):
                browser.open(base + path)
                browser.evaluate(f"window.stops = {FOCUSABLE}")
                for number in range(int(browser.evaluate("stops.length"))):
                    browser.press("Tab", 9)
                    assert browser.evaluate(f"document.activeElement === stops[{number}]"), number
                    outline = browser.evaluate(
                        "getComputedStyle(document.activeElement).outlineStyle"
                    )
                    assert outline == "solid"
            browser.open(base + "items")
            browser.press("Tab", 9)
            assert browser.text(":focus") == "Skip to the content"
            browser.press("Enter", 13, "\r")
            browser.wait("document.activeElement.id === 'main'")

    async with world.open() as url:
        await asyncio.to_thread(read, url)


async def test_another_site_on_this_machine_sees_nothing(world: World) -> None:
    """A page of another port tries to read ours, in the owner's own browser."""
    stolen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        stolen.append(request)
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<p>hi"
        )
        await writer.drain()
        writer.close()

    def visit(url: str, evil: str) -> object:
        with chromium(800, 600) as browser:
            base = enter(browser, url)
            browser.open(evil)
            answer = browser.evaluate(
                f"fetch({json.dumps(base)}, {{credentials: 'include'}})"
                ".then(() => 'read', () => 'refused')"
            )
            browser.complaints.clear()  # of its attempt
            return answer

    other = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with world.open() as url, other:
        assert await asyncio.to_thread(visit, url, f"http://127.0.0.1:{port}/") == "refused"
    assert stolen
    assert not any("cookie:" in request.lower() for request in stolen)
