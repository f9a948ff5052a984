"""A reviewer's duties against the real rules: what is queued here goes through the fold of a network."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from commonground.receipts import Lie
from node import review
from node.answering import COMMIT_SECONDS_MAX, Deadlines, remove_contents, seconds_left
from node.intake import fingerprint_content
from node.keys import NodeKeys
from node.review import draw_seen, make_tasks, make_wanted, open_tasks
from node.rows import Change, TaskStatus
from node.store import Store
from protocol.errors import StoreError
from protocol.log.strict import parse_leaf
from protocol.review.sampling import is_flipped
from protocol.rows import Round
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb
from tests import simulated
from tests.review_bench import PNG, Bench, digit, pairs, pictures, put, rubric
from tests.simulated import NETWORK

C = "pictures"
PAIR = {"prompt": b"Why?", "answer_a": b"Because.", "answer_b": b"Nobody knows."}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, pictures())
    made.submit(C, digit(0), digit(1), digit(2))
    yield made
    made.db.close()


# ---- one round ----


async def test_a_round_from_stand_by_to_reveal(bench: Bench) -> None:
    await bench.until_drawn(C)
    assert await bench.act() == ["commit"]
    bench.finish_commits(C)
    assert await bench.act() == ["reveal"]
    assert bench.said(C) == ["3"] * 3
    assert {task.program for task in bench.db.tasks(C, 1)} == {"constant"}
    assert all(given.by_program for given in bench.answers(C)), "and the log says so"


async def test_a_step_done_twice_queues_once(bench: Bench) -> None:
    await bench.until_drawn(C)
    await bench.step()
    await bench.step()
    assert bench.deliver() == ["commit"]
    assert await bench.act() == []


async def test_every_step_survives_a_kill(bench: Bench) -> None:
    """Killed before and after each delivery, with everything in memory lost."""
    net = bench.net
    await bench.step()
    bench.restart()
    await bench.step()  # the stand-by is queued already
    assert bench.deliver() == ["standby"]
    net.stand_by(*bench.others, c=C)
    net.seal(c=C)
    net.draw(C)
    bench.restart()
    await bench.step()
    bench.restart()
    await bench.step()
    assert bench.deliver() == ["commit"]
    bench.finish_commits(C)
    bench.restart()
    await bench.step()
    bench.restart()
    await bench.step()
    assert bench.deliver() == ["reveal"]
    assert bench.said(C) == ["3"] * 3


async def test_a_crash_inside_a_commit_leaves_no_half_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nonces without a queued commit would be replaced; a commit without nonces could not be opened."""
    number = await bench.until_drawn(C)

    def crash(_: object) -> bool:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(bench.store, "enqueue", crash)
        with pytest.raises(StoreError):
            await bench.step()
    tasks = bench.db.tasks(C, number)
    assert {(task.status, task.nonce) for task in tasks} == {(TaskStatus.ANSWERED, b"")}
    bench.restart()
    assert await bench.act() == ["commit"]
    bench.finish_commits(C)
    assert await bench.act() == ["reveal"]


async def test_one_stands_by_once_for_all_rounds(bench: Bench) -> None:
    bench.restart(plugin="refuse:unsure")
    await bench.until_drawn(C)
    await bench.act()
    bench.net.end_commits(C)
    await bench.act()
    bench.net.verdict(C)  # nobody answered: another round
    assert await bench.act() == []
    bench.submit(C, digit(9))
    bench.net.stand_by(*bench.others, c=C)
    bench.net.seal(c=C)
    bench.net.draw(C)
    bench.restart()
    assert await bench.act() == ["commit"]


# ---- what may be wrong with content ----


async def test_content_that_is_not_served_is_unavailable(tmp_path: Path) -> None:
    bench = Bench(tmp_path, pictures(commit_ms=400))
    bench.submit(C, digit(0), digit(1))
    bench.shelf.contents.popitem()
    await bench.until_drawn(C)
    assert await bench.act() == ["commit"]
    bench.finish_commits(C)
    await bench.act()
    assert sorted(bench.said(C), key=str) == [pb.REFUSAL_UNAVAILABLE, "3"]


async def test_content_that_is_not_as_described_is_a_mismatch(tmp_path: Path) -> None:
    bench = Bench(tmp_path, pictures())
    other = fingerprint_content(digit(60), PNG)
    bench.net.submit(bench.author, [bench.leaf(C, digit(50), other), bench.leaf(C, digit(5))], c=C)
    await bench.until_drawn(C)
    await bench.act()
    bench.finish_commits(C)
    await bench.act()
    assert set(bench.said(C)) == {"3", pb.REFUSAL_MISMATCH}


