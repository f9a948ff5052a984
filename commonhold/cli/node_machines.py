"""A further machine of a person: `node init --join`, `node delegate` and `node join`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from commonhold.cli import node_report
from commonhold.cli.node_home import (
    make_machine_key,
    open_home,
    open_keys,
    open_store,
    passphrase_from,
)
from commonhold.cli.node_sending import deliver
from commonhold.cli.output import confirm, emit, say
from node.config import NodeConfig, NodeDirectory, locate, write_config
from node.follower import Follower
from node.keys import MachineKey, NodeKeys, join_keys, load_any_keys, passphrase_file
from node.machines import joined, make_grant, make_request, read_grant, read_request
from node.store import Store
from protocol.errors import ConfigError, Reject, StateError, Unreachable
from protocol.identity import KeyId, PersonId, name_of, peer_id_of
from protocol.rules.people import require_room
from protocol.state import State


def init_joining(
    config: NodeConfig,
    directory: Path | None,
    *,
    encrypt: bool,
    passphrase_path: Path | None,
    as_json: bool,
) -> None:
    """Makes a machine that is to sign for a person who is a member already; sends nothing."""
    home = locate(directory)
    if home.config.exists():
        raise ConfigError(
            f"there is a node in {home.root} already",
            "if it waits to join you, `commonhold node join` says how to go on",
        )
    home.create()
    key = make_machine_key(home, passphrase_file(passphrase_path), encrypt)
    write_config(home, config)  # last: its presence says that the node is whole
    _show_request(home, config, key, as_json)


def delegate(
    request: str, yes: bool, directory: Path | None, passphrase_path: Path | None, as_json: bool
) -> None:
    """Lets another machine sign for this person; logs nothing, since the new key has to sign that."""
    home, config = open_home(directory)
    key = read_request(request, config.link.network)
    keys = open_keys(home, passphrase_path)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
    _require_free(follower.state, keys.person, key)
    if not yes:
        _confirm(config.link.name, key)
    grant = make_grant(keys, config.link.network, key)
    emit(
        {"peer_id": peer_id_of(key), "person": name_of(keys.person), "grant": grant},
        as_json,
        lambda: [
            f"{peer_id_of(key)} may sign for you. On that machine:",
            "",
            f"commonhold node join {grant}",
        ],
    )


def _require_free(state: State, person: PersonId, key: KeyId) -> None:
    """What the log would refuse, as far as this node has read it."""
    if state.keys.get(key, person) != person:
        raise StateError(
            "that machine signs for somebody else already",
            "make a new node there, in its own --dir",
        )
    try:
        require_room(state, person, key)
    except Reject as error:
        raise StateError(str(error), "go on with one of the machines that you have") from None


def _confirm(network: str, key: KeyId) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(
            "this lets another machine act in your name, and there is no terminal to ask at",
            "add --yes if the request is your own",
        )
    say(
        f"A machine asks to act for you in {network}: to submit, review and withdraw.",
        f"Its name must be what your new machine shows: {peer_id_of(key)}",
    )
    if not confirm("Is it yours?"):
        raise StateError("nothing was granted")


def join(grant: str, directory: Path | None, passphrase_path: Path | None, as_json: bool) -> None:
    """Takes the grant, and has it logged; without one, shows what is to be granted."""
    home, config = open_home(directory)
    passphrase = passphrase_from(passphrase_path)
    key = load_any_keys(home.keys, passphrase)
    if not grant:
        if isinstance(key, NodeKeys):
            raise StateError(
                f"this machine signs for {name_of(key.person)} already",
                "`commonhold node status` shows which keys do",
            )
        _show_request(home, config, key, as_json)
        return
    delegation = read_grant(grant, config.link.network, key.key)
    keys = join_keys(home.keys, delegation, passphrase)
    with open_store(home) as store:
        node_report.remember_names(store, keys)
        entry = _log(home, config, store, keys)
    emit(
        {
            "person": name_of(keys.person),
            "peer_id": keys.peer_id,
            "network": config.link.name,
            "entry": entry,
        },
        as_json,
        lambda: [
            f"This machine signs for you: {name_of(keys.person)}",
            "You are paid where your first machine said, and claim there.",
            f"next: commonhold node start{home.arguments}",
        ],
    )


def _log(home: NodeDirectory, config: NodeConfig, store: Store, keys: NodeKeys) -> int | None:
    """Has it logged that this machine signs; gives the entry, or None while it waits to be sent."""
    record = joined(keys, config.link.network)
    if not store.enqueue(record):
        store.requeue(record.digest)  # refused before: the person may be a member by now
    try:
        asyncio.run(deliver(home, config, store, reports="delegate"))
    except Unreachable as error:
        say(str(error), f"It is kept, and sent by `commonhold node start{home.arguments}`.")
    row = store.outbox_row(record.digest)
    if row is None or not row.last_error or row.state != "refused":
        return None if row is None else row.receipt_index
    raise Reject(
        f"the network refused this machine: {row.last_error}",
        "see on your first machine, with `commonhold node status`, that you are registered; then repeat this",
    )


def _show_request(
    home: NodeDirectory, config: NodeConfig, key: MachineKey | NodeKeys, as_json: bool
) -> None:
    request = make_request(config.link.network, key.key)
    data: dict[str, Any] = {
        "peer_id": key.peer_id,
        "request": request,
        "directory": str(home.root),
        "network": config.link.name,
    }
    emit(
        data,
        as_json,
        lambda: [
            f"This machine is: {key.peer_id}",
            "It signs for nobody yet. On your first machine:",
            "",
            f"commonhold node delegate {request}",
            "",
            "prints a grant; bring that back here:",
            "",
            f"commonhold node join GRANT{home.arguments}",
        ],
    )
