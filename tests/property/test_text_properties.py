"""Properties of names: one spelling, one skeleton, and nothing that a check lets slip."""
# ruff: noqa: RUF001 (names in many scripts are what this is about)

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Reject
from protocol.limits import NAME_CHARS_MAX
from protocol.text import check_distinct, check_name, check_text, quoted, skeleton

# Where rules meet: joiners, selectors, marks, twins, blanks, tags, controls, and what is no character.
TRICKY = (
    "aAbc 0#é\u0301\u0316\u0327\u00ad\u034f\u200b\u200c\u200d\u200e\u200f\u202e\u2066\u2800\u3164\ufe0f"
    "\ufeff\u20e3\u0441\u0410\u03bd\u039d\u03a3\u03c2ıİßẞﬁ\u212b\u1e9bخم\u0646\u0930\u094d\u0937가\u1100"
    "\u1161\u2764\U0001f468\U0001f3fd\U0001f3f4\U000e0067\U000e007f\u00a0\u3000\u2028\n\t\r\x1b\x85"
    "\ud800\ue000\uffff\u0378\U0001fae8\ufffd\u0345\u1f80"
    "1lI|OmrnyY\u0443\u04af\u04ae\u0406\u04c0\u0417\u04e03\u03b3"
)
strings = st.text(st.one_of(st.sampled_from(TRICKY), st.characters()), max_size=12)


def refusal_of(name: str) -> Reject | None:
    try:
        check_name(name, "a name")
    except Reject as refusal:
        return refusal
    return None


def accepted(name: str) -> bool:
    return refusal_of(name) is None


@given(strings)
def test_refusals_advise_and_can_be_shown(name: str) -> None:
    refusal = refusal_of(name)
    if refusal is not None:
        assert refusal.advice
        assert not set(str(refusal)) & set("\x1b\n\r\u202e\u200d\ud800")


@given(strings)
def test_names_have_one_plain_spelling(name: str) -> None:
    if not accepted(name):
        return
    assert 0 < len(name) <= NAME_CHARS_MAX
    assert unicodedata.normalize("NFC", name) == name
    assert name.strip() == name and "  " not in name
    assert not {unicodedata.category(each) for each in name} & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert name.encode().decode() == name
    assert accepted(name)  # once accepted, always accepted


@given(strings)
def test_every_name_is_a_text(name: str) -> None:
    if accepted(name):
        check_text(name, "a title", NAME_CHARS_MAX)


@given(strings)
def test_texts_hold_no_controls_and_no_hidden_messages(text: str) -> None:
    try:
        check_text(text, "the guidelines", 100, lines=True)
    except Reject:
        return
    assert unicodedata.normalize("NFC", text) == text and text.encode()
    assert {each for each in text if unicodedata.category(each) == "Cc"} <= {"\n", "\t"}
    assert not set(text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(strings)
def test_skeletons_are_their_own_skeletons(name: str) -> None:
    assert skeleton(skeleton(name)) == skeleton(name)


@given(strings)
def test_spellings_of_a_name_share_a_skeleton(name: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert skeleton(unicodedata.normalize(form, name)) == skeleton(name)
    assert skeleton(f" {name}\u200b  ") == skeleton(name)


def are_distinct(names: Sequence[str]) -> bool:
    try:
        check_distinct(names, "labels")
    except Reject:
        return False
    return True


few_shapes = st.text(st.sampled_from("yY\u0443\u04af\u04ae\u03b3lI1\u0406\u04c0"), max_size=3)


@given(st.lists(st.one_of(strings, few_shapes), max_size=6))
def test_a_list_is_distinct_if_each_pair_of_it_is(names: list[str]) -> None:
    assert are_distinct(names) == all(map(are_distinct, combinations(names, 2)))


@given(strings, strings)
def test_two_names_of_one_shape_or_but_for_case_are_not_distinct(one: str, other: str) -> None:
    assert not are_distinct([one, skeleton(one)])
    if one.upper().casefold() == one.casefold():
        assert not are_distinct([one, one.upper()])
    if one.isascii() and are_distinct([one, other]):
        assert skeleton(one) != skeleton(other)


@given(strings)
def test_quoted_names_cannot_move_a_cursor(name: str) -> None:
    assert not set(quoted(name)) & set("\x1b\n\r\t\x85\u202e\u2028\u200f\ud800")
