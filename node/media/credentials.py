"""Content credentials: boxes (JUMBF, ISO/IEC 19566-5) that hold what a program claims of content (C2PA 2.1).

Read is who made the claim, and from what the content came. The signature is not verified: that takes lists of
whom to trust, and nothing here rests on it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

from node.media.records import Credentials

_BOXES_MAX: Final = 2_000  # a picture with a long history has some hundreds
_DEPTH_MAX: Final = 8  # store, manifest, assertions, assertion
_CHARS_MAX: Final = 200
_DESCRIPTION_BYTES: Final = 17  # a type of 16 bytes, and flags
_HAS_LABEL: Final = 0x02
_SOURCES_MAX: Final = 10
_STEPS_MAX: Final = 10_000  # of one claim or assertion


def read_credentials(store: bytes) -> Credentials:
    """What the last claim says, which is of the content as it is; and the sources of all. Of what is damaged,
    what can be read."""
    generator = ""
    sources: dict[str, None] = {}
    for label, body in _contents(store):
        if label.startswith("c2pa.claim"):
            generator = _generator_of(_decoded(body)) or generator
        elif label.startswith("c2pa.actions"):
            sources |= dict.fromkeys(_sources_of(_decoded(body)))
    return Credentials(generator, tuple(sources)[:_SOURCES_MAX])


def _contents(store: bytes) -> Iterator[tuple[str, bytes]]:
    """The CBOR of each box, with its label."""
    waiting = [("", store, 0)]
    for _ in range(_BOXES_MAX):
        if not waiting:
            return
        label, data, depth = waiting.pop()
        inner: list[tuple[str, bytes, int]] = []
        for kind, body in _boxes(data):
            if kind == b"jumd":
                label = _label_of(body)
            elif kind == b"jumb" and depth < _DEPTH_MAX:
                inner.append(("", body, depth + 1))
            elif kind == b"cbor":
                yield label, body
        waiting += reversed(inner)  # in their order: the last manifest is the active one


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """ISO/IEC 14496-12, 4.2: a length, a name, a body; as far as they are whole."""
    at = 0
    for _ in range(_BOXES_MAX):
        if at + 8 > len(data):
            return
        length, start = int.from_bytes(data[at : at + 4], "big"), at + 8
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = len(data) if length == 0 else at + length
        if end < start or end > len(data):
            return
        yield data[at + 4 : at + 8], data[start:end]
        at = end


def _label_of(description: bytes) -> str:
    if len(description) < _DESCRIPTION_BYTES or not description[16] & _HAS_LABEL:
        return ""
    label = description[_DESCRIPTION_BYTES:].split(b"\0", 1)[0]
    return label[:_CHARS_MAX].decode("utf-8", "replace")


def _decoded(body: bytes) -> Any:
    import cbor2

    try:
        return cbor2.load(io.BytesIO(body))
    except (cbor2.CBORError, ValueError, RecursionError, OverflowError):
        return None


def _generator_of(claim: Any) -> str:
    match claim:
        case {"claim_generator_info": {"name": str(name)}}:
            return name[:_CHARS_MAX]
        case {"claim_generator_info": [{"name": str(name)}, *_]}:
            return name[:_CHARS_MAX]
        case {"claim_generator": str(name)}:
            return name[:_CHARS_MAX]
    return ""


def _sources_of(actions: Any) -> Iterator[str]:
    """Wherever in it they are said: the place has changed with the versions."""
    waiting = [actions]
    for _ in range(_STEPS_MAX):
        if not waiting:
            return
        each = waiting.pop()
        if isinstance(each, dict):
            source = each.get("digitalSourceType")
            if isinstance(source, str):
                yield source.rsplit("/", 1)[-1][:_CHARS_MAX]
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
