"""Clipped gradients of a linear model, in closed form.

For scores z = W x + b and a loss whose derivative by z is e (the softmax of z less the truth, or the logistic
function of z less the truth), the gradient by (W, b) is the outer product of e and (x, 1). So its L2 norm is
|e| * |(x, 1)|, and the sum of the clipped gradients is one product of two matrices: nobody has to hold a
gradient for each example, and neither torch nor Opacus is needed. Of some of the parameters alone the norm is
that of e times, for each score, the length of what of (x, 1) goes with it.

Everything is computed in double precision, so that the bound of an example holds to one part in 10^9.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# Examples whose features are widened to double precision at once: 1,024 of 4,000 take 32 MiB.
_CHUNK: Final = 1_024


def scores(
    weight: NDArray[np.float32], bias: NDArray[np.float32] | None, inputs: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(n, k): W x + b, for `weight` (k, d), `bias` (k,) or none, and `inputs` (n, d)."""
    found = inputs.astype(np.float64) @ weight.T.astype(np.float64)
    return found if bias is None else found + bias.astype(np.float64)


def errors(scored: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, k): the derivative of the loss by the scores, never longer than the square root of two.

    One score is that of a yes, by the logistic loss; several are of one class each, by cross entropy.
    """
    if scored.shape[1] == 1:
        return 1 / (1 + np.exp(-np.clip(scored, -700, 700))) - targets[:, None]
    powers = np.exp(scored - scored.max(axis=1, keepdims=True, initial=-np.inf))
    found = powers / powers.sum(axis=1, keepdims=True)
    found[np.arange(len(targets)), targets] -= 1
    return np.asarray(found)


def clipped_sum(
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    inputs: NDArray[np.float32],
    targets: NDArray[np.int64],
    clip: float,
    *,
    places: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """(parameters,): the sum of the examples' gradients, each scaled to an L2 norm of at most `clip`.

    `inputs` (n, d), `targets` (n,); the weight's values come first, row by row, then the bias's. With
    `places`, the sum has these of the parameters alone, and so have the norms. An example whose gradient is
    not finite counts as nothing: neither a model nor an example that was made for it takes the bound away.
    """
    total, total_bias = np.zeros(weight.shape), np.zeros(len(weight))
    mask = None if places is None else _mask(weight, bias is not None, places)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for at in range(0, len(inputs), _CHUNK):
            x = inputs[at : at + _CHUNK].astype(np.float64)
            e = errors(scores(weight, bias, inputs[at : at + _CHUNK]), targets[at : at + _CHUNK])
            norms = np.sqrt((e * e * _squares(x, bias is not None, mask)).sum(axis=1))
            finite = np.isfinite(norms)
            factors = np.where(finite, np.minimum(clip / norms, 1.0), 0.0)
            scaled = _kept(e, finite) * factors[:, None]
            total += scaled.T @ _kept(x, finite)
            total_bias += scaled.sum(axis=0)
    found = total.ravel() if bias is None else np.append(total.ravel(), total_bias)
    return found if places is None else found[places]


def _squares(
    x: NDArray[np.float64], has_bias: bool, mask: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """(n, k) or (n, 1): the squared length of what each score's gradient has for an error of one."""
    if mask is None:
        return np.asarray(np.einsum("nd,nd->n", x, x)[:, None] + has_bias)
    features = x.shape[1]
    found = (x * x) @ mask[:, :features].T
    return np.asarray(found + mask[:, features] if has_bias else found)


def _mask(
    weight: NDArray[np.float32], has_bias: bool, places: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(k, d) or (k, d + 1): ones for the parameters that count, each beside its score's others."""
    chosen = np.zeros(weight.size + has_bias * len(weight))
    chosen[places] = 1.0
    mask = chosen[: weight.size].reshape(weight.shape)
    return np.column_stack([mask, chosen[weight.size :]]) if has_bias else mask


def _kept(rows: NDArray[Any], finite: NDArray[np.bool_]) -> NDArray[Any]:
    return rows if finite.all() else np.where(finite[:, None], rows, 0.0)
