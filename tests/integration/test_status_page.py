"""The status page: what a newcomer and an operator read there, and what a hostile member cannot put there."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from coordinator.overview import ROWS_MAX
from protocol.identity import peer_id_of
from protocol.merkle import hash_leaf
from tests.helpers import Person
from tests.integration.test_coordinator_epoch import close_epoch, open_beacons, review, stand_by
from tests.live_coordinator import Live, Mirror, found_network, live

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ link }}"
VOID = {"meta", "link", "br", "img", "input", "hr"}
ALICE = Person("alice")


class Page(HTMLParser):
    """The elements and the text of a page; raises AssertionError when an element is left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self._texts: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []
        self.text = " ".join("".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every such element."""
        return [attributes for name, attributes in self.elements if name == tag]

    def values(self, *names: str) -> set[str]:
        """All values of these attributes, of any element."""
        return {
            value for _, attrs in self.elements for name, value in attrs.items() if name in names
        }


async def page_of(net: Live, path: str = "/") -> Page:
    async with client_of(net) as web:
        answer = await web.get(path)
    assert answer.status_code == 200
    return Page(answer.text)


async def page_saying(net: Live, text: str) -> Page:
    """The page once it says so: it may be a moment old. The test's own timeout bounds this."""
    while text not in (page := await page_of(net)).text:
        pass
    return page


def client_of(net: Live) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{net.address.http_port}")


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(found_network(tmp_path / "net")) as running:
        yield running


async def test_a_fresh_network_says_what_to_do_next(net: Live) -> None:
    page = await page_of(net)
    assert "test network" in page.text
    assert net.address.link in page.text
    assert "Epoch 1 is open for submissions" in page.text
    assert "commonhold coordinator campaign create" in page.text
    assert "everybody is a newcomer" in page.text
    assert "Nothing is on a chain yet" in page.text
    assert not page.all("table")


async def test_hostile_text_stays_text(net: Live) -> None:
    await net.open_campaign(title=HOSTILE)
    page = await page_of(net)
    assert HOSTILE in page.text
    assert not page.all("script")
    assert not page.all("img")


async def test_the_page_needs_nothing_that_its_policy_forbids(net: Live) -> None:
    await net.open_campaign()
    await net.join(ALICE)
    await net.append(net.submission(ALICE, [1, 2]))
    async with client_of(net) as web:
        answer = await web.get("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    page = Page(answer.text)
    assert not {tag for tag, _ in page.elements} & {"script", "style", "iframe", "form", "object"}
    attributes = {name for _, attrs in page.elements for name in attrs}
    assert not {name for name in attributes if name == "style" or name.startswith("on")}


async def test_every_link_leads_somewhere_on_this_site(net: Live) -> None:
    await net.open_campaign()
    page = await page_of(net)
    links = page.values("href", "src")
    assert {"/checkpoint", "/metrics", "/verifier", "/static/style.css"} <= links
    ids = page.values("id")
    assert page.values("aria-labelledby") <= ids
    async with client_of(net) as web:
        for link in links:
            if link.startswith("#"):
                assert link[1:] in ids
            else:
                assert link.startswith("/") and not link.startswith("//")
                assert (await web.get(link)).status_code == 200
        assert (await web.get("/static/icon.svg")).headers["content-type"] == "image/svg+xml"


async def test_no_key_and_no_salt_is_on_the_page(net: Live) -> None:
    await net.open_campaign()
    await net.join(ALICE)
    request = net.submission(ALICE, [3])
    await net.append(request)
    async with client_of(net) as web:
        shown = (await web.get("/?live")).content
    keys, opening = net.keys, request.openings[0]
    secrets = [bytes(keys.operator_key), bytes(keys.log_key), keys.chain_secret, opening.salt]
    for secret in secrets:
        assert secret not in shown
        assert secret.hex().encode() not in shown.lower()
        assert base64.b64encode(secret).rstrip(b"=") not in shown
        assert base64.urlsafe_b64encode(secret).rstrip(b"=") not in shown
    assert b"PRIVATE KEY" not in shown
    assert str(net.home.path).encode() not in shown


async def test_the_page_refreshes_itself_only_when_asked_to(net: Live) -> None:
    still, moving = await page_of(net), await page_of(net, "/?live")
    assert "http-equiv" not in {name for attrs in still.all("meta") for name in attrs}
    assert {"http-equiv": "refresh", "content": "10"} in moving.all("meta")
    assert "/?live" in still.values("href")
    assert "/" in moving.values("href")


async def test_a_long_table_is_cut_and_says_so(net: Live) -> None:
    people = [Person(f"person {number}") for number in range(ROWS_MAX + 1)]
    await net.join(*people[:-1])
    page = await page_saying(net, f"Members{ROWS_MAX}")
    assert len(page.all("tr")) == 1 + ROWS_MAX
    assert "with the most shares" not in page.text
    await net.join(people[-1])
    page = await page_saying(net, f"Members{ROWS_MAX + 1}")
    assert len(page.all("tr")) == 1 + ROWS_MAX
    assert f"The {ROWS_MAX} with the most shares, of {ROWS_MAX + 1}." in page.text


@pytest.mark.timeout(120)
async def test_the_page_follows_an_epoch(net: Live) -> None:
    author, *reviewers = [Person(name) for name in ("author", "r1", "r2", "r3")]
    await net.open_campaign()
    await net.join(author, *reviewers)
    labels = [number % 10 for number in range(10)]
    request = net.submission(author, labels)
    await net.append(request)
    await stand_by(net, 1, *reviewers)
    await close_epoch(net, 1)
    await open_beacons(net, 1, reviewers[0])
    page = await page_saying(net, "1 of 3 reviewers have opened the random values")
    assert "Epoch 1 is drawing reviewers, round 1." in page.text
    assert {"aria-current": "step"} in page.all("li")
    await open_beacons(net, 1, *reviewers[1:])
    mirror = Mirror(net)
    await page_saying(net, "0 of 3 reviewers have committed")
    truth = dict(zip(map(hash_leaf, request.leaves), labels, strict=True))
    await review(net, mirror, reviewers, truth)
    state = await mirror.until(lambda state: state.closed_epoch == 1)
    page = await page_saying(net, "Epoch 2 is open for submissions")
    names = page.values("title")
    assert {peer_id_of(each.identity) for each in (author, *reviewers)} <= names
    assert f"Shares minted{state.minted_micro / 1e6:,.2f}" in page.text
    assert "As contributorAs reviewer" in page.text
    assert page.values("class") >= {"interval", "part", "outcomes"}
    assert len([svg for svg in page.all("svg") if svg["class"] == "interval"]) == 4
    for rect in page.all("rect"):
        assert 0 <= float(rect.get("x", "0")) + float(rect["width"]) <= 100.1
