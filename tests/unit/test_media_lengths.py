"""Recordings that say of themselves what is not so: what cannot be put right is refused, and what is taken
is as long for who opens it as it says."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from node.intake import fingerprint_content, prepare_content
from node.media import flacframes, mpegframes, ogg, sounds
from node.media.container import Cleaned
from node.media.records import Prepared
from protocol.errors import Reject
from protocol.media import media_type_of
from tests.media_files import SOUNDS, recording, riff, tone

CORRECTED = "corrected: the length it states"
FORMS = (*SOUNDS.values(), ("OGG", "OPUS"), ("WAV", "FLOAT"))


def made(data: bytes) -> Prepared:
    media_type = media_type_of(data)
    return prepare_content(data, media_type, [media_type], 1 << 20)


def played(data: bytes) -> np.ndarray:
    """What is heard of it, and it has to be as long as it says."""
    found: np.ndarray = soundfile.read(io.BytesIO(data), always_2d=True)[0]
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        total, stated = 0, file.frames
        while count := len(file.read(4_096)):
            total += count
    assert len(found) == total == stated
    return found


def sound(form: str, coding: str, rate: int = 8_000, channels: int = 1, **options: object) -> bytes:
    """A second of a tone that gets loud, as a bare file."""
    out = io.BytesIO()
    samples = tone(1.0, rate)
    samples[: rate // 2] *= 0.01
    with soundfile.SoundFile(out, "w", rate, channels, coding, format=form, **options) as file:
        file.write(np.stack([samples] * channels, axis=1))
    return made(out.getvalue()).content


def mp3(rate: int = 44_100, channels: int = 1, mode: str = "VARIABLE") -> bytes:
    return sound("MP3", "MPEG_LAYER_III", rate, channels, bitrate_mode=mode)


def frames_of(data: bytes) -> list[bytes]:
    at, frames = 0, []
    while length := mpegframes.frame_bytes(data, at):
        frames.append(data[at : at + length])
        at += length
    return frames


def saying(data: bytes, frames: int) -> bytes:
    """An MP3 that says that it has so many frames."""
    first = frames_of(data)[0]
    stated = mpegframes.read_stated(first)
    assert stated is not None and stated.frames_at
    at = stated.frames_at
    return data[:at] + frames.to_bytes(4, "big") + data[at + 4 :]


# ---- whatever a cleaner lets pass ----


def test_what_is_heard_decides_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that no cleaner put right is refused all the same, by submitters and by reviewers."""
    whole, lying = mp3(), saying(mp3(), 10_000_000)
    let_pass = {"audio/mpeg": lambda data: Cleaned(data, ())}
    monkeypatch.setattr(sounds, "CLEANERS", let_pass)
    for judge in (sounds.clean, sounds.fingerprint):
        assert judge(whole, "audio/mpeg")
        with pytest.raises(Reject, match="it states"):
            judge(lying, "audio/mpeg")


# ---- MP3 ----


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (22_050, 1), (8_000, 2)])
def test_an_mp3_is_as_long_as_it_says_with_and_without_saying(
    mode: str, rate: int, channels: int
) -> None:
    whole = mp3(rate, channels, mode)
    assert len(played(whole)) == rate and made(whole).said == ()
    bare = b"".join(frames_of(whole)[1:])
    prepared = made(bare)
    assert prepared.content.endswith(bare)
    assert len(played(prepared.content)) >= rate
    assert made(prepared.content).said == ()


def test_an_mp3_that_states_fewer_frames_than_it_has_is_corrected() -> None:
    whole = mp3()
    prepared = made(saying(whole, 3))
    assert prepared.said == (CORRECTED,)
    assert prepared.content == whole
    with pytest.raises(Reject, match="wrong header"):
        fingerprint_content(saying(whole, 3), "audio/mpeg")
    twice = made(whole + whole)
    assert twice.said == (CORRECTED,)
    assert len(played(twice.content)) > 2 * 44_100


