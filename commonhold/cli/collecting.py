"""When the collector of reference cycles looks.

Imports make objects by the ten thousand, none of which can be collected, and Python looks every 700 of them:
a seventh of the time that a command takes to start. What runs for weeks needs it as usual, since a cycle may
hold a message of megabytes.
"""

from __future__ import annotations

import gc
from typing import Final

_SELDOM: Final = (
    50_000  # new objects between two looks: few commands make as many after their imports
)
_USUAL: Final = gc.get_threshold()[0]


def collect_seldom() -> None:
    """While packages are imported, and in commands that end soon."""
    gc.set_threshold(_SELDOM)


def collect_as_usual() -> None:
    """In what stays; what was imported until now is not looked through any more."""
    gc.freeze()
    gc.set_threshold(_USUAL)
