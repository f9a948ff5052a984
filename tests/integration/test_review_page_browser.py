"""The review page as its reviewer has it: a browser, keys or fingers, a node that goes away, two windows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.rows import TaskRow, TaskStatus
from protos.gen import records_pb2 as pb
from tests.browser import Browser, chromium
from tests.integration.test_node_page_browser import FAINT
from tests.review_page import HOSTILE, ReviewWorld

pytestmark = pytest.mark.timeout(180)

SCRIPTED = "document.body.className === 'scripted'"
# Nothing that is still on its way can be answered.
PAINTED = "!document.querySelector('[aria-busy=true]')"
KEPT = "document.body.dataset.unkept === '0' && document.body.dataset.waiting === '0'"
# Whatever can be pressed and is smaller than 24 by 24 pixels (WCAG 2.2, 2.5.8), but for links in sentences.
SMALL = """[...document.querySelectorAll('button, select, input, summary')]
  .filter(e => e.checkVisibility()).filter(e => { const r = e.getBoundingClientRect();
    return (r.width < 24 || r.height < 24) && !e.closest('label'); }).map(e => e.outerHTML.slice(0, 100))"""
CODES = {"ArrowRight": 39, "ArrowLeft": 37, "ArrowDown": 40, "Enter": 13, "Tab": 9, "Escape": 27}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewWorld]:
    """For tests that change nothing."""
    world = ReviewWorld(tmp_path_factory.mktemp("page"))
    yield world
    world.store.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ReviewWorld]:
    made = ReviewWorld(tmp_path, ("notes", "patches", "calls", "pairs", "reports"))
    yield made
    made.store.close()


class Reviewer:
    """A person at the page, with a keyboard or with fingers."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser, self.base = browser, url.partition("?")[0]
        browser.open(url)

    def at(self, campaign: str, place: int = 0) -> None:
        """Goes to an item by its address."""
        self.browser.open(f"{self.base}item/{campaign}/1/{place}")
        self.browser.wait(f"{SCRIPTED} && {PAINTED} && document.querySelector('#stage .part')")

    def keys(self, *keys: str) -> None:
        """Presses one key after the other, each once there is something to look at."""
        for key in keys:
            self.browser.wait(PAINTED)
            self.blindly(key)

    def blindly(self, *keys: str) -> None:
        """Presses keys without looking."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            self.browser.press(key, CODES.get(key, ord(key.upper()[0])), text)

    def tap(self, selector: str, words: str = "") -> None:
        """Touches the middle of the first such element that says `words`, once there is one."""
        found = (
            f"[...document.querySelectorAll('{selector}')]"
            f".find(e => e.checkVisibility() && !e.disabled && e.textContent.startsWith('{words}'))"
        )
        self.browser.wait(found)
        place = self.browser.evaluate(
            f"(() => {{ const e = {found};"
            " e.scrollIntoView({block: 'nearest', behavior: 'instant'});"
            " const r = e.getBoundingClientRect();"
            " return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })()"
        )
        self._touch(place["x"], place["y"], 0)

    def swipe(self, pixels: int) -> None:
        """Draws a finger across the stage."""
        self._touch(195, 300, pixels)

    def _touch(self, x: float, y: float, across: int) -> None:
        call = self.browser.call
        call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        for part in (1, 2, 3) if across else ():
            point = {"x": x + across * part / 3, "y": y}
            call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[point])
        call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def send(self, selector: str) -> None:
        """Presses what leads to another page."""
        self.browser.follow(lambda: self.browser.click(selector))

    def arrive(self, number: int) -> None:
        """Waits for an item; a finger's press comes a moment after the finger."""
        self.browser.wait(
            f"{PAINTED} && document.querySelector('#stage')?.ariaLabel.startsWith('Item {number} of ')"
        )

    def title(self) -> str:
        return str(self.browser.evaluate("document.querySelector('#stage').ariaLabel"))

    def kept(self) -> None:
        """Waits until the node has everything."""
        self.browser.wait(KEPT)


@contextmanager
def reviewer(
    url: str, width: int = 1280, height: int = 860, *, dark: bool = False, javascript: bool = True
) -> Iterator[Reviewer]:
    with chromium(width, height, dark=dark, javascript=javascript) as browser:
        yield Reviewer(browser, url)


async def look(world: ReviewWorld, work: Callable[[str], None]) -> None:
    """Serves the page while `work` looks at it, in a thread."""
    async with world.open() as url:
        await asyncio.to_thread(work, url)


