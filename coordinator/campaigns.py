"""A campaign from options or a TOML file; its fields have the same names in both."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from commonground.carried import PART_BYTES_MAX
from commonground.durations import duration_words, parse_duration
from commonground.files import open_file
from coordinator.copying import parse_copy_terms
from coordinator.parts import harmless_part, read_part
from protocol.depth import load_json
from protocol.errors import CommonholdError, ConfigError, Reject
from protocol.limits import (
    BATCH_ITEMS_MAX,
    CONTENT_BYTES_MAX,
    DRAWS_MAX,
    PPM,
    PRICE_PPM_MAX,
    REVIEWERS_PER_ITEM_MAX,
    WHOLE_PERMILLE,
    WINDOW_MS_MAX,
)
from protocol.rows import Campaign
from protocol.rules import campaigns
from protocol.state import State
from protocol.tasks import KINDS, kind_of
from protocol.tasks.kind import Kind
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb

T = TypeVar("T")

PRIVACY: Final = {"open": pb.PRIVACY_OPEN, "reviewers": pb.PRIVACY_REVIEWERS}
WITHDRAWAL: Final = {"keeps": pb.WITHDRAWAL_KEEPS, "repays": pb.WITHDRAWAL_REPAYS}
AUTOMATION: Final = {
    "local": pb.AUTOMATION_LOCAL,
    "anywhere": pb.AUTOMATION_ANYWHERE,
    "none": pb.AUTOMATION_NONE,
}
PROPOSAL: Final = {
    "required": pb.PROPOSAL_REQUIRED,
    "optional": pb.PROPOSAL_OPTIONAL,
    "none": pb.PROPOSAL_NOT_TAKEN,
}
# Of a file that describes one: its longest text, and its lists, several times over.
FILE_BYTES_MAX: Final = 256 * 1024
# What an item consists of where a campaign names no parts.
CONTENT_PART: Final = "content"

_SPEC_SYNTAX: Final = "write it as {...}, or name a file that holds it"

_DEFAULTS: Final[dict[str, Any]] = {
    "id": "",
    "title": "",  # the id, where nothing is said
    "guidelines": "",
    "task": "classify",
    "labels": [],
    "spec": None,
    "parts": [],
    "media_types": ["image/png"],
    "item_bytes_max": PART_BYTES_MAX,
    "proposal": None,  # required where the kind takes proposals
    "licences": ["CC-BY-4.0"],
    "reviewers_per_item": 3,
    "price_ppm": PPM,
    "derivative_permille": 500,  # of what a new item earns: half
    "copies": [],  # beside the defaults of protocol.review.copies
    "privacy": "reviewers",
    "withdrawal": "repays",
    "automation": "local",  # content stays where its reviewers are
    # A round that a panel can review in a day; whoever is alone waits for ten minutes.
    "round_items": 1_000,
    "seal_items": 100,
    "seal_wait": "10m",
    "commit_window": "24h",  # people review by hand: a day
    "reveal_window": "1h",  # answers are given already, a node opens them by itself
    "draws_max": 3,
}
_WINDOWS: Final = {
    "seal_wait": "seal_wait_ms",
    "commit_window": "commit_ms",
    "reveal_window": "reveal_ms",
}
_LISTS: Final = ("labels", "licences", "media_types", "parts", "copies")
# Whole numbers that a campaign has, least and most; what goes together is for the rules to say.
_NUMBERS: Final = {
    "item_bytes_max": (1, CONTENT_BYTES_MAX),
    "reviewers_per_item": (1, REVIEWERS_PER_ITEM_MAX),
    "price_ppm": (1, PRICE_PPM_MAX),
    "derivative_permille": (0, WHOLE_PERMILLE),
    "round_items": (1, BATCH_ITEMS_MAX),
    "seal_items": (1, BATCH_ITEMS_MAX),
    "draws_max": (1, DRAWS_MAX),
}
# Options that are not called as their field is.
_OPTIONS: Final = {
    "labels": "--label",
    "licences": "--licence",
    "media_types": "--media-type",
    "parts": "--part",
    "reviewers_per_item": "--reviewers",
}


@dataclass(frozen=True, slots=True)
class _Fields:
    """What somebody says of a campaign: on the command line, in a file, or not at all."""

    options: Mapping[str, Any]
    in_file: Mapping[str, Any]
    file: Path | None
    lost: frozenset[str] = frozenset()  # what was said so wrongly that it is left out here

    def __getitem__(self, name: str) -> Any:
        return self.options.get(name, self.in_file.get(name, _DEFAULTS.get(name)))

    def is_said(self, name: str) -> bool:
        return name in self.options or name in self.in_file

    def called(self, name: str) -> str:
        """A field as whoever wrote it knows it: an option, or a word of the file."""
        if name in self.in_file and name not in self.options:
            return f"{name} in {self.file}"
        return _OPTIONS.get(name, f"--{name.replace('_', '-')}")


def require_campaign(state: State, campaign_id: str) -> Campaign:
    """The campaign that an operator names; raises ConfigError that says where they are listed."""
    campaign = state.campaigns.get(campaign_id)
    if campaign is None:
        raise ConfigError(
            f"there is no campaign {campaign_id!r}", "see `commonhold coordinator campaign list`"
        )
    return campaign


# What stands in a draft in the place of a field that is wrong, so that the others are looked at, too.
_HARMLESS_ID: Final = "draft"
_HARMLESS_QUESTION: Final = (KINDS["classify"], encode_spec({"labels": ["no", "yes"]}))


@dataclass(frozen=True, slots=True)
class Draft:
    """A campaign as somebody wrote it. `wrong`: all that keeps it from being one; where that is a field, the
    body has something harmless in its place.
    """

    body: pb.Campaign
    wrong: tuple[CommonholdError, ...]

    def whole(self) -> pb.Campaign:
        """The record. Raises what is wrong, all of it at once, as an error of the first one's kind."""
        if not self.wrong:
            return self.body
        first, *others = self.wrong
        if not others:
            raise first
        told = [f"{error}; {error.advice}" if error.advice else str(error) for error in self.wrong]
        raise type(first)(
            "\n".join([f"{len(told)} things are wrong with the campaign:", *told]),
            "correct them all, then try again: nothing was opened",
        )


