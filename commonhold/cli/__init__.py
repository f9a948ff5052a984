"""`commonhold`: one module for each group of commands, each imported only when it is used."""

from commonhold.cli.root import main

__all__ = ["main"]
