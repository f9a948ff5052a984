"""A finder of its owner's own: a program that reads texts and says where in them personal data is.

    --finder '/opt/names --language en'

It reads a line of JSON for each text, and prints one: from which character up to which, and what it is.

    {"text": "Ann lives here"}     {"spans": [[0, 3, "name"]]}

It is started once, without a shell, with only PATH, HOME and LANG of our environment, and is killed with all
that it started when we end, when it takes too long, or says what makes no sense. Then the command ends: what
was asked for and cannot be had is not left out in silence. The same text has to get the same answer.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from node.privacy.found import Found, Kind
from protocol.depth import load_json
from protocol.errors import ConfigError, StateError

# For one text, and for the first with what it has to load.
TIMEOUT_SECONDS: Final = 60.0
OUTPUT_BYTES_MAX: Final = 1 << 20  # thirty thousand finds
WHAT_CHARS_MAX: Final = 40
_CHUNK_BYTES: Final = 64 << 10
_PASSED_ENVIRONMENT: Final = ("HOME", "LANG", "PATH")


class CommandFinder:
    """Asks the program about one text at a time. Raises StateError where it fails."""

    def __init__(self, command: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Starts it. Raises ConfigError where that cannot be."""
        self._timeout_seconds = timeout_seconds
        try:
            self._process = subprocess.Popen(
                shlex.split(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # it may repeat what it reads
                env={name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ},
                start_new_session=True,  # a group of its own, which we can kill whole
                bufsize=0,
            )
        except (OSError, ValueError, IndexError) as error:
            raise ConfigError(
                f"the finder does not start: {error}", "give the program's full path, in quotes"
            ) from error
        atexit.register(self.close)

    def __call__(self, text: str) -> Iterator[Found]:
        """What it finds."""
        try:
            found = read_reply(self._ask(json.dumps({"text": text}).encode() + b"\n"), len(text))
        except (OSError, ValueError) as error:
            self.close()
            raise StateError(
                f"your finder failed: {error}", "correct it, or run the command without --finder"
            ) from error
        return iter(found)

    def close(self) -> None:
        """Ends it, and all that it started."""
        atexit.unregister(self.close)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _ask(self, line: bytes) -> bytes:
        """One line for another; it may answer before it has read all. Raises OSError or ValueError."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - pipes, above
        to, back = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(to, False)
        deadline, sent, reply = time.monotonic() + self._timeout_seconds, 0, b""
        with selectors.DefaultSelector() as ready:
            ready.register(to, selectors.EVENT_WRITE)
            ready.register(back, selectors.EVENT_READ)
            while not reply.endswith(b"\n"):
                events = ready.select(max(0.0, deadline - time.monotonic()))
                if not events:
                    raise TimeoutError(f"no answer within {self._timeout_seconds:.0f} seconds")
                for key, _ in events:
                    if key.fd == back:
                        chunk = os.read(back, _CHUNK_BYTES)
                        reply += chunk
                        if not chunk:
                            raise ValueError("it ended")
                        if len(reply) > OUTPUT_BYTES_MAX:
                            raise ValueError("it printed more than an answer")
                    else:
                        sent += os.write(to, line[sent : sent + _CHUNK_BYTES])
                        if sent == len(line):
                            ready.unregister(to)
        return reply


def read_reply(printed: bytes, chars: int) -> list[Found]:
    """What the program said of a text of `chars` characters. Raises ValueError."""
    match load_json(printed.decode("utf-8")):
        case {"spans": list(spans), **more} if not more:
            return [_found(each, chars) for each in spans]
    raise ValueError("it printed no spans")


def _found(span: object, chars: int) -> Found:
    match span:
        case [int(start), int(end), str(what)] if 0 <= start < end <= chars:
            return Found(Kind.OTHER, start, end, what[:WHAT_CHARS_MAX])
    raise ValueError("a span is not [start, end, what] within the text")