async def test_one_bad_part_is_a_bad_item(tmp_path: Path) -> None:
    bench = Bench(tmp_path, pairs())
    bench.restart(plugin="constant:first")
    bench.submit("pairs", PAIR)
    [parts] = bench.shelf.contents.values()
    parts["answer_b"] = b"Something else."
    await bench.until_drawn("pairs")
    await bench.act()
    bench.finish_commits("pairs")
    await bench.act()
    assert bench.said("pairs") == [pb.REFUSAL_MISMATCH]


@pytest.mark.parametrize(
    ("plugin", "refusal"),
    [
        ("refuse:unsure", pb.REFUSAL_UNSURE),
        ("refuse:unreadable", pb.REFUSAL_UNREADABLE),
        ("refuse:off-topic", pb.REFUSAL_OFF_TOPIC),
        ("refuse:personal", pb.REFUSAL_PERSONAL),
        ("refuse:harmful", pb.REFUSAL_HARMFUL),
        ("constant:ninety-nine", pb.REFUSAL_UNSURE),  # no label
        ("constant:yes, no", pb.REFUSAL_UNSURE),  # another kind's words
    ],
)
async def test_refusals_reach_the_log(bench: Bench, plugin: str, refusal: int) -> None:
    bench.restart(plugin=plugin)
    await bench.until_drawn(C)
    await bench.act()
    bench.finish_commits(C)
    await bench.act()
    assert bench.said(C) == [refusal] * 3


# ---- people ----


async def test_a_person_answers_through_the_store(bench: Bench) -> None:
    bench.restart(plugin="")
    number = await bench.until_drawn(C)
    with Store(bench.folder / "node.db") as elsewhere:  # as the command line does
        for task in make_tasks(bench.follower.state, bench.me.id, C):
            elsewhere.add_tasks([task])
            elsewhere.set_answer(task, bench.net.answer("5", C))
    assert await bench.act() == ["commit"]
    late = bench.db.tasks(C, number)[0]
    assert not bench.db.set_answer(late, b"\0\1")  # what is committed stays
    bench.finish_commits(C)
    await bench.act()
    assert bench.said(C) == ["5"] * 3
    assert not any(given.by_program for given in bench.answers(C))


@pytest.mark.parametrize("tells", [True, False])
async def test_an_answer_says_how_long_it_took_where_its_reviewer_wants_that(
    bench: Bench, tells: bool
) -> None:
    bench.restart(plugin="", tells_seconds=tells)
    number = await bench.until_drawn(C)
    tasks = make_tasks(bench.follower.state, bench.me.id, C)
    bench.db.add_tasks(tasks)
    for task, spent_ms in zip(tasks, (0, 40, 12_400), strict=True):
        bench.db.set_fetched(task, bench.folder)
        change = Change(bench.net.answer("5", C), 0, 0, b"a", spent_ms=spent_ms)
        assert bench.db.save_draft(task, change).draft_version == 1
    assert bench.db.seal_drafts(bench.db.tasks(C, number))
    assert await bench.act() == ["commit"]
    bench.restart(plugin="", tells_seconds=not tells)  # what was committed to stays
    bench.finish_commits(C)
    assert await bench.act() == ["reveal"]
    said = [parse_leaf(pb.Answer, leaf).seconds for leaf in bench.net.log[-1].leaves]
    assert said == ([0, 1, 12] if tells else [0, 0, 0])


async def test_where_people_are_asked_a_program_is_not(tmp_path: Path) -> None:
    people = pictures()
    people.automation = pb.AUTOMATION_NONE
    bench = Bench(tmp_path, people)
    bench.submit(C, *map(digit, range(2)))
    number = await bench.until_drawn(C)
    await bench.duties.step()
    async with asyncio.timeout(5):
        while {task.status for task in bench.db.tasks(C, number)} != {TaskStatus.FETCHED}:
            await asyncio.sleep(0.01)
    for task in bench.db.tasks(C, number):
        bench.db.set_answer(task, bench.net.answer("4", C))
    await bench.duties.finish()
    assert bench.deliver() == ["commit"]
    bench.finish_commits(C)
    assert await bench.act() == ["reveal"]
    assert bench.said(C) == ["4"] * 2
    assert not any(given.by_program for given in bench.answers(C))


