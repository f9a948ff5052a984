"""Honest pictures and sounds that resemble each other, and what copiers do to pictures and texts. Made of
numbers, each series the same every time it is made."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Grey: TypeAlias = NDArray[np.uint8]
Make: TypeAlias = Callable[[np.random.Generator], Grey]

_TEXT: Final = (
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by"
    " word but not what all were we when your can said there use an each which she do how their if will up"
    " other about out many then them these so some her would make like him into time has look two more write"
    " go see number no way could people my than first water been call who oil its now find long down day did"
)
_WORDS: Final = _TEXT.split()


def series(make: Make, count: int, seed: int = 1) -> Iterator[Grey]:
    """`count` pictures of one kind, none of which is a copy of another."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield make(rng)


def flattened(values: NDArray[Any]) -> Grey:
    """As greyscale pixels."""
    return np.ascontiguousarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


# ---- honest pictures ----


def _lines(rng: np.random.Generator, least: int, most: int, wide: int) -> list[str]:
    words = [_WORDS[at] for at in rng.integers(0, len(_WORDS), rng.integers(least, most))]
    return [" ".join(words[at : at + wide]) for at in range(0, len(words), wide)]


def screenshot(rng: np.random.Generator) -> Grey:
    """One program's window; other messages."""
    image = Image.new("L", (390, 844), 255)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 390, 88), fill=80)
    draw.text((150, 50), "Messages", fill=255)
    draw.rectangle((0, 780, 390, 844), fill=235)
    for at in range(4):
        draw.ellipse((40 + 90 * at, 795, 70 + 90 * at, 825), fill=120)
    top = 110
    for _ in range(rng.integers(1, 6)):
        lines, left = _lines(rng, 3, 30, 7), int(rng.choice([20, 120]))
        bottom = top + 14 * len(lines) + 16
        if bottom > 770:
            break
        draw.rounded_rectangle((left, top, left + 250, bottom), 8, fill=230)
        for at, line in enumerate(lines):
            draw.text((left + 8, top + 8 + 14 * at), line, fill=0)
        top = bottom + 12
    return np.asarray(image)


def notice(rng: np.random.Generator) -> Grey:
    """One program's window, with one short text in it."""
    image = Image.new("L", (390, 844), 255)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 390, 88), fill=80)
    draw.rectangle((0, 780, 390, 844), fill=235)
    for at, line in enumerate(_lines(rng, 8, 25, 8)):
        draw.text((20, 120 + 14 * at), line, fill=0)
    return np.asarray(image)


def defect(rng: np.random.Generator) -> Grey:
    """A grey surface with one pit, scratch or spot."""
    image = Image.fromarray(flattened(150 + rng.normal(0, 2, (256, 256))))
    draw = ImageDraw.Draw(image)
    x, y, size = (int(each) for each in (*rng.integers(40, 216, 2), rng.integers(3, 24)))
    match rng.integers(3):
        case 0:
            draw.ellipse((x - size, y - size, x + size, y + size), fill=60)
        case 1:
            to = tuple(int(each) for each in rng.integers(-40, 40, 2))
            draw.line((x, y, x + to[0], y + to[1]), fill=60, width=2)
        case _:
            draw.rectangle((x - size, y - size // 2, x + size, y + size // 2), fill=220)
    return np.asarray(image)


def sky(rng: np.random.Generator) -> Grey:
    """Stars over a glow."""
    glow = 12 + np.linspace(0, 25, 240)[:, None] + rng.normal(0, 2, (240, 320))
    for _ in range(rng.integers(30, 120)):
        y, x = rng.integers(0, 240), rng.integers(0, 320)
        glow[y : y + rng.integers(1, 3), x : x + rng.integers(1, 3)] = rng.integers(120, 255)
    return flattened(glow)


def colour(rng: np.random.Generator) -> Grey:
    """Nothing but one colour; of another size each time, as there are but 256 greys."""
    return np.full(rng.integers(40, 400, 2), rng.integers(0, 256), dtype=np.uint8)


def page(rng: np.random.Generator) -> Grey:
    """A few scanned lines."""
    image = Image.new("L", (300, 400), 245)
    draw = ImageDraw.Draw(image)
    for at, line in enumerate(_lines(rng, 15, 50, 7)):
        draw.text((20, 25 + 14 * at), line, fill=20)
    return flattened(np.asarray(image) + rng.normal(0, 3, (400, 300)))


def spectrogram(rng: np.random.Generator) -> Grey:
    """Noise under a slope, with the overtones of a voice."""
    heard = rng.gamma(1.0, 12, (128, 200))
    for overtone in range(1, 7):
        pitch = (12 + 6 * rng.random()) * overtone
        sway = rng.random() * 6 * np.sin(np.arange(200) / (10 + 20 * rng.random()))
        rows = (127 - pitch - sway).astype(int)
        inside = rows >= 0
        heard[rows[inside], np.flatnonzero(inside)] += 150 / overtone
    return flattened(heard * np.linspace(0.4, 1.3, 128)[:, None])


def chart(rng: np.random.Generator) -> Grey:
    """Bars or a line between the same two axes."""
    image = Image.new("L", (400, 300), 255)
    draw = ImageDraw.Draw(image)
    draw.line((40, 20, 40, 260, 390, 260), fill=0)
    if rng.random() < 0.5:
        for at, high in enumerate(rng.integers(20, 230, 10)):
            draw.rectangle((50 + 34 * at, 260 - int(high), 74 + 34 * at, 260), fill=120)
    else:
        path = 140 + rng.normal(0, 6, 60).cumsum()
        draw.line([(45 + 5.7 * at, float(y)) for at, y in enumerate(path)], fill=90, width=2)
    return np.asarray(image)


def glyph(rng: np.random.Generator) -> Grey:
    """A few thick strokes, as of one letter."""
    image = Image.new("L", (64, 64), 255)
    places = rng.integers(12, 52, (int(rng.integers(3, 6)), 2))
    ImageDraw.Draw(image).line([(int(x), int(y)) for x, y in places], fill=0, width=4)
    return np.asarray(image)


def photo(rng: np.random.Generator) -> Grey:
    """Soft ground at every scale, with some things before it."""
    high, wide = 120, 160
    ground = np.zeros((high, wide))
    for scale in (4, 8, 16, 32, 64):
        coarse = rng.normal(0, 1, (high // scale + 1, wide // scale + 1)).astype(np.float32)
        larger = Image.fromarray(coarse).resize((wide, high), Image.Resampling.BICUBIC)
        ground += scale**0.9 * np.asarray(larger)
    image = Image.fromarray(flattened(128 + (ground - ground.mean()) * 55 / ground.std()))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(2, 6)):
        x, y, size = int(rng.integers(wide)), int(rng.integers(high)), int(rng.integers(8, 40))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x - size, y - size, x + size, y + size), fill=int(rng.integers(256)))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)))


