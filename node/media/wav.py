"""WAV, chunk by chunk: the format, the samples, and nothing else."""

from __future__ import annotations

import struct
from typing import Final

from node.media.container import (
    COMMENTS,
    CREDENTIALS,
    OTHER,
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
    for name, chunk in chunks:
        if name in _WRITTEN:
            notes.remove(COMMENTS, chunk)
        elif name == b"C2PA":
            notes.remove(CREDENTIALS, chunk)
        elif name not in _KEPT:
            notes.remove(OTHER, chunk)
    kept = [(name, parts[name]) for name in _KEPT if name in parts]
    whole = riff_of(b"WAVE", kept)
    # An odd last chunk without its padding is made whole without a word.
    is_bare = not notes.removed and len(whole) == len(data)
    return Cleaned(data if is_bare else whole, notes.removed, beside=notes.beside)


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
