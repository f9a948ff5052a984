"""What the pages say: each state of an item, each kind of line, and never a secret."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from markupsafe import Markup
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from commonground.addresses import now_ms
from node.intake import thumbnail
from node.page.earnings import CHART_HEIGHT, view_earnings
from node.page.entries import KINDS, view_entry
from node.page.health import SigningKey, view_health
from node.page.items import PAGE_ITEMS, ItemView, view_items
from node.page.own import Standing
from node.page.pictures import SIDE_PIXELS, TEXT_CHARS_SHOWN, texts_of
from node.page.sources import Replay
from node.page.work import view_reviews, view_training
from node.rows import ClaimRow, TaskRow
from node.statement import StatementLine
from protocol.errors import Reject
from protocol.identity import KeyId, name_of, peer_id_of
from protocol.log.merkle import verify_inclusion
from protocol.media import Shown
from protocol.money.onchain import Ask, Move, OnChain
from protocol.money.settlement import Address, address
from protocol.rules.table import RULES
from protocol.state import SHARES
from protos.gen import records_pb2 as pb
from tests.chain_says import WHERE
from tests.fold import drawn_people
from tests.own_page import GIVEN, HOSTILE, SALT, WAV, World, live_world, picture


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = live_world(tmp_path_factory.mktemp("ada"))
    yield made
    made.close()


def replay_of(world: World) -> Replay:
    assert world.sources.replay is not None
    return world.sources.replay


def one(world: World, standing: Standing) -> ItemView:
    """The newest item in a state."""
    return view_items(world.sources, replay_of(world), standing).shown[0]


def of_campaign(world: World, c: str, standing: Standing) -> ItemView:
    """The newest item of a campaign in a state."""
    shown = view_items(world.sources, replay_of(world), standing).shown
    return next(item for item in shown if item.campaign == c)


def plain(text: str) -> str:
    """Without the tags that isolate what others wrote."""
    return Markup(text).striptags()


@asynccontextmanager
async def reading(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """The owner's browser, inside."""
    async with (
        world.open() as url,
        httpx.AsyncClient(follow_redirects=True, base_url=url.partition("?")[0]) as client,
    ):
        await client.get(url)
        yield client


# ---- items ----


def test_an_accepted_item_says_who_agreed(world: World) -> None:
    item = one(world, Standing.ACCEPTED)
    assert re.fullmatch(
        r"The reviewers say “(\d)”, as you did: practically certain, 99\.\d\s%\.", plain(item.why)
    )
    assert plain(item.answers) == f"3 reviewers: 3 said “{item.proposal}”"
    assert item.decided == item.proposal
    assert item.picture == "image" and item.can_withdraw
    assert item.withdraw == f"commonhold node withdraw {item.id}"


def test_a_rejected_item_says_what_was_read_instead(world: World) -> None:
    item = of_campaign(world, "digits", Standing.REJECTED)
    begins = f"You said “{item.proposal}”; the reviewers say “{item.decided}”: "
    assert plain(item.why).startswith(begins)
    assert item.proposal != item.decided


def test_each_kind_says_what_was_asked_and_decided_in_its_words(world: World) -> None:
    essay = of_campaign(world, "essays", Standing.ACCEPTED)
    assert essay.asked.startswith("Where on this scale is it")
    assert plain(essay.why).startswith(
        "You said “great”; the reviewers say “good”, which is near enough: "
    )
    assert essay.belief.startswith("median good; good ")
    pair = of_campaign(world, "answers", Standing.ACCEPTED)
    assert plain(pair.why).startswith("The reviewers say “a”: practically certain")
    assert pair.proposal == ""
    assert [(part.name, part.source) for part in pair.parts] == [
        ("prompt", ""),
        ("answer_a", "aurora-7b"),
        ("answer_b", "birch-3b"),
    ]
    call = of_campaign(world, "transcripts", Standing.REJECTED)
    assert call.decided == "complete: yes, verbatim: no, no names: yes"
    assert [(part.name, part.medium, part.shown) for part in call.parts] == [
        ("recording", "a WAV recording", Shown.SOUND),
        ("transcript", "plain text", Shown.TEXT),
    ]
    assert call.picture == ""


