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

ListenOption = Annotated[
    list[str] | None,
    typer.Option(
        "--listen",
        help="libp2p address to listen on; repeat. Default: a free port of every IPv4 interface,"
        " /ip4/0.0.0.0/tcp/0; /ip4/127.0.0.1/tcp/0 stays on this machine.",
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
        help="Program that reviews for you, in one campaign or in all others: chat:URL#MODEL,"
        " command:PROGRAM, digits:FOLDER, or a plug-in's NAME:…; repeat."
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

# Of both.
InviteCountOption = Annotated[int, typer.Option("--count", min=1, max=10_000, help="How many.")]
InviteEpochsOption = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        min=1,
        max=1_000,
        help="In how many epochs they are good, the present one counted. Default: 3.",
    ),
]


class Admission(StrEnum):
    """How one joins."""

    OPEN = "open"
    INVITATION = "invitation"
    BOND = "bond"
    INVITATION_OR_BOND = "invitation-or-bond"
    INVITATION_AND_BOND = "invitation-and-bond"


# Of a network's policy.
AdmissionOption = Annotated[
    Admission | None,
    typer.Option(
        help="How one joins: by invitation, by a bond in the stake contract, by one or both of them; or open,"
        " by anybody as often as they like. A new network: invitation."
    ),
]
BondOption = Annotated[
    str | None,
    typer.Option(
        help="Least bond of who joins by one, in wei; 0: nobody needs one. A new network: 0.",
        metavar="WEI",
    ),
]
OperatorInvitationsOption = Annotated[
    int | None,
    typer.Option(help="How many may join in an epoch by your invitations. A new network: 1,000."),
]
MemberInvitationsOption = Annotated[
    int | None,
    typer.Option(help="How many may join in an epoch by those of one member. A new network: 3."),
]
InviteStandingOption = Annotated[
    int | None,
    typer.Option(
        help="How much more right than wrong a member's work must be to invite. A new network: 20."
    ),
]
NewcomerItemsOption = Annotated[
    int | None,
    typer.Option(
        help="Items that somebody without standing may submit in an epoch. A new network: 200."
    ),
]
ItemsPerStandingOption = Annotated[
    int | None,
    typer.Option(help="How many more items for each unit of standing. A new network: 10."),
]

SilenceTossesOption = Annotated[
    int | None,
    typer.Option(
        help="Tosses in a row that a witness of the coin may miss; 0: any number. A new network: 20."
    ),
]
SilenceSlashOption = Annotated[
    float | None,
    typer.Option(help="Part of its bond that a longer silence costs, %. A new network: 5."),
]
ModelGraceOption = Annotated[
    int | None,
    typer.Option(
        help="Epochs in which a model may still be licensed after a withdrawal reached it."
    ),
]


class Origin(StrEnum):
    """How an item was made."""

    HUMAN = "human"
    SENSOR = "sensor"
    AGENT = "agent"
    SYNTHETIC = "synthetic"


class ExportAs(StrEnum):
    """The formats of a dataset; all but Parquet are copies of that one."""

    PARQUET = "parquet"
    JSON_LINES = "jsonl"
    CSV = "csv"
    LABEL_STUDIO = "label-studio"
    COCO = "coco"
    YOLO = "yolo"
    HUGGING_FACE = "hugging-face"


class AnswersShown(StrEnum):
    """What a copy says of the answers."""

    ALL = "all"
    VERDICT = "verdict"


class ConsentTo(StrEnum):
    """What the network may do with an item; what every contributor of a dataset has agreed to."""

    TRAIN = "train"
    REDISTRIBUTE = "redistribute"
    COMMERCIAL = "commercial"
