"""The dashboard over HTTP: what every page says, what it refuses, and what nobody can put there."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from coordinator.dashboard.datasets import METADATA_BYTES_MAX
from coordinator.dashboard.paging import LINES, ROWS
from coordinator.dashboard.people import SORTS
from protocol.identity import PersonId, name_of, peer_id_of
from protocol.lifecycle import RoundPhase
from protocol.log.merkle import hash_leaf
from protocol.state import SHARES
from tests.helpers import Person
from tests.live_coordinator import Live, found_network, live
from tests.live_reviewers import Reviewers, reviewing
from tests.showcase import LICENSEE, MODELS, served, showcase
from tests.simulated import Network

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ link }}"
CELLS = {"th", "td", "dt", "dd", "li", "p", "small", "h1", "h2", "caption"}
VOID = {"meta", "link", "br", "img", "input", "hr"}
ALICE = Person("alice")
PAGES = ("/", "/campaigns", "/contributors", "/epochs", "/jobs", "/datasets", "/revenue", "/log")


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
        if tag in CELLS:
            self._texts.append(" ")

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every such element."""
        return [attributes for name, attributes in self.elements if name == tag]

    def values(self, *names: str) -> list[str]:
        """All values of these attributes, of any element."""
        return [
            value for _, attrs in self.elements for name, value in attrs.items() if name in names
        ]


async def page_of(web: httpx.AsyncClient, path: str = "/") -> Page:
    answer = await web.get(path)
    assert answer.status_code == 200, (path, answer.text)
    return Page(answer.text)


async def page_saying(web: httpx.AsyncClient, text: str, path: str = "/") -> Page:
    """The page once it says so: it may be a moment old. The test's own timeout bounds this."""
    while text not in (page := await page_of(web, path)).text:
        pass
    return page


async def every_page(web: httpx.AsyncClient) -> dict[str, Page]:
    """All pages that can be reached from the first one, by path; but of entries only the first on
    each page of the log, or nothing else would be read."""
    pages, waiting, seen = dict[str, Page](), ["/"], set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = await web.get(path)
        assert answer.status_code == 200, path
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        pages[path] = Page(answer.text)
        links = [urljoin(path, a["href"]).partition("#")[0] for a in pages[path].all("a")]
        entries = [link for link in links if link.startswith("/log/")]
        waiting += [link for link in links if link not in entries]
        waiting += entries[:1] if path.startswith("/log?") else []
    return pages


def dataset_names(net: Network) -> list[str]:
    """In the order of the log."""
    snapshots = sorted(net.state.snapshots.scan(), key=lambda each: each[1].logged_at)
    return [digest.hex()[:12] for digest, _ in snapshots]


def shares_of(net: Network, who: bytes) -> int:
    return net.state.earned.get((PersonId(who), SHARES), 0)


def client_of(net: Live) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{net.address.http_port}")


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(found_network(tmp_path / "net")) as running:
        yield running


