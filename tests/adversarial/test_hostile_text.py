"""Hostile text in every command and on every page: no traceback, nothing obeyed, and all of it to be seen."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from unicodedata import category
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import typer
from huggingface_hub import DatasetCard
from starlette.routing import Route
from typer.testing import CliRunner

from commonground.escaping import one_line
from commonhold.cli import output, training
from commonhold.cli.output import EXIT_SOME
from commonhold.cli.root import GROUPS, build
from coordinator.config import Home
from coordinator.dashboard.site import Site
from coordinator.desk.desk import Desk
from coordinator.desk.server import serving
from node.store import Store
from protos.gen import records_pb2 as pb
from tests.dataset_lab import DatasetLab
from tests.hostile import (
    CAMPAIGN,
    FILE,
    HOSTILE,
    asked,
    joined,
    look_away,
    member,
    operated,
    reviewing,
)
from tests.integration.test_dashboard import Page, every_page
from tests.live_coordinator import live

CODES = {
    output.EXIT_CHECK_FAILED,
    output.EXIT_USAGE,
    output.EXIT_UNREACHABLE,
    output.EXIT_REFUSED,
    output.EXIT_STATE,
    output.EXIT_STORE,
}
# The runner shows what is typed as it is, so it cannot be as bad.
TYPED = ":r [/x]\n[/x] [link=https://example.org]go[/link]\n:u\n:q\n"
WIDTH = 4_000  # so that words are not taken apart
BODY = "consent train --origin human --licence CC-BY-4.0"


def hidden(text: str) -> set[str]:
    """What of it nobody sees, or a terminal obeys. Blanks of any width are blanks."""
    return {c for c in text if not (c.isprintable() or c in "\n\t" or category(c) == "Zs")}


# ---- commands ----

# Words of each command; of what is in braces stand the things below. None waits for anything: what serves or
# trains ends at a folder that is none.
COMMANDS: dict[str, list[str]] = {
    "verify": [
        "{net}",
        "{file}",
        "{text}",
        "http://127.0.0.1:9/{text}",
        "{net} --key {text}",
        "--alarm {file}",
    ],
    "chain dev": ["--host {text}"],
    "chain fund": ["{text}", "{text} --rpc-url http://127.0.0.1:9/{text}"],
    "demo": ["--dir {file}"],
    "federated open": [
        "--id {text} --campaign {text} --partner {text} --expected-examples 1 --held-back {file} --dir {net}"
    ],
    "federated join": ["--job {text} --data {file} --epsilon-max 1 --dir {node}"],
    "federated status": ["--dir {net}", "--dir {node}", "--dir {file}"],
    "federated resume": ["--id {text} --dir {net}"],
    "federated end": ["--id {text} --dir {net}"],
    "federated tasks": [""],
    "federated budget": ["--dir {node}", "--dir {file}"],
    "federated raise-limit": ["{text} --epsilon-max 1 --yes --reason {text} --dir {node}"],
    "federated set-apart": ["{text} --epsilon-max 1 --yes --dir {node}"],
    "federated ask": [
        "--id {text} --campaign {text} --partner {text} --question {text} --expected-examples 1 --dir {net}"
    ],
    "federated attack": ["--id {text} --members {file} --others {file} --dir {net}"],
    "model list": ["--dir {net}", "--dir {node}", "--dir {file}"],
    "model show": ["{file}", "{text}", "{text} --dir {file}"],
    "model verify": ["{file}", "{text}"],
    "model serve": ["{file}", "{text} --file {text}"],
    "coordinator init": [
        "--name {text} --dir {new}",
        "--name x --dir {new}-x",
        "--name x --host {text}",
    ],
    "coordinator desk": ["--dir {file}"],
    "coordinator serve": ["--dir {file}", "--dir {net} --close-every {text}"],
    "coordinator status": ["--dir {net}", "--dir {file}"],
    "coordinator settle": ["--dir {net}"],
    "coordinator fsck": ["--dir {net}", "--dir {file}"],
    "coordinator backup": ["{new}-backup --dir {net}", "{file} --dir {net}"],
    "coordinator restore": ["--from {text} --dir {net}", "--from {file} --dir {net}"],
    "coordinator export": ["--campaign {text} --dir {net}", "--campaign {campaign} --dir {net}"],
    "coordinator licence": [
        "--snapshot {text} --id {text} --licensee {text} --terms {text} --asset {text} --price 1 --dir {net}",
        "--snapshot {text} --id {text} --licensee {text} --terms {text} --asset eth --price 1 --dir {net}",
    ],
    "coordinator licences": ["--dir {net}"],
    "coordinator invite": ["--dir {net}"],
    "coordinator people": ["--dir {net}"],
    "coordinator witnesses": ["--dir {net}", "{text} --dir {net}"],
    "coordinator slash": [
        "--dir {net}",
        "--person {text} --for silence --dir {net}",
        "--person {text} --dir {net}",
    ],
    "coordinator move": ["--dir {net}", "--rpc-url {text} --dir {net}"],
    "coordinator retire": ["--dir {net}", "--rpc-url {text} --dir {net}"],
    "coordinator upgrade": ["--dir {net}"],
    "coordinator campaign create": [
        "{file} --dir {net}",
        "{toml} --dir {net}",
        "--id {text} --title {text} --guidelines {text} --label {text} --licence {text} --dir {net}",
        "--id x --title {half} --dir {net}",
        "--id x --task {text} --spec {text} --part {text} --dir {net}",
    ],
    "coordinator campaign new": ["classify {file}", "{text} {new}.toml", "rate {text}/x"],
    "coordinator campaign check": ["{file} --dir {net}", "{toml} --dir {net}", "{toml}"],
    "coordinator campaign change": [
        "{text} {toml} --dir {net}",
        "{campaign} {toml} --dir {net}",
        "{campaign} --title {text} --guidelines {text} --yes --dir {net}",
        "{campaign} --seal-wait {text} --dir {net}",
    ],
    "coordinator campaign close": ["{text} --dir {net}", "{campaign} --yes --dir {net}"],
    "coordinator takedown": [
        "{text} --reason {text} --dir {net}",
        "{item} --reason {text} --code {text} --dir {net}",
    ],
    "coordinator campaign pause": ["{text} --dir {net}", "{campaign} --dir {net}"],
    "coordinator campaign resume": ["{text} --dir {net}"],
    "coordinator campaign list": ["--dir {net}"],
    "coordinator campaign calibrate": [
        *("{file}", "{text}", "{file} --copies {text}", "{file} --campaign {toml}"),
    ],
    "coordinator policy set": ["--dir {net} --emission 5"],
    "coordinator gold import": ["{file} --dir {net}", "{csv} --dir {net}"],
    "coordinator epoch close": ["--dir {net}", "--epoch 1 --dir {net}"],
    "coordinator revenue deposit": [
        "1 --asset {text} --dir {net}",
        "{text}",
        "1 --memo {text} --dir {net}",
    ],
    "coordinator revenue import": ["--dir {net}"],
    "coordinator keys successor": ["--role log --dir {file}", "--role {text}"],
    "node init": [
        "--link {text}",
        "--link commonhold://{text}",
        "--link {link} --reviewer {text} --dir {new}-node",
    ],
    "node delegate": ["{text} --dir {node}"],
    "node join": ["{text} --dir {node}", "--dir {node}"],
    "node register": ["--dir {node}", "{text} --dir {node}"],
    "node payee": ["{text} --dir {node}"],
    "node invite": ["--dir {node}"],
    "node submit": [
        "{file} --campaign {campaign} --label {text} --dir {node} --{body}",
        "{file} --campaign {text} --dir {node} --{body}",
        "--table {csv} --campaign {campaign} --dir {node} --{body}",
        "--table {jsonl} --campaign {campaign} --dir {node} --{body}",
        "{file} --labels {csv} --campaign {campaign} --dir {node} --{body} --generator {text}",
        "{file} --campaign {campaign} --dir {node} --{body} --derived-from {text}",
        "{file} --campaign {campaign} --dir {node} --{body} --personal-data {text}",
    ],
    "node scan": ["{file}", "{csv} {jsonl}", "{text}", "{file} --region {text}"],
    "node send": ["--dir {node}"],
    "node status": ["--dir {node}", "--dir {node} --offline", "--dir {file}"],
    "node statement": ["--dir {node}", "--dir {node} --items"],
    "node campaigns": ["--dir {node}"],
    "node copy": ["{new}-copy --dir {node}", "{file} --dir {node}"],
    "node alarms": ["--dir {node}", "--dir {alarmed}"],
    "node start": ["--dir {file}", "--dir {node} --reviewer {text}", "--dir {node} --kind {text}"],
    "node review": ["--dir {desk}"],
    "node review list": ["--dir {desk}"],
    "node review answer": [
        "{item} {text} --dir {desk}",
        "{text} {text} --dir {desk}",
        "{item} 1 --dir {desk}",
    ],
    "node review refuse": ["{item} unsure --dir {desk}", "{item} {text} --dir {desk}"],
    "node review show": ["{item} --dir {desk}", "{text} --dir {desk}"],
    "node bond": ["1 --dir {node}", "{text} --dir {node}"],
    "node move": ["--dir {node}", "--rpc-url {text} --agree --dir {node}"],
    "node appeal": ["--dir {node}", "--dir {file}"],
    "node unbond": ["--dir {node}", "--dir {file}"],
    "node propose policy": ["--reviewers 5 --why {text} --dir {node}", "--admission {text}"],
    "node propose rules": ["--why {text} --dir {node}"],
    "node propose cancel": ["1 --dir {node}", "{text} --dir {node}"],
    "node propose list-asset": ["{text} --dir {node}"],
    "node propose unlist-asset": ["{text} --dir {node}"],
    "node propose confirm": ["0 --why {text} --dir {node}", "{text} --dir {node}"],
    "node propose overturn": ["0 --dir {file}", "{text} --dir {node}"],
    "node propose witness-bond": ["1 --dir {node}", "{text} --dir {node}"],
    "node propose veto": ["--dir {node}", "--dir {file}"],
    "node proposals": ["--dir {node}", "--dir {file}"],
    "node vote": ["{text} yes --dir {node}", "0x1 {text} --dir {node}"],
    "node enact": ["{text} --dir {node}"],
    "node claim": [
        "--dir {node}",
        *(f"{option} {{text}} --dir {{node}}" for option in ("--asset", "--for", "--to")),
    ],
    "node claimer": ["--dir {node}", "{text} --dir {node}"],
    "node page": ["--dir {node}"],
    "node withdraw": [
        "{text} --dir {node} --yes",
        "--all-of {text} --dir {node}",
        "--all-of {campaign} --dir {node}",
    ],
    "node contest": ["{text} --dir {node}"],
    "node assent": ["--dir {node}"],
}
# Command lines whose result shows the markup, letter by letter.
SHOWN = (
    "verify {text}",
    "coordinator status --dir {net}",
    "coordinator licences --dir {net}",
    "coordinator campaign list --dir {net}",
    "node status --dir {node}",
    "node campaigns --dir {node}",
    "node statement --dir {node} --items",
    "node alarms --dir {alarmed}",
    "node review --dir {desk}",
    "node review show {item} --dir {desk}",
)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as made:
        look_away(made)
        yield made


@pytest.fixture(scope="module")
def things(patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands for the braces."""
    root = tmp_path_factory.mktemp("hostile")
    net, node = operated(root / "net"), joined(_folder(root / "node"))
    desk, alarmed = reviewing(_folder(root / "desk")), joined(_folder(root / "alarmed"))
    with Store(alarmed.database) as store:
        store.raise_alarm("rule", HOSTILE, (b"note",), 0)
    with Store(desk.database) as store:
        item = store.tasks(CAMPAIGN, 1)[0].item_id.hex()
    file = root / FILE
    file.mkdir()
    (file / FILE).write_bytes(b"\x1b no picture")
    (file / "other.txt").write_text(HOSTILE)
    for name, content in {
        "a.csv": f'words,words_source,answer\n"{HOSTILE}","{HOSTILE}","{HOSTILE}"\n',
        "a.jsonl": '{"words_text": "\\ud800[/x]", "answer": "\\u202e"}\n{"[/x]\\u001b": 1}\n',
        "a.toml": 'id = "x"\n"[/x]\\u001b\\nFORGED" = "\\u202e"\n',
    }.items():
        (root / name).write_text(content)
    return {
        **{"net": str(net.path), "node": str(node.root), "desk": str(desk.root)},
        **{"alarmed": str(alarmed.root), "new": str(root / "new" / FILE), "file": str(file)},
        **{"text": HOSTILE, "campaign": CAMPAIGN, "item": item, "half": "a\udcff", "link": HOSTILE},
        **{
            "csv": str(root / "a.csv"),
            "jsonl": str(root / "a.jsonl"),
            "toml": str(root / "a.toml"),
        },
        "log": str(root),
    }


