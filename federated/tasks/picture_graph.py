"""federated/tasks/images.py as a graph: from pixels to scores.

It is written node by node: asking torch for it would take every release its import, and leave more behind
than the graph needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from federated.model import Array
from federated.onnx_graph import INPUTS, SCORES, model_of
from federated.scattering import CHANNELS, DIRECTIONS, FAINT, REACH, bank, window

Side = tuple[int, int]
_ROWS_AND_COLUMNS: Final = [0, 1, 3, 2]  # of (n, channels, rows, columns), the one for the other


@dataclass(frozen=True, slots=True)
class Pictures:
    """How large they are, and what their features are grouped by."""

    side: Side  # height, width
    colours: int
    cells: int
    groups: int  # of channels that are normalised together, without whitening
    least_contrast: float  # deviation of a group

    @property
    def half(self) -> Side:
        """An octave lower; an odd edge counts as a pixel."""
        return (self.side[0] + 1) // 2, (self.side[1] + 1) // 2

    @property
    def features(self) -> int:
        """Of a picture."""
        return CHANNELS * self.colours * self.cells**2


@dataclass(slots=True)
class _Graph:
    """Nodes and arrays as they are added; an array that is there already is found by whoever shortens it."""

    nodes: list[NodeProto] = field(default_factory=list)
    arrays: list[TensorProto] = field(default_factory=list)

    def array(self, values: NDArray[Any] | np.float32) -> str:
        name = f"array {len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, kind: str, *inputs: str, to_name: str = "", **attributes: Any) -> str:
        name = to_name or f"node {len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def reshaped(self, name: str, *shape: int) -> str:
        return self.add("Reshape", name, self.array(np.array(shape, np.int64)))


def picture_graph(
    pictures: Pictures,
    weight: Array,
    bias: Array,
    fixed: Mapping[str, Array],
    labels: tuple[str, ...],
) -> Any:
    """(n, height, width, colours) uint8 -> scores. Whitening is linear, and becomes a part of the head."""
    graph = _Graph()
    features = _scattered(graph, pictures)
    if fixed:
        whole = (weight.astype(np.float64) @ fixed["directions"]).astype(np.float32)
        bias = (bias - whole.astype(np.float64) @ fixed["mean"]).astype(np.float32)
    else:
        features = _normal(graph, features, pictures)
        whole = weight / np.float32(np.sqrt(weight.shape[1]))
    head = graph.array(whole), graph.array(bias)
    graph.add("Gemm", features, *head, to_name=SCORES, transB=1)
    takes = helper.make_tensor_value_info(
        INPUTS, TensorProto.UINT8, [None, *pictures.side, pictures.colours]
    )
    return model_of(graph.nodes, takes, len(weight), graph.arrays, labels)


def _scattered(graph: _Graph, pictures: Pictures) -> str:
    """federated/scattering.py in convolutions: both octaves, first and second order, averaged in cells."""
    side, half_side = pictures.side, pictures.half
    filters = graph.array(bank().reshape(-1, 1, 2 * REACH + 1, 2 * REACH + 1))
    colours_first = graph.add("Transpose", INPUTS, perm=[0, 3, 1, 2])
    levels = graph.reshaped(graph.add("Cast", colours_first, to=TensorProto.FLOAT), -1, 1, *side)
    grey = graph.add("Div", levels, graph.array(np.float32(255)))
    half = _halved(graph, grey, side)
    fine = _halved(graph, _moduli(graph, filters, grey, side), side)
    coarse = _moduli(graph, filters, half, half_side)
    inner = graph.reshaped(fine, -1, 1, *half_side)
    second = _moduli(graph, filters, inner, half_side)
    second = graph.reshaped(second, -1, DIRECTIONS**2, *half_side)
    maps = graph.add("Concat", half, fine, coarse, second, axis=1)
    for size in reversed(half_side):  # a window over columns, then the same over rows
        turned = graph.add("Transpose", maps, perm=_ROWS_AND_COLUMNS)
        maps = graph.add("MatMul", graph.array(window(size, pictures.cells)), turned)
    strong = graph.add("Relu", graph.add("Sub", maps, graph.array(np.float32(FAINT))))
    return graph.reshaped(graph.add("Sqrt", strong), -1, pictures.features)


def _moduli(graph: _Graph, filters: str, images: str, side: Side) -> str:
    """How strongly each wavelet answers: the length of its real and imaginary part."""
    border = graph.array(np.array([0, 0, REACH, REACH] * 2, np.int64))
    waves = graph.add("Conv", graph.add("Pad", images, border, mode="edge"), filters)
    parts = graph.reshaped(waves, -1, 2, DIRECTIONS, *side)
    return graph.add("ReduceL2", parts, graph.array(np.array([1], np.int64)), keepdims=0)


def _halved(graph: _Graph, images: str, side: Side) -> str:
    """Means of two by two; an odd edge is the mean of itself, as if it were repeated."""
    odd: dict[str, Any] = {"ceil_mode": 1} if any(each % 2 for each in side) else {}
    return graph.add("AveragePool", images, kernel_shape=[2, 2], strides=[2, 2], **odd)


def _normal(graph: _Graph, features: str, pictures: Pictures) -> str:
    """Each picture's groups of channels, with mean zero and deviation one."""
    groups, last = pictures.groups, graph.array(np.array([2], np.int64))
    grouped = graph.reshaped(features, -1, groups, pictures.features // groups)
    centred = graph.add("Sub", grouped, graph.add("ReduceMean", grouped, last))
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), last)
    least = graph.array(np.float32(pictures.least_contrast**2))
    deviation = graph.add("Sqrt", graph.add("Add", variance, least))
    return graph.reshaped(graph.add("Div", centred, deviation), -1, pictures.features)
