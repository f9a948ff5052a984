"""Making a node: its keys, its settings, and its registration."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from commonhold.cli import node_report
from commonhold.cli.node_home import make_keys, open_store
from commonhold.cli.node_people import refusal
from commonhold.cli.node_sending import deliver
from commonhold.cli.output import emit, say
from node.config import DEFAULT_LISTEN, NodeConfig, load_config, locate, write_config
from node.keys import passphrase_file
from node.registration import ASK_AGAIN, registration, why_not_joined
from node.reviewers import check_reviewer
from protocol.errors import ConfigError, Unreachable
from protocol.identity import name_of
from protocol.invitation import Ticket
from protocol.log.link import NetworkLink


def join_first(
    link: NetworkLink,
    directory: Path | None,
    passphrase_path: Path | None,
    listen: Sequence[str] = DEFAULT_LISTEN,
) -> None:
    """Makes a node with ordinary settings where there is none yet, so that one command joins and goes on.

    Raises ConfigError where there is one of another network.
    """
    home = locate(directory)
    if not home.config.exists():
        config = NodeConfig(link.without_invitation(), listen=tuple(listen))
        init(
            *(config, link.invitation, directory),
            encrypt=False,
            passphrase_path=passphrase_path,
            as_json=False,
        )
    elif load_config(home).link.network != link.network:
        raise ConfigError(
            f"the node in {home.root} is of another network", "use another directory with --dir"
        )


def init(
    config: NodeConfig,
    invitation: Ticket | None,
    directory: Path | None,
    *,
    encrypt: bool,
    passphrase_path: Path | None,
    as_json: bool,
) -> None:
    """Makes what is missing; what an interrupted call made already is kept.

    Raises ConfigError, before anything is made, for a reviewer that there is not; and Reject, after all is
    made, when the network does not take the person in.
    """
    for specification in filter(None, config.reviewers.values()):
        check_reviewer(specification, config.chat)
    home = locate(directory)
    if home.config.exists():
        raise ConfigError(
            f"there is a node in {home.root} already",
            f"its settings are in {home.config}; for another node use another directory with --dir",
        )
    home.create()
    keys = make_keys(home, passphrase_file(passphrase_path), encrypt)
    with open_store(home) as store:
        store.enqueue(registration(keys, config.link.network, None, invitation))
        node_report.remember_names(store, keys)
        write_config(home, config)  # last: its presence says that the node is whole
        try:
            asyncio.run(deliver(home, config, store, reports="register"))
        except Unreachable as error:
            say(
                str(error),
                f"Your registration is kept, and sent by `commonhold node start{home.arguments}` or with your"
                " first submission.",
            )
        reason = why_not_joined(store)
    emit(
        {
            "person": name_of(keys.person),
            "peer_id": keys.peer_id,
            "payout_address": "0x" + keys.payout_address.hex(),
            "directory": str(home.root),
            "network": config.link.name,
            "refused": reason,
        },
        as_json,
        lambda: [
            f"Your name in {config.link.name}: {name_of(keys.person)}",
            f"This machine is:  {keys.peer_id}",
            f"You are paid at:  0x{keys.payout_address.hex()}",
            f"Keep a copy of:   {home.keys}",
        ],
    )
    if reason:
        raise refusal(reason, ASK_AGAIN)
