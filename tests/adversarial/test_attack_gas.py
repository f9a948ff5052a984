"""Many assets make claims too dear to be worth it: a proof for each asset, paid by whoever is owed.

One leaf an account over all its assets, one proof for all: measured on receipts of the embedded EVM, among
10,000 accounts.
"""

from __future__ import annotations

from benchmarks.gas import CLAIM_ALL_GAS_MAX, CLAIM_GAS_MAX, EPOCH_GAS_MAX, run

#: Of three claims in one, what may be spent on anything but the three transfers.
SHARED_PPM = 650_000


def test_three_assets_cost_their_transfers_and_one_proof() -> None:
    figures = {name: cost for name, cost in run().items() if isinstance(cost, int)}
    single = [figures[f"claim {name}, later"] for name in ("share token", "ERC-20", "ether")]
    together = figures["claim all three, later"]
    assert max(single) <= CLAIM_GAS_MAX
    assert together <= CLAIM_ALL_GAS_MAX
    assert together * 1_000_000 <= SHARED_PPM * sum(single), "what grows is the transfers"
    epoch = figures["post and enact, later: operator's gas for an epoch"]
    assert epoch <= EPOCH_GAS_MAX
