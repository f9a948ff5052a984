"""The fingerprint, the distance and the index on hand-made images."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from protocol.errors import Reject, StateError
from protocol.review.fingerprints import (
    IDENTITY_BYTES,
    MAX_SIDE_PIXELS,
    PICTURE_BYTES,
    TEXT_BYTES,
    fingerprint_exact,
    fingerprint_pixels,
    fingerprints_nearby,
    is_valid_fingerprint,
    unpack_thumbnail,
)
from protocol.review.index import DuplicateIndex, Match, strict_distance
from protocol.review.likeness import FARTHEST_PERMILLE
from tests.fold import NEAR, is_near, picture

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
    assert len(fingerprint(image)) == PICTURE_BYTES
    assert digest == "56e84871cf3d0abdce6885a75f1b0aab750fe86699c6839d7a1a7370c4efd8da"


def test_nearby_are_those_at_the_steps_of_the_rule() -> None:
    image = ring(1, 1)
    nearby = fingerprints_nearby(image.tobytes(), 28, 28, b"whole")
    assert nearby[0] == fingerprint_pixels(image.tobytes(), 28, 28, b"whole")
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
    assert is_near(fingerprint(ring()), fingerprint(copy.astype(np.uint8)))
    assert not is_near(fingerprint(bar()), fingerprint(copy.astype(np.uint8)))


def test_specks_do_not_hide_a_copy() -> None:
    speckled = ring()
    speckled[[1, 6, 14, 20, 26], [2, 25, 13, 1, 20]] = 255
    assert strict_distance(fingerprint(ring()), fingerprint(speckled)) <= 2


def test_a_flat_colour_is_a_copy_of_the_same_pixels_alone() -> None:
    black, grey = np.zeros((28, 28), dtype=np.uint8), np.full((28, 28), 130, dtype=np.uint8)
    assert unpack_thumbnail(fingerprint(black)).abstains
    assert strict_distance(fingerprint(black), fingerprint(black.copy())) == 0
    for other in (grey, ring(), np.zeros((28, 29), dtype=np.uint8)):
        assert strict_distance(fingerprint(black), fingerprint(other)) == FARTHEST_PERMILLE


def test_exact_fingerprints_match_only_themselves() -> None:
    a, b = fingerprint_exact(b"one text"), fingerprint_exact(b"another")
    assert len(a) == IDENTITY_BYTES
    assert strict_distance(a, a) == 0
    assert strict_distance(a, b) == strict_distance(a, fingerprint(ring())) == FARTHEST_PERMILLE


@pytest.mark.parametrize(("width", "height"), [(0, 4), (4, 0), (MAX_SIDE_PIXELS + 1, 1), (5, 4)])
def test_impossible_sizes_are_rejected(width: int, height: int) -> None:
    assert fingerprint_pixels(bytes(16), 4, 4)
    with pytest.raises(Reject):
        fingerprint_pixels(bytes(16), width, height)


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\x09" + bytes(PICTURE_BYTES - 1),
        b"\x01" + bytes(PICTURE_BYTES - 2),
        b"\x01" + bytes(PICTURE_BYTES),
        b"\x01" + bytes(PICTURE_BYTES - 2) + b"\x01",
        b"\x01" + b"\xff" * (PICTURE_BYTES - 1),
        b"\x02" + bytes(IDENTITY_BYTES),
        b"\x03" + bytes(TEXT_BYTES),
        b"\x04" + bytes(IDENTITY_BYTES),
    ],
    ids=["empty", "kind", "short", "long", "nothing", "full", "exact", "text", "sound"],
)
def test_malformed_fingerprints_are_rejected_everywhere(malformed: bytes) -> None:
    good = fingerprint(ring())
    assert is_valid_fingerprint(good)
    assert not is_valid_fingerprint(malformed)
    index: DuplicateIndex[int] = DuplicateIndex()
    for attempt in (
        lambda: strict_distance(good, malformed),
        lambda: index.add(malformed, 1),
        lambda: index.nearest(malformed, NEAR),
    ):
        with pytest.raises(Reject):
            attempt()
    assert len(index) == 0


def test_the_first_of_equal_matches_wins() -> None:
    index: DuplicateIndex[str] = DuplicateIndex()
    assert index.nearest(fingerprint(ring()), NEAR) is None
    index.add(fingerprint(bar()), "bar")
    index.add(fingerprint(ring()), "first")
    index.add(fingerprint(ring()), "second")
    assert index.nearest(fingerprint(ring(dy=1)), NEAR) == Match("first", 0)
    exact = fingerprint_exact(b"text")
    assert index.nearest(exact, NEAR) is None
    index.add(exact, "text")
    assert index.nearest(exact, NEAR) == Match("text", 0)


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
    assert index.nearest(fingerprint(ring()), NEAR) == Match("b", 0)
    index.remove("b")
    near = index.nearest(fingerprint(ring()), NEAR)
    assert near is not None
    assert near.key == "c"
    assert near.distance <= NEAR
    index.remove("c")
    assert index.nearest(fingerprint(ring()), NEAR) is None
    assert len(index) == 0


AT_LIMIT = [*((which, 7) for which in range(6)), (6, 4)]
BEYOND = [*((which, 7) for which in range(7))]


def test_exactly_the_limit_is_a_near_duplicate_wherever_it_is_asked() -> None:
    original, at_limit, beyond = picture(), picture(*AT_LIMIT), picture(*BEYOND)
    assert strict_distance(original, at_limit) == NEAR == 9
    assert strict_distance(original, beyond) == NEAR + 1
    assert is_near(original, at_limit)
    assert not is_near(original, beyond)
    index = DuplicateIndex[str]()
    index.add(original, "original")
    for asked, found in ((at_limit, [Match("original", 9)]), (beyond, [])):
        assert index.near(asked, NEAR) == found
        assert index.nearest(asked, NEAR) == (found[0] if found else None)
