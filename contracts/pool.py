"""What an endpoint says to a signed transaction: in the words of geth, Erigon, Nethermind, Besu, anvil."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from contracts.endpoint import Endpoint, RpcRefused

_KNOWN: Final = re.compile(r"already.?known|known transaction|already (imported|exists|in)\b", re.I)
_IN_THE_WAY: Final = re.compile(r"replac", re.I)
_NONCE: Final = re.compile(r"nonce", re.I)
_NO_FUNDS: Final = re.compile(r"insufficient (funds|balance)|afford|not (have )?enough", re.I)
_TOO_CHEAP: Final = re.compile(
    r"underpriced|fee.?too.?low|base ?fee|(fee|price|tip)\b.{0,40}\b(less|lower|low|below|minimum)\b",
    re.I,
)
_NO_GAS: Final = re.compile(
    r"out ?of ?gas|(intrinsic|insufficient) gas|gas required exceeds|exceeds.{0,20}gas limit", re.I
)
_OTHER_CHAIN: Final = re.compile(r"chain.?id|for chain|invalid sender", re.I)


class Standing(Enum):
    """How a transaction stands with the endpoint that it was sent to."""

    WAITING = auto()  # it is in the pool, and will be mined
    NONCE = auto()  # its nonce is used up, or not due yet
    IN_THE_WAY = auto()  # another one with its nonce is in the pool, and pays about as much
    TOO_CHEAP = auto()
    NO_FUNDS = auto()
    NO_GAS = auto()  # more than a block has
    OTHER_CHAIN = auto()
    REFUSED = auto()  # for a reason of the endpoint's own


def submit(endpoint: Endpoint, raw: bytes) -> tuple[Standing, str]:
    """Send a signed transaction; return how it stands and what the endpoint said. Raises Unreachable."""
    try:
        endpoint.call("eth_sendRawTransaction", "0x" + raw.hex())
    except RpcRefused as refused:
        return standing(refused.said), refused.said
    return Standing.WAITING, ""


def standing(said: str) -> Standing:
    """Return what a refusal means."""
    return next((each for pattern, each in _MEANINGS if pattern.search(said)), Standing.REFUSED)


def is_about_gas(said: str) -> bool:
    """Return whether an estimate was refused because no gas is enough."""
    return _NO_GAS.search(said) is not None


# The first that fits: "replacement transaction underpriced" is about what is in the way.
_MEANINGS: Final = (
    (_KNOWN, Standing.WAITING),
    (_IN_THE_WAY, Standing.IN_THE_WAY),
    (_NONCE, Standing.NONCE),
    (_NO_FUNDS, Standing.NO_FUNDS),
    (_NO_GAS, Standing.NO_GAS),
    (_OTHER_CHAIN, Standing.OTHER_CHAIN),
    (_TOO_CHEAP, Standing.TOO_CHEAP),
)
