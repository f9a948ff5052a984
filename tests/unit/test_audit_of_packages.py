"""`make audit` finds what is known, and never takes ignorance for safety."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tools import audit

HOLE = {"id": "PYSEC-0", "fix_versions": ["2.0"]}
Ask = Callable[[list[str]], list[dict[str, Any]]]


def source(vulnerable: tuple[str, ...], unknown: tuple[str, ...] = ()) -> Ask:
    """What pip-audit says where these releases are vulnerable, and these packages are not known."""

    def ask(wanted: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for release in wanted:
            name, _, version = release.partition("==")
            if name in unknown:
                found.append({"name": name, "skip_reason": "not found"})
            else:
                holes = [HOLE] if release in vulnerable else []
                found.append({"name": name, "version": version, "vulns": holes})
        assert len({each["name"] for each in found}) == len(found)  # or pip-audit refuses
        return found

    return ask


@pytest.mark.parametrize(
    ("ask", "status", "says"),
    [
        (source((audit.KNOWN_TO_BE_VULNERABLE,)), 0, "no known vulnerability in "),
        (
            source((audit.KNOWN_TO_BE_VULNERABLE, audit.releases()[0])),
            audit.EXIT_FOUND,
            "PYSEC-0, fixed in 2.0",
        ),
        (source(()), audit.EXIT_NO_DATA, "knows nothing of requests==2.19.0"),
        (source((), ("requests",)), audit.EXIT_NO_DATA, "nothing is known about requests"),
        (
            source((audit.KNOWN_TO_BE_VULNERABLE,), ("numpy",)),
            audit.EXIT_NO_DATA,
            "nothing is known about numpy",
        ),
    ],
)
def test_how_an_audit_ends(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ask: Ask,
    status: int,
    says: str,
) -> None:
    monkeypatch.setattr(audit, "_ask", ask)
    assert audit.main() == status
    assert says in "".join(capsys.readouterr())


def test_a_source_that_does_not_answer_is_no_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """pip-audit prints a traceback then, and no JSON."""
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "nowhere")
    assert audit.main() == audit.EXIT_NO_DATA
    assert "cannot look for vulnerabilities here" in capsys.readouterr().err


def test_each_release_of_a_package_is_asked_for() -> None:
    asked = audit.releases()
    assert {"starlette==1.3.1", "starlette==1.10.0"} <= {*asked}
    assert not [release for release in asked if "+" in release]
