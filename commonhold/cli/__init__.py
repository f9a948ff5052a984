"""`commonhold`: one module for each group of commands, each imported only when it is used."""

from __future__ import annotations

import sys

from commonhold.cli.training import go_on_at_once


def main() -> None:
    """Entry point of the console script."""
    go_on_at_once(sys.argv[1:])
    from commonhold.cli.root import (
        main as run,
    )  # of which a command that went on elsewhere has no need

    run()


__all__ = ["main"]
