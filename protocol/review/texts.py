"""Texts: what stays of a text that is edited here and there, whatever its script: for people to look at.

1. fold it: compatible characters made one (NFKC), case, look-alikes of other scripts, what cannot be seen,
   accents, punctuation and blanks;
2. cut it into runs of five characters, which every script has, also those without blanks between words;
3. MinHash: of each of 128 permutations of all runs, the last eight bits of the first that the text has.

Two texts agree in as many of the 128 as they share of their runs (Jaccard), beside one in 256 by chance. All
rests on fixed tables (`protocol.unicode14`) and 64-bit integers, on no library's version. A text abstains
where it holds no run.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.text import same_shape
from protocol.unicode14 import ASSIGNED, UNSEEN

HASHES: Final = 128
RUN_CHARS: Final = 5
# Of a longer text its beginning is compared: a book of half a million characters takes half a second.
COMPARED_CHARS_MAX: Final = 1 << 19

_BLOCK: Final = 1 << 12  # runs at once: 4 MiB of permutations
_KNOWN: Final = re.compile(f"[{ASSIGNED.inside}]+")
# What tells no two texts apart: what cannot be seen, accents above letters, and ASCII, Latin, general and
# East Asian punctuation. Vowel signs of Indic and Arabic letters stay: they are letters to their readers.
_BETWEEN: Final = re.compile(
    r"[\x00-/:-@\[-`{-\x7f\x80-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7\u2000-\u206f\u2e00-\u2e7f\u3000-\u3004"
    r"\u3008-\u3020\u3030\ufe30-\ufe6f\uff5f-\uff65\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965\u0589]+"
)
_LEFT_OUT: Final = re.compile(f"[{UNSEEN.inside}\u0300-\u036f]")


def hashes_of(text: str) -> bytes:
    """HASHES bytes; empty where the text is shorter than one run."""
    return hashes_of_runs(runs_of(text))


def runs_of(text: str) -> NDArray[np.uint64]:
    """A number for each different run of a text, in ascending order."""
    return _runs(fold(text[:COMPARED_CHARS_MAX]))


def hashes_of_runs(runs: NDArray[np.uint64]) -> bytes:
    """HASHES bytes; empty where there is no run."""
    if not len(runs):
        return b""
    least = np.full(HASHES, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(runs), _BLOCK):
        # Modulo 2^64, as unsigned integers are.
        permuted = runs[start : start + _BLOCK, None] * _FACTORS + _TERMS
        least = np.minimum(least, permuted.min(axis=0))
    return (mixed(least) & np.uint64(0xFF)).astype(np.uint8).tobytes()


def fold(text: str) -> str:
    """What a text shares with those that a reader takes for the same. Characters newer than our tables stay
    as they are."""
    known = _KNOWN.sub(lambda found: _folded(found[0]), text)
    return _BETWEEN.sub(" ", known).strip(" ")


def _folded(text: str) -> str:
    plain = _LEFT_OUT.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFKC", same_shape(plain))


def _runs(text: str) -> NDArray[np.uint64]:
    """A number for each different run of five characters, in ascending order."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    count = len(codes) - RUN_CHARS + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    runs = np.zeros(count, dtype=np.uint64)
    for place in range(RUN_CHARS):
        runs = mixed(runs + codes[place : place + count])
    return np.unique(runs)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014), one to one on 64 bits."""
    found = values + np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


def _numbers(what: str) -> NDArray[np.uint64]:
    """HASHES fixed numbers that nobody chose."""
    found = b"".join(
        sha256(f"commonhold/v1/minhash/{what}/{at}".encode()).digest()[:8] for at in range(HASHES)
    )
    return np.frombuffer(found, dtype="<u8").astype(np.uint64)


_FACTORS: Final = _numbers("factor") | np.uint64(1)  # odd, so that each is a permutation
_TERMS: Final = _numbers("term")
