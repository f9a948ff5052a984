"""The process that decodes: it reads strangers' bytes, and may die of them.

Started by `worker`, which speaks to it over a socket in place of its standard input. It has little memory and
little time for each file, can write none, and is given nothing of the node: no key, no store.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from node.media import frames, pictures, prepare, sounds
from node.media.beside import beside
from protocol.errors import Reject

# Beyond what the libraries take by themselves: a picture of 64 megapixels, and what it is made into.
MEMORY_BYTES: Final = 640 << 20
CPU_SECONDS: Final = 20  # the largest picture takes three, half an hour of MP3 five
FILES_MAX: Final = 64  # libraries that are loaded late are files, too

Answer = tuple[dict[str, Any], bytes]


def main() -> None:
    """Answers one request after the other until the node hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the node, which then hangs up
    line = socket.socket(fileno=os.dup(0))
    line.settimeout(float(sys.argv[1]))
    _limit()
    line.sendall(frames.encode({"ready": True}))
    with line.makefile("rb") as reader:
        while True:
            try:
                header, body = frames.read(lambda count: _exactly(reader.read(count), count))
            except (
                EOFError,
                TimeoutError,
            ):  # the node hung up, or has asked for nothing in a while
                return
            _allow_seconds()
            line.sendall(frames.encode(*_answer(header, body)))


def _exactly(data: bytes, count: int) -> bytes:
    if len(data) < count:
        raise EOFError
    return data


def _answer(header: dict[str, Any], body: bytes) -> Answer:
    try:
        return _TASKS[header["task"]](body, header)
    except Reject as error:
        return {"reject": [str(error), error.advice]}, b""
    except ImportError as error:  # of a library that is loaded late: no fault of the file
        return {"lacks": str(error.name)}, b""
    except MemoryError:
        return {"reject": ["it cannot be decoded: it needs too much memory", ""]}, b""


def _prepare(body: bytes, options: Mapping[str, Any]) -> Answer:
    made = prepare.prepare(
        body, options["media_type"], options["takes"], options["bytes_max"], scale=options["scale"]
    )
    changed = made.content != body
    return {
        "media_type": made.media_type,
        "fingerprint": made.fingerprint.hex(),
        "said": made.said,
        "changed": changed,
    }, made.content if changed else b""


def _fingerprint(body: bytes, options: Mapping[str, Any]) -> Answer:
    return {}, prepare.fingerprint(body, options["media_type"])


def _agrees(body: bytes, options: Mapping[str, Any]) -> Answer:
    claimed = bytes.fromhex(options["claimed"])
    return {"agrees": prepare.agrees(body, options["media_type"], claimed)}, b""


def _grey(body: bytes, options: Mapping[str, Any]) -> Answer:
    grey = pictures.read(body, options["media_type"])
    return {"width": grey.width, "height": grey.height}, grey.pixels


def _thumbnail(body: bytes, options: Mapping[str, Any]) -> Answer:
    return {}, pictures.thumbnail(body, options["media_type"], options["side"])


def _waveform(body: bytes, options: Mapping[str, Any]) -> Answer:
    return {}, sounds.waveform(body, options["media_type"], options["columns"])


def _beside(body: bytes, options: Mapping[str, Any]) -> Answer:
    found = beside(body, options["media_type"])
    said = found.credentials
    told = {
        "texts": found.texts,
        "credentials": None if said is None else [said.generator, said.sources],
    }
    return {}, json.dumps(told).encode()  # too much for a header


_TASKS: Final[Mapping[str, Callable[[bytes, Mapping[str, Any]], Answer]]] = {
    "prepare": _prepare,
    "beside": _beside,
    "fingerprint": _fingerprint,
    "agrees": _agrees,
    "grey": _grey,
    "thumbnail": _thumbnail,
    "waveform": _waveform,
}


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    if sys.platform == "linux":  # elsewhere a process does not know what it has
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        memory = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _allow_seconds() -> None:
    """For the next file; a process that goes beyond them is ended by the system."""
    seconds = int(time.process_time()) + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
