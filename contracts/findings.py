"""What there is to find when the chain is held against the log: each kind with its words, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

_LOOK_ELSEWHERE: Final = "ask another endpoint; if it says the same, "
_WARN: Final = (
    _LOOK_ELSEWHERE + "do not pay in, sign or claim there, and show others what you found"
)
_OMITS: Final = (
    _LOOK_ELSEWHERE + "the operator's log is wrong: save it by `commonhold verify --save`"
)


class Kind(Enum):
    """(words, what to do next)"""

    NO_CONTRACT = ("there is no contract", _WARN)
    ANOTHER_CODE = ("the code is not what this software ships", _WARN)
    ANOTHER_VALUE = ("a value in the code is not what the log's deployment says", _WARN)
    ANOTHER_ROLE = ("somebody may do there what only the governor may", _WARN)
    NOT_FIT = (
        "it is not as it has to be where the network moves to",
        "do not agree to the move: ask the operator for other contracts",
    )
    UNSAFE_TERMS = ("its delays leave nobody the time to object", _WARN)
    REORGANISED = (
        "the block is not the one that the log has read",
        "wait for the operator's next `coordinator settle`, which takes back what was undone; if the log "
        "stays as it is, ask another endpoint",
    )
    MISSING = ("the chain has it, and the log does not", _OMITS)
    INVENTED = ("the log has it, and the chain does not", _OMITS)
    ALTERED = ("the log has it otherwise than the chain", _OMITS)
    ANOTHER_ROOT = (
        "the root on chain is not what the log's own records add up to",
        "a witness with a bond freezes it while it waits (its node does so by itself); after that holders of "
        "shares vote to cancel it",
    )
    ANOTHER_SUPPLY = ("there are other shares than those that were earned", _WARN)
    OVERPAID = ("more was claimed than the root in force pays", _WARN)

    @property
    def words(self) -> str:
        """What it means."""
        return self.value[0]

    @property
    def advice(self) -> str:
        """What to do next."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree. `where`: a contract, a block, an event, a root."""

    kind: Kind
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind.words}"
