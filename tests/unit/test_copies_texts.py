"""Texts that a reader takes for the same, in any script; and recordings."""

from __future__ import annotations

import random
import unicodedata

import numpy as np
import pytest

from protocol.review import texts
from protocol.review.copies import DEFAULT_COPY_TERMS
from protocol.review.fingerprints import (
    IDENTITY_BYTES,
    SPECTRUM,
    TEXT_BYTES,
    fingerprint_samples,
    fingerprint_text,
    is_valid_fingerprint,
)
from protocol.review.index import DuplicateIndex, likely_distance, strict_distance
from protocol.review.likeness import is_decoded_alike
from protocol.review.sounds import NOTHING, Sampler
from tests.looks import edited, melody

LIKELY = DEFAULT_COPY_TERMS.text_likely
FOX = "The quick brown fox jumps over the lazy dog, and nobody has ever asked the dog about it."


def far(a: str, b: str) -> int:
    return likely_distance(fingerprint_text(a.encode()), fingerprint_text(b.encode()))


@pytest.mark.parametrize(
    "copy",
    [
        FOX.upper(),
        "  " + FOX.replace(" ", "\u00a0 ") + "\n",
        FOX.replace(",", "").replace(".", "!"),
        FOX.replace("o", "\u043e").replace("a", "\u0430"),  # Cyrillic
        FOX.replace("the", "t\u200bhe"),
        "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in FOX),  # full width
        unicodedata.normalize("NFD", FOX.replace("o", "\u00f6")),
    ],
    ids=["case", "blanks", "punctuation", "look-alikes", "zero width", "full width", "accents"],
)
def test_what_readers_take_for_the_same_is_the_same(copy: str) -> None:
    assert far(FOX, copy) == 0
    one, other = fingerprint_text(FOX.encode()), fingerprint_text(copy.encode())
    assert strict_distance(one, other) == 0 and one != other  # if a campaign says so
    index = DuplicateIndex[int]()
    index.add(one, 1)
    assert not index.near(other, DEFAULT_COPY_TERMS.text_strict), "people look at it first"
    assert index.near(other, 1)


def test_edits_are_shown_and_other_texts_are_not() -> None:
    rng = random.Random(5)
    words = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "alpha",
        "beta",
        "gamma",
        "delta",
    ]
    assert all(far(FOX, edited(FOX, 0.2, words, rng)) <= LIKELY for _ in range(20))
    assert far(FOX, "A train leaves Leeds at nine, and arrives in York when it pleases.") > 900
    assert far(FOX, FOX + " " + FOX.replace("fox", "cat")) <= LIKELY


