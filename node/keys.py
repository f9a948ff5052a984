"""The secrets of a node, and the one file that holds them.

- a root seed (Ed25519): the person. It signs nothing but delegations, so that it may rest in a drawer; the
  file has a place of its own for it, which may be empty;
- a seed (Ed25519): this machine's key. It signs records, and is the libp2p host key;
- a secp256k1 key: the payout address on chain.

A further machine of the same person has a key of its own and nothing else that is secret: the root key stays
where it is and gives its word (`join_keys`). Until then the machine signs for nobody.

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
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import Message
from nacl import pwhash
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from nacl.signing import SigningKey

from commonground.escaping import in_shell
from commonground.files import replace_file, write_new
from protocol.errors import ConfigError, StateError
from protocol.identity import KeyId, PersonId, name_of, peer_id_of, person_of_root
from protocol.limits import KEY_BYTES
from protocol.log.envelope import seal
from protocol.log.strict import canonical
from protocol.money.payout import address_of
from protocol.rules.people import delegation_message
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:
    from eth_keys.datatypes import PrivateKey

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
    payout_key: bytes | None  # None where another machine of the person has it
    root_key: bytes  # the public half, which names the person
    root_seed: bytes | None = None  # None where it rests elsewhere
    word: bytes | None = (
        None  # the root key's signature that delegates to this machine, if it was brought here
    )

    def __repr__(self) -> str:
        return f"NodeKeys({name_of(self.person)}, {self.peer_id}, secrets hidden)"

    def __post_init__(self) -> None:
        secret = (self.seed, self.payout_key, self.root_seed)
        if any(len(each) != KEY_BYTES for each in (*secret, self.root_key) if each is not None):
            raise ConfigError(f"a key has {KEY_BYTES} bytes, and one here has not", _RESTORE)
        if self.payout_key is not None and not (
            0 < int.from_bytes(self.payout_key, "big") < _GROUP_ORDER
        ):
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

    def delegation(self, network: bytes, key: KeyId | None = None) -> pb.Delegation:
        """The root key's word that a key signs for the person, by default this machine's; always the same.

        Raises ConfigError when the root seed is not on this machine, and its word was not brought here.
        """
        if key is None and self.word is not None:
            return pb.Delegation(root_key=self.root_key, signature=self.word)
        if self.root_seed is None:
            raise ConfigError(
                "your root key is not on this machine, and only it can say that a machine signs for you",
                "use the machine that has it; or put its value back as `root` in keys.json for this command",
            )
        message = delegation_message(network, key or self.key)
        return pb.Delegation(
            root_key=self.root_key, signature=SigningKey(self.root_seed).sign(message).signature
        )

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature of a message."""
        return SigningKey(self.seed).sign(message).signature

    @property
    def payout_secret(self) -> bytes:
        """The payout key; raises ConfigError when another machine has it."""
        if self.payout_key is None:
            raise ConfigError(
                "your payout key is not on this machine",
                "run this on your first machine, where you registered: its keys.json has it",
            )
        return self.payout_key

    @property
    def payout_address(self) -> bytes:
        """The 20-byte address of the payout key."""
        return address_of(self._payout_key().public_key.to_bytes())

    def sign_payout(self, digest: bytes) -> bytes:
        """The 65-byte signature r, s, v of a 32-byte EIP-712 digest; v is 27 or 28."""
        signature = self._payout_key().sign_msg_hash(digest).to_bytes()
        return signature[:64] + bytes([signature[64] + _V_OFFSET])

    def _payout_key(self) -> PrivateKey:
        from eth_keys.datatypes import PrivateKey  # a tenth of a second, and few commands pay

        return PrivateKey(self.payout_secret)

    def seal(self, kind: str, record: Message) -> bytes:
        """A serialised envelope that holds the record, signed."""
        return seal(kind, canonical(record), self.key, self.sign)


@dataclass(frozen=True, slots=True, repr=False)
class MachineKey:
    """The key of a machine that is to join a person, who has not given the word yet."""

    seed: bytes

    def __repr__(self) -> str:
        return f"MachineKey({self.peer_id}, secret hidden)"

    @property
    def key(self) -> KeyId:
        """The public key."""
        return KeyId(_public(self.seed))

    @property
    def peer_id(self) -> str:
        """The name of this machine in the peer-to-peer network."""
        return peer_id_of(self.key)


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


def generate_machine_key() -> MachineKey:
    """A fresh key for a machine that is to join a person."""
    return MachineKey(secrets.token_bytes(KEY_BYTES))


