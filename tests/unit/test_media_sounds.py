"""Recordings at intake: what is refused, what is removed and said, and that samples stay as they are."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from node.intake import fingerprint_content, prepare_content, waveform
from node.media import ogg, sounds
from node.media.records import Prepared
from protocol.errors import Reject
from protocol.media import media_type_of
from tests.media_files import SOUNDS, recording, riff

ID3V2 = b"ID3\4\0\0\0\0\0\x14TIT2\0\0\0\x0a\0\0\3my house\0"
ID3V1 = b"TAG" + b"my house".ljust(125, b"\0")
APE = b"APETAGEX" + struct.pack("<IIII8x", 2_000, 32, 0, 0)


def made(data: bytes) -> Prepared:
    media_type = media_type_of(data)
    return prepare_content(data, media_type, [media_type], 1 << 20)


def samples(data: bytes) -> np.ndarray:
    found: np.ndarray = soundfile.read(io.BytesIO(data))[0]
    return found


def tagged(media_type: str) -> bytes:
    """A recording that says whose it is, as libraries write it."""
    out = io.BytesIO()
    form, coding = SOUNDS[media_type]
    with soundfile.SoundFile(out, "w", 8_000, 1, coding, format=form) as file:
        file.title, file.artist = "my house", "me"
        file.write(samples(recording("audio/wav")))
    return out.getvalue()


@pytest.mark.parametrize("media_type", SOUNDS)
def test_a_recording_is_taken_and_its_samples_stay(media_type: str) -> None:
    data = recording(media_type)
    prepared = made(data)
    assert prepared.media_type == media_type
    assert (samples(prepared.content) == samples(data)).all()
    assert made(prepared.content) == Prepared(media_type, prepared.content, prepared.fingerprint)


@pytest.mark.parametrize("media_type", SOUNDS)
def test_tags_are_removed(media_type: str) -> None:
    data = tagged(media_type)
    assert b"my house" in data
    prepared = made(data)
    assert prepared.said[0].startswith("removed: ")
    assert b"my house" not in prepared.content
    assert (samples(prepared.content) == samples(data)).all()
    with pytest.raises(Reject, match="only the bare recording is taken"):
        fingerprint_content(data, media_type)


def test_mp3_tags_before_and_after_are_removed() -> None:
    bare = made(recording("audio/mpeg")).content
    for before, after in ((ID3V2, b""), (b"", ID3V1), (ID3V2, APE + ID3V1), (ID3V2 * 2, APE)):
        prepared = made(before + bare + after)
        assert prepared.content == bare
        assert prepared.said == ("removed: tags",)
    lyrics = b"LYRICSBEGINmy house" + b"000019LYRICS200"
    more = b"TAG+" + bytes(223) + ID3V1
    for after in (lyrics + ID3V1, b"LYRICSBEGINmy houseLYRICSEND" + ID3V1, more):
        assert made(bare + after).content == bare
    for padding in (bytes(500), bytes(9) + ID3V1 + bytes(300)):
        assert made(bare + padding).content == bare
    with pytest.raises(Reject, match="holds nothing but tags"):
        made(ID3V2 + ID3V1)
    with pytest.raises(Reject, match="cannot be decoded"):
        made(b"\xff\xfb\x90\0" + bytes(9_000))


def test_chunks_of_a_wav_are_kept_only_where_they_are_its_sound() -> None:
    data = recording("audio/wav")
    chunks = [(b"fmt ", data[20:36]), (b"data", data[44:])]
    extra = riff(b"WAVE", [*chunks, (b"bext", b"my house"), (b"junk", b"")])
    prepared = made(extra)
    assert prepared.content == data
    assert prepared.said == ("removed: comments, other data beside the content",)


@pytest.mark.parametrize("media_type", ["audio/wav", "audio/flac", "audio/ogg"])
def test_a_recording_that_is_cut_is_refused(media_type: str) -> None:
    data = made(recording(media_type)).content
    for length in (20, len(data) // 2, len(data) - 40):
        with pytest.raises(Reject, match="broken"):
            made(data[:length])


def header(form: int, channels: int, rate: int, frame: int, bits: int) -> bytes:
    return struct.pack("<HHIIHH", form, channels, rate, rate * frame, frame, bits)


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (header(1, 1, 8_000, 2, 16), ""),
        (header(1, 2, 8_000, 2, 16), "contradicts itself"),
        (header(1, 0, 8_000, 0, 16), "form that loaders do not read"),
        (header(1, 1, 0, 2, 16), "form that loaders do not read"),
        (header(85, 1, 8_000, 2, 16), "form that loaders do not read"),
        (header(1, 3, 8_000, 6, 16), "not whole"),
        (header(1, 10, 8_000, 20, 16), "10 channels"),
        (header(1, 1, 400_000, 2, 16), "400,000 Hz"),
        (b"short", "format is damaged"),
    ],
)
def test_a_wav_with_a_wrong_header_is_refused(chunk: bytes, message: str) -> None:
    data = riff(b"WAVE", [(b"fmt ", chunk), (b"data", bytes(200))])
    if message:
        with pytest.raises(Reject, match=message):
            made(data)
    else:
        assert made(data).content == data


def test_samples_that_are_no_numbers_are_refused() -> None:
    chunk = header(3, 1, 8_000, 4, 32)
    good = riff(b"WAVE", [(b"fmt ", chunk), (b"data", np.zeros(9, "<f4").tobytes())])
    assert made(good).content
    with pytest.raises(Reject, match="no numbers"):
        made(riff(b"WAVE", [(b"fmt ", chunk), (b"data", np.full(9, np.nan, "<f4").tobytes())]))


def test_half_an_hour_is_enough() -> None:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(8_000 * 1_801, dtype=np.int16), 8_000, format="FLAC")
    with pytest.raises(Reject, match="longer than 30 minutes"):
        made(out.getvalue())


def test_ogg_pages_have_checksums_and_one_stream() -> None:
    data = made(recording("audio/ogg")).content
    wrong = bytearray(data)
    wrong[-1] ^= 1
    with pytest.raises(Reject, match="checksum"):
        made(bytes(wrong))
    with pytest.raises(Reject, match="several streams"):
        made(data + data)
    assert made(data + b"zip").said == ("removed: 3 bytes after the end",)
    with pytest.raises(Reject, match="kind that loaders do not read"):
        ogg.clean(ogg._Page(2 | 4, 0, 1, 0, b"\5", b"video").encode())


def test_large_headers_of_an_ogg_are_paged_again() -> None:
    pages = list(ogg._paged([b"a" * 70_000, b"b" * 510], 7))
    assert [len(page.lacing) for page in pages] == [255, 23]
    assert pages[0].position == (1 << 64) - 1 and pages[1].flags == 1
    assert ogg._packets([ogg._Page(2, 0, 7, 0, b"\1", b"x"), *pages], 3)[0][1] == b"a" * 70_000


@pytest.mark.parametrize("media_type", SOUNDS)
def test_a_waveform_is_how_loud_it_is(media_type: str) -> None:
    peaks = waveform(made(recording(media_type)).content, media_type, 10)
    assert len(peaks) == 10
    assert all(80 < each < 125 for each in peaks[1:-1])


def test_every_sound_has_its_reader() -> None:
    assert set(sounds.CLEANERS) == set(SOUNDS)
