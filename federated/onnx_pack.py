"""A model's weights in fewer bits: half floats, eight-bit or four-bit integers, as ONNX runtimes read them.

Only what is stored changes: weights are packed, and a node in front of their use unpacks them. So nothing has
to be calibrated, and no example leaves a trace in a file. A runtime may multiply in integers all the same:
onnxruntime then rounds each example's activations by themselves, so that what one asks does not hang on what
else is in the batch. Vectors and small arrays stay as they are: scales would cost what they save.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from federated.quantize import Quantized, bits_of, quantize

# Four-bit integers and blocks that share a scale came with 21, in May 2024.
OPSET: Final = 21
# Of ONNX, with that opset.
IR_VERSION: Final = 10
# Smaller arrays gain less than the node costs that unpacks them.
PACKED_MIN: Final = 256
# Of a constant that others follow from no more is written out: a mask over all pairs of a thousand tokens is
# one operation, and a megabyte.
FOLDED_MAX: Final = 64
# operation -> which of its inputs are weights, and along which axis each output channel has its own scale.
_WEIGHTS: Final = {"Gemm": ((1,), 0), "MatMul": ((1,), 1), "Conv": ((1,), 0), "Gather": ((0,), 0)}
# What a list of these holds where it is left out, at each of its places: the schema has that in words alone.
_LISTED: Final = {"dilations": 1, "strides": 1, "pads": 0}
# Attributes that a runtime reads off the weights.
_INFERRED: Final = {("Conv", "kernel_shape")}
_RECURRENT: Final = {"LSTM": ((1, 2), 1), "GRU": ((1, 2), 1)}


class Precision(StrEnum):
    """How weights are stored."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    INT4 = "int4"


_BITS: Final = {Precision.INT8: 8, Precision.INT4: 4}


def packed(model: Any, precision: Precision, spread: NDArray[np.float32] | None = None) -> Any:
    """A copy of an ONNX model (opset 21) whose large weights are stored so; of single floats, the same.

    `spread` (columns, directions) tells how the inputs of the matrix with so many columns vary.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    if precision is Precision.FP32:
        return made
    graph = made.graph
    axes = _weight_axes(graph)
    unpacking = []
    for array in list(graph.initializer):
        if array.name not in axes or array.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(array)
        if values.ndim < 2 or values.size < PACKED_MIN:
            continue
        stored, node = _stored(array.name, values, axes[array.name], precision, spread)
        graph.initializer.remove(array)
        graph.initializer.extend(stored)
        unpacking.append(node)
    nodes = [*unpacking, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    shorten(made)
    onnx.checker.check_model(made)
    return made


def shorten(model: Any) -> None:
    """Computes what is constant, gives inner tensors the shortest names, and takes off what goes without
    saying or what tools leave. A graph with branches is left as it is: they read names of the outer one."""
    graph = model.graph
    kinds = {attribute.type for node in graph.node for attribute in node.attribute}
    if kinds & {AttributeProto.GRAPH, AttributeProto.GRAPHS}:
        return
    _skip_identities(graph)
    _fold_constants(graph)
    _keep_each_once(graph)
    _leave_defaults(graph)
    public = {each.name for each in (*graph.input, *graph.output)}
    names: dict[str, str] = {"": "", **{name: name for name in public}}

    def short(name: str) -> str:
        return names.setdefault(name, format(len(names), "x"))

    for node in graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
    for array in graph.initializer:
        array.name = short(array.name)
        array.ClearField("doc_string")
    del graph.value_info[:]
    graph.name, graph.doc_string = "m", ""


def _skip_identities(graph: Any) -> None:
    """What only passes a tensor on is left out, unless the result is asked for by its name."""
    public = {each.name for each in graph.output}
    same: dict[str, str] = {}
    kept = []
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        if node.op_type == "Identity" and node.output[0] not in public:
            same[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _fold_constants(graph: Any) -> None:
    """What follows from constants alone, as borders' sizes do, becomes one."""
    values: dict[str, NDArray[Any]] = {}  # by the name of a tensor
    kept = []
    for node in graph.node:
        if (result := _constant(node, values)) is None:
            kept.append(node)
        else:
            values[node.output[0]] = result
    read = {name for node in kept for name in node.input} | {each.name for each in graph.output}
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(
        numpy_helper.from_array(values[name], name) for name in values if name in read
    )


