"""Names of people and machines, as people type them: one that is none is wrong use, which no network has
refused."""

from __future__ import annotations

from protocol.errors import ConfigError, Reject
from protocol.identity import PersonId, key_of, person_of

_PERSON_PREFIX = "ch"


def parse_person(text: str) -> PersonId:
    """The person who is named so. Raises ConfigError for what names nobody."""
    try:
        return person_of(text)
    except Reject as error:
        raise ConfigError(str(error), error.advice) from error


def check_name(text: str) -> None:
    """Raises ConfigError for what names neither a person nor a machine."""
    if text.startswith(_PERSON_PREFIX):
        parse_person(text)
        return
    try:
        key_of(text)
    except Reject as error:
        raise ConfigError(
            f"{text!r} is the name of no person (ch1…) and of no machine (12D3Koo…)",
            "copy it whole; `commonhold node status` prints both",
        ) from error
