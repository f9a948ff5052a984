"""Files that were damaged: bytes changed, cut, repeated, put in; as storage, networks and strangers do."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Final

from node.media import ogg
from tests.media_files import (
    PICTURES,
    SHAPED,
    SOUNDS,
    content_of,
    exif,
    photo,
    png_chunk,
    saved,
    with_chunk,
    xmp,
)

_HOSTILE: Final = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1")


def seeds() -> Mapping[str, list[bytes]]:
    """A few sound files of each type that is decoded, small, so that many can be tried."""
    found = {name: [content_of(name, seed) for seed in range(2)] for name in (*PICTURES, *SOUNDS)}
    for name, form in PICTURES.items():
        if form != "GIF":
            found[name].append(saved(photo(40, 30), form, exif=exif(6)))
        found[name].append(saved(photo(16, 16).convert("P"), "GIF" if form == "GIF" else "PNG"))
    itxt = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(3))
    found["image/png"].append(with_chunk(saved(photo(16, 16).convert("RGBA"), "PNG"), itxt))
    found["image/jpeg"].append(saved(photo(40, 30), "JPEG", progressive=True))
    found["image/webp"].append(saved(photo(40, 30).convert("RGBA"), "WEBP", lossless=True))
    found["application/json"] = [
        b'{"messages": [{"role": "user", "content": "h\\u00e9"}], "n": [1.5e3, -2]}'
    ]
    found |= {name: [content_of(name)] for name in SHAPED if name not in found}
    found["text/csv"] = [b'a,b\n1,"two, or ""three"""\n"x\ny",\n']
    return found


def mutations(seed: int, only: str = "") -> Iterator[tuple[str, bytes]]:
    """(media type, damaged file) without end, the same ones for the same seed; `only`: of one type."""
    rng = Random(seed)
    sound = seeds()
    while True:
        media_type = only or rng.choice(list(sound))
        damaged = mutated(rng.choice(sound[media_type]), rng)
        right = _RIGHTED.get(media_type)
        yield media_type, damaged if right is None or rng.randrange(4) == 0 else right(damaged)


def mutated(data: bytes, rng: Random) -> bytes:
    """One to five changes, more of them near the beginning, where headers are."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        length = len(changed)
        at = int(length * rng.random() ** rng.choice((1, 3)))
        match rng.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                changed[at : at + 1] = bytes([(changed + b"\0")[at] ^ 1 << rng.randrange(8)])
            case 2:
                changed[at : at + 4] = rng.choice(_HOSTILE)
            case 3:
                del changed[at : at + rng.randrange(1, 40)]
            case 4:
                start = rng.randrange(length + 1)
                changed[at:at] = changed[start : start + rng.randrange(1, 200)]
            case _:
                del changed[at:]
    return bytes(changed)


def _right_png(data: bytes) -> bytes:
    """With checksums that hold, so that damage reaches what lies behind them."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + length
    return bytes(out) + data[at:]


def _right_ogg(data: bytes) -> bytes:
    """Likewise: each page's own, wherever one begins."""
    out = bytearray()
    for page in data.split(b"OggS")[1:]:
        raw = b"OggS" + page[:18] + bytes(4) + page[22:]
        out += raw[:22] + ogg.checksum(raw).to_bytes(4, "little") + raw[26:]
    return bytes(out)


_RIGHTED: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "image/png": _right_png,
    "audio/ogg": _right_ogg,
}