SCRIPTS = {
    "Japanese": ("今日は天気がとても良いので公園へ散歩に行きました", "公園", "海辺"),
    "Persian": ("امروز هوا خیلی خوب است و ما به پارک رفتیم", "پارک", "ساحل"),
    "Hindi": ("आज मौसम बहुत अच्छा है इसलिए हम बाग़ में घूमने गए", "बाग़", "शहर"),
}
OTHERS = {
    "Japanese": "昨日の会議は長くて疲れたので早く寝ました",
    "Persian": "دیروز جلسه طولانی بود و زود خوابیدم",
    "Hindi": "कल की बैठक लंबी थी और मैं जल्दी सो गया",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_without_blanks_or_case_are_compared_too(script: str) -> None:
    text, word, another = SCRIPTS[script]
    assert far(text, text.replace(word, another)) <= LIKELY
    assert far(text, OTHERS[script]) > LIKELY


def test_a_text_of_no_run_abstains() -> None:
    for text in ("ok", "a b", "....", "\u200b" * 9, "!? !"):
        print_ = fingerprint_text(text.encode())
        assert is_valid_fingerprint(print_) and len(print_) == IDENTITY_BYTES
        assert far(text, text + " ") == 1000, "but the very same is a copy"
        assert far(text, text) == 0
    assert len(fingerprint_text(b"seven")) == TEXT_BYTES


def test_a_text_of_one_letter_resembles_its_like_alone() -> None:
    """And costs no more than any other."""
    assert far("a" * 10, "a" * 100_000) == 0
    assert min(far("a" * 100_000, other) for other in (FOX, "b" * 100_000)) > 900


def test_of_a_book_the_beginning_is_compared() -> None:
    book = FOX * (texts.COMPARED_CHARS_MAX // len(FOX) + 1)
    assert texts.hashes_of(book) == texts.hashes_of(book + "And so on. " * 1_000)
    assert texts.hashes_of(book) != texts.hashes_of("And so on. " * 1_000 + book)


def test_hashes_agree_as_often_as_runs_do() -> None:
    """MinHash's promise: the share that agrees is the share of runs in common, give or take 1 / sqrt(128)."""
    rng = random.Random(2)
    for _ in range(10):
        words = ["".join(rng.choices("abcdefgh", k=6)) for _ in range(60)]
        kept = rng.randrange(60)
        one, other = " ".join(words), " ".join([*words[:kept], *reversed(words[kept:])])
        runs = [
            {text[at : at + texts.RUN_CHARS] for at in range(len(text) - texts.RUN_CHARS + 1)}
            for text in (one, other)
        ]
        share = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
        assert abs(1 - far(one, other) / 1000 - share) < 0.17


def test_folding_rests_on_our_tables() -> None:
    assert (
        texts.fold("Gr\u00f6\u00dfe \u2014 \u0421af\u00e9\u3000\uff21\u0661")
        == "grosse cafe a\u0661"
    )
    unknown = "\U0001fae8"  # assigned after Unicode 14
    assert texts.fold(f"a{unknown}B") == f"a{unknown}b"


# ---- recordings ----


def sound(samples: np.ndarray, hertz: int = 16_000, whole: bytes = b"") -> bytes:
    sampler = Sampler(hertz)
    for start in range(0, len(samples), 1_001):  # blocks of any length make no difference
        sampler.add(samples[start : start + 1_001])
    return fingerprint_samples(sampler.samples(), whole or samples.tobytes())


@pytest.mark.parametrize(
    "change",
    [
        lambda heard: heard // 2,
        lambda heard: heard[320:],
        lambda heard: heard[1_600:],
        lambda heard: (heard + np.random.default_rng(1).normal(0, 300, len(heard))).astype("i2"),
    ],
    ids=["gain", "cut 20 ms", "cut 100 ms", "noise"],
)
def test_a_recording_is_known_again(change) -> None:  # type: ignore[no-untyped-def]
    for seed in range(5):
        heard = melody(seed)
        assert (
            likely_distance(sound(heard), sound(change(heard))) <= DEFAULT_COPY_TERMS.sound_likely
        )
        other = sound(melody(seed + 50))
        assert likely_distance(sound(change(heard)), other) > DEFAULT_COPY_TERMS.sound_likely


def test_the_rate_of_samples_makes_no_difference() -> None:
    heard = melody(3)
    assert likely_distance(sound(heard), sound(np.repeat(heard, 3), 48_000)) == 0
    assert likely_distance(sound(heard), sound(heard[::4], 4_000)) < 300


def test_silence_a_click_and_a_steady_tone_tell_nothing() -> None:
    click = np.zeros(3_000, dtype=np.int16)
    click[5] = 30_000
    tone = (10_000 * np.sin(np.arange(64_000) * 0.3)).astype(np.int16)
    for heard in (np.zeros(64_000, dtype=np.int16), click, tone):
        print_ = sound(heard)
        assert is_valid_fingerprint(print_)
        assert print_[SPECTRUM] == NOTHING
        assert likely_distance(print_, sound(melody(1))) == 1000


def test_decoders_of_lossy_recordings_may_differ_by_a_little() -> None:
    heard = melody(4)
    dithered = (heard + np.random.default_rng(2).integers(-2, 3, len(heard))).astype(np.int16)
    claim, own = sound(dithered, whole=b"the file"), sound(heard, whole=b"the file")
    assert is_decoded_alike(claim, own)
    assert not is_decoded_alike(claim, sound(heard, whole=b"another file"))
    assert not is_decoded_alike(sound(melody(5), whole=b"the file"), own)
