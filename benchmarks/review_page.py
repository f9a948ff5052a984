"""The review page in Debian's chromium: how soon the next item is painted, what kills lose, what axe finds.

    python -m benchmarks.review_page [--json] [--items N] [--kills N]

`commonhold node review --web` serves 5,000 pictures as a process of its own; there is no coordinator and no
running node, so the network is cut. A key answers, and the time is from the key's event to the first task
after the frame that has the next picture in it; the next key comes 100 ms later, faster than people press.

Then answers are given, and node and browser, by turns, are killed (SIGKILL) at a random moment among more.
While the node is away answers go on; its new address is opened where the old one was. An answer counts as
given once the page says of everything that node or browser have it: then it must be in node.db in the end.
axe-core goes over every page of the product, wide and narrow.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.report import show
from node.store import Store
from tests.browser import Browser, chromium
from tests.integration.test_dashboard_browser import paths_of
from tests.integration.test_node_page_browser import PAGES, enter
from tests.live_coordinator import live
from tests.own_page import live_world
from tests.review_bench import digit, drawn
from tests.review_page import ReviewWorld, campaign, fruit
from tests.showcase import served, showcase
from tests.simulated import part

ITEMS: Final = 5_000
KILLS: Final = 100
KILL_ITEMS: Final = 600
PRESSES: Final = 300
WIDTHS: Final = {1280: 860, 390: 844}
PAUSE_SECONDS: Final = 0.1
PICTURES: Final = 200  # that are different to look at
PAINTED: Final = "document.querySelector('#stage')?.ariaBusy === 'false'"
READY: Final = f"document.body.className === 'scripted' && {PAINTED}"
# A dozen items are fetched ahead.
AHEAD: Final = (
    "performance.getEntriesByType('resource').filter(e => e.name.includes('/content/')).length > 12"
)
KEPT: Final = "document.body.dataset.unkept === '0'"
SENT: Final = f"{KEPT} && document.body.dataset.waiting === '0'"
# From the event of a key to the first task after the frame in which the stage has another item.
WATCH: Final = """window.took = []; (() => { let began = 0;
  document.addEventListener('keydown', (event) => { began = event.timeStamp; }, true);
  const painted = new MessageChannel();
  painted.port1.onmessage = () => { took.push(performance.now() - began); };
  new MutationObserver(() => requestAnimationFrame(() => painted.port2.postMessage(0)))
    .observe(document.querySelector('#stage'), { attributeFilter: ['data-item'] }); })()"""


def run(items: int = ITEMS, kills: int = KILLS) -> dict[str, object]:
    """All figures; the last five are what the project promises."""
    figures: dict[str, object] = {"items": items, "load at the start": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _fill(home, items)
        _say(f"{items} items are drawn")
        for width, height in WIDTHS.items():
            took = sorted(_paint(home, width, height))
            figures[f"median_ms_{width}"] = round(took[len(took) // 2], 1)
            figures[f"worst_ms_{width}"] = round(took[-1], 1)
            figures[f"p95_ms_{width}"] = round(took[len(took) * 95 // 100], 1)
            _say(f"{width} pixels: p95 {figures[f'p95_ms_{width}']} ms")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _fill(home, KILL_ITEMS)
        figures |= _kill(home, kills)
        _say(f"{figures['answers_lost']} of {figures['answers given']} answers lost")
    wrong = asyncio.run(_violations())
    last = {"p95_ms_1280": figures.pop("p95_ms_1280"), "p95_ms_390": figures.pop("p95_ms_390")}
    last |= {"kills": figures.pop("kills"), "answers_lost": figures.pop("answers_lost")}
    return figures | {"violations": wrong} | last | {"axe_violations": len(wrong)}


def _say(progress: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {progress}", file=sys.stderr, flush=True)


# ---- the node ----


def _fill(home: Path, count: int) -> None:
    """A node whose owner was drawn for so many pictures."""
    asked = campaign(
        "pictures", "classify", {"labels": ["apple", "lemon", "lime"]},
        part("photo", "image/png"), title="Fruits in a bowl",
    )  # fmt: skip
    bench = drawn(home, asked, pictures=[digit(seed) for seed in range(count)])
    shown = [fruit(seed) for seed in range(PICTURES)]  # larger than what makes items differ
    for number, task in enumerate(bench.db.tasks("pictures", 1)):
        (Path(task.content_path) / "photo").write_bytes(shown[number % PICTURES])
    bench.db.close()


class Node:
    """The page as a process; it can be killed, and comes back at its port under another address."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.start()

    def start(self) -> None:
        command = ["commonhold", "node", "review", "--web", "--dir", str(self._home)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the page did not start"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def address(self, place: int) -> str:
        return f"{self.url.partition('?')[0]}item/pictures/1/{place}"


@contextmanager
def _node(home: Path) -> Iterator[Node]:
    node = Node(home)
    try:
        yield node
    finally:
        node.kill()


# ---- how soon ----


def _paint(home: Path, width: int, height: int) -> list[float]:
    """Milliseconds for each press."""
    with _node(home) as node, chromium(width, height) as browser:
        _enter(browser, node, 0)
        time.sleep(2)  # what is ahead is fetched, as it is while the first item is looked at
        browser.evaluate(WATCH)
        for press in range(PRESSES):
            _press(browser, press % 3)
            browser.wait(f"took.length > {press}")
            time.sleep(PAUSE_SECONDS)
        browser.wait(SENT)
        took: list[float] = browser.evaluate("took")
        return took


def _enter(browser: Browser, node: Node, place: int) -> None:
    """Opens the page's address, and goes to an item."""
    browser.open(node.url)
    browser.open(node.address(place))
    browser.wait(READY)


def _press(browser: Browser, label: int) -> None:
    key = str(label + 1)
    browser.press(key, ord(key), key)


# ---- what kills lose ----


def _kill(home: Path, kills: int) -> dict[str, object]:
    chance = random.Random(9)
    given: dict[int, int] = {}  # by place: what was said, and said to be kept
    place = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, _node(home) as node:
        for number in range(0, kills, 2):
            with chromium(1280, 860, profile=Path(profile)) as browser:
                _enter(browser, node, place)
                browser.wait(AHEAD)
                place = _answer(browser, given, place, chance)
                _some(browser, place, chance)
                node.kill()
                place = _answer(browser, given, _place(browser), chance)  # they are kept here
                node.start()
                _enter(browser, node, place)
                place = _answer(browser, given, place, chance)
                _some(browser, place, chance)
                if number + 1 < kills:
                    place = _place(browser)
                browser.complaints.clear()  # that nobody answered
            _say(f"{number + 2} kills, {len(given)} answers given")
            # The browser was killed, perhaps before the last answers had left it.
        with chromium(1280, 860, profile=Path(profile)) as browser:
            _enter(browser, node, 0)
            browser.wait(SENT)
            browser.complaints.clear()
    with Store(home / "node.db") as store:
        kept = {task.position: task.draft for task in store.tasks("pictures", 1)}
    lost = [place for place, label in given.items() if kept[place] != label.to_bytes(2)]
    return {"answers given": len(given), "kills": kills, "answers_lost": len(lost)}


def _answer(browser: Browser, given: dict[int, int], place: int, chance: random.Random) -> int:
    """Gives a few answers, of which the page says that they are kept; gives the next place."""
    for _ in range(chance.randint(1, 3)):
        label = chance.randrange(3)
        browser.wait(PAINTED)
        _press(browser, label)
        browser.wait(f"document.querySelector('#stage').ariaLabel.startsWith('Item {place + 2} ')")
        browser.wait(KEPT)
        given[place] = label
        place += 1
    return place


def _some(browser: Browser, place: int, chance: random.Random) -> None:
    """Gives answers in a row of which nobody knows whether they are kept when the kill comes."""
    for _ in range(chance.randint(0, 3)):
        _press(browser, chance.randrange(3))
    time.sleep(chance.random() / 20)


def _place(browser: Browser) -> int:
    label = str(browser.evaluate("document.querySelector('#stage').ariaLabel"))
    return int(label.split()[1]) - 1


# ---- what axe finds ----


async def _violations() -> list[str]:
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name in ("own", "review"):
            (home / name).mkdir()
        own = live_world(home / "own")
        async with own.open() as url:
            found += await asyncio.to_thread(_look, url, PAGES)
        own.close()
        review = ReviewWorld(home / "review")
        async with review.serve(phone="127.0.0.1") as page:
            found += await asyncio.to_thread(_look, page.url, ("phone", ""))
            found += await asyncio.to_thread(_look_at_review, page.url)
        review.store.close()
        shown = showcase()
        async with live(served(shown, home / "net")) as net:
            url = f"http://127.0.0.1:{net.address.http_port}"
            found += await asyncio.to_thread(_look, url, [path[1:] for path in paths_of(shown)])
    return found


def _look(url: str, paths: Sequence[str]) -> list[str]:
    found = []
    for width, height in WIDTHS.items():
        with chromium(width, height) as browser:
            base = enter(browser, url)
            for path in paths:
                browser.open(base + path)
                found += [f"{path} at {width}: {each}" for each in browser.violations()]
    return found


def _look_at_review(url: str) -> list[str]:
    found = []
    for width, height in WIDTHS.items():
        with chromium(width, height) as browser:
            base = enter(browser, url)
            for name in ("fruits", "pairs", "patches", "calls", "notes", "reports"):
                browser.open(f"{base}item/{name}/1/0")
                browser.wait(READY)
                found += [f"{name} at {width}: {each}" for each in browser.violations()]
            for key in ("g", "a", "?"):
                browser.press(key, ord(key.upper()), key)
                found += [f"key {key} at {width}: {each}" for each in browser.violations()]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures: dict[str, Any] = run(given.items, given.kills)
    if given.json:
        print(json.dumps(figures))
        return
    show(figures)


if __name__ == "__main__":
    main()
