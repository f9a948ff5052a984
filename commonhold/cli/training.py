"""Training has an environment of its own: `federated open` and `federated join` go on there.

Flower allows only old releases of typer, starlette and uvicorn, and no node or coordinator shall wait for
it. The environment is a second installation of commonhold, with the extra `federated`: the folder beside
ours whose name is ours with `-federated` after it, or the one that COMMONHOLD_FEDERATED names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from commonground.installing import how_to_install
from protocol.errors import ConfigError

ENVIRONMENT_FOLDER: Final = "COMMONHOLD_FEDERATED"
SUFFIX: Final = "-federated"
# From PyPI, torch for Linux comes with gigabytes of CUDA.
TORCH_INDEX: Final = "https://download.pytorch.org/whl/cpu"
# Tells the second process that it is one, and of which version the first was.
_SENT_BY: Final = "COMMONHOLD_SENT_BY"
# What these do they do there, so they go there before anything is loaded: to build the command line twice
# takes a second of a processor, and partners and SuperLink start at the same time.
_AT_ONCE: Final = frozenset({"ask", "join", "open", "resume"})


def go_on_at_once(arguments: Sequence[str]) -> None:
    """The same for a whole command line that is sure to come to it. Returns where it is not, or where there
    is nowhere to go: the command says then what is wrong."""
    group, command = [*arguments[:2], "", ""][:2]
    if group != "federated" or command not in _AT_ONCE or "--help" in arguments:
        return
    if _SENT_BY not in os.environ:
        try:
            go_on_in_training()
        except ConfigError:
            return


def go_on_in_training() -> None:
    """Replaces this process by the same command in the training environment; returns if this is it.

    The process keeps its number, its files and whoever waits for it. Raises ConfigError where there is no
    such environment, or one that is not of our version.
    """
    ours, sent_by = version("commonhold"), os.environ.pop(_SENT_BY, "")
    if sent_by and sent_by != ours:
        raise ConfigError(
            f"this is commonhold {sent_by}, and its environment for training has {ours}",
            _advice(sys.prefix, sent_by),
        )
    if find_spec("flwr") is not None:
        return
    if sent_by:
        raise ConfigError(
            f"the environment for training, {sys.prefix}, lacks what training needs",
            _advice(sys.prefix, ours),
        )
    command = training_command()
    os.execve(command, [str(command), *sys.argv[1:]], os.environ | {_SENT_BY: ours})  # noqa: S606


def training_command() -> Path:
    """The `commonhold` of the training environment. Raises ConfigError when there is none to be trusted."""
    named = os.environ.get(ENVIRONMENT_FOLDER, "")
    folder = Path(named or sys.prefix + SUFFIX)
    command = folder / "bin" / "commonhold"
    if not command.exists():
        raise ConfigError(
            f"training has an environment of its own, and {folder} is none",
            f"python3 -m venv {folder}; then {_advice(str(folder), version('commonhold'))}",
        )
    # Beside an environment in a folder where everybody may write, somebody else could put one.
    if not named and folder.stat().st_uid != Path(sys.prefix).stat().st_uid:
        raise ConfigError(
            f"{folder} does not belong to whom {sys.prefix} belongs to",
            f"if you trust it, set {ENVIRONMENT_FOLDER}={folder}",
        )
    return command


def _advice(folder: str, release: str) -> str:
    install = how_to_install("federated", pip=f"{folder}/bin/pip", release=release)
    return f"{install} --extra-index-url {TORCH_INDEX}"
