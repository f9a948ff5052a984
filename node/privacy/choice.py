"""What may be done with personal data. A module of its own, as pages of help need it, and nothing else."""

from __future__ import annotations

from enum import StrEnum


class Choice(StrEnum):
    """What is done with items in which personal data was found."""

    REDACT = "redact"
    LEAVE_OUT = "leave-out"
    KEEP = "keep"
    STOP = "stop"
