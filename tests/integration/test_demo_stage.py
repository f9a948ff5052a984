"""The demo's processes end with it, at whatever moment it is told to end."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from commonhold.demo.stage import Stage


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_while_a_process_starts_it_ends_that_process_too(
    told: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Told(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(told)

    monkeypatch.setattr(subprocess, "Popen", Told)
    before = signal.getsignal(told)
    with pytest.raises(KeyboardInterrupt), Stage(tmp_path) as stage:
        stage.serve("none", "--version")
    assert len(started) == 1
    assert started[0].returncode is not None
    assert signal.getsignal(told) is before
