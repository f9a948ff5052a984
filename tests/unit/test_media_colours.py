"""PNG pictures that say what their numbers mean: what loaders read is what browsers showed."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from node.intake import fingerprint_content, prepare_content
from node.media.records import Prepared
from protocol.errors import Reject
from tests.media_files import photo, png_chunk, saved, with_chunk

WIDE = (31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)
WARM = (34_567, 35_850, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
ROUNDED = (31_269, 32_899, 63_999, 33_001, 30_000, 60_000, 15_000, 5_999)
COLOURS = [(32, 32, 32), (255, 0, 0), (128, 160, 96), (0, 0, 200)]
CONVERTED = ("colours converted to sRGB",)
SAID_SRGB = png_chunk(b"sRGB", b"\0")
LINEAR = [(99, 99, 99), (255, 0, 0), (188, 208, 165), (0, 0, 229)]


def gamma(value: int) -> bytes:
    return png_chunk(b"gAMA", value.to_bytes(4, "big"))


def points(*values: int) -> bytes:
    return png_chunk(b"cHRM", struct.pack(">8I", *values))


def video(primaries: int, transfer: int, matrix: int = 0, full: int = 1) -> bytes:
    return png_chunk(b"cICP", bytes([primaries, transfer, matrix, full]))


def profile() -> bytes:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return png_chunk(b"iCCP", b"x\0\0" + zlib.compress(srgb))


def made(data: bytes) -> Prepared:
    return prepare_content(data, "image/png", ["image/png"], 1 << 20)


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA")).astype(int)


def some() -> bytes:
    return saved(Image.fromarray(np.array([COLOURS], dtype=np.uint8)), "PNG")


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ([gamma(100_000)], LINEAR),
        ([gamma(55_556)], [(43, 43, 43), (255, 0, 0), (146, 176, 115), (0, 0, 210)]),
        (
            [gamma(45_455), points(*WIDE)],
            [(26, 26, 26), (255, 0, 0), (120, 163, 87), (0, 0, 210)],
        ),
        (
            [points(*WARM), gamma(100_000)],
            [(99, 99, 99), (255, 16, 25), (186, 208, 167), (0, 0, 225)],
        ),
        ([video(12, 13)], [(32, 32, 32), (255, 0, 0), (119, 161, 88), (0, 0, 209)]),
        ([video(9, 13)], [(32, 32, 32), (255, 0, 0), (106, 164, 85), (0, 0, 210)]),
        ([video(9, 14)], [(20, 20, 20), (255, 0, 0), (97, 159, 75), (0, 0, 207)]),
        ([video(1, 1)], [(20, 20, 20), (255, 0, 0), (121, 155, 87), (0, 0, 197)]),
        ([video(1, 8)], LINEAR),
        ([video(1, 4)], [(26, 26, 26), (255, 0, 0), (129, 161, 96), (0, 0, 201)]),
        ([video(11, 13)], [(32, 32, 32), (255, 0, 0), (122, 161, 88), (0, 0, 208)]),
        ([video(5, 13)], [(32, 32, 32), (255, 0, 0), (126, 160, 97), (0, 0, 199)]),
        ([video(6, 13)], [(32, 32, 32), (248, 36, 0), (130, 159, 96), (18, 25, 201)]),
        ([video(4, 5)], [(10, 10, 10), (255, 0, 0), (89, 139, 65), (0, 53, 195)]),
        # What counts before what.
        ([gamma(100_000), gamma(45_455)], LINEAR),
        ([gamma(45_455), video(1, 8), SAID_SRGB], LINEAR),
        ([profile(), video(1, 8)], LINEAR),
        ([video(2, 8), gamma(100_000)], LINEAR),
    ],
)
def test_colours_become_what_browsers_show_of_them(
    chunks: list[bytes], shown: list[tuple[int, int, int]]
) -> None:
    """The numbers are those of Chromium 156, on a screen of sRGB."""
    data = with_chunk(some(), *chunks)
    prepared = made(data)
    assert prepared.said == CONVERTED
    assert np.abs(pixels(prepared.content)[0, :, :3] - shown).max() <= 1
    assert made(prepared.content).said == ()
    with pytest.raises(Reject, match="carries colours of its own"):
        fingerprint_content(data, "image/png")


@pytest.mark.parametrize(
    "chunks",
    [
        [gamma(45_455)],
        [gamma(45_000)],
        [gamma(45_455), points(*ROUNDED)],
        [points(*WIDE)],  # without a gamma browsers heed none
        [SAID_SRGB, gamma(100_000), points(*WIDE)],
        [profile(), gamma(100_000)],
        [video(1, 13)],
        [video(1, 13), gamma(100_000)],
        [video(2, 2)],
    ],
)
def test_what_changes_no_colour_is_left_out_and_pixels_stay(chunks: list[bytes]) -> None:
    bare = with_chunk(some(), *(chunk for chunk in chunks if chunk == SAID_SRGB))
    data = with_chunk(some(), *chunks)
    prepared = made(data)
    assert (prepared.content, prepared.said) == (bare, ())
    with pytest.raises(Reject, match="carries colours of its own"):
        fingerprint_content(data, "image/png")


def test_srgb_that_says_so_is_taken_as_it_is() -> None:
    data = with_chunk(some(), SAID_SRGB)
    assert (made(data).content, made(data).said) == (data, ())
    fingerprint_content(data, "image/png")


@pytest.mark.parametrize(
    ("chunk", "why"),
    [
        (video(9, 16), r"HDR \(PQ\)"),
        (video(9, 18), r"HDR \(HLG\)"),
        (video(22, 13), "those of video"),
        (video(1, 200), "those of video"),
        (video(1, 13, full=0), "narrow range"),
        (video(1, 13, matrix=1), "code points"),
        (png_chunk(b"cICP", b"\1"), "code points"),
    ],
)
def test_colours_that_are_not_converted_are_refused(chunk: bytes, why: str) -> None:
    with pytest.raises(Reject, match=why) as refusal:
        made(with_chunk(some(), chunk))
    assert refusal.value.advice


@pytest.mark.parametrize(
    "chunks",
    [
        [gamma(0)],
        [gamma(1)],
        [gamma(2**32 - 1)],
        [png_chunk(b"gAMA", b"")],
        [gamma(100_000), points(*8 * [0])],
        [gamma(100_000), points(*8 * [2**32 - 1])],
        [gamma(100_000), points(31_270, 32_900, *3 * [64_000, 33_000])],
        [gamma(100_000), points(90_000, 5_000, *WIDE[2:])],  # white is no mixture of them
        # Of no light that eyes take for white.
        [gamma(100_000), points(10_000, 1_000, 90_000, 500, 500, 90_000, 5_000, 50)],
        [gamma(100_000), png_chunk(b"cHRM", b"short")],
    ],
)
def test_values_that_are_no_colours_are_removed_and_said(chunks: list[bytes]) -> None:
    prepared = made(with_chunk(some(), *chunks))
    assert prepared.content == some()
    assert prepared.said == ("removed: values of colours that cannot be read",)


@pytest.mark.parametrize("chunk", [gamma(100_000), video(9, 16), profile()])
def test_what_comes_after_the_pixels_says_nothing_of_them(chunk: bytes) -> None:
    prepared = made(some()[:-12] + chunk + some()[-12:])
    assert prepared.content == some()
    assert prepared.said == ("removed: other data beside the content",)


def test_a_profile_that_is_none_leaves_the_gamma() -> None:
    damaged = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile"))
    prepared = made(with_chunk(some(), damaged, gamma(100_000)))
    assert prepared.said == ("removed: a colour profile that cannot be applied", *CONVERTED)
    assert np.abs(pixels(prepared.content)[0, :, :3] - LINEAR).max() <= 1


@pytest.mark.parametrize("chunk", [gamma(100_000), video(9, 8)])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_pixel_is_converted(mode: str, chunk: bytes) -> None:
    """Each as the same pixels in full colour are; what is transparent stays so."""
    image = photo(300, 300).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    options = {"transparency": 3} if mode == "P" else {}
    data = saved(image, "PNG", **options)
    found = pixels(made(with_chunk(data, chunk)).content)
    full = Image.fromarray(pixels(data)[..., :3].astype(np.uint8))
    wanted = pixels(made(with_chunk(saved(full, "PNG"), chunk)).content)
    assert np.abs(found[..., :3] - wanted[..., :3]).max() <= 1
    assert (found[..., 3] == pixels(data)[..., 3]).all()


def test_deep_grey_stays_deep() -> None:
    levels = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    prepared = made(with_chunk(saved(Image.fromarray(levels), "PNG"), gamma(100_000)))
    with Image.open(io.BytesIO(prepared.content)) as image:
        found = np.asarray(image).ravel()
    assert len(set(found.tolist())) > 30_000
    assert (np.diff(found.astype(int)) >= 0).all()
    assert abs(int(found[13_933]) / 65_535 - 0.499) < 0.01, "a fifth of the light looks like a half"


def test_deep_grey_keeps_what_is_transparent() -> None:
    levels = np.array([[0, 700, 40_000]], dtype=np.uint16)
    clear = png_chunk(b"tRNS", (700).to_bytes(2, "big"))
    prepared = made(with_chunk(saved(Image.fromarray(levels), "PNG"), gamma(100_000), clear))
    assert pixels(prepared.content)[0, :, 3].tolist() == [255, 0, 255]
