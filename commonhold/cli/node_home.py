"""What every `commonhold node` command does first: the directory, the keys, the daemon's lock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from commonground.locks import is_held
from commonhold.cli.output import ask
from node.config import NodeConfig, NodeDirectory, load_config, locate
from node.keys import (
    MachineKey,
    NodeKeys,
    generate_keys,
    generate_machine_key,
    load_any_keys,
    load_keys,
    passphrase_file,
    read_passphrase,
    save_keys,
)
from node.store import Store
from protocol.errors import ConfigError
from protocol.money.settlement import ETHER
from protocol.state import SHARES


def open_home(directory: Path | None) -> tuple[NodeDirectory, NodeConfig]:
    """The directory and its settings; raises ConfigError when there is no node in it."""
    home = locate(directory)
    return home, load_config(home)


def open_store(home: NodeDirectory) -> Store:
    """The node's database."""
    return Store(home.database)


def open_keys(home: NodeDirectory, file: Path | None) -> NodeKeys:
    """The keys; asks for the passphrase when they are sealed and no file has it."""
    return load_keys(home.keys, passphrase_from(file))


def passphrase_from(file: Path | None) -> Callable[[], bytes]:
    """Gives the passphrase of sealed keys: the one in the file, or what the person answers, asked once."""

    @cache
    def passphrase() -> bytes:
        chosen = passphrase_file(file)
        return read_passphrase(chosen) if chosen else ask_passphrase(confirm=False)

    return passphrase


def make_keys(home: NodeDirectory, file: Path | None, encrypt: bool) -> NodeKeys:
    """New keys, or those of an `init` that was interrupted before it wrote the settings."""
    passphrase = _new_passphrase(home, file)
    if not home.keys.exists():
        save_keys(home.keys, generate_keys(), passphrase() if file or encrypt else None)
    return load_keys(home.keys, passphrase)


def make_machine_key(home: NodeDirectory, file: Path | None, encrypt: bool) -> MachineKey:
    """Likewise, for a machine that is to join a person."""
    passphrase = _new_passphrase(home, file)
    if not home.keys.exists():
        save_keys(home.keys, generate_machine_key(), passphrase() if file or encrypt else None)
    keys = load_any_keys(home.keys, passphrase)
    if isinstance(keys, NodeKeys):
        raise ConfigError(
            f"the keys in {home.keys} are somebody's already", "use another directory with --dir"
        )
    return keys


def _new_passphrase(home: NodeDirectory, file: Path | None) -> Callable[[], bytes]:
    @cache
    def passphrase() -> bytes:
        return read_passphrase(file) if file else ask_passphrase(confirm=not home.keys.exists())

    return passphrase


def ask_passphrase(confirm: bool) -> bytes:
    """Asks the person at the terminal; raises ConfigError when there is none."""
    if not sys.stdin.isatty():
        raise ConfigError(
            "the keys need a passphrase, and there is no terminal to ask at",
            "name a file that holds it with --passphrase-file or $COMMONHOLD_PASSPHRASE_FILE",
        )
    answer = ask("Passphrase", hide_input=True, confirmation_prompt=confirm)
    return answer.encode()


def is_running(home: NodeDirectory) -> bool:
    """Whether a daemon holds the lock of this directory."""
    return is_held(home.lock)


def asset_name(asset: bytes) -> str:
    """An asset as people know it; amounts of shares are micro-shares, of ether wei."""
    if asset == SHARES:
        return "shares"
    return "ether" if asset == ETHER else f"0x{asset.hex()}"
