"""What the log says that we have spent: our own signed updates, which nobody can delete.

budget.db is one file on one disk, and the log is with everybody. A round that we signed and the file does not
have was lost with the file, or is another machine's of the same person: it counts either way.
"""

from __future__ import annotations

from dataclasses import dataclass

from federated.budget.terms import Release


@dataclass(frozen=True, slots=True)
class SignedRound:
    """A round that we paid for: in the log, or about to be."""

    commitment: bytes
    job_id: str
    round: int
    release: Release  # as the job's record says
    delta: float
    epsilon_micro: int  # spent by the data then, at this delta


@dataclass(frozen=True, slots=True)
class Restored:
    """What a budget took from the log."""

    rounds: int  # that it did not have
    unknown: tuple[bytes, ...]  # commitments to data that it does not know
