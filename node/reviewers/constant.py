"""The lazy reviewer: the same answer to everything.

For tests and demonstrations, which show that it earns nothing. Nobody should run it in earnest.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.errors import ConfigError


class ConstantReviewer:
    """`constant:3` answers label number 3 (from 0) to every item."""

    name = "constant"

    def __init__(self, argument: str) -> None:
        if not (argument.isascii() and argument.isdigit()):
            raise ConfigError(
                f"constant needs the number of a label, not {argument!r}", "Write constant:0."
            )
        self._index = int(argument)

    def prepare(self) -> None:
        """Nothing to prepare."""

    def answer(self, content: bytes, media_type: str, labels: Sequence[str]) -> int | None:
        """Always the same index; `ask` makes it an abstention where there is no such label."""
        return self._index
