"""Small files of each media type, made on the spot; each seed makes another."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import soundfile
from PIL import Image

PICTURES: Final = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
}
SOUNDS: Final = {
    "audio/wav": ("WAV", "PCM_16"),
    "audio/flac": ("FLAC", "PCM_16"),
    "audio/mpeg": ("MP3", "MPEG_LAYER_III"),
    "audio/ogg": ("OGG", "VORBIS"),
}

SHAPED: Final[Mapping[str, Callable[[str], object]]] = {
    "application/json": lambda text: [text],
    "application/vnd.commonhold.conversation+json": lambda text: {
        "messages": [{"role": "user", "content": text}]
    },
    "application/vnd.commonhold.pair+json": lambda text: {
        "prompt": text,
        "chosen": "yes",
        "rejected": "no",
    },
    "application/vnd.commonhold.boxes+json": lambda text: {
        "unit": "fraction",
        "objects": [{"label": text, "box": [0, 0, 0.5, 1]}],
    },
    "application/vnd.commonhold.record+json": lambda text: {"text": text, "number": 1.5},
}


def drawing(size: int = 28, seed: int = 0) -> Image.Image:
    """A grey picture with a bar across and one upright, which looks the same turned no way."""
    pixels = np.zeros((size, size), dtype=np.uint8)
    pixels[size // 4 : size // 2, size // 4 : 3 * size // 4] = 200
    pixels[size // 4 : 3 * size // 4, size // 3 : size // 2] = 250 - seed % 50
    return Image.fromarray(pixels)


def photo(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """Soft colours, as of a photograph."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def tone(seconds: float = 0.5, rate: int = 8_000, seed: int = 0) -> np.ndarray:
    """(n,) samples of one tone."""
    at = np.arange(int(seconds * rate)) / rate
    return 0.4 * np.sin(2 * np.pi * (220 + 10 * seed) * at)


def recording(media_type: str, seed: int = 0, seconds: float = 0.5) -> bytes:
    """A tone as a file."""
    out = io.BytesIO()
    form, coding = SOUNDS[media_type]
    soundfile.write(out, tone(seconds, seed=seed), 8_000, format=form, subtype=coding)
    return out.getvalue()


def content_of(media_type: str, seed: int = 0) -> bytes:
    """Clean content of any type."""
    from node.intake import prepare_content

    if media_type in PICTURES:
        raw = saved(photo(seed=seed), PICTURES[media_type])
    elif media_type in SOUNDS:
        raw = recording(media_type, seed)
    elif media_type in SHAPED:
        raw = json.dumps(SHAPED[media_type](f"text {seed}")).encode()
    else:
        raw = f"text {seed}".encode()
    return prepare_content(raw, media_type, [media_type], 1 << 20).content


# ---- what hides in files ----


def exif(orientation: int = 1, *, located: bool = True) -> bytes:
    """A block of EXIF as cameras write it, with a place."""
    block = Image.Exif()
    block[0x010F] = "Maker"
    block[0x0112] = orientation
    if located:
        block[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 0.0)}
    return block.tobytes()


def xmp(orientation: int) -> bytes:
    """A packet of XMP that turns a picture."""
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
        b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff='
        b'"http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
    ) % orientation


def png_chunk(name: bytes, body: bytes) -> bytes:
    """With its checksum."""
    return struct.pack(">I", len(body)) + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def with_chunk(png: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks after its header."""
    at = 8 + 25
    return png[:at] + b"".join(chunks) + png[at:]


def with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """A JPEG with a segment at its beginning."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def riff(form: bytes, chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A RIFF file (WAV, WebP)."""
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + form + body
