"""docs/cli.md says what a user sees with `--help`, and every command and option says something."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from commonhold.cli.reference import ENVIRONMENT, PAGE, render
from commonhold.cli.root import GROUPS, build
from coordinator.campaigns import read_draft
from coordinator.founding import DEFAULT_POLICY
from protos.gen import records_pb2 as pb


def commands(command: Any, name: str = "commonhold") -> Iterator[tuple[str, Any]]:
    yield name, command
    for child_name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{name} {child_name}")


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `python -m commonhold.cli.reference`"


@pytest.mark.parametrize(
    "path", [(), ("verify",), ("node",), ("coordinator", "campaign", "create")]
)
def test_the_page_is_what_a_user_sees(path: tuple[str, ...]) -> None:
    code = "import sys; sys.argv[0] = 'commonhold'; from commonhold.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *path, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | ENVIRONMENT,
    )
    seen = "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip()
    title = " ".join(("commonhold", *path))
    assert f"## `{title}`\n\n```text\n{seen}\n```\n" in PAGE.read_text(encoding="utf-8")


def test_every_command_and_option_is_explained() -> None:
    mute = [
        f"{name} {getattr(parameter, 'name', '')}"
        for name, command in commands(typer.main.get_command(build(*GROUPS)))
        for parameter in (command, *command.params)
        if not (getattr(parameter, "help", "") or "").strip()
    ]
    assert not mute


def helps(*path: str) -> dict[str, str]:
    """What `--help` says of each option of a command."""
    found = dict(commands(typer.main.get_command(build(path[0])), "commonhold"))
    return {each.name: each.help for each in found[" ".join(("commonhold", *path))].params}


def test_the_defaults_of_a_new_network_are_shown() -> None:
    said = helps("coordinator", "init")
    for name in (
        *("operator_invitations", "member_invitations", "invite_standing"),
        *("newcomer_items", "items_per_standing", "silence_tosses"),
    ):
        assert said[name].endswith(f" A new network: {getattr(DEFAULT_POLICY, name):,}."), name
    assert said["silence_slash"].endswith(
        f" A new network: {DEFAULT_POLICY.silence_ppm // 10_000}."
    )
    assert said["admission"].endswith(" A new network: invitation.")
    assert DEFAULT_POLICY.admission == pb.ADMISSION_INVITATION


def test_the_defaults_of_a_campaign_are_shown_in_sentences() -> None:
    said = helps("coordinator", "campaign", "create")
    assert all(text.endswith(".") and text[0].isupper() for text in said.values()), said
    body = read_draft(b"", None, {"id": "a", "labels": ["no", "yes"]}).body
    hour = 3_600_000
    for name, value in {
        "media_type": body.parts[0].media_types[0],
        "licence": body.licences[0],
        "reviewers": body.reviewers_per_item,
        "seal_items": body.rounds.seal_items,
        "seal_wait": f"{body.rounds.seal_wait_ms // 60_000}m",
        "commit_window": f"{body.rounds.commit_ms // hour}h",
        "reveal_window": f"{body.rounds.reveal_ms // hour}h",
        "round_items": f"{body.rounds.items_max:,}",
        "derivative_permille": body.derivative_permille,
        "draws_max": body.rounds.draws_max,
    }.items():
        assert said[name].endswith(f" Default: {value}."), name
