"""A model as it is passed on: a folder with a signed card, and the files that it names.

card.json             signed: all that is known of the model
card.md, card.html    the same for people
NAME-PRECISION.onnx   the files
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from federated.signed_card import CARD_BYTES_MAX, verify
from protocol.depth import load_json
from protocol.errors import ConfigError
from protocol.identity import KeyId

CARD_FILE: Final = "card.json"
MARKDOWN_FILE: Final = "card.md"
PAGE_FILE: Final = "card.html"
# Beyond, a file of a model that a round can carry is none.
_FILE_BYTES_MAX: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder whose card its author signed."""

    path: Path
    signed: bytes  # card.json as it is
    author: KeyId
    text: bytes  # the card itself, canonical
    card: dict[str, Any]

    @staticmethod
    def read(path: Path) -> ModelFolder:
        """Raises ConfigError where there is no card, Reject for one that is not as its author signed it."""
        file = path / CARD_FILE
        try:
            with file.open("rb") as opened:
                signed = opened.read(CARD_BYTES_MAX + 1)
        except OSError as error:
            raise ConfigError(
                f"{file} cannot be read: {error.strerror}",
                "name the folder of a model: one with a card.json",
            ) from error
        author, text = verify(signed)
        return ModelFolder(path, signed, author, text, load_json(text))

    @property
    def names(self) -> list[str]:
        """The files that the card lists."""
        return [str(each["file"]) for each in self.card["quality"]["files"]]

    def digest_of(self, name: str) -> bytes:
        """What the card says of a file. Raises ConfigError where it lists none of that name."""
        for each in self.card["quality"]["files"]:
            if each["file"] == name:
                return bytes.fromhex(each["sha256"])
        raise ConfigError(
            f"the card lists no {name}", f"it lists {', '.join(self.names)}; see `model show`"
        )

    def require(self, name: str) -> Path:
        """The path of a file that is what the card says. Raises ConfigError."""
        expected = self.digest_of(name)
        if Path(name).name != name:  # a card may be a stranger's
            raise ConfigError(f"{name!r} is no name of a file", "get the model again")
        path = self.path / name
        try:
            if path.stat().st_size > _FILE_BYTES_MAX:
                raise ConfigError(f"{path} is too large for a model", "get it again")
            found = hashlib.sha256(path.read_bytes()).digest()
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}", "get it where the card came from"
            ) from error
        if found != expected:
            raise ConfigError(f"{name} is not the file that its card is about", "get it again")
        return path
