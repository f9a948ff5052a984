"""A campaign from options or a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from protocol.errors import ConfigError
from protocol.limits import PPM
from protos.gen import records_pb2 as pb

PRIVACY: Final = {"open": pb.PRIVACY_OPEN, "reviewers": pb.PRIVACY_REVIEWERS}
WITHDRAWAL: Final = {"keeps": pb.WITHDRAWAL_KEEPS, "repays": pb.WITHDRAWAL_REPAYS}
_DEFAULTS: Final[dict[str, Any]] = {
    "title": "",
    "guidelines": "",
    "licences": ["CC-BY-4.0"],
    "media_types": ["image/png"],
    "reviewers_per_item": 3,
    "price_ppm": PPM,
    "item_bytes_max": 10 * 1024 * 1024,
    "privacy": "reviewers",
    "withdrawal": "repays",
}
_CHOICES: Final[dict[str, dict[str, Any]]] = {"privacy": PRIVACY, "withdrawal": WITHDRAWAL}
_REQUIRED: Final = ("id", "labels")


def build_campaign(network: bytes, file: Path | None, given: Mapping[str, Any]) -> pb.Campaign:
    """The record: what is `given` wins over the file, the file over the defaults.

    Raises:
        ConfigError: a field is missing, unknown or of the wrong type. What the fields may hold is
            for the rules of the protocol to say.
    """
    fields = {**_DEFAULTS, **(_read(file) if file else {})}
    fields |= {key: value for key, value in given.items() if value is not None}
    missing = [key for key in _REQUIRED if not fields.get(key)]
    if missing:
        raise ConfigError(
            f"the campaign lacks {' and '.join(missing)}", "give them as options or in a TOML file"
        )
    for key, choices in _CHOICES.items():
        if str(fields[key]) not in choices:
            raise ConfigError(f"{key} is {' or '.join(choices)}, not {fields[key]!r}")
        fields[key] = choices[fields[key]]
    try:
        return pb.Campaign(network=network, **fields)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a field of the campaign is wrong: {error}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
