"""The lazy reviewers: the same answer, or the same refusal, to everything.

For tests and demonstrations, which show that it earns nothing. Nobody should run them in earnest.
"""

from __future__ import annotations

from typing import Final

from node.reviewers.interface import Case, Refusal, read_refusal
from protocol.errors import ConfigError, Reject

AT_ONCE: Final = 16  # they hold nothing that threads could confuse


class ConstantReviewer:
    """`constant:WORDS` answers these words to every item."""

    name = "constant"
    at_once: Final = AT_ONCE

    def __init__(self, argument: str) -> None:
        if not argument.strip():
            raise ConfigError("constant needs an answer", "Write constant:WORDS, as in constant:3.")
        self._words = argument.strip()

    def prepare(self) -> None:
        """Nothing to prepare."""

    def answer(self, case: Case) -> str | Refusal:
        """Always the same words; `ask` is unsure where they answer nothing."""
        return self._words


class RefusingReviewer:
    """`refuse:REASON` gives no answer to any item, and always this reason.

    A name of its own, and no form of words: some campaign may have a label for any words.
    """

    name = "refuse"
    at_once: Final = AT_ONCE

    def __init__(self, argument: str) -> None:
        try:
            self._reason = read_refusal(argument)
        except Reject as error:
            raise ConfigError(str(error), error.advice) from error

    def prepare(self) -> None:
        """Nothing to prepare."""

    def answer(self, case: Case) -> str | Refusal:
        """Always the same reason."""
        return self._reason
