"""SIGKILL in between each step of a backup and of a restore: the same command again does it, and nothing is
lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from commonground.client import CoordinatorClient
from commonhold.audit.source import FolderLog
from coordinator.backup import BACKUP_STEPS, Backup, backup
from coordinator.config import Home
from coordinator.heads import KeptHead
from coordinator.keys import load_keys
from coordinator.ledger import COMMIT_STEPS, Ledger
from coordinator.recovery import fsck
from coordinator.restore import RESTORE_STEPS, Restored, restore
from node.copy import StoredLog, write_copy
from node.follower import Follower
from node.store import Store
from protocol.errors import StoreError
from protocol.log.link import parse_link
from tests.helpers import Person
from tests.live_coordinator import found_network, live

REPOSITORY = Path(__file__).parents[2]
BEFORE, AFTER = 4, 9


# ---- the child ----


def kill_at(wanted: str, step: str) -> None:
    if step == wanted:
        os.kill(os.getpid(), signal.SIGKILL)


def child(what: str, home: str, other: str, step: str) -> None:
    at_step = partial(kill_at, step)
    if what == "backup":
        backup(Home(Path(home)), Path(other), None, 1, at_step)
    else:
        restore(Home(Path(home)), FolderLog(Path(other)), at_step=at_step)


# ---- the parent ----


def killed(what: str, home: Home, other: Path, step: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.test_restore_crash", what, home.path, other, step],
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, f"nobody passes {step}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`old`: a backup of four entries in place of a directory; `net`: with all nine; `copy`: a node's."""
    folder = tmp_path_factory.mktemp("made")
    asyncio.run(_make(folder))
    return folder


async def _make(folder: Path) -> None:
    home = found_network(folder / "net")
    people = [Person(f"person {n}") for n in range(AFTER - 1)]
    async with live(home) as net:
        await net.join(*people[: BEFORE - 1])
        await asyncio.to_thread(backup, home, folder / "saved", None, 1)
        await net.join(*people[BEFORE - 1 :])
        link = parse_link(net.address.link)
        with Store(folder / "node.db") as store:
            follower = Follower(store, link)
            async with CoordinatorClient(link) as client:
                await follower.catch_up(client)
            write_copy(StoredLog(store, link.log_verifier), folder / "copy")
    old = folder / "old"
    shutil.copytree(home.path, old)
    shutil.copy(folder / "saved" / "ledger.db", old / "ledger.db")
    shutil.copy(folder / "saved" / "backup.json", old)


def check(home: Home, size: int) -> None:
    """The directory holds a whole log of so many entries, and knows that it does."""
    config = home.load()
    verifier = load_keys(home).log_verifier
    with Ledger.open(home.ledger_url(config)) as ledger:
        assert fsck(ledger, verifier).entries == size
    kept = KeptHead(home.head_path).read(verifier)
    assert kept is not None
    assert kept.size == size


def run(home: Home, made: Path) -> Restored:
    return restore(home, FolderLog(made / "copy"))


@pytest.mark.parametrize("step", [*RESTORE_STEPS, *COMMIT_STEPS])
def test_a_restore_that_was_killed_is_repeated(made: Path, tmp_path: Path, step: str) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(made / "old", home.path)
    killed("restore", home, made / "copy", step)
    done = run(home, made)
    assert (done.before in (BEFORE, AFTER), done.size) == (True, AFTER)
    check(home, AFTER)
    assert not home.backup_path.exists()


def test_a_ledger_that_is_gone_is_made_anew(made: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(made / "net", home.path)
    for file in home.path.glob("ledger.db*"):
        file.unlink()
    (home.path / "ledger.db").touch(0o600)  # as a restore that was killed may leave it
    done = run(home, made)
    assert (done.before, done.size) == (0, AFTER)
    check(home, AFTER)


@pytest.mark.parametrize("step", BACKUP_STEPS)
def test_a_backup_that_was_killed_is_there_whole_or_not_at_all(
    made: Path, tmp_path: Path, step: str
) -> None:
    home, target = Home(made / "net"), tmp_path / "saved"
    killed("backup", home, target, step)
    if step == "named":
        assert sorted(each.name for each in tmp_path.iterdir()) == ["saved"]
    else:
        assert not target.exists()
        done: Backup = backup(home, target, None, 2)
        assert done.size == AFTER
    assert sorted(each.name for each in tmp_path.iterdir()) == ["saved"], "nothing is left over"
    keys = load_keys(home)
    with Ledger.open(f"sqlite:///{target}/ledger.db", readonly=True) as ledger:
        assert fsck(ledger, keys.log_verifier).entries == AFTER


def test_a_backup_holds_no_key_unless_they_are_asked_for_apart(made: Path, tmp_path: Path) -> None:
    home = Home(made / "net")
    backup(home, tmp_path / "saved", tmp_path / "keys", 1)
    names = {each.name for each in (tmp_path / "saved").iterdir()}
    assert not {name for name in names if name.endswith(".key")}
    keys = {each.name for each in (tmp_path / "keys").iterdir()}
    assert {"root.key", "operator.key", "log.key", "chain.key", "tls.key", "tls.crt"} <= keys
    whole = Home(tmp_path / "whole")
    shutil.copytree(tmp_path / "saved", whole.path)
    for name in keys:
        shutil.copy(tmp_path / "keys" / name, whole.path)
    load_keys(whole)
    secret = (home.path / "log.key").read_bytes().strip()
    for file in (tmp_path / "saved").iterdir():
        assert secret not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


def test_a_ledger_that_lost_entries_makes_no_backup(made: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="are missing"):
        backup(Home(made / "old"), tmp_path / "saved", None, 1)
    assert not (tmp_path / "saved").exists()


if __name__ == "__main__":
    child(*sys.argv[1:])
