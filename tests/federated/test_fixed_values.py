"""A model's fixed values travel once, whoever starts again asks for them, and nobody has others accepted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from commonhold.digits import LABELS, load_digits
from federated.data import IMAGE, LABEL, Table
from federated.flower.grid import LocalGrid
from federated.messages import Task, read_task, task_message, wanted_message
from federated.model import encode_fixed, encode_trained, fixed_digest
from federated.tasks.registry import made
from federated.tasks.task import initial_weights
from tests.federated_lab import ROUNDS, Lab
from tests.simulated import Person
from tests.simulated_training import start

DIGITS = load_digits()
PUBLIC = Table({IMAGE: DIGITS.images[-200:, :, :, None], LABEL: DIGITS.labels[-200:]})
WHITE = made("images", {"dims": 32, "cells": 3}, LABELS)
FIRST = initial_weights(WHITE, "images", PUBLIC)
FIXED = encode_fixed(FIRST)


@dataclass
class Watched(LocalGrid):
    """Keeps what is sent to whom: whether the fixed values were in it."""

    sent: list[tuple[bytes, int, bool]] = field(default_factory=list)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        given = list(messages)
        for each in given:
            if each.metadata.message_type == "train":
                task = read_task(each)
                key = self._keys[each.metadata.dst_node_id]
                self.sent.append((key, task.round, bool(task.fixed)))
        return super().push_messages(given)

    def of(self, key: bytes) -> list[tuple[int, bool]]:
        return [(round_, full) for each, round_, full in self.sent if each == key]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path, task=WHITE, first=FIRST)
    yield lab
    lab.close()


def once(upto: int) -> list[tuple[int, bool]]:
    return [(1, True), *((round_, False) for round_ in range(2, upto + 1))]


def test_they_travel_once(lab: Lab) -> None:
    grid = Watched(lab.apps([lab.enrol(person) for person in lab.people]))
    lab.serve(grid)
    assert len(lab.net.state.jobs[lab.terms.id].rounds) == ROUNDS
    assert all(grid.of(lab.key(person)) == once(ROUNDS) for person in lab.people)


def test_whoever_started_again_asks_for_them(lab: Lab) -> None:
    partners = [lab.enrol(person) for person in lab.people]
    killed = lab.people[0]

    class Forgets(ClientApp):
        """Starts again before each message."""

        def __call__(self, message: Message, context: Context) -> Message:
            return lab.app(killed, partners[0])(message, context)

    grid = Watched(lab.apps(partners) | {lab.key(killed): Forgets()})
    lab.serve(grid)
    assert len(lab.net.state.jobs[lab.terms.id].rounds) == ROUNDS
    asked = [(round_, full) for round_ in range(2, ROUNDS + 1) for full in (False, True)]
    assert grid.of(lab.key(killed)) == [(1, True), *asked]
    assert lab.charged(killed) == ROUNDS


def test_whoever_wants_them_for_ever_is_left_out(lab: Lab) -> None:
    partners, greedy = [lab.enrol(person) for person in lab.people], lab.people[0]

    class Greedy(ClientApp):
        def __call__(self, message: Message, _: Context) -> Message:
            return wanted_message(read_task(message), message)

    grid = Watched(lab.apps(partners) | {lab.key(greedy): Greedy()})
    lab.serve(grid)
    done = lab.net.state.jobs[lab.terms.id].rounds
    assert [greedy.id in each.partners for each in done] == [False] * ROUNDS
    assert len(grid.of(lab.key(greedy))) <= 4 * ROUNDS


def answers(lab: Lab, person: Person, app: ClientApp, task: Task) -> Message:
    grid = LocalGrid({lab.key(person): app})
    return next(iter(grid.send_and_receive([task_message(task, 1, 60)])))


def test_others_are_refused_and_not_kept(lab: Lab) -> None:
    person = lab.people[0]
    app, *_ = (lab.app(each, lab.enrol(each)) for each in lab.people)
    start(lab.net)
    lean = Task(lab.terms.id, 1, encode_trained(FIRST), fixed_digest(FIRST))
    other = np.frombuffer(FIXED, "<f4")[::-1].tobytes()

    def said(fixed: bytes, named: bytes = lean.named) -> str:
        task = Task(lean.job_id, 1, lean.base, named, fixed)
        return answers(lab, person, app, task).error.reason or ""

    assert "not those that they are named by" in said(other)
    theirs = hashlib.sha256(other).digest()
    assert "not the one that the log names" in said(other, theirs)
    wanted = answers(lab, person, app, Task(lean.job_id, 1, lean.base, theirs))
    assert wanted.content["commonhold"]["wanted"] == theirs, "they were not kept"
    assert not answers(
        lab, person, app, Task(lean.job_id, 1, lean.base, lean.named, FIXED)
    ).has_error()
    assert lab.charged(person) == 1
    assert "not those that they are named by" in said(other), "nor in place of the right ones"
    assert not answers(lab, person, app, lean).has_error()
