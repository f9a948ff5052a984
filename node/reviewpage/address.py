"""The address under which a phone reaches this machine: a number of IPv4 or IPv6, or a name."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from protocol.errors import ConfigError

ADVICE: Final = "say with --address which address this machine has in the local network"
_NAME_CHARS_MAX: Final = 253  # of a host name (RFC 1035)
_NAME: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True)
class Address:
    """What is bound, is in the certificate, and is typed on the phone."""

    host: str  # as a socket takes it
    number: ipaddress.IPv4Address | ipaddress.IPv6Address | None  # None: it is a name

    def at(self, port: int) -> str:
        """As an address line and browsers' Host have it."""
        is_long = self.number is not None and self.number.version == 6
        return f"[{self.host}]:{port}" if is_long else f"{self.host}:{port}"


def read_address(text: str) -> Address:
    """Raises ConfigError for what no phone could open."""
    wanted = text.strip().removeprefix("[").removesuffix("]").lower()
    try:
        number = ipaddress.ip_address(wanted)
    except ValueError:
        if len(wanted) > _NAME_CHARS_MAX or not _NAME.fullmatch(wanted) or _is_number(wanted):
            raise ConfigError(f"{text!r} is no address, and no host's name", ADVICE) from None
        return Address(wanted, None)
    if number.is_unspecified or number.is_multicast:
        raise ConfigError(f"{text} is the address of no single machine", ADVICE)
    if isinstance(number, ipaddress.IPv6Address) and number.scope_id is not None:
        raise ConfigError(f"{text}: browsers take no IPv6 address with a zone", ADVICE)
    return Address(str(number), number)


def _is_number(text: str) -> bool:
    """Whether browsers would read it as an address of IPv4 (https://url.spec.whatwg.org/#ends-in-a-number-checker)."""
    return text.rpartition(".")[2].isdigit()
