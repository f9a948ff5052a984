"""What ships computes what was trained, in every precision, and nothing was calibrated for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime import InferenceSession

from commonhold.digits import LABELS
from federated import release as releases
from federated.compress import pruned
from federated.data import PrivateData, Table
from federated.export import Extras, require_fits
from federated.model import Weights
from federated.onnx_graph import linear_graph, pruned_graph
from federated.onnx_pack import Precision, packed
from federated.onnx_run import Model
from federated.release import DRIFT_BINS, Release, release
from federated.tasks import LinearTask
from federated.tasks.registry import made as made_task
from federated.tasks.task import Inputs, Scores, blank
from protocol.errors import ConfigError, StateError
from tests.training_lab import BLANK, TASK, skewed, table

(SHARE,), REST = skewed(600, 1, seed=2)
HELD_BACK, PUBLIC = REST.take(slice(400)), REST.take(slice(400, 900))
FED, INPUTS, TARGETS = TASK.feed(HELD_BACK, {}), TASK.inputs(HELD_BACK, {}), TASK.targets(HELD_BACK)
EVERYTHING = Extras(prune_percent=50, student=True)


def fitted(data: PrivateData) -> Weights:
    """A good head without any training: ridge regression on the features."""
    x, y = TASK.inputs(data.table, {}), TASK.targets(data.table)
    solution = np.linalg.solve(x.T @ x + 0.1 * np.eye(x.shape[1]), x.T @ np.eye(10)[y])
    return BLANK.replaced(np.append(solution.T, np.zeros(10)).astype(np.float32))


WEIGHTS = fitted(SHARE)
TRAINED: Scores = TASK.scores(WEIGHTS, INPUTS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("model")
    return release(TASK, WEIGHTS, HELD_BACK, folder, extras=EVERYTHING, public=PUBLIC)


def test_every_graph_is_there_in_every_precision(made: Release) -> None:
    names = [(each.name, each.precision) for each in made.artifacts]
    graphs = ("model", "head", "pruned", "student")
    assert names == [(name, precision) for name in graphs for precision in Precision]
    for each in made.artifacts:
        raw = each.path.read_bytes()
        assert each.path.name == f"{each.name}-{each.precision}.onnx"
        assert (each.size_bytes, each.digest) == (len(raw), hashlib.sha256(raw).digest())


@pytest.mark.parametrize(("name", "asked"), [("model", FED), ("head", INPUTS)])
def test_files_say_what_the_trained_model_says(made: Release, name: str, asked: Inputs) -> None:
    said = {each: Model(made.of(each, name).path).scores(asked) for each in Precision}
    np.testing.assert_allclose(said[Precision.FP32], TRAINED, atol=1e-4)
    np.testing.assert_allclose(said[Precision.FP16], TRAINED, atol=1e-2)
    same = {each: (found.argmax(1) == TRAINED.argmax(1)).mean() for each, found in said.items()}
    assert (
        same[Precision.FP16] > 0.99 and same[Precision.INT8] > 0.98 and same[Precision.INT4] > 0.9
    )
    right = int((TRAINED.argmax(axis=1) == TARGETS).sum())
    assert made.fp32.accuracy_ppm == right * 1_000_000 // 400 > 850_000
    assert abs(made.int8.accuracy_ppm - made.fp32.accuracy_ppm) <= 10_000


def test_a_head_of_4000_weights_is_as_much_smaller_as_its_integers() -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(10, 400)).astype(np.float32)
    graph = linear_graph(weight, rng.normal(size=10).astype(np.float32), LABELS)
    sizes = {each: len(packed(graph, each).SerializeToString()) for each in Precision}
    assert sizes[Precision.FP32] >= 3.8 * sizes[Precision.INT8]
    assert sizes[Precision.FP32] >= 7 * sizes[Precision.INT4]
    assert sizes[Precision.FP32] >= 1.9 * sizes[Precision.FP16]


def test_weights_are_in_integers_and_the_labels_are_inside(made: Release) -> None:
    for precision, kind in ((Precision.INT8, "INT8"), (Precision.INT4, "INT4")):
        artifact = made.of(precision, "head")
        graph = onnx.load(artifact.path).graph
        kinds = {onnx.TensorProto.DataType.Name(each.data_type) for each in graph.initializer}
        assert kinds == {kind, "FLOAT"}, "the bias and the scales are in floats"
        assert Model(artifact.path).labels == LABELS
        assert (artifact.takes.name, artifact.takes.shape) == ("features", INPUTS.shape[1:])
    takes = made.int8.takes
    assert (takes.name, takes.shape, takes.kind.name) == ("inputs", (28, 28, 1), "uint8")


def test_what_one_asks_does_not_hang_on_what_else_is_in_the_batch(made: Release) -> None:
    for artifact in made.artifacts:
        model = Model(artifact.path)
        asked = INPUTS if artifact.takes.name == "features" else FED
        alone = np.concatenate([model.scores(asked[at : at + 1]) for at in range(5)])
        together = model.scores(asked)[:5]
        assert np.abs(together - alone).max() < 1e-3 * together.std()


def test_the_same_weights_give_the_same_files(made: Release, tmp_path: Path) -> None:
    again = release(TASK, WEIGHTS, HELD_BACK, tmp_path, extras=EVERYTHING, public=PUBLIC)
    assert [each.digest for each in again.artifacts] == [each.digest for each in made.artifacts]


def test_results_by_class_add_up_and_the_baseline_is_what_int8_says(made: Release) -> None:
    said = Model(made.int8.path).scores(FED)
    assert [each.label for each in made.classes] == list(LABELS)
    assert sum(each.examples for each in made.classes) == len(HELD_BACK)
    right = sum(each.right for each in made.classes)
    assert right == int((said.argmax(axis=1) == TARGETS).sum())
    assert made.drift is not None
    assert sum(made.drift.sureness) == len(HELD_BACK) and len(made.drift.sureness) == DRIFT_BINS
    zeros = int((said.argmax(axis=1) == 0).sum())
    assert made.drift.shares_ppm[0] == zeros * 1_000_000 // 400


def test_a_pruned_head_is_smaller_and_a_student_learns_from_public_examples(made: Release) -> None:
    pruned, head = made.of(Precision.FP32, "pruned"), made.of(Precision.FP32, "head")
    assert pruned.size_bytes < 0.6 * head.size_bytes
    assert pruned.takes.shape == head.takes.shape, "it leaves features out by itself"
    assert pruned.accuracy_ppm > 700_000
    student = made.of(Precision.FP32, "student")
    assert student.takes.shape == made.fp32.takes.shape
    assert student.accuracy_ppm > 700_000


@pytest.mark.parametrize("labels", [1, 2, 10])
def test_a_pruned_head_of_few_labels_is_smaller_too(labels: int) -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(labels, 3_969)).astype(np.float32)
    kept = pruned(weight, 50)
    asked = rng.normal(size=(5, 3_969)).astype(np.float32)
    names = [str(each) for each in range(labels)]
    head, short = linear_graph(weight, None, names), pruned_graph(weight, None, kept, names)
    for precision in Precision:
        sizes = [len(packed(each, precision).SerializeToString()) for each in (head, short)]
        assert sizes[1] < {1: 0.97, 2: 0.72, 10: 0.6}[labels] * sizes[0], precision
    said = InferenceSession(short.SerializeToString()).run(None, {"features": asked})[0]
    np.testing.assert_allclose(said, asked[:, kept] @ weight[:, kept].T, atol=1e-3)


def test_a_short_list_of_features_stays_a_list() -> None:
    weight = np.ones((2, 45), np.float32)
    graph = pruned_graph(weight, None, np.arange(5, dtype=np.int32), ["a", "b"]).graph
    assert [node.op_type for node in graph.node] == ["Gather", "Gemm"]


def test_features_that_save_nothing_when_left_out_are_zeros(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A matrix that is just large enough for integers is too small for them without half of its columns."""
    task = made_task("text", {"dims": 64}, ("a", "b", "c", "d"))
    rng = np.random.default_rng(1)
    shape = blank(task, "text")
    weights = shape.replaced(rng.normal(size=shape.vector.size).astype(np.float32))
    texts = np.array([f"{each} words" for each in range(20)], dtype=object)
    rows = Table({"text": texts, "label": np.array([*"abcd"] * 5, dtype=object)})
    shipped = release(task, weights, rows, tmp_path, extras=Extras(prune_percent=50))
    whole, short = (shipped.of(Precision.INT4, name) for name in ("model", "pruned"))
    assert "pruned-int4.onnx: leaving features out saves nothing" in caplog.text
    assert short.size_bytes <= whole.size_bytes
    [words] = [each for each in caplog.messages if each.startswith("pruned-int4")]
    assert "zeros are shipped" in words
    asked = task.inputs(rows, weights.fixed)
    kept = pruned(weights.arrays["weight"], 50)
    rest = np.setdiff1d(np.arange(64), kept)
    changed = asked.copy()
    changed[:, rest] += 1
    model = Model(short.path)
    # A runtime rounds activations to integers; a feature that counted would move scores by one and more.
    np.testing.assert_allclose(model.scores(changed), model.scores(asked), atol=0.1)
    fine = shipped.of(Precision.FP32, "pruned")
    assert fine.size_bytes < shipped.fp32.size_bytes
    assert "pruned-fp32" not in caplog.text


