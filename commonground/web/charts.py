"""Drawings as SVG, made on the server: they need no script, and scale with the page.

Colours come from the stylesheet by class, so that one drawing serves both colour schemes; series differ by
dash and marker, or by pattern, as well. Each drawing has a title and a description for those who do not see
it, and the page shows its numbers in a table too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import Final

from markupsafe import Markup, escape

from protocol.limits import PPM

# In user units: shown at 350 to 560 pixels, text stays between 10 and 16 of them.
WIDTH: Final = 440
HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 26, 38
_TICKS: Final = 5
# With more points than this, markers would run into each other.
_MARKERS_MAX: Final = 40
# Below this, of the larger end, a difference is noise, and a float's smallest steps come near.
_SPAN_MIN: Final = 1e-6
_CHARACTER: Final = 7  # width of one in user units, roughly

# Fills beside the colours; a drawing names them by their place. The first is plain.
PATTERNS: Final = Markup(
    '<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>'
    '<pattern id="fill-1" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<path class="ink-1" d="M0 6 6 0M-1 1 1-1M5 7 7 5" stroke-width="2.6"/></pattern>'
    '<pattern id="fill-2" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<circle class="dot-2" cx="2.5" cy="2.5" r="1.6"/></pattern>'
    '<pattern id="fill-3" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<path class="ink-3" d="M0 1.5H5" stroke-width="2.4"/></pattern>'
    '<pattern id="fill-4" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<path class="ink-4" d="M0 0 6 6M0 6 6 0" stroke-width="1.6"/></pattern>'
    '<pattern id="fill-5" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<path class="ink-5" d="M1.5 0V5" stroke-width="2.4"/></pattern>'
    '<pattern id="fill-6" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<path class="ink-6" d="M0 0 6 6M-1 5 1 7M5-1 7 1" stroke-width="1.4"/></pattern>'
    '<pattern id="fill-7" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<path class="ink-7" d="M0 2.5H5M2.5 0V5" stroke-width="1"/></pattern>'
    "</defs></svg>"
)
SERIES_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Series:
    """A name, and a finite number for each place on the horizontal axis."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Text:
    """What a drawing says of itself. `key` is unique on its page."""

    key: str
    title: str
    description: str
    across: str  # names of the axes, with units
    up: str


@dataclass(frozen=True, slots=True)
class _Scale:
    """From numbers to user units."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return round(self.start + part * (self.stop - self.start), 2)


def nice_ticks(low: float, high: float, count: int = _TICKS) -> list[float]:
    """Round numbers from at most `low` to at least `high`, in steps of 1, 2 or 5 times a power of ten."""
    if not (isfinite(low) and isfinite(high)):
        raise ValueError("an axis has finite ends")
    span = max(high - low, _SPAN_MIN * max(1.0, abs(high))) if high else 1.0
    power = 10.0 ** floor(log10(span / count))
    step = next((m * power for m in (1, 2, 5) if m * power * count >= span), 10 * power)
    first, last = floor(low / step), -floor(-high / step)
    return [float(f"{at * step:.12g}") for at in range(first, max(last, first + 1) + 1)]


def compact(value: float) -> str:
    """A number for an axis: 950, 1.5k, 20M."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.4g}{letter}"
    return f"{value:.4g}"


def line_chart(
    text: Text, xs: Sequence[int], series: Sequence[Series], limit: Series | None = None
) -> Markup:
    """Lines over rising whole numbers; `limit` is one number, drawn across. Empty without points."""
    _check(len(xs), series)
    if not xs:
        return Markup("")
    tops = [value for each in series for value in each.values] + list(limit.values if limit else ())
    ticks = nice_ticks(0, max(tops))
    up = _Scale(0, ticks[-1], HEIGHT - _BOTTOM, _TOP)
    # One point stands in the middle.
    low, high = (xs[0], xs[-1]) if len(xs) > 1 else (xs[0] - 1, xs[0] + 1)
    across = _Scale(low, high, _LEFT + 8, WIDTH - _RIGHT - 8)
    marks = [t for t in nice_ticks(low, high, 6) if t in range(xs[0], xs[-1] + 1)]
    parts = [_frame(text, ticks, up), _across([(across(m), f"{m:g}") for m in marks])]
    if limit:
        y = up(limit.values[0])
        # Its name stands where the lines are not: they begin low.
        parts.append(
            Markup('<path class="limit" d="M{} {}H{}"/><text class="limit" x="{}" y="{}">{}</text>')
            .format(_LEFT, y, WIDTH - _RIGHT, _LEFT + 6, y + 14, limit.name)
        )  # fmt: skip
    for place, each in enumerate(series):
        points = [(across(x), up(value)) for x, value in zip(xs, each.values, strict=True)]
        parts.append(_line(place, points))
    return _svg(text, parts)


