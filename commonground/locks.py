"""Locks between processes. The kernel gives one back however its holder ends: no stale lock is ever left.

`filelock` holds those that one process has for itself. Those that several share are ours: its own lock for
readers is an SQLite database that polls, and one thread must take it and give it back.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from commonground.files import FILE_MODE

# Whoever only looks whether a lock is held has it for an instant.
LOOK_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.05
_HOLDER_BYTES_MAX: Final = 32
_UNKNOWN: Final = "unknown"


@contextmanager
def alone(path: Path, refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Holds the lock `path` for the block, which writes our process into it.

    Raises `refusal(process)` when another one has it, or this one already, and OSError when the file
    cannot be used.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(
        path.resolve(),  # a way through a link leads to the same lock
        timeout=LOOK_SECONDS,
        poll_interval=_POLL_SECONDS,
        mode=FILE_MODE,
        thread_local=False,
        fallback_to_soft=False,  # a marker would stay when we are killed
        preserve_lock_file=True,
        on_acquired=_sign,
    )
    try:
        lock.acquire()
    except Timeout:
        raise refusal(_holder(path)) from None
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process has the lock for itself. Two that look do not see each other."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def shared(path: Path, when_alone: Callable[[], None]) -> BinaryIO:
    """Shares the lock until what is returned is closed; calls `when_alone` if nobody else has it yet.

    Who comes in meanwhile waits for that call.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    file = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(file, fcntl.LOCK_SH)
        else:
            when_alone()
            fcntl.flock(file, fcntl.LOCK_SH)
    except BaseException:
        file.close()
        raise
    return file


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())


def _holder(path: Path) -> str:
    with path.open("rb") as file:
        text = file.read(_HOLDER_BYTES_MAX).decode(errors="replace").strip()
    return text if text.isdecimal() else _UNKNOWN
