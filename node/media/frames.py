"""What the node and its decoder say to each other: a header in JSON and a body, each after its length.

Nothing is unpickled: what comes back was made by a process that has read strangers' bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, Final

_LENGTHS: Final = struct.Struct(">II")
HEADER_BYTES_MAX: Final = 1 << 16
BODY_BYTES_MAX: Final = (
    64 << 20
)  # grey pixels of the largest picture, and a file before it is scaled


def encode(header: dict[str, Any], body: bytes = b"") -> bytes:
    """One message."""
    head = json.dumps(header).encode()
    return _LENGTHS.pack(len(head), len(body)) + head + body


def read(receive: Callable[[int], bytes]) -> tuple[dict[str, Any], bytes]:
    """The next message; `receive` gives so many bytes. Raises ValueError for what is none."""
    head_bytes, body_bytes = _LENGTHS.unpack(receive(_LENGTHS.size))
    if head_bytes > HEADER_BYTES_MAX or body_bytes > BODY_BYTES_MAX:
        raise ValueError("a message is too large")
    header = json.loads(receive(head_bytes))
    if not isinstance(header, dict):
        raise ValueError("a message has no header")
    return header, receive(body_bytes)
