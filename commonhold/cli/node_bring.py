"""`commonhold node submit`, `scan`, `send`: what a contributor brings. Their work is done elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commonhold.cli.options import ConsentTo, DirOption, Origin, PassphraseOption
from commonhold.cli.output import JsonFlag, guarded
from node.bringing.formats import Format
from node.privacy.choice import Choice

PersonalDataOption = Annotated[
    Choice | None,
    typer.Option(
        "--personal-data",
        help="What to do where personal data is found: put placeholders in its place, leave these items out,"
        " keep it and have the log say so, or stop. Default: you are asked; without a terminal, stop.",
    ),
]
RegionOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CODE",
        help="Where phone numbers without a country's code may be from, as GB; repeat. Default: where this"
        " machine is set up to be, and where a text's language is spoken.",
    ),
]
FinderOption = Annotated[
    str,
    typer.Option(
        metavar="COMMAND",
        help="A program of yours that finds more, such as names: it reads texts and prints where they are.",
    ),
]
NoHeaderFlag = Annotated[
    bool,
    typer.Option(
        "--no-header", help="The table has no first row of names: columns are 1, 2 and so on."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold node`."""
    app.command()(submit)
    app.command()(scan)
    app.command()(send)


@guarded
def submit(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files, or folders of files.")] = None,
    *,
    campaign: Annotated[str, typer.Option(help="See `commonhold node campaigns`.")],
    licence: Annotated[
        str, typer.Option(help="SPDX identifier that the campaign takes, as CC-BY-4.0.")
    ],
    consent: Annotated[
        list[ConsentTo], typer.Option(help="What the network may do with it; repeat for each.")
    ],
    origin: Annotated[Origin, typer.Option(help="How the items were made.")],
    table: Annotated[
        Path | None,
        typer.Option(
            help="Table of items: CSV, TSV, JSON Lines, Parquet. One PATH that is a table will do, too."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="The answers that you propose for files: a table with the columns file and label."
        ),
    ] = None,
    label: Annotated[str, typer.Option(help="One answer for all files, instead of a list.")] = "",
    label_by_folder: Annotated[
        bool, typer.Option("--label-by-folder", help="A file's answer is the name of its folder.")
    ] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=COLUMN", help="Which column of a table a part is; repeat for each."
        ),
    ] = None,
    answer_column: Annotated[str, typer.Option(help="Which column holds the answers.")] = "",
    no_header: NoHeaderFlag = False,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="What PATH is, if it is not what it looks like."),
    ] = None,
    encoding: Annotated[
        str, typer.Option(help="What tables and texts are in, if not UTF-8 or UTF-16: as cp1252.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be submitted, and what not.")
    ] = False,
    scale: Annotated[
        bool,
        typer.Option("--scale", help="Make pictures smaller that are larger than is taken."),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 10 if anything is left out.")
    ] = False,
    generator: Annotated[
        str, typer.Option(help="Model or tool, for agent and synthetic items.")
    ] = "",
    shows_people: Annotated[
        bool,
        typer.Option(
            "--shows-people", help="All items show or name people: the log says so of each."
        ),
    ] = False,
    personal_data: PersonalDataOption = None,
    region: RegionOption = None,
    finder: FinderOption = "",
    derived_from: Annotated[
        list[str] | None,
        typer.Option(help="Item id (hex) that these derive from; repeat for each."),
    ] = None,
    transformation: Annotated[str, typer.Option(help="How they were derived.")] = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Submit files, or the rows of a table, to a campaign.

    A table has a column for each part of an item: PART is a file, as a path below the table's folder, or the
    text itself, PART_text is always the text, PART_source says what made it, and answer or label is what you
    propose. Where its columns are called otherwise, you are shown what they may mean, and asked.

    Files are copied into the node's directory and stay there; only their commitments and fingerprints
    go into the public log. The members drawn to review a file fetch it from your node, which must be
    running then: `commonhold node start`. What you submitted before is left out, and so is a file that
    cannot be read or that the campaign does not take: you are told which.

    Before anything is signed, texts are searched for personal data by its form: you are shown where it is,
    and asked what to do. Names, addresses, faces and voices are not found: look yourself.
    """
    from commonhold.cli import finding, node_submit
    from node.bringing.columns import parse_named
    from node.bringing.sources import Asked
    from node.planning import Terms
    from protos.gen import records_pb2 as pb

    terms = Terms(
        licence=licence,
        consent=pb.Consent(**{each.value: True for each in consent}),
        origin=node_submit.ORIGINS[origin],
        generator=generator,
        personal_data=shows_people,
        derived_from=tuple(node_submit.item_id(each) for each in derived_from or ()),
        transformation=transformation,
    )
    node_submit.submit(
        campaign,
        Asked(
            paths or [],
            table,
            labels,
            label,
            by_folder=label_by_folder,
            format=form,
            named=parse_named(column or [], answer_column),
            encoding=encoding,
            header=not no_header,
        ),
        terms,
        node_submit.How(dry_run=dry_run, scale=scale, strict=strict, personal_data=personal_data),
        finding.opened(region or (), finder),
        directory=directory,
        passphrase_path=passphrase_path,
        as_json=as_json,
    )


@guarded
def scan(
    paths: Annotated[list[Path], typer.Argument(help="Files, tables, or folders of them.")],
    *,
    region: RegionOption = None,
    finder: FinderOption = "",
    encoding: Annotated[
        str, typer.Option(help="What tables and texts are in, if not UTF-8 or UTF-16: as cp1252.")
    ] = "",
    no_header: NoHeaderFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Look for personal data in files, as `node submit` does. Asks no network, and writes nothing.

    Ends with exit code 11 if there is some. Names, addresses, faces and voices are not found: look yourself.
    """
    from commonhold.cli import finding, node_scan

    node_scan.scan(paths, finding.opened(region or (), finder), encoding, not no_header, as_json)


@guarded
def send(
    directory: DirOption = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Send your proposed answers once more, too: if the operator lost them, and asks for it.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Send what is queued, now. A running node does this by itself."""
    from commonhold.cli import node_submit

    node_submit.send(directory, again, as_json)
