"""The secrets of a node, and the one file that holds them.

- a root seed (Ed25519): the person. It signs nothing but delegations, so that it may rest in a drawer; the
  file has a place of its own for it, which may be empty;
- a seed (Ed25519): this machine's key. It signs records, and is the libp2p host key;
- a secp256k1 key: the payout address on chain.

The file is JSON, 0600. With a passphrase the secrets are sealed by XSalsa20-Poly1305 under a key that
Argon2id (RFC 9106) makes of it. A passphrase comes from a prompt or a file, never from the command
line or the environment's values, where other processes can read it.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_keys.datatypes import PrivateKey
from google.protobuf.message import Message
from nacl import pwhash
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from nacl.signing import SigningKey

from commonground.files import write_new
from protocol.errors import ConfigError
from protocol.identity import KeyId, PersonId, name_of, peer_id_of, person_of_root
from protocol.limits import KEY_BYTES
from protocol.log.envelope import seal
from protocol.log.strict import canonical
from protocol.rules.people import delegation_message
from protos.gen import records_pb2 as pb

PASSPHRASE_FILE_VARIABLE: Final = "COMMONHOLD_PASSPHRASE_FILE"  # noqa: S105
PASSPHRASE_BYTES_MAX: Final = 1024
# Some hundred bytes of JSON; anything beyond is not a keys file.
KEYS_BYTES_MAX: Final = 16 * 1024
# Order of the group of secp256k1 (SEC 2, section 2.4.1); a key is 1 .. order - 1.
_GROUP_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_V_OFFSET: Final = 27  # Ethereum writes the recovery bit as 27 or 28
_VERSION: Final = 2
_PLAIN: Final = "none"
_SEALED: Final = "argon2id+xsalsa20poly1305"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_RESTORE: Final = "restore keys.json from your copy"


@dataclass(frozen=True, slots=True)
class Cost:
    """What trying one passphrase costs: Argon2id passes over so many bytes of memory."""

    passes: int = pwhash.argon2id.OPSLIMIT_MODERATE
    memory_bytes: int = pwhash.argon2id.MEMLIMIT_MODERATE  # 256 MiB, under a second

    def __post_init__(self) -> None:
        # Bounds what a damaged file could make us allocate.
        passes_max = pwhash.argon2id.OPSLIMIT_SENSITIVE
        memory_max = pwhash.argon2id.MEMLIMIT_SENSITIVE
        if not (1 <= self.passes <= passes_max and 8192 <= self.memory_bytes <= memory_max):
            raise ConfigError("the keys file asks for an unreasonable key derivation", _RESTORE)


@dataclass(frozen=True, slots=True, repr=False)
class NodeKeys:
    """The secrets, 32 bytes each; none is ever printed. Make them by `generate_keys` or `made_of`."""

    seed: bytes
    payout_key: bytes
    root_key: bytes  # the public half, which names the person
    root_seed: bytes | None = None  # None where it rests elsewhere

    def __repr__(self) -> str:
        return f"NodeKeys({name_of(self.person)}, {self.peer_id}, secrets hidden)"

    def __post_init__(self) -> None:
        number = int.from_bytes(self.payout_key, "big")
        secret = (self.seed, self.payout_key, self.root_seed or self.seed)
        if any(len(each) != KEY_BYTES for each in (*secret, self.root_key)):
            raise ConfigError(f"a key has {KEY_BYTES} bytes, and one here has not", _RESTORE)
        if not 0 < number < _GROUP_ORDER:
            raise ConfigError("the payout key is not a secp256k1 key", _RESTORE)
        if self.root_seed is not None and _public(self.root_seed) != self.root_key:
            raise ConfigError("the root seed is not that of the root key", _RESTORE)

    @staticmethod
    def made_of(seed: bytes, payout_key: bytes, root_seed: bytes) -> NodeKeys:
        """The keys that belong to three secrets."""
        if len(root_seed) != KEY_BYTES:
            raise ConfigError(f"a root seed has {KEY_BYTES} bytes", _RESTORE)
        return NodeKeys(seed, payout_key, _public(root_seed), root_seed)

    @property
    def person(self) -> PersonId:
        """Whose node this is."""
        return person_of_root(self.root_key)

    @property
    def key(self) -> KeyId:
        """The public key of this machine, which signs for the person."""
        return KeyId(_public(self.seed))

    @property
    def peer_id(self) -> str:
        """The name of this machine in the peer-to-peer network, 12D3Koo…"""
        return peer_id_of(self.key)

    def delegation(self, network: bytes) -> pb.Delegation:
        """The root key's word that this machine's key signs for the person; always the same.

        Raises ConfigError when the root seed is not on this machine.
        """
        if self.root_seed is None:
            raise ConfigError(
                "your root key is not on this machine, and only it can say that this machine signs"
                " for you",
                "register from the machine that has it",
            )
        message = delegation_message(network, self.key)
        return pb.Delegation(
            root_key=self.root_key, signature=SigningKey(self.root_seed).sign(message).signature
        )

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature of a message."""
        return SigningKey(self.seed).sign(message).signature

    @property
    def payout_address(self) -> bytes:
        """The 20-byte address of the payout key."""
        return PrivateKey(self.payout_key).public_key.to_canonical_address()

    def sign_payout(self, digest: bytes) -> bytes:
        """The 65-byte signature r, s, v of a 32-byte EIP-712 digest; v is 27 or 28."""
        signature = PrivateKey(self.payout_key).sign_msg_hash(digest).to_bytes()
        return signature[:64] + bytes([signature[64] + _V_OFFSET])

    def seal(self, kind: str, record: Message) -> bytes:
        """A serialised envelope that holds the record, signed."""
        return seal(kind, canonical(record), self.key, self.sign)