def answers(world: ReviewWorld, c: str) -> list[tuple[bytes | None, int]]:
    return [(task.draft, task.draft_refusal) for task in world.store.tasks(c, 1)]


def statuses(world: ReviewWorld, c: str) -> set[TaskStatus]:
    return {task.status for task in world.store.tasks(c, 1)}


# ---- looks ----


@pytest.mark.parametrize(("width", "height"), [(1280, 860), (390, 844)])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_screen_fits_and_can_be_used_by_all(
    shared: ReviewWorld, width: int, height: int, dark: bool
) -> None:
    def check(browser: Browser, screen: str) -> None:
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert browser.evaluate(wide) == 0, screen
        assert browser.evaluate("document.querySelectorAll('h1').length") == 1, screen
        assert browser.evaluate(FAINT) == [], screen
        assert browser.evaluate(SMALL) == [], screen
        assert browser.violations() == [], screen

    def work(url: str) -> None:
        with reviewer(url, width, height, dark=dark) as person:
            person.browser.wait(SCRIPTED)
            check(person.browser, "rounds")
            for campaign in ("fruits", "pairs", "patches", "calls", "notes", "reports", "sheets"):
                person.at(campaign)
                check(person.browser, campaign)
            person.at("reports", 1)
            check(person.browser, "a likely copy")
            person.at("notes")
            person.keys("g")
            check(person.browser, "grid")
            person.keys("a")
            check(person.browser, "answers")
            person.keys("?")
            check(person.browser, "keys")
            person.browser.open(f"{person.base}phone")
            check(person.browser, "phone")
            person.send(".button")
            check(person.browser, "code")
            person.at("notes")
            person.keys("s")
            check(person.browser, "reasons")

    async with shared.serve(phone="127.0.0.1") as served:
        await asyncio.to_thread(work, served.url)


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_table_has_rows_and_columns_with_a_script_and_without(
    shared: ReviewWorld, width: int
) -> None:
    cells = (
        "[...document.querySelectorAll('.table tr')].map(r => [...r.cells].map(c => c.innerText))"
    )

    def work(url: str) -> None:
        seen = []
        for scripted in (True, False):
            with reviewer(url, width, 800, javascript=scripted) as person:
                if scripted:
                    person.at("sheets")
                else:
                    person.browser.open(f"{person.base}item/sheets/1/0")
                seen.append(person.browser.evaluate(cells))
                assert not person.browser.evaluate("document.querySelector('.table img')")
        assert seen[0] == seen[1]
        head, first, second, third = seen[0]
        assert head == ["", "town", "people", "of which, children", "said"]
        assert first == ["1", "Köln", "1084831", "165000", 'the "largest" of the state']
        assert second[3] == HOSTILE.replace("\u202e", "<U+202E>")
        assert second[4].endswith("\nand more")
        assert third == ["3", "", "", "", ""]

    async with shared.open() as url:
        await asyncio.to_thread(work, url)


@pytest.mark.parametrize("width", [1280, 390])
async def test_the_forms_without_a_script_can_be_used_by_all(
    shared: ReviewWorld, width: int
) -> None:
    def work(url: str) -> None:
        with reviewer(url, width) as person:
            # axe is a script itself: only ours does not come.
            person.browser.call("Network.enable")
            person.browser.call("Network.setBlockedURLs", urls=["*/main.js"])
            for page in (
                "",
                "answers/fruits/1",
                *(f"item/{c}/1/0" for c in ("fruits", "patches", "sheets")),
            ):
                person.browser.open(person.base + page)
                assert person.browser.violations() == [], page
                assert person.browser.evaluate(FAINT) == [], page
                assert person.browser.evaluate("document.querySelector('main.plain')") is not None
            person.browser.complaints.clear()  # that one did not come

    await look(shared, work)


async def test_what_strangers_wrote_is_text(shared: ReviewWorld) -> None:
    [place] = [
        task.position
        for task in shared.store.tasks("notes", 1)
        if (Path(task.content_path) / "note").read_bytes() == HOSTILE.encode()
    ]

    def work(url: str) -> None:
        for javascript in (True, False):
            with reviewer(url, javascript=javascript) as person:  # an alert fails it
                person.browser.open(f"{person.base}item/notes/1/{place}")
                person.browser.wait("document.querySelector('.part .prose')")
                shown = person.browser.evaluate("document.body.textContent")
                assert "<script>alert(1)</script>" in shown
                assert "<U+202E>gnp.exe" in shown
                assert person.browser.evaluate("document.images.length") == 0

    await look(shared, work)


# ---- a whole review ----


