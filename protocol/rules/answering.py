"""Commit, then reveal: nobody sees an answer before giving their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from protocol.errors import Ignore, Reject
from protocol.identity import PersonId
from protocol.lifecycle import ItemEvent, RoundEvent, RoundPhase, next_phase
from protocol.limits import ANSWER_SECONDS_MAX, PROGRAM_CHARS_MAX, SALT_BYTES
from protocol.rows import Campaign, CommittedBatch, GivenAnswer, ItemId
from protocol.rules.record import Record, commitment_of, require, require_round
from protocol.rules.sealing import require_time
from protocol.state import State
from protocol.tasks.question import Question, question_of
from protocol.text import check_name
from protos.gen import records_pb2 as pb


def validate_commit(state: State, record: Record[pb.Commit]) -> None:
    """One commitment for all of a reviewer's tasks, before anybody's answers are opened."""
    body, key = record.body, (record.body.campaign_id, record.author)
    round_ = require_round(state, body.campaign_id, body.round)
    if round_.phase is RoundPhase.OPEN:
        raise Ignore("the verdict of this round is in the log")
    tasks = state.tasks.get(key)
    if tasks is None:
        raise Reject("this person was not drawn in this round")
    if key in state.commits:
        raise Ignore("this reviewer has committed already")
    if round_.phase is RoundPhase.REVEALING:
        raise Ignore("the commits of this round have ended")
    require(round_.phase is RoundPhase.COMMITTING, "commits are taken after the draw")
    _, count = commitment_of(body.answers)
    require(
        count == len(tasks), f"the reviewer has {len(tasks)} tasks and commits to {count} answers"
    )


def process_commit(state: State, record: Record[pb.Commit]) -> None:
    """Keeps the root that the reveal must match."""
    root, count = commitment_of(record.body.answers)
    state.commits.put((record.body.campaign_id, record.author), CommittedBatch(root, count))


def validate_end_commits(state: State, record: Record[pb.EndCommits]) -> None:
    """All have committed, or the window has ended."""
    body = record.body
    round_ = require_round(state, body.campaign_id, body.round)
    next_phase(round_.phase, RoundEvent.END_COMMITS)
    require_time(round_, body.time_ms)
    waiting = state.tasks.count(body.campaign_id) - state.commits.count(body.campaign_id)
    window_ms = state.campaign_under(body.campaign_id, round_.revision).rounds.commit_ms
    require(
        waiting == 0 or body.time_ms - round_.since_ms >= window_ms,
        f"{waiting} reviewers have time left to commit",
    )


def process_end_commits(state: State, record: Record[pb.EndCommits]) -> None:
    """Answers are opened from now on."""
    body = record.body
    round_ = state.rounds[body.campaign_id]
    for item_id in round_.items:
        item = state.items[item_id]
        state.items.put(item_id, replace(item, status=item.after(ItemEvent.END_COMMITS)))
    _stand_down_the_silent(state, body.campaign_id)
    phase = next_phase(round_.phase, RoundEvent.END_COMMITS)
    state.rounds.put(body.campaign_id, replace(round_, phase=phase, since_ms=body.time_ms))


def _stand_down_the_silent(state: State, campaign_id: str) -> None:
    """A machine that was drawn and did not commit reviews no longer, until it says so again. Another of the
    same person may have stood by since."""
    for key, _ in state.tasks.scan(campaign_id):
        if key not in state.commits and state.standbys.get(key) == state.candidates.get(key):
            state.standbys.remove(key)


def validate_reveal(state: State, record: Record[pb.Reveal]) -> None:
    """The very answers that were committed to, by the one who committed, one for each task."""
    body, key = record.body, (record.body.campaign_id, record.author)
    round_ = require_round(state, body.campaign_id, body.round)
    if round_.phase is RoundPhase.OPEN:
        raise Ignore("the verdict of this round is in the log")
    require(round_.phase is RoundPhase.REVEALING, "answers are opened after the commits have ended")
    committed = state.commits.get(key)
    if committed is None:
        raise Reject("this reviewer made no commitment in this round")
    if key in state.revealed:
        raise Ignore("this reviewer has revealed already")
    require(
        (body.answers.root, body.answers.count) == (committed.root, committed.count),
        "the reveal does not match the reviewer's commitment",
    )
    answers: Sequence[pb.Answer] = record.leaves
    require(
        tuple(answer.item_id for answer in answers) == state.tasks[key],
        "the answers are not those of the tasks drawn",
    )
    campaign = state.campaigns[body.campaign_id]
    question = question_of(campaign)
    for answer in answers:
        _check_answer(question, record.author, answer)
        _check_relation(answer, is_flagged=bool(state.items[ItemId(answer.item_id)].resembles))
        _check_program(campaign, answer.program)
        _check_seconds(answer.seconds)


def _check_answer(question: Question, author: PersonId, answer: pb.Answer) -> None:
    require(answer.reviewer == author, "an answer names another reviewer")
    require(len(answer.nonce) == SALT_BYTES, f"a nonce has {SALT_BYTES} bytes")
    require(answer.refusal in pb.Refusal.values(), "a refusal gives an unknown reason")
    if answer.refusal:
        require(answer.answer == b"", "a refusal gives no answer")
        return
    try:
        question.kind.check_answer(question.spec, answer.answer)
    except Reject as error:
        raise Reject(f"item {answer.item_id.hex()}: {error}", error.advice) from None


def _check_relation(answer: pb.Answer, *, is_flagged: bool) -> None:
    """A likely copy is called something; nothing else is."""
    where = f"item {answer.item_id.hex()}"
    require(answer.relation in pb.Relation.values(), f"{where}: an unknown relation")
    if answer.refusal or not is_flagged:
        require(
            answer.relation == pb.RELATION_NONE,
            f"{where}: an answer says what it is to another item, and it was not asked that",
        )
    else:
        require(
            answer.relation != pb.RELATION_NONE,
            f"{where}: an answer does not say what the item is to the one that it resembles",
            "say that it is a copy, a derivative or independent, or that you cannot tell",
        )


def _check_program(campaign: Campaign, program: str) -> None:
    """What gave an answer is told by whoever signs it: nobody else could know."""
    if not program:
        return
    check_name(program, "the program that gave an answer", PROGRAM_CHARS_MAX)
    require(
        campaign.automation != pb.AUTOMATION_NONE,
        f"a program gave an answer, and {campaign.id} asks people only",
        "answer it yourself",
    )


def _check_seconds(seconds: int) -> None:
    """How long somebody took is theirs to tell, or not: nobody else could know, and no rule goes by it."""
    require(
        seconds <= ANSWER_SECONDS_MAX,
        f"an answer took {seconds} seconds; more than {ANSWER_SECONDS_MAX} say nothing",
    )


def process_reveal(state: State, record: Record[pb.Reveal]) -> None:
    """The answers count."""
    campaign_id, author = record.body.campaign_id, record.author
    state.revealed.put((campaign_id, author), record.index)
    for answer in record.leaves:
        item_id = ItemId(answer.item_id)
        given = GivenAnswer(
            answer.answer, answer.refusal, bool(answer.program), relation=answer.relation
        )
        state.answers.put((campaign_id, item_id, author), given)
        item = state.items[item_id]
        state.items.put(item_id, replace(item, answered_by=(*item.answered_by, author)))
    key = (campaign_id, author)
    state.reviewed.put(key, state.reviewed.get(key, 0) + len(record.leaves))
