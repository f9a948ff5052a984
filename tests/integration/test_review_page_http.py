"""The review page over real sockets: who may change something, what content is served as, and a phone."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from node.reviewpage import pairing
from node.reviewpage.address import read_address
from node.reviewpage.app import FORM_HEADER
from node.reviewpage.certificate import fingerprint_of
from node.reviewpage.contents import PEAKS
from node.reviewpage.pairing import CODE_SECONDS, TRIES_MAX, Pairing
from node.reviewpage.server import Served
from node.reviewpage.session import Session, load
from protocol.errors import ConfigError
from tests.review_page import HOSTILE, ReviewWorld

pytestmark = pytest.mark.timeout(60)

KINDS = ("notes", "calls")
BUSY_SECONDS = 60  # for an answer, where other tests have the processors


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ReviewWorld]:
    made = ReviewWorld(tmp_path, KINDS)
    yield made
    made.store.close()


class Page:
    """The owner's browser, as far as requests go."""

    def __init__(self, client: httpx.AsyncClient, served: Served, world: ReviewWorld) -> None:
        self.client, self.served = client, served
        self.origin = served.url.partition("/")[0] + "//" + served.url.split("/")[2]
        self.base = served.url.partition("?")[0]
        self.form = ""

    async def enter(self) -> None:
        assert (await self.client.get(self.served.url)).status_code == 303
        self.form = (await self.get("pulse")).json()["form"]

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(self.base + path, headers=headers)

    async def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        sent = {"origin": self.origin, FORM_HEADER: self.form} | headers
        return await self.client.post(self.base + path, json=body, headers=sent)

    async def change(
        self, item: dict[str, object], mark: int = 1, **headers: str
    ) -> httpx.Response:
        body = {"campaign": "notes", "round": 1, "item": item["id"], "said": 1, "refused": ""}
        body |= {"base": item["v"], "mark": f"{mark:032x}", "over": [], "ms": 10}
        return await self.post("change", body, **headers)

    async def items(self, campaign: str = "notes") -> list[dict[str, object]]:
        rounds = (await self.get("desk")).json()["rounds"]
        [found] = [each["items"] for each in rounds if each["campaign"] == campaign]
        return list(found)


async def test_only_our_own_pages_change_anything(world: ReviewWorld) -> None:
    async with world.serve() as served, httpx.AsyncClient(timeout=BUSY_SECONDS) as client:
        page = Page(client, served, world)
        assert (await page.get("desk")).status_code == 403, "without the cookie"
        await page.enter()
        [item, *_] = await page.items()
        for stranger in (
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": page.origin, "sec-fetch-site": "cross-site"},
            {"host": "evil.example"},
            {FORM_HEADER: "0" * 64},
            {FORM_HEADER: ""},
        ):
            assert (await page.change(item, 1, **stranger)).status_code in (403, 421), stranger
        bare = await client.post(page.base + "change", json={}, headers={FORM_HEADER: page.form})
        assert bare.status_code == 403, "a browser names where a change comes from"
        assert (await client.put(page.base + "change")).status_code == 405
        assert not any(task.has_draft for task in world.store.tasks("notes", 1))
        assert (await page.change(item, 1)).status_code == 200
        assert (await page.change(item, mark=2)).status_code == 409
        client.cookies.clear()
        assert (await page.change(item, 1)).status_code == 403


async def test_forms_of_other_sittings_change_nothing(world: ReviewWorld) -> None:
    async with world.serve() as served, httpx.AsyncClient(timeout=BUSY_SECONDS) as client:
        page = Page(client, served, world)
        await page.enter()
        form = {"said": "1", "base": "0", "form": "0" * 64}
        address = page.base + "item/notes/1/0"
        headers = {"origin": page.origin}
        assert (await client.post(address, data=form, headers=headers)).status_code == 403
        mine = form | {"form": page.form}
        assert (await client.post(address, data=mine, headers=headers)).status_code == 303
        late = await client.post(address, data=mine, headers=headers)
        assert late.status_code == 409
        assert "answered in another window" in late.text
        sealing = {"form": page.form, "token": "0" * 64, "sure": "yes"}
        for wrong, status in ((sealing | {"sure": ""}, 400), (sealing, 410)):
            sent = await client.post(page.base + "answers/notes/1", data=wrong, headers=headers)
            assert sent.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 60_000,
        b"null",
        b'{"campaign": 1}',
        b'{"campaign": "notes", "round": "1"}',
    ],
)
async def test_nonsense_is_refused(world: ReviewWorld, body: bytes) -> None:
    async with world.serve() as served, httpx.AsyncClient(timeout=BUSY_SECONDS) as client:
        page = Page(client, served, world)
        await page.enter()
        for path in ("change", "seal"):
            headers = {"origin": page.origin, FORM_HEADER: page.form}
            answer = await client.post(page.base + path, content=body, headers=headers)
            assert answer.status_code == 400