@pytest.fixture
async def web(net: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(net) as client:
        yield client


@pytest.fixture(scope="module")
def shown() -> Network:
    return showcase()


@pytest.fixture
async def full(shown: Network, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The pages of a network with something on each."""
    home = served(shown, tmp_path / "net")
    name = dataset_names(shown)[-1]
    for folder, files in (
        (home.path / "datasets" / name, ("croissant.json", "README.md", "manifest.json")),
        (home.path / "models" / "train", ("card.json", "card.md", "model-int8.onnx")),
    ):
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).write_text(f"this is {file}")
    async with live(home) as running, client_of(running) as client:
        yield client


# ---- what the pages say ----


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/", "commonhold coordinator campaign create"),
        ("/campaigns", "commonhold coordinator campaign create"),
        ("/contributors", "commonhold coordinator invite"),
        ("/epochs", "commonhold coordinator epoch close"),
        ("/jobs", "commonhold federated open"),
        ("/datasets", "commonhold coordinator export"),
        ("/revenue", "commonhold coordinator settle"),
        ("/log", "commonhold verify"),
    ],
)
async def test_an_empty_page_says_what_to_do_next(
    web: httpx.AsyncClient, path: str, advice: str
) -> None:
    page = await page_of(web, path)
    assert advice in page.text
    assert "As of log entry 1," in page.text


async def test_a_fresh_network_says_how_to_join(net: Live, web: httpx.AsyncClient) -> None:
    page = await page_of(web)
    assert "test network" in page.text
    assert net.address.link in page.text
    assert "There is no campaign yet" in page.text
    assert "Epoch 1 is open" in (await page_of(web, "/epochs")).text


async def test_the_first_page_shows_the_network_at_a_glance(
    full: httpx.AsyncClient, shown: Network
) -> None:
    page, state = await page_of(full), shown.state
    assert f"Members {len(state.members)}" in page.text
    assert f"Items {len(state.items)}" in page.text
    assert f"Shares minted {state.minted_micro / 1e6:,.2f}" in page.text
    for campaign in (
        "Digits",
        "Street signs at night",
        "Essays of learners",
        "Transcripts of recordings",
    ):
        assert campaign in page.text
    for phase in ("under review", "paused", "drawing", "gathering", "opening"):
        assert phase in page.text
    assert "reviewers committed to their answers" in page.text
    assert "The root of epoch 4 is on chain, frozen: witness 0x" in page.text
    assert "12,000,000,000 units of 0x05050505…" in page.text
    assert "3.25 ether" in page.text


async def test_a_campaign_says_what_it_asks_and_what_was_found(full: httpx.AsyncClient) -> None:
    rubric = await page_of(full, "/campaigns/transcripts")
    assert {"aria-current": "step"} in rubric.all("li")
    assert "Does it meet each criterion?" in rubric.text
    assert "verbatim: It says what was said, word for word. (needs 80.0 %)" in rubric.text
    assert "notes text/plain 64.0 KiB optional" in rubric.text
    assert "unreadable 1 10.0 %" in rubric.text
    assert "Round 1" in rubric.text
    ratings = await page_of(full, "/campaigns/essays")
    assert "Where on this scale is it" in ratings.text
    assert "good 4 44.4 %" in ratings.text
    assert len([svg for svg in ratings.all("svg") if svg.get("class") == "chart"]) == 1
    paused = await page_of(full, "/campaigns/street-signs")
    assert "commonhold node submit --campaign street-signs" in paused.text
    assert "No round has begun yet." in paused.text
    assert "Sources" not in paused.text


async def test_sources_are_ranked_with_their_intervals(full: httpx.AsyncClient) -> None:
    page = await page_of(full, "/campaigns/answers")
    places = [page.text.index(f"{rank} {model}") for rank, model in enumerate(MODELS, 1)]
    assert places == sorted(places)
    assert "Verdicts on pairs do not depend on it." in page.text


async def test_an_epoch_says_what_it_left_and_why(full: httpx.AsyncClient) -> None:
    assert "transcripts 1 for the next round" in (await page_of(full, "/epochs/3")).text
    assert "Nothing waited." in (await page_of(full, "/epochs/2")).text
    present = await page_of(full, "/epochs/5")
    assert "digits 10 a round is under way" in present.text
    assert "transcripts 1 nobody who may review stands by" in present.text


async def test_an_epoch_of_nothing_has_a_page(net: Live, web: httpx.AsyncClient) -> None:
    await net.close_epoch(1)
    page = await page_saying(web, "Nothing waited.", "/epochs/1")
    assert "Nobody earned anything in this epoch." in page.text
    assert "Epoch 2 is open" in (await page_of(web, "/epochs")).text


async def test_a_contributors_page_holds_every_line(
    full: httpx.AsyncClient, shown: Network
) -> None:
    who = shown.people[0].id
    page = await page_of(full, f"/contributors/{name_of(who)}")
    lines = [row for row in page.all("a") if row["href"].startswith("/epochs/")]
    assert 0 < len(lines) <= LINES
    assert f"Earned {shares_of(shown, who) / 1e6:,.2f} shares" in page.text
    assert peer_id_of(shown.people[0].key) in page.text
    assert peer_id_of(shown.people[0].device("laptop").key) in page.text
    assert "items in the dataset of licence northwind-2026" in page.text
    assert "12 updates to train" in page.text


async def test_a_job_shows_what_it_reached_and_what_it_cost(full: httpx.AsyncClient) -> None:
    page = await page_of(full, "/jobs/train")
    assert "completed" in page.text
    assert "Accuracy after each round" in page.text
    assert "Privacy spent after each round" in page.text
    assert len([svg for svg in page.all("svg") if svg.get("class") == "chart"]) == 2
    assert {"/models/train/card.json", "/models/train/card.md"} <= set(page.values("href"))
    assert "36 updates" not in page.text  # figures and receipts tell it
    under_way = await page_of(full, "/jobs/train-again")
    assert "runs, to be the" in under_way.text and "updates signed" in under_way.text
    assert "will open the sum" in under_way.text


async def test_a_dataset_says_whether_it_may_be_used(
    full: httpx.AsyncClient, shown: Network
) -> None:
    spoilt, whole = dataset_names(shown)
    assert "can no longer be licensed" in (await page_of(full, f"/datasets/{spoilt}")).text
    page = await page_of(full, f"/datasets/{whole}")
    assert "who agreed to: train, redistribute, commercial" in page.text
    assert f"/datasets/{whole}/croissant.json" in page.values("href")


async def test_revenue_names_licences_and_what_they_brought(full: httpx.AsyncClient) -> None:
    page = await page_of(full, "/revenue")
    assert f"northwind-2026 {LICENSEE}" in page.text
    assert "Epoch 4" in page.text and "frozen" in page.text
    assert "in force" in page.text and "superseded" in page.text
    assert "Vault: money comes in here" in page.text


async def test_an_entry_comes_with_its_proof(full: httpx.AsyncClient, shown: Network) -> None:
    index = next(i for i, e in enumerate(shown.log) if b"submission" in e.raw)
    page = await page_of(full, f"/log/{index}")
    assert "submitted" in page.text
    assert hash_leaf(shown.log[index].raw).hex() in page.text
    kinds = await page_of(full, "/log?kind=verdict")
    assert "verdicts of round" in kinds.text
    assert "submitted" not in kinds.text


@pytest.mark.timeout(120)
async def test_the_pages_follow_a_round_to_its_pay(net: Live, web: httpx.AsyncClient) -> None:
    author, *panel = [Person(name) for name in ("author", "r1", "r2", "r3")]
    await net.open_campaign()
    await net.join(author, *panel)
    request = net.submission(author, [number % 10 for number in range(10)])
    truth = {opening.item_id: opening.answer for opening in request.openings}
    reviewers = Reviewers(net, net.network, panel, ["digits"], truth)
    reviewers.silent = {"digits"}
    await net.append(request)
    async with reviewing(reviewers):
        await page_saying(web, "0 of 3 reviewers committed", "/campaigns/digits")
        reviewers.silent = set()
        await net.join(ALICE)  # so that they look again
        await reviewers.until(lambda s: len(s.answers) == 30 and not s.round_of("digits").items)
        await net.close_epoch(1)
        state = await reviewers.until(lambda s: s.closed_epoch == 1)
    page = await page_saying(web, "epoch 2 is open")
    assert f"Shares minted {state.minted_micro / 1e6:,.2f}" in page.text
    people = await page_of(web, "/contributors")
    assert {name_of(each.id) for each in (author, *panel)} <= set(people.values("title"))
    closed = await page_of(web, "/epochs/1")
    assert "Answers 30" in closed.text
    assert "10 accepted, 0 rejected" in closed.text
    assert state.round_of("digits").phase is RoundPhase.OPEN


# ---- how they are made ----


async def test_every_page_is_well_made(full: httpx.AsyncClient) -> None:
    pages = await every_page(full)
    assert {*PAGES} <= pages.keys()
    assert sum(path.startswith("/log/") for path in pages) > 20  # one of each kind
    for path, page in pages.items():
        ids = [value for value in page.values("id") if value]
        assert len(ids) == len(set(ids)), path
        named = " ".join(page.values("aria-labelledby", "aria-describedby")).split()
        assert set(named) <= set(ids), path
        assert len(page.all("h1")) == 1, path
        assert len(page.all("main")) == 1, path
        assert len(page.all("caption")) == len(page.all("table")), path
        assert all(th.get("scope") for th in page.all("th")), path
        assert [a for a in page.all("a") if a.get("aria-current")], path


async def test_the_pages_need_nothing_that_their_policy_forbids(full: httpx.AsyncClient) -> None:
    for path in (*PAGES, "/jobs/train", "/nothing"):
        answer = await full.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        page = Page(answer.text)
        assert not {tag for tag, _ in page.elements} & {"style", "iframe", "form", "object"}
        assert page.all("script") == [{"src": "/static/live.js", "defer": ""}]
        attributes = {name for _, attrs in page.elements for name in attrs}
        assert not {name for name in attributes if name == "style" or name.startswith("on")}
        local = [link for link in page.values("href", "src") if not link.startswith("#")]
        assert all(link.startswith("/") and not link.startswith("//") for link in local)


async def test_an_unchanged_page_is_not_sent_again(
    net: Live, web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.dashboard.site._TICK_MS", 1 << 62)
    for path in PAGES:
        first = await web.get(path)
        tag = first.headers["etag"]
        assert f'data-tag="{tag.replace(chr(34), "&#34;")}"' in first.text
        again = await web.get(path, headers={"if-none-match": tag})
        assert again.status_code == 304
        assert again.content == b""
    old = (await web.get("/")).headers["etag"]
    await net.join(ALICE)
    for path in PAGES:
        changed = await web.get(path, headers={"if-none-match": old})
        assert changed.status_code == 200
        assert changed.headers["cache-control"] == "no-cache"


async def test_one_witness_is_told_as_one(web: httpx.AsyncClient) -> None:
    said = " ".join((await web.get("/")).text.split())
    assert (
        "Its one witness determines how it falls, always in the same way, and foresees it." in said
    )


async def test_a_page_that_says_how_long_a_window_is_open_changes_with_the_clock(
    web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.dashboard.site._TICK_MS", 1)
    for path, status in (("/", 200), ("/campaigns", 200), ("/epochs", 304), ("/log", 304)):
        tag = (await web.get(path)).headers["etag"]
        await asyncio.sleep(0.002)
        assert (await web.get(path, headers={"if-none-match": tag})).status_code == status, path


async def test_a_dataset_that_appears_changes_the_page(tmp_path: Path, shown: Network) -> None:
    home = served(shown, tmp_path / "net")
    name = dataset_names(shown)[-1]
    async with live(home) as running, client_of(running) as web:
        before = await web.get(f"/datasets/{name}")
        assert "nothing on this server" in before.text
        folder = home.path / "datasets" / name
        folder.mkdir(parents=True)
        (folder / "README.md").write_text("# About")
        known = {"if-none-match": before.headers["etag"]}
        after = await web.get(f"/datasets/{name}", headers=known)
        assert "README.md" in after.text


async def test_long_tables_have_pages(net: Live, web: httpx.AsyncClient) -> None:
    await net.join(*[Person(f"person {number}") for number in range(ROWS + 1)])
    first = await page_saying(web, f"1\N{EN DASH}{ROWS} of {ROWS + 1}", "/contributors")
    second = await page_of(web, "/contributors?sort=shares&page=2")
    names = [set(page.values("title")) - {""} for page in (first, second)]
    assert "/contributors?sort=shares&page=2" in first.values("href")
    assert len(first.all("tr")) == 1 + ROWS
    assert len(second.all("tr")) == 2
    assert not {n for n in names[0] & names[1] if n.startswith("ch1")}
    for sort in SORTS:
        page = await page_of(web, f"/contributors?sort={sort}")
        assert [th for th in page.all("th") if th.get("aria-sort") == "descending"]


async def test_contributors_are_sorted_by_what_is_asked_for(
    full: httpx.AsyncClient, shown: Network
) -> None:
    members = [who for who, _ in shown.state.members.scan()]
    page = await page_of(full, "/contributors")
    assert page.values("title")[0] == name_of(max(members, key=lambda who: shares_of(shown, who)))
    page = await page_of(full, "/contributors?sort=joined")
    assert page.values("title")[0] == name_of(shown.operator.id)


# ---- what is refused ----


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/campaigns/nothing",
        "/campaigns?page=2",
        "/contributors/ch1nobody",
        f"/contributors/{peer_id_of(bytes(32))}",
        f"/contributors/{name_of(bytes(32))}",
        "/contributors?page=0",
        "/contributors?page=x",
        "/contributors?page=99999999999999999999",
        "/contributors?page=٣",
        "/contributors?sort=__class__",
        "/epochs/0",
        "/epochs/99",
        "/epochs/01",
        "/epochs/-1",
        "/jobs/nothing",
        "/datasets/000000000000",
        "/log/99999",
        "/log/1e3",
        "/log?kind=nothing",
        "/log?page=99",
    ],
)
async def test_what_there_is_not_is_said_on_a_page(full: httpx.AsyncClient, path: str) -> None:
    answer = await full.get(path)
    assert answer.status_code == 404
    assert "Nothing here" in Page(answer.text).text
    assert answer.headers["cache-control"] == "no-store"


async def test_only_descriptions_leave_the_operators_directory(
    tmp_path: Path, shown: Network
) -> None:
    home = served(shown, tmp_path / "net")
    name = dataset_names(shown)[-1]
    dataset, model = home.path / "datasets" / name, home.path / "models" / "train"
    stray = home.path / "datasets" / "0123456789ab"
    for folder in (dataset / "data", model, stray):
        folder.mkdir(parents=True)
    secret = home.path / "operator.key"
    for path in (dataset / "croissant.json", model / "card.md", stray / "README.md"):
        path.write_text("described")
    for path in (dataset / "manifest.json", dataset / "data" / "part", model / "model-int8.onnx"):
        path.write_text("content")
    (dataset / "README.md").symlink_to(secret)
    (model / "card.json").write_bytes(bytes(METADATA_BYTES_MAX + 1))
    async with live(home) as running, client_of(running) as web:
        croissant = await web.get(f"/datasets/{name}/croissant.json")
        assert (croissant.text, croissant.headers["content-type"]) == (
            "described",
            "application/json",
        )
        card = await web.get("/models/train/card.md")
        assert (card.text, card.headers["content-type"]) == (
            "described",
            "text/markdown; charset=utf-8",
        )
        for url in (
            f"/datasets/{name}/README.md",  # a link to a key
            "/models/train/card.json",  # longer than any card
            f"/datasets/{name}/manifest.json",
            f"/datasets/{name}/data/part",
            f"/datasets/{name}/data%2Fpart",
            f"/datasets/{name}/..%2F..%2Foperator.key",
            "/datasets/..%2F../operator.key",
            "/datasets/0123456789ab/README.md",  # no snapshot of the log
            "/models/train/model-int8.onnx",
            "/models/nothing/card.md",
        ):  # fmt: skip
            answer = await web.get(url)
            assert answer.status_code == 404, url
            assert secret.read_text().strip() not in answer.text


async def test_hostile_text_stays_text(tmp_path: Path) -> None:
    names = dict.fromkeys(("title", "guidelines", "job"), HOSTILE) | {"licensee": HOSTILE[:60]}
    names |= {"source": HOSTILE[:40]}
    home = served(showcase(**names), tmp_path / "net")
    async with live(home) as running, client_of(running) as web:
        pages = await every_page(web)
    assert HOSTILE in pages["/campaigns"].text
    assert pages["/campaigns/street-signs"].text.count(HOSTILE) == 3  # its title twice
    assert HOSTILE in pages["/jobs/train"].text
    assert HOSTILE[:40] in pages["/campaigns/answers"].text
    assert HOSTILE[:60] in pages["/revenue"].text
    assert "a gift <b>to</b> all" in pages["/revenue"].text
    for path, page in pages.items():
        assert len(page.all("script")) == 1, path
        assert [img["src"] for img in page.all("img")] == ["/static/icon.svg"], path


async def test_a_name_that_is_written_the_other_way_turns_nothing_around(tmp_path: Path) -> None:
    title = "תמרורים"
    home = served(showcase(title=title, licensee=title, job=title, source=title), tmp_path / "net")
    async with live(home) as running, client_of(running) as web:
        for path in ("/", "/campaigns", "/campaigns/street-signs", "/campaigns/answers", "/jobs",
                     "/jobs/train", "/revenue", "/log?kind=licence", "/log?kind=job"):  # fmt: skip
            shown = (await web.get(path)).text.partition("<main")[2]
            assert f"<bdi>{title}</bdi>" in shown, path
            assert shown.count(title) == shown.count(f"<bdi>{title}</bdi>") + shown.count(
                f'data-key="{title}"'
            ), path


async def test_no_key_and_no_salt_is_on_any_page(net: Live, web: httpx.AsyncClient) -> None:
    await net.open_campaign()
    await net.join(ALICE)
    request = net.submission(ALICE, [3])
    await net.append(request)
    paths = await every_page(web)
    shown = b"".join([(await web.get(path)).content for path in paths])
    keys, opening = net.keys, request.openings[0]
    secrets = [bytes(keys.operator_key), bytes(keys.log_keys[0]), keys.chain_secret, opening.salt]
    for secret in secrets:
        assert secret not in shown
        assert secret.hex().encode() not in shown.lower()
        assert base64.b64encode(secret).rstrip(b"=") not in shown
        assert base64.urlsafe_b64encode(secret).rstrip(b"=") not in shown
    assert b"PRIVATE KEY" not in shown
    assert str(net.home.path).encode() not in shown
