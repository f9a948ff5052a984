"""Pictures at intake: what is refused, what is removed and said, and that pixels stay as they are."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from node.intake import check_fingerprint, fingerprint_content, prepare_content
from node.media import pictures
from node.media.records import Prepared
from protocol.errors import Reject
from protocol.media import media_type_of
from protocol.review.fingerprints import fingerprint_pixels
from tests.media_files import (
    PICTURES,
    drawing,
    exif,
    photo,
    png_chunk,
    riff,
    saved,
    with_chunk,
    with_segment,
    xmp,
)

GIF_XMP_TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"


def made(data: bytes, *, scale: bool = False) -> Prepared:
    media_type = media_type_of(data)
    return prepare_content(data, media_type, [media_type], 1 << 20, scale=scale)


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_bare_picture_is_taken_as_it_is(media_type: str) -> None:
    data = saved(photo(), PICTURES[media_type])
    prepared = made(data)
    assert (prepared.content, prepared.media_type, prepared.said) == (data, media_type, ())
    check_fingerprint(data, media_type, prepared.fingerprint)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_the_camera_and_the_place_are_removed_and_pixels_stay(form: str) -> None:
    data = saved(photo(), form, exif=exif(), lossless=True)
    assert b"Maker" in data
    prepared = made(data + b"x" * 312)
    assert sorted(prepared.said[0].removeprefix("removed: ").split(", ")) == [
        *("312 bytes after the end", "the camera's data", "the location")
    ]
    assert b"Maker" not in prepared.content
    assert (pixels(prepared.content) == pixels(data)).all()
    with pytest.raises(Reject, match="only the bare picture is taken"):
        fingerprint_content(data, prepared.media_type)
    assert made(prepared.content).said == ()


def orientations() -> list[tuple[str, bytes]]:
    upright = photo(40, 30)
    jpeg, png = saved(upright, "JPEG", quality=95), saved(upright, "PNG")
    webp = riff(
        b"WEBP",
        [
            (b"VP8X", bytes([0x04, 0, 0, 0, 39, 0, 0, 29, 0, 0])),
            (b"VP8L", saved(upright, "WEBP", lossless=True)[20:]),
            (b"XMP ", xmp(6)),
        ],
    )
    itxt = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6)
    packed = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(6))
    return [
        ("exif in JPEG", saved(upright, "JPEG", exif=exif(6), quality=95)),
        ("exif in PNG", saved(upright, "PNG", exif=exif(6))),
        ("exif in WebP", saved(upright, "WEBP", exif=exif(6), lossless=True)),
        ("XMP in JPEG", with_segment(jpeg, 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(6))),
        ("XMP in PNG", with_chunk(png, png_chunk(b"iTXt", itxt))),
        ("packed XMP in PNG", with_chunk(png, png_chunk(b"iTXt", packed))),
        ("XMP in WebP", webp),
    ]


@pytest.mark.parametrize(("name", "data"), orientations(), ids=[n for n, _ in orientations()])
def test_a_picture_is_turned_as_it_says(name: str, data: bytes) -> None:
    prepared = made(data)
    assert prepared.said[-1] == "turned upright"
    turned = pixels(saved(photo(40, 30).transpose(Image.Transpose.ROTATE_270), "PNG"))
    difference = np.abs(pixels(prepared.content).astype(int) - turned.astype(int))
    assert difference.shape == (40, 30, 4)
    assert difference.mean() < (8 if "JPEG" in name else 0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_that_of_exif(orientation: int) -> None:
    from PIL import ImageOps

    data = saved(photo(40, 30), "PNG", exif=exif(orientation))
    with Image.open(io.BytesIO(data)) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))
    assert (pixels(made(data).content) == wanted).all()


def test_colours_are_kept_in_srgb() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for form in ("PNG", "JPEG", "WEBP"):
        data = saved(photo(), form, icc_profile=srgb, lossless=True)
        prepared = made(data)
        assert prepared.said == () and (pixels(prepared.content) == pixels(data)).all()
        with Image.open(io.BytesIO(prepared.content)) as image:
            assert "icc_profile" not in image.info
    damaged = made(saved(photo(), "PNG", icc_profile=b"no profile"))
    assert damaged.said == ("removed: a colour profile that cannot be applied",)
    assert (pixels(damaged.content) == pixels(saved(photo(), "PNG"))).all()
    swapped = swapped_profile(srgb)
    for mode in ("RGB", "RGBA", "P"):
        prepared = made(saved(photo().convert(mode), "PNG", icc_profile=swapped))
        assert prepared.said == ("colours converted to sRGB",)
        before, after = pixels(saved(photo().convert(mode), "PNG")), pixels(prepared.content)
        assert np.abs(before[..., 0].astype(int) - after[..., 2].astype(int)).mean() < 12


def swapped_profile(srgb: bytes) -> bytes:
    """A profile whose red is blue: what was red in a file looks blue."""
    swapped = bytearray(srgb)
    for at in range(132, 132 + 12 * int.from_bytes(srgb[128:132], "big"), 12):
        name = bytes(srgb[at : at + 4])
        if name in (b"rXYZ", b"bXYZ"):
            swapped[at : at + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(swapped)


def test_a_grey_picture_may_have_a_profile_of_colours() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for form in ("PNG", "JPEG"):
        data = saved(photo().convert("L"), form, icc_profile=linear_profile(srgb), quality=95)
        prepared = made(data)
        assert prepared.said == ("colours converted to sRGB",)
        with Image.open(io.BytesIO(prepared.content)) as image:
            assert image.mode == "L"
        assert pixels(prepared.content).mean() > pixels(data).mean() + 15


def linear_profile(srgb: bytes) -> bytes:
    """A profile by whose curves a level is light itself."""
    linear = bytearray(srgb)
    for at in range(132, 132 + 12 * int.from_bytes(srgb[128:132], "big"), 12):
        start = int.from_bytes(srgb[at + 4 : at + 8], "big")
        if srgb[at + 1 : at + 4] == b"TRC":
            linear[start : start + 12] = b"curv" + bytes(8)
    return bytes(linear)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_profile_of_another_kind_of_picture_is_removed_and_nothing_converted(form: str) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = saved(photo(), form, icc_profile=lab, lossless=True)
    prepared = made(data)
    assert prepared.said == ("removed: a colour profile that cannot be applied",)
    assert (pixels(prepared.content) == pixels(data)).all()


def test_print_colours_become_screen_colours() -> None:
    prepared = made(saved(photo().convert("CMYK"), "JPEG", quality=95))
    assert prepared.said == ("colours converted to sRGB",)
    with Image.open(io.BytesIO(prepared.content)) as image:
        assert image.mode == "RGB"
    difference = pixels(prepared.content).astype(int) - pixels(saved(photo(), "PNG")).astype(int)
    assert np.abs(difference).mean() < 6


def test_sixteen_bits_stay() -> None:
    deep = Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30) * 70)
    data = saved(deep, "PNG")
    assert made(data).content == data
    with_text = with_chunk(data, png_chunk(b"tEXt", b"Comment\0hi"))
    assert made(with_text).content == data
    assert made(with_text).said == ("removed: comments",)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_animations_are_refused_with_advice(form: str) -> None:
    moving = saved(
        drawing(), form, save_all=True, append_images=[drawing().rotate(90)], duration=50
    )
    with pytest.raises(Reject, match="animated pictures are not taken") as refusal:
        made(moving)
    assert "one frame" in refusal.value.advice


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_picture_that_is_cut_is_refused(media_type: str) -> None:
    data = saved(photo(), PICTURES[media_type])
    for length in (20, len(data) // 2, len(data) - 20, len(data) - 1):
        if media_type == "image/webp" and length == len(data) - 1 and len(data) % 2 == 0:
            continue  # perhaps the padding
        with pytest.raises(Reject):
            made(data[:length])


def test_a_picture_that_lies_about_its_size_is_refused() -> None:
    png, jpeg = saved(photo(), "PNG"), saved(photo(), "JPEG")
    taller = png[16:20] + struct.pack(">I", 4_000) + png[24:29]
    lies = png[:8] + png_chunk(b"IHDR", taller) + png[33:]
    with pytest.raises(Reject, match="lacks some of its pixels"):
        made(lies)
    shorter = png[16:20] + struct.pack(">I", 4) + png[24:29]
    with pytest.raises(Reject, match="more than its pixels"):
        made(png[:8] + png_chunk(b"IHDR", shorter) + png[33:])
    at = jpeg.index(b"\xff\xc0") + 5
    with pytest.raises(Reject, match="too large"):
        made(jpeg[:at] + b"\xff\xff\xff\xff" + jpeg[at + 4 :])
    canvas = bytes([0, 0, 0, 0, 99, 0, 0, 99, 0, 0])
    with pytest.raises(Reject, match="one size, and has another"):
        made(riff(b"WEBP", [(b"VP8X", canvas), (b"VP8 ", saved(photo(), "WEBP")[20:])]))


def test_nothing_hides_behind_the_pixels_of_a_png() -> None:
    header = struct.pack(">IIBBBBB", 8, 1, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    row, end = zlib.compress(bytes(9)), png_chunk(b"IEND", b"")
    assert made(start + png_chunk(b"IDAT", row) + end).said == ()
    with pytest.raises(Reject, match="more than its pixels"):
        made(start + png_chunk(b"IDAT", row + b"hidden") + end)


def test_what_inflates_without_end_is_refused() -> None:
    header = struct.pack(">IIBBBBB", 4_096, 4_096, 1, 0, 0, 0, 0)
    flood = zlib.compress(bytes(300 << 20), 9)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", flood)
    with pytest.raises(Reject, match="more than its pixels"):
        made(bomb + png_chunk(b"IEND", b""))
    scans = saved(photo(), "JPEG", progressive=True)
    at, end = scans.rindex(b"\xff\xda"), len(scans) - 2
    with pytest.raises(Reject, match="more than 100 scans"):
        made(scans[:end] + 100 * scans[at:end] + scans[end:])
    text = png_chunk(b"zTXt", b"Comment\0\0" + flood)
    assert made(with_chunk(saved(photo(), "PNG"), text)).said == ("removed: comments",)


def test_a_wrong_checksum_is_refused() -> None:
    png = saved(photo(), "PNG")
    text = bytearray(png_chunk(b"tEXt", b"Comment\0hi"))
    text[-1] ^= 1
    with pytest.raises(Reject, match="the checksum at byte 33 is wrong"):
        made(with_chunk(png, bytes(text)))


def test_a_damaged_block_of_exif_is_removed() -> None:
    png = saved(photo(), "PNG")
    prepared = made(with_chunk(png, png_chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")))
    assert prepared.content == png
    assert prepared.said == ("removed: the camera's data",)


def test_gif_comments_go() -> None:
    gif = saved(photo(), "GIF")
    prepared = made(saved(photo(), "GIF", comment=b"by me") + b"zip")
    assert prepared.said == ("removed: comments, 3 bytes after the end",)
    assert (pixels(prepared.content) == pixels(gif)).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
@pytest.mark.parametrize("target", ["image/png", "image/webp", "image/jpeg"])
def test_every_kind_of_pixel_can_become_another(mode: str, target: str) -> None:
    """Turned, scaled and converted, it is still the same drawing."""
    image = drawing(64).convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) << 8)
    data = saved(image if mode == "I;16" else image.convert(mode), "PNG", exif=exif(3))
    prepared = prepare_content(data, "image/png", [target], 1 << 20, scale=True)
    grey = pictures.read(prepared.content, target)
    wanted = np.asarray(drawing(64).transpose(Image.Transpose.ROTATE_180)).astype(int)
    found = np.frombuffer(grey.pixels, np.uint8).reshape(64, 64).astype(int)
    assert np.abs(found - wanted).mean() < (16 if mode == "1" else 4)


def test_a_turned_jpeg_is_about_as_large_as_it_was() -> None:
    for quality in (60, 85):
        data = saved(photo(640, 480), "JPEG", exif=exif(6), quality=quality)
        assert abs(len(made(data).content) / len(data) - 1) < 0.2


def test_a_picture_becomes_what_the_campaign_takes() -> None:
    jpeg, clear = saved(photo(), "JPEG"), saved(photo().convert("RGBA"), "PNG")
    prepared = prepare_content(jpeg, "image/jpeg", ["image/png"], 1 << 20)
    assert (prepared.media_type, prepared.said) == ("image/png", ("made a PNG picture",))
    assert (pixels(prepared.content) == pixels(jpeg)).all()
    prepared = prepare_content(clear, "image/png", ["image/jpeg"], 1 << 20)
    assert prepared.media_type == "image/jpeg" == media_type_of(prepared.content)
    with pytest.raises(Reject, match="it is a PNG picture"):
        prepare_content(clear, "image/png", ["text/plain"], 1 << 20)


def test_a_large_picture_is_scaled_if_its_owner_agrees() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), "PNG")
    with pytest.raises(Reject, match="bytes") as refusal:
        prepare_content(data, "image/png", ["image/png"], 100_000)
    assert "agree that it is scaled" in refusal.value.advice
    prepared = prepare_content(data, "image/png", ["image/png"], 100_000, scale=True)
    assert 50_000 < len(prepared.content) <= 100_000
    assert prepared.said[0].startswith("scaled from 400 x 300 to ")
    wide = saved(Image.new("L", (6_000, 60)), "PNG")
    with pytest.raises(Reject, match="too large"):
        made(wide)
    assert made(wide, scale=True).said == ("scaled from 6000 x 60 to 4096 x 40 pixels",)


@pytest.mark.parametrize("noise", [1, 2])
def test_decoders_may_differ_by_their_last_bits(noise: int) -> None:
    """Noise stands for another decoder: claims hold, and no other picture passes."""
    rng = np.random.default_rng(noise)
    for seed in range(40):
        picture = photo(320, 240, seed) if seed % 3 else drawing(200, seed).convert("RGB")
        data = saved(picture, "JPEG", quality=80)
        grey = pictures.read(data, "image/jpeg")
        levels = np.frombuffer(grey.pixels, np.uint8).astype(int)
        other = np.clip(levels + rng.integers(-noise, noise + 1, levels.shape), 0, 255)
        pixels_ = other.astype(np.uint8).tobytes()
        claim = fingerprint_pixels(pixels_, grey.width, grey.height, data)
        check_fingerprint(data, "image/jpeg", claim)
    lie = fingerprint_content(saved(photo(seed=99), "JPEG"), "image/jpeg")
    with pytest.raises(Reject, match="not that of the content"):
        check_fingerprint(saved(photo(seed=98), "JPEG"), "image/jpeg", lie)


def test_a_lossless_picture_has_one_fingerprint() -> None:
    data = saved(drawing(), "PNG")
    other = np.asarray(drawing()).copy()
    other[0, :3] = 60
    claimed = fingerprint_content(saved(Image.fromarray(other), "PNG"), "image/png")
    if claimed != fingerprint_content(data, "image/png"):
        with pytest.raises(Reject):
            check_fingerprint(data, "image/png", claimed)