async def test_content_is_served_as_what_it_is_and_never_as_a_page(world: ReviewWorld) -> None:
    async with world.serve() as served, httpx.AsyncClient(timeout=BUSY_SECONDS) as client:
        page = Page(client, served, world)
        await page.enter()
        texts, languages = [], set()
        for item in await page.items():
            answer = await page.get(f"content/notes/1/{item['id']}/0")
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert "sandbox" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            texts.append(answer.text)
            languages.add(answer.headers.get("content-language"))
        assert HOSTILE.replace("\u202e", "<U+202E>") in texts
        assert {"en", "fa", None} >= languages > {"en"}, "where it is sure"
        [sound, *_] = await page.items("calls")
        heard = await page.get(f"content/calls/1/{sound['id']}/0", range="bytes=0-3")
        assert (heard.status_code, heard.content) == (206, b"RIFF")
        assert heard.headers["content-type"] == "audio/wav"
        peaks = (await page.get(f"peaks/calls/1/{sound['id']}/0")).content
        assert 100 < len(peaks) <= PEAKS
        for path in (f"{sound['id']}/1", "00" * 32 + "/0", "zz/0"):
            assert (await page.get(f"content/calls/1/{path}")).status_code in (404, 410), path


async def test_the_scripts_may_run_and_nothing_else(world: ReviewWorld) -> None:
    async with world.serve() as served, httpx.AsyncClient(timeout=BUSY_SECONDS) as client:
        page = Page(client, served, world)
        await page.enter()
        answer = await page.get("")
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "<script>" not in answer.text and " style=" not in answer.text
        cookie = (await client.get(served.url)).headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie


async def test_each_start_keeps_the_port_and_opens_to_its_own_address_only(
    world: ReviewWorld,
) -> None:
    """Whoever listened on the port meanwhile, and was shown cookie and secrets, gets in nowhere."""
    async with httpx.AsyncClient(timeout=BUSY_SECONDS) as client:
        async with world.serve() as served:
            old = Page(client, served, world)
            await old.enter()
            first, name = served.url, load(world.session).name
            assert world.session.stat().st_mode & 0o777 == 0o600
            kept = world.session.read_text()
            assert not any(each in kept for each in (old.form, *first.partition("?")[::2]))
        async with world.serve() as served:
            assert served.url.split("/")[2] == first.split("/")[2]
            assert (load(world.session).name, served.before) == (name, 0)
            assert (await client.get(first)).status_code == 403
            assert (await old.get("pulse")).status_code == 403
            cookie = "; ".join(f"{each}={value}" for each, value in client.cookies.items())
            new = Page(client, served, world)
            client.cookies.clear()
            assert (await new.get("pulse", cookie=cookie)).status_code == 403
            await new.enter()
            [item, *_] = await new.items()
            assert (await new.change(item, 1, **{FORM_HEADER: old.form})).status_code == 403
            assert (await new.change(item, 1)).status_code == 200
    world.session.write_text("{")
    async with world.serve() as served:
        assert load(world.session).name != name


async def test_a_page_at_another_port_says_where_answers_may_wait(world: ReviewWorld) -> None:
    async with world.serve() as served:
        before = load(world.session).port
        assert served.before == 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            other = free.getsockname()[1]
    async with world.serve(port=other) as served, httpx.AsyncClient(timeout=BUSY_SECONDS) as client:
        assert served.before == before
        page = Page(client, served, world)
        await page.enter()
        assert f"--port {before}" in (await page.get("")).text
    async with world.serve() as served:
        assert served.before == 0, "it was said"


