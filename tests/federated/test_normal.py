"""The normal distribution's function against scipy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import log_ndtr as scipys

from federated.normal import log_ndtr


@pytest.mark.parametrize("reach", [1.0, 10.0, 37.0, 1e3, 1e8])
def test_it_is_scipys(reach: float) -> None:
    places = np.random.default_rng(1).uniform(-reach, min(reach, 40.0), 2_000)
    for x, wanted in zip(places.tolist(), scipys(places).tolist(), strict=True):
        assert math.isclose(log_ndtr(x), wanted, rel_tol=2e-15, abs_tol=1e-15)


@pytest.mark.parametrize(
    "x", [0.0, -0.0, -37.0, math.nextafter(-37.0, 0), math.nextafter(-37.0, -38)]
)
def test_the_seams(x: float) -> None:
    assert math.isclose(log_ndtr(x), float(scipys(x)), rel_tol=2e-15)


def test_what_is_certain() -> None:
    assert log_ndtr(50.0) == 0.0
    assert log_ndtr(-1e200) == -math.inf
