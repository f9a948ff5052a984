"""What comes between a reviewer and the page: a picture that is late, a round that ends, another window,
a node that was started again, a phone that was sent away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.answering import RoundKey
from node.reviewpage.pairing import Offer
from node.reviewpage.session import load
from node.rows import Change, TaskStatus
from tests.browser import chromium
from tests.integration.test_review_page_browser import (
    PAINTED,
    SCRIPTED,
    Reviewer,
    answers,
    look,
    reviewer,
)
from tests.review_page import ReviewWorld

pytestmark = pytest.mark.timeout(180)

# Contents come when the test lets them; `held` are those that wait.
HOLD = """{ const real = fetch; window.held = []; window.passes = 1;
  window.fetch = (address, more) => (String(address).includes('/content/') && window.passes-- <= 0)
    ? new Promise((go) => held.push(() => go(real(address, more)))) : real(address, more); }"""
LET_GO = "window.passes = Infinity; held.splice(0).forEach((go) => go()); true"
# While sessionStorage says so, no change leaves the browser.
CUT = """{ const real = fetch;
  window.fetch = (address, more) => (String(address).endsWith('/change') && sessionStorage.cut)
    ? Promise.reject(new TypeError('cut')) : real(address, more); }"""
NO_CACHE = "Object.defineProperty(window, 'caches', { get() { throw new Error('none'); } });"
NO_DATABASE = "Object.defineProperty(window, 'indexedDB', { get() { throw new Error('none'); } });"
# Two tabs are told of the new address at once; what does a third find?
LEFT_AT_ONCE = """import(new URL('keeper.js', document.querySelector('script[src]').src))
 .then(async ({ Keeper }) => {
  window.fetch = () => new Promise(() => {});
  const tab = () => new Keeper({ base: '/', csrf: '', node: 'both' }, {});
  [tab(), tab()].forEach((each, n) => each.keep({ campaign: 'c', round: 1, item: `${n}`, base: 0 }));
  dispatchEvent(new PageTransitionEvent('pagehide'));
  return (await tab().open()).changes.map(({ item }) => item).sort(); })"""
# Which stores each of the page's writes is over.
WRITES = """{ const real = IDBDatabase.prototype.transaction; window.writes = [];
  IDBDatabase.prototype.transaction = function (names, mode, more) {
    const made = real.call(this, names, mode, more);
    if (mode === 'readwrite') writes.push([...made.objectStoreNames].join());
    return made; }; }"""
# How many changes are in each of the two places.
STORED = """(async () => {
  const [{ name }] = await indexedDB.databases();
  const database = await new Promise((there) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => there(request.result); });
  const count = await new Promise((there) => {
    const request = database.transaction('changes').objectStore('changes').count();
    request.onsuccess = () => there(request.result); });
  database.close();
  return [count, (await (await caches.open(name)).keys()).length]; })()"""
NOTICES = "[...document.querySelectorAll('.notice p')].map((each) => each.textContent)"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ReviewWorld]:
    made = ReviewWorld(tmp_path, ("notes", "fruits", "calls", "reports"))
    yield made
    made.store.close()


def before(person: Reviewer, script: str) -> None:
    """Runs a script ahead of each page's own."""
    person.browser.call("Page.addScriptToEvaluateOnNewDocument", source=script)


def until_stored(person: Reviewer, count: int) -> None:
    """Waits until so many changes are in each of the two places."""
    while person.browser.evaluate(STORED) != [count, count]:
        pass


def change_elsewhere(world: ReviewWorld, place: int, said: bytes) -> None:
    """As another window does it."""
    task = world.store.tasks("notes", 1)[place]
    change = Change(said, 0, task.draft_version, bytes([place + 1]) * 16)
    assert world.store.save_draft(task, change).draft == said


def end_round(world: ReviewWorld, c: str) -> None:
    """The log goes on without us."""
    world.bench.finish_commits(c)


# ---- what is painted is what can be answered ----


