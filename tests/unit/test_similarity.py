"""The fingerprint, the distance and the index on hand-made images."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from protocol.errors import Reject, StateError
from protocol.review.fingerprints import (
    EXACT_BYTES,
    FARTHEST_PERMILLE,
    MAX_SIDE_PIXELS,
    NEAR_DUPLICATE_PERMILLE,
    PERCEPTUAL_BYTES,
    DuplicateIndex,
    Match,
    distance,
    fingerprint_exact,
    fingerprint_pixels,
    fingerprints_nearby,
    is_near_duplicate,
    is_valid_fingerprint,
)
from tests.fold import picture

Image = NDArray[np.uint8]


def ring(dy: int = 0, dx: int = 0) -> Image:
    """A bright ring on 28 x 28, drawn in integers (the same on every machine)."""
    y, x = np.mgrid[-14:14, -14:14]
    squared = (y - dy) ** 2 + (x - dx) ** 2
    inside = (squared <= 8**2) & (squared >= 6**2)
    return np.where(inside, 240, 0).astype(np.uint8)


def bar() -> Image:
    image = np.zeros((28, 28), dtype=np.uint8)
    image[4:-4, 12:16] = 240
    return image


def fingerprint(image: Image) -> bytes:
    return fingerprint_pixels(image.tobytes(), image.shape[1], image.shape[0])


def test_a_fingerprint_is_the_same_on_every_machine() -> None:
    image = ring()
    image[3:9, 5] = np.arange(6) * 30
    digest = hashlib.sha256(fingerprint(image)).hexdigest()
    assert len(fingerprint(image)) == PERCEPTUAL_BYTES <= 256
    assert digest == "c706b827e68d608de43879371c735fb614dff5d5ab0748b1c0fc35e756479f61"


def test_nearby_are_those_at_the_steps_of_the_rule() -> None:
    image = ring(1, 1)
    nearby = fingerprints_nearby(image.tobytes(), 28, 28)
    assert nearby[0] == fingerprint(image)
    assert all(is_valid_fingerprint(each) for each in nearby)
    assert 3 <= len(nearby) <= 27  # three backgrounds, and three starts of the window each way


@pytest.mark.parametrize(
    "copy",
    [
        ring(dy=2, dx=-1),
        ring(dy=-2, dx=2),
        ring() // 2,
        255 - ring(),
        np.minimum(ring(), 230) + 20,
        np.kron(ring(), np.ones((2, 2))),
        np.kron(ring(), np.ones((30, 10))),
    ],
    ids=["shift", "shift2", "contrast", "inverted", "brightness", "double", "stretched"],
)
def test_copies_are_near_and_another_drawing_is_not(copy: Image) -> None:
    assert is_near_duplicate(fingerprint(ring()), fingerprint(copy.astype(np.uint8)))
    assert not is_near_duplicate(fingerprint(bar()), fingerprint(copy.astype(np.uint8)))


def test_specks_do_not_hide_a_copy() -> None:
    speckled = ring()
    speckled[[1, 6, 14, 20, 26], [2, 25, 13, 1, 20]] = 255
    assert distance(fingerprint(ring()), fingerprint(speckled)) <= 2


def test_blank_images_are_all_the_same_and_unlike_a_drawing() -> None:
    black, grey = np.zeros((28, 28), dtype=np.uint8), np.full((40, 30), 130, dtype=np.uint8)
    assert distance(fingerprint(black), fingerprint(grey)) == 0
    assert distance(fingerprint(black), fingerprint(ring())) == FARTHEST_PERMILLE


def test_exact_fingerprints_match_only_themselves() -> None:
    a, b = fingerprint_exact(b"one text"), fingerprint_exact(b"another")
    assert len(a) == EXACT_BYTES
    assert distance(a, a) == 0
    assert distance(a, b) == distance(a, fingerprint(ring())) == FARTHEST_PERMILLE


@pytest.mark.parametrize(("width", "height"), [(0, 4), (4, 0), (MAX_SIDE_PIXELS + 1, 1), (5, 4)])
def test_impossible_sizes_are_rejected(width: int, height: int) -> None:
    assert fingerprint_pixels(bytes(16), 4, 4)
    with pytest.raises(Reject):
        fingerprint_pixels(bytes(16), width, height)


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\x03" + bytes(PERCEPTUAL_BYTES - 1),
        b"\x01" + bytes(PERCEPTUAL_BYTES - 2),
        b"\x01" + bytes(PERCEPTUAL_BYTES),
        b"\x01" + bytes(PERCEPTUAL_BYTES - 2) + b"\x01",
        b"\x02" + bytes(EXACT_BYTES),
    ],
    ids=["empty", "version", "short", "long", "padding", "long exact"],
)
def test_malformed_fingerprints_are_rejected_everywhere(malformed: bytes) -> None:
    good = fingerprint(ring())
    assert is_valid_fingerprint(good)
    assert not is_valid_fingerprint(malformed)
    index: DuplicateIndex[int] = DuplicateIndex()
    for attempt in (
        lambda: distance(good, malformed),
        lambda: index.add(malformed, 1),
        lambda: index.nearest(malformed),
    ):
        with pytest.raises(Reject):
            attempt()
    assert len(index) == 0


def test_the_first_of_equal_matches_wins() -> None:
    index: DuplicateIndex[str] = DuplicateIndex()
    assert index.nearest(fingerprint(ring())) is None
    index.add(fingerprint(bar()), "bar")
    index.add(fingerprint(ring()), "first")
    index.add(fingerprint(ring()), "second")
    assert index.nearest(fingerprint(ring(dy=1))) == Match("first", 0)
    exact = fingerprint_exact(b"text")
    assert index.nearest(exact) is None
    index.add(exact, "text")
    assert index.nearest(exact) == Match("text", 0)


def test_a_key_is_used_once() -> None:
    index: DuplicateIndex[str] = DuplicateIndex()
    index.add(fingerprint(ring()), "a")
    with pytest.raises(StateError):
        index.add(fingerprint(bar()), "a")


def test_an_erased_fingerprint_leaves_nothing_behind() -> None:
    index: DuplicateIndex[str] = DuplicateIndex()
    noisy = ring()
    noisy[14, 6] = 0
    for key, item in (("a", ring()), ("b", ring()), ("c", noisy)):
        index.add(fingerprint(item), key)
    index.remove("a")
    index.remove("a")
    assert index.nearest(fingerprint(ring())) == Match("b", 0)
    index.remove("b")
    near = index.nearest(fingerprint(ring()))
    assert near is not None
    assert near.key == "c"
    assert near.distance <= NEAR_DUPLICATE_PERMILLE
    index.remove("c")
    assert index.nearest(fingerprint(ring())) is None
    assert len(index) == 0


AT_LIMIT = [*((which, 7) for which in range(6)), (6, 5)]
BEYOND = [*((which, 7) for which in range(7))]


def test_exactly_the_limit_is_a_near_duplicate_wherever_it_is_asked() -> None:
    original, at_limit, beyond = picture(), picture(*AT_LIMIT), picture(*BEYOND)
    assert distance(original, at_limit) == NEAR_DUPLICATE_PERMILLE == 16
    assert distance(original, beyond) == NEAR_DUPLICATE_PERMILLE + 1
    assert is_near_duplicate(original, at_limit)
    assert not is_near_duplicate(original, beyond)
    index = DuplicateIndex[str]()
    index.add(original, "original")
    for asked, found in ((at_limit, [Match("original", 16)]), (beyond, [])):
        assert index.near(asked) == found
        assert index.nearest(asked) == (found[0] if found else None)
        assert index.distance_to("original", asked) == (16 if found else None)
