"""Models as ONNX graphs: a linear head over features is written here, a torch module is exported. Pictures'
own graph is in federated/tasks/picture_graph.py.

Names of inner tensors and what tools leave behind would be a tenth of a small file: graphs are stripped of
both. The labels travel with the model, one a line: names have no line breaks.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter

from federated.onnx_pack import IR_VERSION, OPSET, shorten

if TYPE_CHECKING:
    from torch import nn

FEATURES: Final = "features"
INPUTS: Final = "inputs"
SCORES: Final = "scores"
LABELS: Final = "labels"
# The newest that the exporter without onnxscript knows; the graph is converted from there.
_EXPORT_OPSET: Final = 17


def linear_graph(
    weight: NDArray[np.float32], bias: NDArray[np.float32] | None, labels: Sequence[str]
) -> Any:
    """`features` (n, d) float32 -> `scores` (n, k) float32: weight (k, d) times features, plus bias (k,)."""
    # As the operations have it by default: attributes take bytes.
    columns = np.ascontiguousarray(weight.T)
    arrays = [columns] if bias is None else [columns, bias]
    stored = [numpy_helper.from_array(a, name) for a, name in zip(arrays, "wb", strict=False)]
    head = helper.make_node("Gemm", [FEATURES, *(a.name for a in stored)], [SCORES])
    takes = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, [None, weight.shape[1]])
    return model_of([head], takes, len(weight), stored, labels)


def model_of(
    nodes: Sequence[Any], takes: Any, outputs: int, arrays: Sequence[Any], labels: Sequence[str]
) -> Any:
    """A model of nodes and arrays, that gives `scores` (n, outputs)."""
    gives = helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, [None, outputs])
    graph = helper.make_graph(nodes, "model", [takes], [gives], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    return finished(model, labels)


def pruned_graph(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    kept: NDArray[np.int32],
    labels: Sequence[str],
) -> Any:
    """The same, of the features at `kept` (m,) alone: it takes all of them, and leaves the others out.

    Which ones stay is written as a list or as a bit for each, whatever is shorter.
    """
    listed = numpy_helper.from_array(kept, "places")
    ways = [([], [listed]), _from_bits(kept, weight.shape[1], listed.name)]
    head = linear_graph(np.ascontiguousarray(weight[:, kept]), bias, labels)
    head.graph.input[0].type.tensor_type.shape.dim[1].dim_value = weight.shape[1]
    made = [finished(_choosing(head, *way), labels) for way in ways]
    return min(made, key=lambda model: model.ByteSize())


def _choosing(head: Any, nodes: Sequence[Any], arrays: Sequence[Any]) -> Any:
    """A copy of a head that reads the features at "places", which `nodes` make of `arrays`."""
    model = onnx.ModelProto()
    model.CopyFrom(head)
    graph = model.graph
    graph.node[0].input[0] = "chosen"
    gather = helper.make_node("Gather", [FEATURES, "places"], ["chosen"], axis=1)
    both = [*nodes, gather, *graph.node]
    del graph.node[:]
    graph.node.extend(both)
    graph.initializer.extend(arrays)
    return model


def _from_bits(kept: NDArray[np.int32], features: int, name: str) -> tuple[list[Any], list[Any]]:
    """Nodes and arrays that make the list `kept`, as `name`, of one bit for each feature. A runtime
    computes what is constant when it loads a file, once."""
    bits = np.zeros(features, dtype=bool)
    bits[kept] = True
    arrays: dict[str, NDArray[Any]] = {
        "bits": np.packbits(bits, bitorder="little")[:, np.newaxis],
        "powers": (1 << np.arange(8)).astype(np.uint8),
        "two": np.array(2, np.uint8),
        "flat": np.array([-1], np.int64),
    }
    nodes = [
        helper.make_node("Div", ["bits", "powers"], ["shifted"]),
        helper.make_node("Mod", ["shifted", "two"], ["each"]),
        helper.make_node("Reshape", ["each", "flat"], ["row"]),
        helper.make_node("NonZero", ["row"], ["found"]),
        helper.make_node("Reshape", ["found", "flat"], [name]),
    ]
    return nodes, [numpy_helper.from_array(array, key) for key, array in arrays.items()]


def exported_graph(network: nn.Module, example: NDArray[np.generic], labels: Sequence[str]) -> Any:
    """`inputs` (n, …), as `example` (1, …) shows, -> `scores`: what a torch module computes."""
    import torch

    with tempfile.TemporaryDirectory() as work:
        raw = Path(work) / "raw.onnx"
        with warnings.catch_warnings():
            # The exporter that succeeds it needs onnxscript, and writes larger files. What else it warns of,
            # a release finds out: it compares what the graph says with what the module says.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (torch.tensor(example),),
                raw,
                dynamo=False,
                opset_version=_EXPORT_OPSET,
                input_names=[INPUTS],
                output_names=[SCORES],
                dynamic_axes={INPUTS: {0: "n"}, SCORES: {0: "n"}},
            )
        return finished(version_converter.convert_version(onnx.load(raw), OPSET), labels)


def finished(model: Any, labels: Sequence[str]) -> Any:
    """Stripped of what nobody reads, with the labels inside."""
    shorten(model)
    del model.metadata_props[:]
    model.ir_version = IR_VERSION
    model.producer_name = model.producer_version = model.doc_string = ""
    helper.set_model_props(model, {LABELS: "\n".join(labels)})
    onnx.checker.check_model(model)
    return model


def labels_of(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The labels inside, by the metadata of a runtime's session; empty where there are none."""
    inside = metadata.get(LABELS, "")
    return tuple(inside.split("\n")) if inside else ()
