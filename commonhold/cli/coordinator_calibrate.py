"""The command `commonhold coordinator campaign calibrate`: what a campaign's thresholds would call a copy, on
the operator's own samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from commonground.counting import plural
from commonhold.cli.output import JsonFlag, Printed, emit, guarded, note, progress, table

if TYPE_CHECKING:
    from commonhold.calibration import Pair, Sample, Step

PAIRS_SHOWN: Final = 40
_WORDS: Final = {"copy": "a copy", "shown": "shown to reviewers", "neither": "neither"}


@guarded
def campaign_calibrate(
    *,
    path: Annotated[
        Path,
        typer.Argument(help="A folder of files, or a table, as contributors would submit them."),
    ],
    campaign: Annotated[
        Path | None, typer.Option(help="TOML file of the campaign; else the defaults.")
    ] = None,
    copies: Annotated[
        list[str] | None,
        typer.Option(help="Other thresholds to try, MEDIUM:STRICT:LIKELY in per mille; repeat."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=COLUMN", help="Which column of a table a part is; repeat for each."
        ),
    ] = None,
    no_header: Annotated[
        bool,
        typer.Option(
            "--no-header", help="The table has no first row of names: columns are 1, 2 and so on."
        ),
    ] = False,
    encoding: Annotated[
        str, typer.Option(help="What tables and texts are in, if not UTF-8 or UTF-16: as cp1252.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Show what would be called a copy among your own samples, and what other thresholds would change.

    Nothing is submitted or logged. A pair of honest samples that is called a copy says that the strict
    threshold is too high for them; 0 leaves it to reviewers.
    """
    from commonground.copying import words_of
    from commonhold.calibration import Source, compare, read_samples, steps
    from coordinator.campaigns import read_draft
    from coordinator.copying import parse_copy_terms
    from node.bringing.columns import parse_named
    from protocol.media import MEDIA
    from protocol.rows import Campaign, CopyTerms, row_of

    record = read_draft(b"", campaign, {}).whole() if campaign is not None else None
    said = parse_copy_terms(copies or []) if record is None or copies else record.copies
    terms = row_of(CopyTerms, said)
    source = Source(path, parse_named(column or [], ""), encoding, header=not no_header)
    with progress(as_json) as bar:
        task = bar.add_task("reading", total=None)
        samples, left_out = read_samples(
            source,
            None if record is None else Campaign.of(record),
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    pairs = compare(samples, terms)
    around = steps(samples, pairs, terms)
    for name, why in left_out.items():
        note(f"left out: {name}: {why}")
    emit(
        {
            "samples": len(samples),
            "left_out": left_out,
            "terms": asdict(terms),
            "pairs": [asdict(pair) for pair in pairs],
            "steps": [asdict(step) for step in around],
        },
        as_json,
        lambda: _shown(samples, pairs, around, words_of(terms, MEDIA)),
    )


def _shown(
    samples: Sequence[Sample], pairs: Sequence[Pair], around: Sequence[Step], words: list[str]
) -> Printed:
    counts = Counter(pair.verdict for pair in pairs)
    head = (
        f"{plural(len(samples), 'sample')}. Pairs that are copies: {counts['copy']:,};"
        f" that reviewers would be shown: {counts['shown']:,}"
    )
    near: list[list[object]] = [
        [_WORDS[pair.verdict], _far(pair.strict), _far(pair.likely), pair.earlier, pair.later]
        for pair in pairs[:PAIRS_SHOWN]
    ]
    title = f"Nearest pairs, {len(near)} of {len(pairs):,}"
    nearest = table(title, ["would be", "strict ‰", "likely ‰", "earlier", "later"], near)
    columns = ["medium", "threshold", "‰", "samples with an earlier one within it"]
    others: list[list[object]] = [
        [each.medium, each.rule, f"{each.permille}{' (now)' * each.is_present}", each.samples]
        for each in around
    ]
    would = table("What other thresholds would do", columns, others)
    return [*words, head, *([nearest] if pairs else []), would]


def _far(permille: int) -> str:
    return str(permille) if permille < 1000 else "-"