@pytest.mark.parametrize("hand", ["keys", "finger"])
async def test_what_is_not_painted_yet_cannot_be_answered(world: ReviewWorld, hand: str) -> None:
    def work(url: str) -> None:
        with reviewer(url, *((1280, 860) if hand == "keys" else (390, 844))) as person:
            browser = person.browser
            browser.call("Emulation.setTouchEmulationEnabled", enabled=hand == "finger")
            before(person, HOLD)
            person.at("notes")
            person.keys("1")
            browser.wait("document.querySelector('#stage').ariaLabel.startsWith('Item 2 ')")
            browser.wait("document.querySelector('#stage .empty')")
            for _ in range(2):
                if hand == "keys":
                    person.blindly("2", "s", "2")
                else:
                    person.swipe(-150)
                    person.tap(".choice", "no")
            assert person.title().startswith("Item 2 ")
            assert browser.evaluate("document.querySelector('dialog')") is None
            browser.evaluate(LET_GO)
            person.keys("2")
            person.kept()
            assert person.title().startswith("Item 3 ")

    await look(world, work)
    assert answers(world, "notes")[:3] == [(b"\0\0", 0), (b"\0\1", 0), (None, 0)]


async def test_a_tile_that_is_not_painted_yet_cannot_be_answered(world: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            browser = person.browser
            before(person, HOLD)
            person.at("notes")
            person.keys("g")
            browser.wait("document.querySelectorAll('.tile').length === 7")
            browser.evaluate("document.querySelector('li:nth-child(2) .tile').focus()")
            person.blindly("1")
            browser.click(".tiles li:nth-child(3) .tile")
            browser.click("main.grid > .steps .button")  # the first answer for the rest
            assert browser.evaluate(NOTICES) == ["6 items were not here yet, and got no answer."]
            browser.evaluate(LET_GO)
            browser.wait(PAINTED)
            browser.click(".tiles li:nth-child(3) .tile")
            person.kept()

    await look(world, work)
    given = [draft for draft, _ in answers(world, "notes")]
    assert given == [b"\0\0", None, b"\0\0", None, None, None, None]


@pytest.mark.parametrize("campaign", ["fruits", "calls"])
async def test_a_part_that_cannot_be_had_is_said_and_may_be_skipped(
    world: ReviewWorld, campaign: str
) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            browser = person.browser
            browser.call("Network.enable")
            browser.call("Network.setBlockedURLs", urls=["*/content/*"])
            person.at(campaign)
            person.keys("1")
            browser.wait("document.querySelector('.notice')")
            assert "cannot be answered. Come back to it, or skip it." in browser.text(".notice")
            browser.call("Network.setBlockedURLs", urls=[])
            person.keys("ArrowRight", "ArrowLeft", "1")
            person.kept()
            browser.complaints.clear()  # of what was blocked

    await look(world, work)
    drafts = [draft for draft, _ in answers(world, campaign)]
    assert drafts[0] is not None and not any(drafts[1:])


async def test_what_changes_elsewhere_leaves_a_zoomed_picture_and_a_recording_alone(
    world: ReviewWorld,
) -> None:
    looked = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/desk')).length"
    scale = "new DOMMatrix(getComputedStyle(document.querySelector('.frame .picture')).transform).a"

    def work(url: str) -> None:
        with reviewer(url) as person:
            person.at("fruits")
            person.keys("+", "+")
            change_elsewhere(world, 0, b"\0\1")
            person.browser.wait(f"{looked} === 2")
            person.browser.wait(f"{PAINTED} && {scale} === 2.25")
            person.at("calls")
            person.browser.evaluate("window.audio = document.querySelector('audio'); true")
            person.keys("]")
            change_elsewhere(world, 1, b"\0\1")
            person.browser.wait(f"{looked} === 2")
            assert person.browser.evaluate("audio.isConnected && audio.playbackRate") == 1.25

    await look(world, work)


# ---- what is said ----


async def test_of_each_conflict_there_is_a_notice(world: ReviewWorld) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            person.at("notes")
            change_elsewhere(world, 0, b"\0\0")
            change_elsewhere(world, 1, b"\0\0")
            person.keys("2", "2")
            person.browser.wait("document.querySelectorAll('.notice').length === 2")
            said = person.browser.evaluate(NOTICES)
            assert [each[:6] for each in said] == ["Item 1", "Item 2"]
            person.browser.click(".notice .button")
            person.kept()
            assert person.browser.evaluate(NOTICES) == said[1:]
            person.browser.click(".notice .plain")
            assert person.browser.evaluate(NOTICES) == []
            person.browser.complaints.clear()  # of the status, 409

    await look(world, work)
    assert answers(world, "notes")[:2] == [(b"\0\1", 0), (b"\0\0", 0)]


async def test_a_round_that_ends_is_said_and_no_other_one_takes_its_place(
    world: ReviewWorld,
) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            person.at("notes")
            person.keys("1")
            person.kept()
            end_round(world, "notes")
            person.browser.wait("document.querySelector('.notice')")
            assert person.browser.evaluate(NOTICES) == [
                "“Is the note polite?” can be answered no more. 7 items had none in time."
            ]
            assert person.browser.text("h1") == "Reviews that wait"
            assert "Is the note polite?" not in person.browser.text("main")

    await look(world, work)


async def test_an_answer_whose_round_ended_before_the_page_was_loaded_is_said(
    world: ReviewWorld,
) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            before(person, CUT)
            person.at("notes")
            person.browser.evaluate("sessionStorage.cut = 'yes'")
            person.keys("1", "1")
            person.browser.wait("document.querySelector('.status.away')")
            end_round(world, "notes")
            person.browser.evaluate("sessionStorage.removeItem('cut')")
            person.browser.open(person.base)
            person.browser.wait("document.querySelector('.notice')?.textContent.startsWith('2 ')")
            assert "came too late" in person.browser.text(".notice")
            person.kept()
            person.browser.complaints.clear()  # of the status, 410

    await look(world, work)
    assert answers(world, "notes")[:2] == [(None, 0), (None, 0)]


# ---- nothing is lost ----


async def test_with_no_place_what_was_said_last_comes_when_the_page_is_opened_again(
    world: ReviewWorld,
) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            before(person, CUT)
            before(person, NO_DATABASE)
            before(person, NO_CACHE)
            person.at("notes")
            person.browser.evaluate("sessionStorage.cut = 'yes'")
            person.keys("1", "2")
            person.browser.wait("document.querySelector('.status.away')")
            person.browser.evaluate("sessionStorage.removeItem('cut')")
            person.at("notes")
            person.kept()

    await look(world, work)
    assert answers(world, "notes")[:2] == [(b"\0\0", 0), (b"\0\1", 0)]


@pytest.mark.parametrize("first", [0, 1], ids=["database", "cache"])
async def test_what_one_of_two_places_lost_comes_from_the_other_one(
    world: ReviewWorld, first: int
) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            before(person, CUT)
            person.at("notes")
            person.browser.evaluate("sessionStorage.cut = 'yes'")
            person.keys("1", "1", "u", "2")
            person.browser.wait("document.body.dataset.unkept === '0'")
            origin = person.browser.evaluate("location.origin")
            for lost in (first, 1 - first):
                until_stored(person, 2)  # and again what was lost
                kind = ("indexeddb", "cache_storage")[lost]
                person.browser.call("Storage.clearDataForOrigin", origin=origin, storageTypes=kind)
                person.at("notes")
            person.browser.evaluate("sessionStorage.removeItem('cut')")
            person.at("notes")
            person.kept()
            until_stored(person, 0)

    await look(world, work)
    assert answers(world, "notes")[:2] == [(b"\0\0", 0), (b"\0\1", 0)]


@pytest.mark.parametrize("missing", [NO_DATABASE, NO_CACHE], ids=["database", "cache"])
async def test_one_place_is_enough(world: ReviewWorld, missing: str) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            before(person, CUT)
            before(person, missing)
            person.at("notes")
            person.browser.evaluate("sessionStorage.cut = 'yes'")
            person.keys("1", "2")
            person.browser.wait("document.querySelector('.status.away')")
            person.browser.wait("document.body.dataset.unkept === '0'")
            person.browser.evaluate("sessionStorage.removeItem('cut')")
            person.at("notes")
            person.kept()

    await look(world, work)
    assert answers(world, "notes")[:2] == [(b"\0\0", 0), (b"\0\1", 0)]


async def test_of_two_tabs_that_are_left_at_once_neither_takes_the_others_answers_away(
    world: ReviewWorld,
) -> None:
    def work(url: str) -> None:
        with reviewer(url) as person:
            person.at("notes")
            assert person.browser.evaluate(LEFT_AT_ONCE) == ["0", "1"]

    await look(world, work)


async def test_the_browser_makes_one_write_after_the_other(world: ReviewWorld) -> None:
    """Chromium that is killed during two at once may well throw all that it keeps away; those over the
    same stores wait for each other, in all tabs."""

    def work(url: str) -> None:
        with reviewer(url) as person:
            before(person, WRITES)
            person.at("notes")
            person.keys("1", "2", "u")
            person.kept()
            writes = person.browser.evaluate("writes")
            assert len(writes) >= 5  # three changes; two steps to undo, one of them undone
            assert set(writes) == {"changes,past"}

    await look(world, work)


async def test_answers_are_kept_under_the_name_of_their_node(world: ReviewWorld) -> None:
    names = "indexedDB.databases().then((all) => all.map(({ name }) => name))"

    def work(url: str) -> None:
        with reviewer(url) as person:
            person.at("notes")
            assert person.browser.evaluate(names) == [
                f"commonhold-review-{load(world.session).name}"
            ]

    await look(world, work)


async def test_a_phone_goes_on_after_a_restart_and_is_told_that_it_was_sent_away(
    world: ReviewWorld,
) -> None:
    loop = asyncio.get_running_loop()
    ready, again, out = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def wait(event: asyncio.Event) -> None:
        asyncio.run_coroutine_threadsafe(event.wait(), loop).result(60)

    def work(offer: Offer) -> None:
        with chromium(390, 844) as browser:
            browser.call("Security.setIgnoreCertificateErrors", ignore=True)  # it was compared
            browser.open(offer.url)
            browser.evaluate(f"document.querySelector('input').value = '{offer.code}'")
            browser.follow(lambda: browser.click(".button"))
            browser.wait(SCRIPTED)
            browser.click(".round:nth-of-type(1) .button")
            browser.wait(f"{PAINTED} && document.querySelector('#stage .part')")
            loop.call_soon_threadsafe(ready.set)
            wait(again)
            browser.press("s", 83, "s")
            browser.press("1", 49, "1")
            browser.wait("document.body.dataset.waiting === '0'")
            loop.call_soon_threadsafe(out.set)
            browser.wait("document.querySelector('.status.away')")
            browser.press("s", 83, "s")
            browser.press("1", 49, "1")
            browser.wait("document.querySelector('.status').textContent.includes('1 answer')")
            assert "This phone was sent away. 1 answer is kept" in browser.text(".status")
            browser.wait("document.querySelector('.sealing .button')")
            browser.click(".sealing .button")
            browser.wait("document.querySelector('.told p')")
            assert "This page is let in no more, so nothing can be sealed now." in browser.text(
                ".told"
            )
            assert not browser.evaluate("document.querySelector('dialog[open]')")
            browser.complaints.clear()  # that nobody answered, and then refused

    async with world.serve(phone="127.0.0.1") as served:
        assert served.pairing is not None
        task = asyncio.create_task(asyncio.to_thread(work, served.pairing.offer()))
        await ready.wait()
    async with world.serve(phone="127.0.0.1") as served:
        again.set()
        await out.wait()
        assert served.pairing is not None
        served.pairing.end()
        await task
    said = [task.has_draft for c in world.bench.campaigns for task in world.store.tasks(c, 1)]
    assert sum(said) == 1
    states = {task.status for c in world.bench.campaigns for task in world.store.tasks(c, 1)}
    assert states == {TaskStatus.FETCHED}, "nothing was sealed"


# ---- without a script ----


async def test_without_a_script_enter_gives_no_answer_that_was_not_chosen(
    world: ReviewWorld,
) -> None:
    tasks = world.store.tasks("reports", 1)
    [place] = [each.position for each in tasks if (Path(each.content_path) / ".original").exists()]

    def work(url: str) -> None:
        with reviewer(url, javascript=False) as person:
            browser = person.browser
            browser.open(f"{person.base}item/reports/1/{place}")
            assert browser.evaluate("document.querySelector('.prose[lang]').lang") == "en"
            browser.click("input[name=relation][value=derivative]")
            browser.follow(lambda: browser.press("Enter", 13, "\r"))
            browser.open(f"{person.base}item/reports/1/{place}")
            assert "You said: derivative" in browser.text()
            browser.open(f"{person.base}answers/reports/1")
            begun = "Begun, and not sealed before the rest of it is said: item"
            assert f"{begun} {place + 1}." in browser.text(".alarm")

            end_round(world, "notes")
            browser.open(f"{person.base}item/notes/1/0")
            assert "this round cannot be answered any more" in browser.text()
            browser.follow(lambda: browser.click("main a"))
            assert browser.text("h1") == "Reviews that wait"
            browser.complaints.clear()  # of the status, 410

    await look(world, work)
    row = world.store.task("reports", 1, tasks[place].item_id)
    assert row is not None and (row.draft, bool(row.draft_relation)) == (None, True)
    assert world.desk().find(RoundKey("reports", 1), row.item_id)
