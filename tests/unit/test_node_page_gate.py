"""Who gets in: over real sockets, as a browser, another user of the machine and a web site would try."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from commonground.web.gate import COOKIE, Secrets
from node.page.server import serving
from protocol.errors import ConfigError
from tests.own_page import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    async with world.open() as opened:
        yield opened


def room_of(url: str) -> str:
    """The page's address without its token."""
    return url.partition("?")[0]


async def asked(url: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_the_token_is_exchanged_for_a_cookie(url: str) -> None:
    async with httpx.AsyncClient() as client:
        door = await client.get(url)
        assert door.status_code == 303
        assert door.headers["location"] == urlsplit(url).path, "the address is free of the token"
        given = door.headers["set-cookie"]
        assert "HttpOnly" in given and "SameSite=strict" in given
        assert f"Path={urlsplit(url).path}" in given, "no other server on this host is sent it"
        page = await client.get(room_of(url))
        assert page.status_code == 200
        assert "My page" in page.text
        cookie = client.cookies[COOKIE]
        token = url.partition("token=")[2]
        assert cookie not in page.text and token not in page.text and cookie != token


async def test_without_the_token_nothing_is_told(url: str) -> None:
    room, origin = room_of(url), f"http://{urlsplit(url).netloc}"
    for address in (
        room,
        f"{room}?token=",
        f"{room}?token={'0' * 64}",
        f"{room}?token=%ff%fe",
        url[:-1],
        f"{room}items",
        f"{room}static/style.css",
        f"{room}version",
        f"{origin}/",
        f"{origin}/static/style.css",
        url.replace(room, f"{origin}/"),  # the token without the room
        url.replace("?", "items?"),  # the token at another door
    ):
        answer = await asked(address)
        assert answer.status_code == 403, address
        assert "commonhold node page" in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "cookie", ["", "x", f"{COOKIE}=", f"{COOKIE}={'0' * 64}", ";;=,,\t;", "é=1"]
)
async def test_a_wrong_cookie_opens_nothing(url: str, cookie: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(room_of(url), headers={b"cookie": cookie.encode()})
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1", "127.0.0.1:1", ""])
async def test_another_host_is_refused(url: str, host: str) -> None:
    own = urlsplit(url).netloc
    assert (await asked(url, host=own)).status_code == 303
    answer = await asked(url, host=host)
    assert answer.status_code == 421
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_request_that_another_site_made_is_refused(url: str, site: str) -> None:
    for own in ("none", "same-origin"):
        assert (await asked(url, sec_fetch_site=own)).status_code == 303
    assert (await asked(url, sec_fetch_site=site)).status_code == 403


async def test_nothing_can_be_changed(url: str) -> None:
    async with httpx.AsyncClient(follow_redirects=True) as client:
        assert (await client.get(url)).status_code == 200
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = await client.request(method, room_of(url))
            assert answer.status_code == 405
            assert answer.headers["allow"] == "GET, HEAD"
        assert (await client.head(room_of(url))).status_code == 200


async def test_every_answer_carries_the_policy(world: World, url: str) -> None:
    [item_id] = world.give([3])
    paths = ("", "items", "static/live.js", "nothing", f"items/{item_id.hex()}/image/picture")
    async with httpx.AsyncClient(follow_redirects=True) as client:
        await client.get(url)
        answers = [await client.get(room_of(url) + path) for path in paths]
        answers.append(await client.post(room_of(url)))
        answers.append(await client.get(room_of(url), headers={"host": "evil.example"}))
    answers.append(await asked(room_of(url)))
    assert {answer.status_code for answer in answers} == {200, 403, 404, 405, 421}
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers


async def test_files_beside_the_stylesheet_are_not_served(url: str) -> None:
    async with httpx.AsyncClient(follow_redirects=True) as client:
        await client.get(url)
        for path in ("static/../app.py", "static/%2e%2e/app.py", "static/..%2f..%2fnode.db"):
            assert (await client.get(room_of(url) + path)).status_code == 404


async def test_the_address_is_for_its_owner_and_ends_with_the_node(world: World) -> None:
    async with world.open() as first:
        assert world.url_file.read_text() == f"{first}\n"
        assert world.url_file.stat().st_mode & 0o777 == 0o600
    assert not world.url_file.exists()
    async with world.open() as second:
        assert second.rpartition("/")[2] != first.rpartition("/")[2]
        assert room_of(second) != room_of(first)


async def test_a_file_that_a_crash_left_is_replaced(world: World) -> None:
    world.url_file.write_text("http://127.0.0.1:1/old/?token=old\n")
    world.url_file.with_name(".page.url.part").write_text("half")
    async with world.open() as url:
        assert world.url_file.read_text() == f"{url}\n"
        assert world.url_file.stat().st_mode & 0o777 == 0o600


async def test_it_listens_on_loopback_alone_and_says_when_a_port_is_taken(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=str(port)) as caught:
            async with serving(world.sources, world.url_file, port):
                raise AssertionError("the port is another's")
        assert "page_port" in caught.value.advice
    async with serving(world.sources, world.url_file, port) as url:
        assert urlsplit(url).netloc == f"127.0.0.1:{port}"


def test_secrets_are_never_printed() -> None:
    known = Secrets()
    assert repr(known) == "Secrets()"
    assert len({known.room, known.token, known.cookie}) == 3
    assert len(bytes.fromhex(known.token)) == 32
