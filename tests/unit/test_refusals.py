"""Whoever is refused is told what to do next: a rule for all that users get wrong, wherever it is found."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("commonground", "commonhold", "contracts", "coordinator", "federated", "node")
# What people can get wrong, in a file, an option or a key. Other errors are of machines and of programs.
KIND = "ConfigError"


def unadvised(path: Path) -> list[str]:
    """Where a module makes such an error of a message alone."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == KIND
        and len(call.args) + len(call.keywords) < 2
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_every_mistake_of_a_user_is_answered_with_advice(room: str) -> None:
    modules = sorted((ROOT / room).rglob("*.py"))
    assert modules
    assert [place for module in modules for place in unadvised(module)] == []


def test_an_error_without_advice_would_be_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f"{KIND}('wrong', 'write it right')\n{KIND}('wrong')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(unadvised.__globals__, "ROOT", tmp_path)
        assert unadvised(module) == ["module.py:2"]
