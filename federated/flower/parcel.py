"""A message that travels whole, with all that it holds.

Stock, Flower announces a message and then moves each of its objects by a request of its own: nine requests on
each side of the server for a question and its answer, which was half of the processor time of a round. Here

    parcel    Flower's own request or answer, then objects, which name themselves by their hash; each after
              its length in 4 bytes
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from flwr.supercore.inflatable.inflatable_object import get_object_id
from google.protobuf.message import DecodeError, Message
from google.protobuf.wrappers_pb2 import BytesValue

_LENGTH_BYTES: Final = 4

MessageT = TypeVar("MessageT", bound=Message)


def packed(head: Message, objects: Iterable[bytes]) -> BytesValue:
    """The parcel. One without anything has no bytes."""
    parts = [head.SerializeToString(), *objects]
    if parts == [b""]:
        return BytesValue()
    return BytesValue(
        value=b"".join(len(part).to_bytes(_LENGTH_BYTES, "big") + part for part in parts)
    )


def unpacked(parcel: BytesValue, kind: type[MessageT]) -> tuple[MessageT, dict[str, bytes]]:
    """What it holds: objects by their hash. Raises ValueError for bytes that are none."""
    raw, at, parts = parcel.value, 0, []
    while at < len(raw):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(raw[at:start], "big")
        parts.append(raw[start:at])
    if at != len(raw):
        raise ValueError("a parcel ends within a part")
    head, *objects = parts or [b""]
    try:
        return kind.FromString(head), {get_object_id(each): each for each in objects}
    except DecodeError as error:
        raise ValueError("a parcel does not hold the message that it should") from error
