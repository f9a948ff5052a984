"""How far apart two fingerprints are: by which part of them, and in which way a copy may differ.

Each distance is the squared error of two rows of whole numbers, the least over some variants of one of them
(shifts, turns), in per mille of the energy of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from protocol.review import details, shapes, sounds, thumbnails
from protocol.review.fingerprints import (
    DETAILS,
    EXACT,
    PICTURE,
    PLACE,
    SHAPE,
    SOUND,
    SPECTRUM,
    SURE,
    TEXT,
    TEXT_BYTES,
    THUMBNAIL,
    identity,
    unpack_thumbnail,
    unpack_thumbnails,
)

FARTHEST_PERMILLE: Final = 1000
BLOCK: Final = 16  # spots that a sketch sums up

# A defect elsewhere on a surface is another defect. Copies shifted by two pixels of 28 are two apart, and
# one more where the centre of their ink is rounded the other way.
_PLACES_APART_MAX: Final = 3
# A view that is drawn afresh is four times as far from others as a drawing is: at the same threshold both
# find as many copies, and flag as few others.
_VIEW_DIVISOR: Final = 4

Rows: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """Rows of whole numbers that are compared. Values are at most 30, so that a sketch, and the product of
    two, are exact in float32."""

    name: str
    where: slice  # in a fingerprint
    rows: Callable[[NDArray[np.uint8]], Rows]  # (n, bytes) -> (n, spots)
    variants: Callable[[Rows], Rows]  # (spots,) -> (variants, spots)
    blocks: NDArray[np.float32]  # (spots, sums): which spots are summed up to which
    divisor: int = 1

    def row(self, fingerprint: bytes) -> Rows:
        """(spots,) of one fingerprint."""
        return np.asarray(
            self.rows(np.frombuffer(fingerprint[self.where], dtype=np.uint8)[None])[0]
        )

    def distances(self, variants: Rows, rows: Rows) -> Rows:
        """(n,) of one, in its variants, from each of n rows, in per mille."""
        # Exact in float32: the values' squares sum to less than 2^24.
        products = (rows.astype(np.float32) @ variants.T.astype(np.float32)).astype(np.int64)
        energies = (rows * rows).sum(axis=1)[:, None] + (variants * variants).sum(axis=1)[None]
        error = FARTHEST_PERMILLE * (energies - 2 * products) // np.maximum(energies, 1)
        return np.asarray(np.minimum(error.min(axis=1), FARTHEST_PERMILLE) // self.divisor)


def _blocks(height: int, width: int, tall: int, wide: int) -> NDArray[np.float32]:
    """(height * width, sums) of blocks of tall x wide spots."""
    rows, columns = np.arange(height)[:, None] // tall, np.arange(width)[None] // wide
    which = (rows * -(-width // wide) + columns).reshape(-1)
    return np.asarray(np.eye(which.max() + 1, dtype=np.float32)[which])


def _thumbnail_rows(packed: NDArray[np.uint8]) -> Rows:
    return thumbnails.unshifted(unpack_thumbnails(packed)).astype(np.int64)


def _thumbnail_variants(row: Rows) -> Rows:
    edge = (thumbnails.CANVAS - thumbnails.WINDOW) // 2
    canvas = row.reshape(thumbnails.CANVAS, thumbnails.CANVAS)
    return thumbnails.shifted(canvas[edge:-edge, edge:-edge])


THUMBNAILS: Final = Likeness(
    "thumbnails",
    THUMBNAIL,
    _thumbnail_rows,
    _thumbnail_variants,
    _blocks(thumbnails.CANVAS, thumbnails.CANVAS, 4, 4),
)
GLANCES: Final = replace(THUMBNAILS, name="glances")
DRAWINGS: Final = Likeness(
    "drawings",
    SHAPE,
    shapes.spots,
    lambda row: shapes.turned(row, shapes.DRAWING),
    _blocks(shapes.ANGLES, shapes.RINGS, 4, 4),
)
VIEWS: Final = Likeness(
    "views",
    SHAPE,
    shapes.spots,
    lambda row: shapes.turned(row, shapes.VIEW),
    _blocks(shapes.ANGLES, shapes.RINGS, 4, 4),
    _VIEW_DIVISOR,
)
SPECTRA: Final = Likeness(
    "spectra",
    SPECTRUM,
    sounds.spots,
    sounds.moved,
    _blocks(sounds.MOMENTS, sounds.BANDS, 4, 4),
)


def strict_likeness(fingerprint: bytes) -> Likeness | None:
    """By which a copy is told without people; None where only the same content is one, and for texts."""
    if fingerprint[0] == PICTURE:
        return THUMBNAILS if fingerprint[SURE] and any(fingerprint[THUMBNAIL]) else None
    return _sound_likeness(fingerprint)


def likely_likeness(fingerprint: bytes) -> Likeness | None:
    """By which people are shown what may be a copy; None where nothing can be told, and for texts.

    Of a picture without a shape, as a screen is, the thumbnail: there it is not sure enough for more.
    """
    if fingerprint[0] != PICTURE:
        return _sound_likeness(fingerprint)
    by_shape = {shapes.DRAWING: DRAWINGS, shapes.VIEW: VIEWS}.get(fingerprint[SHAPE.start])
    return by_shape or (GLANCES if any(fingerprint[THUMBNAIL]) else None)


def _sound_likeness(fingerprint: bytes) -> Likeness | None:
    is_heard = fingerprint[0] == SOUND and fingerprint[SPECTRUM] != sounds.NOTHING
    return SPECTRA if is_heard else None


def is_text(fingerprint: bytes) -> bool:
    """Whether it is compared by its hashes."""
    return fingerprint[0] == TEXT and len(fingerprint) == TEXT_BYTES


def agrees_finely(a: bytes, b: bytes) -> bool:
    """Whether two fingerprints, alike by a thumbnail or by what has no more to show, agree in the rest."""
    if a[0] in (EXACT, TEXT, SOUND):
        return True
    if any(
        abs(one - other) > _PLACES_APART_MAX for one, other in zip(a[PLACE], b[PLACE], strict=True)
    ):
        return False
    thumb_a, thumb_b = unpack_thumbnail(a).levels, unpack_thumbnail(b).levels
    return details.same_details(a[DETAILS], b[DETAILS], thumb_a, thumb_b)


# ---- what decoders of lossy formats leave open ----

# What two decoders make of one file may be so far apart, in per mille: of 120 photographs and drawings with
# noise of one or two levels in each pixel, more than decoders differ by, all are taken.
DECODERS_PERMILLE: Final = 6
_DECODERS_DETAILS_PERMILLE: Final = 250
_DECODERS_SPECTRA_PERMILLE: Final = 20


def is_decoded_alike(a: bytes, b: bytes) -> bool:
    """Whether two valid fingerprints can be of one file, by two decoders that both follow its format."""
    if a == b:
        return True
    if identity(a) != identity(b) or len(a) != len(b):
        return False
    if a[0] == SOUND:
        return _apart(SPECTRA, a, b) <= _DECODERS_SPECTRA_PERMILLE
    return a[0] == PICTURE and (
        all(abs(one - other) <= 1 for one, other in zip(a[PLACE], b[PLACE], strict=True))
        and _apart(THUMBNAILS, a, b) <= DECODERS_PERMILLE
        and details.distance(a[DETAILS], b[DETAILS]) <= _DECODERS_DETAILS_PERMILLE
        and a[SHAPE.start] == b[SHAPE.start]
        and _apart(DRAWINGS, a, b) <= DECODERS_PERMILLE
    )


def _apart(likeness: Likeness, a: bytes, b: bytes) -> int:
    return int(likeness.distances(likeness.variants(likeness.row(a)), likeness.row(b)[None])[0])
