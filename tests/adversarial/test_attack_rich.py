"""Markup, links and escape sequences in what others wrote, at the terminal: shown, and never obeyed."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from commonhold.cli import output
from commonhold.cli.output import Printed, Screen
from protocol.errors import Reject

FORGED = "[link=https://example.org]run: commonhold node alarms --acknowledge[/link] [green]all is well[/]"
ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;title\x07"
HOSTILE = (
    *("[/]", "[/x] net", "[neg]", ":warning:", FORGED, ESCAPES, "a\u202eb", "half \udcff", "\\[x]"),
    "one\nerror: two",
)


@pytest.fixture(params=[True, False], ids=["on a terminal", "in a pipe"])
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    seen = io.StringIO()
    made = Screen(file=seen, force_terminal=request.param, width=400, color_system=None)
    monkeypatch.setattr(output, "out", made)
    monkeypatch.setattr(output, "err", made)
    return seen


@output.guarded
def refuse(text: str) -> None:
    raise Reject(text, f"advice {text}")


def end(text: str) -> None:
    with pytest.raises(typer.Exit):
        refuse(text)


def show(*shown: Printed) -> None:
    output.show(*shown)


WAYS: dict[str, Callable[[str], None]] = {
    "a refusal": end,
    "a line": show,
    "several lines": lambda text: show([text, text]),
    "a cell": lambda text: show(output.table("b", ["c"], [[text]])),
    "a title": lambda text: show(
        output.table(text, ["c"], [["a cell, to be as wide as any title" * 5]])
    ),
    "a column": lambda text: show(output.table("b", [text], [["d"]])),
    "a note": output.note,
    "pieces": lambda text: show(output.styled((text, "bold"), text)),
    "a panel": lambda text: show(Panel(output.prose(text), title=output.letters(text))),
    "whatever somebody forgets": lambda text: output.out.print(text, markup=True, emoji=True),
    "what somebody forgets inside": lambda text: output.out.print(Panel(text)),
    "a renderable of somebody's own": lambda text: output.out.print(Panel(Text(text))),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", HOSTILE)
def test_it_is_shown_letter_by_letter(screen: io.StringIO, way: str, text: str) -> None:
    WAYS[way](text)
    seen = screen.getvalue()
    assert all(c.isprintable() or c == "\n" for c in seen)
    for word in text.split("\n", maxsplit=1)[0].replace("\x1b", " ").replace("\x07", " ").split():
        if word.isascii() and word.isprintable():
            assert word in seen
    assert "\nerror: two" not in seen


def test_the_scripts_console_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even on a console that reads markup, what the helpers make is text."""
    seen = io.StringIO()
    monkeypatch.setattr(output, "err", Console(file=seen, force_terminal=True, width=400))
    monkeypatch.setattr(output, "out", output.err)
    for text in (FORGED, "[/x]", ESCAPES):
        end(text)
        show(text, output.table(text, [text], [[text]]))
        assert text.split()[0].replace("\x1b", "<U+001B>") in seen.getvalue()
    assert "\x1b]0;" not in seen.getvalue() and "\x1b]8;" not in seen.getvalue()


def test_questions_and_progress_are_text(
    screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def put(question: str, **_: object) -> str:
        asked.append(question)
        return "x"

    monkeypatch.setattr(typer, "prompt", put)
    monkeypatch.setattr(typer, "confirm", put)
    assert output.ask(ESCAPES) == "x"
    assert output.confirm(f"really\n{ESCAPES}")
    assert not [c for text in asked for c in text if not c.isprintable()]
    with output.progress() as bar:
        bar.add_task(f"[/x] {ESCAPES}", total=3)
        bar.refresh()
    assert "\x1b]0;" not in screen.getvalue()


def test_what_is_no_text_is_refused(screen: io.StringIO) -> None:
    """Half a character cannot be in a record, a file or an address. A path may have any bytes."""

    @output.guarded
    def command(title: str, tags: list[str]) -> None:
        assert title
        assert tags

    command(title="a", tags=["b"])
    for wrong in ({"title": "a\udcff", "tags": ["b"]}, {"title": "a", "tags": ["b", "\udcff"]}):
        with pytest.raises(typer.Exit) as ended:
            command(**wrong)  # type: ignore[arg-type]
        assert ended.value.exit_code == output.EXIT_USAGE
    assert "is not UTF-8: a<U+DCFF>" in screen.getvalue()
