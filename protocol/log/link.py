"""The network link: the one string that a newcomer needs, and all that a node trusts.

    commonhold://HOST:PORT/NAME?tls=SHA256&log=VERIFIER&http=URL[&invite=TICKET]

`tls` is the SHA-256 of the coordinator's DER certificate (base64url, no padding); `log` is the log's
signed-note verifier key (percent-encoded); `http` is where the public log is served. `invite` is an
invitation (protocol.invitation): a secret, good for one person, that nobody keeps who has joined.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from protocol.errors import ConfigError, Reject
from protocol.invitation import Ticket, parse_ticket
from protocol.limits import HASH_BYTES
from protocol.log import commitments
from protocol.log.note import Verifier

SCHEME = "commonhold"
_ADVICE = (
    "copy the whole link that you were given, in quotes (`commonhold coordinator status` prints it)"
)


@dataclass(frozen=True, slots=True)
class NetworkLink:
    """Where a network is and which keys it has."""

    host: str
    port: int
    name: str
    tls_fingerprint: bytes
    log_verifier: Verifier
    http_url: str
    invitation: Ticket | None = None

    @property
    def network(self) -> bytes:
        """The network's id, which every record names."""
        return commitments.network_id(self.log_verifier.public_key)

    def without_invitation(self) -> NetworkLink:
        """What may be kept, and shown to others."""
        return replace(self, invitation=None)

    def __str__(self) -> str:
        parts = {
            "tls": base64.urlsafe_b64encode(self.tls_fingerprint).decode().rstrip("="),
            "log": str(self.log_verifier),
            "http": self.http_url,
        }
        if self.invitation is not None:
            parts["invite"] = str(self.invitation)
        query = urlencode(parts)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}://{host}:{self.port}/{quote(self.name)}?{query}"


def parse_link(text: str) -> NetworkLink:
    """The link behind its printed form; raises ConfigError that says which part is missing."""
    try:
        url = urlsplit(text.strip())
        port, host = url.port, url.hostname
    except ValueError as error:
        raise ConfigError(f"the network link is malformed: {error}", _ADVICE) from None
    if url.scheme != SCHEME or not host or not port:
        raise ConfigError("the network link does not begin with commonhold://HOST:PORT", _ADVICE)
    query = parse_qs(url.query)
    missing = [part for part in ("tls", "log", "http") if len(query.get(part, [])) != 1]
    if missing:
        raise ConfigError(f"the network link lacks {' and '.join(missing)}", _ADVICE)
    tls = query["tls"][0]
    try:
        fingerprint = base64.b64decode(tls + "=" * (-len(tls) % 4), b"-_", validate=True)
        verifier = Verifier.parse(query["log"][0])
    except (ValueError, Reject) as error:
        raise ConfigError(f"a key in the network link is malformed: {error}", _ADVICE) from None
    if len(fingerprint) != HASH_BYTES:
        raise ConfigError("the TLS fingerprint in the network link is not a SHA-256", _ADVICE)
    invitation = parse_ticket(query["invite"][0]) if query.get("invite") else None
    name = unquote(url.path.removeprefix("/"))
    return NetworkLink(host, port, name, fingerprint, verifier, query["http"][0], invitation)
