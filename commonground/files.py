"""Files that survive a power cut, and their hashes.

A file gets its name when it is whole and on disk, never before: it is written as `NAME.*.part` beside
it, private from its first byte, and given the name in one step. If we are killed before, the part is left
and nothing reads it; whatever else goes wrong takes the part away again.

    replace_file, replacing   the file, in place of one that is there
    write_new                 the file, and FileExistsError where there is one
    writing                   a file of a folder that is itself renamed when it is whole
    new_file, publish         the two halves, for whoever learns the name last

What somebody else names, a person or a table, is read through `open_file`: it may be no file at all.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644  # of what is made to be given away
_CHUNK_BYTES: Final = 1024 * 1024


def private_directory(path: Path) -> None:
    """Makes a directory that its owner alone can enter, or makes one that is there so."""
    private_parents(path)
    path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    path.chmod(DIRECTORY_MODE)  # mkdir leaves the mode of a directory that was there


def private_parents(path: Path) -> None:
    """Makes the folders that lead to a path and are not there, each for its owner alone."""
    for each in reversed([each for each in path.parents if not each.exists()]):
        each.mkdir(mode=DIRECTORY_MODE, exist_ok=True)


def open_file(path: Path) -> BinaryIO:
    """Opens a file for reading. Raises OSError also for a pipe, a socket or a device, of which some would
    keep us waiting for ever, and some never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        reason = "it is no file, but a pipe, a socket or a device: save it to a file first"
        raise OSError(errno.EINVAL, reason, str(path))
    return os.fdopen(descriptor, "rb")


def new_file(path: Path, mode: int = FILE_MODE) -> BinaryIO:
    """Creates a file and opens it for writing, under `mode` from the start. Raises FileExistsError."""
    # Buffered, as a raw file may write less than it was given, and says so only in its answer.
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))


def publish(file: BinaryIO, path: Path) -> None:
    """Gives an open file its name, in place of what has it; durable on return."""
    sync_file(file)
    os.replace(file.name, path)
    sync_directory(path.parent)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A new private file; durable at the end of the block, its name once the directory is synced."""
    with new_file(path) as file, _removed_on_failure(path):
        yield file
        sync_file(file)


@contextmanager
def replacing(path: Path, mode: int = FILE_MODE) -> Iterator[BinaryIO]:
    """What the block writes becomes the file at its end; durable then. Fails: the old one stays."""
    part = part_of(path)
    with new_file(part, mode) as file, _removed_on_failure(part):
        yield file
        publish(file, path)


def replace_file(path: Path, data: bytes | str, mode: int = FILE_MODE) -> None:
    """Writes a file whole and durably, in place of one that is there. Text becomes UTF-8."""
    with replacing(path, mode) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def write_new(path: Path, data: bytes) -> None:
    """Writes a private file whole and durably. Raises FileExistsError, and changes nothing then."""
    part = part_of(path)
    try:
        with writing(part) as file:
            file.write(data)
        os.link(part, path)  # unlike a rename, never in place of what is there
    finally:
        part.unlink(missing_ok=True)
    sync_directory(path.parent)


def part_of(path: Path) -> Path:
    """A name beside `path` for what will be it. Fresh, so that two writers never share a part."""
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")


def sync_file(file: BinaryIO) -> None:
    """Makes what was written so far durable."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Makes renames and removals in a directory durable (POSIX: a directory is a file to fsync)."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_file(path: Path) -> tuple[str, int]:
    """SHA-256 (hexadecimal) and size of a file in bytes, in constant memory."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
