"""What intake takes, and what it refuses, on real PNG bytes and real files."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commonground.carried import PART_BYTES_MAX
from node.intake import (
    DecodedImage,
    check_fingerprint,
    fingerprint_content,
    prepare_content,
    read_content,
    read_image,
)
from protocol.depth import json_depth
from protocol.errors import ConfigError, Reject
from protocol.media import MEDIA
from protocol.review.fingerprints import KIND_OF
from tests.media_files import content_of, drawing


def png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **options)
    return buffer.getvalue()


def header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels: what a decompression bomb looks like early."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_greyscale_is_read_as_it_is() -> None:
    image = drawing()
    assert read_image(png(image)) == DecodedImage(28, 28, image.tobytes())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_the_same_picture_in_another_encoding_has_the_same_fingerprint(mode: str) -> None:
    plain = fingerprint_content(png(drawing()), "image/png")
    other = png(drawing().convert(mode), compress_level=1)
    assert other != png(drawing())
    assert fingerprint_content(other, "image/png") == plain


def test_colour_sixteen_bits_and_transparency_become_grey_by_integer_rules() -> None:
    colours = Image.new("RGB", (2, 1))
    colours.putpixel((0, 0), (255, 0, 0))
    colours.putpixel((1, 0), (10, 200, 30))
    assert read_image(png(colours)).pixels == bytes([76, 124])
    deep = Image.fromarray(np.array([[0, 256, 65535]], dtype=np.uint16))
    assert read_image(png(deep)).pixels == bytes([0, 1, 255])
    glass = Image.new("RGBA", (1, 1), (0, 0, 0, 51))
    assert read_image(png(glass)).pixels == bytes([204])


@pytest.mark.parametrize("size", [(5000, 10), (4000, 4000), (100_000, 100_000), (0, 5)])
def test_oversized_images_are_rejected_before_they_are_decoded(size: tuple[int, int]) -> None:
    assert read_image(png(Image.new("L", (4096, 16)))).width == 4096
    with pytest.raises(Reject):
        read_image(header_only(*size))


def test_broken_and_foreign_files_are_rejected() -> None:
    good = png(drawing())
    jpeg = io.BytesIO()
    drawing().save(jpeg, format="JPEG")
    second = drawing().rotate(90)
    animated = png(drawing(), save_all=True, append_images=[second])
    cut = [good[:-8], good[:-20], good[:60]]
    for bad in (b"", *cut, header_only(28, 28), jpeg.getvalue(), animated):
        with pytest.raises(Reject):
            read_image(bad)


def test_too_many_bytes_are_rejected() -> None:
    largest = b"a" * PART_BYTES_MAX
    assert fingerprint_content(largest, "text/plain")
    with pytest.raises(Reject, match="larger"):
        fingerprint_content(largest + b"a", "text/plain")


def test_content_has_to_be_of_its_media_type() -> None:
    assert fingerprint_content("Grüße,\n\twelt".encode(), "text/markdown")
    for strange in (b"\xff\xd8\xff", b"a\0b", b"\x1b[2J", png(drawing())):
        with pytest.raises(Reject, match="not plain text"):
            fingerprint_content(strange, "text/plain")
    with pytest.raises(Reject, match="no media type"):
        fingerprint_content(b"a", "image/tiff")


def wav(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


# One channel of eight bits at 8 kHz.
PCM = struct.pack("<HHIIHH", 1, 1, 8_000, 8_000, 1, 8)


def test_every_medium_is_decoded_here() -> None:
    for name, medium in MEDIA.items():
        content = content_of(name)
        fingerprint = fingerprint_content(content, name)
        check_fingerprint(content, name, fingerprint)
        assert fingerprint[0] == KIND_OF[medium.shown]


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("application/json", b'{"a": '),
        ("application/json", b"[" * 100_000),
        ("audio/wav", wav((b"fmt ", PCM))),
        ("audio/wav", wav((b"data", bytes(16)))),
        ("audio/wav", wav((b"fmt ", PCM), (b"data", bytes(8)))[:-4]),
        ("audio/wav", wav((b"fmt ", bytes(16)), (b"data", bytes(8)))),
        ("audio/wav", b"RIFF\4\0\0\0WAVE"),
    ],
)
def test_what_does_not_decode_is_refused(media_type: str, content: bytes) -> None:
    with pytest.raises(Reject, match="broken"):
        fingerprint_content(content, media_type)


def test_no_json_is_parsed_that_nests_deeper_than_the_parser_survives() -> None:
    """Libraries raise the limit of recursion; then the parser itself would bring the process down."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        for deep in (b"[" * 1_000_000, b'{"a":' * 500_000, b"[" * 201 + b"]" * 201):
            with pytest.raises(Reject, match="nests more than 200 deep"):
                fingerprint_content(deep, "application/json")
    finally:
        sys.setrecursionlimit(limit)
    assert fingerprint_content(b"[" * 200 + b"]" * 200, "application/json")


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (b"", 0),
        (b'"[[["', 0),
        (rb'["\"[[", {"a": "\\"}, [1]]', 2),
        (b'{"a": "[', 1),
        (b"]]][", 0),
        (b'"' + rb"\"" * 100_000 + b"[", 0),
        (b'["a", ' * 3, 3),
    ],
)
def test_how_deep_json_nests(text: bytes, depth: int) -> None:
    assert json_depth(text) == depth


def test_only_the_bare_recording_is_taken_from_others() -> None:
    whole = wav((b"fmt ", PCM), (b"data", b"abc"))
    assert fingerprint_content(whole, "audio/wav")
    for other in (
        whole[:-1],
        whole + b"trailing",
        wav((b"fmt ", PCM), (b"data", b"abc"), (b"bext", b"")),
    ):
        made = prepare_content(other, "audio/wav", ["audio/wav"], 1_000)
        assert made.content == whole
        with pytest.raises(Reject, match="only the bare recording is taken"):
            fingerprint_content(other, "audio/wav")


def test_a_reviewer_recomputes_the_claim() -> None:
    data = png(drawing())
    claim = fingerprint_content(data, "image/png")
    check_fingerprint(data, "image/png", claim)
    other = fingerprint_content(png(Image.new("L", (28, 28))), "image/png")
    for lie in (other, b"", claim[:-1]):
        with pytest.raises(Reject):
            check_fingerprint(data, "image/png", lie)


def test_missing_files_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_content(tmp_path / "absent.png")
    assert caught.value.advice
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(Reject, match="empty"):
        read_content(tmp_path / "empty")
