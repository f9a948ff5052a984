"""A reviewer in any language: a command that reads the content and prints a label.

    command:/opt/classify --fast

The content is its standard input; COMMONHOLD_MEDIA_TYPE and COMMONHOLD_LABELS (one per line) are
in its environment. It prints one of the labels, or an empty line to abstain. It runs without a
shell, with only PATH, HOME and LANG of our environment (no keys leak into it), and is killed, with
everything it started, when it takes too long.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from protocol.errors import ConfigError

TIMEOUT_SECONDS = 30.0  # reviews are committed in batches; a slow answer must not miss the phase
MAX_OUTPUT_BYTES = 4096  # more than any label: enough to see that it is not one
_PASSED_ENVIRONMENT = ("HOME", "LANG", "PATH")


class CommandReviewer:
    """Runs the command once per item; a failure or an unknown label raises, and `ask` abstains."""

    name = "command"

    def __init__(self, argument: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        try:
            self._command = shlex.split(argument)
        except ValueError as error:
            raise ConfigError(
                f"cannot parse the command: {error}", "Balance its quotes."
            ) from error
        if not self._command:
            raise ConfigError("command needs a program", "Write command:/path/to/program.")
        self._timeout_seconds = timeout_seconds

    def prepare(self) -> None:
        """Check that the program is there."""
        if shutil.which(self._command[0]) is None:
            raise ConfigError(
                f"no program {self._command[0]}", "Give its full path, and make it executable."
            )

    def answer(self, content: bytes, media_type: str, labels: Sequence[str]) -> int | None:
        """Run the command. Raises ValueError, TimeoutExpired or CalledProcessError."""
        printed = self._run(content, media_type, labels).decode("utf-8").strip()
        return labels.index(printed) if printed else None

    def _run(self, content: bytes, media_type: str, labels: Sequence[str]) -> bytes:
        """Output goes to a file, not a pipe, so that a babbling command cannot fill our memory;
        it can fill the disk only until it is killed."""
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
            source.write(content)
            source.seek(0)
            process = subprocess.Popen(
                self._command,
                stdin=source,
                stdout=sink,
                stderr=subprocess.DEVNULL,
                env=_environment(media_type, labels),
                start_new_session=True,  # a process group of its own, which we can kill whole
            )
            try:
                status = process.wait(self._timeout_seconds)
            finally:
                with suppress(ProcessLookupError):  # nothing of it is left
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if status != 0:
                raise subprocess.CalledProcessError(status, self._command[0])
            sink.seek(0)
            return sink.read(MAX_OUTPUT_BYTES)


def _environment(media_type: str, labels: Sequence[str]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
    return inherited | {
        "COMMONHOLD_MEDIA_TYPE": media_type,
        "COMMONHOLD_LABELS": "\n".join(labels),
    }
