"""What an owner lets the reviewer `chat` do: the section [chat] of node.toml.

allow_remote = false    ask only models on this machine; true lets content of campaigns that allow it
                        leave, over TLS, to the machine that the reviewer's address names
key_file = ""           a file with the API key, private to its owner; without one the environment's
                        COMMONHOLD_CHAT_KEY, if it is set
pictures = false        whether the model sees pictures; otherwise it is unsure of items that have some
both_orders = false     ask twice which of two is better, in both orders: a model that only prefers a
                        place is then unsure
schema = true           have the server hold the model to the answers that there are; false for servers
                        that do not know response_format
answer_seconds = 60     for one item, all attempts together
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from commonground.escaping import in_shell
from protocol.errors import ConfigError
from protocol.text import quoted

KEY_VARIABLE: Final = "COMMONHOLD_CHAT_KEY"
# Keys in use have some hundred characters; a file beyond this is another one.
KEY_BYTES_MAX: Final = 4_096
# An hour for one item is a model that nobody waits for: windows end in days, and items come by the hundred.
ANSWER_SECONDS_MAX: Final = 3_600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class ChatTerms:
    """The settings, checked. Raises ConfigError that names the one to correct."""

    allow_remote: bool = False
    key_file: str = ""
    pictures: bool = False
    both_orders: bool = False
    schema: bool = True
    answer_seconds: int = 60

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if type(value) is not type(each.default):
                raise ConfigError(f"chat.{each.name} is {value!r}", _ADVICE[type(each.default)])
        if not 1 <= self.answer_seconds <= ANSWER_SECONDS_MAX:
            raise ConfigError(
                f"chat.answer_seconds is {self.answer_seconds}",
                f"give 1 to {ANSWER_SECONDS_MAX:,} seconds",
            )

    @staticmethod
    def parse(settings: Mapping[str, Any]) -> ChatTerms:
        """The section as TOML has it."""
        known = [each.name for each in fields(ChatTerms)]
        for name in settings:
            if name not in known:
                raise ConfigError(
                    f"unknown setting {quoted('chat.' + name)}", f"known are {', '.join(known)}"
                )
        return ChatTerms(**settings)


_ADVICE: Final[Mapping[type, str]] = {
    bool: "say true or false",
    int: "give a whole number",
    str: 'give a text, as "…"',
}


@dataclass(frozen=True, slots=True)
class Key:
    """An API key; empty where there is none. No message or log shows it."""

    value: str = field(default="", repr=False)


def read_key(terms: ChatTerms) -> Key:
    """The key of the file, or of the environment. Raises ConfigError for one that others could read."""
    if terms.key_file:
        return Key(_checked(_read(Path(terms.key_file).expanduser()), "the file chat.key_file"))
    return Key(_checked(os.environ.get(KEY_VARIABLE, ""), KEY_VARIABLE))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise ConfigError(
                    f"others may read the key in {path}",
                    f"make it yours alone: chmod 600 {in_shell(path)}",
                )
            raw = file.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"cannot read the key in {path}: {error.strerror}", "correct chat.key_file in node.toml"
        ) from error
    return raw.decode("ascii", errors="replace").strip()


def _checked(key: str, where: str) -> str:
    """What may stand in a header, on one line; the message does not repeat it."""
    if len(key) > KEY_BYTES_MAX or not key.isascii() or not (key.isprintable() and " " not in key):
        raise ConfigError(f"{where} holds no API key", "put the key there, and nothing else")
    return key
