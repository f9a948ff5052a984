"""Drawings: well-formed, to scale, without a NaN; empty where there is nothing to draw."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonground.web.charts import (
    HEIGHT,
    PATTERNS,
    SERIES_MAX,
    WIDTH,
    Series,
    Text,
    column_chart,
    compact,
    interval_bar,
    line_chart,
    line_swatch,
    nice_ticks,
    share_bar,
    swatch,
)
from protocol.limits import PPM

TEXT = Text("key", "A <title>", "What & why", "round", "accuracy, %")
numbers = st.floats(0, 1e15, allow_nan=False)


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def coordinates(root: ElementTree.Element) -> list[float]:
    """Every number of every shape, in user units."""
    names = ("x", "y", "cx", "cy", "width", "height", "d")
    values = [e.get(name, "") for e in root.iter() for name in names if e is not root]
    return [float(n) for value in values for n in re.findall(r"-?[\d.]+(?:e[+-]?\d+)?", value)]


def named(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [e for e in root.iter() if e.get("class") == name]


@given(st.lists(numbers, min_size=1, max_size=80), st.integers(1, 3))
def test_lines_stay_in_the_drawing(values: list[float], series: int) -> None:
    lines = [Series(f"s{at}", values) for at in range(series)]
    root = parse(line_chart(TEXT, range(1, len(values) + 1), lines, Series("limit", [max(values)])))
    assert all(math.isfinite(n) and -20 <= n <= WIDTH for n in coordinates(root))
    assert (
        len([e for e in root.iter() if (e.get("class") or "").startswith("line line-")]) == series
    )


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=40))
def test_columns_stay_in_the_drawing(columns: list[tuple[float, float]]) -> None:
    series = [Series(name, [c[at] for c in columns]) for at, name in enumerate(("a", "b"))]
    root = parse(column_chart(TEXT, [str(at) for at in range(len(columns))], series))
    assert all(math.isfinite(n) and n <= WIDTH for n in coordinates(root))
    assert all(0 <= float(box.get("y", "")) <= HEIGHT for box in named(root, "box-0"))


def test_a_drawing_is_to_scale_and_says_what_it_shows() -> None:
    root = parse(line_chart(TEXT, [1, 2, 3], [Series("accuracy", [0, 50, 100])]))
    marks = [(float(m.get("cx", "")), float(m.get("cy", ""))) for m in named(root, "mark-0")]
    (x0, y0), (x1, y1), (x2, y2) = marks
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y0 - y1 == pytest.approx(y1 - y2)
    labels = [e.text for e in root.iter() if e.tag == "text"]
    assert labels == ["0", "20", "40", "60", "80", "100", "accuracy, %", "round", "1", "2", "3"]
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "key-title key-text"
    assert [(e.tag, e.text) for e in root if e.tag in ("title", "desc")] == [
        ("title", "A <title>"),
        ("desc", "What & why"),
    ]


def test_series_differ_by_more_than_their_colour() -> None:
    columns = column_chart(TEXT, ["1"], [Series(str(at), [1]) for at in range(SERIES_MAX)])
    fills = {e.get("fill") for e in parse(columns).iter() if e.get("fill")}
    assert fills == {f"url(#fill-{at})" for at in range(1, SERIES_MAX)}
    defined = {e.get("id") for e in parse(PATTERNS).iter() if e.get("id")}
    assert {f"url(#{name})" for name in defined} == fills
    lines = line_chart(TEXT, [1, 2], [Series(str(at), [1, 2]) for at in range(3)])
    marks = [named(parse(lines), f"mark-{at}")[0] for at in range(3)]
    assert len({(m.tag, len(m.get("d", ""))) for m in marks}) == 3


def test_one_point_is_drawn_and_none_is_not() -> None:
    one = parse(line_chart(TEXT, [7], [Series("accuracy", [0])]))
    assert len(named(one, "mark-0")) == 1
    assert "7" in [e.text for e in one.iter()]
    assert line_chart(TEXT, [], [Series("accuracy", [])]) == ""
    assert column_chart(TEXT, [], [Series("shares", [])]) == ""
    assert share_bar([0, 0]) == share_bar([]) == ""


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_what_is_no_finite_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite numbers, none below zero"):
        line_chart(TEXT, [1], [Series("accuracy", [value])])
    with pytest.raises(ValueError, match="finite numbers, none below zero"):
        column_chart(TEXT, ["1", "2"], [Series("too short", [1])])
    with pytest.raises(ValueError, match=f"1 to {SERIES_MAX} series"):
        column_chart(TEXT, ["1"], [])


from_zero = st.tuples(st.just(0), numbers)
whole = st.tuples(st.integers(1, 10**6), st.integers(0, 10**6)).map(lambda t: (t[0], t[0] + t[1]))


@given(st.one_of(from_zero, whole))
def test_ticks_are_few_round_and_cover_what_they_measure(ends: tuple[float, float]) -> None:
    low, high = ends
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high * (1 - 1e-9)
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))


def test_ticks_have_finite_ends() -> None:
    assert nice_ticks(0, 3) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="finite ends"):
        nice_ticks(0, math.inf)


def test_numbers_on_an_axis_are_short() -> None:
    assert [compact(n) for n in (0, 0.25, 950, 1_500, 2e7, 3e9)] == [
        "0", "0.25", "950", "1.5k", "20M", "3G",
    ]  # fmt: skip


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=SERIES_MAX).filter(any))
def test_a_bar_is_divided_as_the_numbers_are(parts: list[int]) -> None:
    boxes = [e for e in parse(share_bar(parts)) if (e.get("class") or "").startswith("box-")]
    widths = [float(box.get("width", "")) for box in boxes]
    assert sum(widths) == pytest.approx(1000, rel=1e-3)
    assert len(boxes) == sum(part > 0 for part in parts)


@given(st.tuples(*[st.integers(0, PPM)] * 3).map(sorted))
def test_an_interval_stays_on_its_track(ppm: list[int]) -> None:
    root = parse(interval_bar(*ppm))
    [span] = named(root, "span")
    start, width = float(span.get("x", "")), float(span.get("width", ""))
    assert 0 <= start <= start + width <= 100.01


def test_a_legend_shows_what_the_drawing_shows() -> None:
    assert "url(#fill-2)" in swatch(2)
    assert "line-1" in line_swatch(1)
