"""Finds peers: asks the coordinator who announced what, and checks each answer.

The answers are kept until they expire, so that a thousand items of one author cost one question.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from commonground.addresses import Announcement, now_ms, open_announcement
from commonground.client import CoordinatorClient
from protocol.errors import Reject
from protocol.identity import Identity

log = logging.getLogger(__name__)

# One question: a response of 256 announcements is far below a gRPC message's limit.
LOOKUP_MAX: Final = 256
# About 1 KiB each; above any number of authors in one reviewer's round.
KNOWN_MAX: Final = 4_096


class Directory:
    """Where members listen, as they signed it themselves."""

    def __init__(self, network: bytes, client: CoordinatorClient) -> None:
        self._network, self._client = network, client
        self._known: dict[Identity, Announcement] = {}

    async def find(self, wanted: Iterable[Identity]) -> dict[Identity, Announcement]:
        """The valid announcements of those who made one. Raises Unreachable."""
        now = now_ms()
        self._known = {who: a for who, a in self._known.items() if a.expires_ms > now}
        names = list(dict.fromkeys(wanted))
        missing = [who for who in names if who not in self._known]
        for start in range(0, len(missing), LOOKUP_MAX):
            await self._ask(missing[start : start + LOOKUP_MAX])
        return {who: self._known[who] for who in names if who in self._known}

    async def _ask(self, identities: list[Identity]) -> None:
        now = now_ms()
        for raw in await self._client.lookup(identities):
            try:
                announcement = open_announcement(raw, self._network, now)
            except Reject as error:
                log.warning("the directory gave a bad announcement: %s", error)
                continue
            if announcement.identity in identities and len(self._known) < KNOWN_MAX:
                self._known[announcement.identity] = announcement

    def forget(self, identity: Identity) -> None:
        """Ask again next time: the peer was not where it said."""
        self._known.pop(identity, None)
