"""What the readers of containers have in common: what is left of a file, and what was in it.

A reader takes a file apart by its own fixed rules, before any library sees it, keeps what a loader needs to
show or play it, and names what it leaves out. What it keeps is the file's own bytes: pixels and samples do
not change. Content is clean if nothing is left out; a network takes only clean content.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from node.media.colours import Colours
from protocol.errors import Reject

UPRIGHT: Final = 1  # of the eight orientations of EXIF

LOCATION: Final = "the location"
CAMERA: Final = "the camera's data"
HISTORY: Final = "the history of its editing"
COMMENTS: Final = "comments"
THUMBNAIL: Final = "a thumbnail"
TAGS: Final = "tags"
CREDENTIALS: Final = "content credentials"
OTHER: Final = "other data beside the content"
UNREADABLE_COLOURS: Final = "values of colours that cannot be read"

LENGTH: Final = "the length it states"
RATE: Final = "the rate of bytes it states"

BESIDE_BYTES_MAX: Final = 4 << 20  # of what is removed, for its owner to be told what it was

_SAVE_AGAIN: Final = "Save it again with a program that opens it."
_CHANNELS_CMYK: Final = 4
_IFD_ENTRIES_MAX: Final = 1_000  # cameras write some fifty
_ORIENTATION: Final = 0x0112
_GPS: Final = 0x8825
_XMP_ORIENTATION: Final = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])\b")
_XMP_LOCATION: Final = re.compile(rb"GPSLatitude|GPSLongitude")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is left of a file, and what was in it that the pixels need to be shown as they were meant."""

    content: bytes
    removed: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    orientation: int = UPRIGHT
    profile: bytes = b""  # ICC, left out of content
    colours: Colours | None = (
        None  # in numbers, left out of content: where the profile does not say
    )
    channels: int = 3  # without alpha: 1 is grey, 4 are those of print
    beside: tuple[tuple[str, bytes], ...] = ()  # what was removed: what it is, and its bytes
    corrected: tuple[str, ...] = ()  # what a header said of samples that are otherwise

    @property
    def is_cmyk(self) -> bool:
        """Whether its colours are those of print."""
        return self.channels == _CHANNELS_CMYK

    @property
    def is_bare(self) -> bool:
        """Whether the file holds the picture and nothing else, upright and in sRGB."""
        said = self.removed or self.profile or self.colours
        return not said and not self.is_cmyk and self.orientation == UPRIGHT


class Notes:
    """What a reader notices on its way through a file."""

    def __init__(self) -> None:
        self._removed: list[str] = []
        self._corrected: list[str] = []
        self._beside: list[tuple[str, bytes]] = []
        self._beside_bytes = 0
        self._exif_orientation = 0
        self._xmp_orientation = 0
        self.profile = b""

    def remove(self, what: str, block: bytes = b"") -> None:
        """Something is left out; of `block` its owner may want to know what was in it."""
        if what not in self._removed:
            self._removed.append(what)
        if block and self._beside_bytes + len(block) <= BESIDE_BYTES_MAX:
            self._beside.append((what, block))
            self._beside_bytes += len(block)

    def correct(self, what: str) -> None:
        """A header says something else than there is, and what there is stays."""
        if what not in self._corrected:
            self._corrected.append(what)

    def exif(self, block: bytes) -> None:
        """A block of EXIF is left out; what can be read of it is heeded, however damaged the rest is."""
        tags = exif_tags(block.removeprefix(b"Exif\0\0"))
        if _GPS in tags:
            self.remove(LOCATION)
        self.remove(CAMERA, block)
        if 1 <= tags.get(_ORIENTATION, 0) <= 8:
            self._exif_orientation = tags[_ORIENTATION]

    def xmp(self, packet: bytes) -> None:
        """So is a packet of XMP."""
        if _XMP_LOCATION.search(packet):
            self.remove(LOCATION)
        self.remove(HISTORY, packet)
        if found := _XMP_ORIENTATION.search(packet):
            self._xmp_orientation = int(found[1])

    def trailing(self, rest: bytes) -> None:
        """Bytes after the end: what hides there is not seen by reviewers."""
        length = len(rest)
        if length:
            what = f"{length:,} bytes after the end" if length > 1 else "a byte after the end"
            self.remove(what, rest[:BESIDE_BYTES_MAX])

    @property
    def orientation(self) -> int:
        """Where both say something, EXIF, as in what shows pictures."""
        return self._exif_orientation or self._xmp_orientation or UPRIGHT

    @property
    def beside(self) -> tuple[tuple[str, bytes], ...]:
        """What was removed, in the file's order."""
        return tuple(self._beside)

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(self._removed)

    @property
    def corrected(self) -> tuple[str, ...]:
        return tuple(self._corrected)


def broken(what: str, why: str) -> Reject:
    """The error for a file that breaks its format's rules."""
    return Reject(f"broken {what}: {why}", _SAVE_AGAIN)


def check_sides(width: int, height: int, sides_max: int, pixels_max: int) -> None:
    """Before anything is decoded. Raises Reject."""
    if not width or not height:
        raise broken("picture", f"it has {width} x {height} pixels")
    if max(width, height) > sides_max or width * height > pixels_max:
        raise Reject(
            f"a picture of {width} x {height} pixels is too large",
            f"Scale it down: at most {sides_max:,} on a side.",
        )


def exif_tags(block: bytes) -> dict[int, int]:
    """The tags of the first directory, each with its value where that is a short number, or else 0.

    What is damaged is left out: this only tells what is in a block that is removed.
    """
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return {}
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    if start + 2 > len(block):
        return {}
    (count,) = struct.unpack_from(f"{order}H", block, start)
    tags: dict[int, int] = {}
    for number in range(min(count, _IFD_ENTRIES_MAX)):
        at = start + 2 + 12 * number
        if at + 12 > len(block):
            break
        tag, kind, values, value = struct.unpack_from(f"{order}HHIH", block, at)
        tags[tag] = value if kind == 3 and values == 1 else 0
    return tags


def riff_chunks(data: bytes, what: str, notes: Notes) -> list[tuple[bytes, bytes]]:
    """The chunks of a RIFF file (WebP, WAV) by name. An odd last one may lack its padding."""
    size = int.from_bytes(data[4:8], "little") + 8
    if size - 1 > len(data):
        raise broken(what, f"it says {size:,} bytes, and has {len(data):,}")
    notes.trailing(data[size:])
    chunks: list[tuple[bytes, bytes]] = []
    at, end = 12, min(size, len(data))
    while at < end:
        if at + 8 > end:
            raise broken(what, f"a chunk at byte {at:,} has no length")
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise broken(what, f"the chunk at byte {at:,} is longer than the file")
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return chunks


def riff_of(form: bytes, chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A RIFF file of these chunks."""
    body = b"".join(
        name + len(chunk).to_bytes(4, "little") + chunk + b"\0" * (len(chunk) % 2)
        for name, chunk in chunks
    )
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + form + body