def read_draft(network: bytes, file: Path | None, given: Mapping[str, Any]) -> Draft:
    """A campaign: what is `given` wins over the file, the file over the defaults. Raises ConfigError for a
    file that cannot be read as TOML.

    Wrong is a field that is missing, unknown, of the wrong type or out of its range; what the rules of the
    protocol refuse; and what no node could serve, since a campaign is for ever.
    """
    wrong: list[CommonholdError] = []
    fields = _known(_Fields(_said(given), _read(file) if file else {}, file), wrong)
    if not fields["id"]:
        wrong.append(ConfigError("the campaign has no id", "give --id, or id in the TOML file"))
    kind, spec = _tried(wrong, lambda: _question(fields), _HARMLESS_QUESTION)
    body = pb.Campaign(
        network=network,
        id=fields["id"] or _HARMLESS_ID,
        task=kind.name,
        spec=spec,
        parts=_tried(wrong, lambda: _parts(fields, wrong), [harmless_part(0)]),
        proposal=_tried(wrong, lambda: _proposal(fields, kind), pb.PROPOSAL_NOT_TAKEN),
        reviewers_per_item=fields["reviewers_per_item"],
        price_ppm=fields["price_ppm"],
        derivative_permille=fields["derivative_permille"],
        copies=_tried(wrong, lambda: parse_copy_terms(fields["copies"]), parse_copy_terms([])),
        privacy=_tried(wrong, lambda: _chosen(fields, "privacy", PRIVACY), pb.PRIVACY_REVIEWERS),
        withdrawal=_tried(
            wrong, lambda: _chosen(fields, "withdrawal", WITHDRAWAL), pb.WITHDRAWAL_REPAYS
        ),
        rounds=_tried(wrong, lambda: _rounds(fields), _rounds(_Fields({}, {}, None))),
        automation=_tried(
            wrong, lambda: _chosen(fields, "automation", AUTOMATION), pb.AUTOMATION_LOCAL
        ),
    )
    _tried(wrong, partial(_set_texts, body, fields), None)
    return Draft(body, (*wrong, *_refused(body)))


def _set_texts(body: pb.Campaign, fields: _Fields) -> None:
    try:
        body.title = fields["title"] if fields.is_said("title") else body.id
        body.guidelines = fields["guidelines"]
        body.licences.extend(fields["licences"])
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"a text of the campaign is not text: {error.reason}", "write it as UTF-8"
        ) from None


