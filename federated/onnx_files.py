"""The model as two ONNX files: whole in single floats, and with its head in 8-bit integers.

Both take as `inputs` what the task feeds them, (n, ...), and give (n, k) float32 as `scores`, and carry the
labels' names. The head is quantized after training, its weights for each label by their own scale and its
input by what calibration images show (Jacob et al., CVPR 2018); the fixed features stay as they are. All of
it is post-processing of a private model, and costs no privacy.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from commonground.files import PUBLIC_MODE, replace_file
from federated.tasks.task import Inputs

# Everything used here is in it, and runtimes of the last four years have it.
_OPSET: Final = 17
_CHUNK: Final = 256  # examples in one call
# Ranges settle within a few hundred examples.
CALIBRATION_MAX: Final = 512
_INPUTS: Final = "inputs"
_SCORES: Final = "scores"
_HEAD: Final = "Gemm"  # the operation of a linear layer: features have none


def write_float(network: nn.Module, labels: Sequence[str], one: Inputs, path: Path) -> None:
    """The network in single floats; replaces the file. `one` (1, ...) shows what it takes."""
    with tempfile.TemporaryDirectory() as work:
        raw = Path(work) / "raw.onnx"
        with warnings.catch_warnings():
            # The exporter that succeeds it needs onnxscript, and writes larger files.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", UserWarning)  # what it does not fold it computes
            torch.onnx.export(
                network,
                (torch.tensor(one),),
                raw,
                dynamo=False,
                opset_version=_OPSET,
                input_names=[_INPUTS],
                output_names=[_SCORES],
                dynamic_axes={_INPUTS: {0: "n"}, _SCORES: {0: "n"}},
            )
        _save(onnx.load(raw), labels, path)


def write_int8(float_path: Path, labels: Sequence[str], calibration: Inputs, path: Path) -> None:
    """The float file with its head quantized; replaces the file. Needs at least one example."""
    with tempfile.TemporaryDirectory() as work:
        prepared, raw = Path(work) / "prepared.onnx", Path(work) / "raw.onnx"
        quant_pre_process(float_path, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            raw,
            _Calibration(calibration[:CALIBRATION_MAX]),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[_HEAD],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": [_HEAD]},
        )
        _save(onnx.load(raw), labels, path)


def run(path: Path, inputs: Inputs) -> NDArray[np.float32]:
    """(n, labels) float32: the file's scores, as anybody gets them."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # small models: more threads cost more than they gain
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, part)[0] for part in _batches(inputs)])


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Feeds the quantizer."""

    def __init__(self, inputs: Inputs) -> None:
        self._parts = _batches(inputs)

    def get_next(self) -> dict[str, Inputs] | None:
        return next(self._parts, None)


def _batches(inputs: Inputs) -> Iterator[dict[str, Inputs]]:
    for at in range(0, len(inputs), _CHUNK):
        yield {_INPUTS: inputs[at : at + _CHUNK]}


def _save(model: Any, labels: Sequence[str], path: Path) -> None:
    """Without what tools leave behind: names of inner tensors alone are a tenth of a small file."""
    graph = model.graph
    public = {each.name for each in (*graph.input, *graph.output)}
    names: dict[str, str] = {"": "", **{name: name for name in public}}

    def short(name: str) -> str:
        return names.setdefault(name, format(len(names), "x"))

    for node in graph.node:
        node.name = node.doc_string = ""
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
    for array in graph.initializer:
        array.name = short(array.name)
    del graph.value_info[:], model.metadata_props[:]
    model.producer_name, model.producer_version, graph.name = "commonhold", "", "model"
    onnx.helper.set_model_props(model, {"labels": json.dumps(list(labels))})
    onnx.checker.check_model(model)
    replace_file(path, model.SerializeToString(), PUBLIC_MODE)
