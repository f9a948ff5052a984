"""The process that decodes: it dies of a file, and the next file is none the worse."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from node.media import child, frames
from node.media.worker import Decoder
from protocol.errors import Reject, StateError
from tests.media_files import drawing, recording, saved

PNG = saved(drawing(), "PNG")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


def fingerprint(decoder: Decoder) -> bytes:
    return decoder.ask("fingerprint", PNG, media_type="image/png")[1]


def test_one_process_answers_again_and_again(decoder: Decoder) -> None:
    first = fingerprint(decoder)
    process = decoder.process_id
    assert fingerprint(decoder) == first
    with pytest.raises(Reject, match="broken PNG"):
        decoder.ask("fingerprint", PNG[:50], media_type="image/png")
    assert decoder.process_id == process


def test_a_process_that_was_ended_from_outside_is_replaced_without_a_word(decoder: Decoder) -> None:
    first = fingerprint(decoder)
    process = decoder.process_id
    assert process is not None
    os.kill(process, signal.SIGKILL)
    assert fingerprint(decoder) == first
    assert decoder.process_id != process


def test_a_file_that_it_dies_of_is_refused_and_the_next_is_taken(decoder: Decoder) -> None:
    first = fingerprint(decoder)
    with pytest.raises(Reject, match="cannot be decoded: its decoder fails"):
        decoder.ask("no such task", PNG)
    assert fingerprint(decoder) == first


def test_it_ends_when_nothing_is_asked_and_starts_again() -> None:
    decoder = Decoder(idle_seconds=0.5)
    try:
        first = fingerprint(decoder)
        process = decoder._process
        assert process is not None
        assert process.wait(30) == 0
        assert fingerprint(decoder) == first
    finally:
        decoder.close()


def test_a_closed_decoder_starts_nothing(decoder: Decoder) -> None:
    assert fingerprint(decoder)
    decoder.close()
    assert decoder.process_id is None
    with pytest.raises(StateError, match="was closed"):
        fingerprint(decoder)


def test_a_library_that_is_missing_blames_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    answer, _ = child._answer(
        {"task": "fingerprint", "media_type": "audio/wav"}, recording("audio/wav")
    )
    assert answer == {"lacks": "soundfile"}
    decoder = Decoder()
    monkeypatch.setattr(decoder, "_ensure", lambda: None)
    monkeypatch.setattr(decoder, "_await_ready", lambda: None)
    monkeypatch.setattr(decoder, "_exchange", lambda message: (answer, b""))
    with pytest.raises(StateError, match="lacks the library soundfile"):
        fingerprint(decoder)


def test_a_busy_machine_blames_no_file() -> None:
    decoder = Decoder(request_seconds=0.0)
    try:
        with pytest.raises(StateError, match="did not answer within 0 seconds"):
            fingerprint(decoder)
    finally:
        decoder.close()


@pytest.mark.parametrize(
    ("signals", "error", "message"),
    [
        ([signal.SIGXCPU], Reject, "cannot be decoded: its decoder runs out of time"),
        ([signal.SIGSEGV, signal.SIGSEGV], Reject, "cannot be decoded: its decoder fails"),
        ([signal.SIGKILL, signal.SIGKILL], StateError, "was killed, twice"),
        ([signal.SIGSEGV], None, ""),
    ],
)
def test_what_a_decoder_dies_of_says_whose_fault_it_is(
    monkeypatch: pytest.MonkeyPatch,
    decoder: Decoder,
    signals: list[signal.Signals],
    error: type[Exception] | None,
    message: str,
) -> None:
    """It gets each signal when it is ready, and before it reads the file."""
    waiting, await_ready = list(signals), decoder._await_ready

    def strike() -> None:
        await_ready()
        if waiting and decoder._process is not None:
            decoder._process.send_signal(waiting.pop(0))
            decoder._process.wait(30)

    monkeypatch.setattr(decoder, "_await_ready", strike)
    if error is None:
        assert fingerprint(decoder)
    else:
        with pytest.raises(error, match=message):
            fingerprint(decoder)
    assert not waiting


def test_a_decoder_that_does_not_start_is_no_fault_of_content(
    monkeypatch: pytest.MonkeyPatch, decoder: Decoder
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StateError, match="does not start"):
        fingerprint(decoder)
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with pytest.raises(StateError, match="does not start"):
        fingerprint(decoder)


def test_it_runs_in_limits_and_knows_nothing_of_the_node(
    monkeypatch: pytest.MonkeyPatch, decoder: Decoder
) -> None:
    monkeypatch.setenv("COMMONHOLD_SECRET", "words")
    fingerprint(decoder)
    if sys.platform != "linux":
        pytest.skip("limits are read from /proc")
    with open(f"/proc/{decoder.process_id}/environ", "rb") as file:
        assert b"SECRET" not in file.read()
    with open(f"/proc/{decoder.process_id}/limits") as file:
        limits = {line[:26].strip(): line[26:].split() for line in file}
    assert limits["Max core file size"][0] == "0"
    assert limits["Max file size"][0] == "0"
    assert int(limits["Max cpu time"][0]) <= 30
    assert int(limits["Max address space"][0]) < 4 << 30


def test_many_threads_share_it(decoder: Decoder) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(fingerprint(decoder))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_what_comes_back_is_bounded() -> None:
    message = frames.encode({"a": 1}, b"body")
    parts = iter((message[:8], b'{"a": 1}', b"body"))
    assert frames.read(lambda count: next(parts)) == ({"a": 1}, b"body")
    for bad in (b"\xff" * 8, b"\0\0\0\1\xff\xff\xff\xff", b"\0\0\0\2\0\0\0\0"):
        rest = iter((bad, b"[]", b""))

        def receive(count: int, rest: Iterator[bytes] = rest) -> bytes:
            return next(rest)

        with pytest.raises(ValueError, match="a message"):
            frames.read(receive)
