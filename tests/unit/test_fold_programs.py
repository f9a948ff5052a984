"""The fold: answers that programs give in their owners' place, campaigns that will not have them, and what
else an answer says of itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from node.statement import explain_item
from protocol.lifecycle import ItemStatus
from protocol.limits import ANSWER_SECONDS_MAX, PROGRAM_CHARS_MAX
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.money.earnings import compute_lines
from protos.gen import records_pb2 as pb
from tests.fold import changed, drawn, drawn_people, items, last_lines, refuses, same
from tests.simulated import Network, Person, campaign

UNSURE = pb.REFUSAL_UNSURE
PROGRAM = "chat 1.0 qwen2.5-3b"


def by_program(leaves: Sequence[bytes], program: str = PROGRAM) -> list[bytes]:
    """The same answers, given by a program."""
    return [encode_leaf(changed(parse_leaf(pb.Answer, leaf), program=program)) for leaf in leaves]


def asking(automation: pb.Automation, privacy: pb.Privacy = pb.PRIVACY_OPEN) -> pb.Campaign:
    return campaign(id="other", automation=automation, privacy=privacy)


def opened(net: Network, c: str = "digits", refused: int = 0) -> list[Person]:
    """A round in which the first reviewer's answers are a program's, which refuses the first `refused`;
    gives the reviewers."""
    reviewers = drawn_people(net, c)
    first, *others = reviewers
    given = {person.name: net.answers(person, c) for person in others}
    said = net.answers(first, c)
    given[first.name] = by_program([*net.refuse(said[:refused], UNSURE), *said[refused:]])
    for person in reviewers:
        net.commit(person, given[person.name], c)
    net.end_commits(c)
    for person in reviewers:
        net.reveal(person, given[person.name], c)
    return reviewers


# ---- what an answer says of itself ----


@pytest.mark.parametrize("program", [PROGRAM, "x", "é" * PROGRAM_CHARS_MAX])
def test_an_answer_may_say_which_program_gave_it(net: Network, program: str) -> None:
    drawn(net)
    reviewer = drawn_people(net)[0]
    leaves = by_program(net.answers(reviewer), program)
    net.commit(reviewer, leaves)
    net.end_commits()
    net.reveal(reviewer, leaves)
    given = [a for (_, _, who), a in net.state.answers.scan("digits") if who == reviewer.id]
    assert given
    assert all(answer.by_program for answer in given)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("x" * (PROGRAM_CHARS_MAX + 1), "has 129 characters"),
        ("two\nlines", "a new line"),
        (" chat", "blank|space"),
        ("chat\u202e", "cannot be seen|turns"),
    ],
)
def test_a_program_has_a_name_that_people_can_read(
    net: Network, program: str, message: str
) -> None:
    drawn(net)
    reviewer = drawn_people(net)[0]
    leaves = by_program(net.answers(reviewer), program)
    net.commit(reviewer, leaves)
    net.end_commits()
    with refuses(message):
        net.reveal(reviewer, leaves)


@pytest.mark.parametrize("seconds", [0, 1, ANSWER_SECONDS_MAX])
def test_an_answer_may_say_how_long_it_took(net: Network, seconds: int) -> None:
    drawn(net)
    reviewer, leaves = committed(net, seconds)
    net.reveal(reviewer, leaves)
    assert ("digits", reviewer.id) in net.state.revealed


def test_no_answer_takes_longer_than_a_day(net: Network) -> None:
    drawn(net)
    reviewer, leaves = committed(net, ANSWER_SECONDS_MAX + 1)
    with refuses("say nothing"):
        net.reveal(reviewer, leaves)


def committed(net: Network, seconds: int) -> tuple[Person, list[bytes]]:
    """A reviewer's commitment, to answers that took so long."""
    reviewer = drawn_people(net)[0]
    answers = [parse_leaf(pb.Answer, leaf) for leaf in net.answers(reviewer)]
    leaves = [encode_leaf(changed(answer, seconds=seconds)) for answer in answers]
    net.commit(reviewer, leaves)
    net.end_commits()
    return reviewer, leaves


# ---- who counts them ----


