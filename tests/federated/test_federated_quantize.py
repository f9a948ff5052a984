"""Weights as small integers: how far they are off, and that training for them is training at what ships."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from federated.grid import from_ring
from federated.onnx_graph import FEATURES, SCORES, finished
from federated.onnx_pack import IR_VERSION, OPSET, Precision, packed, shorten
from federated.onnx_run import Model
from federated.partner import Partner
from federated.quantize import BLOCK, BLOCKED_MIN, as_shipped, quantize, rounded
from protocol.errors import ConfigError
from tests.training_lab import BLANK, TASK, seeded, skewed, spec

matrices = st.builds(
    lambda seed, rows, columns, scale: (
        np.random.default_rng(seed).normal(size=(rows, columns)) * scale
    ).astype(np.float32),
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.sampled_from([1, 2, 7, 100, BLOCKED_MIN - 1, BLOCKED_MIN, BLOCKED_MIN + 3]),
    st.sampled_from([1e-20, 1.0, 1e20]),
)


@given(matrices, st.sampled_from([4, 8]))
@settings(max_examples=60, deadline=None)
def test_no_value_is_off_by_more_than_half_a_step_or_what_is_cut_off(
    matrix: np.ndarray, bits: int
) -> None:
    most, found = 2 ** (bits - 1) - 1, quantize(matrix, bits)
    assert np.abs(found.integers).max() <= most
    values = found.values()
    assert values.shape == matrix.shape and np.isfinite(values).all()
    scales = np.repeat(found.scales, found.block or matrix.shape[1], axis=1)[:, : matrix.shape[1]]
    inside = np.abs(matrix) <= scales * (most + 0.5)
    assert (
        np.abs(values - matrix)[inside] <= (0.5001 * scales * np.ones_like(matrix))[inside]
    ).all()
    if bits == 8:
        assert inside.all(), "with eight bits nothing is cut off"


@pytest.mark.parametrize("bits", [4, 8])
def test_zeros_stay_zeros_and_rounding_twice_changes_nothing(bits: int) -> None:
    assert not quantize(np.zeros((3, 5), np.float32), bits).values().any()
    once = as_shipped(np.random.default_rng(1).normal(size=(10, 400)).astype(np.float32), 8)
    np.testing.assert_allclose(as_shipped(once, 8), once, rtol=1e-6)


def test_four_bits_are_nearer_than_with_the_range_of_the_largest_value() -> None:
    rows = np.random.default_rng(1).normal(size=(10, 400)).astype(np.float32)
    plain = np.abs(rows).max(axis=1, keepdims=True) / 7
    naive = np.rint(rows / plain) * plain
    assert np.square(quantize(rows, 4).values() - rows).sum() < 0.9 * np.square(naive - rows).sum()


def test_long_rows_have_a_scale_for_each_block() -> None:
    found = quantize(np.ones((2, BLOCKED_MIN + 1), np.float32), 4)
    assert found.scales.shape == (2, BLOCKED_MIN // BLOCK + 1)
    assert quantize(np.ones((2, BLOCKED_MIN - 1), np.float32), 4).scales.shape == (2, 1)


@pytest.mark.parametrize(("columns", "directions"), [(40, 1), (400, 8), (BLOCKED_MIN, 100)])
def test_what_is_known_of_inputs_is_made_use_of(columns: int, directions: int) -> None:
    """Inputs that vary in few directions: outputs are nearer, the same scales, and no value out of range."""
    rng, errors = np.random.default_rng(1), np.zeros(2)
    for _ in range(10):
        matrix = rng.normal(size=(5, columns)).astype(np.float32)
        spread = rng.normal(size=(columns, directions)).astype(np.float32)
        made = quantize(matrix, 4), quantize(matrix, 4, spread=spread)
        np.testing.assert_array_equal(made[0].scales, made[1].scales)
        assert np.abs(made[1].integers).max() <= 7
        errors += [np.linalg.norm((each.values() - matrix) @ spread) for each in made]
    assert errors[1] < 0.5 * errors[0]


def test_a_column_that_never_varies_is_rounded_by_itself() -> None:
    matrix = np.random.default_rng(1).normal(size=(4, 50)).astype(np.float32)
    still = np.zeros((50, 3), np.float32)
    np.testing.assert_array_equal(
        quantize(matrix, 4, spread=still).integers, quantize(matrix, 4).integers
    )


@pytest.mark.parametrize("bits", [0, 1, 16])
def test_other_numbers_of_bits_are_refused(bits: int) -> None:
    with pytest.raises(ConfigError, match=f"{bits} bits"):
        quantize(np.ones((1, 1), np.float32), bits)


# ---- what a runtime makes of the files is what training was done at ----


def graph_of(op: str, weight: np.ndarray, shape: list[int | None], out: int) -> object:
    stored = numpy_helper.from_array(weight, "w")
    attributes = {"transB": 1} if op == "Gemm transposed" else {}
    node = helper.make_node(op.split(maxsplit=1)[0], [FEATURES, "w"], [SCORES], **attributes)  # type: ignore[arg-type]
    outputs = [None, out] if len(shape) == 2 else [None, out, None, None]
    graph = helper.make_graph(
        [node],
        "model",
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, outputs)],
        [stored],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    return finished(made, [])


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT4])
@pytest.mark.parametrize(
    ("op", "rows"), [("Gemm", 12), ("Gemm transposed", 12), ("MatMul", 12), ("MatMul", 9_000)]
)
def test_a_runtime_reads_the_values_that_training_was_done_at(
    op: str, rows: int, precision: Precision
) -> None:
    """Also of rows so long that they have blocks, in both layouts."""
    rng, columns = np.random.default_rng(3), 1_100
    weight = rng.normal(size=(min(rows, 16), columns)).astype(np.float32)
    stored = weight if op == "Gemm transposed" else np.ascontiguousarray(weight.T)
    x = rng.normal(size=(3, columns)).astype(np.float32)
    made = packed(graph_of(op, stored, [None, columns], len(weight)), precision)
    bits = {Precision.INT8: 8, Precision.INT4: 4}[precision]
    said = Model(made.SerializeToString()).scores(x)
    expected = x @ as_shipped(weight, bits).T
    # It may round what it multiplies with, too.
    assert np.abs(said - expected).max() < 0.03 * expected.std()


@pytest.mark.parametrize("precision", list(Precision))
def test_convolutions_are_packed_by_channel(precision: Precision) -> None:
    rng = np.random.default_rng(4)
    weight = rng.normal(size=(16, 3, 5, 5)).astype(np.float32)
    x = rng.normal(size=(2, 3, 9, 9)).astype(np.float32)
    made = packed(graph_of("Conv", weight, [None, 3, 9, 9], 16), precision)
    assert (
        len(made.SerializeToString()) < 4 * weight.size / (2 if precision != "fp32" else 0.9) + 600
    )
    said = Model(made.SerializeToString()).scores(x)
    whole = Model(graph_of("Conv", weight, [None, 3, 9, 9], 16).SerializeToString()).scores(x)  # type: ignore[attr-defined]
    assert np.corrcoef(said.ravel(), whole.ravel())[0, 1] > 0.98


def test_constants_are_computed_unless_they_are_large() -> None:
    """A size from sizes is a number; a large mask stays the operation that makes it."""
    constants = {"two": [2], "three": [3], "many": [1, 400]}
    nodes = [
        *(
            helper.make_node(
                "Constant", [], [name], value=numpy_helper.from_array(np.array(each, np.int64))
            )
            for name, each in constants.items()
        ),
        helper.make_node("Mul", ["two", "three"], ["six"]),
        helper.make_node("Mul", ["three", "two"], ["six again"]),
        helper.make_node("Add", ["six", "six again"], ["twelve"]),
        helper.make_node("Cast", ["twelve"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ConstantOfShape", ["many"], ["mask"]),
        helper.make_node("Add", [FEATURES, "mask"], ["masked"]),
        helper.make_node("Mul", ["masked", "float"], [SCORES]),
    ]
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, [None, 400])],
        [helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, [None, 400])],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    shorten(made)
    onnx.checker.check_model(made)
    assert [each.op_type for each in made.graph.node] == ["ConstantOfShape", "Add", "Mul"]
    stored = [numpy_helper.to_array(each).tolist() for each in made.graph.initializer]
    assert stored == [[1, 400], [12.0]]
    x = np.ones((2, 400), np.float32)
    np.testing.assert_array_equal(Model(finished(made, []).SerializeToString()).scores(x), 12 * x)


def test_what_goes_without_saying_is_not_said() -> None:
    """Default attributes, steps that only pass on, an array that is there already: all else stays."""
    rng = np.random.default_rng(5)
    weight, pads = rng.normal(size=(4, 1, 3, 3)).astype(np.float32), [1, 1, 1, 1]
    arrays = [numpy_helper.from_array(weight, name) for name in ("one", "another")]
    attributes: dict[str, Any] = {
        "kernel_shape": [3, 3],
        "group": 1,
        "dilations": [1, 1],
        "strides": [1, 1],
    }
    nodes = [
        helper.make_node("Identity", [FEATURES], ["same"]),
        helper.make_node("Conv", ["same", "one"], ["a"], pads=[0, 0, 0, 0], **attributes),
        helper.make_node("Conv", ["same", "another"], ["b"], pads=pads, **attributes),
        helper.make_node(
            "AveragePool", ["b"], ["c"], kernel_shape=[3, 3], strides=[1, 1], ceil_mode=1
        ),
        helper.make_node("Add", ["a", "c"], ["d"]),
        helper.make_node("Identity", ["d"], [SCORES]),
    ]
    side = [None, 1, 9, 9]
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, side)],
        [helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, [None, 4, 7, 7])],
        arrays,
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    x = rng.normal(size=(2, 1, 9, 9)).astype(np.float32)
    before = Model(made.SerializeToString()).scores(x)
    shorten(made)
    onnx.checker.check_model(made)
    said = [(each.op_type, [a.name for a in each.attribute]) for each in made.graph.node]
    assert said == [
        ("Conv", []),
        ("Conv", ["pads"]),
        ("AveragePool", ["ceil_mode", "kernel_shape"]),
        ("Add", []),
        ("Identity", []),
    ]
    assert len(made.graph.initializer) == 1
    np.testing.assert_allclose(Model(made.SerializeToString()).scores(x), before, rtol=1e-6)


def test_what_is_used_as_something_else_too_is_left_alone() -> None:
    weight = np.random.default_rng(5).normal(size=(400, 10)).astype(np.float32)
    model = graph_of("MatMul", weight, [None, 400], 10)
    graph = model.graph  # type: ignore[attr-defined]
    name = graph.initializer[0].name
    graph.node.append(helper.make_node("Abs", [name], ["also"]))
    kinds = [each.data_type for each in packed(model, Precision.INT8).graph.initializer]
    assert kinds == [TensorProto.FLOAT]
    small = graph_of("MatMul", weight[:20], [None, 20], 10)
    assert packed(small, Precision.INT8).graph.initializer[0].data_type == TensorProto.FLOAT
    onnx.checker.check_model(packed(small, Precision.INT4))


# ---- training for them ----


def test_gradients_are_taken_where_the_shipped_weights_are() -> None:
    rng = np.random.default_rng(6)
    weights = BLANK.replaced(rng.normal(size=BLANK.vector.size).astype(np.float32))
    assert rounded(weights, 0) is weights
    at = rounded(weights, 4)
    assert len(np.unique(at.arrays["weight"][0])) <= 15
    np.testing.assert_array_equal(at.arrays["bias"], weights.arrays["bias"])
    (share,), _ = skewed(40, 1, seed=3)
    silent = spec(noise_multiplier=1e-9, weight_bits=4, bits=32, step=1)
    inputs, targets = TASK.inputs(share.table, {}), TASK.targets(share.table)
    expected = TASK.clipped_sum(at, inputs, targets, silent.clip)
    partner = Partner(silent, TASK, share, lambda _: 1, seeded(1))
    found = from_ring(partner.update(1, weights).words, silent, 1)
    np.testing.assert_allclose(found, expected, atol=1e-3)
