"""What a node makes of the log's word: a receipt that counts, one that proves nothing yet, and a lie.

Without gRPC, for which whoever only reads what is in the store need not wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.errors import Misbehaviour, Unreachable


class Lie(Misbehaviour):
    """Misbehaviour that can be shown to others: `evidence` is what was signed, as received."""

    def __init__(self, kind: str, message: str, evidence: Sequence[bytes]) -> None:
        super().__init__(message, "do not go on with this network; show others the evidence")
        self.kind = kind
        self.evidence = tuple(evidence)


class UnknownKey(Unreachable):
    """A receipt by a key that the caller has not read of. Proves nothing yet, for or against the log."""

    def __init__(self) -> None:
        super().__init__(
            "the log signs with a key that this node has not read of yet",
            "the log itself names it: `commonhold node start` reads on and sends again. If it finds no such"
            " key, ask the operator",
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """The log's signed promise that it holds our record, checked. `raw` is the api.Receipt."""

    index: int
    checkpoint: bytes
    raw: bytes
