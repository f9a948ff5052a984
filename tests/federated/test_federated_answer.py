"""An answer's file: everything in it follows from its noisy sum."""

from __future__ import annotations

import json

import numpy as np
import pytest
from nacl.signing import SigningKey

from federated.answer import (
    Cost,
    Origin,
    compose,
    figures_of,
    recompute,
    to_markdown,
    verify_answer,
)
from federated.data import Table
from federated.questions import parse
from federated.signed_card import canonical, sign
from federated.statistics import bound, encode, total
from protocol.errors import ConfigError, Reject
from protocol.identity import PersonId
from protocol.limits import PPM

ORIGIN = Origin(bytes(32), "ages", "Ages | of <b>all</b>", 7, [9], [PersonId(bytes([1]) * 32)])
COST = Cost({"everybody": PPM, "another partner": 1_200_000}, 1e-5)
AGES = np.array([*range(20, 80)] * 10, np.float64)


def answer(text: str = "histogram age 0 100 10") -> bytes:
    question = parse(text)
    table = Table({"age": AGES.astype(str).astype(object) if text.startswith("count") else AGES})
    exact = total(question, encode(question, table))
    noise = np.random.default_rng(1).normal(0, 5 * bound(question), len(exact))
    return compose(question, exact + noise, 5 * bound(question), ORIGIN, COST)


@pytest.mark.parametrize(
    "text", ["count age", "histogram age 0 100 10", "mean age 0 100", "quantile age 0 100 0.5"]
)
def test_an_answer_is_recomputed_from_its_noisy_sum(text: str) -> None:
    made = answer(text)
    recompute(made)
    assert canonical(json.loads(made)) == made
    assert all(each.low <= each.value <= each.high for each in figures_of(made))
    assert len(figures_of(made)) == len(json.loads(made)["figures"])


def test_people_read_as_many_decimals_as_are_known() -> None:
    """A mean within 139 to 141 is no 140 of 140 to 140."""
    question = parse("mean sodium 100 200")
    exact = total(question, encode(question, Table({"sodium": np.full(4_000, 139.64)})))
    told = to_markdown(compose(question, exact, 5.0, ORIGIN, COST))
    assert "| mean of sodium | 139.64 | 139.51 to 139.77 |" in told


def test_a_range_that_is_below_the_decimals_of_an_answer_is_refused() -> None:
    """All of it would have been 0."""
    for text in ("mean c 0 0.000001", "quantile c 5 5.0001 0.5"):
        with pytest.raises(ConfigError, match="six decimals") as refused:
            parse(text)
        assert "smaller unit" in refused.value.advice
    assert parse("mean c 0 0.001") and parse("histogram c 0 0.000001 10")


@pytest.mark.parametrize(
    "change",
    [
        {"noisy_micro": [0] * 12},
        {"deviation_micro": PPM},
        {"question": "histogram age 0 50 10"},
        {"question": "nonsense"},
        {"noisy_micro": [0]},
        {"noisy_micro": "x"},
        {"noisy_micro": None},
        {"figures": []},
    ],
)
def test_a_changed_answer_is_found_out(change: dict[str, object]) -> None:
    its = json.loads(answer())
    with pytest.raises(Reject):
        recompute(canonical(its | change))
    with pytest.raises(Reject):
        recompute(b"[]")


def test_the_longest_answer_is_signed_and_verified() -> None:
    words = ",".join(f"w{number}" for number in range(220))
    question = parse(f"table a 0 1 16 by b {words}")
    assert question.cells > 3_900
    made = compose(question, np.zeros(question.cells), 1.0, ORIGIN, COST)
    key = SigningKey(bytes(32))
    signed = sign(made, bytes(key.verify_key), lambda raw: key.sign(raw).signature)
    assert verify_answer(signed) == (bytes(key.verify_key), made)
    for other in (signed[:-1], signed.replace(b"Ages", b"Aged"), b"{}", made):
        with pytest.raises(Reject):
            verify_answer(other)


def test_people_read_it() -> None:
    text = to_markdown(answer())
    assert "<b>" not in text and "epsilon 1.200 at delta 1e-05" in text
    assert "| 20 to 30 |" in text.replace("\\", "")


def test_a_sum_that_is_none_makes_no_answer() -> None:
    with pytest.raises(Reject):
        compose(parse("count age"), np.array([np.nan, 0]), 1.0, ORIGIN, COST)