async def test_what_a_person_leaves_open_is_unsure_when_time_is_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path, pictures(commit_ms=400))
    bench.restart(plugin="")
    bench.submit(C, digit(0), digit(1))
    await bench.until_drawn(C)
    assert await bench.act() == ["commit"]
    bench.finish_commits(C)
    await bench.act()
    assert bench.said(C) == [pb.REFUSAL_UNSURE] * 2


async def test_what_a_person_drafted_counts_when_time_is_up(tmp_path: Path) -> None:
    """Whole drafts do; a part of an answer, and nothing, are unsure."""
    bench = Bench(tmp_path, rubric(commit_ms=600))
    bench.restart(plugin="")
    bench.submit("rubric", *({"problem": b"1", "solution": b"%d" % n} for n in range(3)))
    await bench.until_drawn("rubric")
    working = asyncio.create_task(bench.step())
    await _until_served(bench, 3)
    whole, part, _ = bench.db.tasks("rubric", 1)
    assert bench.db.save_draft(whole, Change(b"\1\0", 0, 0, b"a")).draft_version == 1
    assert bench.db.save_draft(part, Change(b"\1\xff", 0, 0, b"b")).draft_version == 1
    await working
    assert bench.deliver() == ["commit"]
    bench.net.truth = dict.fromkeys(bench.net.truth, "yes, yes")
    bench.finish_commits("rubric")
    await bench.act()
    assert pb.REFUSAL_UNSURE == 1
    assert sorted(map(str, bench.said("rubric"))) == ["1", "1", "correct: yes, clear: no"]


async def _until_served(bench: Bench, times: int) -> None:
    while bench.shelf.served < times:
        await asyncio.sleep(0)


async def test_a_person_is_shown_what_is_open_and_nothing_else(bench: Bench) -> None:
    bench.restart(plugin="")
    assert open_tasks(bench.db, bench.follower.state) == []
    await bench.until_drawn(C)
    working = asyncio.create_task(bench.duties.run())
    await _until_served(bench, 3)
    shown = open_tasks(bench.db, bench.follower.state)
    assert {each.item_id for each in shown} == set(bench.shelf.contents)
    assert {each.task.status for each in shown} == {TaskStatus.FETCHED}
    bench.finish_commits(C)
    assert open_tasks(bench.db, bench.follower.state) == []
    working.cancel()


# ---- how answering ends ----


async def test_answering_ends_when_the_log_turns_out_to_lie(bench: Bench) -> None:
    bench.restart(plugin="")  # a person, who does not answer
    await bench.until_drawn(C)
    working = asyncio.create_task(bench.duties.run())
    await _until_served(bench, 3)
    with pytest.raises(Lie):
        bench.follower.take(api.FollowResponse(checkpoint=b"not a checkpoint"))
    with pytest.raises(Lie):
        await working
    assert bench.db.next_queued() is None


async def test_answering_ends_with_the_phase(bench: Bench) -> None:
    bench.restart(plugin="")
    number = await bench.until_drawn(C)
    working = asyncio.create_task(bench.duties.run())
    await _until_served(bench, 3)
    bench.finish_commits(C)
    while list(bench.shelf.folder.iterdir()):
        await asyncio.sleep(0.01)
    assert bench.deliver() == ["standby"]  # and no commit
    assert {task.status for task in bench.db.tasks(C, number)} == {TaskStatus.FAILED}
    working.cancel()


async def test_a_fault_of_ours_in_answering_ends_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.until_drawn(C)

    def full(*_: object) -> bool:
        raise StoreError("the disk is full")

    monkeypatch.setattr(bench.store, "set_answer", full)
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(bench.duties.run(), 5)
    assert caught.group_contains(StoreError)


async def test_fetched_content_is_examined_again_after_a_kill(bench: Bench) -> None:
    number = await bench.until_drawn(C)
    tasks = make_tasks(bench.follower.state, bench.me.id, C)
    bench.db.add_tasks(tasks)
    for task in tasks:
        folder = bench.shelf.folder / task.item_id.hex()
        put(bench.shelf.contents[task.item_id], folder)
        bench.db.set_fetched(task, folder)
    bench.shelf.contents.clear()
    bench.restart()
    assert await bench.act() == ["commit"]
    assert {t.answer for t in bench.db.tasks(C, number)} == {bench.net.answer("3", C)}


