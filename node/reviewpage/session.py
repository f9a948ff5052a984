"""What of the review page outlives its process, and the secrets that do not.

A browser keeps answers by the address's origin, so that the port stays the same, and under the name of this
node's page, so that another node's answers are not among them. All that opens the page on this machine is
fresh at each start: whoever listened on the port meanwhile was shown what opens nothing any more. A phone
is served over TLS, which nobody else can do under our certificate: it keeps its cookie and its path.

The file is its owner's alone (0600).
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, astuple, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from commonground.files import replace_file
from commonground.web.gate import ROOM_BYTES, Secrets
from protocol.depth import load_json
from protocol.errors import StoreError

_BYTES_MAX: Final = 4_096
_NAME_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Session:
    """What stays from one start to the next."""

    name: str = field(default_factory=lambda: secrets.token_hex(_NAME_BYTES))
    port: int = 0  # on loopback; 0 before it is chosen
    phone_port: int = 0
    phone_room: str = field(default_factory=lambda: secrets.token_hex(ROOM_BYTES), repr=False)
    phone: str = field(default="", repr=False)  # SHA-256 of the phone's cookie; empty: none

    def is_phone(self, cookie: str) -> bool:
        """Whether that is the cookie of the phone that was let in."""
        return bool(self.phone) and secrets.compare_digest(_digest(cookie), self.phone)

    def with_phone(self, cookie: str) -> Session:
        """Lets this phone in, and no other any more; without a cookie, none."""
        return replace(self, phone=_digest(cookie) if cookie else "")


@dataclass(frozen=True, slots=True)
class Sitting:
    """One life of the page's process, as its pages know it."""

    known: Secrets
    name: str  # of the session
    before: int = 0  # the port of the sitting before, if it was another one


def load(path: Path) -> Session:
    """The session that was kept, or a new one."""
    try:
        with path.open("rb") as file:
            fields: dict[str, Any] = load_json(file.read(_BYTES_MAX))
        session = Session(**fields)
    except (OSError, ValueError, TypeError):
        return Session()  # none yet, or not ours
    is_ours = [type(each) for each in astuple(session)] == [str, int, int, str, str]
    return session if is_ours else Session()


def save(session: Session, path: Path) -> None:
    """Keeps it, durably. Raises StoreError."""
    try:
        replace_file(path, json.dumps(asdict(session)))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def _digest(cookie: str) -> str:
    return sha256(cookie.encode()).hexdigest()