def test_a_statement_keeps_its_checksum() -> None:
    first = frames_of(mp3())[0]
    stated = mpegframes.read_stated(first)
    assert stated is not None and stated.lame_crc_at
    changed = mpegframes.restate(first, stated, 7, 9_000)
    again = mpegframes.read_stated(changed)
    assert again is not None and (again.frames, again.bytes) == (7, 9_000)
    assert mpegframes.restate(changed, again, stated.frames, stated.bytes) == first


def test_a_count_that_includes_its_own_frame_is_corrected() -> None:
    whole = mp3()
    assert made(saying(whole, len(frames_of(whole)))).content == whole


def test_what_fraunhofer_states_is_stated_for_all() -> None:
    sound = frames_of(mp3(44_100, 2))[1:]

    def vbri(count: int) -> bytes:
        numbers = struct.pack(">HHHIIHHHH", 1, 0, 0, 9_000, count, 0, 1, 2, 1)
        return (sound[0][:4] + bytes(32) + b"VBRI" + numbers).ljust(len(sound[0]), b"\0")

    prepared = made(vbri(len(sound)) + b"".join(sound))
    assert prepared.said == (CORRECTED,)
    assert b"VBRI" not in prepared.content
    played(prepared.content)
    with pytest.raises(Reject, match="cut off"):
        made(vbri(2 * len(sound)) + b"".join(sound))


