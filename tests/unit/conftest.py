"""Fixtures of the unit tests."""

from __future__ import annotations

import pytest

from tests.fold import people
from tests.simulated import Network


@pytest.fixture
def net() -> Network:
    return Network(*people("ada", "ben", "cyn", "dov", "eve"))
