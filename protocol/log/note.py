"""C2SP signed notes and the checkpoints that travel in them.

A signed note is text, a blank line, and signature lines `— <name> <base64(key id || signature)>`.
A checkpoint is a note whose text is a log's origin, its size in decimal and its root in base64.

Parsing is strict: what is accepted serialises back to the same bytes, so that two readers can
never understand one note differently. Notes are meaningless until a known key has signed them,
therefore `open_checkpoint` is the way from bytes to a Checkpoint that counts.
Sources: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol.errors import Reject
from protocol.log.merkle import HASH_BYTES, SIZE_MAX

#: Signs the text of a note: bytes in, 64 bytes of Ed25519 signature out.
Sign = Callable[[bytes], bytes]

# The specification asks for at least 16 signatures, of up to 5 kB each where post-quantum.
SIGNATURES_MAX = 32
NOTE_BYTES_MAX = 256 * 1024
# Longer than any DNS name with a path; keeps a hostile note from filling error messages.
NAME_BYTES_MAX = 512

KEY_ID_BYTES = 4
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

# Whoever follows a log meets each of its heads several times: with entries, in a receipt, as what it kept.
_REMEMBERED = 16

_ED25519 = b"\x01"  # the signature type of plain Ed25519 in the specification
_DASH = "\u2014"
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
# Control characters but newline; and lone surrogates, which a str can hold and UTF-8 cannot.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Verifier:
    """An Ed25519 key under a name: what a reader must know about a log or a witness."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise Reject(f"an Ed25519 public key has {PUBLIC_KEY_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """Return the 4 bytes that mark this key's signatures: an address, not a proof."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key).digest()[
            :KEY_ID_BYTES
        ]

    def __str__(self) -> str:
        """Return the verifier key `<name>+<key id in hex>+<base64(type || key)>`."""
        return f"{self.name}+{self.key_id.hex()}+{_encode_base64(_ED25519 + self.public_key)}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Parse a verifier key; only the string that `str()` gives back is accepted."""
        name, _, rest = text.partition("+")
        _, _, key = rest.partition("+")
        material = _decode_base64(key)
        if material[:1] != _ED25519:
            raise Reject("the verifier key is not an Ed25519 key")
        verifier = cls(name, material[1:])
        if str(verifier) != text:
            raise Reject("the verifier key's id does not belong to its name and key")
        return verifier

    def accepts(self, text: bytes, signature: bytes) -> bool:
        """Tell whether `signature` (64 bytes) is this key's over `text`."""
        try:
            VerifyKey(self.public_key).verify(text, signature)
        except (BadSignatureError, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who claims to have signed, and bytes that prove it or not."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """Return the line without its newline."""
        return f"{_DASH} {self.name} {_encode_base64(self.key_id + self.value)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note, not yet verified. `text` ends in a newline."""

    text: bytes
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """Return the note as it travels."""
        lines = "".join(f"{signature.line}\n" for signature in self.signatures)
        return self.text + b"\n" + lines.encode()

    def with_signature(self, verifier: Verifier, sign: Sign) -> Note:
        """Return this note with one more signature: a log's own, or a witness's beside it."""
        signature = Signature(verifier.name, verifier.key_id, sign(self.text))
        return Note(self.text, (*self.signatures, signature))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: all entries before `size` are those under `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line or _CONTROL.search(line):
                raise Reject("a checkpoint line is empty or holds control characters")
        if len(self.origin.encode()) > NAME_BYTES_MAX:
            raise Reject(f"a log's origin has at most {NAME_BYTES_MAX} bytes")
        if not 0 <= self.size <= SIZE_MAX:
            raise Reject(f"a log's size is 0..2**63-1, not {self.size}")
        if len(self.root) != HASH_BYTES:
            raise Reject(f"a root hash has {HASH_BYTES} bytes, not {len(self.root)}")

    @property
    def text(self) -> bytes:
        """Return the text that is signed."""
        lines = (self.origin, str(self.size), _encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines).encode()


def parse_note(data: bytes) -> Note:
    """Split a signed note into text and signatures, verifying nothing.

    Raises:
        Reject: it is not a note, or not one that serialises back to `data`.
    """
    if len(data) > NOTE_BYTES_MAX:
        raise Reject(f"a note has at most {NOTE_BYTES_MAX} bytes, not {len(data)}")
    try:
        decoded = data.decode()
    except UnicodeDecodeError:
        raise Reject("the note is not UTF-8") from None
    if _CONTROL.search(decoded):
        raise Reject("the note holds control characters")
    text, blank, signed = decoded.rpartition("\n\n")
    lines = signed.split("\n")
    if not blank or lines.pop() != "":
        raise Reject("the note has no signatures after a blank line, or ends inside one")
    if not 1 <= len(lines) <= SIGNATURES_MAX:
        raise Reject(f"a note has 1..{SIGNATURES_MAX} signatures, not {len(lines)}")
    note = Note(f"{text}\n".encode(), tuple(_parse_signature(line) for line in lines))
    if note.encode() != data:
        raise Reject("the note is not in its only valid encoding")
    return note


def sign_checkpoint(verifier: Verifier, size: int, root: bytes, sign: Sign) -> bytes:
    """Return the signed checkpoint of the log whose origin and key `verifier` names."""
    checkpoint = Checkpoint(verifier.name, size, root)
    return Note(checkpoint.text, ()).with_signature(verifier, sign).encode()


def open_checkpoint(data: bytes, verifier: Verifier) -> Checkpoint:
    """Return the checkpoint in a note that `verifier` has signed.

    Signatures of other keys (witnesses, a log's next key) are ignored.

    Raises:
        Reject: the note is malformed, the key has not signed it or one of the signatures in
            its name is wrong, or the text is not a checkpoint of the log `verifier` names.
    """
    checkpoint, signed = _opened(data, verifier)
    if not signed:
        raise Reject(f"the checkpoint is not signed by {_short(verifier.name)}")
    return checkpoint


def read_checkpoint(data: bytes, verifier: Verifier) -> Checkpoint:
    """Return the checkpoint in a note of the log that `verifier` names, by whichever key it is signed.

    It says how far to read in a log whose own entries may name another key; it is to be believed once
    `open_checkpoint` opens it by that one.

    Raises:
        Reject: as `open_checkpoint`, but for a note that `verifier` has not signed at all.
    """
    return _opened(data, verifier)[0]


def is_signed(data: bytes, verifier: Verifier) -> bool:
    """Tell whether `open_checkpoint` opens a note."""
    try:
        open_checkpoint(data, verifier)
    except Reject:
        return False
    return True


@lru_cache(_REMEMBERED)
def _opened(data: bytes, verifier: Verifier) -> tuple[Checkpoint, bool]:
    """The checkpoint in a note, and whether `verifier` has signed it: that follows from the bytes alone, so
    that it is found out once. What is refused is refused anew each time."""
    note = parse_note(data)
    own = _signatures_of(note, verifier)
    if not all(verifier.accepts(note.text, each.value) for each in own):
        raise Reject(f"a signature in the name of {_short(verifier.name)} is wrong")
    checkpoint = _parse_checkpoint(note.text)
    if checkpoint.origin != verifier.name:
        raise Reject(f"the checkpoint is of another log than {_short(verifier.name)}")
    return checkpoint, bool(own)


def _signatures_of(note: Note, verifier: Verifier) -> list[Signature]:
    name = (verifier.name, verifier.key_id)
    return [each for each in note.signatures if (each.name, each.key_id) == name]


def _parse_checkpoint(text: bytes) -> Checkpoint:
    match text.decode().split("\n"):
        case [origin, size, root, *extensions, ""]:
            pass
        case _:
            raise Reject("a checkpoint has at least the lines origin, size and root")
    if not _DECIMAL.fullmatch(size):
        raise Reject("a checkpoint's size is a decimal number without leading zeroes")
    checkpoint = Checkpoint(origin, int(size), _decode_base64(root), tuple(extensions))
    if checkpoint.text != text:
        raise Reject("the checkpoint is not in its only valid encoding")
    return checkpoint


def _parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, value = rest.partition(" ")
    if dash != _DASH:
        raise Reject("a signature line does not begin with a dash")
    _check_name(name)
    blob = _decode_base64(value)
    if len(blob) <= KEY_ID_BYTES:
        raise Reject("a signature line holds no signature")
    return Signature(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() for c in name) or _CONTROL.search(name):
        raise Reject("a key name is empty, or holds a space, a plus or a control character")
    if len(name.encode()) > NAME_BYTES_MAX:
        raise Reject(f"a key name has at most {NAME_BYTES_MAX} bytes")


def _encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode_base64(text: str) -> bytes:
    """Decode standard base64. Callers compare the round trip, which settles the padding bits."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Reject("a field is not base64") from None


def _short(name: str) -> str:
    """Return a name of somebody else's choosing in a form that is safe to print."""
    return repr(name[:80])
