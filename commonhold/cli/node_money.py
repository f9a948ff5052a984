"""The commands of `commonhold node` about money: `claim`, `claimer`, `bond`, `unbond`, `appeal`."""

from __future__ import annotations

from typing import Annotated

import typer

from commonhold.cli.options import DirOption, PassphraseOption
from commonhold.cli.output import JsonFlag, guarded
from protocol.limits import ASSET_AMOUNT_MAX


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold node`."""
    app.command()(claim)
    app.command()(claimer)
    app.command()(bond)
    app.command()(unbond)
    app.command()(appeal)


@guarded
def claim(
    asset: Annotated[
        str, typer.Option(help="shares, ether, or a token's address. Default: everything.")
    ] = "",
    *,
    account: Annotated[
        str,
        typer.Option(
            "--for",
            help="Claim for this account instead, which may be anybody's: you pay the gas, and it is paid.",
        ),
    ] = "",
    to: Annotated[
        str,
        typer.Option(
            help="Send it to this address instead. With --for: if your account is that one's claimer."
        ),
    ] = "",
    old_rpc_url: Annotated[
        str,
        typer.Option(
            help="JSON-RPC endpoint of a chain that the network has left. Default: node.toml."
        ),
    ] = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Claim on chain what settled epochs pay you, wherever you are paid. This node's account pays the gas.

    After a move of the network, what was in force on the contracts that it left is claimed there: as long as
    their chain answers.
    """
    from commonhold.cli import node_claim

    node_claim.claim(
        *(asset, account, to, old_rpc_url),
        directory=directory,
        passphrase_path=passphrase_path,
        as_json=as_json,
    )


@guarded
def claimer(
    address: Annotated[
        str, typer.Argument(help="Who may: 0x… Nothing: show who may at present.")
    ] = "",
    *,
    is_none: Annotated[bool, typer.Option("--none", help="Nobody but you, from now on.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let another address send your payments elsewhere: all that is due, and all to come, to any address.

    It claims with `node claim --for YOURS --to ADDRESS`, until you take it back with --none. It can take what
    you have not claimed, and nothing else.
    """
    from commonhold.cli import node_claimer

    node_claimer.claimer(
        address,
        is_none=is_none,
        yes=yes,
        directory=directory,
        passphrase_path=passphrase_path,
        as_json=as_json,
    )


@guarded
def bond(
    wei: Annotated[
        int, typer.Argument(min=1, max=ASSET_AMOUNT_MAX, help="How much to add, in wei.")
    ],
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Vouch for yourself, with ether of your payout address: where one joins by a bond, and as a witness.

    A newcomer bonds first, and then registers. A witness's node may freeze a wrong root by it. It is at
    stake if you sign two roots for one epoch, and comes back by `unbond`.
    """
    from commonhold.cli import node_bond

    node_bond.bond(wei, directory, passphrase_path, as_json)


@guarded
def unbond(
    wei: Annotated[
        int | None,
        typer.Argument(
            min=1, max=ASSET_AMOUNT_MAX, help="How much, in wei; all of it, if not said."
        ),
    ] = None,
    *,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Begin to take your bond back; after its delay, run it again to have it.

    Who joined by a bond submits nothing, is not drawn and invites nobody without it, and keeps all they
    earned.
    """
    from commonhold.cli import node_bond

    node_bond.unbond(wei, directory, passphrase_path, as_json)


@guarded
def appeal(
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Contest every slash of your bond that is open: then the holders of shares decide.

    In time it costs nothing but gas; without it a slash is carried out when its delay has passed.
    """
    from commonhold.cli import node_bond

    node_bond.appeal(directory, passphrase_path, as_json)
