"""Tables: what the state is made of. In memory for now; nothing in the rules would notice a disk.

A row is immutable: whoever changes something puts a new row. Keys are bytes, strings, integers or tuples of
these; rows of a key that is a tuple lie together by its first part, which is what `scan` can ask for. A scan
goes in the order of the keys, so that every machine goes in the same one.

`encode` gives the canonical bytes of a key or row, from which a root over the state can be computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar, overload

K = TypeVar("K")
Row = TypeVar("Row")
Default = TypeVar("Default")

_WHOLE: Final = object()  # the one group of a table whose keys are not tuples


class Table(Generic[K, Row]):
    """Rows by key. `before`, while a record is processed, remembers what each changed key held."""

    def __init__(self) -> None:
        self._groups: dict[Any, dict[K, Row]] = {}
        self._size = 0
        self._before: dict[K, Row | None] | None = None

    def __len__(self) -> int:
        return self._size

    def __contains__(self, key: K) -> bool:
        return key in self._groups.get(_group_of(key), ())

    def __getitem__(self, key: K) -> Row:
        return self._groups[_group_of(key)][key]

    @overload
    def get(self, key: K) -> Row | None: ...
    @overload
    def get(self, key: K, default: Default) -> Row | Default: ...
    def get(self, key: K, default: Any = None) -> Any:
        """The row, or the default."""
        return self._groups.get(_group_of(key), {}).get(key, default)

    def put(self, key: K, row: Row) -> None:
        """Sets the row of a key."""
        group = self._groups.setdefault(_group_of(key), {})
        self._remember(key, group.get(key))
        self._size += key not in group
        group[key] = row

    def remove(self, key: K) -> None:
        """Takes a row out; nothing happens where there is none."""
        name = _group_of(key)
        group = self._groups.get(name, {})
        if key in group:
            self._remember(key, group.pop(key))
            self._size -= 1
            if not group:
                del self._groups[name]

    def scan(self, first: Any = _WHOLE) -> Iterator[tuple[K, Row]]:
        """All rows, or those whose key begins with `first`, in the order of their keys. Rows may be
        changed and removed meanwhile."""
        if first is _WHOLE and _WHOLE not in self._groups:
            for name in sorted(self._groups):
                yield from self.scan(name)
            return
        group = self._groups.get(first, {})
        for key in sorted(group):  # type: ignore[type-var]
            if key in group:
                yield key, group[key]

    def count(self, first: Any) -> int:
        """How many rows have a key that begins with `first`."""
        return len(self._groups.get(first, ()))

    def has(self, first: Any) -> bool:
        """Whether some row's key begins with `first`. Raises TypeError where keys begin with nothing: they are
        no tuples, and `in` asks for them."""
        if _WHOLE in self._groups:
            raise TypeError("the keys of this table are no tuples")
        return first in self._groups

    def firsts(self) -> list[Any]:
        """What keys begin with, in order; for tables whose keys are tuples."""
        return sorted(self._groups)

    def part(self, first: Any) -> Table[K, Row]:
        """A table of its own with the rows whose key begins with `first`; rows are immutable, so they are
        shared."""
        part: Table[K, Row] = Table()
        if first in self._groups:
            part._groups[first] = dict(self._groups[first])
            part._size = len(part._groups[first])
        return part

    def same_part(self, other: Table[K, Row], first: Any) -> bool:
        """Whether both have the same rows under keys that begin with `first`."""
        return self._groups.get(first) == other._groups.get(first)

    def clear(self, first: Any = _WHOLE) -> None:
        """Removes all rows, or those whose key begins with `first`."""
        for key, _ in list(self.scan(first)):
            self.remove(key)

    def watch(self) -> None:
        """From now on, remembers what changed keys held."""
        self._before = {}

    def changed(self) -> dict[K, Row | None]:
        """What the keys that changed since `watch` held before; ends the watch."""
        before, self._before = self._before or {}, None
        return before

    def _remember(self, key: K, row: Row | None) -> None:
        if self._before is not None:
            self._before.setdefault(key, row)


class Draft(Generic[K, Row]):
    """A table as it would be with some changes, which the table itself does not have before `commit`."""

    def __init__(self, table: Table[K, Row]) -> None:
        self._table = table
        self._rows: dict[K, Row | None] = {}

    def get(self, key: K) -> Row | None:
        """The row, or None."""
        return self._rows[key] if key in self._rows else self._table.get(key)

    def put(self, key: K, row: Row | None) -> None:
        """Sets the row of a key; None takes it out."""
        self._rows[key] = row

    def commit(self) -> tuple[tuple[K, Row | None], ...]:
        """Changes the table; gives what the changed keys held before, for `restore`."""
        before = tuple((key, self._table.get(key)) for key in self._rows)
        restore(self._table, tuple(self._rows.items()))
        return before


def restore(table: Table[K, Row], rows: Sequence[tuple[K, Row | None]]) -> None:
    """Sets rows again as they were; None: there was none."""
    for key, row in rows:
        if row is None:
            table.remove(key)
        else:
            table.put(key, row)


def _group_of(key: Any) -> Any:
    return key[0] if type(key) is tuple else _WHOLE


def encode(value: Any) -> bytes:
    """The canonical bytes of a key or row: a type letter, a length, and the value.

    Raises TypeError for anything that has no canonical form, floats above all.
    """
    if value is None or isinstance(value, bool):
        return _CONSTANTS[value]
    if isinstance(value, tuple):
        return _framed(b"l", b"".join(map(encode, value)))
    if is_dataclass(value):
        return _framed(b"r", b"".join(encode(getattr(value, each.name)) for each in fields(value)))
    if isinstance(value, Enum):
        return _framed(b"e", value.name.encode())
    for kind, letter, content in _SCALARS:
        if isinstance(value, kind):
            return _framed(letter, content(value))
    raise TypeError(f"a {type(value).__name__} has no canonical bytes")


_CONSTANTS: Final = {None: b"n", False: b"f", True: b"t"}
_SCALARS: Final[tuple[tuple[type, bytes, Callable[[Any], bytes]], ...]] = (
    (int, b"i", lambda number: str(number).encode()),
    (bytes, b"b", bytes),
    (str, b"s", str.encode),
)


def _framed(letter: bytes, content: bytes) -> bytes:
    return letter + len(content).to_bytes(4, "big") + content
