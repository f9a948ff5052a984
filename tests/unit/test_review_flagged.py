"""A reviewing node and a likely copy: both are fetched and shown, and what is said of them goes with the
answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from commonground.p2p import Denial, Grant
from node import answering
from node.examine import Content, Wanted
from node.review import make_tasks, make_wanted, open_tasks
from node.reviewers import Case, ask_relation, read_relation
from node.rows import TaskStatus
from node.serve import may_read
from protocol.errors import Reject
from protocol.rows import ItemId
from protos.gen import records_pb2 as pb
from tests.review_bench import LIKELY, NOTE, Bench, lay_out, notes
from tests.simulated import Person

C = "notes"
SCRIPT = """#!/bin/sh
read -r asked
case "$asked" in
*'"kind": "relation"'*'.original/'*) echo '{"answer": "derivative"}' ;;
*) echo '{"answer": "3"}' ;;
esac
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An original and a likely copy of it."""
    made = Bench(tmp_path, notes(commit_ms=10_000))
    made.submit(C, NOTE, LIKELY)
    yield made
    made.db.close()


def both(bench: Bench) -> tuple[ItemId, ItemId]:
    original, copy = bench.shelf.contents
    assert bench.net.state.items[copy].resembles == original
    return original, copy


def relations(bench: Bench) -> dict[ItemId, int]:
    """What the log holds that I called each item."""
    answers = bench.net.state.answers.scan(C)
    return {item: each.relation for (_, item, who), each in answers if who == bench.me.id}


async def review(bench: Bench) -> None:
    """My part of the round, from the draw to the reveal."""
    assert await bench.act() == ["commit"]
    bench.finish_commits(C)
    assert await bench.act() == ["reveal"]


async def test_a_program_that_does_not_compare_is_unsure(bench: Bench) -> None:
    await bench.until_drawn(C)
    original, copy = both(bench)
    await review(bench)
    assert relations(bench) == {original: pb.RELATION_NONE, copy: pb.RELATION_UNSURE}
    assert bench.said(C) == ["3", "3"]


async def test_a_command_is_asked_what_the_copy_is(bench: Bench, tmp_path: Path) -> None:
    script = tmp_path / "judge"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    bench.restart(plugin=f"command:{script}")
    await bench.until_drawn(C)
    await review(bench)
    assert relations(bench)[both(bench)[1]] == pb.RELATION_DERIVATIVE


async def test_an_original_that_is_not_served_is_unseen(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The item is reviewed when the time to fetch is over, and not before."""
    await bench.until_drawn(C)
    _, copy = both(bench)
    run_pass, passes = bench.shelf.run_pass, 0

    async def without(wanted: Sequence[Content], arrived: Callable[..., None]) -> None:
        nonlocal passes
        passes += 1
        await run_pass([each for each in wanted if isinstance(each, Wanted)], arrived)

    monkeypatch.setattr(bench.shelf, "run_pass", without)
    monkeypatch.setattr(answering, "FETCH_PART", 1 / 50)
    await review(bench)
    assert passes > 1
    assert relations(bench)[copy] == pb.RELATION_UNSEEN


async def test_an_original_that_is_not_what_its_record_says_is_unseen(bench: Bench) -> None:
    await bench.until_drawn(C)
    original, copy = both(bench)
    bench.shelf.contents[original] = {"content": bytes(9)}
    await review(bench)
    assert relations(bench)[copy] == pb.RELATION_UNSEEN


async def test_a_person_sees_both_and_says_what_it_is(bench: Bench) -> None:
    bench.restart(plugin="")
    await bench.until_drawn(C)
    original, copy = both(bench)
    working = asyncio.create_task(bench.duties.run())
    async with asyncio.timeout(5):
        while len(bench.db.tasks_with(TaskStatus.FETCHED)) < 2:
            await asyncio.sleep(0.01)
    tasks = {each.item_id: each for each in open_tasks(bench.db, bench.follower.state)}
    assert tasks[original].original is None
    case = tasks[copy].case_in(bench.shelf.folder)
    assert [part.path.read_bytes() for part in case.original] == [NOTE]
    assert [part.path.read_bytes() for part in case.parts] == [LIKELY]
    for wanted in tasks.values():
        relation = pb.RELATION_COPY if wanted.original else pb.RELATION_NONE
        bench.db.set_answer(wanted.task, bench.net.answer("3", C), relation=relation)
    async with asyncio.timeout(5):
        while "commit" not in bench.deliver():
            await asyncio.sleep(0.01)
    working.cancel()
    bench.finish_commits(C)
    assert await bench.act() == ["reveal"]
    assert relations(bench) == {original: pb.RELATION_NONE, copy: pb.RELATION_COPY}


# ---- who may fetch the original ----


async def test_the_original_is_read_by_who_was_drawn_for_the_copy(bench: Bench) -> None:
    net = bench.net
    stranger = Person("stranger")
    net.add(stranger, "register", net.registration(stranger))
    await bench.until_drawn(C)
    original, copy = both(bench)

    def may(who: Person, item_id: ItemId, part: str = "content") -> bool:
        answer = may_read(net.state, bench.author.id, item_id, part, who.key)
        assert isinstance(answer, Grant | Denial)
        return isinstance(answer, Grant)

    assert may(bench.me, original)
    assert may(bench.me, copy)
    assert not may(stranger, original)
    net.state.assignments.put((C, original), ())  # drawn for the copy alone
    assert may(bench.me, original)
    assert not may(bench.me, original, "notes"), "only the parts by which copies are told"
    for person in (bench.me, *bench.others):
        net.commit(person, net.answers(person, C), C)
    net.end_commits(C)
    assert not may(bench.me, original), "the review is over"


# ---- plug-ins ----


class Comparing:
    name = "comparing"

    def __init__(self, said: object) -> None:
        self._said = said

    def prepare(self) -> None: ...

    def answer(self, case: Case) -> str:
        return "3"

    def relation(self, case: Case) -> object:
        if isinstance(self._said, Exception):
            raise self._said
        return self._said


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("copy", pb.RELATION_COPY),
        (" Derivative\n", pb.RELATION_DERIVATIVE),
        ("independent", pb.RELATION_INDEPENDENT),
        ("unsure", pb.RELATION_UNSURE),
        ("unseen", pb.RELATION_UNSURE),  # that, the node finds out by itself
        (None, pb.RELATION_UNSURE),
        (RuntimeError("content"), pb.RELATION_UNSURE),
    ],
)
async def test_what_a_plug_in_says_of_a_copy(bench: Bench, said: object, logged: int) -> None:
    bench.restart(plugin="")
    await bench.until_drawn(C)
    _, copy = both(bench)
    task = next(t for t in make_tasks(bench.net.state, bench.me.id, C) if t.item_id == copy)
    wanted = make_wanted(bench.net.state, bench.me.id, task)
    plugin = Comparing(said)
    assert ask_relation(plugin, wanted.case_in(bench.shelf.folder)) == pb.RELATION_UNSEEN
    assert wanted.original is not None
    lay_out(wanted.original, bench.shelf.contents[wanted.original.item_id], bench.shelf.folder)
    assert ask_relation(plugin, wanted.case_in(bench.shelf.folder)) == logged


def test_a_relation_that_there_is_not_lists_those_that_there_are() -> None:
    with pytest.raises(Reject, match="'nonsense' is no relation") as found:
        read_relation("nonsense")
    assert "copy, derivative, independent, unsure" in found.value.advice
