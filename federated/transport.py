"""Keys of the wire between partners and the SuperLink. They identify a connection, never an update.

Who made an update is said by the record that its author signed with the key of his identity; these keys
only keep strangers away from the server.
"""

from __future__ import annotations

import datetime
import stat
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from commonground import certificates
from commonground.certificates import general_name, key_pem
from commonground.escaping import in_shell
from commonground.files import write_new
from protocol.errors import ConfigError, StateError

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
# A job is over long before; its certificate serves no other.
_CERTIFICATE_DAYS: Final = 90


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The partner's transport key (EC P-256, PKCS #8 PEM, 0600); makes one the first time.

    Raises ConfigError when others may read it, or when it is not such a key.
    """
    try:
        write_new(path, key_pem(ec.generate_private_key(ec.SECP256R1())))
    except FileExistsError:
        if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
            raise ConfigError(
                f"other users can read the key in {path}", f"run: chmod 600 {in_shell(path)}"
            ) from None
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path} does not hold an EC key", "restore it from your backup")
    return key


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half, as an `enrol` record carries it (SubjectPublicKeyInfo, PEM)."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def self_signed(host: str) -> tuple[bytes, bytes]:
    """A fresh (certificate, private key), both PEM, for a server that is reached as `host`.

    The certificate is its own and only authority: partners get it from the job's record.
    """
    names = map(general_name, (host, "127.0.0.1"))
    key, certificate = certificates.self_signed(
        "commonhold federated", names, _CERTIFICATE_DAYS, is_authority=True
    )
    return certificate, key


def valid_until(certificate: bytes) -> datetime.datetime:
    """When a certificate (PEM) runs out."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def require_valid(certificate: bytes, now: datetime.datetime | None = None) -> None:
    """Raises StateError when a server's certificate is no longer, or not yet, valid by our clock."""
    now = now or datetime.datetime.now(datetime.UTC)
    try:
        found = x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise StateError(
            "the job's certificate cannot be read", "its operator has to open another job"
        ) from error
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise StateError(
            f"the job's certificate is valid from {found.not_valid_before_utc:%Y-%m-%d %H:%M} to"
            f" {found.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, and this machine's clock says"
            f" {now:%Y-%m-%d %H:%M}",
            "if that is the time, its operator has to open another job; else set the clock",
        )
