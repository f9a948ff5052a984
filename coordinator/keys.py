"""The operator's keys. Nothing here is ever printed, logged or sent.

    root.key       Ed25519 seed: who the operator is. It delegates to operator.key, and no work needs it:
                   move it offline. `operator.delegation` holds what it signed.
    operator.key   Ed25519 seed: signs the operator's records, until operator-2.key follows it, and so on
    log.key        Ed25519 seed: signs the log's checkpoints. log-2.key and so on follow it: they sign beside
                   it, and without it once it is taken away
    log.verifier   the log's name, and the public half of log.key: it names the network for ever
    chain.key      secp256k1 secret: pays for transactions; holds no power over the log
    tls.key, tls.crt   the server's identity, pinned by the network link

Operator and log have separate keys, so that a log key kept in hardware never signs a record.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nacl.signing import SigningKey

from commonground.files import write_new
from coordinator.config import Config, Home, require_private
from protocol.errors import ConfigError, Reject
from protocol.identity import KeyId, PersonId, person_of_root
from protocol.limits import KEY_BYTES, SIGNATURE_BYTES
from protocol.log.commitments import network_id
from protocol.log.envelope import Signer
from protocol.log.note import Checkpoint, Note, Verifier
from protocol.money.payout import address_of
from protocol.rules.people import check_delegation, delegation_message
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:
    from eth_keys.datatypes import PrivateKey

# The name that every node checks the certificate for, wherever the coordinator moves to.
TLS_NAME: Final = "commonhold"
# Order of secp256k1 (SEC 2, section 2.4.1): a secret is below it and not zero.
_SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_SECRET_FILES: Final = ("chain.key", "tls.key")
_ROOT_FILE: Final = "root.key"
DELEGATION_FILE: Final = "operator.delegation"
VERIFIER_FILE: Final = "log.verifier"
_NUMBER: Final = re.compile(r"-([1-9][0-9]{0,5})\.key", re.ASCII)
_RESTORE: Final = "restore it from your backup"


class Role(StrEnum):
    """Whose key it is. Keys of a role follow one another; the log says which one signs now."""

    OPERATOR = "operator"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key of a role: ROLE.key is number 1, ROLE-2.key the one that followed it."""

    path: Path
    number: int
    key: SigningKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """The public half."""
        return bytes(self.key.verify_key)


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys, loaded. Secrets have no repr, so that none reaches a traceback."""

    operator_key: SigningKey = field(repr=False)  # that signs records
    operator_keys: tuple[SigningKey, ...] = field(repr=False)  # all that are here, the oldest first
    log_keys: tuple[SigningKey, ...] = field(repr=False)  # likewise
    chain_secret: bytes = field(repr=False)  # 32 bytes
    tls_key: bytes = field(repr=False)  # PEM
    tls_certificate: bytes  # PEM
    log_verifier: Verifier  # of the first log.key, which the network link names
    delegation: pb.Delegation  # of the first operator.key by the root key

    def sign_payout(self, digest: bytes) -> bytes:
        """Signs for the operator's account on chain: 65 bytes, lower s, v of 27 or 28."""
        signature = self._chain_key().sign_msg_hash(digest).to_bytes()
        return signature[:64] + bytes([signature[64] + 27])

    @property
    def account(self) -> bytes:
        """The operator's account on chain: 20 bytes."""
        return address_of(self._chain_key().public_key.to_bytes())

    def _chain_key(self) -> PrivateKey:
        # A tenth of a second, and most commands need no chain.
        from eth_keys.datatypes import PrivateKey

        return PrivateKey(self.chain_secret)

    @property
    def operator(self) -> PersonId:
        """Who the operator is."""
        return person_of_root(self.delegation.root_key)

    @property
    def record_key(self) -> KeyId:
        """The key that signs the operator's records."""
        return KeyId(bytes(self.operator_key.verify_key))

    @property
    def network(self) -> bytes:
        """The id of the network."""
        return network_id(self.log_verifier.public_key)

    @property
    def sign_record(self) -> Signer:
        """Signs the operator's records."""
        return lambda message: self.operator_key.sign(message).signature

    def holds(self, role: Role, public_key: bytes) -> bool:
        """Whether we can sign with this key."""
        keys = self.log_keys if role is Role.LOG else self.operator_keys
        return _find(keys, public_key) is not None

    def signing_as(self, operator_key: KeyId, log_key: bytes) -> Keys:
        """These keys, with that one for records which the log says is the operator's now.

        Raises ConfigError when it is not here, or that which signs the log is not.
        """
        _require(Role.LOG, self.log_keys, log_key)
        present = _require(Role.OPERATOR, self.operator_keys, operator_key)
        return replace(self, operator_key=present)

    def sign_checkpoint(
        self, size: int, root: bytes, log_keys: Iterable[bytes], *extensions: str
    ) -> bytes:
        """The signed head of the log: by each of its keys, the first one first, that is here. So whoever
        knows one of them can read it."""
        checkpoint = Checkpoint(self.log_verifier.name, size, root, extensions)
        note = Note(checkpoint.text, ())
        for public_key in log_keys:
            key = _find(self.log_keys, public_key)
            if key is not None:
                verifier = Verifier(self.log_verifier.name, public_key)
                note = note.with_signature(verifier, _signer(key))
        return note.encode()

    @property
    def tls_fingerprint(self) -> bytes:
        """SHA-256 of the DER certificate, which the network link carries."""
        from coordinator.certificates import fingerprint  # few commands show a link or make keys

        return fingerprint(self.tls_certificate)


