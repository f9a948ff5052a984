"""Answers to questions: exact without noise, and as sure as they say with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federated.data import Kind, Table
from federated.questions import MISSING, OUTSIDE, PRESENT, Bins, Question, Range, Words, parse
from federated.statistics import bound, columns, encode, figures, shares, size, total
from federated.tasks.registry import made, require_outcome
from federated.tasks.statistics import noisy_sum
from federated.tasks.task import initial_weights
from protocol.errors import CommonholdError, ConfigError, Reject, StateError

QUESTIONS = (
    "count sex",
    "histogram age 0 100 10",
    "histogram sex f,m",
    "table age 0 100 5 by sex f,m",
    "mean age 0 100",
    "quantile age 0 100 0.25,0.5,0.95",
)
NOTHING = math.nan
AGES = [0, 9.5, 10, 100, 100.5, -1, NOTHING, NOTHING, math.inf, -math.inf, 42]


def table(**columns: Sequence[float | str]) -> Table:
    """As federated.data reads it."""
    return Table(
        {
            name: np.array(values, object if values and isinstance(values[0], str) else np.float64)
            for name, values in columns.items()
        }
    )


def summed(question: Question, data: Table) -> np.ndarray:
    return total(question, encode(question, data))


def answer(text: str, **columns: Sequence[float | str]) -> dict[str, float]:
    """What is said of these columns without noise."""
    question = parse(text)
    exact = summed(question, table(**columns))
    return {each.name: each.value for each in figures(question, exact, 0.0)}


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_has_one_text(text: str) -> None:
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)
    assert str(parse(f"  {text.replace(' 100', ' 1e2')}  ")) == text
    assert parse(text).words


def test_names_with_blanks_are_quoted() -> None:
    question = parse("table 'age at death' 0 1.5 3 by sex 'not said,f'")
    assert question.columns == ("age at death", "sex")
    assert parse(str(question)) == question


@pytest.mark.parametrize(
    "text",
    [
        *("", "sum age", "count", "count a b", "histogram", "histogram age", "histogram age 0 100"),
        *("histogram age 100 0 10", "histogram age 0 nan 10", "histogram age 0 inf 10"),
        *("histogram age 0 100 0", "histogram age 0 100 -1", "histogram age 0 100 99999"),
        *("histogram age 0 100 99999999999999999999", "histogram age 1e15 1e16 10"),
        *("histogram age 1 1.0000000000000002 10", "histogram sex f,f", "histogram sex f,,m"),
        *("histogram sex f,outside", "histogram sex 'f", "mean age", "mean age 5 5"),
        *("quantile age 0 100 0", "quantile age 0 100 1", "quantile age 0 100 x"),
        *("quantile age 0 100 0.5,0.25", "quantile age 0 100 " + ",".join(["0.5"] * 17)),
        *("table sex f,m", "table sex f,m by sex f,m", "table a f by b f by c f by d f"),
        *("table a 0 1 100 by b 0 1 100", "histogram " + "x" * 300 + " f,m", "count " * 500),
        "histogram \u202eage f,m",
    ],
)
def test_what_is_no_question_is_refused(text: str) -> None:
    with pytest.raises(CommonholdError):
        parse(text)


def test_every_field_is_counted_somewhere() -> None:
    counted = answer("histogram age 0 100 10", age=AGES)
    assert sum(counted.values()) == len(AGES)
    assert counted["0 to 10"] == 2  # 0 and 9.5; an edge belongs to the upper cell
    assert counted["10 to 20"] == counted["40 to 50"] == 1
    assert counted["90 to 100"] == 1  # but for the highest one
    assert counted[OUTSIDE] == 4 and counted[MISSING] == 2


def test_words_outside_and_missing_are_told_apart() -> None:
    counted = answer("histogram sex f,m", sex=["f", " m", "F", "", "  ", "m"])
    assert counted == {"f": 1, "m": 2, OUTSIDE: 1, MISSING: 2}


def test_a_table_counts_pairs() -> None:
    counted = answer("table age 0 100 2 by sex f,m", age=[1, 60, 60], sex=["f", "m", "f"])
    assert counted["0 to 50, f"] == counted["50 to 100, m"] == counted["50 to 100, f"] == 1
    assert sum(counted.values()) == 3


def test_a_mean_without_noise_is_the_mean_of_what_the_range_holds() -> None:
    found = answer("mean age 0 100", age=[10, 20, 150, -5, NOTHING])
    assert found["mean of age"] == pytest.approx((10 + 20 + 100 + 0) / 4)
    assert found["examples with age"] == 4


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.sampled_from([0.1, 0.5, 0.9]))
def test_a_quantile_without_noise_is_in_the_cell_of_the_true_one(
    ages: list[float], part: float
) -> None:
    question = parse(f"quantile age 0 100 {part}")
    [found, count] = figures(question, summed(question, table(age=ages)), 0.0)
    true = sorted(ages)[math.ceil(len(ages) * part - 1e-9) - 1]
    assert found.low - 1e-9 <= true <= found.high + 1e-9
    assert found.low <= found.value <= found.high
    assert count.value == pytest.approx(len(ages))


@pytest.mark.parametrize("text", QUESTIONS)
def test_nobody_adds_more_than_the_bound(text: str) -> None:
    question = parse(text)
    for age in AGES:
        for sex in ("f", "x", ""):
            added = summed(question, table(age=[age], sex=[sex]))
            assert added.shape == (size(question),)
            assert np.linalg.norm(added) <= bound(question) + 1e-12


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_partner_without_examples_adds_nothing(text: str) -> None:
    question = parse(text)
    nothing = summed(question, table(age=[], sex=[]))
    assert not nothing.any()
    for each in figures(question, nothing, 3.0):
        assert math.isfinite(each.low) and each.low <= each.value <= each.high


@pytest.mark.parametrize("text", QUESTIONS)
def test_one_example_is_answered_and_its_interval_is_wide(text: str) -> None:
    question = parse(text)
    one = summed(question, table(age=[50], sex=["f"]))
    noisy = one + np.random.default_rng(1).normal(0, 50, len(one))
    for each in figures(question, noisy, 50.0):
        assert each.low <= each.value <= each.high
        if each.name == "mean of age":
            assert (each.low, each.high) == (0, 100)


@pytest.mark.parametrize("text", QUESTIONS)
def test_parts_of_data_add_up_to_the_whole(text: str) -> None:
    question = parse(text)
    rng = np.random.default_rng(2)
    ages = rng.normal(50, 40, 90).tolist()
    sexes = rng.choice(["f", "m", "x", ""], 90).tolist()
    parts = [
        summed(question, table(age=ages[at : at + 30], sex=sexes[at : at + 30]))
        for at in (0, 30, 60)
    ]
    np.testing.assert_allclose(sum(parts), summed(question, table(age=ages, sex=sexes)))


@pytest.mark.parametrize("text", QUESTIONS)
def test_intervals_hold_as_often_as_they_say(text: str) -> None:
    """At least 95 of 100, and (where they are exact) not far more."""
    question, rng, tries = parse(text), np.random.default_rng(3), 400
    ages = rng.gamma(4.0, 10.0, 600)
    exact = summed(question, table(age=ages.tolist(), sex=rng.choice(["f", "m"], 600).tolist()))
    true = [each.value for each in figures(question, exact, 0.0)]
    deviation = 8.0 * bound(question)
    held = np.zeros(len(true))
    for _ in range(tries):
        noisy = exact + rng.normal(0, deviation, len(exact))
        got = figures(question, noisy, deviation)
        held += [low.low <= value <= low.high for low, value in zip(got, true, strict=True)]
    least = 0.95 - 4 * math.sqrt(0.95 * 0.05 / tries)
    assert (held / tries >= least).all(), held / tries
    if not text.startswith("quantile"):
        assert held.mean() / tries < 0.99  # none is so wide that it says nothing


def test_a_tree_finds_quantiles_better_than_cells_alone() -> None:
    """With as much noise for the privacy of each: what the tree is for."""
    rng = np.random.default_rng(4)
    ages = rng.normal(50, 20, 2_000)
    data, true = table(age=ages.tolist()), float(np.median(ages))
    tree, cells = parse("quantile age 0 100 0.5"), parse("histogram age 0 100 256")
    of_tree, of_cells = summed(tree, data), summed(cells, data)
    errors = np.zeros((30, 2))
    for each in errors:
        noisy = of_tree + rng.normal(0, 10 * bound(tree), len(of_tree))
        each[0] = abs(figures(tree, noisy, 10 * bound(tree))[0].value - true)
        counts = (of_cells + rng.normal(0, 10, len(of_cells)))[:256]
        at = int(np.argmax(np.cumsum(counts) >= counts.sum() / 2))
        each[1] = abs((at + 0.5) / 256 * 100 - true)
    assert np.median(errors[:, 0]) < np.median(errors[:, 1])


def test_shares_are_parts_of_one_or_nothing() -> None:
    found = figures(parse("histogram sex f,m"), np.array([30.0, 10.0, -5.0, 0.0]), 3.0)
    assert shares(found) == [0.75, 0.25, 0.0, 0.0]
    assert shares(figures(parse("count sex"), np.array([-5.0, -1.0]), 3.0)) == [0.0, 0.0]


@pytest.mark.parametrize("noisy", [np.zeros(3), np.array([np.nan, 0]), np.array([0, np.inf])])
def test_a_sum_that_is_none_is_refused(noisy: np.ndarray) -> None:
    with pytest.raises(Reject):
        figures(parse("count sex"), noisy, 1.0)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no column 'age'"):
        encode(parse("mean age 0 100"), table(sex=["f"]))


def test_numbers_may_be_missing_and_words_may_be_anything() -> None:
    [age, sex] = columns(parse("table age 0 100 5 by sex f,m"))
    assert (age.name, age.kind, age.optional) == ("age", Kind.NUMBER, True)
    assert (sex.name, sex.kind) == ("sex", Kind.CATEGORY)
    assert [each.kind for each in columns(parse("count age"))] == [Kind.CATEGORY]


def test_what_is_there_is_counted() -> None:
    assert answer("count sex", sex=["f", "", " ", "x"]) == {PRESENT: 2, MISSING: 2}


def test_a_job_says_what_it_ends_with() -> None:
    question, model = (
        made("statistics", {"question": "count sex"}, ()),
        made("images", {}, ("a", "b")),
    )
    assert question.words and not model.words
    require_outcome(question, True)
    require_outcome(model, False)
    for task in (question, model):
        with pytest.raises(StateError, match="the job says that it"):
            require_outcome(task, not task.asks)


@pytest.mark.parametrize("text", QUESTIONS)
def test_one_step_of_training_is_the_answer(text: str) -> None:
    """Whatever number of examples was expected, and whatever the model was before: there is none."""
    task = made("statistics", {"question": text}, ())
    rng = np.random.default_rng(5)
    data = table(age=rng.normal(50, 30, 300).tolist(), sex=rng.choice(["f", "m"], 300).tolist())
    recipe, zeros = task.recipe(1_000, 1.0), initial_weights(task, "statistics")
    step = task.clipped_sum(zeros, task.inputs(data, {}), task.targets(data), recipe.clip)
    trained = zeros.replaced((-recipe.learning_rate * step / 1_000).astype(np.float32))
    np.testing.assert_allclose(noisy_sum(trained, 1_000), summed(parse(text), data), rtol=1e-6)
    with pytest.raises(ConfigError, match="adds up to"):
        task.clipped_sum(zeros, task.inputs(data, {}), task.targets(data), 0.99)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(1, 200), st.floats(-2e6, 2e6))
def test_every_number_is_in_one_cell_whose_edges_hold_it(
    low: float, width: float, count: int, value: float
) -> None:
    bins = Bins(Range("age", low, low + width), count)
    [at] = bins.place(np.array([value]))
    if at < count:
        assert bins.edges[at] <= value <= bins.edges[at + 1]
    else:
        assert not bins.range.low <= value <= bins.range.high


def test_questions_are_values() -> None:
    assert parse("histogram sex f,m") == Question(
        parse("histogram sex f,m").kind, (Words("sex", ("f", "m")),)
    )
