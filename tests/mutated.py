"""Files that were damaged: bytes changed, cut, repeated, put in; as storage, networks and strangers do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Final

from tests.media_files import (
    PICTURES,
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
    found["application/json"] = [b'{"messages": [{"role": "user", "content": "h\\u00e9"}], "n": [1.5e3, -2]}']
    return found


def mutations(seed: int) -> Iterator[tuple[str, bytes]]:
    """(media type, damaged file) without end, the same ones for the same seed."""
    rng = Random(seed)
    sound = seeds()
    while True:
        media_type = rng.choice(list(sound))
        yield media_type, mutated(rng.choice(sound[media_type]), rng)


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
