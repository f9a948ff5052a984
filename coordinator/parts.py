"""A part of a campaign's items, as a file and as the command line write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from protocol.errors import ConfigError
from protocol.limits import CONTENT_BYTES_MAX
from protos.gen import records_pb2 as pb

_PART_FIELDS: Final = ("name", "media_types", "bytes_max", "optional")
_PART_SYNTAX: Final = "write it as NAME:MEDIA/TYPE[,MEDIA/TYPE]:BYTES[:optional]"


def read_part(said: object) -> pb.PartTerms:
    """A part as somebody wrote it. Raises ConfigError that says how."""
    part = part_of_table(said) if isinstance(said, dict) else parse_part(str(said))
    if not 1 <= part.bytes_max <= CONTENT_BYTES_MAX:
        raise ConfigError(
            f"the most bytes of part {part.name!r} is {part.bytes_max}",
            f"give a whole number from 1 to {CONTENT_BYTES_MAX:,}",
        )
    return part


def harmless_part(number: int) -> pb.PartTerms:
    """What stands in a draft in the place of a part that is wrong."""
    return pb.PartTerms(name=f"part_{number}", media_types=["text/plain"], bytes_max=1)


def part_of_table(table: Mapping[str, Any]) -> pb.PartTerms:
    """A part as a table of TOML; raises ConfigError that says how to write it."""
    for key in table:
        if key not in _PART_FIELDS:
            raise ConfigError(
                f"a part has no field {key!r}", f"its fields are {', '.join(_PART_FIELDS)}"
            )
    try:
        return pb.PartTerms(**table)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"the part {table.get('name', '')!r} is malformed: {error}",
            'write name = "…", media_types = ["…"], bytes_max = a number',
        ) from error


def parse_part(text: str) -> pb.PartTerms:
    """A part as the command line writes it; raises ConfigError that says how."""
    name, _, rest = text.partition(":")
    media, _, rest = rest.partition(":")
    size, _, optional = rest.partition(":")
    if not (name and media and size.isascii() and size.isdecimal()):
        raise ConfigError(f"the part {text!r} is malformed", _PART_SYNTAX)
    if optional not in ("", "optional") or text.endswith(":"):
        raise ConfigError(f"the part {text!r} ends in {optional!r}", _PART_SYNTAX)
    try:
        return pb.PartTerms(
            name=name,
            media_types=media.split(","),
            bytes_max=int(size),
            optional=optional == "optional",
        )
    except ValueError:  # a size beyond 64 bits
        raise ConfigError(
            f"the part {text!r} is too large", f"give it {CONTENT_BYTES_MAX:,} bytes at most"
        ) from None
