"""What a campaign asks: its kind, with the spec that the kind has parsed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from protocol.rows import Campaign
from protocol.tasks import kind_of
from protocol.tasks.kind import Kind

# Specs that are parsed once; a network has few campaigns that are busy at the same time.
_QUESTIONS_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class Question:
    """What a campaign asks: its kind, and the spec that the kind has parsed."""

    kind: Kind[Any]
    spec: Any


def question_of(campaign: Campaign) -> Question:
    """What a logged campaign asks."""
    return ask(campaign.task, campaign.spec)


@lru_cache(_QUESTIONS_KEPT)
def ask(task: str, spec: bytes) -> Question:
    """Raises Reject if there is no such kind, or the spec makes no sense."""
    kind = kind_of(task)
    return Question(kind, kind.parse_spec(spec))
