"""The decoder, from outside: one process for a whole node, started when needed, replaced when it dies.

A file that it dies of is refused. It is tried twice, in a fresh process, since a process may also be ended
by a machine that is short of memory, which says nothing of the file.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Final

from node.media import frames
from protocol.errors import Reject, StateError

# By the clock, for one file: the decoder's own limit is on what it computes, and a machine may be busy.
REQUEST_SECONDS: Final = 120.0
START_SECONDS: Final = 60.0
TRIES: Final = 2
# Threads of numerical libraries take memory, and pictures are small.
_ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


class Decoder:
    """One decoder, for any thread. Raises StateError where none can be started."""

    def __init__(self, request_seconds: float = REQUEST_SECONDS) -> None:
        self._request_seconds = request_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._is_ready = False

    def start(self) -> None:
        """Starts the process if there is none, without waiting for it: it takes a fifth of a second."""
        with self._lock:
            self._ensure()

    def close(self) -> None:
        """Ends the process, if there is one."""
        with self._lock:
            self._end()

    def ask(self, task: str, body: bytes, **options: Any) -> tuple[dict[str, Any], bytes]:
        """What `child` answers. Raises Reject where it refuses, or dies of the content."""
        message = frames.encode({"task": task, **options}, body)
        with self._lock:
            for _ in range(TRIES):
                self._ensure()
                self._await_ready()
                try:
                    header, answer = self._exchange(message)
                except (OSError, EOFError, ValueError, TypeError, KeyError):
                    self._end()
                    continue
                if "reject" in header:
                    words, advice = header["reject"]
                    raise Reject(str(words), str(advice))
                return header, answer
        raise Reject(
            "it cannot be decoded: its decoder runs out of time or memory, or fails",
            "Save it again with another program, or leave it out.",
        )

    @property
    def process_id(self) -> int | None:
        """Of the present process."""
        return None if self._process is None else self._process.pid

    def _ensure(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._end()
        ours, theirs = socket.socketpair()
        paths = os.pathsep.join(path for path in sys.path if path)
        environment = {"PYTHONPATH": paths, "PATH": os.environ.get("PATH", ""), **_ONE_THREAD}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "node.media.child"],
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
                "install the node again (`pip install 'commonhold[node]'`), and look for free memory",
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

    def _end(self) -> None:
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._line = self._process = None


DECODER: Final = Decoder()
atexit.register(DECODER.close)
