"""Which key an entry, that nobody has checked yet, says the log will sign with."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from node.rows import LogRow
from protocol.errors import Reject
from protocol.limits import KEY_BYTES
from protocol.log.envelope import parse_envelope
from protos.gen import records_pb2 as pb

_SUCCESSOR: Final = "successor"
_KIND_BYTES: Final = 64  # an envelope begins with its kind


def announced_keys(row: LogRow) -> list[bytes]:
    """The key that an entry announces, unchecked; none in nearly all entries."""
    if _SUCCESSOR.encode() not in row.envelope[:_KIND_BYTES]:
        return []
    try:
        envelope = parse_envelope(row.envelope)
        record = pb.Successor.FromString(envelope.payload)
    except (Reject, DecodeError):
        return []  # no such record: the fold says what it is
    named = envelope.kind == _SUCCESSOR and record.role == pb.KEY_ROLE_LOG
    return [record.key] if named and len(record.key) == KEY_BYTES else []
