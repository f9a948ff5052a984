"""`commonhold verify`: anyone checks a network from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commonhold.cli.output import JsonFlag, guarded
from protocol.errors import ConfigError


@guarded
def command(
    where: Annotated[
        str,
        typer.Argument(
            help="URL of a coordinator's HTTP port, a folder, a network link, a dataset."
        ),
    ] = "",
    *,
    key: Annotated[
        str, typer.Option(help="The log's verifier key, from someone other than the coordinator.")
    ] = "",
    save: Annotated[
        Path | None, typer.Option(help="Keep a complete copy of the log in this folder.")
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(help="A copy or a checkpoint that you kept: the log has to extend it."),
    ] = None,
    alarm: Annotated[
        Path | None, typer.Option(help="Check this alarm of a node instead, with the link or key.")
    ] = None,
    rpc_url: Annotated[
        str, typer.Option(help="Compare the settlement on chain with the log's, at this endpoint.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Check a network from outside: its log, its verdicts, its payouts. Or check a dataset, or an alarm.

    Reads the whole public log, checks every signature and hash, and computes every draw, verdict,
    reputation and payout again. Exit code 0: all of it holds. 1: it does not, and the message names
    the entry. Trusts nothing but the log's key: pass --key or the network link, else the key is taken
    from the log itself, which shows that it is consistent, not whose it is.

    A copy that --save made grows when it is saved again. A log that does not extend it, or what --since
    names, ends with 1; the copy stays as it is, and what contradicts it is kept beside it.

    A folder that `coordinator export` made is checked as a dataset, offline: its signature, its files,
    and every item against the log of --key.

    An alarm is checked offline, with the network link as the argument. Exit code 0: it proves that the
    log's key signed what cannot be honest. 7: it is one node's word. 1: it does not hold.
    """
    from commonhold.cli import verify_alarm, verify_dataset, verify_log

    if alarm is not None:
        verify_alarm.check(alarm, key or where, as_json)
    elif not where:
        raise ConfigError(
            "there is nothing to verify", "name a network link, a URL, a folder, or an --alarm"
        )
    elif verify_dataset.is_dataset(where):
        verify_dataset.check(Path(where), key, as_json)
    else:
        verify_log.check(where, key, save=save, since=since, rpc_url=rpc_url, as_json=as_json)
