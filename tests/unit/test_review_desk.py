"""The reviewer's desk: drafts that nobody overwrites unseen, and a seal on exactly what was looked at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.answering import RoundKey
from node.examine import Wanted, drafted
from node.reviewpage.answers import NOT_YET, Said, in_words, read_said, say
from node.reviewpage.desk import (
    OVER_MAX,
    SPENT_MS_MAX,
    Became,
    Desk,
    case_of,
    desk_data,
    item_data,
    name_of,
    read_change,
)
from node.rows import Change, TaskStatus
from protocol.errors import Reject, StateError
from protos.gen import records_pb2 as pb
from tests.review_page import ReviewWorld

KINDS = ("notes", "pairs", "patches", "calls", "reports")
NOTES, PAIRS, PATCHES, CALLS, REPORTS = (RoundKey(c, 1) for c in KINDS)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewWorld]:
    """For tests that each use items of their own."""
    world = ReviewWorld(tmp_path_factory.mktemp("desk"), KINDS)
    yield world
    world.store.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ReviewWorld]:
    made = ReviewWorld(tmp_path, KINDS)
    yield made
    made.store.close()


def items(desk: Desk, key: RoundKey) -> tuple[Wanted, ...]:
    found = desk.round(key)
    assert found is not None
    return found.wanted


def mark(number: int) -> bytes:
    return number.to_bytes(16)


def change(said: bytes | None, base: int, number: int, *over: int, refusal: int = 0) -> Change:
    return Change(said, refusal, base, mark(number), tuple(mark(each) for each in over))


# ---- drafts ----


def test_a_draft_is_kept_and_seen_by_whoever_looks_next(shared: ReviewWorld) -> None:
    desk = shared.desk()
    item = items(desk, NOTES)[0]
    assert not item.task.has_draft
    assert desk.change(item, change(b"\0\1", 0, 1)).is_kept
    again = items(shared.desk(), NOTES)[0]
    assert (again.task.draft, again.task.draft_version) == (b"\0\1", 1)
    assert again.task.status is TaskStatus.FETCHED, "a draft is no answer"
    assert item_data(again)["said"] == 1


def test_the_later_of_two_browsers_is_told(shared: ReviewWorld) -> None:
    desk = shared.desk()
    item = items(desk, NOTES)[1]
    assert desk.change(item, change(b"\0\1", 0, 1)).is_kept
    late = desk.change(item, change(b"\0\0", 0, 2))
    assert not late.is_kept
    assert late.wanted.task.draft == b"\0\1", "it is told what stands there"
    assert desk.change(item, change(b"\0\0", 1, 3)).is_kept, "whoever has seen it may change it"


def test_a_change_that_comes_twice_is_kept_once(shared: ReviewWorld) -> None:
    desk = shared.desk()
    item = items(desk, NOTES)[2]
    for _ in range(2):
        kept = desk.change(item, change(b"\0\1", 0, 1))
        assert kept.is_kept and kept.wanted.task.draft_version == 1


def test_ones_own_change_whose_answer_was_lost_is_no_conflict(shared: ReviewWorld) -> None:
    desk = shared.desk()
    item = items(desk, NOTES)[3]
    desk.change(item, change(b"\0\1", 0, 1))  # kept, and its browser never heard of it
    assert not desk.change(item, change(b"\0\0", 0, 2, 7)).is_kept, "over another's change"
    kept = desk.change(item, change(b"\0\0", 0, 3, 7, 1))
    assert kept.is_kept and kept.wanted.task.draft_version == 2


def test_what_is_taken_back_is_no_draft(shared: ReviewWorld) -> None:
    desk = shared.desk()
    item = items(desk, NOTES)[4]
    desk.change(item, change(None, 0, 1, refusal=pb.REFUSAL_UNSURE))
    assert item_data(items(desk, NOTES)[4])["refused"] == "unsure"
    desk.change(item, change(None, 1, 2))
    assert not items(desk, NOTES)[4].task.has_draft


def test_an_item_that_is_not_open_takes_no_draft(world: ReviewWorld) -> None:
    desk = world.desk()
    item = items(desk, NOTES)[0]
    assert desk.find(NOTES, item.item_id).item_id == item.item_id
    with pytest.raises(StateError, match="any more"):
        desk.find(PAIRS, item.item_id)
    with pytest.raises(StateError, match="any more"):
        desk.find(RoundKey("notes", 2), item.item_id)
    world.store.set_answer(item.task, b"\0\0")
    with pytest.raises(StateError, match="sealed"):
        desk.change(item, change(b"\0\1", 0, 1))


def test_the_desk_shows_no_campaign_that_a_program_answers(world: ReviewWorld) -> None:
    desk = world.desk(lambda campaign: campaign == "notes")
    assert [each.key for each in desk.rounds()] == [NOTES]
    assert list(desk.pulse()) == ["notes/1"]


def test_the_pulse_counts_what_a_browser_counts(world: ReviewWorld) -> None:
    desk = world.desk()
    for item in items(desk, NOTES)[:2]:
        desk.change(item, change(b"\0\1", 0, 1))
    assert desk.pulse()["notes/1"] == [7, 0, 0, 2]
    for round_ in desk.rounds():
        data = desk_data(round_)
        counted = [len(data["items"]), data["coming"], data["sealed"]]
        versions = sum(item["v"] for item in data["items"])
        assert desk.pulse()[name_of(round_.key)] == [*counted, versions]


# ---- the seal ----


def test_what_was_looked_at_is_sealed_and_nothing_else(world: ReviewWorld) -> None:
    desk = world.desk()
    first, second, *_ = items(desk, NOTES)
    desk.change(first, change(b"\0\1", 0, 1))
    desk.change(second, change(None, 0, 2, refusal=pb.REFUSAL_HARMFUL))
    assert desk.seal(NOTES, desk.summary(NOTES).token) == 2
    tasks = {task.item_id: task for task in world.store.tasks("notes", 1)}
    assert (tasks[first.item_id].status, tasks[first.item_id].answer) == (
        TaskStatus.ANSWERED,
        b"\0\1",
    )
    assert tasks[second.item_id].refusal == pb.REFUSAL_HARMFUL
    assert [each.item_id for each in items(desk, NOTES)] == [
        task.item_id for task in tasks.values() if task.status is TaskStatus.FETCHED
    ]


def test_a_change_since_the_summary_breaks_the_seal(world: ReviewWorld) -> None:
    desk = world.desk()
    first, second, *_ = items(desk, NOTES)
    desk.change(first, change(b"\0\1", 0, 1))
    token = desk.summary(NOTES).token
    desk.change(first, change(b"\0\0", 1, 2))
    with pytest.raises(StateError, match="have changed"):
        desk.seal(NOTES, token)
    token = desk.summary(NOTES).token
    desk.change(second, change(b"\0\0", 0, 3))
    with pytest.raises(StateError, match="have changed"):
        desk.seal(NOTES, token)
    stale = [each.task for each in desk.summary(NOTES).wanted]
    desk.change(second, change(b"\0\1", 1, 4))
    assert not world.store.seal_drafts(stale), "between the look and the seal"
    assert not any(t.status is TaskStatus.ANSWERED for t in world.store.tasks("notes", 1))


def test_nothing_is_sealed_where_nothing_was_said(world: ReviewWorld) -> None:
    desk = world.desk()
    with pytest.raises(StateError):
        desk.seal(NOTES, desk.summary(NOTES).token)


def test_a_part_of_an_answer_is_a_draft_and_never_sealed(world: ReviewWorld) -> None:
    desk = world.desk()
    [item] = items(desk, PATCHES)
    desk.change(item, change(bytes([1, NOT_YET, 0]), 0, 1))
    [item] = items(desk, PATCHES)
    assert item_data(item)["said"] == [1, None, 0]
    assert drafted(item, item.task) is None
    assert desk.summary(PATCHES).wanted == ()
    desk.change(item, change(bytes([1, 1, 0]), 1, 2))
    assert desk.seal(PATCHES, desk.summary(PATCHES).token) == 1


# ---- a likely copy ----


def test_a_likely_copy_is_whole_once_it_is_said_what_it_is(world: ReviewWorld) -> None:
    desk = world.desk()
    [earlier, copy] = sorted(items(desk, REPORTS), key=lambda each: each.original is not None)
    assert earlier.original is None and copy.original is not None
    shown = item_data(copy)
    assert shown["beside"]["id"] == earlier.item_id.hex()
    assert [name for name, *_ in shown["beside"]["parts"]] == ["report"]
    body = BODY | {"relation": "derivative"}
    assert read_change(earlier, body).relation == 0, "there is nothing to compare it with"
    assert read_change(copy, body | {"refused": "unsure"}).relation == 0
    assert read_change(copy, BODY).relation == 0, "not said yet"
    with pytest.raises(Reject):
        read_change(copy, BODY | {"relation": "cousin"})
    desk.change(copy, read_change(copy, BODY))
    assert desk.summary(REPORTS).wanted == (), "an answer without it is a part of one"
    again = body | {"base": 1, "mark": "cd" * 16}
    desk.change(copy, read_change(copy, again))
    assert desk.seal(REPORTS, desk.summary(REPORTS).token) == 1
    task = world.store.task("reports", 1, copy.item_id)
    assert task is not None
    assert (task.answer, task.relation) == (b"\0\1", pb.RELATION_DERIVATIVE)


def test_a_likely_copy_whose_original_was_not_served_is_answered_alone(world: ReviewWorld) -> None:
    desk = world.desk()
    [copy] = [each for each in items(desk, REPORTS) if each.original is not None]
    shutil.rmtree(Path(copy.task.content_path) / ".original")
    assert item_data(copy)["beside"]["parts"] == []
    change_ = read_change(copy, BODY | {"relation": "copy"})
    assert change_.relation == pb.RELATION_UNSEEN
    desk.change(copy, change_)
    assert len(desk.summary(REPORTS).wanted) == 1


# ---- answers on the wire ----


def test_answers_go_there_and_back(shared: ReviewWorld) -> None:
    desk = shared.desk()
    every: dict[RoundKey, list[Said]] = {
        NOTES: [0, 1, None],
        PAIRS: [0, 1, 2],
        PATCHES: [[1, 0, None], [0, 0, 0]],
        CALLS: [[0, 0, 0, 0], [1, 0, 1, 0]],
    }
    for key, saids in every.items():
        for wanted in items(desk, key):
            case = case_of(wanted)
            for said in saids:
                assert say(case, read_said(case, said)) == said


def test_the_first_of_a_pair_is_what_this_reviewer_sees_first(shared: ReviewWorld) -> None:
    for wanted in items(shared.desk(), PAIRS):
        assert read_said(case_of(wanted), 0) == bytes([wanted.flipped])


@pytest.mark.parametrize("said", [2, -1, True, "0", [0], 1.0, {}])
def test_what_is_no_answer_is_refused(shared: ReviewWorld, said: object) -> None:
    with pytest.raises(Reject):
        read_said(case_of(items(shared.desk(), NOTES)[0]), said)


@pytest.mark.parametrize("said", [[1, 0], [1, 0, 2], [1, 0, True], 1, "yes"])
def test_what_answers_no_criterion_is_refused(shared: ReviewWorld, said: object) -> None:
    with pytest.raises(Reject):
        read_said(case_of(items(shared.desk(), PATCHES)[0]), said)


BODY = {"said": 1, "refused": "", "base": 0, "mark": "ab" * 16, "over": [], "ms": 5}


def test_a_change_is_read(shared: ReviewWorld) -> None:
    item = items(shared.desk(), NOTES)[0]
    assert read_change(item, BODY) == Change(b"\0\1", 0, 0, b"\xab" * 16, (), 5)
    refused = read_change(item, BODY | {"refused": "unsure"})
    assert (refused.draft, refused.refusal) == (None, pb.REFUSAL_UNSURE)
    assert read_change(item, BODY | {"ms": 2**50}).spent_ms == SPENT_MS_MAX


@pytest.mark.parametrize(
    "wrong",
    [
        {"refused": "bored"},
        {"base": -1},
        {"base": "0"},
        {"base": 2**60},
        {"mark": "ab"},
        {"mark": None},
        {"over": "ab"},
        {"over": ["ab"]},
        {"over": ["ab" * 16] * (OVER_MAX + 1)},
        {"ms": -1},
        {"ms": True},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    shared: ReviewWorld, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Reject):
        read_change(items(shared.desk(), NOTES)[0], BODY | wrong)


def test_answers_in_words(shared: ReviewWorld) -> None:
    desk = shared.desk()
    forms = {key: case_of(items(desk, key)[0]).form for key in (NOTES, PATCHES, CALLS)}
    assert in_words(forms[NOTES], 1) == "no"
    assert in_words(forms[PATCHES], [1, None, 0]) == "correct: yes, tested: no"
    assert in_words(forms[CALLS], [1, 0, 1, 0]) == "speech, noise"
    assert in_words(forms[CALLS], [0, 0, 0, 0]) == "none of them"


def test_the_page_is_told_nothing_that_a_reviewer_must_not_know(shared: ReviewWorld) -> None:
    told = str([desk_data(each) for each in shared.desk().rounds()])
    for secret in ("model-x", "answer_a", "proposal", "gold", shared.bench.author.id.hex()):
        assert secret not in told


# ---- what became of a round ----


def test_of_a_round_that_is_over_the_committed_answers_were_taken(world: ReviewWorld) -> None:
    desk = world.desk()
    for number, item in enumerate(items(desk, NOTES)[:3]):
        desk.change(item, change(b"\0\1", 0, number + 1))
    assert desk.seal(NOTES, desk.summary(NOTES).token) == 3
    tasks = world.store.tasks("notes", 1)
    assert world.store.set_committed(tasks[0], b"n" * 32)
    assert world.store.set_committed(tasks[1], b"n" * 32)
    assert world.store.set_revealed(world.store.tasks("notes", 1)[1])
    assert desk.became(NOTES) == Became(taken=2, open=5)
    assert desk.became(RoundKey("notes", 2)) == Became(0, 0), "nobody was drawn"
