"""Reads what `make lock` wrote: which release of what is installed, under which hashes, and for whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCKS: Final = ("requirements.lock", "requirements-federated.lock", "requirements-build.lock")
PROJECT: Final = "commonhold"

_PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\]+?))? \\")
_HASH = re.compile(r"    --hash=sha256:(?P<digest>[0-9a-f]{64})(?: \\)?")
_WANTED_BY = re.compile(r"    #(?: via)? +(?P<name>[a-z0-9-]+)(?: \(pyproject\.toml\))?")


@dataclass(frozen=True, slots=True)
class Pin:
    """One release in a lock. `wanted_by` names other pins, and PROJECT for what pyproject.toml names."""

    name: str  # in lower case, with dashes
    version: str
    marker: str  # empty: on every machine
    hashes: list[str] = field(default_factory=list)
    wanted_by: list[str] = field(default_factory=list)


def read_lock(name: str) -> list[Pin]:
    """All pins of a lock, in its order. Raises ValueError for a line that says something else."""
    return list(_pins((ROOT / name).read_text(encoding="utf-8").splitlines()))


def _pins(lines: list[str]) -> Iterator[Pin]:
    pin: Pin | None = None
    for line in lines:
        if line.startswith("#") or line == "    # via":
            continue
        if found := _PIN.fullmatch(line):
            if pin is not None:
                yield pin
            pin = Pin(found["name"], found["version"], found["marker"] or "")
        elif pin is not None and (found := _HASH.fullmatch(line)):
            pin.hashes.append(found["digest"])
        elif pin is not None and (found := _WANTED_BY.fullmatch(line)):
            pin.wanted_by.append(found["name"])
        else:
            raise ValueError(f"a lock holds a line that pins nothing: {line!r}")
    if pin is not None:
        yield pin
