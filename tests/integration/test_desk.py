"""The operator's desk as a process beside a coordinator and a contributor's node, all real."""

from __future__ import annotations

import asyncio
import html
import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from commonground.web.gate import FORM_FIELD
from commonhold.demo.stage import Stage
from coordinator.change import terms_of
from coordinator.desk.desk import Desk
from coordinator.operator import Operator
from protocol.errors import StateError
from protocol.lifecycle import CampaignStatus, ItemStatus
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.live_coordinator import found_network, serving_process
from tests.node_lab import Lab, digit, until
from tests.operators_desk import Visitor, desk_over, desk_process
from tests.showcase import showcase
from tests.simulated import Network, Person, campaign, part

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A desk whose coordinator runs."""
    home = found_network(tmp_path_factory.mktemp("net") / "net")
    with serving_process(home), desk_process(home) as printed:
        yield printed


def test_without_the_secret_nothing_is_told(url: str) -> None:
    room = url.partition("?")[0]
    for address in (room, f"{room}new", f"{room}?token={'0' * 64}", f"{room}static/style.css"):
        answer = httpx.get(address)
        assert answer.status_code == 403
        assert "commonhold coordinator desk" in answer.text
    assert httpx.get(url, headers={"host": "evil.example"}).status_code == 421
    door = httpx.get(url)
    assert door.status_code == 303
    assert "SameSite=strict" in door.headers["set-cookie"]


def test_a_page_runs_nothing_and_is_framed_by_nobody(url: str) -> None:
    with Visitor(url) as visitor:
        visitor.read("new")
        answer, cookie = visitor.page, visitor.client.cookies["commonhold"]
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "<script" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    token = url.partition("token=")[2]
    assert token not in answer.text and cookie not in answer.text


def test_a_form_of_our_own_page_is_taken_and_no_other(url: str, tmp_path: Path) -> None:
    with Visitor(url) as visitor:
        visitor.read("new")
        secret, origin = visitor.secret, visitor.origin
        fields = {"id": "owls", "labels": "barn\nsnowy"}
        good = {FORM_FIELD: secret} | fields
        for headers, sent in (
            ({"origin": "http://evil.example"}, good),  # another site
            ({"origin": "null"}, good),
            ({}, good),  # a browser always says
            ({"origin": origin, "sec-fetch-site": "cross-site"}, good),
            ({"origin": origin}, fields),  # without the secret
            ({"origin": origin}, good | {FORM_FIELD: "0" * 64}),
        ):
            answer = visitor.client.post(f"{visitor.base}new", data=sent, headers=headers)
            assert answer.status_code == 403, (headers, sent)
        assert "owls" not in visitor.read("")
        assert (
            httpx.post(f"{visitor.base}new", data=good, headers={"origin": origin}).status_code
            == 403
        )
        visitor.read("new")
        assert visitor.send("new", **fields).status_code == 200
        assert "owls" in visitor.read("")


def test_what_is_too_large_is_not_read(url: str) -> None:
    with Visitor(url) as visitor:
        visitor.read("new")
        answer = visitor.send("new", id="large", guidelines="x" * (9 * 1024 * 1024))
        assert answer.status_code == 400
        assert "too much" in answer.text
        visitor.read("new")
        answer = visitor.send("new", id="large", guidelines="x" * 300_000)
        assert answer.status_code == 400
        assert "too long for a draft" in answer.text
        visitor.read("new")
        file = {"file": ("gold.csv", bytes(20 * 1024 * 1024), "text/csv")}
        with pytest.raises(httpx.TransportError):
            visitor.send("campaigns/any/gold/import", files=file)
        visitor.read("new")
        file = {"file": ("gold.csv", bytes(1024), "text/csv")}
        assert visitor.send("campaigns/any/gold/import", files=file).status_code == 400


def test_a_campaign_from_the_form_to_the_log(url: str) -> None:
    with Visitor(url) as visitor:
        visitor.read("new")
        wrong = visitor.send("new", id="birds", labels="crow\ncrow", title="<b>Birds</b>")
        assert "cannot be opened" in wrong.text
        assert "&lt;b&gt;" in wrong.text and "<b>Birds" not in wrong.text
        visitor.read("new?draft=birds")
        terms = {"id": "birds", "labels": "crow\njay", "privacy": "open", "seal_items": "5"}
        began, form = visitor.hidden("replaces"), visitor.read("new")
        assert not visitor.hidden("replaces") and "birds" not in form
        asked = visitor.send("new", title="Only typed", **terms)
        assert asked.status_code == 400 and "there is a draft &#39;birds&#39; already" in asked.text
        assert 'value="Only typed"' in asked.text and visitor.hidden("replaces") == began
        right = visitor.send("new", replaces=began, **terms)
        assert "Nothing is wrong" in right.text
        shown = visitor.hidden("shown")
        unsure = visitor.send("drafts/birds/open", shown=shown)
        assert unsure.status_code == 400
        visitor.read("drafts/birds")
        stale = visitor.send("drafts/birds/open", shown=shown + "\n", sure="yes")
        assert "has changed meanwhile" in stale.text
        visitor.read("drafts/birds")
        opened = visitor.send("drafts/birds/open", shown=shown, sure="yes")
        assert opened.url.path.endswith("/campaigns/birds")
        front = visitor.read("")
        assert "drafts/birds" not in front and "campaigns/birds" in front
        assert visitor.client.get(f"{visitor.base}drafts/birds").status_code == 400
        data = visitor.client.get(f"{visitor.base}campaigns/birds/progress.json").json()
        assert data["campaign"] == "birds" and data["answers"] == 0 and data["alpha"] is None


def test_an_address_that_names_nothing(url: str) -> None:
    with Visitor(url) as visitor:
        for path in (
            "campaigns/none",
            "campaigns/none/items",
            "campaigns/none/gold",
            "items/zz",
            f"items/{'0' * 64}",
            f"items/{'0' * 64}/image",
            "drafts",
        ):
            assert visitor.client.get(visitor.base + path).status_code == 404, path
        for path in ("drafts/None", "drafts/a..b", "new?draft=../coordinator"):
            assert visitor.client.get(visitor.base + path).status_code == 400, path


def test_experts_make_gold_of_what_waits(tmp_path: Path) -> None:
    """The content comes from the author's node; two experts answer, and what they agree on is sealed."""
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2, privacy=pb.PRIVACY_OPEN)
            author = lab.node("author", stand_by=False)
            asyncio.run(author.submit(lab.write_digits(3, "3")))
            stage.wait_ready(lab.start(author))
            with desk_process(lab.home) as url, Visitor(url) as visitor:
                path = "campaigns/digits/gold"
                seen: dict[str, bytes] = {}

                def shown(expert: str, query: str = "") -> bytes | None:
                    page = visitor.read(f"{path}/review?expert={expert}{query}")
                    can_answer = 'name="answer"' in page
                    assert can_answer is ("On its way" not in page), (
                        "nobody answers what is not here"
                    )
                    item = visitor.hidden("item")
                    picture = visitor.client.get(f"{visitor.base}items/{item}/image")
                    if picture.status_code != 200:
                        return None
                    assert picture.headers["content-type"] == "image/png"
                    assert "sandbox" in picture.headers["content-security-policy"]
                    seen[item] = picture.content
                    return picture.content

                for expert, answers in (
                    ("Ann", ("3", "3", "")),
                    ("Bo", ("3", "5", "3")),
                ):
                    for answer in answers:
                        until(lambda: shown(expert), "the picture")  # noqa: B023
                        item = visitor.hidden("item")
                        said = {"answer": answer} if answer else {"cannot_tell": "yes"}
                        visitor.send(f"{path}/review", expert=expert, item=item, **said)
                assert set(seen.values()) == {digit(seed) for seed in range(3)}
                done = visitor.read(f"{path}/review?expert=Ann")
                assert "Nothing waits that you have not seen" in done
                page = visitor.read(path)
                assert page.count("they disagree") == 2 and page.count("<td>agreed</td>") == 1
                again = re.search(rf"{path}/review\?expert=Bo&amp;item=[0-9a-f]{{64}}", page)
                assert again is not None
                answered = visitor.read(html.unescape(again[0]))
                assert "You said" in answered, "one's own answer, and nobody else's"
                visitor.read(path)
                nonsense = visitor.send(f"{path}/review", expert="Ann", item=item, answer="77")
                assert nonsense.status_code == 400
                visitor.read(path)
                visitor.send(f"{path}/keep", experts="3")
                assert "nobody" in visitor.page.text or visitor.page.status_code == 400
                visitor.read(path)
                kept = visitor.send(f"{path}/keep", experts="2")
                assert kept.status_code == 200
                operator.refresh()
                known = operator.known(bytes.fromhex(each) for each in seen)
                assert len(known) == 1
                visitor.read(path)
                table = "item_id,answer\n" + "".join(f"{each},3\n" for each in seen)
                file = {"file": ("gold.csv", table.encode(), "text/csv")}
                assert visitor.send(f"{path}/import", files=file).status_code == 200
                assert len(operator.known(bytes.fromhex(each) for each in seen)) == 3
                assert "sealed answers, of 3 items that wait" in visitor.read(path)
                visitor.read(path)
                file = {"file": ("gold.csv", b"nothing", "text/csv")}
                wrong = visitor.send(f"{path}/import", files=file)
                assert wrong.status_code == 400 and "gold.csv does not have" in wrong.text
            assert not (lab.home.path / "desk" / "content").exists()


