"""Ogg, page by page: one stream of Vorbis, Opus or FLAC, with every checksum and position, and
comments emptied.

<https://www.rfc-editor.org/rfc/rfc3533>
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from node.media.container import LENGTH, TAGS, Cleaned, Notes, broken
from node.media.oggtimes import NO_POSITION, opus_samples, place, vorbis_samples
from protocol.errors import Reject

_HEADER: Final = struct.Struct("<4sBBQIIIB")
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_SEGMENTS_MAX: Final = 255
_SEGMENT: Final = 255  # bytes of one that does not end its packet
_HEAD_BYTES: Final = 2  # of a packet, which tell how long it lasts
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_VORBIS: Final = b"\x01vorbis"
_VORBIS_COMMENT: Final = b"\x03vorbis"
_OPUS: Final = b"OpusHead"
_OPUS_COMMENT: Final = b"OpusTags"
_NO_COMMENTS: Final = bytes(8)  # a vendor and a list, both empty


@dataclass(frozen=True, slots=True)
class _Page:
    flags: int
    position: int
    serial: int
    number: int
    lacing: bytes
    body: bytes

    @property
    def is_end_of_packet(self) -> bool:
        return bool(self.lacing) and self.lacing[-1] < 255

    def encode(self) -> bytes:
        """With its checksum."""
        head = _HEADER.pack(
            *(b"OggS", 0, self.flags, self.position, self.serial, self.number, 0, len(self.lacing))
        )
        raw = head + self.lacing + self.body
        return raw[:22] + checksum(raw).to_bytes(4, "little") + raw[26:]


def clean(data: bytes) -> Cleaned:
    """Raises Reject for what is not one whole recording."""
    notes = Notes()
    pages, end = _pages(data)
    notes.trailing(data[end:])
    first = pages[0].body
    if first.startswith(_VORBIS):
        headers, comment = 3, _VORBIS_COMMENT + _NO_COMMENTS + b"\x01"
    elif first.startswith(_OPUS):
        headers, comment = 2, _OPUS_COMMENT + _NO_COMMENTS
    else:
        raise Reject(
            "this Ogg file is of a kind that loaders do not read",
            "Save it as Ogg Vorbis, Opus, FLAC or WAV.",
        )
    packets, used = _packets(pages, headers)
    if not packets[1].startswith(comment[:7]):
        raise broken("Ogg recording", "its comments are not where they belong")
    if packets[1] != comment:
        notes.remove(TAGS, packets[1])
        packets[1] = comment
    samples = opus_samples if headers == 2 else vorbis_samples(packets[0], packets[2])
    sound = _placed(pages[used:], samples)
    if sound != pages[used:]:
        notes.correct(LENGTH)
    if not notes.removed and not notes.corrected:
        return Cleaned(data)
    kept = [pages[0], *_paged(packets[1:], pages[0].serial), *sound]
    whole = b"".join(replace(page, number=at).encode() for at, page in enumerate(kept))
    return Cleaned(whole, notes.removed, beside=notes.beside, corrected=notes.corrected)


def _placed(pages: list[_Page], samples: Callable[[bytes], int]) -> list[_Page]:
    """The pages of sound, each at the position at which its packets end."""
    if not pages:
        raise broken("Ogg recording", "it holds no samples")
    positions = place([page.position for page in pages], _ends(pages, samples))
    return [replace(page, position=at) for page, at in zip(pages, positions, strict=True)]


def _ends(pages: list[_Page], samples: Callable[[bytes], int]) -> list[int | None]:
    """How many samples have passed at the end of each page; None where no packet ends."""
    passed, head, is_open = 0, b"", False
    ends: list[int | None] = []
    for page in pages:
        at, has_end = 0, False
        for length in page.lacing:
            if not is_open:
                head = page.body[at : at + min(length, _HEAD_BYTES)]
            at += length
            is_open = length == _SEGMENT
            if not is_open:
                passed += samples(head)
                has_end = True
        ends.append(passed if has_end else None)
    if is_open:
        raise broken("Ogg recording", "it ends too early")
    ends[-1] = passed
    return ends


def _pages(data: bytes) -> tuple[list[_Page], int]:
    """All pages of the one stream, and where they end."""
    pages: list[_Page] = []
    at = 0
    while at < len(data) and not (pages and pages[-1].flags & _LAST):
        page, at = _page(data, at)
        is_first = not pages
        if bool(page.flags & _FIRST) != is_first:
            raise Reject("an Ogg file of several streams is not taken", "Save one recording alone.")
        if not is_first and (page.serial, page.number) != (pages[0].serial, pages[-1].number + 1):
            raise broken("Ogg recording", f"the page before byte {at:,} does not follow the last")
        pages.append(page)
    if not pages or not pages[-1].flags & _LAST:
        raise broken("Ogg recording", "it ends too early")
    if data[at : at + 4] == b"OggS":
        raise Reject("an Ogg file of several streams is not taken", "Save one recording alone.")
    return pages, at


def _page(data: bytes, at: int) -> tuple[_Page, int]:
    """The page at `at`, and where it ends."""
    if at + _HEADER.size > len(data):
        raise broken("Ogg recording", "it ends too early")
    mark, version, flags, position, serial, number, claimed, count = _HEADER.unpack_from(data, at)
    if mark != b"OggS" or version:
        raise broken("Ogg recording", f"there is no page at byte {at:,}")
    lacing = data[at + _HEADER.size : at + _HEADER.size + count]
    start = at + _HEADER.size + count
    end = start + sum(lacing)
    if len(lacing) < count or end > len(data):
        raise broken("Ogg recording", "it ends too early")
    raw = data[at:end]
    if checksum(raw[:22] + bytes(4) + raw[26:]) != claimed:
        raise broken("Ogg recording", f"the checksum at byte {at:,} is wrong")
    return _Page(flags, position, serial, number, lacing, data[start:end]), end


def checksum(raw: bytes) -> int:
    """Ogg's CRC is that of zlib with every byte and the result turned round, and nothing inverted."""
    turned = zlib.crc32(raw.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(turned.to_bytes(4, "little").translate(_REVERSED), "big")


def _packets(pages: list[_Page], count: int) -> tuple[list[bytes], int]:
    """The first packets, which fill whole pages, and how many pages they fill."""
    packets, open_packet = [], b""
    for used, page in enumerate(pages, start=1):
        at = 0
        for length in page.lacing:
            open_packet += page.body[at : at + length]
            at += length
            if length < 255:
                packets.append(open_packet)
                open_packet = b""
        if len(packets) >= count:
            if len(packets) > count or not page.is_end_of_packet:
                raise broken("Ogg recording", "its samples begin among its headers")
            return packets, used
        if used == 1 and len(packets) != 1:
            raise broken("Ogg recording", "its first page holds more than its header")
    raise broken("Ogg recording", "it lacks a header")


def _paged(packets: list[bytes], serial: int) -> Iterator[_Page]:
    """Packets of headers on as few pages as they need; their numbers are given later."""
    lacing = b"".join(b"\xff" * (len(each) // 255) + bytes([len(each) % 255]) for each in packets)
    body, at, inside = b"".join(packets), 0, False
    for start in range(0, len(lacing), _SEGMENTS_MAX):
        part = lacing[start : start + _SEGMENTS_MAX]
        length = sum(part)
        # A page on which no packet ends has no position.
        position = 0 if any(each < 255 for each in part) else NO_POSITION
        flags = _CONTINUED if inside else 0
        yield _Page(flags, position, serial, 0, part, body[at : at + length])
        at, inside = at + length, part[-1] == 255
