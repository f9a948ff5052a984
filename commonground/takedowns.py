"""Why an item was taken down, in words that both sides show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocol.errors import ConfigError
from protos.gen import records_pb2 as pb

CODES: Final[Mapping[str, pb.TakedownReason]] = {
    "rights": pb.TAKEDOWN_RIGHTS,
    "personal": pb.TAKEDOWN_PERSONAL,
    "unlawful": pb.TAKEDOWN_UNLAWFUL,
    "harmful": pb.TAKEDOWN_HARMFUL,
    "defect": pb.TAKEDOWN_DEFECT,
    "other": pb.TAKEDOWN_OTHER,
}
"""What an operator writes."""

_WORDS: Final[Mapping[int, str]] = {
    pb.TAKEDOWN_RIGHTS: "somebody else holds rights in it",
    pb.TAKEDOWN_PERSONAL: "it shows personal data",
    pb.TAKEDOWN_UNLAWFUL: "it is unlawful",
    pb.TAKEDOWN_HARMFUL: "it is harmful",
    pb.TAKEDOWN_DEFECT: "it breaks what reads it",
    pb.TAKEDOWN_OTHER: "for another reason",
}


def read_code(code: str) -> pb.TakedownReason:
    """The kind of reason that a word names. Raises ConfigError that lists the words."""
    if code not in CODES:
        raise ConfigError(f"{code!r} is no kind of reason", f"say one of: {', '.join(CODES)}")
    return CODES[code]


def takedown_words(reason: int, words: str) -> str:
    """The kind of reason, and what the operator wrote: text of others, to be escaped where it is shown."""
    return f"{_WORDS[reason]}: {words}"
