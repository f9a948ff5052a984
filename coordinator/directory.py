"""Where peers can be reached: their own signed word, kept in memory for a while.

It is a convenience, not part of the record: after a restart peers announce themselves again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from commonground.status import Busy
from protocol.errors import Ignore
from protocol.identity import KeyId
from protocol.log.envelope import Envelope, parse_envelope, verify_signature
from protocol.log.strict import strict_parse
from protocol.rules.record import require
from protos.gen import api_pb2

KIND: Final = "addresses"
# A day: longer announcements would outlive the address of most homes.
LIFETIME_MS_MAX: Final = 24 * 3_600 * 1_000
MULTIADDRS_MAX: Final = 16  # interfaces times transports of one machine
MULTIADDR_CHARS_MAX: Final = 256
PEERS_MAX: Final = 65_536  # about 64 MiB if everybody says as much as is allowed
FULL_SECONDS: Final = 600  # announcements expire by the minute where there are so many
LOOKUP_MAX: Final = 1_024  # authors of one reviewer's tasks


@dataclass(frozen=True, slots=True)
class _Announcement:
    raw: bytes
    expires_ms: int


class Directory:
    """Announcements by key, each of which is a peer. `clock_ms` gives the time of day."""

    def __init__(self, network: bytes, clock_ms: Callable[[], int]) -> None:
        self._network = network
        self._clock_ms = clock_ms
        self._by_key: dict[KeyId, _Announcement] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def announce(self, raw: bytes, is_delegated: Callable[[KeyId], bool]) -> bool:
        """Takes an announcement by a key that some person has delegated; tells whether it is new to us.

        Raises Reject, Ignore for one older than ours, Busy when full.
        """
        envelope = parse_envelope(raw)
        expires_ms = self._validate(envelope)
        require(is_delegated(envelope.key), "nobody in the network has delegated this key")
        verify_signature(envelope)
        known = self._by_key.get(envelope.key)
        if known is not None and expires_ms < known.expires_ms:
            raise Ignore("a later announcement is known")
        if known is None and len(self._by_key) >= PEERS_MAX:
            self._forget_expired()
            if len(self._by_key) >= PEERS_MAX:
                raise Busy("the directory of peers is full", FULL_SECONDS)
        self._by_key[envelope.key] = _Announcement(raw, expires_ms)
        return known is None or known.raw != raw

    def lookup(self, keys: Iterable[bytes]) -> list[bytes]:
        """The announcements of the keys that are known, as they signed them."""
        now_ms = self._clock_ms()
        found = (self._by_key.get(KeyId(each)) for each in keys)
        return [each.raw for each in found if each is not None and each.expires_ms > now_ms]

    def _validate(self, envelope: Envelope) -> int:
        require(envelope.kind == KIND, f"an announcement is of kind {KIND!r}")
        body = strict_parse(api_pb2.Addresses, envelope.payload, "the announcement")
        require(body.network == self._network, "the announcement is for another network")
        require(len(body.multiaddrs) <= MULTIADDRS_MAX, f"at most {MULTIADDRS_MAX} addresses")
        require(
            all(a.startswith("/") and len(a) <= MULTIADDR_CHARS_MAX for a in body.multiaddrs),
            f"a multiaddr begins with / and has at most {MULTIADDR_CHARS_MAX} characters",
        )
        now_ms = self._clock_ms()
        if body.expires_ms <= now_ms:
            raise Ignore("the announcement has expired", "set this machine's clock")
        require(
            body.expires_ms <= now_ms + LIFETIME_MS_MAX, "an announcement lasts at most one day"
        )
        return body.expires_ms

    def _forget_expired(self) -> None:
        now_ms = self._clock_ms()
        self._by_key = {key: each for key, each in self._by_key.items() if each.expires_ms > now_ms}
