"""An endpoint's address: what may be said of it. A hosted endpoint's key is part of its address.

So an address is never shown whole, in an error, a log or on a page: `shown` leaves the scheme and the host
(https://eth.example.org/…), and `Scrubber` takes its secrets out of what the other side wrote.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from protocol.errors import ConfigError
from protocol.proxies import Proxy, web_proxy

#: What is left out is shown as this.
HIDDEN: Final = "…"
# Shorter parts of a path are words ("v3", "rpc"); taking them out of a sentence would make nonsense of it.
_PATH_SECRET_CHARS_MIN: Final = 8
_OTHER_SECRET_CHARS_MIN: Final = 4
_SCHEMES: Final = ("http", "https")
_ADVICE: Final = "write it as https://HOST/… or http://HOST:PORT"


def check(url: str) -> None:
    """Raise ConfigError, which shows no secret, unless `url` is the address of an HTTP endpoint."""
    parts = _split(url)
    if parts is None or parts.scheme not in _SCHEMES or not parts.hostname:
        raise ConfigError(f"rpc_url is {shown(url)}, which is no address of an endpoint", _ADVICE)


def shown(url: str) -> str:
    """Return scheme, host and port of `url`, with an ellipsis in place of all else."""
    parts = _split(url)
    if parts is None or not parts.scheme or not parts.hostname:
        return HIDDEN  # nobody knows which part of it is a secret
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    more = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    return f"{parts.scheme}://{host}{port}" + (f"/{HIDDEN}" if more else "")


def is_encrypted(url: str) -> bool:
    """Return whether what is asked of `url` goes over TLS."""
    parts = _split(url)
    return parts is not None and parts.scheme == "https"


def host_of(url: str) -> str:
    """Return the host of `url`; empty for what is no address."""
    parts = _split(url)
    return (parts.hostname or "") if parts else ""


def proxy_to(url: str) -> Proxy | None:
    """Return the proxy of the environment that `url` is reached through; None for this machine."""
    parts = _split(url)
    if parts is None or parts.scheme not in _SCHEMES or not parts.hostname:
        return None
    return web_proxy(os.environ, parts.scheme, parts.hostname)


@dataclass(frozen=True, slots=True)
class Scrubber:
    """Takes the secrets of one address out of texts."""

    secrets: tuple[str, ...]

    @classmethod
    def of(cls, url: str) -> Scrubber:
        """Return the one for `url`: its path's long parts, its query's values, user and password."""
        parts = _split(url)
        if parts is None:
            return cls(())
        path = [each for each in parts.path.split("/") if len(each) >= _PATH_SECRET_CHARS_MIN]
        others = [value for _, value in parse_qsl(parts.query)]
        others += [parts.username or "", parts.password or "", parts.fragment]
        found = path + [each for each in others if len(each) >= _OTHER_SECRET_CHARS_MIN]
        both = {*found, *map(unquote, found)}
        return cls(tuple(sorted(both, key=len, reverse=True)))  # a part of another goes last

    def clean(self, text: str) -> str:
        """Return `text` without them."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises for what is no number
    except ValueError:
        return None
    return parts
