"""What of the gossip is worth a signature check, and what is worth passing on.

Anybody can connect, and authors cost nothing to make up. So this node listens to members alone, to each only
while what it shows grows, and passes on nothing that its own replay says already. Whoever is refused here is
not at fault: it may have read less of the log than we have, or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from node.follower import Follower
from node.splitview import Finding, compare
from node.witness import is_worth_passing_on
from protocol.errors import Ignore
from protocol.identity import KeyId
from protocol.log.note import Verifier, read_checkpoint

# Digits of the largest size that a checkpoint may have: 2^63 - 1.
_SIZE_DIGITS_MAX: Final = 19


class News:
    """One node's ear. It outlives the trust in a log, since news of a lie is passed on all the same."""

    def __init__(self, verifiers: Sequence[Verifier]) -> None:
        """`verifiers` are the log's keys while nothing has been replayed."""
        self._verifiers = verifiers
        self._follower: Follower | None = None  # None: who is a member, nobody knows yet
        self._sizes: dict[KeyId, int] = {}  # of members alone: as many as the log has

    def follow(self, follower: Follower) -> None:
        """Judges by this replay from now on."""
        self._follower = follower

    def is_news(self, author: KeyId, data: bytes) -> bool:
        """Whether a member says it and has not said as much before. Before any signature is checked."""
        if self._follower is not None and author not in self._follower.state.keys:
            return False
        size = claimed_size(data)
        return size is None or size > self._sizes.get(author, -1)

    async def accept(self, author: KeyId, data: bytes) -> bool:
        """The rule of the topic, for what `author` signed. Raises Ignore for what says nothing new."""
        follower = self._follower
        if follower is not None:
            self._verifiers = follower.verifiers
        if not is_worth_passing_on(data, self._verifiers):
            return False
        size = claimed_size(data)
        if size is not None and follower is not None:
            self._sizes[author] = max(size, self._sizes.get(author, -1))
            if _is_covered(follower, size, data):
                raise Ignore("an older checkpoint of the history that we have")
        return True


def claimed_size(data: bytes) -> int | None:
    """The size that a checkpoint gives in its second line; None for what is not one, as an alarm."""
    lines = data.split(b"\n", 2)
    digits = lines[1] if len(lines) == 3 else b""
    is_size = digits.isdigit() and len(digits) <= _SIZE_DIGITS_MAX
    return int(digits) if is_size else None


def _is_covered(follower: Follower, size: int, data: bytes) -> bool:
    """Whether a larger checkpoint of ours says the same. A history that differs never is."""
    ours = follower.checkpoint
    if ours is None or size >= ours.size:
        return False
    other = read_checkpoint(data, follower.verifier)
    return compare(follower.tree, ours.size, other) is Finding.AGREES