def _public(seed: bytes) -> bytes:
    return bytes(SigningKey(seed).verify_key)


def generate_keys() -> NodeKeys:
    """Fresh secrets of the operating system's randomness."""
    payout = 1 + secrets.randbelow(_GROUP_ORDER - 1)
    return NodeKeys.made_of(
        secrets.token_bytes(KEY_BYTES),
        payout.to_bytes(KEY_BYTES, "big"),
        secrets.token_bytes(KEY_BYTES),
    )


def save_keys(
    path: Path, keys: NodeKeys, passphrase: bytes | None = None, cost: Cost | None = None
) -> None:
    """Writes a new keys file, durably; raises ConfigError when there is one already.

    The file appears whole or not at all.
    """
    try:
        write_new(path, _encode(keys, passphrase, cost or Cost()))
    except FileExistsError:
        raise ConfigError(
            f"there are keys in {path} already, and they are not replaced",
            "use another directory with --dir, or move the file to a safe place",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}", "check the disk, and whose folder it is"
        ) from error


def load_keys(path: Path, passphrase: Callable[[], bytes]) -> NodeKeys:
    """Reads the keys file; `passphrase` is called only when the file is sealed.

    Raises ConfigError: no such file, others can read it, wrong passphrase, malformed.
    """
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS:
                raise ConfigError(
                    f"other users can read the keys in {path}", f"run: chmod 600 '{path}'"
                )
            raw = file.read(KEYS_BYTES_MAX)
    except FileNotFoundError:
        raise ConfigError(f"there are no keys in {path}", "run `commonhold node init`") from None
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "check whose it is, and who may read it"
        ) from error
    try:
        return _decode(json.loads(raw), passphrase)
    except (ValueError, KeyError, TypeError, binascii.Error):
        # Without the cause: a decoder's message quotes what it was given.
        raise ConfigError(f"{path} is damaged: it is not a keys file", _RESTORE) from None


def passphrase_file(given: Path | None) -> Path | None:
    """The file to read a passphrase from: the one given, else $COMMONHOLD_PASSPHRASE_FILE."""
    named = os.environ.get(PASSPHRASE_FILE_VARIABLE)
    return given or (Path(named) if named else None)


def read_passphrase(path: Path) -> bytes:
    """The passphrase in a file, without the newline at its end."""
    try:
        with path.open("rb") as file:
            passphrase = file.read(PASSPHRASE_BYTES_MAX + 1).rstrip(b"\r\n")
    except OSError as error:
        raise ConfigError(
            f"cannot read the passphrase file {path}: {error.strerror}",
            f"name the file with --passphrase-file or ${PASSPHRASE_FILE_VARIABLE}",
        ) from error
    if not 0 < len(passphrase) <= PASSPHRASE_BYTES_MAX:
        raise ConfigError(
            f"the passphrase in {path} is empty, or over {PASSPHRASE_BYTES_MAX} bytes",
            "write it on the file's first line, and nothing else",
        )
    return passphrase


def _encode(keys: NodeKeys, passphrase: bytes | None, cost: Cost) -> bytes:
    # The root's public half is sealed, too: nobody but its owner may say whose node this is.
    secret = keys.seed + keys.payout_key + keys.root_key
    document: dict[str, Any] = {
        "version": _VERSION,
        "person": name_of(keys.person),
        "peer_id": keys.peer_id,
    }
    close: Callable[[bytes], bytes] = bytes
    if passphrase is None:
        document |= {"encryption": _PLAIN}
    else:
        salt = secrets.token_bytes(pwhash.argon2id.SALTBYTES)
        close = SecretBox(_derive(passphrase, salt, cost)).encrypt
        document |= {
            "encryption": _SEALED,
            "salt": _text(salt),
            "passes": cost.passes,
            "memory_bytes": cost.memory_bytes,
        }
    document["secret"] = _text(close(secret))
    document["root"] = None if keys.root_seed is None else _text(close(keys.root_seed))
    return json.dumps(document, indent=2).encode() + b"\n"


def _decode(document: dict[str, Any], passphrase: Callable[[], bytes]) -> NodeKeys:
    secret = base64.b64decode(document["secret"], validate=True)
    kept = document["root"]
    root = None if kept is None else base64.b64decode(kept, validate=True)
    if document["version"] != _VERSION or document["encryption"] not in (_PLAIN, _SEALED):
        raise ConfigError(
            "the keys file is of another version of commonhold", "open it with that version"
        )
    if document["encryption"] == _SEALED:
        cost = Cost(int(document["passes"]), int(document["memory_bytes"]))
        salt = base64.b64decode(document["salt"], validate=True)
        box = SecretBox(_derive(passphrase(), salt, cost))
        try:
            secret = box.decrypt(secret)
            root = None if root is None else box.decrypt(root)
        except CryptoError:
            raise ConfigError(
                "the passphrase does not open the keys file", "try again; nobody can reset it"
            ) from None
    seed, payout_key, root_key = (
        secret[at : at + KEY_BYTES] for at in range(0, 3 * KEY_BYTES, KEY_BYTES)
    )
    return NodeKeys(seed, payout_key, root_key, root)


def _derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    return pwhash.argon2id.kdf(
        SecretBox.KEY_SIZE, passphrase, salt, opslimit=cost.passes, memlimit=cost.memory_bytes
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