def test_verdicts_lines_and_statements_count_what_programs_said(net: Network) -> None:
    drawn(net)
    first, *others = opened(net)
    verdicts = net.compute_verdicts()
    reviewed = {i for (_, i, who), a in net.state.answers.scan("digits") if who == first.id}
    for verdict in verdicts:
        assert verdict.reviewers == len(net.state.items[verdict.item_id].answered_by)
        assert verdict.programs == (verdict.item_id in reviewed)
    net.verdict()
    words = [explain_item(net.state, each) for each in items(net) if each.programs]
    assert len(words) == len(reviewed)
    assert all(each.endswith("; programs answered for 1 of 3 reviewers") for each in words)
    net.close()
    counts = {line.person: line.evidence for line in last_lines(net, pb.ROLE_REVIEWER)}
    assert counts[first.id].programs == counts[first.id].answers == len(reviewed)
    assert {counts[person.id].programs for person in others} == {0}
    assert same(net.replay(), net.state)


def test_what_a_program_refuses_is_none_of_its_reviewers_answers(net: Network) -> None:
    drawn(net)
    first, *_ = opened(net, refused=1)
    net.verdict()
    assert all(item.programs == (first.id in item.answered_by) for item in items(net))
    net.close()
    evidence = {line.person: line.evidence for line in last_lines(net, pb.ROLE_REVIEWER)}[first.id]
    assert evidence.programs == evidence.answers > 0


@pytest.mark.parametrize("change", [{"reviewers": 2}, {"programs": 0}, {"programs": 2}])
def test_a_verdict_that_miscounts_is_refused(net: Network, change: dict[str, int]) -> None:
    drawn(net)
    opened(net)
    verdicts = net.compute_verdicts()
    at = next(at for at, each in enumerate(verdicts) if each.programs == 1)
    verdicts[at] = changed(verdicts[at], **change)
    with refuses("miscounts who answered"):
        net.add_verdict(verdicts)


def test_a_close_that_miscounts_is_refused(net: Network) -> None:
    drawn(net)
    opened(net)
    net.verdict()
    lines = compute_lines(net.state)
    wrong = next(line for line in lines if line.evidence.programs)
    wrong.evidence.programs -= 1
    with refuses("evidence does not recompute"):
        net.add_close(lines)


# ---- what a campaign says of them ----


@pytest.mark.parametrize("automation", [pb.AUTOMATION_LOCAL, pb.AUTOMATION_ANYWHERE])
def test_programs_answer_where_a_campaign_lets_them(
    net: Network, automation: pb.Automation
) -> None:
    others_round(net, automation)
    opened(net, "other")
    net.verdict("other")
    assert {item.status for item in items(net)} == {ItemStatus.ACCEPTED}


def test_a_campaign_that_asks_people_takes_no_answer_of_a_program(net: Network) -> None:
    others_round(net, pb.AUTOMATION_NONE)
    first, second, *_ = drawn_people(net, "other")
    said, theirs = by_program(net.answers(first, "other")), net.answers(second, "other")
    net.commit(first, said, "other")
    net.commit(second, theirs, "other")
    net.end_commits("other")
    with refuses("a program gave an answer, and other asks people only"):
        net.reveal(first, said, "other")
    net.reveal(second, theirs, "other")


def others_round(net: Network, automation: pb.Automation) -> None:
    """A round of another campaign, drawn."""
    net.add(net.operator, "campaign", asking(automation))
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1, c="other"), net.item(2, c="other")], c="other")
    net.stand_by(*reviewers, c="other")
    net.seal(c="other")
    net.draw("other")


@pytest.mark.parametrize(
    ("automation", "privacy", "message"),
    [
        (pb.AUTOMATION_LOCAL, pb.PRIVACY_REVIEWERS, ""),
        (pb.AUTOMATION_NONE, pb.PRIVACY_REVIEWERS, ""),
        (pb.AUTOMATION_ANYWHERE, pb.PRIVACY_OPEN, ""),
        (pb.AUTOMATION_ANYWHERE, pb.PRIVACY_REVIEWERS, "would be sent to programs of others"),
        (9, pb.PRIVACY_OPEN, "does not say whether programs may answer"),
    ],
)
def test_content_that_is_for_reviewers_is_for_no_program_elsewhere(
    net: Network, automation: pb.Automation, privacy: pb.Privacy, message: str
) -> None:
    record = asking(automation, privacy)
    if message:
        with refuses(message):
            net.add(net.operator, "campaign", record)
    else:
        net.add(net.operator, "campaign", record)
        assert net.campaign("other").automation == automation
