"""Settings of a job that suit its task, where the operator names no others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; what each number means is in federated/spec.py."""

    rounds: int
    sampling: float
    clip: float
    learning_rate: float
    momentum: float