def save_keys(
    path: Path,
    keys: NodeKeys | MachineKey,
    passphrase: bytes | None = None,
    cost: Cost | None = None,
) -> None:
    """Writes a new keys file, durably; raises ConfigError when there is one already.

    The file appears whole or not at all.
    """
    try:
        write_new(path, _encode(keys, _Box.by(passphrase, cost or Cost())))
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

    Raises ConfigError: no such file, others can read it, wrong passphrase, malformed; StateError where the
    machine has joined nobody yet.
    """
    keys, _ = _load(path, passphrase)
    if isinstance(keys, MachineKey):
        raise StateError(
            "this machine signs for nobody yet",
            "`commonhold node join` says what your first machine has to do",
        )
    return keys


def load_any_keys(path: Path, passphrase: Callable[[], bytes]) -> NodeKeys | MachineKey:
    """As `load_keys`, also of a machine that has joined nobody yet."""
    return _load(path, passphrase)[0]


def join_keys(path: Path, delegation: pb.Delegation, passphrase: Callable[[], bytes]) -> NodeKeys:
    """Rewrites the keys file of a machine: from now on it signs for the person whose root key gave its word.

    The delegation is to be checked before. Repeating it is harmless. Raises ConfigError as `load_keys`, and
    StateError when the machine signs for somebody else already.
    """
    keys, box = _load(path, passphrase)
    joined = NodeKeys(keys.seed, None, delegation.root_key, word=delegation.signature)
    if isinstance(keys, NodeKeys):
        if keys.root_key != joined.root_key:
            raise StateError(
                f"this machine signs for {name_of(keys.person)} already",
                "a machine serves one person; use another directory with --dir",
            )
        return keys
    replace_file(path, _encode(joined, box))
    return joined


def _load(path: Path, passphrase: Callable[[], bytes]) -> tuple[NodeKeys | MachineKey, _Box]:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS:
                raise ConfigError(
                    f"other users can read the keys in {path}", f"run: chmod 600 {in_shell(path)}"
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


@dataclass(frozen=True, slots=True, repr=False)
class _Box:
    """How the secrets of one file are kept: sealed, or as they are."""

    fields: dict[str, Any]  # what the file says of it
    secret_box: SecretBox | None

    @staticmethod
    def by(passphrase: bytes | None, cost: Cost) -> _Box:
        if passphrase is None:
            return _Box({"encryption": _PLAIN}, None)
        salt = secrets.token_bytes(pwhash.argon2id.SALTBYTES)
        fields = {"salt": _text(salt), "passes": cost.passes, "memory_bytes": cost.memory_bytes}
        return _Box({"encryption": _SEALED} | fields, SecretBox(_derive(passphrase, salt, cost)))

    @staticmethod
    def of(document: dict[str, Any], passphrase: Callable[[], bytes]) -> _Box:
        if document["version"] != _VERSION or document["encryption"] not in (_PLAIN, _SEALED):
            raise ConfigError(
                "the keys file is of another version of commonhold", "open it with that version"
            )
        if document["encryption"] == _PLAIN:
            return _Box({"encryption": _PLAIN}, None)
        names = ("encryption", "salt", "passes", "memory_bytes")
        cost = Cost(int(document["passes"]), int(document["memory_bytes"]))
        salt = base64.b64decode(document["salt"], validate=True)
        return _Box(
            {name: document[name] for name in names}, SecretBox(_derive(passphrase(), salt, cost))
        )

    def close(self, secret: bytes) -> str:
        return _text(secret if self.secret_box is None else self.secret_box.encrypt(secret))

    def open(self, text: str) -> bytes:
        data = base64.b64decode(text, validate=True)
        try:
            return data if self.secret_box is None else self.secret_box.decrypt(data)
        except CryptoError:
            raise ConfigError(
                "the passphrase does not open the keys file", "try again; nobody can reset it"
            ) from None


def _encode(keys: NodeKeys | MachineKey, box: _Box) -> bytes:
    document: dict[str, Any] = {"version": _VERSION, "peer_id": keys.peer_id} | box.fields
    secret = keys.seed
    if isinstance(keys, NodeKeys):
        # The root's public half is sealed, too: nobody but its owner may say whose node this is.
        secret += (keys.payout_key or b"") + keys.root_key
        document["person"] = name_of(keys.person)
        document["root"] = None if keys.root_seed is None else box.close(keys.root_seed)
        if keys.word is not None:
            document["delegation"] = _text(keys.word)
    document["secret"] = box.close(secret)
    return json.dumps(document, indent=2).encode() + b"\n"


def _decode(
    document: dict[str, Any], passphrase: Callable[[], bytes]
) -> tuple[NodeKeys | MachineKey, _Box]:
    box = _Box.of(document, passphrase)
    secret = box.open(document["secret"])
    match [secret[at : at + KEY_BYTES] for at in range(0, len(secret), KEY_BYTES)]:
        case [seed] if len(seed) == KEY_BYTES:
            return MachineKey(seed), box
        case [seed, root_key]:
            payout_key = None
        case [seed, payout_key, root_key]:
            pass
        case _:
            raise ValueError("no keys have this size")
    root = None if document["root"] is None else box.open(document["root"])
    word = document.get("delegation")
    if word is not None:
        word = base64.b64decode(word, validate=True)
    return NodeKeys(seed, payout_key, root_key, root, word), box


def _derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    return pwhash.argon2id.kdf(
        SecretBox.KEY_SIZE, passphrase, salt, opslimit=cost.passes, memlimit=cost.memory_bytes
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
