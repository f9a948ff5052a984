"""A module that nobody needs is not found where another one is imported, and is there afterwards."""

from __future__ import annotations

import importlib
import sys

import pytest

from commonground.without import without


def test_what_is_not_loaded_is_not_found_inside_and_is_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with without("colorsys"), pytest.raises(ImportError):
        importlib.import_module("colorsys")
    assert "colorsys" not in sys.modules
    loaded = importlib.import_module("colorsys")
    with without("colorsys"):
        assert importlib.import_module("colorsys") is loaded
    assert sys.modules["colorsys"] is loaded


def test_it_is_there_again_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with pytest.raises(ValueError, match="inside"), without("colorsys"):
        raise ValueError("inside")
    assert "colorsys" not in sys.modules
