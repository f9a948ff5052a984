"""What gas costs now, what its owner allows, and by how much a stuck transaction is bumped (EIP-1559)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.answers import as_number
from contracts.endpoint import METHOD_NOT_FOUND, Endpoint, RpcRefused
from contracts.history import History
from contracts.spending import WEI_PER_GWEI, FeeTooHigh, gwei
from protocol.errors import ConfigError

# Where the endpoint suggests none.
_TIP_WEI: Final = WEI_PER_GWEI
# The base fee grows by an eighth a block at most: twice is what it can be after six full blocks.
_BASE_FEES: Final = 2


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei for a unit of gas: what is paid at most, and the tip within it; `now` is what it costs now."""

    fee: int
    tip: int
    now: int


def quote(endpoint: Endpoint, history: History, fee_wei_max: int) -> Fees:
    """Return what to offer. Raises FeeTooHigh when no offer within `fee_wei_max` would be taken now."""
    fees = _present(endpoint, history)
    if fees.now > fee_wei_max:
        raise FeeTooHigh(
            f"gas costs {gwei(fees.now)} now, tip included, and you allow {gwei(fee_wei_max)}",
            "wait until it is cheaper, or raise max_fee_gwei in the settings",
        )
    return Fees(min(fees.fee, fee_wei_max), fees.tip, fees.now)


def bumped(
    endpoint: Endpoint, history: History, fee: int, tip: int, fee_wei_max: int
) -> Fees | None:
    """Return the offer after one of `fee` and `tip` that is stuck; None when it would be too high.

    Both grow by an eighth at least: pools take a replacement for no less (geth and others ask for a tenth).
    """
    fresh = _present(endpoint, history)
    least_fee, least_tip = an_eighth_more(fee), an_eighth_more(tip)
    if least_fee > fee_wei_max:
        return None
    offered = min(max(least_fee, fresh.fee), fee_wei_max)
    return Fees(offered, min(max(least_tip, fresh.tip), offered), fresh.now)


def _present(endpoint: Endpoint, history: History) -> Fees:
    base = history.latest().base_fee
    if base is None:
        raise ConfigError(
            f"the chain at {endpoint.shown} has no base fee, so it is older than our contracts can run on",
            "choose a chain with the rules of Cancun (2024) or later",
        )
    tip = _suggested_tip(endpoint)
    return Fees(_BASE_FEES * base + tip, tip, base + tip)


def _suggested_tip(endpoint: Endpoint) -> int:
    try:
        return as_number(endpoint, endpoint.call("eth_maxPriorityFeePerGas"))
    except RpcRefused as refused:
        if refused.code in METHOD_NOT_FOUND:
            return _TIP_WEI
        raise


def an_eighth_more(wei: int) -> int:
    """Return the least offer that replaces one of `wei`."""
    return (9 * wei + 7) // 8
