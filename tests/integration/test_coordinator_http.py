"""The public face: the page, the log as static files, and what must not be seen there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from protocol.log.batch import check_batch
from protocol.log.merkle import hash_leaf, root_of
from protocol.log.note import Verifier, open_checkpoint
from protocol.log.tiles import TILE_WIDTH, EntryTile, Tile, decode_entries
from protos.gen import records_pb2 as pb
from tests.helpers import Person
from tests.live_coordinator import Live, found_network, live

ALICE = Person("alice")


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(found_network(tmp_path / "net")) as running:
        await running.open_campaign(title="Digits <script>alert(1)</script>")
        await running.join(ALICE)
        yield running


@pytest.fixture
async def web(net: Live) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{net.address.http_port}"
    async with httpx.AsyncClient(base_url=url) as client:
        yield client


async def test_the_page_tells_a_newcomer_how_to_join(net: Live, web: httpx.AsyncClient) -> None:
    await net.append(net.submission(ALICE, [1, 2]))
    page = await web.get("/")
    assert page.status_code == 200
    assert net.address.link.split("?")[0] in page.text
    text = " ".join(re.sub("<[^>]*>", " ", page.text).split())
    assert "epoch 1 is open" in text
    assert "digits" in text
    assert "test network" in page.text
    assert "<script>alert" not in page.text
    for name in ("style.css", "base.css"):  # its own, and what it shares with others
        style = await web.get(f"/static/{name}")
        assert style.headers["content-type"].startswith("text/css")
        assert "prefers-color-scheme: dark" in style.text


async def test_no_secret_is_on_any_page(net: Live, web: httpx.AsyncClient) -> None:
    request = net.submission(ALICE, [1])
    await net.append(request)
    pages = [await web.get(path) for path in ("/", "/metrics", "/verifier", "/checkpoint")]
    shown = b"".join(page.content for page in pages)
    secrets = [bytes.fromhex((net.home.path / "root.key").read_text())]
    secrets += [bytes(net.keys.operator_key), bytes(net.keys.log_keys[0]), net.keys.chain_secret]
    secrets.append(request.openings[0].salt)
    for secret in secrets:
        assert secret not in shown
        assert secret.hex().encode() not in shown
    assert b"PRIVATE KEY" not in shown
    assert bytes(net.keys.operator_key).hex() not in repr(net.keys)


async def test_every_answer_carries_the_security_headers(web: httpx.AsyncClient) -> None:
    for path in ("/", "/checkpoint", "/nothing", "/static/nothing"):
        headers = (await web.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


async def test_the_tiles_recompute_the_checkpoint(net: Live, web: httpx.AsyncClient) -> None:
    for number in range(TILE_WIDTH + 3):
        await net.append(net.submission(ALICE, [number % 10]))
    note = (await web.get("/checkpoint")).content
    verifier = Verifier.parse((await web.get("/verifier")).text.strip())
    checkpoint = open_checkpoint(note, verifier)
    assert checkpoint.size == TILE_WIDTH + 6
    rest = checkpoint.size - TILE_WIDTH
    entries: list[bytes] = []
    for tile in (EntryTile(0), EntryTile(1, rest)):
        entries += decode_entries((await web.get(f"/{tile.path}")).content, tile.width)
    assert root_of(entries) == checkpoint.root
    full = await web.get(f"/{Tile(0, 0).path}")
    assert full.content == b"".join(map(hash_leaf, entries[:TILE_WIDTH]))
    assert "immutable" in full.headers["cache-control"]
    partial = await web.get(f"/{Tile(0, 1, rest).path}")
    assert partial.content == b"".join(map(hash_leaf, entries[TILE_WIDTH:]))
    assert "immutable" not in partial.headers["cache-control"]


async def test_a_batch_is_found_by_its_root(net: Live, web: httpx.AsyncClient) -> None:
    request = net.submission(ALICE, [1, 2, 3])
    await net.append(request)
    payload = pb.Envelope.FromString(request.envelope).payload
    items = pb.Submission.FromString(payload).items
    bundle = await web.get(f"/batch/{items.root.hex()}")
    assert check_batch(items.root, items.count, bundle.content) == list(request.leaves)
    assert bundle.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/tile/0/001",
        "/tile/0/000.p/256",
        "/tile/0/000.p/0",
        "/tile/9999/000",
        "/tile/0/0",
        "/tile/entries/x999/999",
        "/tile/../coordinator.toml",
        "/static/..%2f..%2fcoordinator.toml",
        "/static/%2e%2e/keys.py",
        "/batch/" + "0" * 64,
        "/batch/" + "F" * 64,
        "/batch/zz",
        "/%00",
        "/tile/%ff",
    ],
)
async def test_there_is_nothing_at_a_junk_path(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.get(path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert (await web.get("/healthz")).text == "ok\n"


async def test_only_reading_is_allowed(web: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await web.request(method, "/", content=b"x")).status_code == 405
    assert (await web.head("/checkpoint")).status_code == 200


async def test_metrics_count_what_was_logged_and_what_was_refused(
    net: Live, web: httpx.AsyncClient
) -> None:
    with pytest.raises(Exception, match="nobody has delegated the key"):
        await net.append(net.submission(Person("stranger"), [1]))
    text = (await web.get("/metrics")).text
    assert 'commonhold_calls_total{code="INVALID_ARGUMENT",method="Append"} 1.0' in text
    assert 'commonhold_calls_total{code="OK",method="Append"} 2.0' in text
    assert "commonhold_log_entries 3.0" in text
    await net.append(net.submission(ALICE, [1, 2]))
    await net.close_epoch(1)
    text = (await web.get("/metrics")).text
    assert "commonhold_waiting_items 2.0" in text
    assert "commonhold_closed_epochs 1.0" in text