def _keep_each_once(graph: Any) -> None:
    """Of equal arrays one is left."""
    first: dict[bytes, str] = {}
    names: dict[str, str] = {}
    kept = []
    for array in graph.initializer:
        nameless = TensorProto()
        nameless.CopyFrom(array)
        nameless.ClearField("name")
        held = nameless.SerializeToString(deterministic=True)
        names[array.name] = first.setdefault(held, array.name)
        if names[array.name] == array.name:
            kept.append(array)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def _leave_defaults(graph: Any) -> None:
    """Attributes that say what holds without them."""
    for node in graph.node:
        if not onnx.defs.has(node.op_type, node.domain):
            continue  # a runtime's own operation
        known = onnx.defs.get_schema(node.op_type, OPSET, node.domain).attributes
        needed = [
            each
            for each in node.attribute
            if (node.op_type, each.name) not in _INFERRED
            and not _is_default(each, known.get(each.name))
        ]
        del node.attribute[:]
        node.attribute.extend(needed)


def _is_default(given: Any, known: Any) -> bool:
    value = helper.get_attribute_value(given)
    if given.name in _LISTED and len(set(value)) == 1:
        return bool(value[0] == _LISTED[given.name])
    if known is None:
        return False
    default = known.default_value
    return bool(default.type == given.type and value == helper.get_attribute_value(default))


def _constant(node: Any, values: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
    """What a node gives, if that follows from these tensors; None also for what takes less room unsaid."""
    if node.op_type != "Constant" and not node.input:
        return None  # a generator of random numbers has no inputs either
    if len(node.output) != 1 or not all(name in values or not name for name in node.input):
        return None
    given = {name: values[name] for name in node.input if name}
    [result] = ReferenceEvaluator(node).run(None, given)
    found = np.asarray(result)
    return found if node.op_type == "Constant" or found.size <= FOLDED_MAX else None


def _weight_axes(graph: Any) -> dict[str, int]:
    """Initializers that are weights wherever they are used, with their axis of channels."""
    found: dict[str, int] = {}
    others: set[str] = set()
    for node in graph.node:
        inputs, axis = (_WEIGHTS | _RECURRENT).get(node.op_type, ((), 0))
        if node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute):
            axis = 1
        for place, name in enumerate(node.input):
            if place in inputs and found.get(name, axis) == axis:
                found[name] = axis
            else:
                others.add(name)
    return {name: axis for name, axis in found.items() if name not in others}


def _stored(
    name: str,
    values: NDArray[np.float32],
    axis: int,
    precision: Precision,
    spread: NDArray[np.float32] | None,
) -> tuple[list[Any], Any]:
    """The arrays that stand for a weight, and the node that makes it of them."""
    if precision is Precision.FP16:
        half = numpy_helper.from_array(values.astype(np.float16), f"{name}.h")
        return [half], helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT)
    moved = np.moveaxis(values, axis, 0)
    rows = np.ascontiguousarray(moved.reshape(len(moved), -1))
    is_matrix, bits = values.ndim == 2, bits_of(values.shape, _BITS[precision])
    known = spread if is_matrix and spread is not None and len(spread) == rows.shape[1] else None
    found = quantize(rows, bits, blocked=is_matrix, spread=known)
    integers = np.moveaxis(found.integers.reshape(moved.shape), 0, axis)
    kind = TensorProto.INT4 if bits == 4 else TensorProto.INT8
    stored = _integers(f"{name}.q", integers, kind)
    scale, attributes = _scale(f"{name}.s", found, axis)
    node = helper.make_node("DequantizeLinear", [stored.name, scale.name], [name], **attributes)
    return [stored, scale], node


def _integers(name: str, integers: NDArray[np.int8], kind: int) -> Any:
    raw = np.ascontiguousarray(integers).ravel()
    if kind == TensorProto.INT4:
        pairs = np.pad(raw, (0, len(raw) % 2)).reshape(-1, 2).astype(np.uint8) & 0xF
        raw = (pairs[:, 0] | pairs[:, 1] << 4).astype(np.uint8)
    return TensorProto(name=name, data_type=kind, dims=integers.shape, raw_data=raw.tobytes())


def _scale(name: str, found: Quantized, axis: int) -> tuple[Any, dict[str, Any]]:
    """One for all; of rows by their axis; of blocks, which only matrices have, along the other one."""
    if found.scales.size == 1:
        return numpy_helper.from_array(found.scales.reshape(()), name), {}
    if not found.block:
        stored = numpy_helper.from_array(found.scales.ravel(), name)
        return stored, {"axis": axis}
    scales = np.ascontiguousarray(found.scales if axis == 0 else found.scales.T)
    return numpy_helper.from_array(scales, name), {"axis": 1 - axis, "block_size": found.block}