async def test_cookies_of_other_programs_lock_nobody_out(world: ReviewWorld) -> None:
    async with world.serve() as served, httpx.AsyncClient(timeout=BUSY_SECONDS) as client:
        page = Page(client, served, world)
        await page.enter()
        mine = "; ".join(f"{each}={value}" for each, value in client.cookies.items())
        client.cookies.clear()
        for theirs in ("{", "a b=c", "=", 'x="', "é=1; ;;", "commonhold=theirs", "commonhold"):
            for shown in (f"{theirs}; {mine}", f"{mine}; {theirs}"):
                sent = shown.encode("latin-1").decode("latin-1")
                raw = [(b"cookie", sent.encode("latin-1"))]
                answer = await client.get(page.base + "pulse", headers=raw)
                assert answer.status_code == 200, shown
            raw = [(b"cookie", theirs.encode("latin-1"))]
            assert (await client.get(page.base + "pulse", headers=raw)).status_code == 403


# ---- a phone ----


def phone_client(world: ReviewWorld) -> httpx.AsyncClient:
    """A browser that trusts the certificate that it is shown, as one that compared it."""
    context = ssl.create_default_context(cafile=str(world.folder / "phone.pem"))
    return httpx.AsyncClient(verify=context, timeout=BUSY_SECONDS)


async def test_a_phone_comes_in_by_the_code_once(world: ReviewWorld) -> None:
    async with world.serve(phone="127.0.0.1") as served, phone_client(world) as phone:
        assert served.pairing is not None
        offer = served.pairing.offer()
        headers = {"origin": offer.url.rstrip("/")}
        door = await phone.get(offer.url)
        assert offer.fingerprint in door.text and offer.code not in door.text
        wrong = f"{(int(offer.code) + 1) % 10**8:08}"
        assert (
            await phone.post(offer.url, data={"code": wrong}, headers=headers)
        ).status_code == 403
        inside = await phone.post(offer.url, data={"code": offer.code}, headers=headers)
        assert inside.status_code == 303
        cookie = inside.headers["set-cookie"]
        assert all(each in cookie for each in ("Secure", "HttpOnly", "SameSite=strict"))
        base = offer.url.rstrip("/") + inside.headers["location"]
        assert len((await phone.get(f"{base}desk")).json()["rounds"]) == len(KINDS)
        assert (await phone.get(f"{base}phone")).status_code == 404, "a phone lets in nobody"
        async with phone_client(world) as other:
            again = await other.post(offer.url, data={"code": offer.code}, headers=headers)
            assert again.status_code == 403, "a code is used up"
            assert (await other.get(f"{base}desk")).status_code == 401, "a script is told"
            assert (await other.get(f"{base}item/notes/1/0")).status_code == 303, "to the door"
            code = served.pairing.offer().code
            await other.post(offer.url, data={"code": code}, headers=headers)
            assert (await other.get(f"{base}desk")).status_code == 200
        assert (await phone.get(f"{base}desk")).status_code == 401, "one phone at a time"


async def test_a_phone_that_is_sent_away_stays_away_and_what_it_said_stays(
    world: ReviewWorld,
) -> None:
    async with world.serve(phone="127.0.0.1") as served, phone_client(world) as phone:
        assert served.pairing is not None
        offer = served.pairing.offer()
        origin = offer.url.rstrip("/")
        inside = await phone.post(offer.url, data={"code": offer.code}, headers={"origin": origin})
        base = origin + inside.headers["location"]
        item = (await phone.get(f"{base}desk")).json()["rounds"][0]["items"][0]
        [name] = [
            each["campaign"]
            for each in (await phone.get(f"{base}desk")).json()["rounds"]
            if item in each["items"]
        ]
        body = {"campaign": name, "round": 1, "item": item["id"], "refused": "unsure"}
        body |= {"base": 0, "mark": "0" * 32}
        form = (await phone.get(f"{base}pulse")).json()["form"]
        secret = {FORM_HEADER: form, "origin": origin}
        assert (await phone.post(f"{base}change", json=body, headers=secret)).status_code == 200
        served.pairing.end()
        late = await phone.post(f"{base}change", json=body, headers=secret)
        assert late.status_code == 401
        assert any(task.has_draft for task in world.store.tasks(name, 1))
    async with world.serve(phone="127.0.0.1"):
        assert not load(world.session).phone


