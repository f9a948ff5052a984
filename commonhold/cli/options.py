"""Options and choices that several commands share. Command modules and bodies may both import this.

A module with commands holds their signatures and imports what does the work when it is called: a help
page must not wait for libp2p.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

# Of a node.
DirOption = Annotated[
    Path | None,
    typer.Option(
        "--dir", help="The node's directory. Default: $COMMONHOLD_NODE, else ~/.commonhold/node."
    ),
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File with the passphrase of the keys. Default: $COMMONHOLD_PASSPHRASE_FILE, else asked.",
    ),
]

ReviewCampaignsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--campaign", help="Review only in this campaign; repeat for each. Default: in all."
    ),
]
ReviewKindsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--kind", help="Review only tasks of this kind (as rate); repeat for each. Default: all."
    ),
]
ReviewersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--reviewer",
        metavar="[CAMPAIGN=]SPEC",
        help="Plug-in that reviews for you, in one campaign or in all others; repeat."
        " Default: you do, `commonhold node review`.",
    ),
]

# Of a coordinator.
HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help="The coordinator's directory. Default: $COMMONHOLD_COORDINATOR, or ./coordinator.",
    ),
]


class Origin(StrEnum):
    """How an item was made."""

    HUMAN = "human"
    SENSOR = "sensor"
    AGENT = "agent"
    SYNTHETIC = "synthetic"


class ConsentTo(StrEnum):
    """What the network may do with an item; what every contributor of a dataset has agreed to."""

    TRAIN = "train"
    REDISTRIBUTE = "redistribute"
    COMMERCIAL = "commercial"
