"""How long packets of Vorbis and Opus last, and so where each page of an Ogg file ends.

A page's position says how many samples have passed when its last packet ends, and the last one's is what
loaders take for the length. Packets say it themselves: <https://www.rfc-editor.org/rfc/rfc6716#section-3.1>,
<https://xiph.org/vorbis/doc/Vorbis_I_spec.html>.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from node.media.container import broken

NO_POSITION: Final = (1 << 64) - 1  # of a page on which no packet ends
_OFFSETS_MAX: Final = 1 << 48  # of a stream that was cut out of a longer one: years of samples
# Encoders fill up their last packets, and the last page's position says so: Vorbis' longest block, which is
# more than Opus' longest packet.
_FILLED_UP_MAX: Final = 8_192

_OPUS_SAMPLES: Final = (
    *(480, 960, 1_920, 2_880) * 3,  # for speech, of 48,000 samples a second
    *(480, 960) * 2,
    *(120, 240, 480, 960) * 4,
)
_OPUS_SAMPLES_MAX: Final = 5_760

_MODE_BITS: Final = 1 + 16 + 16 + 8
_MODES_MAX: Final = 64
_MAPPING_MAX: Final = 63
_MODES_BYTES_MAX: Final = (6 + _MODES_MAX * _MODE_BITS) // 8 + 2


def opus_samples(packet: bytes) -> int:
    """Of 48,000 a second. Raises Reject."""
    code = packet[0] & 3 if packet else 3
    count = (packet[1] & 63 if len(packet) > 1 else 0) if code == 3 else min(code, 1) + 1
    samples = count * _OPUS_SAMPLES[packet[0] >> 3] if packet else 0
    if not 0 < samples <= _OPUS_SAMPLES_MAX:
        raise broken("Ogg recording", "one of its packets is none of Opus")
    return samples


def vorbis_samples(header: bytes, setup: bytes) -> Callable[[bytes], int]:
    """What tells it of one packet after the other: each overlaps with the last. Raises Reject."""
    if len(header) != 30:
        raise broken("Ogg recording", "its header is damaged")
    blocks = (1 << (header[28] & 15), 1 << (header[28] >> 4))
    modes = [blocks[is_long] for is_long in _vorbis_modes(setup)]
    mask = (1 << (len(modes) - 1).bit_length()) - 1
    before = 0

    def samples(packet: bytes) -> int:
        nonlocal before
        if not packet or packet[0] & 1:
            return 0  # none of sound: decoders go on with the next
        mode = packet[0] >> 1 & mask
        if mode >= len(modes):
            raise broken("Ogg recording", "one of its packets is none of Vorbis")
        made = (before + modes[mode]) // 4 if before else 0
        before = modes[mode]
        return made

    return samples


def place(said: Sequence[int], ends: Sequence[int | None]) -> list[int]:
    """The positions of pages that say `said`, by how many samples have passed at each one's end; they stay if
    they can be so."""
    held = [at for at, end in enumerate(ends) if end is not None]
    first, last = held[0], held[-1]
    offset = said[first] - (ends[first] or 0) if len(held) > 1 else 0
    right: list[int] = []
    for start in (offset if 0 < offset < _OFFSETS_MAX else 0, 0):
        right = [NO_POSITION if end is None else start + end for end in ends]
        before = right[held[-2]] if len(held) > 1 else 0
        if before < said[last] and right[last] - _FILLED_UP_MAX <= said[last] <= right[last]:
            right[last] = said[last]
        if right == list(said):
            break
    return right


def _vorbis_modes(setup: bytes) -> list[int]:
    """Whether each mode is of long blocks. They are the setup's last, and all before them is long to read: so
    they are read from the end, up to where their number stands."""
    bits = int.from_bytes(setup[-_MODES_BYTES_MAX:], "little")
    at, count = bits.bit_length() - 1, 0
    found: list[int] = []
    while at >= _MODE_BITS + 6 and len(found) < _MODES_MAX:
        at -= _MODE_BITS
        mode = bits >> at & (1 << _MODE_BITS) - 1
        if mode >> 33 > _MAPPING_MAX or mode >> 1 & 0xFFFFFFFF:
            break
        found.append(mode & 1)
        if (bits >> at - 6 & 63) + 1 == len(found):
            count = len(found)
    if not count:
        raise broken("Ogg recording", "its header is damaged")
    return found[:count][::-1]
