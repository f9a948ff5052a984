"""Properties of fingerprints and of the index, on random images."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocol.review.fingerprints import (
    fingerprint_pixels,
    is_valid_fingerprint,
    unpack_thumbnail,
)
from protocol.review.index import DuplicateIndex, Match, strict_distance
from protocol.review.likeness import FARTHEST_PERMILLE
from tests.fold import NEAR

seeds = st.integers(0, 2**32 - 1)


def blot(seed: int, wobble: int = 0) -> NDArray[np.int64]:
    """A few thick random strokes in the middle of 28 x 28, with noise of up to +-wobble."""
    rng = np.random.default_rng(seed)
    image = np.zeros((28, 28), dtype=np.int64)
    y, x = rng.integers(8, 20, 2)
    for dy, dx in rng.integers(-1, 2, (25, 2)):
        y, x = np.clip((y + dy, x + dx), 5, 21)
        image[y : y + 2, x : x + 2] = rng.integers(150, 256)
    noise = rng.integers(-wobble, wobble + 1, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), dtype=np.int64)


def fingerprint(image: NDArray[np.int64]) -> bytes:
    height, width = image.shape
    return fingerprint_pixels(image.astype(np.uint8).tobytes(), width, height)


@given(st.integers(1, 60), st.integers(1, 60), seeds)
def test_any_image_has_a_valid_fingerprint_at_distance_zero_of_itself(
    width: int, height: int, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, width * height, dtype=np.uint8).tobytes()
    print_ = fingerprint_pixels(pixels, width, height)
    assert is_valid_fingerprint(print_)
    assert strict_distance(print_, print_) == 0


@given(seeds, seeds)
def test_distance_is_symmetric_and_bounded(one: int, other: int) -> None:
    a, b = fingerprint(blot(one)), fingerprint(blot(other, wobble=20))
    assert strict_distance(a, b) == strict_distance(b, a)
    assert 0 <= strict_distance(a, b) <= FARTHEST_PERMILLE


@given(seeds, st.integers(-3, 3), st.integers(-3, 3))
def test_a_shift_that_loses_nothing_changes_nothing(seed: int, dy: int, dx: int) -> None:
    image = blot(seed)
    one, other = fingerprint(image), fingerprint(np.roll(image, (dy, dx), (0, 1)))
    assert (unpack_thumbnail(one).levels == unpack_thumbnail(other).levels).all()
    if not unpack_thumbnail(one).abstains:
        assert strict_distance(one, other) == 0


@settings(deadline=None, max_examples=30)
@given(seeds, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 25)), min_size=1, max_size=40))
def test_the_index_answers_exactly_as_brute_force(
    seed: int, drawings: list[tuple[int, int]]
) -> None:
    """Few drawings, many noisy copies: distances on both sides of the threshold, and ties."""
    prints = [fingerprint(blot(seed // 64 + which, wobble)) for which, wobble in drawings]
    index: DuplicateIndex[int] = DuplicateIndex()
    for key, query in enumerate(prints):
        ranked = [(p != query, strict_distance(query, p), k) for k, p in enumerate(prints[:key])]
        _, least, earliest = min(ranked, default=(True, FARTHEST_PERMILLE, -1))
        expected = Match(earliest, least) if least <= NEAR else None
        assert index.nearest(query, NEAR) == expected
        index.add(query, key)
    assert len(index) == len(prints)
