"""`commonhold chain`: an EVM in one process, so that nobody needs a chain to try the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commonhold.cli.addresses import parse_address
from commonhold.cli.background import BackgroundOption, detach
from commonhold.cli.output import JsonFlag, emit, guarded
from contracts import DEVELOPMENT_CHAIN_ID, DEVELOPMENT_CHAIN_IDS
from protocol.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="An embedded EVM for development. Its money is worthless and its keys are public.",
)


@app.callback()
def _chain() -> None:
    """An embedded EVM for development. Its money is worthless and its keys are public."""


@app.command()
@guarded
def dev(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 8545,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that gets the URL once the chain answers.")
    ] = None,
    chain_id: Annotated[
        int,
        typer.Option(
            min=DEVELOPMENT_CHAIN_IDS[0],
            max=DEVELOPMENT_CHAIN_IDS[-1],
            help="Another one, for a network to move to.",
        ),
    ] = DEVELOPMENT_CHAIN_ID,
    background: BackgroundOption = False,
) -> None:
    """Run a chain in memory until interrupted. It forgets everything when it stops.

    Prints its funded accounts; put one's key in a file and give it to
    `commonhold coordinator init --chain-key-file` to deploy and settle there. `commonhold chain fund`
    gives its money to others.
    """
    from contracts.devchain import run

    if background:
        detach(context, None)
        return
    try:
        host.encode("idna")  # as a socket does, which says nothing that helps
        run(host, port, ready_file, chain_id)
    except UnicodeError:
        raise ConfigError(
            f"{host!r} is no address", "name one of this machine with --host"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}", "choose another --port"
        ) from error


@app.command()
@guarded
def fund(
    addresses: Annotated[list[str], typer.Argument(help="Addresses to give to, as 0x…")],
    ether: Annotated[str, typer.Option(help="How much each of them gets.")] = "1",
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC endpoint of the development chain.")
    ] = "http://127.0.0.1:8545",
    as_json: JsonFlag = False,
) -> None:
    """Give ether of a development chain to addresses, so that they can pay for gas.

    Works on `commonhold chain dev`, and on anvil and Hardhat with their usual accounts; refuses
    any other chain.
    """
    from contracts.funding import fund as give
    from contracts.spending import parse_ether

    accounts, wei = [parse_address(text) for text in addresses], parse_ether(ether)
    rows = [
        {
            "address": f"0x{account.hex()}",
            "wei": str(wei),
            "transaction": f"0x{receipt.tx_hash.hex()}",
        }
        for account, receipt in zip(accounts, give(rpc_url, accounts, wei), strict=True)
    ]
    lines = [f"{row['address']} has got {ether} ether ({row['transaction']})" for row in rows]
    emit({"funded": rows}, as_json, lambda: lines)