def column_chart(text: Text, labels: Sequence[str], series: Sequence[Series]) -> Markup:
    """Stacked columns, one for each label. Empty without labels."""
    _check(len(labels), series)
    if not labels:
        return Markup("")
    totals = [sum(values) for values in zip(*(each.values for each in series), strict=True)]
    ticks = nice_ticks(0, max(totals))
    up = _Scale(0, ticks[-1], HEIGHT - _BOTTOM, _TOP)
    slot = (WIDTH - _LEFT - _RIGHT) / len(labels)
    width = round(min(0.7 * slot, 44), 2)
    middles = [round(_LEFT + (at + 0.5) * slot, 2) for at in range(len(labels))]
    # Labels that would run into each other are left out, evenly.
    every = -(-_CHARACTER * (max(map(len, labels)) + 1) // max(1, floor(slot)))
    shown = [(x, label) for at, (x, label) in enumerate(zip(middles, labels, strict=True))
             if at % every == 0]  # fmt: skip
    parts = [_frame(text, ticks, up), _across(shown)]
    for at, middle in enumerate(middles):
        below = 0.0
        for place, each in enumerate(series):
            if value := each.values[at]:
                top, bottom = up(below + value), up(below)
                below += value
                parts.append(_box(place, middle - width / 2, top, width, bottom - top))
    return _svg(text, parts)


def share_bar(parts: Sequence[int]) -> Markup:
    """One bar, divided as the numbers are. Decoration: the numbers stand beside it. Empty without any."""
    whole, drawn, before = sum(parts), [], 0
    if not whole:
        return Markup("")
    for place, part in enumerate(parts):
        if part:
            start, stop = (1000 * edge / whole for edge in (before, before + part))
            drawn.append(_box(place, round(start, 2), 0, round(stop - start, 2), 18))
        before += part
    return Markup(
        '<svg class="share" viewBox="0 0 1000 18" preserveAspectRatio="none" aria-hidden="true">'
        "{}</svg>"
    ).format(Markup("").join(drawn))


def swatch(place: int) -> Markup:
    """What a series looks like, for a legend."""
    return Markup('<svg class="swatch" viewBox="0 0 14 14" aria-hidden="true">{}</svg>').format(
        _box(place, 0, 0, 14, 14)
    )


def line_swatch(place: int) -> Markup:
    """What a line looks like, for a legend."""
    return Markup(
        '<svg class="swatch wide" viewBox="0 0 30 14" aria-hidden="true">{}</svg>'
    ).format(_line(place, [(1, 7), (15, 7), (29, 7)]))


def interval_bar(low_ppm: int, mean_ppm: int, high_ppm: int) -> Markup:
    """From 0 to 100 %: a span and its middle. Decoration, as `share_bar` is."""
    low, mean, high = (round(100 * each / PPM, 2) for each in (low_ppm, mean_ppm, high_ppm))
    return Markup(
        '<svg class="interval" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" y="4" width="100" height="2"/>'
        '<rect class="span" x="{}" y="2" width="{}" height="6"/>'
        '<rect class="middle" x="{}" width="1.2" height="10"/></svg>'
    ).format(low, round(high - low, 2), max(0, round(mean - 0.6, 2)))


def part_bar(part_ppm: int) -> Markup:
    """From 0 to 100 %: how much. Decoration, as `share_bar` is."""
    return Markup(
        '<svg class="interval" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" y="4" width="100" height="2"/>'
        '<rect class="middle" y="1" width="{}" height="8"/></svg>'
    ).format(round(100 * part_ppm / PPM, 2))


def _check(places: int, series: Sequence[Series]) -> None:
    if not 0 < len(series) <= SERIES_MAX:
        raise ValueError(f"a drawing has 1 to {SERIES_MAX} series")
    for each in series:
        if len(each.values) != places or not all(isfinite(v) and v >= 0 for v in each.values):
            raise ValueError(f"{each.name} needs {places} finite numbers, none below zero")


def _svg(text: Text, parts: Sequence[Markup]) -> Markup:
    key = escape(text.key)
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-title {}-text">'
        '<title id="{}-title">{}</title><desc id="{}-text">{}</desc>{}</svg>'
    ).format(
        WIDTH, HEIGHT, key, key, key, text.title, key, text.description, Markup("").join(parts)
    )  # fmt: skip


def _frame(text: Text, ticks: Sequence[float], up: _Scale) -> Markup:
    drawn = [
        Markup('<path class="grid" d="M{} {}H{}"/><text class="up" x="{}" y="{}">{}</text>').format(
            _LEFT, up(tick), WIDTH - _RIGHT, _LEFT - 8, up(tick) + 4, compact(tick)
        )
        for tick in ticks
    ]
    names = Markup(
        '<text class="name" x="4" y="12">{}</text><text class="name end" x="{}" y="{}">{}</text>'
    ).format(text.up, WIDTH - _RIGHT, HEIGHT - 4, text.across)
    return Markup("").join([*drawn, names])


def _across(marks: Sequence[tuple[float, str]]) -> Markup:
    return Markup("").join(
        Markup('<text class="across" x="{}" y="{}">{}</text>').format(
            x, HEIGHT - _BOTTOM + 17, mark
        )
        for x, mark in marks
    )


def _line(place: int, points: Sequence[tuple[float, float]]) -> Markup:
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
    shapes = [_marker(place, x, y) for x, y in points] if len(points) <= _MARKERS_MAX else []
    return Markup('<path class="line line-{}" d="{}"/>{}').format(
        place, path, Markup("").join(shapes)
    )


def _marker(place: int, x: float, y: float) -> Markup:
    match place % 3:
        case 0:
            return Markup('<circle class="mark-{}" cx="{}" cy="{}" r="3.4"/>').format(place, x, y)
        case 1:
            shape = f"M{x - 3.4:g} {y - 3.4:g}h6.8v6.8h-6.8z"
        case _:
            shape = f"M{x:g} {y - 4.4:g}l4.2 7.4h-8.4z"
    return Markup('<path class="mark-{}" d="{}"/>').format(place, shape)


def _box(place: int, x: float, y: float, width: float, height: float) -> Markup:
    """A plain box for the first series; for others their pattern on a pale ground."""
    where = Markup('x="{:g}" y="{:g}" width="{:g}" height="{:g}"').format(x, y, width, height)
    if not place:
        return Markup('<rect class="box-0" {}/>').format(where)
    return Markup('<rect class="box-{}" {}/><rect fill="url(#fill-{})" {}/>').format(
        place, where, place, where
    )
