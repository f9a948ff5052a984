"""Keeps a copy of an audited log, and what one kept before: nothing that was saved is ever overwritten by
another history.

A copy is written beside its folder first. When the audit has ended well, it takes the folder's place if there
is none, or grows the copy that is there, which it must extend. Whatever does not hold stays beside the
folder, under a name of its own: it is evidence.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from commonground.addresses import now_ms
from commonground.counting import plural
from commonground.escaping import in_shell
from commonground.files import part_of, replace_file
from commonhold.audit.report import Report
from commonhold.audit.source import FolderLog, LogSource
from node.alarmfile import AlarmFile
from node.splitview import SPLIT_VIEW, SplitView, prove_split
from protocol.errors import CommonholdError, ConfigError, Misbehaviour, Reject
from protocol.log import tiles
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Checkpoint, Verifier, open_checkpoint, read_checkpoint

_VERIFIER: Final = "verifier"


class SavingLog:
    """Reads through to another source and keeps every file read in a new folder."""

    def __init__(self, source: LogSource, folder: Path) -> None:
        self._source, self.folder = source, folder

    def read(self, path: str) -> bytes:
        """The file's bytes, once they are kept."""
        data = self._source.read(path)
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return data


class NotingLog:
    """Reads through to another source, and remembers the last head that it gave."""

    def __init__(self, source: LogSource) -> None:
        self._source, self.note = source, b""

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        data = self._source.read(path)
        if path == tiles.CHECKPOINT_PATH:
            self.note = data
        return data


@contextmanager
def saving(source: LogSource, folder: Path, verifier: Verifier) -> Iterator[SavingLog]:
    """A source whose files become the copy `folder` when the block, which audits them, ends well.

    Raises ConfigError where the folder holds the copy of another log.
    """
    known = folder / _VERIFIER
    if known.exists() and Verifier.parse(known.read_text().strip()).name != verifier.name:
        raise ConfigError(f"{folder} holds a copy of another log", "name another folder")
    part = part_of(folder)
    part.mkdir(parents=True)
    try:
        yield SavingLog(source, part)
    except CommonholdError as error:
        if any(part.iterdir()):
            error.advice = f"{error.advice}; what was read is in {_aside(part, folder, 'rejected')}"
        raise
    except BaseException:
        shutil.rmtree(part)
        raise
    if not known.exists():
        (part / _VERIFIER).write_text(f"{verifier}\n")
    _grow(part, folder)


def require_extends(
    report: Report, note: bytes, verifier: Verifier, kept: bytes, *, where: Path, link: str
) -> None:
    """Raises Misbehaviour unless an audited log, with its `note`, extends the head `kept` in `where`.

    Where the two signed heads alone convince others, an alarm is written beside `where`; see
    node/alarmfile.py.
    """
    head = _read(kept, verifier, where)
    split = None
    if report.checkpoint.size >= head.size:
        if report.tree.root(head.size) == head.root:
            return
        what = f"it signed two histories: the first {plural(head.size, 'entry', 'entries')} differ"
        split = prove_split(report.tree, report.checkpoint.size, note, kept, head.size)
    else:
        what = f"it had {plural(head.size, 'entry', 'entries')}, and shows {report.checkpoint.size:,} now"
        split = _split_behind(where, head, kept, report.checkpoint, note)
    advice = f"nothing in {where} was changed"
    if split is not None and _is_by_one_key(report, split, verifier):
        alarm = _free(where, "alarm.json")
        file = AlarmFile(SPLIT_VIEW, f"the log went back: {what}", link, now_ms(), split.parts)
        replace_file(alarm, file.encode(None))
        advice += f"; `commonhold verify --alarm {in_shell(alarm)}` shows it to anybody"
    raise Misbehaviour(f"the log went back: {what}", advice)


def _split_behind(
    where: Path, head: Checkpoint, kept: bytes, present: Checkpoint, note: bytes
) -> SplitView | None:
    """Whether a smaller log is another one, too, by the entries of the copy, where there is one."""
    if not where.is_dir():
        return None
    tree, source = MerkleTree(), FolderLog(where)
    try:
        for tile in tiles.entry_tiles_of(head.size):
            for raw in tiles.decode_entries(source.read(tile.path), tile.width):
                tree.append(hash_leaf(raw))
    except (Reject, Misbehaviour):
        return None  # the copy is not whole
    if tree.root() != head.root or tree.root(present.size) == present.root:
        return None
    return prove_split(tree, head.size, kept, note, present.size)


def _is_by_one_key(report: Report, split: SplitView, verifier: Verifier) -> bool:
    keys = (Verifier(verifier.name, key) for key in report.state.log_keys)
    return any(_opens(split.theirs, key) and _opens(split.ours, key) for key in keys)


def _opens(note: bytes, key: Verifier) -> bool:
    try:
        open_checkpoint(note, key)
    except Reject:
        return False
    return True


def kept_head(where: Path) -> bytes:
    """The signed head in a file, or in the folder of a copy. Raises ConfigError."""
    file = where / tiles.CHECKPOINT_PATH if where.is_dir() else where
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"there is no head of a log in {where}: {error.strerror}",
            "name a copy that --save made, or a file with a checkpoint",
        ) from error


def _read(kept: bytes, verifier: Verifier, where: Path) -> Checkpoint:
    try:
        return read_checkpoint(kept, verifier)
    except Reject as error:
        raise ConfigError(f"{where} holds no head of this log: {error}", "name another") from error


def _grow(part: Path, folder: Path) -> None:
    if not folder.exists():
        part.rename(folder)
        return
    files = sorted(each for each in part.rglob("*") if each.is_file())
    files.sort(key=lambda each: each.name == tiles.CHECKPOINT_PATH)  # last: it names the others
    for file in files:
        target = folder / file.relative_to(part)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
    for each in sorted(part.rglob("*"), reverse=True):
        each.rmdir()
    part.rmdir()


def _aside(part: Path, folder: Path, word: str) -> Path:
    target = _free(folder, word)
    part.rename(target)
    return target


def _free(path: Path, word: str) -> Path:
    """A name beside `path` that nothing has."""
    number = 1
    while (found := path.with_name(f"{path.name}-{number}-{word}")).exists():
        number += 1
    return found
