"""How a phone comes in: by a code that is shown on this machine alone, once, soon, and in few tries.

One phone at a time: another one that comes in ends the first. What the phone then shows is a cookie of its
own, of which we keep the hash.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.reviewpage.session import Session, save

CODE_DIGITS: Final = 8
CODE_SECONDS: Final = 300.0
# A stranger who tries them all guesses one code in twenty million.
TRIES_MAX: Final = 5
_COOKIE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Offer:
    """Where a phone goes, what it types there, and what its browser must show of our certificate."""

    url: str
    code: str
    fingerprint: str  # SHA-256, pairs of hexadecimal digits


class Pairing:
    """The phone's side of a session. For the event loop."""

    def __init__(
        self,
        session: Session,
        file: Path,
        url: str,
        fingerprint: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`file` keeps the session."""
        self._session, self._file, self._clock = session, file, clock
        self._url, self.fingerprint = url, fingerprint
        self._code, self._until, self._tries = "", 0.0, 0

    def offer(self) -> Offer:
        """A fresh code; the one before opens nothing any more."""
        self._code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
        self._until, self._tries = self._clock() + CODE_SECONDS, TRIES_MAX
        return Offer(self._url, self._code, self.fingerprint)

    @property
    def waits(self) -> bool:
        """Whether there is a code that would still open."""
        return bool(self._code) and self._tries > 0 and self._clock() < self._until

    @property
    def has_phone(self) -> bool:
        """Whether a phone was let in."""
        return bool(self._session.phone)

    def take(self, code: str) -> str | None:
        """The cookie of the phone that knows the code, which is used up; None for a wrong one."""
        if not self.waits:
            return None
        self._tries -= 1
        given = "".join(filter(str.isdecimal, code[: 4 * CODE_DIGITS]))
        if not secrets.compare_digest(given.encode(), self._code.encode()):
            return None
        self._code = ""
        cookie = secrets.token_hex(_COOKIE_BYTES)
        self._keep(cookie)
        return cookie

    def end(self) -> None:
        """No phone, and no code, opens anything any more."""
        self._code = ""
        self._keep("")

    def opens(self, cookie: str) -> bool:
        """Whether it is the phone's."""
        return self._session.is_phone(cookie)

    def _keep(self, cookie: str) -> None:
        self._session = self._session.with_phone(cookie)
        save(self._session, self._file)
