"""How an account may spend: what its owner allows for gas, and where sent transactions are remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from protocol.errors import ConfigError, StateError

WEI_PER_GWEI: Final = 10**9
WEI_PER_ETHER: Final = 10**18
#: The ceiling where the owner set none. Far above what mainnet asked in most hours of its life, and low
#: enough that a mistaken quote does not empty an account.
MAX_FEE_GWEI: Final = 200
_WEI_MAX: Final = 10**27  # more than there is ether, and few enough digits for exact decimals


@dataclass(frozen=True, slots=True)
class Spending:
    """The owner's terms for transactions.

    `fee_wei_max` bounds the fee for a unit of gas, tip included. `journal` is a folder for transactions
    under way, so that a crash pays nothing twice; None remembers them only as long as we run. `on_sent` is
    called with the hash of whatever was sent, before anybody waits for it.
    """

    fee_wei_max: int = MAX_FEE_GWEI * WEI_PER_GWEI
    journal: Path | None = None
    on_sent: Callable[[bytes], None] = lambda _: None


class TooDear(StateError):
    """Not now: it costs more than it may, than there is, or than it brings. Later it may do."""


class FeeTooHigh(TooDear):
    """Gas costs more than the owner allows."""


class Unfunded(TooDear):
    """The account cannot pay; `missing` is in wei, 0 where the endpoint did not say."""

    def __init__(self, message: str, advice: str, missing: int) -> None:
        super().__init__(message, advice)
        self.missing = missing


def gwei(wei: int) -> str:
    """Return a fee as people read it: 1500000000 -> 1.5 gwei."""
    return f"{_shortest(wei, WEI_PER_GWEI)} gwei"


def ether(wei: int) -> str:
    """Return an amount as people read it: 1500000000000000000 -> 1.5 ether."""
    return f"{_shortest(wei, WEI_PER_ETHER)} ether"


def parse_ether(text: str) -> int:
    """Return the wei of a decimal amount of ether; raise ConfigError for what is none."""
    try:
        wei = Decimal(text) * WEI_PER_ETHER
        fits = 0 < wei < _WEI_MAX and wei == wei.to_integral_value()
    except ArithmeticError:  # no number, infinite, or with an exponent beyond reason
        fits = False
    if not fits:
        raise ConfigError(f"{text!r} is no amount of ether", "give a number above 0, as 0.5")
    return int(wei)


def _shortest(wei: int, unit: int) -> str:
    digits = len(str(unit)) - 1
    whole, part = divmod(wei, unit)
    return f"{whole:,}" + (f".{part:0{digits}d}".rstrip("0") if part else "")