def _refused(body: pb.Campaign) -> Iterator[CommonholdError]:
    """What the rules say of a body, each once."""
    said: set[str] = set()
    all_checks: list[Callable[[], object]] = [*campaigns.checks(body)]
    all_checks += (partial(_check_carried, part) for part in body.parts)
    for check in all_checks:
        try:
            check()
        except CommonholdError as error:
            new = [each for each in _each(error) if str(each) not in said]
            said.update(map(str, new))
            yield from new


def _check_carried(part: pb.PartTerms) -> None:
    if part.bytes_max > PART_BYTES_MAX:
        raise ConfigError(
            f"part {part.name!r} may have {part.bytes_max:,} bytes, and nodes carry {PART_BYTES_MAX:,}",
            "let it have no more, and say in the guidelines how to cut or scale what is larger",
        )


def _tried(wrong: list[CommonholdError], make: Callable[[], T], otherwise: T) -> T:
    """What is made; or something harmless, and a word about it in `wrong`."""
    try:
        return make()
    except (ConfigError, Reject) as error:
        wrong += _each(error)
        return otherwise


def _each(error: CommonholdError) -> tuple[CommonholdError, ...]:
    return (error, *error.beside) if isinstance(error, Reject) else (error,)


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if value is not None}


def _known(fields: _Fields, wrong: list[CommonholdError]) -> _Fields:
    """The fields that a campaign has and whose values are of the right type."""
    for name in fields.in_file:
        if name not in _DEFAULTS:
            wrong.append(
                ConfigError(
                    f"{fields.file}: a campaign has no field {name!r}",
                    f"its fields are {', '.join(_DEFAULTS)}",
                )
            )
    good = {
        name
        for name in dict.fromkeys((*fields.options, *fields.in_file))
        if name in _DEFAULTS and _tried(wrong, partial(_has_type, fields, name), False)
    }
    options = {name: value for name, value in fields.options.items() if name in good}
    in_file = {name: value for name, value in fields.in_file.items() if name in good}
    for name in fields.in_file.keys() - good & set(_LISTS):
        if isinstance(listed := fields.in_file[name], list):
            in_file[name] = [str(each) for each in listed]  # so that the others are looked at, too
            good.add(name)
    lost = frozenset((*fields.options, *fields.in_file)) - good
    return _Fields(options, in_file, fields.file, lost)


def _has_type(fields: _Fields, name: str) -> bool:
    """Whoever writes TOML may forget brackets, or quote a number; in letters that would be a campaign."""
    value, called = fields[name], fields.called(name)
    if name in _NUMBERS:
        _check_number(called, value, *_NUMBERS[name])
    elif name in _LISTS:
        _check_list(called, name, value)
    elif name != "spec" and not isinstance(value, str):
        raise ConfigError(f"{called} is {value!r}, not a text", f'write it as {name} = "…"')
    return True


