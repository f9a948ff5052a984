"""Which proxy of the environment stands between us and a host, for everything that we open connections with.

gRPC and HTTP read the same variables by different rules, and neither knows that this machine is no place to
be reached through another one. So we decide here, they obey, and a message can name what is in between.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

#: What gRPC reads, the first that is set; it has them in small letters only, and knows HTTP proxies only.
GRPC_VARIABLES: Final = ("grpc_proxy", "https_proxy", "http_proxy")
_GRPC_SCHEMES: Final = ("http",)
#: What an HTTP client reads, by the scheme of the address.
_WEB_VARIABLES: Final = {
    scheme: (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    for scheme in ("http", "https")
}
_EXCEPTIONS: Final = ("no_proxy", "NO_PROXY")
_GRPC_EXCEPTIONS: Final = ("no_grpc_proxy", "no_proxy")
_PORT: Final = 80  # of a proxy that names none


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that names it. Its address may hold a password, which is never shown."""

    variable: str
    address: SplitResult

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.address.hostname or ""

    @property
    def port(self) -> int:
        """The port there."""
        return self.address.port or _PORT

    @property
    def credentials(self) -> dict[str, str]:
        """The headers that open it; none where its address has no user."""
        if self.address.username is None:
            return {}
        user = f"{unquote(self.address.username)}:{unquote(self.address.password or '')}"
        return {"Proxy-Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}

    def advice(self, host: str) -> str:
        """What to do where `host` cannot be reached through it."""
        where = f"[{self.host}]" if ":" in self.host else self.host
        shown = f"{self.address.scheme}://{where}" + (
            f":{self.address.port}" if self.address.port is not None else ""
        )
        return (
            f"{self.variable} of the environment sends us through the proxy {shown};"
            f" without it: no_proxy={host}"
        )


def is_this_machine(host: str) -> bool:
    """Whether a host, a name or a number, is this machine's own loopback."""
    host = host.strip("[]").lower()
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def grpc_proxy(environment: Mapping[str, str], host: str) -> Proxy | None:
    """The proxy that gRPC has to go through to reach `host`."""
    found = _named(environment, GRPC_VARIABLES)
    if found is None or found.address.scheme not in _GRPC_SCHEMES:
        return None
    return None if _is_excepted(environment, _GRPC_EXCEPTIONS, host) else found


def web_proxy(environment: Mapping[str, str], scheme: str, host: str) -> Proxy | None:
    """The proxy that an HTTP client has to go through to reach `host`."""
    found = _named(environment, _WEB_VARIABLES[scheme])
    return None if _is_excepted(environment, _EXCEPTIONS, host) else found


def _named(environment: Mapping[str, str], variables: Sequence[str]) -> Proxy | None:
    for variable in variables:
        if value := environment.get(variable, "").strip():
            try:
                found = Proxy(variable, urlsplit(value if "://" in value else f"http://{value}"))
                return found if found.port else None
            except ValueError:  # its port is no number
                return None
    return None


def _is_excepted(environment: Mapping[str, str], variables: Sequence[str], host: str) -> bool:
    """Whether nothing is to stand between us and `host`."""
    if is_this_machine(host):
        return True
    listed = next((environment[each] for each in variables if environment.get(each)), "")
    return any(_matches(each.strip(), host.strip("[]").lower()) for each in listed.split(","))


def _matches(pattern: str, host: str) -> bool:
    """Whether an entry of no_proxy (a name, with its subdomains; a number; a network; *) covers a host."""
    pattern = pattern.lower().rpartition("://")[2]
    if pattern == "*":
        return True
    try:
        return ip_address(host) in ip_network(pattern.strip("[]"), strict=False)
    except ValueError:
        name = pattern.partition(":")[0].lstrip("*.")  # an entry may name a port
        return bool(name) and (host == name or host.endswith(f".{name}"))
