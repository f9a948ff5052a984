"""Errors over gRPC: what a server means is what its client reads."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from commonground.status import (
    BUSY_SECONDS,
    BUSY_SECONDS_MAX,
    DETAILS_CHARS_MAX,
    STATUS_OF,
    Busy,
    Forbidden,
    details_of,
    error_of,
    metadata_of,
    status_of,
)
from protocol.errors import (
    CommonholdError,
    Ignore,
    Misbehaviour,
    Reject,
    RemoteError,
    StateError,
    StoreError,
    Unreachable,
)

SERVER = "the coordinator at here:1"
CHECK = "check your connection"


class Failed(grpc.RpcError):
    """What a client's library raises."""

    def __init__(self, code: grpc.StatusCode, details: str | None, metadata: Any = ()) -> None:
        super().__init__()
        self._said = (code, details, metadata)

    def code(self) -> grpc.StatusCode:
        return self._said[0]

    def details(self) -> str | None:
        return self._said[1]

    def trailing_metadata(self) -> Any:
        return self._said[2]


def travelled(error: CommonholdError, *, ours: bool = False) -> RemoteError:
    failed = Failed(status_of(error), details_of(error), metadata_of(error))
    return error_of(failed, SERVER, CHECK, ours=ours)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (Busy("too much"), Busy),
        (Ignore("late"), Ignore),
        (Forbidden("no"), Forbidden),
        (Reject("a rule"), Reject),
        (Misbehaviour("a lie"), Reject),
        (Unreachable("our chain is away"), Unreachable),
        (StoreError("our disk"), Unreachable),
        (StateError("stopping"), Unreachable),
    ],
)
def test_what_is_meant_is_what_is_read(sent: CommonholdError, read: type[RemoteError]) -> None:
    for ours in (False, True):
        error = travelled(sent, ours=ours)
        assert type(error) is read
        assert str(sent) in str(error)


def test_no_row_hides_a_later_one() -> None:
    kinds = [kind for kind, _ in STATUS_OF]
    for earlier, kind in enumerate(kinds):
        assert not any(issubclass(later, kind) for later in kinds[earlier + 1 :])


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_every_status_is_some_error(code: grpc.StatusCode) -> None:
    error = error_of(Failed(code, None, None), SERVER, CHECK)
    assert str(error)
    assert not isinstance(error, Misbehaviour)
    if code in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND}:
        assert isinstance(error, Reject)
    if code in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED}:
        assert type(error) is Unreachable
        assert error.advice == CHECK


def test_a_busy_server_is_no_trouble_with_the_connection() -> None:
    error = travelled(Busy("this address calls too often", 2.1))
    assert isinstance(error, Busy)
    assert error.seconds == 3
    assert str(error) == f"{SERVER} is busy; try again in 3 seconds (this address calls too often)"
    assert "connection" not in f"{error} {error.advice}"
    assert "1 second " in str(travelled(Busy("almost", 0.01)))


def test_a_call_that_the_server_did_not_come_to_reads_as_busy() -> None:
    slow = Busy("not in time")
    late = grpc.StatusCode.DEADLINE_EXCEEDED
    assert isinstance(
        error_of(Failed(late, details_of(slow), metadata_of(slow)), SERVER, CHECK), Busy
    )
    assert type(error_of(Failed(late, "Deadline Exceeded"), SERVER, CHECK)) is Unreachable


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0", 1),
        ("-5", BUSY_SECONDS),
        ("soon", BUSY_SECONDS),
        ("٣", BUSY_SECONDS),
        (b"7", BUSY_SECONDS),
        ("9" * 5_000, BUSY_SECONDS_MAX),
    ],
)
def test_a_server_cannot_ask_for_more_than_an_hour(value: object, seconds: int) -> None:
    failed = Failed(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "", (("other", "1"), ("retry-after", value))
    )
    error = error_of(failed, SERVER, CHECK)
    assert isinstance(error, Busy)
    assert error.seconds == seconds


def test_a_strangers_words_are_bounded_and_not_our_advice() -> None:
    long = "no\x1b[31m" + "!" * 1_000 + "\nrun \x07this"
    stranger = error_of(Failed(grpc.StatusCode.INVALID_ARGUMENT, long), SERVER, CHECK)
    assert not stranger.advice
    assert "\x1b" not in str(stranger)
    assert len(str(stranger)) == DETAILS_CHARS_MAX
    assert str(stranger).endswith("!…"), "what is left out is seen to be"
    own = error_of(
        Failed(grpc.StatusCode.INVALID_ARGUMENT, "no\nrun this"), SERVER, CHECK, ours=True
    )
    assert (str(own), own.advice) == ("no", "run this")
