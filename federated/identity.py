"""Which examples are the same examples: a budget protects the person in a picture, not the bytes of a file.

Each example has an *exact* name, a hash of what was decoded: other files, names and orders change nothing.
Where it holds enough to tell, it also has *keys* and a *signature*, which survive small changes:

    pictures  other sizes and formats, a grey value changed, JPEG, brightness: signs of 256 random projections
              of 16 x 16 averages, without mean (SimHash: Charikar 2002)
    texts     words changed here and there: MinHash over runs of five characters (protocol.review.texts), but
              those that more than half of the texts hold, as they do a header or a form

federated.tables does the like for rows of tables.

Two examples are near when they share one of four keys, each made of a quarter of what there is to compare,
and their signatures differ in few bits. Keys are what a table is searched by, so 10^5 examples cost seconds.
None of it is meant for another machine: names are compared with those that this one has stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from federated.budget.examples import KEYS, NOT_TOLD, SIGNATURE_BYTES, Examples, Kind
from protocol.review import texts as runs

_TAG: Final = b"commonhold/v1/example/"
_SIDE: Final = 16  # of the averages that pictures are compared by
_BITS: Final = 8 * SIGNATURE_BYTES
# Below this deviation, of 255, a picture is a flat surface: all of them are alike.
_CONTRAST_MIN: Final = 2.0
# Heights and widths whose averages are kept: a set of pictures has few, and one row of it is some kilobytes.
_SIZES: Final = 256
# A text with fewer runs of its own shares half of them with many others.
_COMPARED_RUNS_MIN: Final = 20
# Texts that are asked what most of them hold, and their characters together: some megabytes, some seconds.
_SAMPLED: Final = 512
_SAMPLED_CHARS: Final = 1 << 21
_SAMPLED_MIN: Final = 16  # fewer texts may be of one matter without any form


def of_pictures(images: Iterable[NDArray[np.uint8]]) -> Examples:
    """Of pictures of any size, each (height, width) grey pixels."""
    exact, small = [], []
    for image in images:
        exact.append(_hash(b"picture %d x %d" % image.shape, image.tobytes()))
        height, width = image.shape
        small.append(_averages(height) @ image.astype(np.float32) @ _averages(width).T)
    signatures = _signs(np.array(small, np.float32).reshape(len(small), _SIDE * _SIDE))
    quarters = signatures.reshape(-1, KEYS, SIGNATURE_BYTES // KEYS)
    keys = [
        tuple(_key(b"picture", at, quarter.tobytes()) for at, quarter in enumerate(each))
        if each.any()
        else NOT_TOLD
        for each in quarters
    ]
    return Examples(Kind.PICTURES, tuple(exact), tuple(keys), tuple(map(bytes, signatures)))


def of_texts(texts: Sequence[str]) -> Examples:
    """Of texts: what punctuation, case and blanks change is not compared, nor what most of them share."""
    exact, keys, signatures = [], [], []
    common = _common(texts)
    for text in texts:
        exact.append(_hash(b"text", runs.fold(text).encode("utf-8", "replace")))
        own = runs.runs_of(text)
        own = own[~np.isin(own, common, assume_unique=True)]
        hashes = runs.hashes_of_runs(own) if len(own) >= _COMPARED_RUNS_MIN else b""
        quarter = len(hashes) // (
            4 * KEYS
        )  # a key of fewer hashes is shared by texts that share less
        keys.append(
            tuple(_key(b"text", at, hashes[at * quarter :][:quarter]) for at in range(KEYS))
            if hashes
            else NOT_TOLD
        )
        signatures.append(_two_bits_each(hashes) if hashes else bytes(SIGNATURE_BYTES))
    return Examples(Kind.TEXTS, tuple(exact), tuple(keys), tuple(signatures))


def _common(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Runs that most texts hold: a header, a footer, what a form says. Each different text counts once."""
    different = list(dict.fromkeys(texts))
    chars = sum(map(len, different))
    count = min(_SAMPLED, len(different), _SAMPLED_CHARS * len(different) // max(1, chars))
    if count < _SAMPLED_MIN:
        return np.empty(0, np.uint64)
    sampled = different[:: len(different) // count]
    found, times = np.unique(np.concatenate(list(map(runs.runs_of, sampled))), return_counts=True)
    return found[times > len(sampled) / 2]


def _signs(small: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(n, SIGNATURE_BYTES) of (n, _SIDE^2); zeros where a picture is flat."""
    varied = small - small.mean(axis=1, keepdims=True)
    bits = np.packbits(varied @ _projections() > 0, axis=1)
    bits[varied.std(axis=1) < _CONTRAST_MIN] = 0
    return bits


@lru_cache(_SIZES)
def _averages(side: int) -> NDArray[np.float32]:
    """(_SIDE, side): how much of each pixel is in each sixteenth."""
    edges = np.linspace(0, side, _SIDE + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(side)[None]
    inside = np.clip(np.minimum(high, pixels + 1) - np.maximum(low, pixels), 0, None)
    return np.asarray(inside / inside.sum(axis=1, keepdims=True), np.float32)


@cache
def _projections() -> NDArray[np.float32]:
    """(_SIDE^2, _BITS) of +1 and -1 that nobody chose."""
    drawn = hashlib.shake_256(_TAG + b"projections").digest(_SIDE * _SIDE * _BITS // 8)
    signs = np.unpackbits(np.frombuffer(drawn, np.uint8)).reshape(_SIDE * _SIDE, _BITS)
    return 2 * signs.astype(np.float32) - 1


def _two_bits_each(hashes: bytes) -> bytes:
    """The last two bits of each of 128 hashes."""
    bits = np.unpackbits(np.frombuffer(hashes, np.uint8)[:, None], axis=1)[:, -2:]
    return np.packbits(bits.reshape(-1)).tobytes()


def _hash(kind: bytes, content: bytes) -> bytes:
    return hashlib.sha256(_TAG + kind + b"\0" + content).digest()


def _key(kind: bytes, place: int, what: bytes) -> int:
    """63 bits, which an SQLite integer holds; 0 is kept for none."""
    digest = hashlib.sha256(_TAG + kind + b" key %d\0" % place + what).digest()
    return (int.from_bytes(digest[:8], "big") >> 1) or 1
