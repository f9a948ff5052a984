"""What a request may ask, and what it is told: JSON in, JSON out, and every refusal says what to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from federated.onnx_run import Takes
from federated.release import sureness
from federated.serving.rows import Rows
from protocol.depth import load_json
from protocol.errors import ConfigError

INPUTS: Final = "inputs"
ROWS: Final = "rows"
NO_ROWS: Final = "its task is not known"
# What is computed in some milliseconds, so that nobody waits long behind it.
EXAMPLES_MAX: Final = 1_024
# A thousand pictures of 28 x 28 in digits and commas are 3 MiB.
BODY_BYTES_MAX: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class Refused(Exception):
    """What is wrong with a request."""

    status: int
    error: str
    advice: str


def examples_in(body: bytes, takes: Takes, rows: Rows | str = NO_ROWS) -> NDArray[Any]:
    """The examples (n, *shape) of a request; `rows` makes them, or says why it cannot. Raises Refused."""
    form = _form(rows)
    try:
        asked = load_json(body, parse_constant=_not_finite)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"this is no JSON: {error}", form) from error
    known = asked if isinstance(asked, dict) else {}
    [name] = {*known} if len(known) == 1 else [""]
    if name not in (INPUTS, ROWS) or not isinstance(known[name], list):
        raise Refused(400, "the request has no list of inputs or rows, or more than that", form)
    count = len(known[name])
    if not 1 <= count <= EXAMPLES_MAX:
        raise Refused(413, f"{count:,} examples at once", f"send 1 to {EXAMPLES_MAX:,}")
    if name == INPUTS:
        return _array(known[name], takes)
    if isinstance(rows, str):
        raise Refused(400, f"this model takes no rows: {rows}", form)
    try:
        return rows.made(known[name])
    except ConfigError as error:
        raise Refused(400, str(error), error.advice) from error


def _form(rows: Rows | str) -> str:
    """What to send."""
    if isinstance(rows, str):
        return 'send {"inputs": [example, …]}'
    fields = ", ".join(f'"{each.name}": …' for each in rows.columns)
    return f'send {{"rows": [{{{fields}}}, …]}} or {{"inputs": [example, …]}}'


def _not_finite(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _array(inputs: list[Any], takes: Takes) -> NDArray[Any]:
    size = math.prod(takes.shape)
    wanted = f"each example is {' x '.join(map(str, takes.shape))} numbers, nested as lists"
    flat: list[Any] = []
    for place, example in enumerate(inputs):
        before = len(flat)
        if not _flatten(example, takes.shape, flat) or len(flat) - before != size:
            raise Refused(400, f"example {place} has another shape", wanted)
    if not all(type(each) in (int, float) for each in flat):
        raise Refused(400, "something among the inputs is no number", wanted)
    return _of_kind(flat, takes).reshape(len(inputs), *takes.shape)


def _flatten(value: Any, shape: tuple[int, ...], flat: list[Any]) -> bool:
    """Appends what is in a list nested as `shape` says; whether it is."""
    if not shape:
        flat.append(value)
        return not isinstance(value, list)
    if not isinstance(value, list) or len(value) != shape[0]:
        return False
    return all(_flatten(each, shape[1:], flat) for each in value)


def _of_kind(flat: list[Any], takes: Takes) -> NDArray[Any]:
    if takes.kind.kind == "f":
        try:
            made = np.array(flat, np.float64)
        except OverflowError:
            made = np.array([np.inf])
        with np.errstate(over="ignore"):
            single = made.astype(np.float32)
        if not np.isfinite(single).all():
            raise Refused(400, "a number is too large for a single float", "scale the inputs")
        return single
    limits = np.iinfo(takes.kind)
    if not all(type(each) is int and limits.min <= each <= limits.max for each in flat):
        raise Refused(
            400,
            "an input is no whole number, or out of range",
            f"send whole numbers from {limits.min} to {limits.max}",
        )
    return np.array(flat, takes.kind)


def answer(scores: NDArray[np.float32], labels: tuple[str, ...]) -> dict[str, Any]:
    """What is told of examples: scores, and where the model names labels, the best one and how sure it is.

    Raises Refused for examples of which the model made none, by numbers that are far too large for it.
    """
    lost = ~np.isfinite(scores).all(axis=tuple(range(1, scores.ndim)))
    if lost.any():
        raise Refused(
            400, f"the model has no scores of example {int(lost.argmax())}", "scale the inputs"
        )
    told: dict[str, Any] = {"scores": [[float(each) for each in row] for row in scores]}
    if scores.ndim == 2 and scores.shape[1] == len(labels) > 1:
        told["labels"] = [labels[each] for each in scores.argmax(axis=1)]
        told["sureness"] = [round(float(each), 6) for each in sureness(scores)]
    return told