async def test_a_phone_that_was_let_in_comes_back_after_a_restart(world: ReviewWorld) -> None:
    async with world.serve(phone="127.0.0.1") as served:
        assert served.pairing is not None
        offer = served.pairing.offer()
        origin, sent = offer.url.rstrip("/"), {"code": offer.code}
        async with phone_client(world) as phone:
            inside = await phone.post(offer.url, data=sent, headers={"origin": origin})
            cookies = dict(phone.cookies)
    async with world.serve(phone="127.0.0.1"), phone_client(world) as phone:
        shown = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        answer = await phone.get(f"{origin}{inside.headers['location']}desk", headers=shown)
        assert answer.status_code == 200


async def test_a_phone_comes_to_another_port_while_somebody_else_has_its_own(
    world: ReviewWorld,
) -> None:
    async with world.serve(phone="127.0.0.1") as served:
        assert served.phone_before == 0
    kept = load(world.session).phone_port
    with socket.create_server(("127.0.0.1", kept)):
        async with world.serve(phone="127.0.0.1") as served, phone_client(world) as phone:
            assert served.phone_before == kept
            assert served.pairing is not None
            url = served.pairing.offer().url
            assert not url.endswith(f":{kept}/")
            assert (await phone.get(url)).status_code == 200
    async with world.serve(phone="127.0.0.1") as served:
        assert served.phone_before == 0
        assert served.pairing is not None
        assert served.pairing.offer().url.endswith(f":{kept}/"), "its browser may keep answers"


def test_a_code_is_short_lived_and_takes_few_tries(tmp_path: Path) -> None:
    now = [0.0]
    made = Pairing(Session(), tmp_path / "s", "https://x/", "AB", lambda: now[0])
    assert made.take("") is None and not made.waits
    code = made.offer().code
    now[0] = CODE_SECONDS
    assert made.take(code) is None, "too late"
    code = made.offer().code
    for _ in range(TRIES_MAX):
        assert made.take("x") is None
    assert made.take(code) is None, "too many tries"
    code = made.offer().code
    assert code.isdecimal() and len(code) == pairing.CODE_DIGITS
    cookie = made.take(f"{code[:4]} {code[4:]}")
    assert cookie is not None and made.opens(cookie)
    assert not made.opens("") and not made.opens(cookie[:-1])
    assert cookie not in (tmp_path / "s").read_text(), "its hash is kept, and not itself"
    made.end()
    assert not made.opens(cookie)


@pytest.mark.parametrize(
    "sent",
    [
        (b"code=%FF", "application/x-www-form-urlencoded"),
        (b"code=" + b"1" * 10_000, "application/x-www-form-urlencoded"),
        (b"a&b&c&d&code=1", "application/x-www-form-urlencoded"),
        (b"--", "multipart/form-data; boundary=x"),
        (b"--x\r\nno header\r\n", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"\x00", ""),
    ],
)
async def test_the_door_takes_nonsense_for_a_wrong_code(
    world: ReviewWorld, sent: tuple[bytes, str]
) -> None:
    body, kind = sent
    async with world.serve(phone="127.0.0.1") as served, phone_client(world) as phone:
        assert served.pairing is not None
        url = served.pairing.offer().url
        headers = {"origin": url.rstrip("/"), "content-type": kind}
        answer = await phone.post(url, content=body, headers=headers)
        assert (answer.status_code, "That code does not open it" in answer.text) == (403, True)


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "::1", "localhost"])
async def test_a_phone_comes_to_a_number_of_either_kind_and_to_a_name(
    world: ReviewWorld, address: str
) -> None:
    if ":" in address and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    async with world.serve(phone=address) as served, phone_client(world) as phone:
        assert served.pairing is not None
        offer = served.pairing.offer()
        headers = {"origin": offer.url.rstrip("/")}
        inside = await phone.post(offer.url, data={"code": offer.code}, headers=headers)
        assert inside.status_code == 303, "under a certificate that is of this address"


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "fe80::1%eth0",
        "a b",
        "-a",
        "a..b",
        "1.2.3",
        "ö.local",
        "x" * 64,
    ],
)
async def test_an_address_that_no_phone_could_open_is_refused(
    world: ReviewWorld, address: str
) -> None:
    with pytest.raises(ConfigError):
        async with world.serve(phone=address):
            raise AssertionError


