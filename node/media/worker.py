"""The decoder, from outside: one process for a whole node, started when needed, replaced when it dies.

A file that it dies of is refused. Unless its time was up it is tried twice, in a fresh process, since one may
also be ended from outside. Where the machine is at fault, busy or short of memory, the error is a StateError,
which blames no file.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Final

from commonground.installing import how_to_install
from node.media import frames
from protocol.errors import Reject, StateError

# By the clock, for one file: the decoder's own limit is on what it computes, and a machine may be busy.
REQUEST_SECONDS: Final = 120.0
START_SECONDS: Final = 60.0
END_SECONDS: Final = 1.0  # it hears at once that nobody listens, unless it is at work
TRIES: Final = 2
# What runs for weeks looks at content now and then, and need not hold 50 MiB in between.
IDLE_SECONDS: Final = 300.0
# Threads of numerical libraries take memory, and pictures are small.
_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


class Decoder:
    """One decoder, for any thread. Raises StateError where none can be started."""

    def __init__(
        self, request_seconds: float = REQUEST_SECONDS, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        """The process ends when nothing was asked for `idle_seconds`; the next question starts another."""
        self._request_seconds, self._idle_seconds = request_seconds, idle_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._is_ready = False
        self._is_closed = False

    def start(self) -> None:
        """Starts the process if there is none, without waiting for it: it takes a fifth of a second."""
        with self._lock:
            self._ensure()

    def close(self) -> None:
        """Ends the process for good, even while another thread waits for it: it must not keep us alive."""
        self._is_closed = True
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:  # whoever waits for an answer is told at once
            self._end()

    def ask(self, task: str, body: bytes, **options: Any) -> tuple[dict[str, Any], bytes]:
        """What `child` answers. Raises Reject where it refuses, or dies of the content."""
        message = frames.encode({"task": task, **options}, body)
        with self._lock:
            for left in reversed(range(TRIES)):
                self._ensure()
                self._await_ready()
                try:
                    header, answer = self._exchange(message)
                except TimeoutError as error:
                    self._end()
                    raise StateError(
                        f"the decoder did not answer within {self._request_seconds:.0f} seconds",
                        "this machine is busy: try again later",
                    ) from error
                except (OSError, EOFError, ValueError) as error:
                    _look_at(self._end(), left, error)
                    continue
                if "lacks" in header:
                    raise StateError(
                        f"the decoder lacks the library {header['lacks']}",
                        f"install the node again: {how_to_install('node')}",
                    )
                if "reject" in header:
                    words, advice = header["reject"]
                    raise Reject(str(words), str(advice))
                return header, answer
        raise _undecodable("fails")

    @property
    def process_id(self) -> int | None:
        """Of the present process."""
        return None if self._process is None else self._process.pid

    def _ensure(self) -> None:
        if self._is_closed:
            raise StateError("the decoder was closed")
        if self._process is not None and self._process.poll() is None:
            return
        self._end()
        ours, theirs = socket.socketpair()
        paths = os.pathsep.join(path for path in sys.path if path)
        environment = {"PYTHONPATH": paths, "PATH": os.environ.get("PATH", ""), **_ONE_THREAD}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "node.media.child", str(self._idle_seconds)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what libraries warn of
                env=environment,
            )
        except OSError as error:
            ours.close()
            raise StateError(f"the decoder does not start: {error.strerror}") from error
        finally:
            theirs.close()
        self._line, self._is_ready = ours, False

    def _await_ready(self) -> None:
        """A decoder that does not start is this machine's fault, and no content's."""
        if self._is_ready:
            return
        try:
            self._receive_message(time.monotonic() + START_SECONDS)
        except (OSError, EOFError, ValueError) as error:
            self._end()
            raise StateError(
                "the decoder of pictures and recordings does not start",
                f"look for free memory, or install the node again: {how_to_install('node')}",
            ) from error
        self._is_ready = True

    def _exchange(self, message: bytes) -> tuple[dict[str, Any], bytes]:
        line = self._line
        if line is None:
            raise EOFError
        deadline = time.monotonic() + self._request_seconds
        line.settimeout(self._request_seconds)
        line.sendall(message)
        return self._receive_message(deadline)

    def _receive_message(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        return frames.read(lambda count: self._receive(count, deadline))

    def _receive(self, count: int, deadline: float) -> bytes:
        line = self._line
        if line is None:
            raise EOFError
        parts: list[bytes] = []
        while count:
            line.settimeout(max(0.001, deadline - time.monotonic()))
            part = line.recv(min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _end(self) -> int:
        """Ends the process; gives what it ended with, if it did by itself."""
        if self._line is not None:
            self._line.close()  # which ends a process that is well
        status = 0
        if self._process is not None:
            try:
                status = self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._line = self._process = None
        return status


def _look_at(status: int, left: int, error: Exception) -> None:
    """What a decoder ended with, while it had a file. Raises unless it is worth another try."""
    if status == -signal.SIGXCPU:
        raise _undecodable("runs out of time") from error
    if status == -signal.SIGKILL and not left:
        # Of its own limits it is told otherwise: this is the machine's, and says nothing of the file.
        raise StateError(
            "the decoder was killed, twice", "look for free memory, and try again"
        ) from error


def _undecodable(why: str) -> Reject:
    return Reject(
        f"it cannot be decoded: its decoder {why}",
        "Save it again with another program, or leave it out.",
    )


DECODER: Final = Decoder()
atexit.register(DECODER.close)
