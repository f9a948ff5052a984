"""Campaigns that are not open yet: TOML files in drafts/, as `campaign create` takes them.

A form fills one, an editor may change it, and either way the file is what is checked and opened. What a form
does not ask keeps its default; what a file says beyond the form is lost when the form is saved over it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from commonground.files import open_file, private_directory, replace_file
from coordinator.campaigns import CONTENT_PART, FILE_BYTES_MAX
from coordinator.config import Home
from protocol.errors import ConfigError, StateError, StoreError
from protocol.text import is_id

DRAFT_BYTES_MAX: Final = FILE_BYTES_MAX
DRAFTS_MAX: Final = 200

TEXTS: Final = (
    "id",
    "title",
    "guidelines",
    "task",
    "spec",
    "proposal",
    "privacy",
    "automation",
    "withdrawal",
    "seal_wait",
    "commit_window",
    "reveal_window",
)
LISTS: Final = ("labels", "licences", "media_types", "parts")
NUMBERS: Final = (
    "item_bytes_max",
    "reviewers_per_item",
    "price_ppm",
    "round_items",
    "seal_items",
    "draws_max",
)


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A draft as a form shows it: texts as they are typed, lists a line each."""

    id: str
    path: Path
    fields: Mapping[str, str]
    toml: str

    @property
    def digest(self) -> str:
        """Stands for the text in a form: browsers fold line ends, and pages spell out what cannot be seen."""
        return sha256(self.toml.encode()).hexdigest()


def folder_of(home: Home) -> Path:
    """Where drafts are."""
    return home.path / "drafts"


def path_of(home: Home, draft_id: str) -> Path:
    """The file of a draft; raises ConfigError unless that is an id."""
    if not is_id(draft_id):
        raise ConfigError("a campaign's id is made of a-z, 0-9 and -", "choose a short name")
    return folder_of(home) / f"{draft_id}.toml"


def list_drafts(home: Home) -> list[str]:
    """The ids of drafts, DRAFTS_MAX at most."""
    names = sorted(path.stem for path in folder_of(home).glob("*.toml"))
    return [name for name in names if is_id(name)][:DRAFTS_MAX]


def load_draft(home: Home, draft_id: str) -> DraftFile:
    """A draft; raises ConfigError: there is none, or its file is no TOML; StoreError: it cannot be read."""
    path = path_of(home, draft_id)
    try:
        with open_file(path) as file:
            raw = file.read(DRAFT_BYTES_MAX + 1)
        text = raw.decode()
        values = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"there is no draft {draft_id!r}", "make one") from None
    except OSError as error:
        raise StoreError(f"cannot read {path.name}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name} is not TOML: {error}", "correct it in an editor") from error
    if len(raw) > DRAFT_BYTES_MAX:
        raise ConfigError(f"{path.name} is too large for a draft", "shorten it in an editor")
    return DraftFile(draft_id, path, {name: _typed(value) for name, value in values.items()}, text)


def digest_of(home: Home, draft_id: str) -> str:
    """What stands for the draft of this name, even where that is no TOML; empty where there is none.

    Raises ConfigError: that is no id; StoreError: it cannot be read.
    """
    path = path_of(home, draft_id)
    try:
        with open_file(path) as file:
            return sha256(file.read(DRAFT_BYTES_MAX + 1)).hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreError(f"cannot read {path.name}: {error.strerror}") from error


def save_draft(home: Home, fields: Mapping[str, str], replaces: str = "") -> DraftFile:
    """Keeps what a form says, in place of the draft that `replaces` stands for; durable on return.

    Raises:
        ConfigError: there is no id, or a number is none.
        StateError: there is another draft of this name.
        StoreError: it cannot be written.
    """
    path = path_of(home, fields.get("id", ""))
    text = to_toml(fields)
    if digest_of(home, path.stem) not in ("", replaces):
        raise StateError(
            f"there is a draft {path.stem!r} already, and it is not the one that this form began with",
            "choose another short name, or save again: that replaces it",
        )
    try:
        private_directory(path.parent)
        replace_file(path, text)
    except OSError as error:
        raise StoreError(f"cannot write {path.name}: {error.strerror}") from error
    return load_draft(home, path.stem)


def delete_draft(home: Home, draft_id: str) -> None:
    """Deletes a draft, if it is there."""
    path_of(home, draft_id).unlink(missing_ok=True)


def to_toml(fields: Mapping[str, str]) -> str:
    """The file that says what a form says."""
    values: dict[str, Any] = {}
    for name in (*TEXTS, *LISTS, *NUMBERS):
        sent = fields.get(name, "").replace("\r\n", "\n")
        said = sent.strip()
        if not said:
            continue
        if name in LISTS:
            values[name] = [line.strip() for line in said.split("\n") if line.strip()]
        elif name in NUMBERS:
            values[name] = _number(name, said)
        elif name == "spec":
            values[name] = _spec(said)
        else:  # guidelines are a text of several lines: its last line end is one of them
            values[name] = sent if name == "guidelines" else said
    if "parts" in values:  # which say for themselves what is for items of one part
        values = {k: v for k, v in values.items() if k not in ("media_types", "item_bytes_max")}
    if values.get("task", "classify") != "classify":
        values.pop("labels", None)
    return "".join(f"{name} = {_toml(value)}\n" for name, value in values.items())


def _toml(value: Any) -> str:
    """JSON's strings, lists and numbers are valid in TOML, which takes one more character for a control."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _number(name: str, said: str) -> int:
    if not (said.isascii() and said.isdecimal() and len(said) <= 18):
        raise ConfigError(f"{name} is {said!r}, not a whole number", "write it with digits alone")
    return int(said)


def _spec(said: str) -> str:
    """Whatever else it is would be taken for the name of a file."""
    if not said.startswith("{"):
        raise ConfigError("the terms of the question are no JSON object", "write them as {...}")
    return said


def _typed(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(_part(each) for each in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _part(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    media = ",".join(value.get("media_types", []))
    end = ":optional" if value.get("optional") else ""
    return f"{value.get('name', CONTENT_PART)}:{media}:{value.get('bytes_max', 0)}{end}"