def _folder(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Every command that does something."""
    children = getattr(command, "commands", {})
    if not children or getattr(command, "invoke_without_command", False):
        yield " ".join(path)
    for name, child in children.items():
        yield from leaves(child, (*path, name))


def test_every_command_is_here() -> None:
    found: set[str] = set()
    for group in GROUPS:
        root: Any = typer.main.get_command(build(group))
        found |= set(leaves(root.commands[group], (group,)))
    assert found == set(COMMANDS)


@pytest.mark.parametrize(
    "line", [f"{name} {words}" for name, lines in COMMANDS.items() for words in lines]
)
def test_a_command_shows_it(
    things: dict[str, str], line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(training.ENVIRONMENT_FOLDER, str(tmp_path / FILE))  # there is none
    monkeypatch.setattr(output.out, "width", WIDTH)
    monkeypatch.setattr(output.err, "width", WIDTH)
    words = line.replace("{body}", BODY).split()
    arguments = [re.sub(r"\{(\w+)\}", lambda found: things[found[1]], word) for word in words]
    done = CliRunner().invoke(build(words[0]), arguments, input=TYPED)
    said = done.stdout + done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit), said
    assert done.exit_code in {0, *CODES, EXIT_SOME}, said
    assert not hidden(said)
    assert "\nFORGED" not in said
    if line in SHOWN:
        assert "[/x] " in said or "[neg] " in said
        assert "<U+001B>" in said and "<U+202E>" in said


def test_what_is_said_to_be_shown_is_run() -> None:
    assert set(SHOWN) <= {f"{name} {words}" for name, lines in COMMANDS.items() for words in lines}


@pytest.mark.parametrize("width", [20, 80])
def test_a_narrow_terminal_shows_it_too(
    things: dict[str, str], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output.out, "width", width)
    for line in (
        "coordinator status --dir {net}",
        "node campaigns --dir {node}",
        "node review show {item} --dir {desk}",
    ):
        words = [word.format_map(things) for word in line.split()]
        done = CliRunner().invoke(build(words[0]), words)
        assert done.exit_code == 0, done.stderr
        assert not hidden(done.stdout)


# ---- pages ----


def page_of(path: str, html: str) -> None:
    """Well-formed, with no element, attribute or sign of a stranger's."""
    assert not hidden(html)
    page = Page(html)
    assert not [
        name for name, attrs in page.elements if name == "img" and attrs.get("src") == "x"
    ], path
    assert all(attrs.get("src", "").endswith("live.js") for attrs in page.all("script")), path
    assert not [
        each for each in page.values("href", "src") if "javascript:" in each or "//" in each[:2]
    ]
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> list[Route]:
    """Those of the dashboard, once it is served."""
    found: list[Route] = []
    real = Site.routes

    def noted(site: Site) -> list[Route]:
        found[:] = real(site)
        return found

    monkeypatch.setattr(Site, "routes", noted)
    return found


@pytest.fixture
async def dashboard(
    patch: pytest.MonkeyPatch, things: dict[str, str], routes: list[Route]
) -> AsyncIterator[httpx.AsyncClient]:
    async with live(Home(Path(things["net"]))) as running:
        url = f"http://127.0.0.1:{running.address.http_port}"
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield client


async def test_the_dashboard_shows_it(dashboard: httpx.AsyncClient, routes: list[Route]) -> None:
    pages = await every_page(dashboard)
    for path in pages:
        page_of(path, (await dashboard.get(path)).text)
    assert "[/x] [link=https://example.org]go[/link]" in pages["/"].text
    assert "<U+001B>]0;t" in pages["/campaigns"].text and "<U+202E>txt" in pages["/campaigns"].text
    files = ("/datasets/{name}/{file}", "/models/{id}/{file}")  # JSON and Markdown, from a disk
    seen = [urlsplit(path).path for path in pages]
    unseen = {each.path for each in routes if not any(each.path_regex.match(path) for path in seen)}
    assert unseen == set(files)


@pytest.mark.parametrize(
    "path", ["/%5B/x%5D%1B%0AFORGED", "/campaigns/%E2%80%AE%00", "/log?kind=%3Cscript%3E", "/x/%FF"]
)
async def test_a_strange_address_is_answered(dashboard: httpx.AsyncClient, path: str) -> None:
    answer = await dashboard.get(path)
    assert answer.status_code == 404
    page_of(path, answer.text)


async def test_a_members_page_shows_it(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = member(tmp_path)
    async with world.open() as url, httpx.AsyncClient(follow_redirects=True, timeout=30) as client:
        pages = await crawl(client, url)
        base = url.partition("?")[0]
        assert {path.removeprefix(base).partition("/")[0].partition("?")[0] for path in pages} == {
            *("", "items", "earnings", "reviews", "training", "node", "log")
        }
        assert (await client.get(f"{base}items/{HOSTILE[:4]}")).status_code == 404
        assert [path for path in pages if re.search("items/[0-9a-f]{64}", path)]
        whole = " ".join(pages.values())
        assert "[/x] [link=https://example.org]go[/link]" in whole
        world.store.raise_alarm("rule", HOSTILE, (b"note",), 0)
        page_of("node", (await client.get(f"{base}node")).text)
    world.close()


async def test_the_desk_shows_it(patch: pytest.MonkeyPatch, things: dict[str, str]) -> None:
    home = Home(Path(things["net"]))
    async with live(home):
        with await asyncio.to_thread(Desk, home) as desk:
            async with (
                serving(desk) as url,
                httpx.AsyncClient(follow_redirects=True, timeout=30) as client,
            ):
                pages = await crawl(client, url)
    whole = " ".join(pages.values())
    assert "[/x] [link=https://example.org]go[/link]" in whole
    assert "<U+001B>]0;t" in whole and "<U+202E>txt" in whole
    for place in ("/items/", "/gold", "/terms", "/new"):
        assert any(place in path for path in pages), place


async def crawl(client: httpx.AsyncClient, url: str) -> dict[str, str]:
    """The text of every page of its own that can be reached, by its address."""
    pages, waiting, base = dict[str, str](), [url], url.partition("?")[0]
    while waiting:
        address = waiting.pop()
        answer = await client.get(address)
        assert answer.status_code == 200, address
        address = str(answer.url)
        if address in pages or not answer.headers["content-type"].startswith("text/html"):
            continue
        page_of(address, answer.text)
        page = Page(answer.text)
        pages[address] = page.text
        links = [urljoin(address, each["href"]).partition("#")[0] for each in page.all("a")]
        waiting += [link for link in links if link.startswith(base)]
    return pages


# ---- cards ----


def test_a_datasets_card_shows_it(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lab = DatasetLab(tmp_path, asked())
    generated = lab.item(
        HOSTILE, sources={"words": HOSTILE}, origin=pb.ORIGIN_SYNTHETIC, generator=HOSTILE
    )
    lab.accept(ada=[generated, lab.item("[neg]")])
    lab.fetch()
    path, manifest = lab.export("train")
    text = (path / "README.md").read_text()
    card = DatasetCard.load(path / "README.md")
    assert card.data.to_dict()["pretty_name"] == one_line(HOSTILE)
    assert not hidden(text)
    assert "\nFORGED" not in text
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", card.text, flags=re.DOTALL)
    assert "<" not in prose, "no tag, in or out of a cell"
    links = re.findall(r"\]\(([^)]*)\)", card.text)
    assert links == ["https://spdx.org/licenses/CC-BY-4.0.html"]
    assert "| &#91;neg&#93; | 1 |" in card.text and "&#123;&#123; 7&#42;7 &#125;&#125;" in card.text
    # What machines read is exact.
    described = json.loads((path / "croissant.json").read_text())
    assert described["alternateName"] == HOSTILE and manifest.campaign == CAMPAIGN
