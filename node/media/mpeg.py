"""MP3, frame by frame: tags before and after go, and every frame follows the last."""

from __future__ import annotations

from typing import Final

from node.media.container import TAGS, Cleaned, Notes, broken

ID3V1_BYTES: Final = 128
_ID3V2_HEADER: Final = 10
_FOOTER: Final = 0x10
_APE: Final = b"APETAGEX"
_APE_FOOTER: Final = 32
_APE_HAS_HEADER: Final = 1 << 31

# kbit/s of layer III by the index in a frame's header: MPEG 1, and MPEG 2 and 2.5.
_RATES_1: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# Samples a second, by the version's two bits and the index.
_HERTZ: Final = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}


def clean(data: bytes) -> Cleaned:
    """Raises Reject for what is not one recording."""
    notes = Notes()
    start, end = _without_tags(data)
    if start or end < len(data):
        notes.remove(TAGS, data[:start] + data[end:])
    at = start
    while length := _frame_bytes(data, at):
        if at + length > end:
            break  # a recording that was stopped: its last frame is not whole
        at += length
    if at - start <= end - at:
        raise broken("MP3 recording", f"there is no whole frame at byte {at:,}")
    notes.trailing(end - at)
    return Cleaned(data[start:at] if notes.removed else data, notes.removed, beside=notes.beside)


def _without_tags(data: bytes) -> tuple[int, int]:
    """Where frames begin and end: after any ID3v2, before any ID3v1 and APE."""
    start, end = 0, len(data)
    while data[start : start + 3] == b"ID3" and start + _ID3V2_HEADER <= end:
        flags, size = data[start + 5], data[start + 6 : start + 10]
        if any(byte & 0x80 for byte in size):
            raise broken("MP3 recording", "its tag is damaged")
        length = size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]
        start += _ID3V2_HEADER + length + (_ID3V2_HEADER if flags & _FOOTER else 0)
    while start < end and not data[start]:
        start += 1  # padding that the tag's length leaves out
    while start < end:
        if data[end - ID3V1_BYTES : end - ID3V1_BYTES + 3] == b"TAG" and end - start >= ID3V1_BYTES:
            end -= ID3V1_BYTES
            continue
        footer = data[max(start, end - _APE_FOOTER) : end]
        if len(footer) < _APE_FOOTER or not footer.startswith(_APE):
            break
        flags = int.from_bytes(footer[20:24], "little")
        length = int.from_bytes(footer[12:16], "little")
        end -= max(_APE_FOOTER, length) + (_APE_FOOTER if flags & _APE_HAS_HEADER else 0)
    if start >= end:
        raise broken("MP3 recording", "it holds nothing but tags")
    return start, end


def _frame_bytes(data: bytes, at: int) -> int:
    """The length of the frame that begins at `at`; 0 where none does."""
    header = int.from_bytes(data[at : at + 4], "big")
    version, layer = header >> 19 & 3, header >> 17 & 3
    rate, hertz = header >> 12 & 15, header >> 10 & 3
    if header >> 21 != 0x7FF or version not in _HERTZ or layer != 1:
        return 0
    if rate in (0, 15) or hertz == 3:
        return 0  # of free rate, which hardly anything writes, or of none
    kilobits = (_RATES_1 if version == 3 else _RATES_2)[rate]
    factor = 144_000 if version == 3 else 72_000
    return factor * kilobits // _HERTZ[version][hertz] + (header >> 9 & 1)
