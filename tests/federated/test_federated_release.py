"""What ships computes what was trained, and the card says what is known of it and is signed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from nacl.signing import SigningKey

from commonhold.digits import LABELS
from federated import onnx_files
from federated.card import Lineage, compose, interval_ppm, to_markdown
from federated.data import PrivateData, Table
from federated.model import Weights
from federated.onnx_files import run
from federated.privacy import adversaries, epsilon_micro
from federated.release import Release, release
from federated.signed_card import sign, verify
from federated.tasks.task import Scores
from protocol.errors import ConfigError, Reject, StateError
from protocol.identity import KeyId, PersonId, name_of
from tests.training_lab import BLANK, TASK, skewed, spec, table

SPEC = spec()
(SHARE,), REST = skewed(600, 1, seed=2)
HELD_BACK, CALIBRATION = REST.take(slice(400)), REST.take(slice(400, 500))
FED, TARGETS = TASK.feed(HELD_BACK, {}), TASK.targets(HELD_BACK)
KEY = SigningKey(bytes(range(32)))
AUTHOR = KeyId(bytes(KEY.verify_key))
ONE, OTHER = PersonId(b"o" * 32), PersonId(b"p" * 32)
LINEAGE = Lineage(b"n" * 32, 12, (15, 19, 23), {ONE: 3, OTHER: 2}, b"s" * 32)


def fitted(data: PrivateData) -> Weights:
    """A good head without any training: ridge regression on the features."""
    x, y = TASK.inputs(data.table, {}), TASK.targets(data.table)
    solution = np.linalg.solve(x.T @ x + 0.1 * np.eye(x.shape[1]), x.T @ np.eye(10)[y])
    return BLANK.replaced(np.append(solution.T, np.zeros(10)).astype(np.float32))


WEIGHTS = fitted(SHARE)
TRAINED: Scores = TASK.scores(WEIGHTS, TASK.inputs(HELD_BACK, {}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return release(TASK, WEIGHTS, HELD_BACK, CALIBRATION, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def card(made: Release) -> bytes:
    return compose(SPEC, made, LINEAGE, title="Digits | <b>all</b>\n# of them", cpu_seconds=12.5)


def sign_with(message: bytes) -> bytes:
    return KEY.sign(message).signature


# ---- the files ----


def test_both_files_say_what_the_trained_model_says(made: Release) -> None:
    np.testing.assert_allclose(run(made.fp32.path, FED), TRAINED, atol=1e-4)
    int8 = run(made.int8.path, FED)
    assert (int8.argmax(axis=1) == TRAINED.argmax(axis=1)).mean() > 0.98
    right = int((TRAINED.argmax(axis=1) == TARGETS).sum())
    assert made.fp32.accuracy_ppm == right * 1_000_000 // 400 > 850_000
    assert abs(made.int8.accuracy_ppm - made.fp32.accuracy_ppm) <= 10_000


def test_sizes_and_hashes_are_those_of_the_files(made: Release) -> None:
    for artifact in (made.fp32, made.int8):
        raw = artifact.path.read_bytes()
        assert artifact.size_bytes == len(raw)
        assert artifact.digest == hashlib.sha256(raw).digest()
    assert made.size_ratio == made.fp32.size_bytes / made.int8.size_bytes > 2
    assert made.held_back == 400


def test_the_head_is_in_integers_and_the_labels_are_inside(made: Release) -> None:
    model = onnx.load(made.int8.path)
    weights = max(model.graph.initializer, key=lambda array: len(array.raw_data))
    assert weights.data_type == onnx.TensorProto.INT8 and list(weights.dims) == [10, 729]
    assert json.loads(model.metadata_props[0].value) == list(LABELS)
    assert [each.name for each in model.graph.input] == ["inputs"]
    assert [each.name for each in model.graph.output] == ["scores"]


def test_the_same_weights_give_the_same_files(made: Release, tmp_path: Path) -> None:
    again = release(TASK, WEIGHTS, HELD_BACK, CALIBRATION, tmp_path)
    assert (again.fp32.digest, again.int8.digest) == (made.fp32.digest, made.int8.digest)


def test_an_untrained_model_and_a_single_blank_image_are_released_too(tmp_path: Path) -> None:
    blank: Table = table(np.zeros((1, 28, 28), np.uint8), np.array([0]))
    shipped = release(TASK, BLANK, blank, blank, tmp_path)
    assert np.isfinite(run(shipped.int8.path, TASK.feed(blank, {}))).all()


def test_a_release_needs_something_to_be_measured_with(tmp_path: Path) -> None:
    nothing = HELD_BACK.take(slice(0))
    for held_back, calibration in ((nothing, CALIBRATION), (HELD_BACK, nothing)):
        with pytest.raises(ConfigError, match="held-back"):
            release(TASK, WEIGHTS, held_back, calibration, tmp_path)


def test_a_file_that_computes_something_else_is_not_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_files, "run", lambda *_: TRAINED + np.float32(1))
    with pytest.raises(StateError, match="does not compute"):
        release(TASK, WEIGHTS, HELD_BACK, CALIBRATION, tmp_path)


# ---- the card ----


def test_the_card_says_what_the_model_cost_and_how_well_it_does(card: bytes, made: Release) -> None:
    its = json.loads(card)
    privacy = its["privacy"]
    assert privacy["epsilon_micro"] == epsilon_micro(6.25, 1.0, SPEC.rounds, 1e-5)
    assert (privacy["delta_ppb"], privacy["accounting"]) == (10_000, "exact Gaussian")
    assert privacy["unit"].startswith("one example") and privacy["trust"] == "committee"
    assert "under masks" in privacy["trust_means"]
    assert [(each["who"], each["epsilon_micro"]) for each in privacy["towards"]] == [
        (each.who, each.bound.epsilon_micro) for each in adversaries(SPEC)
    ]
    assert its["quality"]["int8"]["sha256"] == made.int8.digest.hex()
    assert its["quality"]["held_back"] == 400
    low, high = its["quality"]["int8"]["interval_95_ppm"]
    assert low < made.int8.accuracy_ppm < high
    assert its["lineage"]["partners"] == {name_of(ONE): 3, name_of(OTHER): 2}
    assert its["energy"]["millijoules"] == 187_500


def test_a_card_has_one_text(card: bytes, made: Release) -> None:
    its = json.loads(card)
    assert json.dumps(its, sort_keys=True, separators=(",", ":")).encode() == card
    assert not any(isinstance(each, float) for each in its["training"].values())
    partners = dict(reversed(list(LINEAGE.partners.items())))
    reordered = replace(LINEAGE, partners=partners)
    assert compose(SPEC, made, reordered, title=its["title"], cpu_seconds=12.5) == card


def test_a_signed_card_verifies_and_names_its_author(card: bytes) -> None:
    signed = sign(card, AUTHOR, sign_with)
    assert verify(signed) == (AUTHOR, card)


def test_whatever_is_changed_in_a_signed_card_is_noticed(card: bytes) -> None:
    signed = sign(card, AUTHOR, sign_with)
    another = sign(card, bytes(SigningKey(b"o" * 32).verify_key), sign_with)
    for changed in (
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b" " + signed,
        signed + b"\n",
        signed.replace(b'"coordinator"', b'"nobody"'),
        signed.replace(b'"signature":"', b'"signature":" '),
        signed[:-66].replace(b'"key":"', b'"key":1,"x":"') + signed[-66:],
        json.dumps(json.loads(signed), indent=1).encode(),
        another,
    ):
        with pytest.raises(Reject):
            verify(changed)


def test_people_can_read_it_and_nobody_can_write_into_it(card: bytes) -> None:
    text = to_markdown(card)
    assert text.startswith("# Digits &#124; &#60;b&#62;all&#60;/b&#62; &#35; of them\n")
    for words in (
        "Epsilon 2.98",
        "Towards the coordinator: ",
        "Towards another partner, who",
        "400 held-back",
        "187.5 J",
        "entries 15, 19, 23",
    ):
        assert words in text
    assert "<b>" not in text


@pytest.mark.parametrize(
    ("accuracy", "examples", "expected"),
    [
        (500_000, 100, (403_829, 596_171)),  # Wilson, as in Brown, Cai & DasGupta (2001)
        (1_000_000, 10, (722_467, 1_000_000)),
        (0, 10, (0, 277_533)),
    ],
)
def test_the_interval_is_wilsons(accuracy: int, examples: int, expected: tuple[int, int]) -> None:
    low, high = interval_ppm(accuracy, examples)
    assert abs(low - expected[0]) <= 2 and abs(high - expected[1]) <= 2
