"""`commonhold node`: what a contributor types. The daemon's commands are in node_work.py.

Here are the signatures; what a command does is in a module of its own, imported when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commonhold.cli import node_bring, node_vote, node_work
from commonhold.cli.options import (
    DirOption,
    InviteCountOption,
    InviteEpochsOption,
    ListenOption,
    PassphraseOption,
    ReviewCampaignsOption,
    ReviewersOption,
    ReviewKindsOption,
)
from commonhold.cli.output import JsonFlag, guarded

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Contribute: submit data, review, see what you earned, claim it.",
)


@app.command()
@guarded
def init(
    *,
    link: Annotated[
        str,
        typer.Option(
            help="The network link that you were given, in quotes; - reads it from standard input, where"
            " an invitation in it is seen by nobody else on this machine."
        ),
    ],
    directory: DirOption = None,
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC endpoint of the chain that pays, for claims.")
    ] = "",
    reviewer: ReviewersOption = None,
    stand_by: Annotated[bool, typer.Option(help="Offer to review.")] = True,
    campaign: ReviewCampaignsOption = None,
    kind: ReviewKindsOption = None,
    listen: ListenOption = None,
    announce: Annotated[
        list[str] | None,
        typer.Option(
            help="HOST:PORT where others are to dial this node; repeat. Default: what its interfaces say."
        ),
    ] = None,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Ask for a passphrase for the keys.")
    ] = False,
    passphrase_path: Annotated[
        Path | None,
        typer.Option("--passphrase-file", help="Seal the keys with this file's passphrase."),
    ] = None,
    join: Annotated[
        bool,
        typer.Option("--join", help="This is a further machine of yours, not a new person."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a node: keys, settings, and your registration with the network.

    The keys are your name and your money: keep a copy of keys.json in a safe place. Nobody can
    restore them for you. Where you offer to review, and what reviews for you, is in node.toml from
    then on. Most networks take you in by an invitation, which is in the link: it is used up, and kept
    nowhere. If it was refused, get another, and `node register`.

    With --join the machine gets a key of its own, and prints a request for `node delegate` on your first
    machine. Never copy keys.json to a machine that runs beside the first.
    """
    from commonhold.cli import node_machines, node_setup
    from commonhold.cli.node_people import read_link
    from node.config import DEFAULT_LISTEN, NodeConfig, read_reviewers

    given = read_link(link)
    config = NodeConfig(
        given.without_invitation(),
        listen=tuple(listen) if listen else DEFAULT_LISTEN,
        announce=tuple(announce or ()),
        rpc_url=rpc_url,
        stand_by=stand_by,
        review_campaigns=tuple(campaign or ()),
        review_kinds=tuple(kind or ()),
        reviewers=read_reviewers(reviewer or ()),
    )
    if join:
        node_machines.init_joining(
            config, directory, encrypt=encrypt, passphrase_path=passphrase_path, as_json=as_json
        )
        return
    node_setup.init(
        *(config, given.invitation, directory),
        encrypt=encrypt,
        passphrase_path=passphrase_path,
        as_json=as_json,
    )


@app.command()
@guarded
def delegate(
    request: Annotated[str, typer.Argument(help="What `node init --join` printed, chr1…")],
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask whether the request is yours.")
    ] = False,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let another machine of yours sign for you: prints the grant that it takes.

    Your root key signs it, and must be on this machine. Nothing secret leaves it: request and grant may
    travel by any way. Whoever sent you somebody else's request asks you to give your name away.
    """
    from commonhold.cli import node_machines

    node_machines.delegate(request, yes, directory, passphrase_path, as_json)


@app.command()
@guarded
def join(
    grant: Annotated[
        str, typer.Argument(help="What `node delegate` printed, chg1…; none: show the request.")
    ] = "",
    *,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Join yourself with this machine, which `node init --join` made, and have that logged."""
    from commonhold.cli import node_machines

    node_machines.join(grant, directory, passphrase_path, as_json)


@app.command()
@guarded
def register(
    link: Annotated[
        str,
        typer.Argument(
            help="A link with another invitation, or - to read it from standard input; none: ask again"
            " with the one that you had."
        ),
    ] = "",
    *,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask to be taken in once more, if the network refused your registration."""
    from commonhold.cli import node_people

    node_people.register(link, directory, passphrase_path, as_json)


@app.command()
@guarded
def payee(
    address: Annotated[
        str,
        typer.Argument(help="Where to be paid: 0x…, a contract, too, or your own account again."),
    ],
    *,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Be paid at another address: a Safe, say, or any account that is not this node's.

    It has to agree on chain first. Until the log has read that it did, this says which call it has to send,
    and ends with 5. What was promised before stays at the old address; `node claim` fetches both.
    """
    from commonhold.cli import node_payee

    node_payee.payee(address, directory, passphrase_path, as_json)


@app.command()
@guarded
def invite(
    *,
    count: InviteCountOption = 1,
    epochs: InviteEpochsOption = None,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Invite others: prints a link for each, if your work here has shown to be right.

    You answer for whom you invite: the log says so for ever. An invitation counts when it is used.
    """
    from commonhold.cli import node_people
    from commonhold.cli.invitations import EPOCHS_DEFAULT

    node_people.invite(count, epochs or EPOCHS_DEFAULT, directory, passphrase_path, as_json)


@app.command()
@guarded
def status(
    directory: DirOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the coordinator; show what is known here.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show who you are, how far your items are, what waits to be sent, and what you earned."""
    from commonhold.cli import node_show

    node_show.status(directory, offline, as_json)


@app.command()
@guarded
def statement(
    epoch: Annotated[int | None, typer.Option(min=1, help="One epoch only.")] = None,
    items: Annotated[
        bool, typer.Option("--items", help="Say, too, what was decided of each of your items.")
    ] = False,
    directory: DirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Explain each amount that you earned; --json adds the proof of each line.

    Every line is in the public log: anybody can recompute it with `commonhold verify`.
    """
    from commonhold.cli import node_show

    node_show.statement(epoch, items, directory, as_json)


@app.command()
@guarded
def campaigns(directory: DirOption = None, as_json: JsonFlag = False) -> None:
    """List what the network asks for: questions, parts of items, licences, prices, windows."""
    from commonhold.cli import node_show

    node_show.campaigns(directory, as_json)


@app.command()
@guarded
def alarms(
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="Go on with this network, at your own risk.")
    ] = False,
    directory: DirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show evidence that the operator lied, and the files that show it to others.

    A node with such an alarm sends and signs nothing. Alarms of the kinds chain and chain-root rest on your
    endpoint's word: the node goes on, but while one of the kind chain is open it signs nothing about money.
    """
    from commonhold.cli import node_show

    node_show.alarms(acknowledge, directory, as_json)


@app.command()
@guarded
def copy(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    *,
    directory: DirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a copy of the whole public log, as this node has checked it.

    `commonhold verify` reads it, a coordinator that lost entries restores from it, and any web server can
    publish it. Nothing of yours is in it that the log does not show to everybody.
    """
    from commonhold.cli import node_show

    node_show.copy(folder, directory, as_json)


node_bring.register(app)
node_work.register(app)
node_vote.register(app)
