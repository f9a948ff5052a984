"""What the README tells a newcomer to type does what it says: each line is run as it stands there.

Only what a test cannot have is put in its place: fixed ports, the environment, the link that a reader copies
from one line to the next, and a file that says where a server in the background is reached. What a comment
asks of a person by itself, on a line of its own, a person at the page does.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image

from tests.friend import Friend

README: Final = Path(__file__).parents[2] / "README.md"
HEADING: Final = "## A network of your own, in one minute"
LINE_S: Final = 120.0
STOP_S: Final = 20.0
PICTURES: Final = 8
LABELS: Final = ("cat", "dog")  # in turn: whoever says the same of all is wrong of half
LINK: Final = "commonhold://…"
ACCOUNT: Final = "0x…"
DEV_CHAIN: Final = "http://127.0.0.1:8545"


def commands_in(page: Path, heading: str) -> list[str]:
    """The commands of the block below a heading, without comments, continued lines joined."""
    section = page.read_text(encoding="utf-8").partition(heading)[2]
    block = section.partition("```sh\n")[2].partition("\n```")[0]
    joined = block.replace("\\\n", " ")
    return [line for text in joined.splitlines() if (line := re.sub(r"\s+# .*", "", text).strip())]


def prepare(folder: Path) -> dict[str, str]:
    """What the block presupposes: an environment, pictures and a list of labels; gives the variables."""
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    command = binaries / "commonhold"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m commonhold "$@"\n')
    command.chmod(0o755)
    (binaries / "activate").write_text(f"PATH={shlex.quote(str(binaries))}:$PATH\n")
    (folder / "pictures").mkdir()
    labels = ["file,label"]
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{number}.png")
        labels.append(f"{number}.png,{LABELS[number % len(LABELS)]}")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n", encoding="utf-8")
    sources = os.pathsep.join([str(README.parent), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"HOME": str(folder), "PYTHONPATH": sources}


class Reader:
    """Somebody who types the lines, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.environment = folder, prepare(folder)
        self.activated = ":"
        self.link = self.account = ""
        self.servers: list[tuple[str, int]] = []  # each with its process
        self.ready: list[dict[str, str]] = []  # what each said when it was
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.chain_port = free.getsockname()[1]

    def type(self, line: str) -> str:
        """Runs a line to its end, or until it serves in the background; gives what it printed."""
        line = self._with_ports(line)
        if line.startswith(". "):
            self.activated = line
        if LINK in line:
            assert self.link, f"no line before has printed the link for: {line}"
            line = line.replace(LINK, self.link)
        if ACCOUNT in line:
            assert self.account, f"no line before has printed the account for: {line}"
            line = line.replace(ACCOUNT, self.account)
        if line.startswith("# "):
            self._review()
            self._await_decisions()
            return ""
        if is_served := line.endswith("--background"):
            line = f"{line} --ready-file ready-{len(self.servers)}"
        done = subprocess.run(
            self._shell(line), cwd=self.folder, env=self.environment, timeout=LINE_S,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if is_served:
            self._remember(line, done.stderr)
        if found := re.search(r"commonhold://[^\s\"]+", done.stdout):
            self.link = found[0]
        if found := re.search(r"(?:account on chain|paid at).*(0x[0-9a-f]{40})", done.stdout):
            self.account = found[1]
        return done.stdout

    def _review(self) -> None:
        """As the friend, who sees what each picture shows."""
        labels: dict[str | bytes, str] = {}
        for number in range(PICTURES):
            picture = Image.open(self.folder / "pictures" / f"{number}.png")
            labels[picture.convert("RGB").tobytes()] = LABELS[number % len(LABELS)]
        Friend(self.ready[-1]["page"], labels).review("cats", PICTURES)

    def _await_decisions(self) -> None:
        """However busy this machine is."""
        deadline = time.monotonic() + LINE_S
        while True:
            said = self.type("commonhold coordinator status --dir ./hub --json")
            [campaign] = json.loads(said)["campaigns"]
            if campaign["accepted"] + campaign["rejected"] == PICTURES:
                return
            assert time.monotonic() < deadline, campaign
            time.sleep(0.5)

    def _with_ports(self, line: str) -> str:
        line = line.replace(DEV_CHAIN, f"http://127.0.0.1:{self.chain_port}")
        if line.startswith("commonhold chain dev"):
            return line.replace("chain dev", f"chain dev --port {self.chain_port}")
        if line.startswith("commonhold coordinator init"):
            return f"{line} --port 0 --http-port 0 --rpc-url http://127.0.0.1:{self.chain_port}"
        if line.startswith("commonhold chain fund"):
            return f"{line} --rpc-url http://127.0.0.1:{self.chain_port}"
        return line

    def _shell(self, line: str) -> list[str]:
        return ["bash", "-c", f"{self.activated} && {line}"]

    def _remember(self, line: str, said: str) -> None:
        """A server in the background; nobody waits for it any more when its line is done."""
        [process] = re.findall(r"end it with: kill (\d+)$", said, re.MULTILINE)
        ready = self.folder / f"ready-{len(self.servers)}"
        self.servers.append((line, int(process)))
        self.ready.append(json.loads(ready.read_text()))
        self.link = self.ready[-1].get("link", self.link)

    def stop(self) -> None:
        """Ends the servers, the last one first, as they said."""
        while self.servers:
            line, process = self.servers.pop()
            os.kill(process, signal.SIGTERM)
            deadline = time.monotonic() + STOP_S
            while is_running(process):
                assert time.monotonic() < deadline, f"it does not end: {line}"
                time.sleep(0.05)


def is_running(process: int) -> bool:
    """Whether a process that is not ours goes on; one that has ended may wait for whoever inherited it."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    someone = Reader(folder)
    try:
        yield someone
    finally:
        someone.stop()


@pytest.mark.timeout(600)
def test_a_network_of_your_own_is_what_the_readme_says(tmp_path: Path) -> None:
    lines = commands_in(README, HEADING)
    assert lines[0].startswith(". ")
    assert sum(line.endswith("--background") for line in lines) == 4
    with reader(tmp_path) as someone:
        said = {line: someone.type(line) for line in lines}
        status = json.loads(someone.type("commonhold coordinator status --dir ./hub --json"))
        assert (status["items"], status["waiting"]) == (PICTURES, 0)
        assert status["members"] == 3, "two people, and the operator, who settles"
        assert (status["settled_epoch"], status["signers"]) == (1, 1)
        [campaign] = status["campaigns"]
        assert (campaign["id"], campaign["standing_by"]) == ("cats", 2)
        # An epoch in which nothing was decided is an epoch, for whoever looks at it.
        someone.type("commonhold coordinator epoch close --dir ./hub")
        assert json.loads(someone.type("commonhold node status --json"))["epoch"] == 3
        statement = " ".join(someone.type("commonhold node statement --json").split())
        someone.type(lines[-1])
        someone.stop()
    assert lines[-1].startswith("commonhold verify")
    assert "entries hold" in said[lines[-1]]
    assert "the chain agrees: epoch 1 is in force" in said[lines[-1]]
    [claimed] = (said[line] for line in lines if "node claim" in line)
    assert "shares" in claimed, "the walk pays"
    assert "8 of 8 items accepted" in statement
    [settled] = (said[line] for line in lines if "coordinator settle" in line)
    assert "epoch 1 is in force" in settled


def test_each_row_of_what_one_trusts_names_the_test_that_shows_it() -> None:
    section = README.read_text(encoding="utf-8").partition("## What you trust, and what not")[2]
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    there = {file.name for file in README.parent.glob("tests/*/test_*.py")}
    assert len(rows) > 10
    for row in rows[1:]:
        named = set(re.findall(r"`(test_\w+\.py)`", row))
        assert named and named <= there, row
