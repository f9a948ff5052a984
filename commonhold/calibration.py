"""What a campaign's thresholds would call a copy, among files that their owner knows.

Every file is read as a contributor's would be, one after the other, and compared with those before it; also
with what is a little beyond the thresholds, so that one sees what others would change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonground.carried import PART_BYTES_MAX
from node.bringing.folders import File, walk
from node.intake import prepare_content, read_content
from protocol.errors import CommonholdError, ConfigError, StateError
from protocol.limits import LIKELY_PERMILLE_MAX, STRICT_PERMILLE_MAX
from protocol.media import MEDIA, OPAQUE, media_type_of
from protocol.review.copies import likely_permille, strict_permille
from protocol.review.fingerprints import KIND_OF, identity
from protocol.review.index import DuplicateIndex, likely_distance, strict_distance
from protocol.rows import CopyTerms

FILES_MAX: Final = 10_000  # minutes of decoding; samples tell enough
PAIRS_MAX: Final = 100_000  # of files that are all alike, every pair is one
# What is listed beyond the thresholds: so many times as far.
BEYOND: Final = 2
STEPS: Final = (0, 0.5, 0.75, 1, 1.25, 1.5, 2)  # of the present threshold


@dataclass(frozen=True, slots=True)
class Sample:
    """A file that could be submitted. `medium`: picture, text, sound or file."""

    name: str
    medium: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Pair:
    """Two samples, the earlier first, and how far apart they are by either rule, in per mille."""

    earlier: str
    later: str
    medium: str
    strict: int
    likely: int
    is_same: bool  # in content: a copy under every threshold
    verdict: str  # copy, shown (to reviewers), or neither


@dataclass(frozen=True, slots=True)
class Step:
    """What one threshold would do: how many of the samples have an earlier one within it."""

    medium: str
    rule: str  # strict or likely
    permille: int
    samples: int
    is_present: bool


def read_samples(
    folder: Path, told: Callable[[int, int], None]
) -> tuple[list[Sample], dict[str, str]]:
    """The files of a folder, and why others are left out; `told` hears how many of how many are read.

    Raises ConfigError where the folder cannot be used, StateError where nothing can be decoded here.
    """
    found = list(walk(folder, tables=True))
    files = [each for each in found if isinstance(each, File)]
    left_out = {each.name: each.reason for each in found if not isinstance(each, File)}
    if len(files) > FILES_MAX:
        raise ConfigError(
            f"{folder} holds {len(files):,} files", f"give a folder of at most {FILES_MAX:,}"
        )
    samples = []
    for at, file in enumerate(files):
        told(at, len(files))
        try:
            samples.append(_sample(file))
        except StateError:  # this machine's fault, and no file's
            raise
        except CommonholdError as error:
            left_out[file.name] = str(error)
    if not samples:
        raise ConfigError(
            f"{folder} holds nothing that can be submitted", "Give the folder that holds samples."
        )
    return samples, left_out


def _sample(file: File) -> Sample:
    content = read_content(file.path)
    media_type = media_type_of(content, file.path.suffix)
    made = prepare_content(content, media_type, [media_type], PART_BYTES_MAX, scale=True)
    return Sample(file.name, MEDIA[media_type].shown.value, made.fingerprint)


def compare(samples: Sequence[Sample], terms: CopyTerms) -> list[Pair]:
    """Every pair that is near, the nearest first. Raises ConfigError where there are too many."""
    index, found = DuplicateIndex[int](), list[Pair]()
    for at, sample in enumerate(samples):
        one = sample.fingerprint
        strict, likely = strict_permille(terms, one), likely_permille(terms, one)
        near = index.near(one, min(BEYOND * strict, STRICT_PERMILLE_MAX))
        alike = index.likely(one, min(BEYOND * likely, LIKELY_PERMILLE_MAX))
        for other in sorted({match.key for match in (*near, *alike)}):
            found.append(_pair(samples[other], sample, strict, likely))
        if len(found) > PAIRS_MAX:
            raise ConfigError(
                f"more than {PAIRS_MAX:,} pairs of these files are alike",
                "Set lower thresholds, or give samples that differ more.",
            )
        index.add(one, at)
    order = ("copy", "shown", "neither")
    return sorted(found, key=lambda pair: (order.index(pair.verdict), pair.strict, pair.likely))


def _pair(earlier: Sample, later: Sample, strict: int, likely: int) -> Pair:
    one, other = earlier.fingerprint, later.fingerprint
    far, farther = strict_distance(one, other), likely_distance(one, other)
    is_same = identity(one) == identity(other)
    if is_same or (strict and far <= strict):
        verdict = "copy"
    else:
        verdict = "shown" if likely and farther <= likely else "neither"
    return Pair(earlier.name, later.name, later.medium, far, farther, is_same, verdict)


def steps(samples: Sequence[Sample], pairs: Sequence[Pair], terms: CopyTerms) -> list[Step]:
    """What other thresholds would do, for each medium that there is."""
    found = []
    for medium in sorted({sample.medium for sample in samples}):
        example = next(sample for sample in samples if sample.medium == medium)
        if KIND_OF[MEDIA[OPAQUE.name].shown] == example.fingerprint[0]:
            continue
        theirs = [pair for pair in pairs if pair.medium == medium]
        for rule, permille, most in (
            ("strict", strict_permille(terms, example.fingerprint), STRICT_PERMILLE_MAX),
            ("likely", likely_permille(terms, example.fingerprint), LIKELY_PERMILLE_MAX),
        ):
            for each in sorted({min(round(permille * step), most) for step in STEPS}):
                within = {pair.later for pair in theirs if _is_within(pair, rule, each)}
                found.append(Step(medium, rule, each, len(within), each == permille))
    return found


def _is_within(pair: Pair, rule: str, permille: int) -> bool:
    far = pair.strict if rule == "strict" else pair.likely
    return pair.is_same or (permille > 0 and far <= permille)
