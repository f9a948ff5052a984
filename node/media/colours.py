"""What a picture's numbers mean, where it says so in numbers of its own: chromaticities and a curve.

<https://www.w3.org/TR/png-3/#11addnlcolinfo>, and the code points of <https://www.itu.int/rec/T-REC-H.273>.
Loaders of datasets take every picture for sRGB, and browsers do not: what says otherwise is converted before
anybody sees it (`srgb`, which has profiles, too: those are tables and no numbers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.errors import Reject

Matrix = tuple[tuple[float, float, float], ...]

# In 100,000ths, as PNG has them: x and y of white, red, green and blue.
_D65: Final = (31_270, 32_900)
_SRGB: Final = (*_D65, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
_WHOLE: Final = 100_000
# By how much programs round these; a colour then changes by about one level.
_ROUNDING: Final = 50
# What counts as the gamma of sRGB (1/2.2), as in libpng: nobody sees a twentieth, and many files round it.
_SRGB_GAMMA: Final = 45_455
_GAMMA_ROUNDING: Final = _SRGB_GAMMA // 20
# Beyond these are no gammas: of 1/100 all but the lightest is black.
_GAMMAS: Final = range(1_000, 1_000_001)
_UNSPECIFIED: Final = 2
_PRIMARIES: Final = {
    1: _SRGB,
    4: (31_000, 31_600, 67_000, 33_000, 21_000, 71_000, 14_000, 8_000),
    5: (*_D65, 64_000, 33_000, 29_000, 60_000, 15_000, 6_000),
    6: (*_D65, 63_000, 34_000, 31_000, 59_500, 15_500, 7_000),
    7: (*_D65, 63_000, 34_000, 31_000, 59_500, 15_500, 7_000),
    9: (*_D65, 70_800, 29_200, 17_000, 79_700, 13_100, 4_600),
    11: (31_400, 35_100, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000),
    12: (*_D65, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000),
}
# (of XYZ) how eyes adapt to another white: Bradford's matrix, as profiles have it.
_CONES: Final[Matrix] = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)
_SINGULAR: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Curve:
    """Light by level, both from 0 to 1: (scale * level + shift) ** exponent, or level * slope up to `toe`."""

    exponent: float
    scale: float = 1.0
    shift: float = 0.0
    toe: float = -1.0
    slope: float = 0.0


_SRGB_CURVE: Final = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 0.04045, 1 / 12.92)
# By their screens' (BT.1886), as browsers do: a camera's curve is another one.
_VIDEO: Final = Curve(2.4)
_CURVES: Final = {
    1: _VIDEO,
    4: Curve(2.2),
    5: Curve(2.8),
    6: _VIDEO,
    8: Curve(1.0),
    11: _VIDEO,
    13: _SRGB_CURVE,
    14: _VIDEO,
    15: _VIDEO,
}
_BRIGHTER: Final = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True, slots=True)
class Colours:
    """What the numbers of a picture mean."""

    chromaticities: tuple[int, ...] = _SRGB
    curve: Curve = _SRGB_CURVE

    @property
    def matrix(self) -> Matrix | None:
        """From its light to that of sRGB, row by row; None where that is the same."""
        if self.chromaticities == _SRGB:
            return None
        return _of(_inverse(_adapted(_SRGB)), _adapted(self.chromaticities))


SRGB: Final = Colours()


def by_gamma(gamma: int, chromaticities: tuple[int, ...]) -> Colours | None:
    """Of gAMA and, if it has any, cHRM: 100,000ths. None where they are no gamma and no colours."""
    if gamma not in _GAMMAS or not _are_colours(chromaticities or _SRGB):
        return None
    is_srgb = all(
        abs(each - usual) <= _ROUNDING
        for each, usual in zip(chromaticities or _SRGB, _SRGB, strict=True)
    )
    if is_srgb and abs(gamma - _SRGB_GAMMA) <= _GAMMA_ROUNDING:
        return SRGB
    return Colours(_SRGB if is_srgb else chromaticities, Curve(_WHOLE / gamma))


def by_code_points(primaries: int, transfer: int) -> Colours | None:
    """Of cICP; None where it leaves them open. Raises Reject for what has no one look on a screen."""
    if _UNSPECIFIED in (primaries, transfer):
        return None
    if transfer in _BRIGHTER:
        raise Reject(
            f"its colours are those of HDR ({_BRIGHTER[transfer]}), which each screen shows otherwise",
            "Export it for screens, in sRGB.",
        )
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        raise Reject(
            f"its colours are those of video ({primaries}/{transfer}), which are not converted",
            "Export it in sRGB.",
        )
    return Colours(_PRIMARIES[primaries], _CURVES[transfer])


def _are_colours(chromaticities: tuple[int, ...]) -> bool:
    """Whether there is such light, and white is a mixture of the three that eyes adapt to."""
    points = [*zip(chromaticities[::2], chromaticities[1::2], strict=True)]
    if any(y <= 0 or x + y > _WHOLE for x, y in points):
        return False
    lights = _columns([_light(point) for point in points[1:]])
    if abs(_determinant(lights)) < _SINGULAR or min(_shares(lights, points[0])) <= 0:
        return False
    return min(_applied(_CONES, _light(points[0]))) > 0


# ---- matrices of three by three ----


def _light(point: tuple[int, int]) -> tuple[float, float, float]:
    """XYZ of a chromaticity, as light as white is."""
    x, y = point
    return x / y, 1.0, (_WHOLE - x - y) / y


def _adapted(chromaticities: tuple[int, ...]) -> Matrix:
    """From light in these colours to what cones see, where each white is 1, 1, 1."""
    white, *points = zip(chromaticities[::2], chromaticities[1::2], strict=True)
    lights = _columns([_light(point) for point in points])
    shares = _shares(lights, white)
    seen = _of(_CONES, tuple((r * shares[0], g * shares[1], b * shares[2]) for r, g, b in lights))
    return tuple((r / (r + g + b), g / (r + g + b), b / (r + g + b)) for r, g, b in seen)


def _shares(lights: Matrix, white: tuple[int, int]) -> tuple[float, ...]:
    """How much of each light makes white."""
    return _applied(_inverse(lights), _light(white))


def _applied(matrix: Matrix, light: tuple[float, float, float]) -> tuple[float, ...]:
    return tuple(sum(part * of for part, of in zip(row, light, strict=True)) for row in matrix)


def _columns(columns: list[tuple[float, float, float]]) -> Matrix:
    first, second, third = columns
    return tuple(zip(first, second, third, strict=True))


def _of(left: Matrix, right: Matrix) -> Matrix:
    """The product."""
    return tuple(
        (
            sum(row[at] * right[at][0] for at in range(3)),
            sum(row[at] * right[at][1] for at in range(3)),
            sum(row[at] * right[at][2] for at in range(3)),
        )
        for row in left
    )


def _determinant(matrix: Matrix) -> float:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    whole = _determinant(matrix)
    return (
        ((e * i - f * h) / whole, (c * h - b * i) / whole, (b * f - c * e) / whole),
        ((f * g - d * i) / whole, (a * i - c * g) / whole, (c * d - a * f) / whole),
        ((d * h - e * g) / whole, (b * g - a * h) / whole, (a * e - b * d) / whole),
    )
