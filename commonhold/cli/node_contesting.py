"""The command `commonhold node contest`."""

from __future__ import annotations

from typing import Annotated

import typer

from commonhold.cli.options import DirOption, PassphraseOption
from commonhold.cli.output import JsonFlag, guarded


@guarded
def contest(
    item: Annotated[
        str, typer.Argument(help="The item's id, or as many first digits as tell it apart.")
    ],
    *,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say that an item of yours is no copy, or no derivative: reviewers who have not seen it decide.

    Once for each item that is set aside as a copy, by a fingerprint or by reviewers, or that earned a part
    of the price. It joins its campaign's next round, where they see it beside the earlier item and decide
    all of it again, the answer too: a copy earns nothing, a derivative a part of the price, an independent
    item all of it. Who cannot tell, or is not shown the earlier item, leaves it what it was. It counts among
    the items that you may submit in this epoch. Leave your node running: they fetch the item from it.
    """
    from commonhold.cli import node_contest

    node_contest.contest(
        item, directory=directory, passphrase_path=passphrase_path, as_json=as_json
    )
