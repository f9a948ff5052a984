"""Signed notes: the reference implementation's vectors, and strictness to the byte."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol.errors import Reject
from protocol.log.note import (
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    Checkpoint,
    Note,
    Sign,
    Signature,
    Verifier,
    open_checkpoint,
    parse_note,
    sign_checkpoint,
)

# The key and note of the Go implementation's documentation (golang.org/x/mod/sumdb/note).
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_TEXT = (
    b"If you think cryptography is the answer to your problem,\n"
    b"then you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
    "KvqfqdngotpRZb6KE6RyyBwJnAM=\n".encode()
)

LOG_KEY, WITNESS_KEY = SigningKey(bytes([1]) * 32), SigningKey(bytes([2]) * 32)
LOG = Verifier("log.example/commons", bytes(LOG_KEY.verify_key))
WITNESS = Verifier("witness.example/w1", bytes(WITNESS_KEY.verify_key))
ROOT = bytes(range(32))
SIGNED = sign_checkpoint(LOG, 20_852_163, ROOT, lambda text: LOG_KEY.sign(text).signature)


def signer(key: SigningKey) -> Sign:
    return lambda text: key.sign(text).signature


def signed_text(text: bytes) -> bytes:
    return Note(text, ()).with_signature(LOG, signer(LOG_KEY)).encode()


def test_the_reference_note_is_reproduced_to_the_byte() -> None:
    verifier = Verifier.parse(GO_KEY)
    assert str(verifier) == GO_KEY
    note = parse_note(GO_NOTE)
    assert note.text == GO_TEXT
    assert verifier.accepts(note.text, note.signatures[0].value)
    assert Note(GO_TEXT, ()).with_signature(verifier, signer(SigningKey(GO_SEED))) == note


def test_a_key_with_a_plus_in_its_base64() -> None:
    key = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert str(Verifier.parse(key)) == key


@pytest.mark.parametrize("cut", range(1, len(GO_KEY)))
def test_a_cut_verifier_key_is_rejected(cut: int) -> None:
    for text in (GO_KEY[:cut], GO_KEY[cut:]):
        with pytest.raises(Reject):
            Verifier.parse(text)


@pytest.mark.parametrize("at", range(len(GO_KEY)))
def test_a_changed_verifier_key_is_rejected(at: int) -> None:
    with pytest.raises(Reject):
        Verifier.parse(GO_KEY[:at] + chr(ord(GO_KEY[at]) + 1) + GO_KEY[at + 1 :])


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\nb", "a\tb", "a\u2003b", "\ud800", "a" * 513]
)
def test_an_unusable_name_is_rejected(name: str) -> None:
    with pytest.raises(Reject):
        Verifier(name, bytes(32))


def test_a_signed_checkpoint_opens() -> None:
    assert open_checkpoint(SIGNED, LOG) == Checkpoint(LOG.name, 20_852_163, ROOT)
    assert SIGNED.startswith(b"log.example/commons\n20852163\nAAECAwQFBgcICQ")


def test_signatures_of_unknown_keys_are_ignored() -> None:
    cosigned = parse_note(SIGNED).with_signature(WITNESS, signer(WITNESS_KEY)).encode()
    assert open_checkpoint(cosigned, LOG).size == 20_852_163
    junk = parse_note(SIGNED).with_signature(WITNESS, lambda _: b"not even a signature").encode()
    assert open_checkpoint(junk, LOG).size == 20_852_163
    same_name = Verifier(LOG.name, WITNESS.public_key)  # the log's next key
    rotated = parse_note(SIGNED).with_signature(same_name, signer(WITNESS_KEY)).encode()
    assert open_checkpoint(rotated, LOG) == open_checkpoint(SIGNED, LOG)


def test_a_checkpoint_needs_the_logs_own_signature() -> None:
    note = Note(Checkpoint(LOG.name, 1, ROOT).text, ())
    with pytest.raises(Reject, match="is not signed by"):
        open_checkpoint(note.with_signature(WITNESS, signer(WITNESS_KEY)).encode(), LOG)


def test_one_wrong_signature_in_the_logs_name_spoils_the_note() -> None:
    for value in (bytes(64), b"short"):
        wrong = Signature(LOG.name, LOG.key_id, value)
        forged = Note(parse_note(SIGNED).text, (*parse_note(SIGNED).signatures, wrong)).encode()
        with pytest.raises(Reject, match="is wrong"):
            open_checkpoint(forged, LOG)


def test_a_changed_checkpoint_is_rejected() -> None:
    for at in range(len(SIGNED)):
        changed = bytearray(SIGNED)
        changed[at] ^= 1
        with pytest.raises(Reject):
            open_checkpoint(bytes(changed), LOG)


def test_a_checkpoint_of_another_log_is_rejected() -> None:
    with pytest.raises(Reject, match="another log"):
        open_checkpoint(signed_text(Checkpoint("log.example/other", 1, ROOT).text), LOG)


ROOT_LINE = base64.b64encode(ROOT)


@pytest.mark.parametrize(
    "text",
    [
        b"%s\n1\n",
        b"%s\n1\n\n",
        b"%s\n01\n" + ROOT_LINE + b"\n",
        b"%s\n-1\n" + ROOT_LINE + b"\n",
        b"%s\n1 \n" + ROOT_LINE + b"\n",
        "%s\n\u0661\n".encode() + ROOT_LINE + b"\n",
        b"%s\n9223372036854775808\n" + ROOT_LINE + b"\n",
        b"%s\n1\n" + base64.b64encode(ROOT[1:]) + b"\n",
        b"%s\n1\n" + ROOT_LINE[:-2] + b"9=\n",  # padding bits that are not zero
        b"%s\n1\n" + ROOT_LINE + b"\n\nextension\n",
        b"\n1\n" + ROOT_LINE + b"\n",
    ],
)
def test_signed_text_that_is_no_checkpoint_is_rejected(text: bytes) -> None:
    with pytest.raises(Reject):
        open_checkpoint(signed_text(text.replace(b"%s", LOG.name.encode())), LOG)


def test_extension_lines_are_kept() -> None:
    checkpoint = Checkpoint(LOG.name, 1, ROOT, ("one more line", "and another"))
    assert open_checkpoint(signed_text(checkpoint.text), LOG) == checkpoint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        GO_NOTE[:-1],
        GO_NOTE + b"\n",
        GO_NOTE.replace(b"\n", b"\r\n"),
        GO_NOTE.replace("—".encode(), b"-"),
        GO_NOTE.replace(b"Neumann x08", b"Neumann  x08"),
        GO_NOTE.replace(b"nAM=", b"nAM"),
        GO_NOTE.replace(b"nAM=", b"nAN="),
        GO_NOTE.replace(b"PeterNeumann x", b"Peter+Neumann x"),
        GO_NOTE.replace(b"cryptography", b"crypto\xffgraphy"),
        GO_TEXT + "\n— PeterNeumann x08gow==\n".encode(),  # a key id and nothing behind it
    ],
)
def test_a_malformed_note_is_rejected(data: bytes) -> None:
    with pytest.raises(Reject):
        parse_note(data)


def test_limits() -> None:
    line = GO_NOTE[len(GO_TEXT) + 1 :]
    most = GO_TEXT + b"\n" + line * SIGNATURES_MAX
    assert len(parse_note(most).signatures) == SIGNATURES_MAX
    with pytest.raises(Reject, match="signatures"):
        parse_note(most + line)
    largest = b"x" * (NOTE_BYTES_MAX - len(GO_NOTE)) + GO_NOTE
    assert len(parse_note(largest).encode()) == NOTE_BYTES_MAX
    with pytest.raises(Reject, match="at most"):
        parse_note(b"x" + largest)


@pytest.mark.parametrize("line", ["", "two\nlines", "bell\a", "\ud800"])
def test_a_checkpoint_line_is_text(line: str) -> None:
    with pytest.raises(Reject):
        Checkpoint(line, 1, ROOT)
    with pytest.raises(Reject):
        Checkpoint("origin", 1, ROOT, (line,))


lines = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("o" * 513, 1, ROOT), ("origin", -1, ROOT), ("origin", 2**63, ROOT), ("origin", 1, b"short")],
)
def test_a_checkpoint_beyond_its_limits_is_rejected(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(Reject):
        Checkpoint(origin, size, root)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(lines, max_size=3))
def test_checkpoints_round_trip(size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(LOG.name, size, root, tuple(extensions))
    assert open_checkpoint(signed_text(checkpoint.text), LOG) == checkpoint


@given(st.binary(max_size=120), st.binary(max_size=60))
def test_a_parsed_note_serialises_to_what_was_read(text: bytes, signature: bytes) -> None:
    data = text + "\n\n— n ".encode() + base64.b64encode(signature) + b"\n"
    try:
        note = parse_note(data)
    except Reject:
        return
    assert note.encode() == data
