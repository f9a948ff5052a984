"""What every `commonhold node` command starts with: the directory, the keys, the daemon's lock."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from commonground.locks import is_held
from node.config import NodeConfig, NodeDirectory, load_config, locate
from node.keys import NodeKeys, load_keys, passphrase_file, read_passphrase
from node.store import Store
from protocol.errors import ConfigError
from protocol.money.settlement import ETHER
from protocol.state import SHARES

DirOption = Annotated[
    Path | None,
    typer.Option(
        "--dir", help="The node's directory. Default: $COMMONHOLD_NODE, else ~/.commonhold/node."
    ),
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File with the passphrase of the keys. Default: $COMMONHOLD_PASSPHRASE_FILE, else asked.",
    ),
]


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
