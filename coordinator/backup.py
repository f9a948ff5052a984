"""A backup that restores: one folder, whole or not there, taken while the server runs or stands.

    ledger.db        the log, the batches beside it, gold and sealed openings
    head             its signed head
    coordinator.toml, log.verifier, operator.delegation
    backup.json      the mark of a backup: `serve` refuses a directory that has it, since entries may have
                     come after it was made; `restore` completes it and takes the mark away

Keys are not in it. Whoever finds them beside the ledger can go on with the log in the operator's name, so
they go into a folder of their own, if at all.

What was exported and fetched (datasets/, content/) is not in it either: it can be made again.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonground.files import (
    new_file,
    part_of,
    private_directory,
    private_parents,
    sync_directory,
    write_new,
)
from coordinator.config import Config, Home
from coordinator.database import sqlite_file
from coordinator.heads import KeptHead, require_all
from coordinator.keys import DELEGATION_FILE, VERIFIER_FILE, load_keys, secret_files
from coordinator.ledger import Ledger
from coordinator.recovery import recover
from protocol.errors import ConfigError, StateError, StoreError
from protocol.log.merkle import MerkleTree
from protocol.log.note import Verifier

#: The numbered places where tests kill the process.
BACKUP_STEPS: Final = ("begun", "ledger", "files", "verified", "marked", "named")
_LEDGER: Final = "ledger.db"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds, as it was read again after writing."""

    path: Path
    size: int  # entries
    root: bytes


def backup(
    home: Home,
    target: Path,
    keys_target: Path | None,
    now_ms: int,
    at_step: Callable[[str], None] = lambda _: None,
) -> Backup:
    """Writes a backup into the new folder `target`, and the keys into `keys_target`.

    If we are killed, `target` is not there, and what was begun beside it goes with the next backup of that
    name. `at_step` is called with each of BACKUP_STEPS; for fault tests.

    Raises:
        ConfigError: there is something in a target's place, or the ledger is not in SQLite.
        StoreError: the disk failed, or the ledger is damaged or lacks what was shown to others.
    """
    config = home.load()
    keys = load_keys(home)
    if keys_target is not None and keys_target.absolute().is_relative_to(target.absolute()):
        raise ConfigError("the keys would lie in the backup", "name a folder elsewhere for them")
    with _new_folder(target) as folder:
        at_step("begun")
        kept = KeptHead(home.head_path).read(keys.log_verifier)  # before the ledger, which is ahead
        _copy_ledger(_file_of(home, config), folder / _LEDGER)
        at_step("ledger")
        _copy(home.path, folder, ("coordinator.toml", VERIFIER_FILE, DELEGATION_FILE))
        at_step("files")
        copied = Home(folder)
        # The copy is beside its settings now, wherever the ledger itself is.
        url = f"sqlite:///{folder.absolute() / _LEDGER}"
        tree, note = _verified(url, keys.log_verifier)
        require_all(kept, tree)
        write_new(copied.head_path, note)
        at_step("verified")
        made = Backup(target, tree.size, tree.root())
        mark = {"size": made.size, "root": made.root.hex(), "made_ms": now_ms}
        write_new(copied.backup_path, f"{json.dumps(mark)}\n".encode())
        at_step("marked")
    at_step("named")
    if keys_target is not None:
        with _new_folder(keys_target) as folder:
            _copy(home.path, folder, (path.name for path in secret_files(home)))
    return made


def require_complete(home: Home) -> None:
    """Raises StateError for a backup that nobody has completed since it was put here."""
    if home.backup_path.exists():
        raise StateError(
            f"{home.path} is a backup: what was acknowledged after it was made is not in it",
            "`commonhold coordinator restore --from SOURCE` fetches the rest from a node's directory, a copy"
            f" of the log or its URL. Only if nobody has more than this, delete {home.backup_path.name}",
        )


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A private folder that gets its name when the block has ended well. Raises ConfigError."""
    if target.exists():
        raise ConfigError(f"{target} is there already", "give each backup a name of its own")
    try:
        private_parents(target)
        for left in target.parent.iterdir():
            if left.name.startswith(f"{target.name}.") and left.name.endswith(".part"):
                shutil.rmtree(left)
        part = part_of(target)
        private_directory(part)
    except OSError as error:
        raise ConfigError(
            f"cannot write {target}: {error.strerror}", "name a folder in one that is yours"
        ) from error
    try:
        yield part
        sync_directory(part)
        part.rename(target)
        sync_directory(target.parent)
    except OSError as error:
        raise StoreError(f"cannot write the backup: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _file_of(home: Home, config: Config) -> Path:
    file = sqlite_file(home.ledger_url(config))
    if file is None:
        raise ConfigError(
            "the ledger is in a database server", "back it up with the server's own tools"
        )
    return file


def _copy_ledger(source: Path, target: Path) -> None:
    """A copy as of one moment, by SQLite itself, while others write. Raises StoreError."""
    new_file(target).close()
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            # In one step: with more, each commit of the server would begin it anew.
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            [(found,)] = copy.execute("PRAGMA integrity_check").fetchall()
    except (sqlite3.Error, ValueError) as error:
        raise StoreError(f"cannot copy the ledger: {error}") from error
    if found != "ok":
        raise StoreError(f"the ledger's database is damaged: {found}", "restore an earlier backup")


def _verified(url: str, verifier: Verifier) -> tuple[MerkleTree, bytes]:
    """Tree and head of the copy, read back and replayed. Raises StoreError."""
    with Ledger.open(url, readonly=True) as copy:
        return recover(copy, verifier).tree, copy.checkpoint()


def _copy(source: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        write_new(target / name, (source / name).read_bytes())
