"""Strict parsing: every record and leaf has one encoding, and no room for anything else.

Protobuf readers skip what they do not know, and take many encodings for the same message. Here a payload is
accepted only if it is, byte for byte, what we would write for it: no unknown fields however deep, no padded
numbers, no other order, no repeated fields of which the last counts, no defaults spelt out, lists packed,
no message inside that is there and empty, which says what one says that is left out.
So equal records have equal hashes, and nothing travels in a record that its rule has not read. Protobuf does
not promise one encoding for all times, but this one (fields by number, as all its Python runtimes write
them) is fixed by tests/unit/test_strict.py.

A leaf of a batch begins with a byte for its type. Without it, a leaf of one type could be shown as one of
another: protobuf does not write down which message it encodes.

    leaf = type byte | canonical encoding
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from protocol.errors import Reject
from protocol.limits import ASSET_AMOUNT_MAX

M = TypeVar("M", bound=Message)

# By the name of the message. A number is never used again for another one.
LEAF_TYPES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "Item": 1,
        "Answer": 2,
        "Assignment": 3,
        "ItemVerdict": 4,
        "RewardLine": 5,
        "Duplicate": 6,
        "GoldHash": 7,
        "SnapshotItem": 8,
        "Part": 9,
        "ChainLog": 11,  # 10 is how most messages begin that lack a type
        "Resemblance": 12,
    }
)
_LENGTH_DELIMITED: Final = 2  # the wire type of bytes, text and messages
_LEAF_NAMES: Final = {number: name for name, number in LEAF_TYPES.items()}


def canonical(message: Message) -> bytes:
    """The one encoding of a message that `strict_parse` accepts."""
    if _inner(message.DESCRIPTOR):
        copied = type(message)()
        copied.CopyFrom(message)
        _leave_out_empty(copied)
        message = copied
    return message.SerializeToString(deterministic=True)


def _leave_out_empty(message: Message) -> None:
    for name, is_repeated in _inner(message.DESCRIPTOR):
        if is_repeated:
            for each in getattr(message, name):
                _leave_out_empty(each)
        elif message.HasField(name):
            inner = getattr(message, name)
            _leave_out_empty(inner)
            if not inner.ByteSize():
                message.ClearField(name)


@cache
def _inner(descriptor: Descriptor) -> tuple[tuple[str, bool], ...]:
    """The fields in which an empty message may stand, by name, and whether it is a list of messages: in that
    only elements may hold one, as an element that is empty is one more."""
    fields = (field for field in descriptor.fields if field.message_type is not None)
    return tuple(
        (field.name, field.is_repeated)
        for field in fields
        if not field.is_repeated or _inner(field.message_type)
    )


def strict_parse(message_type: type[M], payload: bytes, what: str) -> M:
    """The message, if `payload` is the canonical encoding of fields that `message_type` knows.

    `what` is what is parsed ("the submission"); messages begin with it. Raises Reject.
    """
    message = message_type()
    try:
        message.MergeFromString(payload)
    except (DecodeError, ValueError) as error:  # ValueError: text that is not UTF-8, in pure Python
        name = message_type.DESCRIPTOR.name
        raise Reject(f"{what} is not a protobuf {name}") from error
    message.DiscardUnknownFields()  # type: ignore[attr-defined]  # the stubs lack it
    if canonical(message) != payload:
        raise Reject(
            f"{what} is not in its one canonical encoding, or holds fields that nobody here knows",
            "Software of another version may have written it: compare versions.",
        )
    return message


def require_few_fields(payload: bytes, most: int, what: str) -> None:
    """Raises Reject if there are more than `most` fields at the top of a message.

    To be asked before a large message is parsed, which makes an object of each: an empty one takes two
    bytes here and a hundred there. Bytes that are no message pass; parsing refuses them.
    """
    at, size, count = 0, len(payload), 0
    while at < size:
        count += 1
        if count > most:
            raise Reject(f"{what} has more than {most:,} fields")
        if payload[at] & 0x87 == _LENGTH_DELIMITED:  # and one byte long: nearly always
            length, at = _varint(payload, at + 1)
            at += length
        else:
            at = _after_field(payload, at)


def _after_field(payload: bytes, at: int) -> int:
    """Where the field that begins at `at` has ended; beyond the end where there is none."""
    tag, at = _varint(payload, at)
    match tag & 7:
        case 0:
            return _varint(payload, at)[1]
        case 1:
            return at + 8
        case 2:
            length, at = _varint(payload, at)
            return at + length
        case 5:
            return at + 4
        case _:
            return len(payload)


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it has ended; beyond the end where it never does."""
    number = payload[at] if at < len(payload) else 0
    if number < 0x80:
        return number, at + 1
    number = 0
    for place, byte in enumerate(payload[at : at + 10]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    return 0, len(payload)


def encode_leaf(message: Message) -> bytes:
    """The leaf that carries a message, one of LEAF_TYPES by its name."""
    return bytes((LEAF_TYPES[message.DESCRIPTOR.name],)) + canonical(message)


def parse_leaf(message_type: type[M], leaf: bytes) -> M:
    """The message in a leaf, if it is of that type and canonical. Raises Reject."""
    name = message_type.DESCRIPTOR.name
    if not leaf:
        raise Reject(f"the leaf of a batch of {name} is empty")
    if leaf[0] != LEAF_TYPES[name]:
        other = _LEAF_NAMES.get(leaf[0], f"of unknown type {leaf[0]}")
        raise Reject(f"the leaf is {other}, not {name}")
    return strict_parse(message_type, leaf[1:], f"the {name}")


def parse_amount(text: str, what: str, maximum: int = ASSET_AMOUNT_MAX) -> int:
    """A canonical decimal amount in an asset's smallest unit, 0 to `maximum`. Raises Reject."""
    digits = text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    if not digits:
        raise Reject(f"{what} is not an amount", "Write a whole number, without leading zeroes.")
    # By length first: turning thousands of digits into a number takes long.
    if len(text) > len(str(maximum)) or int(text) > maximum:
        raise Reject(f"{what} is above {maximum}")
    return int(text)
