"""What is called a copy, what is shown to people as one, whom that wrongs, and what it costs.

    python -m benchmarks.copies --mnist mnist.npz --texts sms.tsv [--json]

`--mnist`: an archive with `x_train`; `--texts`: a table whose last column is a text. With `--json` one line
with the figures that we promise ends the output. Takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.report import show
from protocol.review.copies import DEFAULT_COPY_TERMS
from protocol.review.details import details_of
from protocol.review.fingerprints import (
    DETAILS,
    IDENTITY_BYTES,
    PLACE,
    SHAPE,
    THUMBNAIL,
    fingerprint_pixels,
    fingerprint_samples,
    fingerprint_text,
    pack_picture,
)
from protocol.review.index import DuplicateIndex, likely_distance, strict_distance
from protocol.review.shapes import SHAPE_BYTES, VIEW
from protocol.review.sounds import Sampler
from protocol.review.thumbnails import thumbnail_of
from tests import looks
from tests.looks import Grey

TERMS: Final = DEFAULT_COPY_TERMS
PICTURES: Final = 200  # of each kind
COPIES: Final = 300  # of each change
FLAGGED_DIGITS: Final = 5_000  # one after the other
SOUNDS: Final = 100
MANY: Final = 100_000
QUERIES: Final = 50
SEED: Final = 38
NO_SHAPE: Final = bytes(SHAPE_BYTES)

Change = Callable[[Grey], Grey]

STRICT: Final[dict[str, Change]] = {
    "same pixels": lambda picture: picture.copy(),
    "JPEG 85": lambda picture: looks.as_jpeg(picture, 85),
    "noise, sigma 5": lambda picture: looks.with_noise(picture, 5),
    "noise, sigma 15": lambda picture: looks.with_noise(picture, 15),
    "shift by a pixel": lambda picture: np.roll(picture, (1, -1), (0, 1)),
    "shift by two, noise 10": lambda picture: looks.with_noise(
        np.roll(picture, (2, 2), (0, 1)), 10
    ),
}
LIKELY: Final[dict[str, dict[str, Change]]] = {
    "image_rotate": {
        f"{degrees} degrees": partial(looks.rotated, degrees=degrees) for degrees in (3, -5, 7, -10)
    },
    "image_scale": {
        f"{how.__name__} x {factor}": partial(how, factor=factor)
        for how in (looks.zoomed, looks.resized)
        for factor in (0.9, 0.95, 1.05, 1.1)
    },
    "image_crop": {"2 %": partial(looks.cropped, share=0.02)},
    "image_pad": {
        f"{share:.0%}, level {level}": partial(looks.padded, share=share, level=level)
        for share in (0.05, 0.15)
        for level in (0, 255)
    },
    "image_noise": {
        "noise, sigma 15": lambda picture: looks.with_noise(picture, 15),
        "shift by two, noise 10": STRICT["shift by two, noise 10"],
    },
    "image_jpeg": {f"quality {q}": partial(looks.as_jpeg, quality=q) for q in (10, 20, 40)},
}


def fingerprint(picture: Grey) -> bytes:
    high, wide = picture.shape
    return fingerprint_pixels(np.ascontiguousarray(picture).tobytes(), wide, high)


def _without_shape(picture: Grey) -> bytes:
    """All that the strict rule looks at, in half the time."""
    thumbnail = thumbnail_of(picture)
    return pack_picture(picture.tobytes(), thumbnail, details_of(picture, thumbnail), NO_SHAPE)


def found_by(index: DuplicateIndex[int], print_: bytes, *, strict: bool, but: int = -1) -> set[int]:
    """Who is within the default threshold."""
    matches = (
        index.near(print_, TERMS.picture_strict)
        if strict
        else index.likely(print_, TERMS.picture_likely)
    )
    return {match.key for match in matches} - {but}


def wronged(prints: Iterable[bytes], *, strict: bool) -> tuple[int, int]:
    """Of pictures that come one after the other, how many are taken for copies; and of how many."""
    index, lost, count = DuplicateIndex[int](), 0, 0
    for print_ in prints:
        is_copy = bool(found_by(index, print_, strict=strict))
        lost += is_copy
        if not (strict and is_copy):  # whose place its original keeps
            index.add(print_, count)
        count += 1
    return lost, count


def honest(figures: dict[str, Any], digits: Sequence[Grey]) -> None:
    """Pictures that resemble each other, none of which is a copy."""
    strict, likely = {}, {}
    for kind, make in looks.HONEST.items():
        prints = [fingerprint(each) for each in looks.series(make, PICTURES)]
        strict[kind] = wronged(prints, strict=True)[0]
        likely[kind] = wronged(prints, strict=False)[0] / PICTURES
    some = [fingerprint(each) for each in digits[:FLAGGED_DIGITS]]
    likely["digits"] = wronged(some, strict=False)[0] / len(some)
    lost, count = wronged(map(_without_shape, digits), strict=True)
    figures[f"honest pictures lost, of {PICTURES} of each kind"] = strict
    figures["honest pictures shown to people as likely copies, share"] = likely
    figures["digits lost"] = f"{lost} of {count:,}"
    figures["honest_lost"] = sum(strict.values())
    figures["digits_lost_per_10000"] = 10_000 * lost / count
    figures["false_flag_image"] = likely["photographs"]
    figures["false_flag_digits"] = likely["digits"]


def copied_pictures(figures: dict[str, Any], digits: Sequence[Grey]) -> None:
    """How many copies are within the threshold of their original; half of them digits, half photographs."""
    originals = {
        "digits": list(digits[:COPIES]),
        "photographs": list(looks.series(looks.photo, COPIES, seed=2)),
    }
    prints = {kind: [fingerprint(each) for each in some] for kind, some in originals.items()}
    tables: dict[str, dict[str, dict[str, float]]] = {"copies without people": {}}
    for name, change in STRICT.items():
        tables["copies without people"][name] = {
            kind: _share(strict_distance, prints[kind], map(change, some), TERMS.picture_strict)
            for kind, some in originals.items()
        }
    for figure, changes in LIKELY.items():
        tables[figure] = {
            name: {
                kind: _share(likely_distance, prints[kind], map(change, some), TERMS.picture_likely)
                for kind, some in originals.items()
            }
            for name, change in changes.items()
        }
        figures[figure] = float(
            np.mean([share for row in tables[figure].values() for share in row.values()])
        )
    figures["pictures: copies found, share"] = tables


def _share(
    distance: Callable[[bytes, bytes], int],
    prints: Sequence[bytes],
    copies: Iterable[Grey],
    permille: int,
) -> float:
    hits = [
        distance(fingerprint(copy), print_) <= permille
        for print_, copy in zip(prints, copies, strict=True)
    ]
    return sum(hits) / len(hits)


def copied_texts(figures: dict[str, Any], texts: Sequence[str]) -> None:
    """How many edited texts are flagged with their original, and how many real ones with another."""
    rng = random.Random(SEED)
    words = [word for text in texts for word in text.split()]
    prints = [fingerprint_text(text.encode()) for text in texts]
    index, flagged = DuplicateIndex[int](), 0
    for key, print_ in enumerate(prints):
        flagged += bool(index.likely(print_, TERMS.text_likely))
        index.add(print_, key)
    chosen = rng.sample(
        [at for at, text in enumerate(texts) if text.split()], min(1_000, len(texts))
    )
    changes: dict[str, Callable[[str], str]] = {
        "case": str.swapcase,
        "blanks": lambda text: "  ".join(text.split()) + " ",
        "5 % of the words": lambda text: looks.edited(text, 0.05, words, rng),
        "20 % of the words": lambda text: looks.edited(text, 0.20, words, rng),
        "40 % of the words": lambda text: looks.edited(text, 0.40, words, rng),
    }
    shares = {}
    for name, change in changes.items():
        copies = [fingerprint_text(change(texts[at]).encode()) for at in chosen]
        near = [
            likely_distance(copy, prints[at]) <= TERMS.text_likely
            for copy, at in zip(copies, chosen, strict=True)
        ]
        shares[name] = sum(near) / len(near)
    figures["texts: copies found, share"] = shares
    figures["text_5"], figures["text_20"] = shares["5 % of the words"], shares["20 % of the words"]
    figures["false_flag_text"] = flagged / len(texts)


def copied_sounds(figures: dict[str, Any]) -> None:
    """What is done to recordings, and how far other ones are."""
    originals = [looks.melody(seed) for seed in range(SOUNDS)]
    prints = [_sound(each) for each in originals]
    rng = np.random.default_rng(SEED)
    changes: dict[str, Callable[[Any], Any]] = {
        "half as loud": lambda heard: heard // 2,
        "cut by 20 ms": lambda heard: heard[320:],
        "cut by 100 ms": lambda heard: heard[1_600:],
        "noise, 20 dB below": lambda heard: (
            heard + rng.normal(0, heard.std() / 10, len(heard))
        ).astype(np.int16),
        "noise, 10 dB below": lambda heard: (
            heard * 0.5 + rng.normal(0, heard.std() / 6.3, len(heard))
        ).astype(np.int16),
        "MP3 and back": partial(_coded, form="MP3", subtype="MPEG_LAYER_III"),
        "Vorbis and back": partial(_coded, form="OGG", subtype="VORBIS"),
        "every other sample": lambda heard: heard[::2],
    }
    table = {}
    for name, change in changes.items():
        hertz = 8_000 if name == "every other sample" else 16_000
        far = [
            likely_distance(_sound(change(heard), hertz), print_)
            for heard, print_ in zip(originals, prints, strict=True)
        ]
        table[name] = {
            "found": float(np.mean(np.array(far) <= TERMS.sound_likely)),
            "farthest": max(far),
        }
    others = [likely_distance(a, b) for at, a in enumerate(prints) for b in prints[:at]]
    figures["recordings: copies"] = table
    figures["recordings: nearest of others, per mille"] = min(others)
    figures["false_flag_sound"] = float(np.mean(np.array(others) <= TERMS.sound_likely))


def _sound(samples: Any, hertz: int = 16_000) -> bytes:
    sampler = Sampler(hertz)
    sampler.add(samples)
    return fingerprint_samples(sampler.samples(), samples.tobytes())


def _coded(samples: Any, form: str, subtype: str) -> Any:
    import io

    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, 16_000, format=form, subtype=subtype)
    out.seek(0)
    return soundfile.read(out, dtype="int16")[0]


def cost(figures: dict[str, Any]) -> None:
    """Milliseconds a lookup among many, of fingerprints with random contents; and bytes an item."""
    rng = random.Random(SEED)
    photos = [fingerprint(each) for each in looks.series(looks.photo, 300, seed=3)]
    photos = [each for each in photos if each[SHAPE.start] == VIEW]
    for name, prints in (
        ("pictures", _mixed(photos, rng)),
        ("texts", [fingerprint_text(rng.randbytes(40).hex().encode()) for _ in range(MANY)]),
    ):
        index = DuplicateIndex[int]()
        started = time.perf_counter()
        for key, print_ in enumerate(prints):
            index.add(print_, key)
        added = time.perf_counter()
        for print_ in prints[:QUERIES]:
            index.near(print_, TERMS.picture_strict)
        strict = time.perf_counter()
        permille = TERMS.picture_likely if name == "pictures" else TERMS.text_likely
        for print_ in prints[:QUERIES]:
            index.likely(print_, permille)
        done = time.perf_counter()
        figures[f"{name}: cost among {MANY:,}"] = {
            "add, us": 1e6 * (added - started) / MANY,
            "copies without people, ms": 1e3 * (strict - added) / QUERIES,
            "likely copies, ms": 1e3 * (done - strict) / QUERIES,
            "bytes a fingerprint": len(prints[0]),
        }


def _mixed(prints: Sequence[bytes], rng: random.Random) -> list[bytes]:
    """Many fingerprints, each of the parts of several."""
    made = []
    for at in range(MANY):
        a, b, c, d = (rng.choice(prints) for _ in range(4))
        cut = THUMBNAIL.start + rng.randrange(60, 190)
        halves = a[THUMBNAIL.start : cut] + b[cut : THUMBNAIL.stop]
        shape = c[SHAPE.start : SHAPE.start + 130] + d[SHAPE.start + 130 : SHAPE.stop]
        identity = a[:1] + at.to_bytes(IDENTITY_BYTES - 1, "big")
        made.append(identity + a[PLACE.start : THUMBNAIL.start] + halves + a[DETAILS] + shape)
    return made


PROMISED: Final = (
    *("honest_lost", "digits_lost_per_10000", "text_5", "text_20"),
    *("image_rotate", "image_scale", "image_crop", "image_pad", "image_jpeg"),
    *("false_flag_text", "false_flag_image"),
)


def run(mnist: Path, texts: Path, told: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measure; `told` hears the figures of each part when it ends. Returns all of them."""
    with np.load(mnist) as archive:
        digits = archive["x_train"]
    lines = texts.read_text("utf-8").split("\n")
    distinct = list(dict.fromkeys(line.rsplit("\t", 1)[-1] for line in lines if line))
    figures: dict[str, Any] = {}
    for measure in (
        partial(copied_texts, texts=distinct),
        partial(copied_pictures, digits=digits),
        copied_sounds,
        cost,
        partial(honest, digits=digits),
    ):
        part: dict[str, Any] = {}
        measure(part)
        told(part)
        figures |= part
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = run(arguments.mnist, arguments.texts, show)
    if arguments.json:
        print(json.dumps({name: round(figures[name], 4) for name in PROMISED}))


if __name__ == "__main__":
    main()