HONEST: Final[dict[str, Make]] = {
    "phone screenshots": screenshot,
    "screenshots, one text": notice,
    "a defect on grey": defect,
    "night skies": sky,
    "flat colours": colour,
    "scanned pages": page,
    "spectrograms": spectrogram,
    "charts": chart,
    "glyphs": glyph,
    "photographs": photo,
}

# ---- copies of pictures ----


def rotated(picture: Grey, degrees: float) -> Grey:
    """On the same canvas; what comes in at the corners has the colour of the corner."""
    image = Image.fromarray(picture)
    return np.asarray(
        image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=int(picture[0, 0]))
    )


def zoomed(picture: Grey, factor: float) -> Grey:
    """On the same canvas: the margins are cut off, or filled with the corner's colour."""
    high, wide = picture.shape
    image = Image.fromarray(picture)
    x, y = wide / 2 * (1 - 1 / factor), high / 2 * (1 - 1 / factor)
    return np.asarray(
        image.transform(
            (wide, high),
            Image.Transform.AFFINE,
            (1 / factor, 0, x, 0, 1 / factor, y),
            Image.Resampling.BILINEAR,
            fillcolor=int(picture[0, 0]),
        )
    )


def resized(picture: Grey, factor: float) -> Grey:
    """In fewer or more pixels."""
    high, wide = (max(1, round(side * factor)) for side in picture.shape)
    return np.asarray(Image.fromarray(picture).resize((wide, high), Image.Resampling.BICUBIC))


def cropped(picture: Grey, share: float) -> Grey:
    """Without so much of each side."""
    down, across = (max(1, round(side * share)) for side in picture.shape)
    return np.ascontiguousarray(picture[down:-down, across:-across])


def padded(picture: Grey, share: float, level: int) -> Grey:
    """In a margin of so much of each side."""
    down, across = (max(1, round(side * share)) for side in picture.shape)
    return np.pad(picture, ((down, down), (across, across)), constant_values=level)


def as_jpeg(picture: Grey, quality: int) -> Grey:
    """Saved with a loss, and opened again."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out))


def with_noise(picture: Grey, sigma: float, seed: int = 1) -> Grey:
    """Gaussian, of each pixel by itself."""
    return flattened(picture + np.random.default_rng(seed).normal(0, sigma, picture.shape))


# ---- copies of texts ----


def edited(text: str, share: float, words: list[str], rng: random.Random) -> str:
    """Some words (one at least) replaced, left out, or followed by another."""
    parts = text.split()
    for place in rng.sample(range(len(parts)), max(1, round(share * len(parts)))):
        kind, other = rng.random(), rng.choice(words)
        parts[place] = other if kind < 0.6 else "" if kind < 0.8 else f"{parts[place]} {other}"
    return " ".join(part for part in parts if part)


# ---- sounds ----


def melody(seed: int, seconds: float = 6.0, hertz: int = 16_000) -> NDArray[np.int16]:
    """Notes of a few overtones, each with a beginning and an end, over some hiss."""
    rng = np.random.default_rng(seed)
    heard = rng.normal(0, 0.01, int(seconds * hertz))
    start = 0
    while start < len(heard):
        length = int(hertz * rng.uniform(0.08, 0.4))
        time = np.arange(min(length, len(heard) - start)) / hertz
        pitch = 110 * 2 ** (rng.integers(0, 36) / 12)
        tones = [rng.random() * np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 6)]
        heard[start : start + len(time)] += np.sum(tones, axis=0) * np.exp(-4 * time) * rng.random()
        start += length
    return np.asarray((heard / np.abs(heard).max() * 20_000).astype(np.int16))
