"""Recordings, decoded from beginning to end, in little memory. libsndfile reads all four formats."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from node.media import flac, mpeg, ogg, wav
from node.media.container import Cleaned, broken
from protocol import media
from protocol.errors import Reject

SECONDS_MAX: Final = (
    1_800  # nobody judges half an hour at once; and it decodes within the worker's time
)
CHANNELS_MAX: Final = 8
HERTZ_MAX: Final = 192_000
SAMPLES_MAX: Final = 2 * 48_000 * SECONDS_MAX  # of all channels: stereo for that long
_BLOCK_FRAMES: Final = 1 << 16

CLEANERS: Final[Mapping[str, Callable[[bytes], Cleaned]]] = {
    media.WAV.name: wav.clean,
    media.FLAC.name: flac.clean,
    media.MPEG.name: mpeg.clean,
    media.OGG.name: ogg.clean,
}


def clean(data: bytes, media_type: str) -> Cleaned:
    """The recording without anything beside it, and decoded once to its end. Raises Reject."""
    cleaned = CLEANERS[media_type](data)
    frames = sum(len(block) for block in _blocks(cleaned.content, media_type))
    what = media.MEDIA[media_type].words.split(" ", 1)[1]
    if not frames:
        raise broken(what, "it holds no samples")
    if media_type == media.FLAC.name and flac.samples(cleaned.content) not in (0, frames):
        raise broken(what, "it lacks some of its samples")
    return cleaned


def waveform(data: bytes, media_type: str, columns: int) -> bytes:
    """The loudest sample of each of `columns` equal stretches, 0..255; fewer where it is shorter."""
    peaks = [
        np.abs(block).max(axis=1).reshape(-1)
        for block in _blocks(CLEANERS[media_type](data).content, media_type, shortened=True)
    ]
    loud = np.concatenate(peaks) if peaks else np.zeros(1)
    stretches = np.array_split(loud, min(columns, len(loud)))
    return bytes(min(255, round(255 * float(each.max()))) for each in stretches)


def _blocks(
    data: bytes, media_type: str, *, shortened: bool = False
) -> Iterator[NDArray[np.float32]]:
    """(frames, channels) samples, -1..1; `shortened`: the loudest of each stretch of 64 for each channel."""
    import soundfile  # a fifth of a second, and no picture needs it

    what = media.MEDIA[media_type].words.split(" ", 1)[1]
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            _check_form(file)
            total = 0
            while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
                total += block.size
                _check_length(total, file)
                if not np.isfinite(block).all():
                    raise broken(what, "some of its samples are no numbers")
                yield _loudest(block) if shortened else block
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise broken(what, "it cannot be decoded to its end") from error


def _loudest(block: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.pad(np.abs(block), ((0, -len(block) % 64), (0, 0)))
    peaks: NDArray[np.float32] = padded.reshape(-1, 64, block.shape[1]).max(axis=1)
    return peaks


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
