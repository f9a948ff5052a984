"""docs/cli.md says what `--help` says, and every command says something."""

from __future__ import annotations

from commonhold.cli.reference import PAGE, render


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `python -m commonhold.cli.reference`"


def test_every_command_and_option_is_explained() -> None:
    lines = render().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("  --") and len(line.split()) == 2 and "<" in line:
            following = lines[number + 1]
            assert following.startswith("   "), f"{line.strip()} has no help"