def test_an_mp3_that_was_cut_is_refused() -> None:
    whole = mp3()
    frames = frames_of(whole)
    for length in (len(whole) // 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(Reject, match="cut off"):
            made(whole[:length])
    for count in (1, 2, len(frames) // 2, len(frames) - 1):
        with pytest.raises(Reject, match=r"cut off|no samples"):
            made(b"".join(frames[:count]))
    with pytest.raises(Reject, match="10,000,000 frames"):
        made(saying(whole, 10_000_000))
    with pytest.raises(Reject, match="cut off"):
        made(b"".join(frames[1:]) + bytes(100_000))


def test_an_mp3_with_a_hole_or_something_else_in_it_is_refused() -> None:
    frames = frames_of(mp3())
    half = len(frames) // 2
    before, after = b"".join(frames[:half]), b"".join(frames[half:])
    for between in (bytes(2_000), b"garbage", b"TAG" + bytes(125), b"ID3\4\0\0\0\0\0\1a"):
        with pytest.raises(Reject, match="neither a frame nor a tag"):
            made(before + between + after)
    with pytest.raises(Reject, match="neither a frame nor a tag"):
        made(before + after + b"garbage")
    with pytest.raises(Reject, match="another form"):
        made(before + after + b"".join(frames_of(mp3(8_000))))


# ---- Ogg ----


def positioned(data: bytes, position_of: Callable[[int, int, int], int]) -> bytes:
    """An Ogg file whose pages of sound have other positions: of a page, how many there are, and its own."""
    pages, _ = ogg._pages(data)
    changed = [
        replace(page, position=position_of(at, len(pages) - 1, page.position)) if at > 1 else page
        for at, page in enumerate(pages)
    ]
    return b"".join(page.encode() for page in changed)


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
@pytest.mark.parametrize(
    "position_of",
    [
        lambda at, last, own: 10**12 if at == last else own,
        lambda at, last, own: (1 << 64) - 1 if at == last else own,
        lambda at, last, own: (1 << 64) - 9 if at == last else own,
        lambda at, last, own: own // 3 if at == last else own,
        lambda at, last, own: 0 if at == last else own,
        lambda at, last, own: own + 99_999 if at == 2 else own,
    ],
)
def test_an_ogg_file_that_states_another_length_is_corrected(
    coding: str, position_of: Callable[[int, int, int], int]
) -> None:
    whole = sound("OGG", coding, 48_000)
    assert made(whole).said == () and len(played(whole)) == 48_000
    prepared = made(positioned(whole, position_of))
    assert prepared.said == (CORRECTED,)
    assert len(played(prepared.content)) >= 48_000
    assert np.allclose(played(prepared.content)[:40_000], played(whole)[:40_000], atol=1e-4)
    assert made(prepared.content).said == ()


def test_packets_that_are_none_are_refused() -> None:
    for coding in ("VORBIS", "OPUS"):
        pages, _ = ogg._pages(sound("OGG", coding))
        no_end = replace(pages[-1], lacing=b"\xff", body=bytes(255))
        with pytest.raises(Reject, match="too early"):
            ogg.clean(b"".join(page.encode() for page in (*pages[:-1], no_end)))
    wrong = replace(pages[-1], lacing=b"\2", body=b"\xff\0")
    with pytest.raises(Reject, match="none of Opus"):
        ogg.clean(b"".join(page.encode() for page in (*pages[:-1], wrong)))


# ---- WAV and FLAC ----


def test_what_a_wav_states_beside_its_samples_is_corrected() -> None:
    whole = recording("audio/wav")
    assert made(whole).said == ()
    prepared = made(whole[:28] + struct.pack("<I", 5) + whole[32:])
    assert prepared.said == ("corrected: the rate of bytes it states",)
    assert prepared.content == whole
    chunks = [(b"fmt ", whole[20:36]), (b"fact", struct.pack("<I", 7)), (b"data", whole[44:])]
    assert made(riff(b"WAVE", chunks)).said == (CORRECTED,)
    chunks[1] = (b"fact", struct.pack("<I", 4_000))
    assert made(riff(b"WAVE", chunks)).said == ()


@pytest.mark.parametrize("stated", [0, 1, 7_999])
def test_a_flac_that_states_fewer_samples_than_it_has_is_corrected(stated: int) -> None:
    whole = sound("FLAC", "PCM_16")
    prepared = made(counting(whole, stated))
    assert prepared.said == (CORRECTED,)
    assert prepared.content == whole


def counting(data: bytes, samples: int) -> bytes:
    return data[:22] + samples.to_bytes(4, "big") + data[26:]


def test_a_flac_that_was_cut_is_refused() -> None:
    whole = sound("FLAC", "PCM_16")
    with pytest.raises(Reject, match="lacks 1 of its 8,001 samples"):
        made(counting(whole, 8_001))
    for stated in (0, 8_000):
        with pytest.raises(Reject, match="broken FLAC"):
            made(counting(whole, stated)[: len(whole) // 2])


@pytest.mark.parametrize(
    "number", [0, 127, 128, 2_047, 2_048, 65_535, 65_536, 0x1FFFFF, 0x3FFFFFF, 0x7FFFFFFF]
)
def test_numbers_of_frames_are_coded_as_characters_are(number: int) -> None:
    coded = flacframes._coded(number)
    if number < 0xD800 or 0xFFFF < number < 0x110000:
        assert coded == chr(number).encode()
    mask = 0x7F if len(coded) == 1 else (1 << 7 - len(coded)) - 1
    back = coded[0] & mask
    for byte in coded[1:]:
        back = back << 6 | byte & 0x3F
    assert back == number


# ---- any ----

WHOLE = [sound(form, coding) for form, coding in FORMS]


@settings(max_examples=60)
@given(
    whole=st.sampled_from(WHOLE),
    at=st.integers(0, 1 << 14),
    change=st.sampled_from(["cut", "padded", "lied", "hole", "twice"]),
    block=st.binary(min_size=1, max_size=40),
)
def test_whatever_is_taken_is_as_long_as_it_says(
    whole: bytes, at: int, change: str, block: bytes
) -> None:
    """No format has slack: not a sample."""
    at %= len(whole)
    header = at % 64
    data = {
        "cut": whole[:at],
        "padded": whole + bytes(at),
        "lied": whole[:header] + block + whole[header + len(block) :],
        "hole": whole[:at] + bytes(len(block)) + whole[at + len(block) :],
        "twice": whole + whole[at:],
    }[change]
    try:
        prepared = made(data)
    except Reject:
        return
    if prepared.media_type in SOUNDS:  # a few bytes of one may be a text
        played(prepared.content)
