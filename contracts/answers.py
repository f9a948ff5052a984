"""Reading what an endpoint answered: quantities and data are strings there, and may be anything."""

from __future__ import annotations

from typing import Any

from contracts.endpoint import Endpoint


class Reader:
    """Reads the fields of one object; raises ConfigError for what no endpoint sends."""

    def __init__(self, endpoint: Endpoint, found: Any) -> None:
        if not isinstance(found, dict):
            raise endpoint.malformed()
        self._endpoint, self._found = endpoint, found

    def has(self, name: str) -> bool:
        """Return whether a field is there and not null."""
        return self._found.get(name) is not None

    def number(self, name: str) -> int:
        """Return a quantity."""
        return as_number(self._endpoint, self._found.get(name))

    def data(self, name: str, length: int | None = None) -> bytes:
        """Return bytes, of `length` if it is given."""
        return as_bytes(self._endpoint, self._found.get(name), length)

    def many(self, name: str, length: int) -> tuple[bytes, ...]:
        """Return a list of bytes of `length` each."""
        values = self._found.get(name)
        if not isinstance(values, list):
            raise self._endpoint.malformed()
        return tuple(as_bytes(self._endpoint, each, length) for each in values)


def as_number(endpoint: Endpoint, value: Any) -> int:
    """Return what a hexadecimal quantity says."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise endpoint.malformed("a number is missing")


def as_bytes(endpoint: Endpoint, value: Any, length: int | None = None) -> bytes:
    """Return what hexadecimal data says."""
    if isinstance(value, str) and value.startswith("0x"):
        try:
            raw = bytes.fromhex(value[2:])
        except ValueError:
            raise endpoint.malformed("data is not hexadecimal") from None
        if length is None or len(raw) == length:
            return raw
    raise endpoint.malformed("data is missing or has another length")
