"""The one tree of errors. Every message says what happened; `advice` says what to do next.

    CommonholdError
    +-- LocalError        we, or the person at our keyboard, got something wrong
    |   +-- ConfigError   a file, flag or setting is missing or malformed
    |   +-- StoreError    our own disk or database failed or holds something impossible
    |   +-- StateError    the command does not fit the present state (nothing to claim, epoch not open)
    |   `-- Outdated      the network goes by rules that this software does not know; nobody lied
    `-- RemoteError       somebody else got something wrong, or cannot be reached
        +-- Unreachable   no answer; worth retrying with backoff
        +-- Ignore        harmless: a late or repeated message. The sender is not penalised
        +-- Reject        the message breaks a rule. The sender is penalised
        |   `-- NotYet    it breaks a rule now, and may keep it later: worth keeping
        `-- Misbehaviour  proof that somebody lied: a bad checkpoint, a root that does not recompute

`validate_*` functions raise Ignore or Reject and nothing else. One table maps this tree to gRPC
status codes (commonground/status) and one to exit codes (commonhold/cli/output).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class CommonholdError(Exception):
    """Base of everything that we raise on purpose."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class LocalError(CommonholdError):
    """Our side is wrong."""


class ConfigError(LocalError):
    """A file, flag or setting is missing or malformed."""


class StoreError(LocalError):
    """Our own disk or database failed, or holds something that cannot be."""


class StateError(LocalError):
    """The command does not fit the present state."""


class Outdated(LocalError):
    """This software is older than the rules of the network."""


class RemoteError(CommonholdError):
    """The other side is wrong, or silent."""


class Unreachable(RemoteError):
    """No answer; the work is kept and worth retrying."""


class Ignore(RemoteError):
    """A harmless message that changes nothing: late, repeated, superseded."""


class Reject(RemoteError):
    """A message that breaks a rule; its sender is penalised. `beside`: what else is wrong with the same list,
    for whoever corrects it; a rule needs only one."""

    beside: tuple[Reject, ...] = ()


class NotYet(Reject):
    """A message that breaks a rule as things are now: budgets and quotas are given anew with the next epoch,
    and a bond may be on its way."""


class Misbehaviour(RemoteError):
    """Evidence that somebody signed or published something that does not hold."""


def tried(makers: Iterable[Callable[[], T]]) -> tuple[list[T | None], list[Reject]]:
    """What each makes, None where it raises Reject; and what was raised, each by itself."""
    made: list[T | None] = []
    faults: list[Reject] = []
    for make in makers:
        try:
            made.append(make())
        except Reject as fault:
            made.append(None)
            faults += (fault, *fault.beside)
    return made, faults


def raise_all(faults: Iterable[Reject]) -> None:
    """Raises the first, if there is one, with the others beside it."""
    found = tuple(faults)
    if found:
        found[0].beside = found[1:]
        raise found[0]
