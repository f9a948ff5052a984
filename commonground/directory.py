"""Finds peers: asks the coordinator where keys announced themselves, and checks each answer.

The answers are kept until they expire, so that a thousand items of one author cost one question. A person
has several machines, each with its own key: whoever looks for a person looks for all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from commonground.addresses import Announcement, now_ms, open_announcement
from protocol.errors import Reject
from protocol.identity import KeyId, PersonId
from protocol.rules.people import keys_of
from protocol.state import State

if TYPE_CHECKING:  # with gRPC, for which whoever only reads what is here need not wait
    from commonground.client import CoordinatorClient

log = logging.getLogger(__name__)

# One question: a response of 256 announcements is far below a gRPC message's limit.
LOOKUP_MAX: Final = 256
# About 1 KiB each; above any number of authors in one reviewer's round.
KNOWN_MAX: Final = 4_096


def keys_of_person(state: State, person: PersonId) -> tuple[KeyId, ...]:
    """The keys that sign for a person, the latest first: an old machine is the likelier one to be gone."""
    return tuple(key for key, _ in reversed(keys_of(state, person)))


class Directory:
    """Where members' machines listen, as they signed it themselves."""

    def __init__(self, network: bytes, client: CoordinatorClient) -> None:
        self._network, self._client = network, client
        self._known: dict[KeyId, Announcement] = {}

    async def find(self, wanted: Iterable[KeyId]) -> dict[KeyId, Announcement]:
        """The valid announcements of those that made one, in the order asked for. Raises Unreachable."""
        now = now_ms()
        self._known = {key: a for key, a in self._known.items() if a.expires_ms > now}
        keys = list(dict.fromkeys(wanted))
        missing = [key for key in keys if key not in self._known]
        for start in range(0, len(missing), LOOKUP_MAX):
            await self._ask(missing[start : start + LOOKUP_MAX])
        return {key: self._known[key] for key in keys if key in self._known}

    async def _ask(self, keys: list[KeyId]) -> None:
        now = now_ms()
        for raw in await self._client.lookup(keys):
            try:
                announcement = open_announcement(raw, self._network, now)
            except Reject as error:
                log.warning("the directory gave a bad announcement: %s", error)
                continue
            if announcement.key in keys and len(self._known) < KNOWN_MAX:
                self._known[announcement.key] = announcement

    def forget(self, key: KeyId) -> None:
        """Ask again next time: the peer was not where it said."""
        self._known.pop(key, None)
