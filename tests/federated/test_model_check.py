"""Checking a model: each question has an answer, and each lie fails the one that it is about."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from federated.card import Facts, Lineage, compose
from federated.folder import CARD_FILE, ModelFolder
from federated.model_check import Verdict, check_model
from federated.onnx_pack import Precision
from federated.release import Release, release
from federated.signed_card import sign
from federated.spec import spec_of
from protocol.limits import PPM
from protocol.log.envelope import Signer
from tests.federated.model_lab import FACTS, trained
from tests.simulated import LABELS, Network, Person
from tests.simulated_training import enrol, finish, model_of, open_job, train
from tests.training_lab import SPEC, TASK, skewed

CODE = b"c" * 32
_, REST = skewed(600, 1, seed=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return release(TASK, trained(), REST.take(slice(200)), tmp_path_factory.mktemp("made"))


class Shop:
    """A network whose job made a model, and the folder that it is passed on in."""

    def __init__(self, made: Release, folder: Path) -> None:
        self.made, self.folder = made, folder
        for each in made.artifacts:
            (folder / each.path.name).write_bytes(each.path.read_bytes())
        people = [Person(name) for name in ("ada", "ben", "cyn")]
        self.net = Network(*people)
        open_job(
            self.net,
            *people,
            task=SPEC.task,
            task_options=SPEC.options,
            task_code=CODE,
            sampling_ppm=PPM,
            noise_micro=60 * PPM,
        )
        enrol(self.net, *people)
        train(self.net, *people[:2])
        train(self.net, *people)
        self.key = self.net.operator.signing_key

    def lineage(self) -> Lineage:
        job = self.net.state.jobs["train"]
        took_part = Counter(who for round_ in job.rounds for who in round_.partners)
        network = self.net.state.network
        parts = dict(sorted(took_part.items()))
        return Lineage(network, 5, (10, 15), parts, job.epsilon_micro, CODE)

    def ship(
        self, *, lineage: Lineage | None = None, facts: Facts = FACTS, key: SigningKey | None = None
    ) -> None:
        """The card, and the record that names it."""
        terms = self.net.state.jobs["train"].terms
        text = compose(spec_of(terms, LABELS), self.made, lineage or self.lineage(), facts)
        key = key or self.key
        signer: Signer = lambda message: key.sign(message).signature  # noqa: E731
        signed = sign(text, bytes(key.verify_key), signer)
        (self.folder / CARD_FILE).write_bytes(signed)
        record = model_of(self.net)
        record.card = hashlib.sha256(signed).digest()
        record.artifact = self.made.of(Precision.INT8).digest
        finish(self.net, record)

    def verdicts(self) -> dict[str, Verdict]:
        found = check_model(ModelFolder.read(self.folder), self.net.state)
        return {each.name: each.verdict for each in found}


@pytest.fixture
def shop(made: Release, tmp_path: Path) -> Shop:
    return Shop(made, tmp_path)


TERMS = replace(FACTS, licence="CC-BY-4.0")


def test_a_model_that_is_what_log_and_card_say_holds_in_all(shop: Shop) -> None:
    shop.ship(facts=TERMS)
    verdicts = shop.verdicts()
    assert set(verdicts.values()) == {Verdict.HOLDS}
    assert {"signature", "log", "lineage", "epsilon", "standing", "model-int8.onnx"} <= set(
        verdicts
    )


def test_without_a_log_what_needs_one_is_not_checked(shop: Shop) -> None:
    shop.ship(facts=TERMS)
    found = check_model(ModelFolder.read(shop.folder), None)
    unchecked = {each.name for each in found if each.verdict is Verdict.UNCHECKED}
    assert unchecked == {"log", "lineage", "epsilon", "standing"}


def test_a_file_that_is_missing_or_another_is_told_apart(shop: Shop) -> None:
    shop.ship(facts=TERMS)
    (shop.folder / "model-int4.onnx").unlink()
    (shop.folder / "model-fp32.onnx").write_bytes(b"junk")
    verdicts = shop.verdicts()
    assert verdicts["model-int4.onnx"] is Verdict.UNCHECKED
    assert verdicts["model-fp32.onnx"] is Verdict.FAILS
    assert verdicts["model-int8.onnx"] is Verdict.HOLDS


Change = Callable[[Shop], None]


def other_partners(shop: Shop) -> None:
    shop.ship(facts=TERMS, lineage=replace(shop.lineage(), partners={}))


def other_licence(shop: Shop) -> None:
    shop.ship(facts=replace(TERMS, licence="MIT"))


def other_author(shop: Shop) -> None:
    shop.ship(facts=TERMS, key=SigningKey(b"m" * 32))


def other_network(shop: Shop) -> None:
    shop.ship(facts=TERMS, lineage=replace(shop.lineage(), network=b"o" * 32))


def other_cost(shop: Shop) -> None:
    shop.ship(facts=TERMS, lineage=replace(shop.lineage(), spent_micro=1))


@pytest.mark.parametrize(
    ("lie", "question"),
    [
        (other_partners, "lineage"),
        (other_licence, "lineage"),
        (other_cost, "lineage"),
        (other_author, "log"),
        (other_network, "log"),
    ],
)
def test_each_lie_fails_the_question_that_it_is_about(
    shop: Shop, lie: Change, question: str
) -> None:
    lie(shop)
    failed = {name for name, verdict in shop.verdicts().items() if verdict is Verdict.FAILS}
    assert failed == {question}


def test_a_card_that_the_log_does_not_name_fails(shop: Shop) -> None:
    shop.ship(facts=TERMS)
    signed = json.loads((shop.folder / CARD_FILE).read_bytes())
    text = compose(
        spec_of(shop.net.state.jobs["train"].terms, LABELS),
        shop.made,
        shop.lineage(),
        replace(TERMS, title="Another"),
    )
    assert signed["card"]["title"] != "Another"
    again = sign(text, bytes(shop.key.verify_key), lambda m: shop.key.sign(m).signature)
    (shop.folder / CARD_FILE).write_bytes(again)
    assert shop.verdicts()["log"] is Verdict.FAILS


def test_noise_that_does_not_keep_what_is_stated_fails(shop: Shop) -> None:
    shop.ship(facts=TERMS)
    job = shop.net.state.jobs["train"]
    shop.net.state.jobs.put("train", replace(job, terms=replace(job.terms, noise_micro=PPM)))
    assert shop.verdicts()["epsilon"] is Verdict.FAILS
