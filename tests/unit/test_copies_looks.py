"""Honest pictures that resemble each other are lost to no rule; copies are found, or shown to people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from protocol.review.copies import DEFAULT_COPY_TERMS
from protocol.review.fingerprints import (
    DETAILS,
    SHAPE,
    THUMBNAIL,
    fingerprint_pixels,
    is_valid_fingerprint,
    unpack_thumbnail,
)
from protocol.review.index import DuplicateIndex, likely_distance, strict_distance
from protocol.review.shapes import NOTHING
from tests import looks
from tests.looks import Grey

STRICT, LIKELY = DEFAULT_COPY_TERMS.picture_strict, DEFAULT_COPY_TERMS.picture_likely
EACH = 20  # of each kind; a tenth of benchmarks/copies.py, which has the figures


def fingerprint(picture: Grey) -> bytes:
    high, wide = picture.shape
    return fingerprint_pixels(np.ascontiguousarray(picture).tobytes(), wide, high)


def is_copy(a: Grey, b: Grey) -> bool:
    return strict_distance(fingerprint(a), fingerprint(b)) <= STRICT


def is_shown(a: Grey, b: Grey) -> bool:
    return likely_distance(fingerprint(a), fingerprint(b)) <= LIKELY


@pytest.mark.parametrize("kind", looks.HONEST)
def test_no_honest_picture_is_lost_and_the_same_pixels_are_a_copy(kind: str) -> None:
    index, pictures = DuplicateIndex[int](), list(looks.series(looks.HONEST[kind], EACH))
    for key, picture in enumerate(pictures):
        print_ = fingerprint(picture)
        assert is_valid_fingerprint(print_)
        assert not index.near(print_, STRICT)
        index.add(print_, key)
    for key, picture in enumerate(pictures):
        [same] = index.near(fingerprint(picture), 0)
        assert (same.key, same.distance) == (key, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: picture.copy(),
        lambda picture: looks.as_jpeg(picture, 90),
        lambda picture: looks.resized(picture, 0.9),
    ],
    ids=["same", "jpeg", "smaller"],
)
def test_a_photograph_that_is_saved_again_is_a_copy(change: Callable[[Grey], Grey]) -> None:
    photos = list(looks.series(looks.photo, 12))
    assert sum(is_copy(photo, change(photo)) for photo in photos) >= 11
    assert not any(is_copy(photos[0], change(photo)) for photo in photos[1:])


@pytest.mark.parametrize(
    "change",
    [
        *(lambda p, by=by: looks.rotated(p, by) for by in (-10, 3, 7)),
        *(lambda p, by=by: looks.zoomed(p, by) for by in (0.9, 1.1)),
        lambda picture: looks.resized(picture, 1.1),
        lambda picture: looks.cropped(picture, 0.02),
        lambda picture: looks.padded(picture, 0.1, 0),
        lambda picture: looks.padded(picture, 0.1, 255),
        *(lambda p, by=by: looks.as_jpeg(p, by) for by in (10, 40)),
    ],
)
def test_reviewers_are_shown_what_was_changed_and_nothing_else(
    change: Callable[[Grey], Grey],
) -> None:
    photos = list(looks.series(looks.photo, 12))
    assert sum(is_shown(photo, change(photo)) for photo in photos) >= 11
    assert not any(is_shown(photos[0], change(photo)) for photo in photos[1:])


def test_a_screen_differs_by_one_line_of_its_text() -> None:
    """Thumbnails cannot tell, and say so; a copy that is saved again is shown to people."""
    one, other = looks.series(looks.screenshot, 2)
    assert not unpack_thumbnail(fingerprint(one)).is_sure
    assert is_shown(one, looks.as_jpeg(one, 90)) and not is_copy(one, looks.as_jpeg(one, 90))
    assert not is_shown(one, other)


def test_a_defect_elsewhere_is_another_defect() -> None:
    """Even where it is large enough for a thumbnail to be sure of it."""
    surfaces = []
    for at in (60, 150):
        away = (np.arange(256)[:, None] - at) ** 2 + (np.arange(256)[None] - at) ** 2
        surfaces.append(looks.flattened(150 - 120 * np.exp(-away / 1_000)))
    near = surfaces[0].copy()
    near[0, 0] = 151
    assert unpack_thumbnail(fingerprint(near)).is_sure
    assert is_copy(surfaces[0], near)
    assert not is_copy(*surfaces)


def test_a_picture_made_to_have_anothers_thumbnail_is_no_copy_of_it() -> None:
    """Its author would keep the true one out, or have its own hidden behind it."""
    photo = next(looks.series(looks.photo, 1))
    cells = np.kron((np.indices((15, 20)).sum(axis=0) % 2) * 2 - 1, np.ones((8, 8)))
    other = looks.flattened(photo + 24 * cells)
    print_, made = fingerprint(photo), fingerprint(other)
    assert made[DETAILS] != print_[DETAILS]
    assert not is_copy(photo, other)


def test_where_nothing_can_be_told_nothing_is_said() -> None:
    flat = fingerprint(np.full((300, 200), 90, dtype=np.uint8))
    speck = np.full((300, 200), 90, dtype=np.uint8)
    speck[100:104, 50:54] = 200
    tiny = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    for print_ in (flat, fingerprint(speck), fingerprint(tiny)):
        assert is_valid_fingerprint(print_)
        assert print_[SHAPE.start] == NOTHING
        assert not any(print_[THUMBNAIL])
    assert strict_distance(flat, fingerprint(speck)) == likely_distance(flat, fingerprint(speck))
    assert strict_distance(flat, fingerprint(speck)) == 1000