def _check_number(called: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(
            f"{called} is {value!r}",
            f"give a whole number from {least:,} to {most:,}, without quotes"
            if isinstance(value, str)
            else f"give a whole number from {least:,} to {most:,}",
        )


def _check_list(called: str, name: str, value: object) -> None:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{called} is {value!r}, not a list", f'write it as {name} = ["…"]')
    strange = [each for each in value if not isinstance(each, str) and name != "parts"]
    if strange:
        raise ConfigError(
            f"{called} holds {', '.join(map(repr, strange))}: no text",
            "write it in quotes" if len(strange) == 1 else "write each in quotes",
        )


def _rounds(fields: _Fields) -> pb.RoundTerms:
    windows = {name: _window(fields, field) for field, name in _WINDOWS.items()}
    items, seal_items = fields["round_items"], fields["seal_items"]
    if seal_items > items:
        if fields.is_said("seal_items"):
            raise ConfigError(
                f"{fields.called('seal_items')} is {seal_items:,}, more than a round has"
                f" ({fields.called('round_items')}: {items:,})",
                "let a round begin with fewer items, or have more",
            )
        seal_items = (
            items  # a smaller round than a seal waits for by default is sealed when it is full
        )
    return pb.RoundTerms(
        items_max=items, seal_items=seal_items, draws_max=fields["draws_max"], **windows
    )


def _window(fields: _Fields, name: str) -> int:
    duration_ms = parse_duration(fields[name], fields.called(name))
    if duration_ms > WINDOW_MS_MAX:
        raise ConfigError(
            f"{fields.called(name)} is {fields[name]!r}, longer than {duration_words(WINDOW_MS_MAX)}",
            f"give at most {duration_words(WINDOW_MS_MAX)}; whoever needs longer asks in several campaigns",
        )
    return duration_ms


def _proposal(fields: _Fields, kind: Kind[Any]) -> Any:
    if not fields.is_said("proposal"):
        return PROPOSAL["required" if kind.takes_proposals else "none"]
    said = _chosen(fields, "proposal", PROPOSAL)
    if said != pb.PROPOSAL_NOT_TAKEN and not kind.takes_proposals:
        raise ConfigError(
            f"{fields.called('proposal')} is {fields['proposal']!r}, and items of a {kind.name} task are"
            " themselves what is proposed",
            "say none, or leave it out",
        )
    return said


def _chosen(fields: _Fields, name: str, choices: Mapping[str, Any]) -> Any:
    if fields[name] not in choices:
        raise ConfigError(
            f"{fields.called(name)} is {fields[name]!r}", f"say one of: {', '.join(choices)}"
        )
    return choices[fields[name]]


def _question(fields: _Fields) -> tuple[Kind[Any], bytes]:
    if fields.lost & {"labels", "spec", "task"}:
        return _HARMLESS_QUESTION  # it is said what is wrong; that something is missing is not so
    return kind_of(fields["task"]), _spec(fields)


def _spec(fields: _Fields) -> bytes:
    """The kind's own terms: labels, or whatever a JSON object says."""
    labels, spec, task = fields["labels"], fields["spec"], fields["task"]
    if labels and (spec is not None or task != "classify"):
        raise ConfigError(
            f"{fields.called('labels')} is for a classify task without a spec of its own",
            f"say what a {task} task asks with {fields.called('spec')}"
            + ("; its labels stand in there" if task == "classify" else ""),
        )
    if spec is None and task == "classify":
        if not labels:
            raise ConfigError("the campaign has no labels", "give --label, once for each")
        return encode_spec({"labels": list(labels)})
    if spec is None:
        raise ConfigError(
            f"the campaign does not say what its {task} task asks",
            "give --spec with a JSON object, or a file that holds one",
        )
    if not isinstance(spec, dict | str) or spec == "":
        raise ConfigError(f"{fields.called('spec')} is {spec!r}, not a JSON object", _SPEC_SYNTAX)
    return encode_spec(spec if isinstance(spec, dict) else _read_json(spec))


def _read_json(text: str) -> dict[str, object]:
    """The object in a text that begins with a brace, or else in the file of that name."""
    where = "the spec"
    if not text.lstrip().startswith(("{", "[")):
        where, text = text, _read_text(Path(text), _SPEC_SYNTAX)
    try:
        value = load_json(text)
    except ValueError as error:
        raise ConfigError(f"{where} is not JSON: {error}", _SPEC_SYNTAX) from error
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is not a JSON object", _SPEC_SYNTAX)
    return value


def _parts(fields: _Fields, wrong: list[CommonholdError]) -> list[pb.PartTerms]:
    parts: Sequence[Any] = fields["parts"]
    if not parts:
        return [
            pb.PartTerms(
                name=CONTENT_PART,
                media_types=fields["media_types"],
                bytes_max=fields["item_bytes_max"],
            )
        ]
    for name in ("media_types", "item_bytes_max"):
        if fields.is_said(name):
            raise ConfigError(
                f"{fields.called(name)} is for items of one part, and {fields.called('parts')} names parts",
                "say it of each part",
            )
    return [
        _tried(wrong, partial(read_part, each), harmless_part(number))
        for number, each in enumerate(parts)
    ]


def _read(file: Path) -> dict[str, Any]:
    try:
        fields = tomllib.loads(_read_text(file, "name the TOML file of a campaign"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{file} is not TOML: {error}", "correct it there; docs/coordinator.md has examples"
        ) from error
    return fields


def _read_text(path: Path, advice: str) -> str:
    try:
        with open_file(path) as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise ConfigError(f"{path} has more than {FILE_BYTES_MAX:,} bytes", advice)
        return raw.decode()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", advice) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", advice) from error
