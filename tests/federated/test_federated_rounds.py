"""The rounds of a job in one process: the apps that partners and server run, over the real fold.

A refusal stands beside the round that goes on without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.proto.node_pb2 import NodeInfo

from federated.budget.signed import SignedRound
from federated.budget.terms import release_of
from federated.flower.grid import LocalGrid
from federated.kept import KeptUpdates
from federated.messages import Reply, Task, read_reply, read_task, reply_message, task_message
from federated.model import encode
from federated.partner import Partner
from protocol.errors import Reject, StateError
from tests.federated_lab import ROUNDS, Killed, Lab, Log
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
            assert isinstance(reply, Reply)
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


def started(lab: Lab) -> tuple[Person, Partner]:
    """A job whose first round runs, and one of its partners."""
    partners = enrolled(lab)
    start(lab.net)
    return lab.people[0], partners[0]


def round_one(lab: Lab) -> Task:
    return Task(lab.terms.id, 1, encode(BLANK))


def test_asked_again_a_partner_gives_the_same_bytes_and_pays_once(lab: Lab) -> None:
    person, partner = started(lab)
    first = read_reply(ask(lab, person, partner, round_one(lab)))
    again = read_reply(ask(lab, person, partner, round_one(lab)))
    assert again == first
    assert lab.charged(person) == 1


@pytest.mark.parametrize("step", ["keep", "sign"])
def test_a_partner_killed_in_mid_round_gives_one_update_and_pays_once(
    lab: Lab, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its update is kept nothing has left, and it computes again; afterwards it has that one."""

    def die(*_: object) -> None:
        raise Killed

    person, partner = started(lab)
    owner = KeptUpdates if step == "keep" else Log
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, die)
        with pytest.raises(Killed):
            ask(lab, person, partner, round_one(lab))
    reply = read_reply(ask(lab, person, partner, round_one(lab)))
    signed = Log(lab.net).signed(person.id)
    assert signed is not None
    assert isinstance(reply, Reply)
    assert hashlib.sha256(reply.hidden).digest() == signed.update
    assert lab.charged(person) == 1


def test_no_second_update_of_a_round_leaves_a_machine_that_lost_the_first(lab: Lab) -> None:
    person, partner = started(lab)
    ask(lab, person, partner, round_one(lab))
    lab.kept_path(person).unlink()
    reply = ask(lab, person, partner, round_one(lab))
    assert "has lost the update of round 1 that it signed" in (reply.error.reason or "")
    lab.kept_path(person).write_bytes(b"junk")
    reply = ask(lab, person, partner, round_one(lab))
    assert "partner-0.update: " in (reply.error.reason or "")


def test_a_partner_that_connects_anew_is_asked_again(lab: Lab) -> None:
    """Its process was killed with the round in hand: the server sees a new connection, and sends it again."""
    partners, victim = enrolled(lab), lab.people[0]
    grid = LocalGrid(lab.apps(partners), {lab.key(victim)})
    looked = 0

    def get_nodes() -> Iterable[NodeInfo]:
        nonlocal looked
        looked += 1
        if looked == 3:
            grid.silent.clear()
            grid.connected[lab.key(victim)] = "later"
        return LocalGrid.get_nodes(grid)

    grid.get_nodes = get_nodes  # type: ignore[method-assign]
    lab.serve(grid)
    assert rounds(lab) == [everybody(lab)] * ROUNDS


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The models of a job that nobody disturbs, with noise that is the same in every lab."""
    lab = Lab(tmp_path_factory.mktemp("undisturbed"), fixed=True)
    kept = lab.run(enrolled(lab)).kept
    lab.close()
    return kept


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("step", ["start", "signed", "fix", "fixed", "complete"])
def test_a_server_killed_at_any_step_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, undisturbed: list[bytes], step: str, is_done: bool
) -> None:
    """Killed before or after each thing that it does with the log. Its successor has the log, the last
    checkpoint, and nothing else; partners are as they were."""
    lab = Lab(tmp_path, fixed=True)
    grid, log = LocalGrid(lab.apps(enrolled(lab))), Log(lab.net)
    inner = getattr(Log, step)

    def dying(self: Log, *arguments: Any) -> Any:
        if not self.has_died and (step == "start" or self.round().number == 2 or is_done):
            self.has_died = True
            if is_done:
                inner(self, *arguments)
            raise Killed
        return inner(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, step, dying)
        with pytest.raises(Killed):
            lab.serve(grid, log)
    lab.serve(grid, log)
    job = lab.net.state.jobs[lab.terms.id]
    assert [each.model for each in job.rounds] == undisturbed
    assert job.failed == ()
    assert [lab.charged(person) for person in lab.people] == [ROUNDS] * len(lab.people)
    lab.close()


def test_a_spent_budget_is_a_refusal_before_anything_is_computed(tmp_path: Path) -> None:
    lab = Lab(tmp_path, partners=2, quorum=1)
    rich, poor = lab.people
    partners = enrolled(lab)
    [commitment] = [
        enrolment.data_commitment
        for (_, partner), enrolment in lab.net.state.partners.scan(lab.terms.id)
        if partner == poor.id
    ]
    spec = lab.spec
    lost = SignedRound(commitment, "earlier", 1, release_of(spec), spec.delta, 1)
    lab.budgets[1].restore([lost])
    lab.run(partners)
    assert rounds(lab) == [{rich.id}, {rich.id}]
    lab.close()


@pytest.mark.parametrize("content", [{}, {"job": 1, "round": 1, "base": b""}, {"job": "train"}])
def test_a_message_without_a_round_is_refused(lab: Lab, content: dict[str, object]) -> None:
    from flwr.app import ConfigRecord, RecordDict

    lab.run(enrolled(lab))  # Flower's identity of this process is set by a grid
    record = ConfigRecord(content)  # type: ignore[arg-type]
    with pytest.raises(Reject):
        read_task(Message(RecordDict({"commonhold": record}), 1, "train"))
