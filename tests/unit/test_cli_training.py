"""`federated open` and `join` go on in the environment for training, and say so where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from commonhold.cli.training import ENVIRONMENT_FOLDER, training_command
from protocol.errors import ConfigError

OURS = version("commonhold")
JOIN = ("federated", "join", "--job", "digits 1", "--data", "folder", "--epsilon-max", "3")


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "commonhold", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "500"} | settings,
    )


def environment(folder: Path) -> Path:
    """One whose `commonhold` says its process, what sent it, and its arguments, a line each."""
    command = folder / "bin" / "commonhold"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\nprintf "%s\\n" $$ "$COMMONHOLD_SENT_BY" "$@"\nexit 5\n')
    command.chmod(0o755)
    return folder


def test_the_same_command_goes_on_as_the_same_process(tmp_path: Path) -> None:
    settings = {ENVIRONMENT_FOLDER: str(environment(tmp_path / "training"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "commonhold", *JOIN],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | settings,
    )
    said, _ = process.communicate()
    assert said.splitlines() == [str(process.pid), OURS, *JOIN]
    assert process.returncode == 5


def test_nothing_is_loaded_twice(tmp_path: Path) -> None:
    settings = {ENVIRONMENT_FOLDER: str(environment(tmp_path / "training"))}
    loaded = run(*JOIN, PYTHONPROFILEIMPORTTIME="1", **settings).stderr
    assert "commonhold.cli.training" in loaded
    assert not any(each in loaded for each in ("typer", "rich", "commonhold.cli.federated"))


def test_help_and_status_need_no_training(tmp_path: Path) -> None:
    settings = {ENVIRONMENT_FOLDER: str(tmp_path / "none")}
    assert run("federated", "join", "--help", **settings).returncode == 0
    done = run("federated", "status", "--dir", str(tmp_path), **settings)
    assert "there is no node" in done.stderr


def test_without_an_environment_it_says_how_to_make_one(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    done = run(*JOIN, **{ENVIRONMENT_FOLDER: str(folder)})
    assert done.returncode == 2
    assert f"python3 -m venv {folder}" in done.stderr
    assert (
        f"in a clone of Commonhold {OURS}: {folder}/bin/pip install '.[federated]'" in done.stderr
    )


@pytest.mark.parametrize(
    ("sender", "says"),
    [
        ("9.9", f"this is commonhold 9.9, and its environment for training has {OURS}"),
        (OURS, "lacks"),
    ],
)
def test_one_that_does_not_fit_is_refused(sender: str, says: str) -> None:
    """As the second process sees it: it does not send the command round in circles."""
    done = run(*JOIN, COMMONHOLD_SENT_BY=sender)
    assert done.returncode == 2
    assert says in done.stderr
    assert "bin/pip install '.[federated]'" in done.stderr


def test_it_is_looked_for_beside_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env").mkdir()
    monkeypatch.delenv(ENVIRONMENT_FOLDER, raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    with pytest.raises(ConfigError, match="is none"):
        training_command()
    beside = environment(tmp_path / "env-federated")
    assert training_command() == beside / "bin" / "commonhold"


def test_somebody_elses_is_used_only_when_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder where everybody may write, anybody could put one beside ours."""
    beside = environment(tmp_path / "env-federated")
    monkeypatch.delenv(ENVIRONMENT_FOLDER, raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))

    def stat(path: Path, **_: object) -> SimpleNamespace:
        return SimpleNamespace(st_uid=1000 if path == tmp_path / "env" else 1001)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", lambda _: True)
        patched.setattr(Path, "stat", stat)
        with pytest.raises(ConfigError, match="does not belong"):
            training_command()
        patched.setenv(ENVIRONMENT_FOLDER, str(beside))
        assert training_command() == beside / "bin" / "commonhold"
