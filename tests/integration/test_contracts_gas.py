"""What the documentation promises about gas, measured on the embedded EVM."""

from __future__ import annotations

import pytest

from benchmarks.gas import (
    CLAIM_ALL_GAS_MAX,
    CLAIM_GAS_MAX,
    EPOCH_GAS_MAX,
    FIRST_EPOCH_GAS_MAX,
    run,
)


@pytest.fixture(scope="module")
def figures() -> dict[str, int]:
    return {name: gas for name, gas in run().items() if isinstance(gas, int)}


def test_a_later_claim_among_ten_thousand_costs_what_is_promised(figures: dict[str, int]) -> None:
    for asset in ("share token", "ERC-20", "ether"):
        assert figures[f"claim {asset}, later"] <= CLAIM_GAS_MAX, asset
    assert figures["claim all three, later"] <= CLAIM_ALL_GAS_MAX


@pytest.mark.parametrize(
    ("when", "most"),
    [("first", FIRST_EPOCH_GAS_MAX), ("second", EPOCH_GAS_MAX), ("later", EPOCH_GAS_MAX)],
)
def test_an_epoch_costs_its_operator_what_is_promised(
    figures: dict[str, int], when: str, most: int
) -> None:
    assert figures[f"post and enact, {when}: operator's gas for an epoch"] <= most
