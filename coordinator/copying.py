"""How near is near in a campaign: thresholds of copies, as its operator writes them.

Written MEDIUM:STRICT:LIKELY, as "picture:9:13": pictures within 9 per mille of an earlier one are copies,
those within 13 per mille of its shape are shown to reviewers beside it. 0 is never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from commonground.copying import MEDIA
from protocol.errors import ConfigError
from protocol.limits import LIKELY_PERMILLE_MAX, STRICT_PERMILLE_MAX
from protocol.review.copies import DEFAULT_COPY_TERMS
from protos.gen import records_pb2 as pb

_SYNTAX: Final = (
    f"write MEDIUM:STRICT:LIKELY, as picture:9:13; MEDIUM is {', '.join(MEDIA)}; STRICT a number from 0 to"
    f" {STRICT_PERMILLE_MAX}, LIKELY one from 0 to {LIKELY_PERMILLE_MAX}, in per mille; 0 is never"
)


def parse_copy_terms(said: Sequence[str]) -> pb.CopyTerms:
    """The defaults, but for what is said. Raises ConfigError that says how to write it."""
    terms = pb.CopyTerms(**asdict(DEFAULT_COPY_TERMS))
    seen: set[str] = set()
    for text in said:
        medium, *numbers = text.split(":")
        if medium not in MEDIA or medium in seen or len(numbers) != 2:
            why = "is there twice" if medium in seen else "is malformed"
            raise ConfigError(f"the threshold of copies {text!r} {why}", _SYNTAX)
        seen.add(medium)
        limits = (STRICT_PERMILLE_MAX, LIKELY_PERMILLE_MAX)
        for name, number, most in zip(("strict", "likely"), numbers, limits, strict=True):
            is_number = number.isascii() and number.isdecimal() and len(number) <= 4
            if not is_number or int(number) > most:
                raise ConfigError(f"the threshold of copies {text!r} is out of range", _SYNTAX)
            setattr(terms, f"{medium}_{name}", int(number))
    return terms