def test_the_certificate_stays_the_same_for_the_same_address(tmp_path: Path) -> None:
    path = tmp_path / "phone.pem"
    first = fingerprint_of(path, read_address("192.168.1.5"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert fingerprint_of(path, read_address("192.168.1.5")) == first
    for other in ("192.168.1.6", "fd00::6", "desk.local"):
        second = fingerprint_of(path, read_address(other))
        assert second == fingerprint_of(path, read_address(other)) != first
        first = second
    path.write_bytes(b"no certificate")
    assert len(fingerprint_of(path, read_address("192.168.1.6"))) == 32 * 3 - 1


async def test_a_port_that_is_taken_is_said(world: ReviewWorld) -> None:
    async with world.serve():
        with pytest.raises(ConfigError, match="cannot serve the review page"):
            async with world.serve():
                raise AssertionError
    assert json.loads(world.session.read_text())["port"]


def test_the_command_serves_the_page_and_a_kill_loses_nothing(tmp_path: Path) -> None:
    """`commonhold node review --web`, killed and started again: the same port, and the draft is there."""
    world = ReviewWorld(tmp_path, KINDS)
    world.store.close()
    urls, versions = [], []
    for _ in range(2):
        command = [sys.executable, "-m", "commonhold", "node", "review", "--web", "--dir"]
        with subprocess.Popen(
            [*command, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            urls.append(process.stdout.readline().strip())
            base, origin = urls[-1].partition("?")[0], "/".join(urls[-1].split("/")[:3])
            with httpx.Client() as client:
                client.get(urls[-1])
                form = client.get(f"{base}pulse").json()["form"]
                secret = {FORM_HEADER: form, "origin": origin}
                rounds = client.get(f"{base}desk").json()["rounds"]
                [item] = [each["items"][0] for each in rounds if each["campaign"] == "notes"]
                versions.append(item["v"])
                body = {"campaign": "notes", "round": 1, "item": item["id"], "said": 1}
                body |= {"base": item["v"], "mark": f"{item['v'] + 1:032x}"}
                kept = client.post(f"{base}change", json=body, headers=secret)
                assert kept.status_code == 200
            process.kill()
    assert urls[0].split("/")[2] == urls[1].split("/")[2]
    assert versions == [0, 1]


async def test_without_a_script_what_is_still_to_be_said_is_said(tmp_path: Path) -> None:
    world = ReviewWorld(tmp_path, ("patches", "reports"))
    async with world.serve() as served, httpx.AsyncClient(timeout=BUSY_SECONDS) as client:
        page = Page(client, served, world)
        await page.enter()
        headers = {"origin": page.origin}

        async def send(address: str, **fields: str) -> httpx.Response:
            shown = (await client.get(address)).text
            [base] = re.findall(r'name="base" value="(\d+)"', shown)[:1]
            form = fields | {"form": page.form, "base": base}
            return await client.post(address, data=form, headers=headers)

        reports = [f"{page.base}item/reports/1/{place}" for place in (0, 1)]
        [address] = [each for each in reports if 'name="relation"' in (await client.get(each)).text]
        half = await send(address, said="0")
        assert half.status_code == 200
        assert "Still to be said: <bdi>what it is to the earlier item</bdi>" in half.text
        assert (await send(address, do="take back")).status_code in (200, 303)
        assert "Still to be said" not in (await client.get(address)).text
        half = await send(address, relation="copy")
        assert "Still to be said: <bdi>your answer</bdi>" in half.text
        assert (await send(address, relation="copy", said="0")).status_code == 303

        address = page.base + "item/patches/1/0"
        half = await send(address, said0="yes")
        assert half.status_code == 200 and "Kept, and not finished" in half.text
        assert "Kept, and not finished" in (await client.get(address)).text
        assert (await send(address, do="refuse", refused="unsure")).status_code == 303
    world.store.close()
