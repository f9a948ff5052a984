"""MP3, frame by frame: tags before and after go, every frame follows the last, and their number is stated."""

from __future__ import annotations

import re
from typing import Final

from node.media.container import LENGTH, TAGS, Cleaned, Notes, broken
from node.media.mpegframes import (
    Stated,
    frame_bytes,
    frame_form,
    make_statement,
    read_stated,
    restate,
)

ID3V1_BYTES: Final = 128
_ID3V1_MORE_BYTES: Final = 227  # "TAG+", which some write before it
_ID3V2_HEADER: Final = 10
_FOOTER: Final = 0x10
_APE: Final = b"APETAGEX"
_APE_FOOTER: Final = 32
_APE_HAS_HEADER: Final = 1 << 31
_LYRICS_BYTES_MAX: Final = 5_100  # of the first version, which does not say how many it has
_LYRICS: Final = b"LYRICSBEGIN"
# What fills the rest of a disk's cluster. More of them are what a download left out.
_ZEROS_MAX: Final = 64 << 10
_PADDING: Final = re.compile(rb"\0*(?:TAG.{125}\0*)?", re.DOTALL)


def clean(data: bytes) -> Cleaned:
    """Raises Reject for what is not one whole recording."""
    notes = Notes()
    start, end = _without_tags(data)
    if start or end < len(data):
        notes.remove(TAGS, data[:start] + data[end:])
    first = data[start : start + frame_bytes(data, start)]
    stop, frames = _walk(data, start, end)
    stated = read_stated(first)
    _check_end(data[stop:end], stop, stated)
    notes.trailing(data[stop:end])
    whole = _stated(data[start:stop], first, frames, stated)
    if len(whole) != stop - start or whole[: len(first)] != first:
        notes.correct(LENGTH)
    is_bare = not notes.removed and not notes.corrected
    return Cleaned(
        data if is_bare else whole,
        notes.removed,
        beside=notes.beside,
        corrected=notes.corrected,
    )


def _walk(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the last frame ends, and how many there are."""
    at, frames, form = start, 0, frame_form(data, start)
    while length := frame_bytes(data, at):
        if at + length > end:
            raise broken("MP3 recording", "it ends in the middle of a frame: it was cut off")
        if frame_form(data, at) != form:
            raise broken("MP3 recording", f"the frame at byte {at:,} is of another form")
        at += length
        frames += 1
    if not frames:
        raise broken("MP3 recording", f"there is no whole frame at byte {at:,}")
    return at, frames


def _check_end(rest: bytes, at: int, stated: Stated | None) -> None:
    """What may follow the last frame is padding, which nobody misses."""
    if not _PADDING.fullmatch(rest):
        raise broken("MP3 recording", f"what stands at byte {at:,} is neither a frame nor a tag")
    if len(rest) > _ZEROS_MAX and (stated is None or not stated.frames):
        raise broken("MP3 recording", f"from byte {at:,} on it is empty: it was cut off")


def _stated(bare: bytes, first: bytes, frames: int, stated: Stated | None) -> bytes:
    """The frames, of which the first says how many there are where others would guess wrong."""
    if stated is None:
        is_even = frames * len(first) == len(bare)
        return bare if is_even else make_statement(bare, frames) + bare
    sound = bare[len(first) :]
    frames -= 1
    if not frames:
        raise broken("MP3 recording", "it holds no samples")
    counts_itself = stated.frames == frames + 1 and stated.bytes <= len(bare)
    if stated.frames > frames and not counts_itself:
        raise broken(
            "MP3 recording", f"it says {stated.frames:,} frames, and has {frames:,}: it was cut off"
        )
    if not stated.frames_at:
        return make_statement(sound, frames) + sound
    if stated.frames == frames:
        return bare
    return restate(first, stated, frames, len(bare)) + sound


def _without_tags(data: bytes) -> tuple[int, int]:
    """Where frames begin and end: between the tags."""
    start, end = 0, len(data)
    while data[start : start + 3] == b"ID3" and start + _ID3V2_HEADER <= end:
        flags, size = data[start + 5], data[start + 6 : start + 10]
        if any(byte & 0x80 for byte in size):
            raise broken("MP3 recording", "its tag is damaged")
        length = size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]
        start += _ID3V2_HEADER + length + (_ID3V2_HEADER if flags & _FOOTER else 0)
    while start < end and not data[start]:
        start += 1  # padding that the tag's length leaves out
    while start < end and (before := _tag_start(data, start, end)) < end:
        end = before
    if start >= end:
        raise broken("MP3 recording", "it holds nothing but tags")
    return start, end


def _tag_start(data: bytes, start: int, end: int) -> int:
    """Where the tag that ends at `end` begins; `end` where none does."""
    if data[max(start, end - ID3V1_BYTES) : end].startswith(b"TAG"):
        before = end - ID3V1_BYTES - _ID3V1_MORE_BYTES
        has_more = before > start and data.startswith(b"TAG+", before)
        return before if has_more else end - ID3V1_BYTES
    footer = data[max(start, end - _APE_FOOTER) : end]
    if len(footer) == _APE_FOOTER and footer.startswith(_APE):
        flags = int.from_bytes(footer[20:24], "little")
        length = int.from_bytes(footer[12:16], "little")
        header = _APE_FOOTER if flags & _APE_HAS_HEADER else 0
        return end - max(_APE_FOOTER, length) - header
    if data.endswith((b"LYRICSEND", b"LYRICS200"), start, end):
        size = data[end - 15 : end - 9]  # of the second version alone
        length = int(size) + 15 if size.isdigit() else _LYRICS_BYTES_MAX + 20
        found = data.find(_LYRICS, max(start, end - length), end)
        return end if found < 0 else found
    return end
