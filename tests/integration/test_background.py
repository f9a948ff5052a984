"""`--background`: a command returns when what it started can be reached, and fails as that does."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from commonhold.cli.output import EXIT_USAGE
from coordinator.ledger import Ledger
from coordinator.operator import Operator
from protocol.errors import Unreachable
from tests.live_coordinator import found_network

CHAIN = (sys.executable, "-m", "commonhold", "chain", "dev", "--background", "--port")

HERE = '{"link": "commonhold://x"}'


def started(port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHAIN, str(port)], capture_output=True, text=True, timeout=90, check=False
    )


def test_it_answers_when_the_command_returns_and_ends_as_it_says() -> None:
    done = started(0)
    assert done.returncode == 0, done.stderr
    [url] = re.findall(r"http://127\.0\.0\.1:\d+", done.stdout)
    [(log, process)] = re.findall(r"writes to (\S+); end it with: kill (\d+)", done.stderr)
    try:
        request = urllib.request.Request(
            url, b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert b"0x7a69" in answer.read()
        assert Path(log).stat().st_mode & 0o077 == 0, "what it says may open a page"
    finally:
        os.kill(int(process), signal.SIGTERM)
        Path(log).unlink()


def test_what_cannot_start_is_said_by_the_command_that_was_typed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = started(taken.getsockname()[1])
    assert done.returncode == EXIT_USAGE
    assert "cannot listen on 127.0.0.1" in done.stderr and "goes on" not in done.stderr


def test_who_asks_a_server_that_is_starting_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home = found_network(tmp_path / "net")
    with Operator(home) as operator:
        monkeypatch.setattr(
            "coordinator.operator.time.sleep", lambda _: home.server_path.write_text(HERE)
        )
        with pytest.raises(Unreachable, match="is not running"):
            assert operator.link
        assert not home.server_path.exists(), "nobody has the ledger: nothing to wait for"
        with Ledger.open(home.ledger_url(home.load())):
            assert operator.link == "commonhold://x"
    assert "waiting at most 60 s" in caplog.text
