"""What the documentation promises about gas, measured on the embedded EVM."""

from __future__ import annotations

from benchmarks.gas import CLAIM_ALL_GAS_MAX, CLAIM_GAS_MAX, EPOCH_GAS_MAX, run


def test_a_later_claim_among_ten_thousand_costs_what_is_promised() -> None:
    figures = run()
    for asset in ("share token", "ERC-20", "ether"):
        assert isinstance(later := figures[f"claim {asset}, later"], int)
        assert later <= CLAIM_GAS_MAX, asset
    together, epoch = (
        figures[name]
        for name in ("claim all three, later", "post and enact, later: operator's gas for an epoch")
    )
    assert isinstance(together, int)
    assert isinstance(epoch, int)
    assert together <= CLAIM_ALL_GAS_MAX
    assert epoch <= EPOCH_GAS_MAX
