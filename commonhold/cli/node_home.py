"""What every `commonhold node` command does first: the directory, the keys, the daemon's lock."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from commonground.locks import is_held
from node.config import NodeConfig, NodeDirectory, load_config, locate
from node.keys import (
    NodeKeys,
    generate_keys,
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

    def passphrase() -> bytes:
        chosen = passphrase_file(file)
        return read_passphrase(chosen) if chosen else ask_passphrase(confirm=False)

    return load_keys(home.keys, passphrase)


def make_keys(home: NodeDirectory, file: Path | None, encrypt: bool) -> NodeKeys:
    """New keys, or those of an `init` that was interrupted before it wrote the settings."""

    def passphrase() -> bytes:
        return read_passphrase(file) if file else ask_passphrase(confirm=not home.keys.exists())

    if not home.keys.exists():
        save_keys(home.keys, generate_keys(), passphrase() if file or encrypt else None)
    return load_keys(home.keys, passphrase)


def ask_passphrase(confirm: bool) -> bytes:
    """Asks the person at the terminal; raises ConfigError when there is none."""
    if not sys.stdin.isatty():
        raise ConfigError(
            "the keys need a passphrase, and there is no terminal to ask at",
            "name a file that holds it with --passphrase-file or $COMMONHOLD_PASSPHRASE_FILE",
        )
    answer = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    return str(answer).encode()


def is_running(home: NodeDirectory) -> bool:
    """Whether a daemon holds the lock of this directory."""
    return is_held(home.lock)


def asset_name(asset: bytes) -> str:
    """An asset as people know it; amounts of shares are micro-shares, of ether wei."""
    if asset == SHARES:
        return "shares"
    return "ether" if asset == ETHER else f"0x{asset.hex()}"
