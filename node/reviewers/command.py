"""A reviewer in any language: a command that reads what is asked and prints an answer.

    command:/opt/judge --fast

Its standard input is one JSON object:

    {"campaign": "…", "kind": "prefer", "spec": {"ties": true}, "guidelines": "…",
     "choices": ["first", "second", "tie"],
     "parts": [{"name": "prompt", "media_type": "text/plain", "path": "/…/prompt"},
               {"name": "first", "media_type": "text/plain", "path": "/…/first"}, …]}

Parts are in the order in which this reviewer is to see them; of two that are compared, it learns which is the
first and the second here, and no more. It prints one JSON object, too, with its answer in words or with the
reason why it gives none (unsure, unreadable, off-topic, personal, harmful):

    {"answer": "cat"}     {"answer": "relevant: yes, correct: no"}     {"refuse": "unreadable"}

So no label, whatever it is called, can be taken for a refusal. It prints nothing if it is unsure.

Of an item that is likely to be a copy it is asked a second time, what the item is to the earlier one that it
resembles: `kind` is then "relation", `choices` are copy, derivative, independent and unsure, and `original`
has the parts of the earlier one, as `parts` has those of the item.

It is started once for each item, without a shell, with only PATH, HOME and LANG of our environment (no
keys leak into it), and is killed, with everything it started, when it takes too long.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from node.reviewers.interface import (
    ANSWER_CHARS_MAX,
    Case,
    Refusal,
    Relation,
    ShownPart,
    read_reply,
)
from protocol.errors import ConfigError

# Answers are committed together; a slow one must not cost the others. Shorter windows end it earlier.
TIMEOUT_SECONDS: Final = 30.0
# JSON takes up to twelve bytes for a character that it spells out, and some for what is around the answer.
MAX_OUTPUT_BYTES: Final = 12 * ANSWER_CHARS_MAX + 256
_PASSED_ENVIRONMENT: Final = ("HOME", "LANG", "PATH")


class CommandReviewer:
    """Runs the command once per item; a failure raises, and `ask` is unsure. Where the program sends what it
    reads, nobody can tell from here: that is its owner's to know."""

    name = "command"
    at_once: Final = 4  # processes, each of another campaign

    def __init__(self, argument: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        try:
            self._command = shlex.split(argument)
        except ValueError as error:
            raise ConfigError(
                f"cannot parse the command: {error}", "Balance its quotes."
            ) from error
        if not self._command:
            raise ConfigError("command needs a program", "Write command:/path/to/program.")
        self.model = Path(self._command[0]).name
        self._timeout_seconds = timeout_seconds

    def prepare(self) -> None:
        """Check that the program is there."""
        if shutil.which(self._command[0]) is None:
            raise ConfigError(
                f"no program {self._command[0]}", "Give its full path, and make it executable."
            )

    def answer(self, case: Case) -> str | Refusal:
        """Run the command. Raises ValueError, Reject, TimeoutExpired or CalledProcessError."""
        printed = self._run(json.dumps(encode_case(case)).encode())
        return read_reply(printed.decode()) if printed.strip() else Refusal.UNSURE

    def relation(self, case: Case) -> str:
        """Run the command with the other question. Raises as `answer` does."""
        asked = encode_case(case) | {
            "kind": "relation",
            "spec": {},
            "choices": list(Relation),
            "original": _encode_parts(case.original),
        }
        said = read_reply(self._run(json.dumps(asked).encode()))
        return Relation.UNSURE if isinstance(said, Refusal) else said

    def _run(self, asked: bytes) -> bytes:
        """Output goes to a file, not a pipe, so that a babbling command cannot fill our memory;
        it can fill the disk only until it is killed."""
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
            source.write(asked + b"\n")
            source.seek(0)
            process = subprocess.Popen(
                self._command,
                stdin=source,
                stdout=sink,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ},
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
            if os.fstat(sink.fileno()).st_size > MAX_OUTPUT_BYTES:
                raise ValueError("the command printed more than an answer")
            sink.seek(0)
            return sink.read(MAX_OUTPUT_BYTES)


def encode_case(case: Case) -> dict[str, object]:
    """What the command reads, before it becomes JSON."""
    return {
        "campaign": case.campaign.id,
        "kind": case.kind,
        "spec": case.spec,
        "guidelines": case.guidelines,
        "choices": case.choices,
        "parts": _encode_parts(case.parts),
    }


def _encode_parts(parts: Sequence[ShownPart]) -> list[dict[str, str]]:
    return [
        {"name": part.name, "media_type": part.media_type, "path": str(part.path)} for part in parts
    ]
