"""How a person is asked about personal data, and about what content credentials say."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from commonhold.cli import finding
from commonhold.cli.finding import LISTED, Found, ask_what, opened, settle_origin
from node.contents import CheckedPart
from node.media.records import Credentials
from node.planning import Plan, Planned, Terms
from node.privacy.choice import Choice
from node.privacy.documents import Finding
from node.privacy.found import Kind
from protocol.errors import ConfigError
from protos.gen import records_pb2 as pb

MAIL = Finding("1:7", Kind.E_MAIL, "", "jo…rg")
TERMS = Terms("CC-BY-4.0", pb.Consent(train=True), pb.ORIGIN_HUMAN)


def item(place: int, findings: tuple[Finding, ...] = (), by: str = "") -> Planned:
    said = Credentials(by, ("trainedAlgorithmicMedia",)) if by else None
    part = CheckedPart("text", "text/plain", 7, b"x", b"", findings=findings, credentials=said)
    return Planned(place, f"{place}.txt", "", None, (part,))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person types, one after the other."""
    typed: list[str] = []
    said: Iterator[str] = iter(typed)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(finding, "ask", lambda *_, **__: next(said))
    monkeypatch.setattr(finding, "confirm", lambda _: next(said) == "y")
    return typed


@pytest.mark.parametrize(
    ("typed", "choice"),
    [("r", Choice.REDACT), ("Leave", Choice.LEAVE_OUT), ("k", Choice.KEEP), ("s", Choice.STOP)],
)
def test_a_person_is_asked_until_it_is_an_answer(
    terminal: list[str], typed: str, choice: Choice, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal += ["what?", "", typed]
    found = Found.of(Plan(tuple(item(n, (MAIL,)) for n in range(LISTED + 3)), ()))
    assert ask_what(found, LISTED + 3) is choice
    shown = capsys.readouterr().err
    assert "and 3 more" in shown and "23 x e-mail" in shown and "names, postal addresses" in shown


def test_without_a_person_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert ask_what(Found(((("a.txt", MAIL)),), ()), 1) is Choice.STOP


def test_items_are_left_out_with_their_reason() -> None:
    plan = Plan((item(0, (MAIL,)), item(1)), ()).without_personal()
    assert [each.place for each in plan.items] == [1]
    assert plan.left_out[0].reason == "it holds personal data (e-mail)"


def test_what_credentials_say_is_asked_and_never_assumed(
    terminal: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan((item(0, by="Paint"), item(1)), ())
    assert settle_origin(plan, TERMS, may_ask=False) == plan
    assert "--origin synthetic" in capsys.readouterr().err
    terminal += ["n", "y"]
    assert settle_origin(plan, TERMS, may_ask=True) == plan
    made = settle_origin(plan, TERMS, may_ask=True)
    assert [each.generator for each in made.items] == ["Paint", ""]
    generated = Terms("CC-BY-4.0", pb.Consent(), pb.ORIGIN_SYNTHETIC, "Paint")
    assert settle_origin(plan, generated, may_ask=True) == plan


def test_regions_are_checked_and_else_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    assert opened([], "").words("020 7946 0958", "x").findings
    assert not opened(["us"], "").words("020 7946 0958", "x").findings
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert not opened([], "").words("020 7946 0958", "x").findings
    with pytest.raises(ConfigError, match="no region EN"):
        opened(["EN"], "")
