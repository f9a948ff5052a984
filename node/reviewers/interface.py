"""What a reviewer plug-in implements, and the one place that calls it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

_log = logging.getLogger(__name__)


@runtime_checkable
class Reviewer(Protocol):
    """Answers which of a campaign's labels fits an item.

    Content comes from strangers: a plug-in must not trust it, nor let it leave the machine.
    """

    @property
    def name(self) -> str:
        """Short name for logs and for the record of how an answer was made."""

    def prepare(self) -> None:
        """Load or train whatever answering needs; called once, before the first answer.

        Raises ConfigError with advice if that is impossible.
        """

    def answer(self, content: bytes, media_type: str, labels: Sequence[str]) -> int | None:
        """The index into `labels` of the one that fits, or None to abstain."""


def ask(reviewer: Reviewer, content: bytes, media_type: str, labels: Sequence[str]) -> int | None:
    """The reviewer's answer, or None (an abstention) and a warning if the plug-in misbehaves.

    A plug-in is foreign code: whatever it raises must not stop the node, which has other reviews
    to commit in time. The warning never quotes content, and of an exception only its type, as its
    message may quote content.
    """
    try:
        answer = reviewer.answer(content, media_type, labels)
    except Exception as error:
        _log.warning("reviewer %s failed with %s: abstaining", reviewer.name, type(error).__name__)
        return None
    if answer is None:
        return None
    if type(answer) is not int or not 0 <= answer < len(labels):
        _log.warning("reviewer %s answered outside the labels: abstaining", reviewer.name)
        return None
    return answer
