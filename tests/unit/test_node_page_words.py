"""Amounts are exact, certainty is never overstated."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonground.counting import plural
from node.page.words import amount_text, asset_name, brief, certainty, percent
from protocol.limits import ASSET_AMOUNT_MAX, PPM
from protocol.money.settlement import ETHER, Address
from protocol.state import SHARES, State
from tests.chain_says import WHERE


@pytest.mark.parametrize(
    ("asset", "amount", "text"),
    [
        ("shares", 0, "0.00"),
        ("shares", 1, "0.000001"),
        ("shares", 1_421_231_244, "1,421.231244"),
        ("shares", 600_000_000, "600.00"),
        ("ether", 1, "0.000000000000000001"),
        ("ether", 25 * 10**16, "0.25"),
        ("token 0x07", 12_345, "12,345"),
    ],
)
def test_an_amount_is_exact(asset: str, amount: int, text: str) -> None:
    assert amount_text(asset, amount) == text


@given(st.integers(0, ASSET_AMOUNT_MAX), st.sampled_from([("shares", 6), ("ether", 18), ("t", 0)]))
def test_no_unit_is_lost_in_writing(amount: int, asset: tuple[str, int]) -> None:
    name, digits = asset
    whole, _, part = amount_text(name, amount).replace(",", "").partition(".")
    assert int(whole) * 10**digits + int(f"{part:0<{digits}}" or "0") == amount


@pytest.mark.parametrize(
    ("amount", "short"),
    [
        ("1,421.231244", "1,421.23"),
        ("0.000001", "0.000001"),
        ("0.25", "0.25"),
        ("12,345", "12,345"),
    ],
)
def test_a_first_look_is_short_and_never_nothing(amount: str, short: str) -> None:
    assert brief(amount) == short


@given(st.integers(0, PPM))
def test_nothing_is_certain(ppm: int) -> None:
    shown = float(certainty(ppm).split()[-2])
    assert shown <= 99.9
    assert shown * 10_000 <= ppm


def test_certainty_in_words() -> None:
    assert certainty(PPM) == "practically certain, 99.9\N{NO-BREAK SPACE}%"
    assert certainty(994_999) == "almost certain, 99.4\N{NO-BREAK SPACE}%"
    assert certainty(612_000) == "unclear, 61.2\N{NO-BREAK SPACE}%"
    assert percent(123_456, 0) == "12\N{NO-BREAK SPACE}%"
    assert (plural(1, "item"), plural(2_000, "item")) == ("1 item", "2,000 items")
    assert plural(3, "entry", "entries") == "3 entries"


def test_an_asset_has_the_name_that_people_use() -> None:
    state, token = State(), Address(b"\7" * 20)
    assert asset_name(state, SHARES) == "shares"
    assert asset_name(state, ETHER) == "ether"
    assert asset_name(state, token) == "token 0x" + "07" * 20
    state.deployment = replace(WHERE, share_token=token)
    assert asset_name(state, token) == "shares"
