"""A campaign from options or a TOML file; its fields have the same names in both."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from commonground.durations import parse_duration
from protocol.errors import ConfigError
from protocol.limits import CONTENT_BYTES_MAX, PPM
from protocol.tasks import kind_of
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb

PRIVACY: Final = {"open": pb.PRIVACY_OPEN, "reviewers": pb.PRIVACY_REVIEWERS}
WITHDRAWAL: Final = {"keeps": pb.WITHDRAWAL_KEEPS, "repays": pb.WITHDRAWAL_REPAYS}
PROPOSAL: Final = {
    "required": pb.PROPOSAL_REQUIRED,
    "optional": pb.PROPOSAL_OPTIONAL,
    "none": pb.PROPOSAL_NOT_TAKEN,
}
# What an item consists of where a campaign names no parts.
CONTENT_PART: Final = "content"

_DEFAULTS: Final[dict[str, Any]] = {
    "title": "",  # the id, where there is none
    "guidelines": "",
    "task": "classify",
    "labels": [],
    "spec": None,
    "parts": [],
    "media_types": ["image/png"],
    "item_bytes_max": 10 * 1024 * 1024,
    "proposal": None,  # required where the kind takes proposals
    "licences": ["CC-BY-4.0"],
    "reviewers_per_item": 3,
    "price_ppm": PPM,
    "privacy": "reviewers",
    "withdrawal": "repays",
    # A round that a panel can review in a day; whoever is alone waits for ten minutes.
    "round_items": 1_000,
    "seal_items": 100,
    "seal_wait": "10m",
    "beacon_window": "10m",  # reviewers who stand by are online: minutes
    "commit_window": "24h",  # people review by hand: a day
    "reveal_window": "1h",  # answers are given already, a node opens them by itself
    "draws_max": 3,
}
_WINDOWS: Final = {
    "seal_wait": "seal_wait_ms",
    "beacon_window": "beacon_ms",
    "commit_window": "commit_ms",
    "reveal_window": "reveal_ms",
}
_COPIED: Final = (
    "id",
    "title",
    "guidelines",
    "task",
    "licences",
    "reviewers_per_item",
    "price_ppm",
)
_LISTS: Final = ("labels", "licences", "media_types", "parts")
_NUMBER_MAX: Final = 2**32 - 1  # what the record can carry; the rules have the limits
_PART_FIELDS: Final = ("name", "media_types", "bytes_max", "optional")
_PART_SYNTAX: Final = "write it as NAME:MEDIA/TYPE[,MEDIA/TYPE]:BYTES[:optional]"


def build_campaign(network: bytes, file: Path | None, given: Mapping[str, Any]) -> pb.Campaign:
    """The record: what is `given` wins over the file, the file over the defaults.

    Raises:
        ConfigError: a field is missing, unknown or of the wrong type.
        Reject: the kind of task or its spec makes no sense. What else the fields may hold is for the
            rules of the protocol to say.
    """
    fields = {**_DEFAULTS, **(_read(file) if file else {})}
    fields |= {key: value for key, value in given.items() if value is not None}
    _check_types(fields)
    if not fields.get("id"):
        raise ConfigError("the campaign has no id", "give --id, or id in the TOML file")
    fields["title"] = fields["title"] or fields["id"]
    kind = kind_of(str(fields["task"]))
    proposal = fields["proposal"] or ("required" if kind.takes_proposals else "none")
    try:
        return pb.Campaign(
            network=network,
            spec=_spec(fields),
            parts=_parts(fields),
            proposal=_chosen("proposal", proposal, PROPOSAL),
            privacy=_chosen("privacy", fields["privacy"], PRIVACY),
            withdrawal=_chosen("withdrawal", fields["withdrawal"], WITHDRAWAL),
            rounds=_rounds(fields),
            **{name: fields[name] for name in _COPIED},
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a field of the campaign is wrong: {error}") from error


def _check_types(fields: Mapping[str, Any]) -> None:
    """Whoever writes TOML may forget brackets, or quote a number; in letters that would be a campaign."""
    for name, value in fields.items():
        default = _DEFAULTS.get(name, "")
        wanted = list if name in _LISTS else int if isinstance(default, int) else str
        if name == "spec" or value is None or value == default:
            continue
        if wanted is list and not isinstance(value, list | tuple):
            raise ConfigError(f"{name} is {value!r}, not a list", f'write it as {name} = ["…"]')
        most = CONTENT_BYTES_MAX if name == "item_bytes_max" else _NUMBER_MAX
        if wanted is int and (type(value) is not int or not 0 <= value <= most):
            raise ConfigError(
                f"{name} is {value!r}, not a whole number from 0 to {most}",
                "write it without quotes",
            )
        if wanted is str and not isinstance(value, str):
            raise ConfigError(f"{name} is {value!r}, not a text", f'write it as {name} = "…"')


def _rounds(fields: Mapping[str, Any]) -> pb.RoundTerms:
    windows = {
        name: parse_duration(str(fields[field]), field.replace("_", " "))
        for field, name in _WINDOWS.items()
    }
    # A round that is smaller than what a seal waits for by default is sealed when it is full.
    seal_items = min(fields["seal_items"], fields["round_items"])
    return pb.RoundTerms(
        items_max=fields["round_items"],
        seal_items=seal_items,
        draws_max=fields["draws_max"],
        **windows,
    )


def _chosen(what: str, value: object, choices: Mapping[str, Any]) -> Any:
    if str(value) not in choices:
        raise ConfigError(f"{what} is {' or '.join(choices)}, not {value!r}")
    return choices[str(value)]


def _spec(fields: Mapping[str, Any]) -> bytes:
    """The kind's own terms: labels, or whatever a JSON object says."""
    labels, spec = fields["labels"], fields["spec"]
    if labels and (spec is not None or fields["task"] != "classify"):
        raise ConfigError(
            "labels are for a classify task without a spec of its own",
            f"say what a {fields['task']} task asks with --spec",
        )
    if spec is None and fields["task"] == "classify":
        if not labels:
            raise ConfigError("the campaign has no labels", "give --label, once for each")
        return encode_spec({"labels": list(labels)})
    if spec is None:
        raise ConfigError(
            f"the campaign does not say what its {fields['task']} task asks",
            "give --spec with a JSON object, or a file that holds one",
        )
    if not isinstance(spec, dict | str):
        raise ConfigError(f"the spec is {spec!r}, not a JSON object", "write it as {...}")
    return encode_spec(spec if isinstance(spec, dict) else _read_json(spec))


def _read_json(text: str) -> dict[str, object]:
    """The object in a text that begins with a brace, or else in the file of that name."""
    where = "the spec"
    if not text.lstrip().startswith(("{", "[")):
        where = text
        try:
            text = Path(text).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {where}: {error}") from error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is not a JSON object")
    return value


def _parts(fields: Mapping[str, Any]) -> list[pb.PartTerms]:
    parts: Sequence[Any] = fields["parts"]
    if not parts:
        return [
            pb.PartTerms(
                name=CONTENT_PART,
                media_types=fields["media_types"],
                bytes_max=fields["item_bytes_max"],
            )
        ]
    return [_part_of(each) if isinstance(each, dict) else parse_part(str(each)) for each in parts]


def _part_of(table: Mapping[str, Any]) -> pb.PartTerms:
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
        raise ConfigError(f"the part {text!r} is too large", _PART_SYNTAX) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        fields = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    for key in fields:
        if key not in _DEFAULTS and key != "id":
            raise ConfigError(
                f"{file}: a campaign has no field {key!r}",
                f"its fields are id, {', '.join(_DEFAULTS)}",
            )
    return fields
