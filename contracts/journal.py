"""The transaction that an account has under way, on disk from before it is sent until it is mined.

An account sends one transaction after the other, so one is all there is to remember. It is kept as signed:
after a crash the same bytes are sent again, and since they hold a nonce, the chain mines them once at most.
A nonce alone would not do: if the first run's transaction was mined just before the second run asks, the
second takes the next nonce and pays again.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from protocol.errors import StateError, StoreError

#: Whoever is sending needs no longer than it takes until a transaction is mined, or given up.
LOCK_TIMEOUT_S: Final = 240.0
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be sent. `to` is empty when it creates a contract."""

    to: bytes
    data: bytes
    wei: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction, with its fee and tip in wei for a unit of gas."""

    tx_hash: bytes
    raw: bytes
    fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class Underway:
    """An order with its nonce, and all attempts at it: the same nonce, each with a higher fee."""

    order: Order
    nonce: int
    gas: int
    attempts: tuple[Attempt, ...]

    @property
    def last(self) -> Attempt:
        """Return the attempt with the highest fee."""
        return self.attempts[-1]


class Journal:
    """Remembers what one account has under way on one chain; only while we run if `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._underway: Underway | None = None

    @classmethod
    def of(cls, folder: Path | None, chain_id: int, account: bytes) -> Journal:
        """Return the one of an account in a folder, which is made if need be."""
        return cls(folder and folder / f"{chain_id}-{account.hex()}.json")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes with the same folder from sending for the block."""
        if self.path is None:
            yield
            return
        try:
            self.path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
            lock = FileLock(self.path.with_suffix(".lock"), timeout=LOCK_TIMEOUT_S, mode=_FILE_MODE)
            lock.acquire()
        except Timeout:
            raise StateError(
                "another process is sending from this account", "wait for it, then run this again"
            ) from None
        except OSError as error:
            raise _unusable(self.path, error) from error
        try:
            yield
        finally:
            lock.release()

    def read(self) -> Underway | None:
        """Return what is under way. Raises StoreError for a file that nobody can read."""
        if self.path is None:
            return self._underway
        try:
            text = self.path.read_text("utf-8")
            return _from_json(json.loads(text))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise StoreError(
                f"{self.path} is malformed, and tells of a transaction under way",
                "look up the account's last transactions; when all are mined, remove the file",
            ) from error
        except OSError as error:
            raise _unusable(self.path, error) from error

    def write(self, underway: Underway) -> None:
        """Remember it: on disk when this returns."""
        self._underway = underway
        if self.path is not None:
            try:
                _replace(self.path, json.dumps(_to_json(underway), indent=1).encode())
            except OSError as error:
                raise _unusable(self.path, error) from error

    def clear(self) -> None:
        """Forget it: it was mined, or never will be."""
        self._underway = None
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _to_json(underway: Underway) -> dict[str, Any]:
    order = underway.order
    return {
        "to": order.to.hex(),
        "data": order.data.hex(),
        "wei": str(order.wei),
        "nonce": underway.nonce,
        "gas": underway.gas,
        "attempts": [
            {
                "hash": each.tx_hash.hex(),
                "raw": each.raw.hex(),
                "fee": str(each.fee),
                "tip": str(each.tip),
            }
            for each in underway.attempts
        ],
    }


def _from_json(found: Any) -> Underway:
    attempts = tuple(
        Attempt(
            bytes.fromhex(each["hash"]),
            bytes.fromhex(each["raw"]),
            int(each["fee"]),
            int(each["tip"]),
        )
        for each in found["attempts"]
    )
    order = Order(bytes.fromhex(found["to"]), bytes.fromhex(found["data"]), int(found["wei"]))
    return Underway(order, int(found["nonce"]), int(found["gas"]), (attempts[0], *attempts[1:]))


def _replace(path: Path, data: bytes) -> None:
    """Write a private file whole and durably, in place of the one that is there."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, _FILE_MODE)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot use {path}: {error.strerror}", "check the disk, and whose folder it is"
    )
