"""The lazy reviewer: the same answer to everything.

For tests and demonstrations, which show that it earns nothing. Nobody should run it in earnest.
"""

from __future__ import annotations

from typing import Final

from node.reviewers.interface import Case, Refusal, read_reply
from protocol.errors import ConfigError, Reject


class ConstantReviewer:
    """`constant:WORDS` answers these words to every item, `constant:refuse: REASON` refuses each."""

    name = "constant"
    at_once: Final = 16  # it holds nothing that threads could confuse

    def __init__(self, argument: str) -> None:
        if not argument.strip():
            raise ConfigError("constant needs an answer", "Write constant:WORDS, as in constant:3.")
        try:
            self._reply = read_reply(argument)
        except Reject as error:
            raise ConfigError(str(error), error.advice) from error

    def prepare(self) -> None:
        """Nothing to prepare."""

    def answer(self, case: Case) -> str | Refusal:
        """Always the same words; `ask` is unsure where they answer nothing."""
        return self._reply