async def test_others_content_is_gone_once_we_committed(bench: Bench) -> None:
    await bench.until_drawn(C)
    await bench.act()
    assert bench.shelf.served == 3
    await bench.step()
    assert list(bench.shelf.folder.iterdir()) == []


async def test_a_round_that_went_on_without_us_is_lost_and_said_so(bench: Bench) -> None:
    number = await bench.until_drawn(C)
    bench.db.add_tasks(make_tasks(bench.follower.state, bench.me.id, C))
    bench.finish_commits(C)
    assert await bench.act() == ["standby"]  # who was silent has to say that he is back
    assert {task.status for task in bench.db.tasks(C, number)} == {TaskStatus.FAILED}


async def test_a_lost_store_reveals_nothing(bench: Bench) -> None:
    number = await bench.until_drawn(C)
    await bench.act()
    bench.finish_commits(C)
    bench.db._write("UPDATE tasks SET nonce = x'00' WHERE position = 0")  # a damaged disk
    assert await bench.act() == []
    assert {task.status for task in bench.db.tasks(C, number)} == {TaskStatus.FAILED}


# ---- standing by ----


async def test_without_the_wish_to_review_nobody_stands_by(bench: Bench) -> None:
    bench.restart(wants=lambda _: False)
    assert await bench.act() == []


async def test_only_the_chosen_campaigns_are_stood_by_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, pictures(), pairs(), rubric())
    bench.restart(wants=lambda campaign: campaign.task in ("prefer", "judge"))
    assert await bench.act() == ["standby"] * 2
    standing = {c for (c, person), _ in bench.net.state.standbys.scan() if person == bench.me.id}
    assert standing == {"pairs", "rubric"}


async def test_a_change_of_mind_and_back(bench: Bench) -> None:
    key = (C, bench.me.id)
    assert await bench.act() == ["standby"]
    bench.restart(wants=lambda _: False)
    assert await bench.act() == ["standby"]
    assert key not in bench.net.state.standbys
    assert await bench.act() == []
    bench.restart()
    assert await bench.act() == ["standby"]
    assert key in bench.net.state.standbys
    assert await bench.act() == []
    bench.net.stand_by(*bench.others, c=C)
    bench.net.seal(c=C)
    bench.net.draw(C)
    assert await bench.act() == ["commit"]


async def test_a_promise_is_kept_by_an_owner_who_stops_reviewing(bench: Bench) -> None:
    assert await bench.act() == ["standby"]
    bench.net.stand_by(*bench.others, c=C)
    bench.net.seal(c=C)
    bench.restart(wants=lambda _: False)
    assert await bench.act() == ["standby"]
    assert (C, bench.me.id) not in bench.net.state.standbys
    bench.net.draw(C)
    assert await bench.act() == ["commit"]


async def test_a_lost_store_costs_no_round(bench: Bench) -> None:
    """All that standing by takes is the key."""
    assert await bench.act() == ["standby"]
    bench.db.close()
    (bench.folder / "node.db").unlink()
    bench.store = None
    bench.restart()
    assert await bench.act() == []
    bench.net.stand_by(*bench.others, c=C)
    bench.net.seal(c=C)
    bench.net.draw(C)
    assert await bench.act() == ["commit"]


async def test_a_stranger_has_no_duties(bench: Bench) -> None:
    stranger = NodeKeys.made_of(bytes(range(32)), bench.me.wallet.to_bytes(), b"\x09" * 32)
    bench.restart(keys=stranger)
    assert await bench.act() == []


# ---- a person with two machines ----


def _second_machine(bench: Bench, folder: Path) -> Bench:
    """Another node of the same person, beside the same network."""
    seed = SigningKey(b"\x44" * 32)
    key = bytes(seed.verify_key)
    delegate = pb.Delegate(network=NETWORK, delegation=bench.me.delegation(key))
    keys = NodeKeys.made_of(bytes(seed), bench.me.wallet.to_bytes(), bytes(bench.me.root))
    bench.net.add_raw(keys.seal("delegate", delegate))
    other = Bench.__new__(Bench)
    other.__dict__.update(bench.__dict__ | {"folder": folder, "store": None})
    other.shelf = type(bench.shelf)(folder / "review")
    other.shelf.contents = bench.shelf.contents
    other.restart(keys=keys)
    return other


