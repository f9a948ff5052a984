"""What a panel's voices make of a likely copy."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.identity import NOBODY, PersonId
from protocol.lifecycle import ItemStatus
from protocol.review.relations import decide_relation, relation_of
from protocol.rows import GivenAnswer, Item
from protocol.state import State
from protos.gen import records_pb2 as pb

COPY, DERIVATIVE, INDEPENDENT = (
    pb.RELATION_COPY,
    pb.RELATION_DERIVATIVE,
    pb.RELATION_INDEPENDENT,
)
UNSURE, UNSEEN = pb.RELATION_UNSURE, pb.RELATION_UNSEEN
RANKS = [COPY, DERIVATIVE, UNSEEN, INDEPENDENT]  # what is taken, from all to nothing
VOICES = [COPY, DERIVATIVE, INDEPENDENT, UNSURE, UNSEEN]


@pytest.mark.parametrize(
    ("voices", "decided"),
    [
        ([], pb.RELATION_NONE),
        ([COPY, COPY, INDEPENDENT], COPY),
        ([COPY, COPY, INDEPENDENT, INDEPENDENT], INDEPENDENT),  # a tie favours the author
        ([COPY, COPY, DERIVATIVE, INDEPENDENT], DERIVATIVE),  # a copy is derived, too
        ([COPY, DERIVATIVE, INDEPENDENT], DERIVATIVE),
        ([DERIVATIVE, INDEPENDENT], INDEPENDENT),
        ([COPY, UNSURE, UNSURE], INDEPENDENT),  # who says nothing says nothing against the author
        ([UNSURE, UNSURE], INDEPENDENT),
        (
            [UNSEEN, UNSEEN, UNSEEN],
            UNSEEN,
        ),  # whoever hides it neither saves a copy nor ruins others
        ([DERIVATIVE, UNSEEN, INDEPENDENT], UNSEEN),  # that it was not shown has decided
        ([DERIVATIVE, DERIVATIVE, UNSEEN], DERIVATIVE),
        ([COPY, COPY, UNSEEN], COPY),
        ([INDEPENDENT, INDEPENDENT, UNSEEN], INDEPENDENT),
    ],
)
def test_more_than_half_take_from_the_author(voices: list[int], decided: int) -> None:
    assert {decide_relation(order) for order in permutations(voices)} == {decided}


@given(st.lists(st.sampled_from(VOICES), min_size=1, max_size=9), st.integers(0, 8))
def test_a_voice_for_the_author_never_takes_from_him(voices: list[int], at: int) -> None:
    better = list(voices)
    better[at % len(voices)] = INDEPENDENT
    assert RANKS.index(decide_relation(better)) >= RANKS.index(decide_relation(voices))


def test_a_ring_has_one_voice_that_of_its_own_majority() -> None:
    state, item = State(), Item(NOBODY, "digits", 1, 0, None, resembles=b"original")
    state.items.put(b"original", Item(NOBODY, "digits", 0, 0, None))
    who = [PersonId(bytes([number]) * 32) for number in range(5)]
    said = [COPY, COPY, COPY, INDEPENDENT, INDEPENDENT]
    answers = {
        person: GivenAnswer(b"3", pb.REFUSAL_NONE, relation=relation)
        for person, relation in zip(who, said, strict=True)
    }
    assert relation_of(state, item, answers, ringed=()) == COPY
    assert relation_of(state, item, answers, ringed=who[:3]) == INDEPENDENT
    assert relation_of(state, item, answers, ringed=who[3:]) == COPY


@pytest.mark.parametrize(
    ("before", "stood"),
    [
        ({"status": ItemStatus.DUPLICATE}, COPY),
        ({"status": ItemStatus.ACCEPTED, "relation": DERIVATIVE}, DERIVATIVE),
        ({"status": ItemStatus.ACCEPTED, "relation": UNSEEN}, UNSEEN),
    ],
)
@pytest.mark.parametrize("silent", [UNSURE, UNSEEN])
def test_in_a_contest_who_says_nothing_leaves_the_item_what_it_was(
    before: dict[str, Any], stood: int, silent: int
) -> None:
    state, item = State(), Item(NOBODY, "digits", 1, 0, None, resembles=b"original")
    state.items.put(b"original", Item(NOBODY, "digits", 0, 0, None))
    contested = replace(item, contested=True, before=replace(item, **before))

    def decided(which: Item, *said: int) -> int:
        answers = {
            PersonId(bytes([at]) * 32): GivenAnswer(b"3", pb.REFUSAL_NONE, relation=relation)
            for at, relation in enumerate(said)
        }
        return relation_of(state, which, answers, ringed=())

    assert decided(contested, silent, silent, INDEPENDENT) == stood
    assert decided(contested, silent, INDEPENDENT, INDEPENDENT) == INDEPENDENT
    assert decided(item, silent, silent, INDEPENDENT) == (
        UNSEEN if silent == UNSEEN else INDEPENDENT
    )
