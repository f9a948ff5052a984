"""The blob and head messages, byte for byte. Pure: bytes in, values out.

Blob request, 42 + n bytes: version u8 = 1 | item id 32 | offset u64 | n u8
    followed by the name of one of the item's parts: n bytes, 1 <= n <= 64, of a-z, 0-9, _ and -.
Blob response, 41 bytes:    status u8      | salt 32    | length u64
    followed, when the status is OK, by exactly `length - offset` bytes of content. Then the stream takes
    another request, for some seconds; after any other status it ends.
Head request, 1 byte:       version u8 = 1
Head response, 4 + n bytes: n u32          | the latest checkpoint, n <= 4 KiB (0: none yet)

Integers are big-endian. A response that is not OK carries a zero salt and a zero length, so that a
refusal says nothing about the item. A parser accepts only what its encoder produces.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from commonground.p2p.limits import CHECKPOINT_BYTES_MAX
from commonground.p2p.penalties import Offence
from protocol.errors import Reject
from protocol.limits import CONTENT_BYTES_MAX, HASH_BYTES, NAME_CHARS_MAX, SALT_BYTES
from protocol.text import is_id

BLOB_PROTOCOL: Final = "/commonhold/blob/1"
HEAD_PROTOCOL: Final = "/commonhold/head/1"
VERSION: Final = 1

_REQUEST: Final = struct.Struct("!B32sQB")
_RESPONSE: Final = struct.Struct("!B32sQ")
_LENGTH: Final = struct.Struct("!I")
REQUEST_BYTES: Final = _REQUEST.size  # what comes before the part's name
RESPONSE_BYTES: Final = _RESPONSE.size
LENGTH_BYTES: Final = _LENGTH.size
HEAD_REQUEST: Final = bytes([VERSION])
_NO_SALT: Final = bytes(SALT_BYTES)


class Status(IntEnum):
    OK = 0
    REFUSED = 1  # not authorised; the item may or may not exist
    MISSING = 2  # authorised, but the content is not here
    BUSY = 3  # a limit was reached; try again later
    BAD_OFFSET = 4  # the offset lies beyond the content


@dataclass(frozen=True, slots=True)
class BlobRequest:
    """Ask for the content of an item's part from `offset` bytes on."""

    item_id: bytes
    part: str
    offset: int

    def encode(self) -> bytes:
        """The request as it travels; raises Reject for an id or a name that no item has."""
        if len(self.item_id) != HASH_BYTES:
            raise Reject(f"an item's id has {HASH_BYTES} bytes, not {len(self.item_id)}")
        if not is_part_name(self.part):
            raise Reject(f"{self.part!a} is not the name of a part", "see `node campaigns`")
        name = self.part.encode()
        return _REQUEST.pack(VERSION, self.item_id, self.offset, len(name)) + name

    @classmethod
    def parse(cls, raw: bytes) -> BlobRequest:
        """Raises Offence: no correct peer sends another version, an absurd offset or a name no part has."""
        head, name = raw[:REQUEST_BYTES], raw[REQUEST_BYTES:]
        if parse_name_length(head) != len(name):
            raise Offence("a blob request of the wrong length")
        _, item_id, offset, _ = _REQUEST.unpack(head)
        part = name.decode("ascii", "replace")
        if not is_part_name(part):
            raise Offence("a blob request for what cannot be a part")
        return cls(item_id, part, offset)


def parse_name_length(head: bytes) -> int:
    """How many bytes of a part's name follow the first REQUEST_BYTES of a request. Raises Offence."""
    if len(head) != REQUEST_BYTES:
        raise Offence("a blob request of the wrong length")
    version, _, offset, length = _REQUEST.unpack(head)
    if version != VERSION:
        raise Offence("a blob request of an unknown version")
    if offset > CONTENT_BYTES_MAX:
        raise Offence("a blob request with an absurd offset")
    if not 0 < length <= NAME_CHARS_MAX:
        raise Offence("a blob request with a part's name of an absurd length")
    return int(length)


def is_part_name(text: str) -> bool:
    """Whether a campaign may have a part of that name; such a name is harmless in a path, too."""
    return is_id(text.replace("_", "-"))


@dataclass(frozen=True, slots=True)
class BlobResponse:
    """The answer's header: `length` is that of the whole content, whatever the offset was."""

    status: Status
    salt: bytes = _NO_SALT
    length: int = 0

    def encode(self) -> bytes:
        return _RESPONSE.pack(self.status, self.salt, self.length)

    @classmethod
    def parse(cls, raw: bytes) -> BlobResponse:
        """Raises Offence on anything that `encode` would not produce."""
        if len(raw) != RESPONSE_BYTES:
            raise Offence("a blob response of the wrong length")
        code, salt, length = _RESPONSE.unpack(raw)
        try:
            status = Status(code)
        except ValueError:
            raise Offence("a blob response of an unknown status") from None
        if status is not Status.OK and (salt != _NO_SALT or length):
            raise Offence("a refusal that carries content data")
        if length > CONTENT_BYTES_MAX:
            raise Offence("a blob response with an absurd length")
        return cls(status, salt, length)


def encode_head(checkpoint: bytes) -> bytes:
    """A head response; the caller has checked the size."""
    return _LENGTH.pack(len(checkpoint)) + checkpoint


def parse_head_length(raw: bytes) -> int:
    """The number of checkpoint bytes that follow. Raises Offence above 4 KiB."""
    (length,) = _LENGTH.unpack(raw)
    if length > CHECKPOINT_BYTES_MAX:
        raise Offence("a checkpoint longer than 4 KiB")
    return int(length)