async def test_a_whole_review_by_the_keyboard_alone(world: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            browser = person.browser
            person.at("patches")
            person.keys("d")
            assert browser.text(".difference h2") == "before → after"
            said = "The line ends differ: those of Windows → those of other systems."
            assert browser.text(".difference > p") == said, "once, and on no line"
            assert "def mean" in browser.text(".difference .same")
            assert "U+000D" not in browser.text("main")
            person.keys("1", "2", "1")  # each criterion in turn
            browser.wait("document.querySelector('h1').textContent === 'Your answers'")
            person.at("notes")
            person.keys("1", "2", "ArrowLeft", "ArrowLeft")
            assert person.title() == "Item 1 of 7"
            person.keys("2", "1", "1", "1", "1", "s", "1", "1")  # one is skipped: unsure
            browser.wait("document.querySelector('h1').textContent === 'Your answers'")
            assert "7 of 7 items answered" in browser.text("main")
            rows = browser.text(".rows")
            assert "Close that window, it is freezing in here!" in rows, "each is told by its words"
            assert HOSTILE.replace("\u202e", "<U+202E>") in rows
            person.kept()
            _seal_by_keyboard(person, 7)
            assert browser.text(".told").startswith("7 answers sealed.")

    await look(world, work)
    given = [(task.answer, task.refusal) for task in world.store.tasks("notes", 1)]
    skipped = (None, pb.REFUSAL_UNSURE)
    assert given == [(b"\0\1", 0), *[(b"\0\0", 0)] * 4, skipped, (b"\0\0", 0)]
    assert statuses(world, "notes") == {TaskStatus.ANSWERED}
    assert statuses(world, "patches") == {TaskStatus.FETCHED}
    assert answers(world, "patches") == [(bytes([1, 0, 1]), 0)]


def _seal_by_keyboard(person: Reviewer, count: int) -> None:
    """From the screen of all answers, with Tab and Enter."""
    browser = person.browser
    here = "document.activeElement.textContent"
    for _ in range(60):
        person.keys("Tab")
        if browser.evaluate(here) == f"Seal {count} answers …":
            break
    person.keys("Enter")
    browser.wait("document.querySelector('dialog[open]')")
    assert "you cannot change them" in browser.text("dialog")
    assert browser.evaluate(here) == "Not yet", "Enter by mistake seals nothing"
    browser.press("Tab", 9, modifiers=8)
    person.keys("Enter")
    browser.wait("document.querySelector('.told p')")


async def test_a_whole_review_by_touch_alone(world: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url, 390, 844) as person:
            browser = person.browser
            browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
            person.at("notes")
            person.swipe(150)  # right: the first answer
            person.arrive(2)
            person.swipe(-150)
            person.arrive(3)
            person.tap("nav button", "Undo")
            person.arrive(2)
            person.tap(".choice", "yes")
            for number in range(3, 7):
                person.arrive(number)
                person.swipe(-150)
            person.arrive(7)
            person.tap("button", "Skip")
            person.tap("dialog .choice", "unsure")
            browser.wait("document.querySelector('h1').textContent === 'Your answers'")
            person.kept()
            person.tap("button", "Seal 7")
            browser.wait("document.querySelector('dialog[open]')")
            person.tap("dialog button", "Seal 7")
            browser.wait("document.querySelector('.told p')")

    await look(world, work)
    rows = world.store.tasks("notes", 1)
    assert [row.answer for row in rows] == [b"\0\0", b"\0\0", *[b"\0\1"] * 4, None]
    assert rows[-1].refusal and statuses(world, "notes") == {TaskStatus.ANSWERED}


async def test_a_finger_shows_what_differs_where_there_is_something_to_compare(
    shared: ReviewWorld,
) -> None:
    def work(url: str) -> None:
        with reviewer(url, 390, 844) as person:
            person.browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
            hidden = (
                "[...document.querySelectorAll('.steps button')]"
                ".find(e => e.textContent.startsWith('What differs')).hidden"
            )
            person.at("fruits")
            assert person.browser.evaluate(hidden)
            person.at("patches")
            person.tap(".steps button", "What differs")
            person.browser.wait("document.querySelector('.difference .added')")
            person.tap(".steps button", "What differs")
            person.browser.wait("!document.querySelector('.difference')")

    await look(shared, work)


async def test_time_that_is_left_is_in_words_of_its_number(shared: ReviewWorld) -> None:
    minute = 60_000

    def work(url: str) -> None:
        with reviewer(url) as person:
            said = person.browser.evaluate(
                f"import('{person.base}static/item.js').then(({{countdown}}) => [89.5, 119, 130, 2890]"
                f".map(m => countdown(Date.now() + m * {minute} + 1000)))"
            )
            assert said == ["89 minutes left", "1 hour left", "2 hours left", "2 days left"]

    await look(shared, work)


async def test_several_that_fit_and_a_recording(world: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            browser = person.browser
            person.at("calls")
            browser.wait("document.querySelector('audio').duration > 2.9")
            person.keys("]")
            assert browser.evaluate("document.querySelector('audio').playbackRate") == 1.25
            person.keys("1", "3")
            person.kept()
            person.keys("1")
            person.kept()
            assert browser.text(".play kbd") == "Space"
            assert browser.text(".none kbd") == "O"
            person.keys("ArrowRight", "o")
            person.kept()

    await look(world, work)
    assert answers(world, "calls") == [(bytes([0, 0, 1, 0]), 0), (bytes(4), 0)]


async def test_a_likely_copy_is_compared_with_the_earlier_item(world: ReviewWorld) -> None:
    tasks = world.store.tasks("reports", 1)
    [place] = [each.position for each in tasks if (Path(each.content_path) / ".original").exists()]

    def work(url: str) -> None:
        with reviewer(url) as person:
            person.at("reports", place)
            assert "ferries" in person.browser.text(".beside > section:first-child")
            assert "bridges" in person.browser.text(".beside > section:last-child")
            assert person.browser.evaluate("document.querySelector('.prose').lang") == "en"
            person.keys("d")
            assert "ferries" in person.browser.text(".difference .added")
            assert person.browser.evaluate("document.querySelector('.difference > p')") is None
            person.keys("1")
            assert person.title().startswith(f"Item {place + 1} "), "what it is, is not said yet"
            person.keys("v")
            person.kept()
            assert not person.title().startswith(f"Item {place + 1} ") or len(tasks) == place + 1

    await look(world, work)
    row = world.store.tasks("reports", 1)[place]
    assert (row.draft, row.draft_relation) == (b"\0\0", pb.RELATION_DERIVATIVE)


async def test_the_grid_gives_many_answers_and_undo_takes_them_back(world: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            browser = person.browser
            person.at("notes")
            person.keys("g")
            browser.wait(f"document.querySelectorAll('.tile').length === 7 && {PAINTED}")
            browser.click(".brushes button:nth-child(2)")
            browser.click(".tiles li:nth-child(3) .tile")
            browser.click(".brushes button:nth-child(1)")
            browser.click("main.grid > .steps .button")
            person.kept()
            browser.wait("document.querySelector('h1').textContent === 'Your answers'")
            assert (
                answers(world, "notes") == [(b"\0\0", 0)] * 2 + [(b"\0\1", 0)] + [(b"\0\0", 0)] * 4
            )
            person.keys(*"uuuuuuu")
            person.kept()

    await look(world, work)
    assert answers(world, "notes") == [(None, 0)] * 7


async def test_a_picture_is_zoomed_by_key_and_wheel(shared: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            person.at("fruits")
            scale = "new DOMMatrix(getComputedStyle(document.querySelector('.frame .picture')).transform).a"
            person.keys("+", "+")
            assert person.browser.evaluate(scale) == 2.25
            person.keys("=")
            assert person.browser.evaluate(scale) == 1
            person.browser.call(
                *("Input.dispatchMouseEvent",), type="mouseWheel", x=400, y=400, deltaX=0, deltaY=-9
            )
            person.browser.wait(f"{scale} === 1.5")

    await look(shared, work)


async def test_a_key_can_be_changed_and_stays_changed(shared: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            browser = person.browser
            person.at("fruits")
            person.keys("?")
            browser.evaluate("document.querySelector('[data-action=next]:is(dialog *)').click()")
            browser.evaluate("document.querySelector('[data-action=next]:is(dialog *)').focus()")
            person.keys("l", "Escape")
            person.keys("ArrowRight")
            assert person.title().startswith("Item 1 of")
            person.at("fruits")
            person.keys("l")
            assert person.title().startswith("Item 2 of")

    await look(shared, work)


# ---- nothing is lost ----


async def test_a_node_that_is_away_gets_its_answers_when_it_is_back(world: ReviewWorld) -> None:
    """Its new address, opened in the same browser, brings them, and the page that waited goes there."""
    loop = asyncio.get_running_loop()
    ready, gone, said = asyncio.Event(), asyncio.Event(), asyncio.Event()
    back: asyncio.Future[str] = loop.create_future()

    def work(url: str) -> None:
        with reviewer(url) as person:
            person.at("notes")
            person.browser.wait("performance.getEntriesByType('resource').length > 12")
            loop.call_soon_threadsafe(ready.set)
            asyncio.run_coroutine_threadsafe(gone.wait(), loop).result(60)
            person.keys("1", "2", "1")
            person.browser.wait("document.querySelector('.status.away')")
            assert "3 answers are kept in this browser at 127.0.0.1:" in person.browser.text(
                ".status"
            )
            assert person.title() == "Item 4 of 7", "one goes on"
            loop.call_soon_threadsafe(said.set)
            again = asyncio.run_coroutine_threadsafe(asyncio.wait_for(back, 60), loop).result()
            person.browser.wait("document.querySelector('.status').textContent.includes('again:')")
            person.browser.complaints.clear()  # that nobody answered, and that the old address is shut
            open_again = {"url": again, "background": True}
            person.browser.follow(lambda: person.browser.call("Target.createTarget", **open_again))
            assert again.split("/")[3] in person.browser.evaluate("location.pathname")
            person.browser.wait(f"{SCRIPTED} && {PAINTED} && document.querySelector('#stage')")
            person.kept()
            assert person.title() == "Item 4 of 7"
            assert not person.browser.evaluate("document.querySelector('.status.away')")
            person.browser.complaints.clear()

    async with world.open() as url:
        task = asyncio.create_task(asyncio.to_thread(work, url))
        await ready.wait()
    gone.set()
    await said.wait()
    assert answers(world, "notes")[:3] == [(None, 0)] * 3
    async with world.open() as again:
        assert again.split("/")[2] == url.split("/")[2], "what a browser keeps belongs to the port"
        assert again.split("/")[3] != url.split("/")[3]
        back.set_result(again)
        await task
    assert answers(world, "notes")[:3] == [(b"\0\0", 0), (b"\0\1", 0), (b"\0\0", 0)]


async def test_of_two_windows_the_later_one_is_told(world: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url) as one, reviewer(url) as other:
            one.at("notes")
            other.at("notes")
            one.keys("1")
            one.kept()
            other.keys("2")
            other.browser.wait("document.querySelector('.told p')")
            assert "there “yes”, here “no”" in other.browser.text(".told")
            assert answers(world, "notes")[0] == (b"\0\0", 0), "what was said first stands"
            other.browser.click(".told .button")
            other.kept()
            for person in (one, other):
                person.browser.complaints.clear()  # of the status, 409

    await look(world, work)
    assert answers(world, "notes")[0] == (b"\0\1", 0)


async def test_what_was_said_can_be_undone_after_a_reload(world: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            person.at("notes")
            person.keys("1", "1", "1")
            person.kept()
            person.at("notes", 2)
            person.keys("u", "u")
            person.kept()

    await look(world, work)
    assert answers(world, "notes")[:3] == [(b"\0\0", 0), (None, 0), (None, 0)]


# ---- without a script ----


async def test_a_whole_review_without_a_script(world: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url, javascript=False) as person:
            browser = person.browser
            browser.open(f"{person.base}item/notes/1/0")
            for number in range(7):
                person.send(f".choice:nth-child({1 + number % 2})")
            assert "7 of 7 items answered" in browser.text()
            assert "Close that window, it is freezing in here!" in browser.text(".answers")
            assert HOSTILE.replace("\u202e", "<U+202E>") in browser.text(".answers")
            browser.open(f"{person.base}answers/calls/1")
            assert "sound" in browser.text(".answers")
            browser.open(f"{person.base}item/notes/1/1")
            assert "You said: no" in browser.text()
            person.send("button[value='take back']")
            assert str(browser.evaluate("location.pathname")).endswith("/2")
            browser.open(f"{person.base}item/patches/1/0")
            browser.click("input[name=said0][value=yes]")
            browser.click("input[name=said2][value=no]")
            person.send(".button")
            assert "Still to be said: clear." in browser.text()
            assert browser.evaluate("document.querySelectorAll('pre.code[dir=ltr]').length") == 2
            browser.open(f"{person.base}answers/patches/1")
            assert "(not finished)" in browser.text()
            browser.open(f"{person.base}answers/notes/1")
            browser.click("input[name=sure]")
            person.send(".seal .button")
            assert browser.text("h1") == "6 answers sealed"

    await look(world, work)
    rows: list[TaskRow] = world.store.tasks("notes", 1)
    assert [row.status for row in rows].count(TaskStatus.ANSWERED) == 6
    assert rows[1].status is TaskStatus.FETCHED
    assert answers(world, "patches") == [(bytes([1, 0xFF, 0]), 0)]