def create_keys(home: Home, config: Config, chain_secret: bytes | None = None) -> None:
    """Writes fresh keys, each readable by the operator alone. Never overwrites one.

    `chain_secret` (32 bytes) is that of an account which exists already.
    """
    from coordinator.certificates import made_certificate

    seeds = {name: secrets.token_bytes(32) for name in (_ROOT_FILE, "operator.key", "log.key")}
    for name, seed in seeds.items():
        write_new(home.path / name, _hex_line(seed))
    root, operator, log = (SigningKey(seed) for seed in seeds.values())
    verifier = log_verifier(config.name, bytes(log.verify_key))
    write_new(home.path / VERIFIER_FILE, f"{verifier}\n".encode())
    message = delegation_message(network_id(bytes(log.verify_key)), bytes(operator.verify_key))
    delegation = bytes(root.verify_key) + root.sign(message).signature
    write_new(home.path / DELEGATION_FILE, _hex_line(delegation))
    if chain_secret is None:
        chain_secret = (1 + secrets.randbelow(_SECP256K1_ORDER - 1)).to_bytes(32, "big")
    write_new(home.path / "chain.key", _hex_line(chain_secret))
    tls_key, certificate = made_certificate(config.host)
    write_new(home.path / "tls.key", tls_key)
    write_new(home.path / "tls.crt", certificate)


def load_keys(home: Home) -> Keys:
    """Reads all keys. Raises ConfigError when one is missing, malformed or readable by others."""
    try:
        require_private_keys(home)
        operator_keys, log_keys = (
            tuple(file.key for file in key_files(home, role)) for role in (Role.OPERATOR, Role.LOG)
        )
        return Keys(
            operator_key=operator_keys[0],
            operator_keys=operator_keys,
            log_keys=log_keys,
            chain_secret=_read_secret(home.path / "chain.key"),
            tls_key=(home.path / "tls.key").read_bytes(),
            tls_certificate=(home.path / "tls.crt").read_bytes(),
            log_verifier=_read_verifier(home),
            delegation=_read_delegation(home),
        )
    except FileNotFoundError as error:
        raise ConfigError(f"the key file {error.filename} is missing", _RESTORE) from None


def key_files(home: Home, role: Role) -> list[KeyFile]:
    """The keys of a role that are here, in the order in which they followed each other.

    Raises FileNotFoundError when there is none, and ConfigError for a malformed one.
    """
    found = [(1, home.path / f"{role}.key")]
    for path in home.path.glob(f"{role}-*.key"):
        if number := _NUMBER.fullmatch(path.name.removeprefix(role)):
            found.append((int(number[1]), path))
    here = [(number, path) for number, path in sorted(found) if path.exists()]
    return [KeyFile(path, number, SigningKey(_read_secret(path))) for number, path in here or found]


