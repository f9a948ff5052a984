"""Checking an answer: each question has an answer, and each lie fails the one that it is about."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nacl.signing import SigningKey

from federated.answer import ANSWER_FILE, MARKDOWN_FILE, Cost, Origin, compose, to_markdown
from federated.answer_check import check_answer
from federated.grid import sum_deviation
from federated.model_check import Verdict
from federated.questions import parse
from federated.signed_card import canonical, sign
from federated.spec import spec_of
from protocol.errors import ConfigError, Reject
from protocol.limits import PPM
from tests.simulated import LABELS, Network, Person
from tests.simulated_training import enrol, finish, model_of, open_job, train

QUESTION = "histogram age 0 100 10"


class Desk:
    """A network whose partners answered a question, and the folder that the answer is passed on in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        people = [Person(name) for name in ("ada", "ben", "cyn")]
        self.net = Network(*people)
        open_job(
            self.net,
            *people,
            task="statistics",
            task_options=json.dumps({"question": QUESTION}),
            is_question=True,
            upload_bits=32,
            columns=["age"],
            rounds=1,
            sampling_ppm=PPM,
            noise_micro=60 * PPM,
            title="Ages",
        )
        enrol(self.net, *people)
        train(self.net, *people[:2])
        self.key = self.net.operator.signing_key

    def answer(self, **changes: object) -> dict[str, object]:
        job = self.net.state.jobs["train"]
        spec, question, [done] = spec_of(job.terms, LABELS), parse(QUESTION), job.rounds
        origin = Origin(self.net.state.network, "train", "Ages", 5, [10], done.partners)
        noise = np.random.default_rng(1).normal(100, 5, question.cells)
        deviation = sum_deviation(spec, len(done.partners))
        made = compose(question, noise, deviation, origin, Cost({"public": 3 * PPM}, spec.delta))
        its: dict[str, object] = json.loads(made)
        return its | changes

    def ship(self, answer: dict[str, object], *, key: SigningKey | None = None) -> None:
        """Writes it, and the record that names it."""
        key = key or self.key
        text = canonical(answer)
        signed = sign(text, bytes(key.verify_key), lambda message: key.sign(message).signature)
        (self.folder / ANSWER_FILE).write_bytes(signed)
        (self.folder / MARKDOWN_FILE).write_text(to_markdown(text))
        if self.net.state.jobs["train"].result is None:
            record = model_of(self.net)
            record.card = hashlib.sha256(signed).digest()
            for field in ("artifact", "held_back", "fp32_bytes", "int8_bytes"):
                record.ClearField(field)
            finish(self.net, record)

    def verdicts(self) -> dict[str, Verdict]:
        return {each.name: each.verdict for each in check_answer(self.folder, self.net.state)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_answer_that_is_what_log_and_noise_say_holds_in_all(desk: Desk) -> None:
    desk.ship(desk.answer())
    names = {"signature", "figures", "answer.md", "log", "lineage", "epsilon"}
    assert desk.verdicts() == dict.fromkeys(names, Verdict.HOLDS)


def test_without_a_log_what_needs_one_is_not_checked(desk: Desk) -> None:
    desk.ship(desk.answer())
    (desk.folder / MARKDOWN_FILE).unlink()
    found = check_answer(desk.folder, None)
    unchecked = {each.name for each in found if each.verdict is Verdict.UNCHECKED}
    assert unchecked == {"answer.md", "log", "lineage", "epsilon"}
    assert {each.verdict for each in found if each.name not in unchecked} == {Verdict.HOLDS}


@pytest.mark.parametrize(
    ("change", "question"),
    [
        ({"figures": []}, "figures"),
        ({"partners": []}, "lineage"),
        ({"title": "Others"}, "lineage"),
        ({"delta": "1e-09"}, "lineage"),
        ({"epsilon_micro": {"public": 1}}, "epsilon"),
        ({"network": "00" * 32}, "log"),
        ({"job": "another"}, "log"),
    ],
)
def test_each_lie_fails_the_question_that_it_is_about(
    desk: Desk, change: dict[str, object], question: str
) -> None:
    desk.ship(desk.answer(**change))
    failed = {name for name, verdict in desk.verdicts().items() if verdict is Verdict.FAILS}
    assert failed == {question}


def test_another_answer_and_another_author_are_not_the_logs(desk: Desk) -> None:
    desk.ship(desk.answer())
    desk.ship(desk.answer(how_to_read=[]))
    assert desk.verdicts()["log"] is Verdict.FAILS
    desk.ship(desk.answer(), key=SigningKey(b"m" * 32))
    assert desk.verdicts()["log"] is Verdict.FAILS
    (desk.folder / MARKDOWN_FILE).write_text("All is well.")
    assert desk.verdicts()["answer.md"] is Verdict.FAILS


def test_noise_that_is_not_the_logs_fails(desk: Desk) -> None:
    desk.ship(desk.answer())
    job = desk.net.state.jobs["train"]
    desk.net.state.jobs.put("train", replace(job, terms=replace(job.terms, noise_micro=PPM)))
    assert desk.verdicts()["lineage"] is desk.verdicts()["epsilon"] is Verdict.FAILS


def test_a_folder_without_an_answer_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        check_answer(tmp_path, None)
    (tmp_path / ANSWER_FILE).write_bytes(b"{}")
    with pytest.raises(Reject):
        check_answer(tmp_path, None)
