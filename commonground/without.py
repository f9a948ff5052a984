"""Importing a library without something large that it would load if that is installed, and that nobody needs.

To whoever finds None in `sys.modules`, a module is not installed; afterwards it is there as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without(name: str) -> Iterator[None]:
    """What is imported in the block for the first time does not find this module, unless it is loaded."""
    modules: dict[str, Any] = sys.modules  # whose type does not know of None
    if name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]
