"""Rules that hold for every spec and every table of answers, of each kind."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocol.errors import Reject
from protocol.limits import PPM
from protocol.tasks import KINDS, kind_of
from protocol.tasks.kind import Ballots, Known, Ruling
from protocol.tasks.spec import decode_spec, encode_spec
from protocol.truth.inference import TOLERANCE_PPM

# Rows are rounded cell by cell: half a millionth each, and exact gold.
ROUNDING_PPM = 3
# An answer is a mark for each of several questions.
MARKED = ("judge", "tags")

names = st.sampled_from(
    ["cat", "Dog", "no", "yes", "a, b", "x: no", "tie", "é", "5", "yes: no", "ß", "not a cat"]
)
some_names = st.lists(names, min_size=2, max_size=6, unique=True)
leaves = st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8)
terms = st.dictionaries(st.text(max_size=5), leaves | st.lists(leaves, max_size=3), max_size=4)


@st.composite
def specs(draw: st.DrawFn) -> tuple[str, Any]:
    """A kind, and a spec of it."""
    name = draw(st.sampled_from(sorted(KINDS)))
    listed = draw(some_names)
    said: dict[str, dict[str, object]] = {
        "classify": {"labels": listed},
        "rate": {"steps": listed, "tolerance": draw(st.integers(0, len(listed) - 2))},
        "prefer": {"ties": draw(st.booleans())},
        "judge": {
            "criteria": [
                {"name": each, "text": "Is it?", "needs_ppm": draw(st.integers(500_001, 999_999))}
                for each in sorted({re.sub("[,:]", "", each) for each in listed})
            ]
        },
        "tags": {"tags": sorted({each.replace(",", "") for each in listed} | {"one", "two"})},
    }
    return name, kind_of(name).parse_spec(encode_spec(said[name]))


@st.composite
def answers(draw: st.DrawFn, name: str, spec: Any) -> bytes:
    size = kind_of(name).belief_size(spec)
    if name in MARKED:
        return bytes(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)))
    return draw(st.integers(0, size - 1)).to_bytes(kind_of(name).answer_bytes(spec))


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, Any, Ballots, Known]:
    """Arbitrary answers, not only plausible ones, in the canonical order."""
    name, spec = draw(specs())
    n_items, n_reviewers = draw(st.integers(1, 25)), draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    answered = rng.random((n_items, n_reviewers)) < draw(st.sampled_from([0.2, 0.6, 1.0]))
    item, reviewer = np.nonzero(answered)
    truth = _random_answers(rng, name, spec, n_items)
    right = rng.random(len(item)) < draw(st.sampled_from([0.0, 0.5, 0.9]))
    guess = _random_answers(rng, name, spec, len(item))
    answer = np.where(right[:, None], truth[item], guess)
    known = np.flatnonzero(rng.random(n_items) < draw(st.sampled_from([0.0, 0.2, 0.5])))
    ballots = Ballots(item, reviewer, answer, n_items, n_reviewers)
    return name, spec, ballots, Known(known, truth[known])


def _random_answers(rng: np.random.Generator, name: str, spec: Any, n: int) -> NDArray[np.uint8]:
    kind = kind_of(name)
    size, width = kind.belief_size(spec), kind.answer_bytes(spec)
    if name in MARKED:
        return rng.integers(2, size=(n, width)).astype(np.uint8)
    table = np.zeros((n, width), dtype=np.uint8)
    table[:, -1] = rng.integers(size, size=n)
    return table


@settings(max_examples=100, deadline=None, derandomize=True)
@given(terms)
def test_a_spec_has_one_encoding(said: dict[str, object]) -> None:
    encoded = encode_spec(said)
    assert decode_spec(encoded) == said
    assert encode_spec(dict(reversed(said.items()))) == encoded


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=40))
def test_other_bytes_are_refused_or_canonical(spec: bytes) -> None:
    try:
        said = decode_spec(spec)
    except Reject:
        return
    assert encode_spec(said) == spec


@settings(max_examples=150, deadline=None, derandomize=True)
@given(specs(), st.data())
def test_words_lead_back_to_the_answer(drawn: tuple[str, Any], data: st.DataObject) -> None:
    name, spec = drawn
    kind = kind_of(name)
    answer = data.draw(answers(name, spec))
    kind.check_answer(spec, answer)
    text = kind.words(spec, answer)
    assert kind.read_words(spec, text) == answer
    assert kind.read_words(spec, f"  {text.upper()} ") == answer
    assert kind.credit_ppm(spec, answer, answer) == PPM


@settings(max_examples=150, deadline=None, derandomize=True)
@given(specs(), st.binary(max_size=8))
def test_only_canonical_answers_pass(drawn: tuple[str, Any], answer: bytes) -> None:
    name, spec = drawn
    kind = kind_of(name)
    try:
        kind.check_answer(spec, answer)
    except Reject:
        with pytest.raises(Reject):
            kind.words(spec, answer)
        return
    assert len(answer) == kind.answer_bytes(spec)
    assert kind.read_words(spec, kind.words(spec, answer)) == answer


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables(), st.integers(500_001, PPM))
def test_beliefs_are_distributions_and_lead_to_answers(
    drawn: tuple[str, Any, Ballots, Known], accept_ppm: int
) -> None:
    name, spec, ballots, known = drawn
    kind = kind_of(name)
    belief = kind.infer(spec, ballots, known).belief_ppm
    assert belief.min() >= 0 and belief.max() <= PPM
    if name not in MARKED:
        assert np.abs(belief.sum(axis=1) - PPM).max() <= ROUNDING_PPM
    for row in belief.tolist():
        decision = kind.decide(spec, row, None, accept_ppm)
        kind.check_answer(spec, decision.answer)
        assert 0 <= decision.confidence_ppm <= PPM + ROUNDING_PPM
        assert kind.explain(spec, row)
    for row, true in zip(belief[known.item].tolist(), known.answer.tolist(), strict=True):
        decision = kind.decide(spec, row, None, accept_ppm)
        assert decision.answer == bytes(true)
        assert decision.confidence_ppm == PPM
        assert decision.ruling is not Ruling.UNSURE


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables(), st.integers(0, 2**32 - 1))
def test_numbering_is_of_no_account(drawn: tuple[str, Any, Ballots, Known], seed: int) -> None:
    name, spec, ballots, known = drawn
    rng = np.random.default_rng(seed)
    item, reviewer = rng.permutation(ballots.n_items), rng.permutation(ballots.n_reviewers)
    order = np.lexsort((reviewer[ballots.reviewer], item[ballots.item]))
    gold_order = np.argsort(item[known.item])
    again = Ballots(
        item[ballots.item][order],
        reviewer[ballots.reviewer][order],
        ballots.answer[order],
        ballots.n_items,
        ballots.n_reviewers,
    )
    also = Known(item[known.item][gold_order], known.answer[gold_order])
    kind = kind_of(name)
    one, two = kind.infer(spec, ballots, known), kind.infer(spec, again, also)
    assert np.abs(one.belief_ppm - two.belief_ppm[item]).max(initial=0) <= TOLERANCE_PPM


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables())
def test_pay_is_never_negative_and_constancy_earns_nothing(
    drawn: tuple[str, Any, Ballots, Known],
) -> None:
    name, spec, ballots, known = drawn
    answer = ballots.answer.copy()
    answer[ballots.reviewer == 0] = 0
    lazy = Ballots(ballots.item, ballots.reviewer, answer, ballots.n_items, ballots.n_reviewers)
    scores = kind_of(name).infer(spec, lazy, known).scores()
    assert np.all(scores.micro >= 0)
    assert np.all(np.isfinite(scores.score))
    assert scores.micro[0] <= 1 or scores.ring_size[0] > 1
