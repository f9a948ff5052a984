"""The blob and head messages: what is encoded is parsed, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonground.p2p.limits import CHECKPOINT_BYTES_MAX
from commonground.p2p.penalties import Offence
from commonground.p2p.wire import (
    LENGTH_BYTES,
    REQUEST_BYTES,
    BlobRequest,
    BlobResponse,
    Status,
    encode_head,
    parse_head_length,
    parse_name_length,
)
from protocol.errors import Reject
from protocol.limits import CONTENT_BYTES_MAX

ITEMS = st.binary(min_size=32, max_size=32)
PARTS = st.text("abcxyz019_-", min_size=1, max_size=64)
_GOOD = BlobRequest(bytes(32), "answer_a", 0).encode()
_HEAD = b"\x01" + bytes(40)
SIZES = st.integers(0, CONTENT_BYTES_MAX)


@given(ITEMS, PARTS, SIZES)
def test_requests_round_trip(item_id: bytes, part: str, offset: int) -> None:
    request = BlobRequest(item_id, part, offset)
    raw = request.encode()
    assert REQUEST_BYTES + parse_name_length(raw[:REQUEST_BYTES]) == len(raw)
    assert BlobRequest.parse(raw) == request


@given(ITEMS, SIZES)
def test_responses_round_trip(salt: bytes, length: int) -> None:
    for response in (BlobResponse(Status.OK, salt, length), BlobResponse(Status.BUSY)):
        assert BlobResponse.parse(response.encode()) == response


@given(st.binary(max_size=2 * REQUEST_BYTES) | st.binary(max_size=REQUEST_BYTES).map(_GOOD.__add__))
def test_a_parser_accepts_only_what_its_encoder_produces(raw: bytes) -> None:
    for kind in (BlobRequest, BlobResponse):
        try:
            parsed = kind.parse(raw)
        except Offence:
            continue
        assert parsed.encode() == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        _GOOD[:-1],
        _GOOD + b"\0",
        b"\x02" + _GOOD[1:],
        b"\x01" + bytes(32) + b"\xff" * 8 + b"\x01a",
        _HEAD + b"\x00",
        _HEAD + b"\x41" + b"a" * 65,
        _HEAD + b"\x02a",
        _HEAD + b"\x01a/",
        _HEAD + b"\x02..",
        _HEAD + b"\x03a/b",
        _HEAD + b"\x01A",
        _HEAD + b"\x01\x00",
        _HEAD + b"\x02\xc3\xa9",
    ],
)
def test_a_malformed_request_is_an_offence(raw: bytes) -> None:
    with pytest.raises(Offence):
        BlobRequest.parse(raw)


@pytest.mark.parametrize(
    ("item_id", "part"), [(bytes(31), "a"), (bytes(32), ""), (bytes(32), "../a"), (bytes(32), "A")]
)
def test_what_no_item_has_is_never_asked_for(item_id: bytes, part: str) -> None:
    with pytest.raises(Reject):
        BlobRequest(item_id, part, 0).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff" + bytes(40),
        bytes([Status.REFUSED]) + b"\x01" * 32 + bytes(8),
        bytes([Status.MISSING]) + bytes(39) + b"\x01",
        bytes(33) + b"\xff" * 8,
    ],
)
def test_a_malformed_response_is_an_offence(raw: bytes) -> None:
    with pytest.raises(Offence):
        BlobResponse.parse(raw)


def test_a_head_is_at_most_four_kilobytes() -> None:
    longest = encode_head(b"x" * CHECKPOINT_BYTES_MAX)
    assert parse_head_length(longest[:LENGTH_BYTES]) == CHECKPOINT_BYTES_MAX
    with pytest.raises(Offence):
        parse_head_length((CHECKPOINT_BYTES_MAX + 1).to_bytes(LENGTH_BYTES, "big"))