async def test_two_machines_of_a_person_are_one_reviewer(bench: Bench, tmp_path: Path) -> None:
    laptop = bench
    (tmp_path / "desk").mkdir()
    desk = _second_machine(bench, tmp_path / "desk")
    assert await laptop.act() == ["standby"]
    assert await desk.act() == []  # no fight over which of them stands by
    assert await laptop.act() == []
    bench.net.stand_by(*bench.others, c=C)
    bench.net.seal(c=C)
    assert await desk.act() == []
    assert await laptop.act() == []
    bench.net.draw(C)
    assert await desk.act() == []
    assert await laptop.act() == ["commit"]
    assert await desk.act() == []
    laptop.follow()
    laptop.finish_commits(C)
    assert await desk.act() == []
    assert await laptop.act() == ["reveal"]
    assert desk.db.tasks(C, 1) == []
    assert len(bench.answers(C)) == 3
    desk.db.close()


async def test_the_other_machine_takes_over_after_a_round_without_the_first(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "desk").mkdir()
    desk = _second_machine(bench, tmp_path / "desk")
    assert await bench.act() == ["standby"]  # the laptop, for the last time
    bench.net.stand_by(*bench.others, c=C)
    bench.net.seal(c=C)
    bench.net.draw(C)
    assert await desk.act() == []
    bench.net.end_commits(C)
    assert await desk.act() == ["standby"]
    assert bench.net.state.standbys[C, bench.me.id] == desk.keys.key
    desk.db.close()


# ---- several campaigns ----


async def test_a_slow_campaign_does_not_hold_up_a_fast_one(tmp_path: Path) -> None:
    """A person has an hour in one; a program answers in the other, whose window is two seconds."""
    bench = Bench(tmp_path, pictures("slow", commit_ms=3_600_000), pairs("fast", commit_ms=2_000))
    bench.restart(plugin="constant:tie", slow="")
    bench.submit("slow", digit(0), digit(1))
    await bench.until_drawn("slow")
    working = asyncio.create_task(bench.duties.run())
    await _until_served(bench, 2)
    for number in range(2):
        bench.submit("fast", {**PAIR, "prompt": b"Question %d" % number})
        bench.net.stand_by(*bench.others, c="fast")
        bench.net.seal(c="fast")
        bench.net.draw("fast")
        bench.follow()
        await _until_queued(bench, "commit")
        bench.finish_commits("fast")
        await _until_queued(bench, "reveal")
        bench.net.verdict("fast")
        bench.follow()
    assert bench.said("fast") == ["tie"] * 2
    assert [t.status for t in bench.db.tasks("slow", 1)] == [TaskStatus.FETCHED] * 2
    for task in bench.db.tasks("slow", 1):  # the person comes back from lunch
        bench.db.set_answer(task, bench.net.answer("7", "slow"))
    await _until_queued(bench, "commit")
    bench.finish_commits("slow")
    await _until_queued(bench, "reveal")
    assert bench.said("slow") == ["7"] * 2
    working.cancel()
    bench.db.close()


async def _until_queued(bench: Bench, kind: str) -> None:
    """Lets the duties go on until they queue a record of that kind, and delivers it."""
    async with asyncio.timeout(5):
        while kind not in bench.deliver():
            await asyncio.sleep(0.01)


async def test_of_too_many_rounds_those_that_end_first_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "ROUNDS_MAX", 1)
    bench = Bench(tmp_path, pictures("long", commit_ms=3_600_000), pictures("short"))
    bench.restart(plugin="")
    assert await bench.act() == ["standby"] * 2
    for c in ("long", "short"):
        bench.submit(c, digit(0))
        bench.net.stand_by(*bench.others, c=c)
        bench.net.seal(c=c)
    for c in ("long", "short"):
        bench.net.draw(c)
    bench.follow()
    await bench.duties.step()
    assert [key.campaign_id for key in bench.duties._working] == ["short"]
    bench.finish_commits("short")
    await bench.duties.step()
    assert [key.campaign_id for key in bench.duties._working] == ["long"]
    await bench.duties._end(list(bench.duties._working))
    bench.db.close()


# ---- what a reviewer sees ----


async def test_half_of_the_reviewers_see_the_other_answer_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path, pairs())
    bench.submit("pairs", *({**PAIR, "prompt": b"Question %d" % n} for n in range(12)))
    await bench.until_drawn("pairs")
    state, seen = bench.follower.state, set()
    for person in (bench.me, *bench.others):
        for task in make_tasks(state, person.id, "pairs"):
            wanted = make_wanted(state, person.id, task)
            flipped = is_flipped(state.round_of("pairs").seed, task.item_id, person.id)
            assert [part.name for part in wanted.parts] == [
                "prompt",
                *(["answer_b", "answer_a"] if flipped else ["answer_a", "answer_b"]),
            ]
            case = wanted.case_in(tmp_path)
            assert [part.name for part in case.parts] == ["prompt", "first", "second"]
            assert [part.path.name for part in case.parts] == ["prompt", "first", "second"]
            assert case.read("first") == bytes([flipped])
            seen.add((person.name, flipped))
    assert len(seen) == 6  # each of the three saw both orders


