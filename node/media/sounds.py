"""Recordings, decoded from beginning to end, in little memory. libsndfile reads all four formats.

What decoders of MP3 and Ogg leave open, `prepare.agrees` allows for.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from node.media import flac, mpeg, ogg, wav
from node.media.container import Cleaned, broken
from protocol import media
from protocol.errors import Reject
from protocol.review.fingerprints import fingerprint_samples
from protocol.review.sounds import Sampler

SECONDS_MAX: Final = (
    1_800  # nobody judges half an hour at once; and it decodes within the worker's time
)
CHANNELS_MAX: Final = 8
HERTZ_MAX: Final = 192_000
SAMPLES_MAX: Final = 2 * 48_000 * SECONDS_MAX  # of all channels: stereo for that long
_BLOCK_FRAMES: Final = 1 << 16
_FULL: Final = 1 << 15  # of 16-bit samples

CLEANERS: Final[Mapping[str, Callable[[bytes], Cleaned]]] = {
    media.WAV.name: wav.clean,
    media.FLAC.name: flac.clean,
    media.MPEG.name: mpeg.clean,
    media.OGG.name: ogg.clean,
}


def clean(data: bytes, media_type: str) -> Cleaned:
    """The recording without anything beside it, and decoded once to its end. Raises Reject."""
    cleaned = CLEANERS[media_type](data)
    with _opened(cleaned.content, media_type) as file:
        _require_whole(sum(len(block) for block in _blocks(file)), file.frames, media_type)
    return cleaned


def fingerprint(data: bytes, media_type: str) -> bytes:
    """Of a clean recording. Raises Reject for any other: what is beside it nobody hears."""
    cleaned = CLEANERS[media_type](data)
    if cleaned.content != data:
        wrong = [f"a wrong header, {each}" for each in cleaned.corrected]
        beside = ", ".join((*cleaned.removed, *wrong)) or "padding"
        raise Reject(
            f"the recording carries {beside}, and only the bare recording is taken",
            "Submit it with a node, which puts that right.",
        )
    with _opened(data, media_type) as file:
        samples, frames, whole = _heard(file)
        _require_whole(frames, file.frames, media_type)
    return fingerprint_samples(samples, data if media.MEDIA[media_type].is_lossy else whole)


def waveform(data: bytes, media_type: str, columns: int) -> bytes:
    """The loudest sample of each of `columns` equal stretches, 0..255; fewer where it is shorter."""
    with _opened(CLEANERS[media_type](data).content, media_type) as file:
        peaks = [_loudest(block) for block in _blocks(file)]
    loud = np.concatenate(peaks) if peaks else np.zeros(1)
    stretches = np.array_split(loud, min(columns, len(loud)))
    return bytes(min(255, round(255 * float(each.max()))) for each in stretches)


def _heard(file: Any) -> tuple[NDArray[np.int16], int, bytes]:
    """What fingerprints are made of; how many frames; and a hash of all samples, the same in every format
    that keeps them."""
    sampler, frames = Sampler(file.samplerate), 0
    every = hashlib.sha256(b"%d Hz, %d channels\0" % (file.samplerate, file.channels))
    for block in _blocks(file):
        frames += len(block)
        every.update(block.astype("<f8").tobytes())
        # Exact for up to 16 bits; of finer samples the rest is cut off.
        levels = np.clip(np.floor(block * _FULL), -_FULL, _FULL - 1).astype(np.int64)
        sampler.add((levels.sum(axis=1) // file.channels).astype(np.int16))
    return sampler.samples(), frames, every.digest()


@contextmanager
def _opened(data: bytes, media_type: str) -> Iterator[Any]:
    """A recording of a form that is taken; whatever the library says of it is our Reject."""
    import soundfile  # a fifth of a second, and no picture needs it

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            _check_form(file)
            yield file
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise broken(_words(media_type), "it cannot be decoded to its end") from error


def _blocks(file: Any) -> Iterator[NDArray[np.float64]]:
    """(frames, channels) samples, -1..1."""
    total = 0
    while len(block := file.read(_BLOCK_FRAMES, dtype="float64", always_2d=True)):
        total += block.size
        _check_length(total, file)
        if not np.isfinite(block).all():
            raise broken("recording", "some of its samples are no numbers")
        yield block


def _loudest(block: NDArray[np.float64]) -> NDArray[np.float32]:
    """Of each stretch of 64 frames."""
    padded = np.pad(np.abs(block).max(axis=1), (0, -len(block) % 64))
    peaks: NDArray[np.float32] = padded.reshape(-1, 64).max(axis=1).astype(np.float32)
    return peaks


def _require_whole(frames: int, stated: int, media_type: str) -> None:
    """Who opens a recording makes room for what it states, and hears no more than that."""
    if not frames:
        raise broken(_words(media_type), "it holds no samples")
    if frames != stated:
        raise broken(
            _words(media_type), f"it states {stated:,} samples of each channel, and has {frames:,}"
        )


def _words(media_type: str) -> str:
    return media.MEDIA[media_type].words.split(" ", 1)[1]


def _check_form(file: Any) -> None:
    if not 1 <= file.channels <= CHANNELS_MAX or not 1 <= file.samplerate <= HERTZ_MAX:
        raise Reject(
            f"a recording of {file.channels} channels at {file.samplerate:,} Hz is not taken",
            f"At most {CHANNELS_MAX} channels, at {HERTZ_MAX:,} Hz.",
        )


def _check_length(samples: int, file: Any) -> None:
    seconds = samples / file.channels / file.samplerate
    if seconds > SECONDS_MAX or samples > SAMPLES_MAX:
        raise Reject(
            f"the recording is longer than {SECONDS_MAX // 60} minutes", "Cut it into several."
        )
