"""FLAC, block by block: how to decode it, where to seek, and the samples. <https://www.rfc-editor.org/rfc/rfc9639>"""

from __future__ import annotations

from typing import Final

from node.media.container import LENGTH, OTHER, TAGS, Cleaned, Notes, broken
from node.media.flacframes import count_samples
from node.media.mpeg import ID3V1_BYTES

_STREAM, _PADDING, _APPLICATION, _SEEKS, _COMMENT, _CUES, _PICTURE = range(7)
_KEPT: Final = (_STREAM, _SEEKS)
_LAST: Final = 0x80
_STREAM_BYTES: Final = 34
_COUNT: Final = slice(13, 18)  # of the header, in its last 36 bits: the samples of each channel
_COUNT_MAX: Final = (1 << 36) - 1


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
    kept[0] = (_STREAM, _counted(kept[0][1], count_samples(frames, 0), notes))
    changed = changed or bool(notes.corrected)
    whole = _whole(kept, frames) if changed else data
    return Cleaned(whole, notes.removed, beside=notes.beside, corrected=notes.corrected)


def _counted(header: bytes, found: int, notes: Notes) -> bytes:
    """The header, which says how many samples there are: what is piped does not. Raises Reject for what was
    cut."""
    number = int.from_bytes(header[_COUNT], "big")
    stated = number & _COUNT_MAX
    if stated > found:
        raise broken("FLAC recording", f"it lacks {stated - found:,} of its {stated:,} samples")
    if stated == found:
        return header
    notes.correct(LENGTH)
    right = (number & ~_COUNT_MAX | found).to_bytes(_COUNT.stop - _COUNT.start, "big")
    return header[: _COUNT.start] + right + header[_COUNT.stop :]


def _whole(kept: list[tuple[int, bytes]], frames: bytes) -> bytes:
    blocks = b"".join(
        bytes([kind | (_LAST if number == len(kept) else 0)]) + len(body).to_bytes(3, "big") + body
        for number, (kind, body) in enumerate(kept, start=1)
    )
    return b"fLaC" + blocks + frames