async def test_neither_sources_nor_proposals_are_shown(tmp_path: Path) -> None:
    bench = Bench(tmp_path, pairs())
    bench.submit("pairs", PAIR)
    await bench.until_drawn("pairs")
    [task] = make_tasks(bench.follower.state, bench.me.id, "pairs")
    wanted = make_wanted(bench.follower.state, bench.me.id, task)
    assert "model-x" in repr(wanted.item)
    assert "model-x" not in repr(wanted.case_in(tmp_path))
    assert "proposal_commitment" not in repr(wanted.case_in(tmp_path))


def test_reviewers_see_the_guidelines_that_an_item_was_submitted_under() -> None:
    net = simulated.Network(*(simulated.Person(name) for name in ("ada", "ben", "cyn")))
    ada, *reviewers = net.people
    net.change(guidelines="As it was.")
    net.submit(ada, [net.item(1)])
    net.change(guidelines="As it is.")
    net.submit(ada, [net.item(2)])
    net.stand_by(*reviewers)
    net.seal()
    net.draw()
    for person in reviewers:
        tasks = make_tasks(net.state, person.id, "digits")
        wanted = [make_wanted(net.state, person.id, task) for task in tasks]
        shown = {net.truth[each.task.item_id]: each.campaign.guidelines for each in wanted}
        assert shown == {1: "As it was.", 2: "As it is."}


# ---- deadlines ----


def test_deadlines_follow_from_the_window() -> None:
    fast, day = simulated.rounds(commit_ms=2_000), simulated.rounds(commit_ms=86_400_000)
    assert Deadlines.of(fast) == Deadlines(1.0, 1.6)  # type: ignore[arg-type]  # the same fields
    assert Deadlines.of(day) == Deadlines(43_200, 86_400 - COMMIT_SECONDS_MAX)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("late_ms", "counted"),
    [
        (100, False),  # just now
        (-60_000, False),  # the operator's clock is ahead of ours
        (300_000, False),  # within the margin: clocks differ
        (900_000, True),  # we were away
        (4_000_000, False),  # over already, or a clock that is no use
    ],
)
def test_who_comes_late_has_less_time(late_ms: int, counted: bool) -> None:
    from protocol.rows import Campaign

    campaign = Campaign.of(pictures(commit_ms=3_600_000))
    drawn, now = 10_000_000, 10_000_000 + late_ms
    assert draw_seen(Round(1, since_ms=drawn), campaign, now) == (drawn if counted else now)


def test_a_period_never_grows() -> None:
    assert seconds_left(1_000, 10, 6_000) == 5
    assert seconds_left(1_000, 10, 0) == 10  # the clock was set back
    assert seconds_left(1_000, 10, 99_000) == 0


async def test_a_restart_does_not_lengthen_the_time_to_answer(bench: Bench) -> None:
    bench.restart(plugin="")
    number = await bench.until_drawn(C)
    await bench.duties.step()
    await asyncio.sleep(0.01)
    began = bench.db.meta(f"review_began.{C}")
    assert began is not None
    assert began.startswith(b"%d " % number)
    await bench.duties._end(list(bench.duties._working))
    bench.restart(plugin="")
    await bench.duties.step()
    await asyncio.sleep(0.01)
    assert bench.db.meta(f"review_began.{C}") == began
    await bench.duties._end(list(bench.duties._working))


def test_content_is_removed_but_for_what_is_kept(tmp_path: Path) -> None:
    keep, drop = b"\1" * 32, b"\2" * 32
    for item_id in (keep, drop):
        put({"prompt": b"a", "answer_a.ab12.part": b"b"}, tmp_path / item_id.hex())
    (tmp_path / "stray").touch()
    assert remove_contents(tmp_path, [keep]) == 2
    assert {path.name for path in tmp_path.iterdir()} == {keep.hex()}
    assert len(list((tmp_path / keep.hex()).iterdir())) == 2
    assert remove_contents(tmp_path / "absent") == 0
