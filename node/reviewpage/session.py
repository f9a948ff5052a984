"""What opens the review page, and stays: a browser that waits for a node which was killed knows the address
and its cookie, and keeps answers until that address answers again.

The file is its owner's alone (0600). `fresh` makes another one: then no old address, cookie or phone opens
anything.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from commonground.files import replace_file
from commonground.web.gate import Secrets
from protocol.depth import load_json
from protocol.errors import StoreError

_BYTES_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class Session:
    """The secrets of the page, its ports, and the one phone that may come in."""

    secrets: Secrets
    port: int = 0  # on loopback; 0 before it is chosen
    phone_port: int = 0
    phone: str = field(default="", repr=False)  # SHA-256 of the phone's cookie; empty: none

    def is_phone(self, cookie: str) -> bool:
        """Whether that is the cookie of the phone that was let in."""
        return bool(self.phone) and secrets.compare_digest(_digest(cookie), self.phone)

    def with_phone(self, cookie: str) -> Session:
        """Lets this phone in, and no other any more; without a cookie, none."""
        return replace(self, phone=_digest(cookie) if cookie else "")


def fresh() -> Session:
    """A session that nobody knows."""
    return Session(Secrets())


def load(path: Path) -> Session:
    """The session that was kept, or a fresh one."""
    try:
        with path.open("rb") as file:
            fields: dict[str, Any] = load_json(file.read(_BYTES_MAX))
        return Session(**fields | {"secrets": Secrets(**fields["secrets"])})
    except (OSError, ValueError, TypeError, KeyError):
        return fresh()  # none yet, or not ours: whoever has its address opens the page anew


def save(session: Session, path: Path) -> None:
    """Keeps it, durably. Raises StoreError."""
    try:
        replace_file(path, json.dumps(asdict(session)))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def _digest(cookie: str) -> str:
    return sha256(cookie.encode()).hexdigest()
