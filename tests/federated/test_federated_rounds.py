"""The rounds of a job in one process: the apps that partners and server run, over the real fold.

A refusal stands beside the round that goes on without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from federated.flower.grid import LocalGrid
from federated.messages import Task, read_reply, read_task, reply_message, task_message
from federated.model import encode
from federated.partner import Partner
from protocol.errors import Reject, StateError
from tests.federated_lab import ROUNDS, Lab
from tests.simulated import Person
from tests.simulated_training import start
from tests.training_lab import BLANK


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.close()


def enrolled(lab: Lab) -> list[Partner]:
    return [lab.enrol(person) for person in lab.people]


def rounds(lab: Lab) -> list[set[bytes]]:
    return [set(each.partners) for each in lab.net.state.jobs[lab.terms.id].rounds]


def everybody(lab: Lab) -> set[bytes]:
    return {person.id for person in lab.people}


def test_a_job_runs_all_its_rounds(lab: Lab) -> None:
    log = lab.run(enrolled(lab))
    state = lab.net.state.jobs[lab.terms.id]
    assert rounds(lab) == [everybody(lab)] * ROUNDS
    assert [each.model for each in state.rounds] == log.kept
    assert 0 < state.rounds[0].epsilon_micro < state.epsilon_micro <= lab.terms.epsilon_micro


def test_a_silent_partner_costs_one_wait_and_no_more(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    partners, silent = enrolled(lab), lab.people[0]
    waits: list[float] = []
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        waits.append(seconds)

    monkeypatch.setattr("federated.exchange.time.sleep", sleep)
    monkeypatch.setattr("federated.exchange.time.monotonic", lambda: now)
    lab.run(partners, silent=[silent])
    assert rounds(lab) == [everybody(lab) - {silent.id}] * ROUNDS
    assert lab.terms.round_seconds <= now < lab.terms.round_seconds + 0.2


def test_without_a_quorum_the_job_stops_with_names(lab: Lab) -> None:
    with pytest.raises(StateError, match=r"round 1 got 1 of the 2 updates.*did not answer in time"):
        lab.run(enrolled(lab), silent=lab.people[:2])
    assert rounds(lab) == []


def test_an_update_that_is_not_the_signed_one_is_left_out(lab: Lab) -> None:
    partners = enrolled(lab)
    bad = lab.people[0]
    honest = lab.app(bad, partners[0])

    class Swapping(ClientApp):
        """Answers for its member, but with an update that it did not sign."""

        def __call__(self, message: Message, context: Context) -> Message:
            answer = honest(message, context)
            if message.metadata.message_type != "train":
                return answer
            reply = read_reply(answer)
            return reply_message(replace(reply, hidden=bytes(len(reply.hidden))), message)

    lab.serve(LocalGrid(lab.apps(partners) | {lab.key(bad): Swapping()}))
    assert rounds(lab) == [everybody(lab) - {bad.id}] * ROUNDS


def test_a_partner_with_one_class_trains_and_is_warned(tmp_path: Path) -> None:
    lab = Lab(tmp_path, partners=2)
    one, many = lab.people
    lab.run([lab.enrol(one, labels=[3] * 20), lab.enrol(many)])
    assert rounds(lab) == [everybody(lab)] * ROUNDS
    lab.close()


def ask(lab: Lab, person: Person, partner: Partner, task: Task) -> Message:
    """One message to one partner, and what it answers."""
    grid = LocalGrid({lab.key(person): lab.app(person, partner)})
    return next(iter(grid.send_and_receive([task_message(task, 1, 60)])))


def test_a_partner_answers_the_round_of_the_log_and_no_other(lab: Lab) -> None:
    person, partner = lab.people[0], enrolled(lab)[0]
    start(lab.net)
    zeros = BLANK
    other = zeros.replaced(zeros.vector + 1)
    job = lab.terms.id
    for task, says in (
        (Task("other", 1, encode(zeros)), "and no other"),
        (Task(job, 2, encode(zeros)), "no round 2"),
        (Task(job, 1, encode(other)), "not the one that the log names"),
        (Task(job, 1, encode(zeros)[:-4]), "not weights"),
        (Task(job, 1, b""), "not weights"),
    ):
        reply = ask(lab, person, partner, task)
        assert says in (reply.error.reason or "")
    assert not ask(lab, person, partner, Task(job, 1, encode(zeros))).has_error()
    again = ask(lab, person, partner, Task(job, 1, encode(zeros)))
    assert "paid for already" in (again.error.reason or "")


def test_a_spent_budget_is_a_refusal_before_anything_is_computed(tmp_path: Path) -> None:
    lab = Lab(tmp_path, partners=2, quorum=1)
    rich, poor = lab.people
    partners = enrolled(lab)
    [commitment] = [
        enrolment.data_commitment
        for (_, partner), enrolment in lab.net.state.partners.scan(lab.terms.id)
        if partner == poor.id
    ]
    lab.budgets[1].charge(commitment, "earlier", 1, 1.0, lab.spec.noise_multiplier)
    lab.run(partners)
    assert rounds(lab) == [{rich.id, poor.id}, {rich.id}]
    lab.close()


@pytest.mark.parametrize("content", [{}, {"job": 1, "round": 1, "base": b""}, {"job": "train"}])
def test_a_message_without_a_round_is_refused(lab: Lab, content: dict[str, object]) -> None:
    from flwr.app import ConfigRecord, RecordDict

    lab.run(enrolled(lab))  # Flower's identity of this process is set by a grid
    record = ConfigRecord(content)  # type: ignore[arg-type]
    with pytest.raises(Reject):
        read_task(Message(RecordDict({"commonhold": record}), 1, "train"))