def test_while_the_coordinator_is_down_everything_can_be_read(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    with desk_process(home) as url, Visitor(url) as visitor:
        assert "The coordinator is not running" in visitor.read("")
        visitor.read("new")
        visitor.send("new", id="birds", labels="crow\njay")
        answer = visitor.send("drafts/birds/open", shown=visitor.hidden("shown"), sure="yes")
        assert answer.status_code == 503
        assert "commonhold coordinator serve" in answer.text
        draft = home.path / "drafts" / "birds.toml"
        draft.write_bytes(draft.read_bytes().replace(b"\n", b"\r\n"))  # as an editor may
        visitor.read("drafts/birds")
        again = visitor.send("drafts/birds/open", shown=visitor.hidden("shown"), sure="yes")
        assert again.status_code == 503, "it is still the draft that was shown"
        assert "drafts/birds" in visitor.read("")


def test_one_desk_at_a_time_and_the_next_one_sweeps(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    with Desk(home) as desk:
        kept = home.path / "desk" / "content" / "a picture"
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(b"somebody looks at it")
        left = desk.uploads / "answers.csv"
        left.write_bytes(b"as if the process were killed now")
        with pytest.raises(StateError, match=f"another desk is open here: process {os.getpid()}"):
            Desk(home)
        assert kept.exists() and left.exists()
        held = desk.uploads.parent / "held"
        desk.uploads.rename(held)
    assert not kept.exists()
    held.rename(desk.uploads)
    with Desk(home) as again:
        assert list(again.uploads.iterdir()) == []
    assert not again.uploads.exists()


async def test_an_answer_may_be_called_as_no_answer_is(tmp_path: Path) -> None:
    author = Person("author")
    net = Network(author)
    body = campaign(
        id="odd", spec=encode_spec({"labels": ["cannot tell", "plain"]}), parts=[part("text")]
    )
    net.add(net.operator, "campaign", body)
    net.submit(author, [net.item("plain", c="odd")], "odd")
    [item_id] = [item_id for _, item_id in net.state.waiting.scan()]

    def answer(desk: Desk, url: str) -> None:
        with Visitor(url) as visitor:
            path, item = "campaigns/odd/gold", item_id.hex()
            visitor.read(f"{path}/review?expert=Ann")
            visitor.send(f"{path}/review", expert="Ann", item=item, answer="cannot tell")
            assert desk.experts.of("odd") == {item_id: {"Ann": b"\0\0"}}
            visitor.read(f"{path}/review?expert=Bo")
            visitor.send(f"{path}/review", expert="Bo", item=item, cannot_tell="yes")
            assert desk.experts.of("odd") == {item_id: {"Ann": b"\0\0", "Bo": b""}}
            shown = visitor.read(path)
            assert "<q><bdi>cannot tell</bdi></q>" in shown
            assert '<span class="quiet">cannot tell</span>' in shown
            again = visitor.read(f"{path}/review?expert=Bo&item={item}")
            assert "You could not tell, before." in again

    async with desk_over(net, tmp_path) as (desk, url):
        await asyncio.to_thread(answer, desk, url)


async def test_terms_are_changed_after_a_look_and_an_item_goes(tmp_path: Path) -> None:
    async with desk_over(showcase(), tmp_path) as (desk, url):
        await asyncio.to_thread(change_and_close, desk, url)
        await asyncio.to_thread(take_down, desk, url)


def change_and_close(desk: Desk, url: str) -> None:
    with Visitor(url) as visitor:
        path = "campaigns/essays"
        visitor.read(f"{path}/terms")
        serial = visitor.hidden("serial")
        fields = terms_of(desk.state.campaigns["essays"])
        assert "changes nothing" in visitor.send(f"{path}/change", serial=serial, **fields).text
        fields |= {"guidelines": "Only the essay.\r\nNot its title.", "commit_window": "48h"}
        visitor.read(f"{path}/terms")
        looked = visitor.send(f"{path}/change", serial=serial, **fields)
        assert "guidelines: Not its title." in looked.text and "commit: 2d" in looked.text
        assert desk.state.campaigns["essays"].revision == 0, "looking changes nothing"
        wrong = visitor.send(f"{path}/change/log", serial=serial, **fields)
        assert wrong.status_code == 400, "without the tick"
        visitor.read(f"{path}/terms")
        visitor.send(f"{path}/change/log", serial=serial, sure="yes", **fields)
        assert desk.state.campaigns["essays"].guidelines == "Only the essay.\nNot its title."
        visitor.read(f"{path}/terms")
        stale = visitor.send(f"{path}/change/log", serial=serial, sure="yes", **fields)
        assert "has changed meanwhile" in stale.text
        visitor.read(f"{path}/terms")
        assert "Let it go on" in visitor.send(f"{path}/pause", paused="yes").text
        assert "Pause it" in visitor.send(f"{path}/pause", paused="no").text
        assert visitor.send(f"{path}/close").status_code == 400
        visitor.read(f"{path}/terms")
        closed = visitor.send(f"{path}/close", sure="yes")
        assert "It takes no items any more" in closed.text
        assert desk.state.campaigns["essays"].status is CampaignStatus.CLOSED


def take_down(desk: Desk, url: str) -> None:
    items = desk.seen.campaigns["digits"].items
    item_id = next(i for i in items if desk.state.items[i].status is ItemStatus.ACCEPTED)
    path = f"items/{item_id.hex()}"
    with Visitor(url) as visitor:
        assert "Take it down" in visitor.read(path)
        for fields in ({"code": "rights"}, {"code": "rights", "words": "x"}, {"sure": "yes"}):
            assert visitor.send(f"{path}/takedown", **fields).status_code == 400, fields
            visitor.read(path)
        gone = visitor.send(
            f"{path}/takedown", code="rights", words="<b>mine</b>,\r\n so he says\r\n", sure="yes"
        )
        assert gone.status_code == 200
        assert "&lt;b&gt;mine&lt;/b&gt;, so he says" in gone.text and "<b>mine" not in gone.text
        assert "Nothing is shown any more" in gone.text
        assert desk.state.items[item_id].status is ItemStatus.TAKEN_DOWN
        assert item_id.hex() in visitor.read("campaigns/digits/items?state=taken%20down")
        in_review = next(i for i in items if desk.state.items[i].status is ItemStatus.DRAWN)
        assert "Not while reviewers are at work" in visitor.read(f"items/{in_review.hex()}")