def create_key(home: Home, role: Role, number: int) -> KeyFile:
    """Writes a fresh key of a role, durably. Never overwrites one: raises ConfigError."""
    seed, path = secrets.token_bytes(KEY_BYTES), home.path / f"{role}-{number}.key"
    try:
        write_new(path, _hex_line(seed))
    except FileExistsError:
        raise ConfigError(
            f"{path} is there already", "try again: it may have been made just now"
        ) from None
    return KeyFile(path, number, SigningKey(seed))


def delegation_of(home: Home, keys: Keys) -> pb.Delegation:
    """The root key's word that the operator's present key signs for the operator.

    Raises ConfigError where it was never asked for it, and is not here.
    """
    try:
        check_delegation(keys.network, keys.delegation, keys.record_key)
        return keys.delegation
    except Reject:
        path = home.path / _ROOT_FILE
    if not path.exists():
        raise ConfigError(
            "the root key has not said that the operator's present key signs for you, and is not here",
            f"put it back as {path} for this command",
        )
    root = SigningKey(_read_secret(path))
    signature = root.sign(delegation_message(keys.network, keys.record_key)).signature
    return pb.Delegation(root_key=bytes(root.verify_key), signature=signature)


def require_private_keys(home: Home) -> None:
    """Raises ConfigError when a secret may be read by others than the operator."""
    optional = [home.path / _ROOT_FILE]
    for role in Role:
        optional += [home.path / f"{role}.key", *home.path.glob(f"{role}-*.key")]
    for path in (*(home.path / name for name in _SECRET_FILES), *filter(Path.exists, optional)):
        require_private(path)


def secret_files(home: Home) -> list[Path]:
    """All that nobody else may have, and the certificate, which goes with its key."""
    found = {home.path / name for name in (_ROOT_FILE, *_SECRET_FILES, "tls.crt")}
    for role in Role:
        found |= {home.path / f"{role}.key", *home.path.glob(f"{role}-*.key")}
    return sorted(filter(Path.exists, found))


def log_verifier(name: str, public_key: bytes) -> Verifier:
    """The log's name and key: the network's name made safe for a note, and unique by its key."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "network"
    return Verifier(f"commonhold/{slug}-{sha256(public_key).hexdigest()[:8]}", public_key)


def _hex_line(secret: bytes) -> bytes:
    return secret.hex().encode() + b"\n"


def _read_secret(path: Path) -> bytes:
    return _read_hex(path, KEY_BYTES)


def _read_verifier(home: Home) -> Verifier:
    path = home.path / VERIFIER_FILE
    try:
        return Verifier.parse(path.read_text().strip())
    except (Reject, ValueError) as error:
        raise ConfigError(
            f"{path} does not hold the log's verifier key: {error}", _RESTORE
        ) from error


def _read_delegation(home: Home) -> pb.Delegation:
    data = _read_hex(home.path / DELEGATION_FILE, KEY_BYTES + SIGNATURE_BYTES)
    return pb.Delegation(root_key=data[:KEY_BYTES], signature=data[KEY_BYTES:])


def _read_hex(path: Path, size: int) -> bytes:
    text = path.read_text().strip()
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != size:
        # The content stays out of the message: it may be a secret with one character too many.
        raise ConfigError(
            f"{path} does not hold {size} bytes in hexadecimal", "restore it from your backup"
        )
    return data


def _find(keys: Iterable[SigningKey], public_key: bytes) -> SigningKey | None:
    return next((key for key in keys if bytes(key.verify_key) == public_key), None)


def _require(role: Role, keys: Iterable[SigningKey], public_key: bytes) -> SigningKey:
    key = _find(keys, public_key)
    if key is None:
        raise ConfigError(
            f"no {role}*.key file here holds the key that the log names as the {role}'s now",
            _RESTORE,
        )
    return key


def _signer(key: SigningKey) -> Signer:
    return lambda text: key.sign(text).signature
