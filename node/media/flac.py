"""FLAC, block by block: how to decode it, where to seek, and the samples. <https://www.rfc-editor.org/rfc/rfc9639>"""

from __future__ import annotations

from typing import Final

from node.media.container import OTHER, TAGS, Cleaned, Notes, broken
from node.media.mpeg import ID3V1_BYTES

_STREAM, _PADDING, _APPLICATION, _SEEKS, _COMMENT, _CUES, _PICTURE = range(7)
_KEPT: Final = (_STREAM, _SEEKS)
_LAST: Final = 0x80
_STREAM_BYTES: Final = 34


def clean(data: bytes) -> Cleaned:
    """Raises Reject for what is not one recording. Whether its samples are whole, decoding tells."""
    notes = Notes()
    kept: list[tuple[int, bytes]] = []
    at, last, changed = 4, False, False
    while not last:
        if at + 4 > len(data):
            raise broken("FLAC recording", "it ends too early")
        kind, last = data[at] & ~_LAST, bool(data[at] & _LAST)
        length = int.from_bytes(data[at + 1 : at + 4], "big")
        body = data[at + 4 : at + 4 + length]
        at += 4 + length
        if at > len(data):
            raise broken("FLAC recording", "it ends too early")
        if not kept and (kind != _STREAM or length != _STREAM_BYTES):
            raise broken("FLAC recording", "it does not begin with its header")
        if kind in _KEPT:
            kept.append((kind, body))
            continue
        changed = True
        if kind != _PADDING:
            notes.remove(TAGS if kind in (_COMMENT, _PICTURE, _CUES) else OTHER, body)
    frames = data[at:]
    if frames[-ID3V1_BYTES:].startswith(b"TAG") and len(frames) > ID3V1_BYTES:
        notes.remove(TAGS, frames[-ID3V1_BYTES:])
        frames = frames[:-ID3V1_BYTES]
        changed = True
    if frames[:1] != b"\xff":
        raise broken("FLAC recording", "it holds no samples")
    return Cleaned(_whole(kept, frames) if changed else data, notes.removed, beside=notes.beside)


def samples(data: bytes) -> int:
    """How many the header of a sound file promises of each channel; 0 where it does not say."""
    return int.from_bytes(data[8 + 13 : 8 + 18], "big") & (1 << 36) - 1


def _whole(kept: list[tuple[int, bytes]], frames: bytes) -> bytes:
    blocks = b"".join(
        bytes([kind | (_LAST if number == len(kept) else 0)]) + len(body).to_bytes(3, "big") + body
        for number, (kind, body) in enumerate(kept, start=1)
    )
    return b"fLaC" + blocks + frames
