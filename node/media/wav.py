"""WAV, chunk by chunk: the format, the samples, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from node.media.container import (
    COMMENTS,
    CREDENTIALS,
    LENGTH,
    OTHER,
    RATE,
    Cleaned,
    Notes,
    broken,
    riff_chunks,
    riff_of,
)

_KEPT: Final = (b"fmt ", b"fact", b"data")
# What people write of a recording: who, where, when, with what.
_WRITTEN: Final = frozenset(
    (b"LIST", b"bext", b"iXML", b"id3 ", b"ID3 ", b"_PMX", b"axml", b"INFO")
)
# PCM, float, A-law, mu-law, and the extended form of these.
_FORMATS: Final = frozenset((1, 3, 6, 7, 0xFFFE))

_RATE_MAX: Final = (1 << 32) - 1  # of a form that is refused later


def clean(data: bytes) -> Cleaned:
    """Raises Reject for what is not one whole recording."""
    notes = Notes()
    chunks = riff_chunks(data, "WAV recording", notes)
    names = [name for name, _ in chunks]
    if names.count(b"fmt ") != 1 or names.count(b"data") != 1:
        raise broken("WAV recording", "it needs one format and one chunk of samples")
    parts = dict(chunks)
    if names.index(b"fmt ") > names.index(b"data"):
        raise broken("WAV recording", "its samples come before their format")
    _check_format(parts[b"fmt "], len(parts[b"data"]))
    right = _stated(parts)
    for name, chunk in chunks:
        if name in _WRITTEN:
            notes.remove(COMMENTS, chunk)
        elif name == b"C2PA":
            notes.remove(CREDENTIALS, chunk)
        elif name not in _KEPT:
            notes.remove(OTHER, chunk)
    for name, what in ((b"fmt ", RATE), (b"fact", LENGTH)):
        if right.get(name) != parts.get(name):
            notes.correct(what)
    whole = riff_of(b"WAVE", [(name, right[name]) for name in _KEPT if name in right])
    # An odd last chunk without its padding is made whole without a word.
    is_bare = not notes.removed and not notes.corrected and len(whole) == len(data)
    content = data if is_bare else whole
    return Cleaned(content, notes.removed, beside=notes.beside, corrected=notes.corrected)


def _stated(parts: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The chunks, which say of the samples what they are: how many bytes a second, and how many there are."""
    header = parts[b"fmt "]
    rate, frame = struct.unpack_from("<4xI4xH", header)
    right = {
        **parts,
        b"fmt ": header[:8] + struct.pack("<I", min(rate * frame, _RATE_MAX)) + header[12:],
    }
    if b"fact" in parts:
        right[b"fact"] = struct.pack("<I", len(parts[b"data"]) // frame) + parts[b"fact"][4:]
    return right


def _check_format(header: bytes, length: int) -> None:
    if len(header) < 16:
        raise broken("WAV recording", "its format is damaged")
    form, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", header)
    if form not in _FORMATS or not channels or not rate or bits not in (8, 16, 24, 32, 64):
        raise broken("WAV recording", "its samples are of a form that loaders do not read")
    if frame != channels * bits // 8:
        raise broken("WAV recording", "its format contradicts itself")
    if not length or length % frame:
        raise broken("WAV recording", "its samples are not whole")
