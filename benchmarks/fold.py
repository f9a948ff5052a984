"""What the rules cost: one full round of 8,192 items and 1,000 reviewers, step by step, and its replay.

    python -m benchmarks.fold [ITEMS] [REVIEWERS]

Steps are timed as everybody replays them: signature, leaves, validation and change together. The seal
compares every item with all earlier ones, so its cost grows with the campaign: see benchmarks.similarity.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from protocol.limits import BATCH_ITEMS_MAX
from protocol.money.earnings import compute_lines
from protocol.review.copies import DEFAULT_COPY_TERMS
from protocol.review.decisions import infer_round
from protocol.review.fingerprints import fingerprint_pixels
from protocol.review.index import DuplicateIndex
from protocol.rules.drawing import compute_draw
from protocol.rules.sealing import compute_seal
from protocol.state import State
from protocol.transition import apply
from tests.simulated import Network, Person, campaign, part

CAMPAIGN: Final = "pictures"
REVIEWERS: Final = 1_000
GOLD: Final = 200
SUBMISSION_ITEMS: Final = 1_024
ACCURACY: Final = 0.9
SIDE_PIXELS: Final = 28
BLOCKS: Final = 7
NOISE: Final = 2_048


def _judge(rng: random.Random) -> Callable[[int], int]:
    return lambda truth: truth if rng.random() < ACCURACY else rng.randrange(10)


def _picture(net: Network) -> bytes:
    """The leaf of an item with a perceptual fingerprint, as an image campaign has them."""
    looks = _fingerprint(net.random, BLOCKS)
    return net.item(net.random.randrange(10), fingerprint=looks, c=CAMPAIGN)


def _fingerprint(rng: random.Random, blocks: int) -> bytes:
    """Of a picture of `blocks` x `blocks` random greys: coarse ones differ as drawings do."""
    greys = np.frombuffer(rng.randbytes(blocks * blocks), dtype=np.uint8).reshape(blocks, blocks)
    pixels = np.kron(greys, np.ones((SIDE_PIXELS // blocks,) * 2, dtype=np.uint8))
    return fingerprint_pixels(pixels.tobytes(), SIDE_PIXELS, SIDE_PIXELS)


def _seek_noise() -> float:
    """Seconds to compare NOISE pictures of pure noise, which no sketch tells apart, with each other."""
    rng, index = random.Random(1), DuplicateIndex[int]()
    fingerprints = [_fingerprint(rng, SIDE_PIXELS) for _ in range(NOISE)]
    began = time.perf_counter()
    for key, fingerprint in enumerate(fingerprints):
        if index.nearest(fingerprint, DEFAULT_COPY_TERMS.picture_strict) is None:
            index.add(fingerprint, key)
    return time.perf_counter() - began


def _replayed(net: Network) -> tuple[dict[str, float], float]:
    """Seconds by kind of record, and in all, of a replay."""
    state, seconds = State(), dict[str, float]()
    began = time.perf_counter()
    for entry in net.log:
        before = time.perf_counter()
        kind = apply(state, entry.raw, entry.leaves).kind
        seconds[kind] = seconds.get(kind, 0.0) + time.perf_counter() - before
    return seconds, time.perf_counter() - began


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def run(items: int = BATCH_ITEMS_MAX, reviewers: int = REVIEWERS) -> dict[str, object]:
    """All figures of one epoch of one round: seconds, unless the name says otherwise."""
    rng = random.Random(1)
    people = [Person(f"reviewer {i}", _judge(rng)) for i in range(reviewers)]
    net = Network(*people)
    pictures = campaign(id=CAMPAIGN, parts=[part("picture", "image/png")])
    net.add(net.operator, "campaign", pictures)
    for start in range(0, items, SUBMISSION_ITEMS):
        leaves = [_picture(net) for _ in range(min(SUBMISSION_ITEMS, items - start))]
        net.submit(people[start // SUBMISSION_ITEMS % reviewers], leaves, CAMPAIGN)
    net.stand_by(*people, c=CAMPAIGN)
    asked = net.campaign(CAMPAIGN)
    computed = {"compute_seal": _timed(lambda: compute_seal(net.state, asked))}
    net.seal(rng.sample(sorted(net.truth), min(GOLD, items)), CAMPAIGN)
    net.toss(net.operator, c=CAMPAIGN)
    computed["compute_draw"] = _timed(lambda: compute_draw(net.state, asked))
    net.draw(CAMPAIGN)
    net.review(*people, c=CAMPAIGN)
    computed["infer_round"] = _timed(lambda: infer_round(net.state, asked, {}))
    net.verdict(CAMPAIGN)
    computed["compute_lines"] = _timed(lambda: compute_lines(net.state))
    net.close()
    seconds, total = _replayed(net)
    figures: dict[str, object] = {
        "items": items,
        "reviewers": reviewers,
        "entries": len(net.log),
        "replay": total,
        "replayed_entries_per_second": len(net.log) / total,
        "replayed_items_per_second": items / total,
    }
    for kind in ("seal", "draw", "verdict", "close"):
        figures[kind] = seconds[kind]
    figures[f"seal of {NOISE} noise pictures"] = _seek_noise()
    return figures | computed


def main() -> None:
    """Prints the table."""
    for name, figure in run(*(int(argument) for argument in sys.argv[1:3])).items():
        print(f"{name:32} {figure:>12,.2f}")


if __name__ == "__main__":
    main()
