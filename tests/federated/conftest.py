"""Fixtures of several files of tests about training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.federated_lab_sums import Make, labs


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Rounds of secure sums; see tests.federated_lab_sums."""
    yield from labs(tmp_path, monkeypatch)
