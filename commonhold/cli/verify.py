"""`commonhold verify`: anyone checks a network from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commonhold.cli.output import JsonFlag, guarded


@guarded
def command(
    where: Annotated[
        str,
        typer.Argument(
            help="URL of a coordinator's HTTP port, a folder, a network link, a dataset."
        ),
    ],
    key: Annotated[
        str, typer.Option(help="The log's verifier key, from someone other than the coordinator.")
    ] = "",
    save: Annotated[
        Path | None, typer.Option(help="Keep a complete copy of the log in this folder.")
    ] = None,
    rpc_url: Annotated[
        str, typer.Option(help="Hold the contracts on chain against the log too, at this endpoint.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Check a network from outside: its log, its verdicts, its payouts. Or check a dataset.

    Reads the whole public log, checks every signature and hash, and computes every draw, verdict,
    reputation and payout again. Exit code 0: all of it holds. 1: it does not, and the message names
    the entry. Trusts nothing but the log's key: pass --key or the network link, else the key is taken
    from the log itself, which shows that it is consistent, not whose it is.

    With --rpc-url the chain is held against the log: the contracts' code and wires, every event both ways,
    roots, shares and claims. Exit code 1: something does not agree. 7: it could not be compared, which is no
    pass. Without it the chain is not looked at.

    A folder that `coordinator export` made is checked as a dataset, offline: its signature, its files,
    and every item against the log of --key.
    """
    from commonhold.cli import verify_dataset, verify_log

    if verify_dataset.is_dataset(where):
        verify_dataset.check(Path(where), key, as_json)
    else:
        verify_log.check(where, key, save, rpc_url, as_json)
