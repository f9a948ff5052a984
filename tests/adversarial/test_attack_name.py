"""A network whose name is markup: who audits it, joins or operates it reads the name, and obeys nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

from coordinator.config import Home
from tests.live_coordinator import CLI, serving_process

NAME = "[/x] <b>net</b> {{ 7*7 }} %s 🙂"


def run(*arguments: object, code: int = 0) -> str:
    done = subprocess.run(
        [*CLI, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_name_of_markup_is_read_as_it_is(tmp_path: Path) -> None:
    home, node = tmp_path / "net", tmp_path / "node"
    options = ("--dir", home, "--port", 0, "--http-port", 0, "--admission", "open")
    assert f"{NAME} is founded in" in run("coordinator", "init", "--name", NAME, *options)
    with serving_process(Home(home)) as (_, address):
        link = address.link
        assert f"{NAME}: its one entry holds" in run("verify", link)
        assert NAME in run("coordinator", "status", "--dir", home)
        assert f"Your name in {NAME}: ch1" in run("node", "init", "--link", link, "--dir", node)
        assert f"network     {NAME} at" in run("node", "status", "--dir", node)
        page = httpx.get(f"http://127.0.0.1:{address.http_port}/").text
        assert "[/x] &lt;b&gt;net&lt;/b&gt; {{ 7*7 }} %s 🙂" in page
        assert "<b>net" not in page


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "a\u202eb", "\u200b", "[/x]\x07"])
def test_a_name_that_hides_something_is_refused(tmp_path: Path, name: str) -> None:
    said = run("coordinator", "init", "--name", name, "--dir", tmp_path / "net", code=2)
    assert not [c for c in said if not c.isprintable() and c != "\n"]
    assert "next: " in said
