"""Every command that the documentation shows is one: its name, its options, and no more words than it takes.

What stands for a value, as FOLDER or 0x…, is taken for one. Types of values are not looked at.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from commonhold.cli.reference import PAGE
from commonhold.cli.root import GROUPS, build

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
TEMPLATES: Final = tuple(
    sorted(path for room in ("coordinator", "node") for path in (ROOT / room).rglob("*.html"))
)
# Of a line of a block: what is behind two spaces explains it, and so does a comment.
_EXPLAINED: Final = re.compile(r"\s{2,}.*|\s+#\s.*|;.*| > .*| ──.*")
_CODE: Final = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_IN_TEMPLATE: Final = re.compile(r"[\"`>](commonhold [^\"`<{]+)[\"`<{]")
_IN_STRING: Final = re.compile(r"`(commonhold [^`]+)`")
_OR: Final = re.compile(r"(?:\.\.\.|…)$")


@cache
def root() -> Any:
    return typer.main.get_command(build(*GROUPS))


def wrong_with(line: str) -> str:
    """What is not right about a command line; empty if nothing is."""
    try:
        words = shlex.split(re.sub(r"[\[\]]", " ", line))
    except ValueError as error:
        return str(error)
    command, at = root(), 1
    while getattr(command, "commands", None) and at < len(words):
        word = words[at]
        if word.startswith("-") or word.isupper() or _OR.search(word):
            return ""  # `commonhold node --help`, or what stands for any command
        if word not in command.commands:
            return f"there is no {' '.join(words[: at + 1])!r}"
        command, at = command.commands[word], at + 1
    return _wrong_words(command, words[at:])


def _wrong_words(command: Any, words: list[str]) -> str:
    options = {
        name: each
        for each in command.params
        if each.param_type_name == "option"
        for name in (*each.opts, *each.secondary_opts)
    }
    room = sum(
        each.nargs if each.nargs > 0 else 99
        for each in command.params
        if each.param_type_name == "argument"
    )
    given = 0
    left = iter(words)
    for word in left:
        if re.match(r"--?[A-Za-z]", word):
            name, equals, _ = word.partition("=")
            if name not in {*options, "--help"}:
                return f"there is no option {name}"
            if name != "--help" and not options[name].is_flag and not equals:
                next(left, None)
        elif word in ("or", "|", "&"):
            break
        elif not _OR.fullmatch(word):
            given += 1
    return f"it takes {room} words" if given > room else ""


def commands_of(page: Path) -> Iterator[str]:
    """The command lines of a page: in blocks, and between backticks in its text."""
    text = page.read_text(encoding="utf-8")
    blocks: list[str] = []
    prose: list[str] = []
    is_fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced or line.startswith("    "):
            blocks.append(line.strip() if not blocks or not blocks[-1].endswith("\\") else line)
        else:
            prose.append(line)
    for line in re.sub(r"\\\n\s*", "", "\n".join(blocks)).splitlines():
        if line.startswith("commonhold ") and not line.startswith("commonhold ("):
            yield _EXPLAINED.sub("", line).strip()
    groups = {name for name, each in root().commands.items() if getattr(each, "commands", None)}
    for found in _CODE.finditer("\n".join(prose)):
        said = " ".join(found[1].split())
        words = said.split()
        if words[0] == "commonhold" and len(words) > 1:
            yield said
        elif words[0] in groups and len(words) > 1:
            yield f"commonhold {said}"


@pytest.mark.parametrize(
    "page", [each for each in PAGES if each != PAGE], ids=lambda page: page.name
)
def test_the_commands_of_a_page_are_some(page: Path) -> None:
    wrong = {line: said for line in commands_of(page) if (said := wrong_with(line))}
    assert not wrong


def test_nobody_is_sent_to_a_package_index_that_does_not_have_it() -> None:
    """`commonhold[node]` alone names what is in none; a clone or a git address has it."""
    for page in (*PAGES, *TEMPLATES):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"install '?commonhold\[[\w,]+\](?! @ git)", text), page


def test_the_commands_of_our_web_pages_are_some() -> None:
    found = [
        (path.name, line)
        for path in TEMPLATES
        for match in _IN_TEMPLATE.finditer(path.read_text(encoding="utf-8"))
        for line in match[1].split("\\n")
    ]
    assert len(found) > 5
    assert not {each: said for each in found if (said := wrong_with(each[1]))}


def test_the_commands_that_messages_name_are_some() -> None:
    found = [
        (path.name, match[1])
        for room in ("commonground", "commonhold", "coordinator", "federated", "node", "protocol")
        for path in (ROOT / room).rglob("*.py")
        for each in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
        for match in _IN_STRING.finditer(each.value)
    ]
    assert len(found) > 100
    assert not {each: said for each in found if (said := wrong_with(each[1]))}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("commonhold coordinator licence add --model ages", "it takes 0 words"),
        ("commonhold coordinator licence --model ages", ""),
        ("commonhold coordinator licences add", "it takes 0 words"),
        ("commonhold coordinator licenses", "there is no 'commonhold coordinator licenses'"),
        ("commonhold node scan a b c --no-header", ""),
        ("commonhold node scan a --no-head", "there is no option --no-head"),
    ],
)
def test_what_is_no_command_is_found(line: str, says: str) -> None:
    assert wrong_with(line) == says
