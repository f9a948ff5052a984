"""What a campaign's thresholds would call a copy, among files that their owner knows.

Every file or row is read as a contributor's would be, one after the other, and compared with those before
it; also with what is a little beyond the thresholds, so that one sees what others would change.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from commonground.carried import PART_BYTES_MAX
from commonground.lines import require_encoding
from commonground.tables import Form, Table, form_of
from node.bringing.columns import COLUMNS_SHOWN, Named, find_columns, lacking
from node.bringing.folders import FileItems
from node.bringing.rows import table_items
from node.drafts import Draft, Drafts, LeftOut, PartSource
from node.encodings import in_utf8
from node.intake import prepare_content, read_content
from protocol.errors import CommonholdError, ConfigError, StateError
from protocol.limits import LIKELY_PERMILLE_MAX, STRICT_PERMILLE_MAX
from protocol.media import CSV, MEDIA, OPAQUE, TEXT, media_type_of
from protocol.review.copies import likely_permille, strict_permille
from protocol.review.fingerprints import KIND_OF, identity
from protocol.review.index import DuplicateIndex, likely_distance, strict_distance
from protocol.rows import Campaign, CopyTerms, PartTerms
from protocol.text import quoted

FILES_MAX: Final = 10_000  # minutes of decoding; samples tell enough
PAIRS_MAX: Final = 100_000  # of files that are all alike, every pair is one
_ANY_PART: Final = "content"  # as a part is called where a campaign does not say
_ANY: Final = (PartTerms(_ANY_PART, (TEXT.name,), PART_BYTES_MAX, optional=False),)
# What is listed beyond the thresholds: so many times as far.
BEYOND: Final = 2
STEPS: Final = (0, 0.5, 0.75, 1, 1.25, 1.5, 2)  # of the present threshold


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of files, or a table, and how it is read."""

    path: Path
    named: Named = field(default_factory=Named)
    encoding: str = ""
    header: bool = True


@dataclass(frozen=True, slots=True)
class Sample:
    """A file or a row's part that could be submitted. `medium`: picture, text, sound or file."""

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
    source: Source, campaign: Campaign | None, told: Callable[[int, int], None]
) -> tuple[list[Sample], dict[str, str]]:
    """The files of a folder, or the rows of a table, and why others are left out; `told` hears how many of
    how many are read. Which columns a table has, the campaign says.

    Raises ConfigError where the path cannot be used, StateError where nothing can be decoded here.
    """
    drafts = _drafts(source, campaign)
    count = sum(isinstance(each, Draft) for each in drafts)
    if count > FILES_MAX:
        raise ConfigError(
            f"{source.path} holds {count:,} files or rows", f"give at most {FILES_MAX:,}"
        )
    samples: list[Sample] = []
    left_out: dict[str, str] = {}
    read = 0
    for draft in drafts:
        if isinstance(draft, LeftOut):
            left_out[draft.name] = draft.reason
            continue
        told(read, count)
        read += 1
        for part in draft.parts:
            name = draft.name if len(draft.parts) == 1 else f"{draft.name} {part.name}"
            try:
                samples.append(_sample(name, part))
            except StateError:  # this machine's fault, and no file's
                raise
            except CommonholdError as error:
                left_out[name] = str(error)
    if not samples:
        why = next((f": {name}: {reason}" for name, reason in left_out.items()), "")
        raise ConfigError(
            f"{source.path} holds nothing that can be submitted{why}",
            "give the folder that holds samples, or a table whose rows they are",
        )
    return samples, left_out


def _drafts(source: Source, campaign: Campaign | None) -> Drafts:
    require_encoding(source.encoding)
    path, parts = source.path, _ANY if campaign is None else campaign.parts
    form = Form.JSON if path.suffix.lower() == ".json" else form_of(path)
    if os.path.isdir(path) or form is None:
        takes = {each for part in parts for each in part.media_types}
        tables = CSV.name in takes
        return FileItems([path], _ANY_PART, "", tables=tables, encoding=source.encoding)
    table = Table(path, form, source.encoding, header=source.header)
    # Of copies only what every item has is told.
    required = [part for part in parts if not part.optional]
    header = table.columns()
    columns = find_columns(header, required, source.named, takes_answers=False)
    if columns is None:
        missing = lacking(header, required, source.named)
        raise ConfigError(
            f"{path} has no column for {' and none for '.join(missing)}; its columns are"
            f" {', '.join(map(quoted, header[:COLUMNS_SHOWN]))}",
            "say which it is: --column PART=COLUMN; and --no-header if the first row is a sample",
        )
    items = table_items(table, columns, required)
    return replace(items, encoding=source.encoding)


def _sample(name: str, part: PartSource) -> Sample:
    """What a contributor's node would make of it."""
    if part.path is None and not part.data:
        content, media_type = part.text.encode(), TEXT.name
    else:
        content, suffix = part.data, ""
        if part.path is not None:
            content = in_utf8(read_content(part.path), part.encoding).content
            suffix = part.path.suffix
        media_type = media_type_of(content, suffix)
    made = prepare_content(content, media_type, [media_type], PART_BYTES_MAX, scale=True)
    return Sample(name, MEDIA[media_type].shown.value, made.fingerprint)


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
