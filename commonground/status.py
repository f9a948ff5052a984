"""How errors travel over gRPC: one table, which a server reads forwards and its clients backwards.

The details of a status are the message; a second line is advice. Both are somebody else's words to
a client: bounded, and without what a terminal obeys.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import grpc
from grpc import StatusCode

from protocol.errors import (
    CommonholdError,
    Ignore,
    Misbehaviour,
    NotYet,
    Reject,
    RemoteError,
    Unreachable,
)

# These many characters of the other side's words are shown to people.
DETAILS_CHARS_MAX: Final = 300
# How soon a busy server may be asked again, unless it knows better; and the longest that it may ask for.
BUSY_SECONDS: Final = 5
BUSY_SECONDS_MAX: Final = 3_600
_RETRY_AFTER: Final = "retry-after"  # in the trailing metadata; whatever the code, it means Busy


class Busy(Unreachable):
    """Too much to do, here or at the other side. Asking again is safe, after `seconds`.

    `limit` names what there was too much of, for whoever counts that here.
    """

    def __init__(
        self,
        message: str,
        seconds: float = BUSY_SECONDS,
        advice: str = "",
        *,
        limit: str = "queue",
    ) -> None:
        self.limit = limit
        self.seconds = min(BUSY_SECONDS_MAX, max(1, math.ceil(seconds)))
        super().__init__(message, advice or again(self.seconds))


class Forbidden(Reject):
    """A record that only the operator may sign."""


class Missing(Reject):
    """Something was asked about that is not here."""


class NoMethod(RemoteError):
    """Something was called that nobody here answers."""


# The first match decides. What is not ours is a defect: INTERNAL, and only the log has the details.
STATUS_OF: Final[tuple[tuple[type[CommonholdError], StatusCode], ...]] = (
    (Busy, StatusCode.RESOURCE_EXHAUSTED),  # nothing happened: ask again
    (Ignore, StatusCode.ALREADY_EXISTS),  # late or repeated: nothing to do
    (Forbidden, StatusCode.PERMISSION_DENIED),
    (Missing, StatusCode.NOT_FOUND),
    (NoMethod, StatusCode.UNIMPLEMENTED),
    (NotYet, StatusCode.FAILED_PRECONDITION),  # ask again in another epoch
    (Reject, StatusCode.INVALID_ARGUMENT),  # asking again is useless
    (Misbehaviour, StatusCode.INVALID_ARGUMENT),
    (CommonholdError, StatusCode.UNAVAILABLE),  # our disk, our shutdown: ask again later
)
# No error of ours travels as these: gRPC itself, or another server, says that asking again is useless.
_REFUSALS: Final = (
    StatusCode.UNAUTHENTICATED,
    StatusCode.OUT_OF_RANGE,
    StatusCode.UNIMPLEMENTED,
)
_KIND_OF: Final[dict[StatusCode, type[RemoteError]]] = dict.fromkeys(_REFUSALS, Reject) | {
    code: kind for kind, code in reversed(STATUS_OF) if issubclass(kind, Ignore | Reject | Busy)
}


def again(seconds: int) -> str:
    """When to ask again."""
    return f"try again in {seconds} second{'' if seconds == 1 else 's'}"


def status_of(error: CommonholdError) -> StatusCode:
    """The status code that an error travels as."""
    return next(code for kind, code in STATUS_OF if isinstance(error, kind))


def details_of(error: CommonholdError) -> str:
    """What travels beside the code."""
    return "\n".join(filter(None, (str(error), error.advice)))


def metadata_of(error: CommonholdError) -> tuple[tuple[str, str], ...]:
    """What travels behind it."""
    return ((_RETRY_AFTER, str(error.seconds)),) if isinstance(error, Busy) else ()


def error_of(error: grpc.RpcError, server: str, silent: str, *, ours: bool = False) -> RemoteError:
    """The error that a status stands for.

    `server` names who was called, and `silent` says what to do when it does not answer. Advice of a
    server is shown as such where it is `ours`; a stranger's is only a part of what was said.
    """
    message, _, advice = (error.details() or "").partition("\n")
    message, advice = _printable(message) or error.code().name, _printable(advice)
    kind = _KIND_OF.get(error.code(), Unreachable)
    seconds = _retry_after(error.trailing_metadata())
    if kind is Busy or seconds:
        seconds = seconds or BUSY_SECONDS
        return Busy(
            f"{server} is busy; {again(seconds)} ({message})", seconds, "nothing is lost by waiting"
        )
    if not ours:
        message, advice = _cut("; ".join(filter(None, (message, advice)))), ""
    if kind is not Unreachable:
        return kind(message, advice)
    return Unreachable(f"{server} does not answer: {message}", advice or silent)


def _printable(text: str) -> str:
    """As text of one line, no longer than is shown."""
    return _cut(
        "".join(c if c.isprintable() else " " for c in text[: DETAILS_CHARS_MAX + 1]).strip()
    )


def _cut(text: str) -> str:
    """What is left out is seen to be."""
    return text if len(text) <= DETAILS_CHARS_MAX else text[: DETAILS_CHARS_MAX - 1].rstrip() + "…"


def _retry_after(metadata: Iterable[Any] | None) -> int:
    """For how long a server asks, within reason; 0 when it does not."""
    for key, value in metadata or ():
        if key == _RETRY_AFTER and str(value).isascii() and str(value).isdecimal():
            return min(BUSY_SECONDS_MAX, max(1, int(str(value)[:9])))
    return 0