def test_an_untrained_model_and_a_single_blank_image_are_released_too(tmp_path: Path) -> None:
    empty: Table = table(np.zeros((1, 28, 28), np.uint8), np.array([0]))
    shipped = release(TASK, BLANK, empty, tmp_path)
    for artifact in shipped.artifacts:
        asked = TASK.feed if artifact.name == "model" else TASK.inputs
        assert np.isfinite(Model(artifact.path).scores(asked(empty, {}))).all()


def test_a_release_needs_something_to_be_measured_with(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="held-back"):
        release(TASK, WEIGHTS, HELD_BACK.take(slice(0)), tmp_path)


def test_a_file_that_computes_something_else_is_not_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = type(TASK).graph

    def wrong(*arguments: Any) -> object:
        graph = right(*arguments)
        largest = max(graph.graph.initializer, key=lambda array: len(array.raw_data))
        largest.raw_data = bytes(len(largest.raw_data))
        return graph

    monkeypatch.setattr(type(TASK), "graph", wrong)
    with pytest.raises(StateError, match="does not compute"):
        release(TASK, WEIGHTS, HELD_BACK, tmp_path)


# ---- what is shipped beside it ----


@dataclass(frozen=True)
class Plain(LinearTask):
    """A task whose features nobody exports."""

    @property
    def columns(self) -> tuple[()]:
        return ()

    @property
    def features(self) -> int:
        return int(INPUTS.shape[1])

    def inputs(self, table: Table, _: object) -> Inputs:
        return TASK.inputs(table, {})


def test_a_task_without_exported_features_has_no_head_beside_the_model(tmp_path: Path) -> None:
    shipped = release(Plain(labels=LABELS), WEIGHTS, HELD_BACK, tmp_path)
    assert {(each.name, each.takes.name) for each in shipped.artifacts} == {("model", "features")}
    assert shipped.fp32.accuracy_ppm > 850_000


def test_extras_that_cannot_be_are_refused_before_anybody_trains() -> None:
    for percent in (-1, 100):
        with pytest.raises(ConfigError, match="--prune"):
            Extras(prune_percent=percent)
    require_fits(Extras(99, student=True), TASK, has_public=True)
    with pytest.raises(ConfigError, match="public examples"):
        require_fits(Extras(student=True), TASK, has_public=False)
    with pytest.raises(ConfigError, match="linear head"):
        require_fits(Extras(1), object(), has_public=True)  # type: ignore[arg-type]


def test_what_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model-int8.onnx"
    for raw in (b"", b"junk", bytes(1_000)):
        path.write_bytes(raw)
        with pytest.raises(ConfigError, match=r"model-int8\.onnx cannot be loaded"):
            Model(path)
    assert releases.MODEL == "model"