def test_a_part_that_may_be_missing_can_be_taken_back_alone(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ask()
    contents = {"recording": WAV, "transcript": b"Good morning.", "notes": b"Noise at 0:12."}
    item_id = world.give_parts("transcripts", "yes, yes, yes", contents)
    [before] = view_items(world.sources, replay_of(world)).shown
    assert [part.name for part in before.parts] == ["recording", "transcript", "notes"]
    assert before.part_commands == (f"{before.withdraw} --part notes",)
    world.withdraw(item_id, part="notes")
    [after] = view_items(world.sources, replay_of(world)).shown
    assert [part.name for part in after.parts] == ["recording", "transcript"]
    assert (after.taken_back, after.part_commands) == (("notes",), ())
    assert after.can_withdraw, "the rest of it"
    world.close()


def test_what_was_taken_down_or_left_says_why(tmp_path: Path) -> None:
    world = World(tmp_path)
    [item_id] = world.give([3])
    world.follow()
    waiting = one(world, Standing.WAITING)
    assert (waiting.terms, len(waiting.parts)) == (None, 1)
    world.net.change(guidelines="Others.")
    world.net.close_campaign()
    world.follow()
    left = one(world, Standing.UNDECIDED)
    assert left.why == "The operator closed the campaign before anybody reviewed it."
    assert left.terms == 1, "the entry of the terms that it came under"
    world.net.take_down(item_id, words="<b>Hers.")
    world.follow()
    gone = one(world, Standing.TAKEN_DOWN)
    world.close()
    assert "since somebody else holds rights in it: <b>Hers." in plain(gone.why)
    assert "<b>" not in gone.why
    assert (gone.parts, gone.can_withdraw) == ((), True)


def test_content_that_nobody_would_have_says_why(tmp_path: Path) -> None:
    world = World(tmp_path)
    [item_id] = world.give([3])
    net = world.net
    net.stand_by(*net.people[1:])
    net.seal()
    net.draw()
    drawn = drawn_people(net)
    said = {p.name: net.refuse(net.answers(p), pb.REFUSAL_UNREADABLE) for p in drawn}
    for person in drawn:
        net.commit(person, said[person.name])
    net.end_commits()
    for person in drawn:
        net.reveal(person, said[person.name])
    net.verdict()
    world.follow()
    item = one(world, Standing.REJECTED)
    world.close()
    assert item.id == item_id.hex()
    assert item.why == "Most reviewers found it unreadable."
    assert item.answers == "3 reviewers: 3 found it unreadable"
    assert (item.decided, item.belief) == ("", "")


def test_what_waits_says_what_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.give([1])
    said = [one(world, Standing.WAITING).why]
    world.net.stand_by(world.net.people[1])
    world.follow()
    said.append(one(world, Standing.WAITING).why)
    world.net.pause()
    world.follow()
    said.append(one(world, Standing.WAITING).why)
    world.close()
    assert said == [
        "It waits for review: nobody stands by for the campaign yet.",
        "It waits for review, in the campaign's next round.",
        "It waits for review: the operator has paused the campaign.",
    ]


def test_a_copy_names_the_earlier_item(world: World) -> None:
    item = one(world, Standing.COPY)
    assert item.why == "It is the same, or nearly, as an item that you submitted earlier."
    assert item.original is not None and item.original.is_mine
    assert item.original.entry < item.submitted


def test_a_copy_of_somebody_elses_item_does_not_say_whose(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.net.submit(world.net.people[1], [world.net.item(3, content=picture(0))])
    world.give([3], seed=0)
    world.review()
    item = one(world, Standing.COPY)
    world.close()
    assert item.why.endswith("that somebody else submitted earlier.")
    assert item.original is not None and not item.original.is_mine


def test_a_withdrawn_item_is_a_number(world: World) -> None:
    item = one(world, Standing.WITHDRAWN)
    assert (item.name, item.proposal, item.decided, item.belief) == ("", "", "", "")
    assert (item.answers, item.parts, item.can_withdraw) == ("", (), False)
    assert item.why.startswith("You took it back.")


def test_an_item_under_review_says_when_it_can_be_withdrawn(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.give([1, 2])
    assert one(world, Standing.WAITING).can_withdraw
    world.net.stand_by(*world.net.people)
    world.net.seal()
    world.give([3])
    later, *sealed = view_items(world.sources, replay_of(world)).shown
    world.close()
    assert later.can_withdraw, "it came after the round's items were fixed"
    assert not any(item.can_withdraw for item in sealed)
    assert sealed[0].withdraw.endswith("you can withdraw it when round 1 of digits is over.")


def test_fifty_on_a_page_and_a_page_past_the_last_is_the_last(world: World) -> None:
    replay = replay_of(world)
    first, last = (view_items(world.sources, replay, page=page) for page in (1, 2))
    assert (len(first.shown), first.pages, first.total) == (PAGE_ITEMS, 2, GIVEN)
    assert len(last.shown) == GIVEN - PAGE_ITEMS
    assert view_items(world.sources, replay, page=999) == last
    accepted = view_items(world.sources, replay, Standing.ACCEPTED)
    assert {item.standing for item in accepted.shown} == {Standing.ACCEPTED}


def test_the_command_names_a_directory_that_is_not_the_default(world: World) -> None:
    elsewhere = replace(world.sources, arguments=" --dir '/srv/my node'")
    item = view_items(elsewhere, replay_of(world), Standing.ACCEPTED).shown[0]
    assert item.withdraw == f"commonhold node withdraw {item.id} --dir '/srv/my node'"


# ---- pictures ----


def test_a_picture_is_pixels_and_nothing_else() -> None:
    info = PngInfo()
    info.add_text("Comment", "<script>alert(1)</script>")
    out = io.BytesIO()
    Image.new("RGB", (900, 300), (200, 10, 10)).save(out, "PNG", pnginfo=info)
    content = out.getvalue() + b"<script>alert(2)</script>"
    small = thumbnail(content, "image/png", SIDE_PIXELS)
    assert b"script" not in small
    with Image.open(io.BytesIO(small)) as image:
        assert image.format == "PNG"
        assert image.size == (SIDE_PIXELS, SIDE_PIXELS // 3)
        assert image.getpixel((5, 5)) == (200, 10, 10)


def test_a_small_picture_keeps_its_pixels() -> None:
    with Image.open(io.BytesIO(thumbnail(picture(4), "image/png", SIDE_PIXELS))) as image:
        assert image.size == (28, 28)


def test_a_picture_of_what_is_none_is_refused() -> None:
    wide = io.BytesIO()
    Image.new("1", (5_000, 5_000)).save(wide, "PNG")
    for content in (b"", b"plain text", b"<svg/>", picture(1)[:60], wide.getvalue()):
        with pytest.raises(Reject):
            thumbnail(content, "image/png", SIDE_PIXELS)


async def test_pictures_are_served_for_own_items_alone(world: World) -> None:
    replay = replay_of(world)
    mine = replay.own.items(Standing.ACCEPTED, 0, 1)[0].hex()
    gone = replay.own.items(Standing.WITHDRAWN, 0, 1)[0].hex()
    state = replay.follower.state
    other = next(i for i, item in state.items.scan() if item.author != world.ada.id).hex()
    call = of_campaign(world, "transcripts", Standing.REJECTED).id
    async with reading(world) as client:
        answer = await client.get(f"items/{mine}/image/picture")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        for item_id in (gone, other, "00" * 32, "zz", "00"):
            assert (await client.get(f"items/{item_id}/image/picture")).status_code == 404
        for part in ("recording", "transcript", "nothing", "..%2Fimage"):
            assert (await client.get(f"items/{call}/{part}/picture")).status_code == 404
        assert (await client.get(f"items/{mine}/nothing/picture")).status_code == 404
        assert (await client.get(f"items/{gone}")).status_code == 200
        assert (await client.get(f"items/{other}")).status_code == 404


async def test_texts_are_shown_letter_by_letter(world: World) -> None:
    essay = of_campaign(world, "essays", Standing.ACCEPTED)
    async with reading(world) as client:
        page = (await client.get(f"items/{essay.id}")).text
        assert "and &lt;b&gt;nobody&lt;/b&gt; had a boat.\n" in page
        assert '<pre class="text" dir="auto"' in page
        gone = replay_of(world).own.items(Standing.WITHDRAWN, 0, 1)[0].hex()
        assert '<pre class="text"' not in (await client.get(f"items/{gone}")).text


def test_the_beginning_of_a_long_text_is_shown(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ask()
    long = world.give_parts("essays", "good", {"essay": "☃".encode() * 5_000})
    short = world.give_parts("essays", "good", {"essay": "☃".encode() * 50})
    shown = [texts_of(world.store, world.blobs, each)["essay"] for each in (long, short)]
    world.close()
    assert shown == ["☃" * TEXT_CHARS_SHOWN + "…", "☃" * 50]


# ---- money ----


def test_the_lines_add_up_to_what_the_log_says(world: World) -> None:
    state, lines = world.follower.state, replay_of(world).own.lines()
    view = view_earnings(world.sources, state, lines)
    assert view.lines[0].so_far == view.balances[0].earned
    assert view.total == len(lines) == len(view.lines)
    assert {line.role for line in view.lines} == {
        "for items you gave",
        "for reviews",
        "for training",
    }
    assert any(
        "3 of 3 items accepted, 1 repaid (at price 1) for what you gave up before" in line.why
        for line in view.lines
    )


def test_the_chart_climbs_to_the_top(world: World) -> None:
    chart = view_earnings(world.sources, world.follower.state, replay_of(world).own.lines()).chart
    assert chart is not None
    assert (chart.first, chart.last, chart.width) == (1, 3, 3)
    heights = [float(step) for step in re.findall(r"V([\d.]+)", chart.line)]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] == 0
    assert chart.area.endswith(f"V{CHART_HEIGHT}H0Z")


def test_one_epoch_has_no_chart(world: World) -> None:
    lines = [line for line in replay_of(world).own.lines() if line.epoch == 1]
    assert view_earnings(world.sources, world.follower.state, lines).chart is None
    assert view_earnings(world.sources, world.follower.state, []).lines == ()


def test_royalties_and_claims(tmp_path: Path) -> None:
    world = World(tmp_path)
    state, token = world.follower.state, Address(b"\7" * 20)
    state.deployment = replace(WHERE, share_token=token)
    state.onchain = OnChain(epoch=1)
    royalty = pb.RewardLine(
        role=pb.ROLE_CONTRIBUTOR,
        campaign_id="digits",
        asset=bytes(20),
        amount=str(3 * 10**17),
        licence_id="acme-1",
        evidence=pb.Evidence(licensed_permille=12_000),
    )
    share = pb.RewardLine(role=pb.ROLE_HOLDER, asset=SHARES, amount="5000000")
    lines = [
        StatementLine(1, 9, place, line, b"leaf", (), bytes(32), 2, int(line.amount))
        for place, line in enumerate((royalty, share))
    ]
    world.store.save_claim(ClaimRow(b"\1" * 20, token, 2_000_000, 1, b"\xab" * 32, "confirmed"))
    view = view_earnings(world.sources, state, lines)
    world.close()
    assert [(b.asset, b.earned, b.claimable, b.can_claim) for b in view.balances] == [
        ("shares", "5.00", "3.00", True),
        ("ether", "0.30", "0.30", True),
    ]
    assert [line.role for line in view.lines] == ["for the shares you hold", "as royalties"]
    assert "12 of your items in digits, licensed as acme-1" in view.lines[1].why
    assert [(c.asset, c.cumulative, c.status) for c in view.claims] == [
        ("shares", "2.00", "confirmed")
    ]


# ---- work, privacy, health ----


def test_reputation_has_its_interval_and_reviews_their_evidence(world: World) -> None:
    view = view_reviews(world.sources, replay_of(world), replay_of(world).own.lines())
    assert {each.role for each in view.reputations} == {"as a contributor", "as a reviewer"}
    assert all(0 <= each.low < each.high <= 100 for each in view.reputations)
    assert {each.epoch for each in view.reviewed} == {2, 1}
    assert all(each.ring == 0 for each in view.reviewed), "one alone is no ring"


def test_reviewing_is_told_campaign_by_campaign(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ask()
    net, replay = world.net, replay_of(world)
    assert view_reviews(world.sources, replay, []).desks == ()
    net.submit(net.people[1], [net.item(number) for number in range(6)])
    net.stand_by(*net.people)
    net.stand_by(world.ada, c="essays")
    net.seal()
    net.draw()
    world.follow()
    drawn = world.follower.state.tasks["digits", world.ada.id]
    number = world.follower.state.round_of("digits").number
    world.store.add_tasks(
        TaskRow("digits", number, place, item_id, net.people[1].id)
        for place, item_id in enumerate(drawn)
    )
    world.store.set_answer(world.store.tasks("digits", number)[0], b"\0\1")
    view = view_reviews(world.sources, replay, [])
    digits, essays = view.desks
    assert (digits.phase, digits.drawn, digits.answered, digits.stands_by) == (
        "round 1 is under review",
        len(drawn),
        1,
        True,
    )
    assert view.todo == digits.todo == len(drawn) - 1
    assert (essays.phase, essays.drawn, essays.todo, essays.stands_by) == ("none yet", 0, 0, True)
    assert view_health(world.sources).stands_by == ("digits", "essays")
    net.commit(world.ada, net.answers(world.ada))
    world.follow()
    assert view_reviews(world.sources, replay, []).todo == 0, "what is committed is committed"
    world.close()


def test_health_says_who_and_with_which_key(world: World) -> None:
    health = view_health(world.sources)
    assert health.full_name == name_of(world.ada.id)
    assert health.peer_id == peer_id_of(world.ada.key)
    [only] = health.keys
    assert (only.peer_id, only.is_here) == (health.peer_id, True)
    state, laptop = world.follower.state, (world.ada.id, KeyId(bytes(32)))
    state.keys_of.put(laptop, 99)
    try:
        _, other = view_health(world.sources).keys
    finally:
        state.keys_of.remove(laptop)
    assert other == SigningKey(peer_id_of(bytes(32)), 99, is_here=False)


def test_the_budget_is_a_number_and_a_part(world: World) -> None:
    view = view_training(world.sources, world.follower.state, world.spending)
    [spent], [job] = view.spending, view.jobs
    assert (spent.epsilon, spent.limit, spent.part, spent.rounds) == ("1.18", "3.00", 39.3, 12)
    assert (job.joined, job.mine, job.rounds, job.rounds_max) == (True, 12, 12, 30)
    assert job.status == "is training"
    without = replace(world.sources, me=world.net.people[3].id)
    assert view_training(without, world.follower.state, ()).jobs == ()


def test_an_entry_proves_itself(world: World) -> None:
    view = view_entry(world.sources, replay_of(world), 7)
    assert view is not None
    verify_inclusion(
        bytes.fromhex(view.leaf_hash),
        7,
        view.size,
        [bytes.fromhex(each) for each in view.proof],
        bytes.fromhex(view.root),
    )
    assert view_entry(world.sources, replay_of(world), view.size) is None
    assert view_entry(world.sources, replay_of(world), -1) is None


async def test_every_kind_of_entry_has_a_page(world: World) -> None:
    kinds: dict[str, int] = {}
    for index in range(world.follower.size):
        view = view_entry(world.sources, replay_of(world), index)
        assert view is not None and view.about
        kinds[view.kind] = index
    assert set(kinds) <= set(KINDS)
    async with reading(world) as client:
        for kind, index in kinds.items():
            assert kind in (await client.get(f"log/{index}")).text


def test_every_record_kind_is_described() -> None:
    assert set(KINDS) == {kind for rules in RULES.values() for kind in rules}


async def test_while_nobody_is_trusted_nothing_is_shown_as_true(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.give([1])
    world.sources.replay = None
    async with reading(world) as client:
        page = await client.get("")
        assert (page.status_code, "Your node is starting" in page.text) == (503, True)
        world.store.raise_alarm("rule", f"a lie {HOSTILE}", (b"note",), 0)
        for path in ("", "items", "earnings", "reviews", "training", "log/1"):
            page = await client.get(path)
            assert page.status_code == 503
            assert "stopped trusting this network" in page.text
            assert "commonhold verify LINK --alarm alarms/001-rule.json" in page.text
            assert "<script>alert" not in page.text
        assert (await client.get("node")).status_code == 200
    assert view_health(world.sources).word == "Alarm"
    world.close()


async def test_clocks_that_differ_are_told_until_they_agree(world: World) -> None:
    async with reading(world) as client:
        assert view_health(world.sources).clock == ""
        world.store.set_meta("clocks", json.dumps([["digits", 300_000, now_ms()]]).encode())
        try:
            health = view_health(world.sources)
            assert (health.is_well, "another clock" in health.word) == (False, True)
            assert "5 minutes ahead of this machine" in (await client.get("node")).text
            assert "clock and this machine" in (await client.get("")).text
        finally:
            world.store.set_meta("clocks", b"[]")
        assert view_health(world.sources).is_well
        assert "minutes ahead" not in (await client.get("node")).text


async def test_a_move_is_shown_while_it_is_decided(world: World) -> None:
    state, me = replay_of(world).follower.state, world.sources.me
    before, payout = state.onchain, state.members[me].payout
    ask = Ask(bytes(32), 0, 2_000_000_000, 1, move=Move(replace(WHERE, chain_id=10), ()))
    async with reading(world) as client:
        assert (view_health(world.sources).move, "A move" in (await client.get("node")).text) == (
            "",
            False,
        )
        state.asks.put("move", ask)
        try:
            assert "to chain 10 is asked for; 0 of" in (await client.get("node")).text
            assert "your word is asked for" not in (await client.get("")).text
            state.onchain = replace(before, witnesses=(address(payout),))
            assert "your word is asked for" in (await client.get("")).text
        finally:
            state.asks.remove("move")
            state.onchain = before


async def test_addresses_that_mean_nothing(world: World) -> None:
    async with reading(world) as client:
        for path in (
            *("nothing", "items?state=lost", "items?page=x", "items?page=-1", "log/9999999"),
            *("log/x", "items?page=99999999999999", "earnings?page=%EF%BC%91"),
        ):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert "There is nothing here" in answer.text


async def test_a_page_that_has_not_changed_is_not_sent_again(world: World) -> None:
    async with reading(world) as client:
        tag = re.findall(r'data-tag="(.*?)"', (await client.get("items")).text)[0]
        known = {"if-none-match": html.unescape(tag)}
        for path in ("", "items", "earnings", "node", f"log/{world.follower.size - 1}"):
            answer = await client.get(path, headers=known)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["cache-control"] == "no-store"
        world.give([7])
        assert (await client.get("items", headers=known)).status_code == 200


async def test_no_secret_is_on_any_page(world: World) -> None:
    ada = world.ada
    secrets = [bytes(ada.signing_key), bytes(ada.root), ada.wallet.to_bytes(), SALT]
    async with reading(world) as client:
        mine = replay_of(world).own.items(None, 0, 3)
        paths = [f"items/{item_id.hex()}" for item_id in mine]
        paths += [f"log/{index}" for index in range(0, world.follower.size, 7)]
        for path in ("", "items", "earnings", "reviews", "training", "node", *paths):
            shown = (await client.get(path)).content
            for secret in secrets:
                assert secret.hex().encode() not in shown.lower()
                assert base64.b64encode(secret).rstrip(b"=") not in shown
            assert str(world.folder).encode() not in shown


async def test_hostile_text_stays_text(tmp_path: Path) -> None:
    world = World(tmp_path)
    [item_id] = world.give([1], name=HOSTILE)
    world.ask()
    essay = world.give_parts("essays", "good", {"essay": HOSTILE.encode()}, table=HOSTILE)
    world.train(1, title=HOSTILE)
    async with reading(world) as client:
        for path in ("", "items", f"items/{item_id.hex()}", f"items/{essay.hex()}", "training"):
            text = (await client.get(path)).text
            assert "<script>alert" not in text
            assert "<img src=x" not in text
            assert "onerror=alert(2)>" not in text
            assert "49}}" not in text
        assert "&lt;script&gt;alert(1)" in (await client.get("items")).text
        assert "&lt;script&gt;alert(1)" in (await client.get("training")).text
    world.close()


async def test_the_version_changes_with_what_pages_say(tmp_path: Path) -> None:
    world = World(tmp_path)
    seen = [world.sources.version()]
    world.give([1])
    seen.append(world.sources.version())
    world.store.raise_alarm("rule", "a lie", (b"note",), 0)
    seen.append(world.sources.version())
    world.sources.replay = None
    seen.append(world.sources.version())
    world.close()
    assert len(set(seen)) == len(seen)
