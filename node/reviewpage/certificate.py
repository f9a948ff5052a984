"""The certificate that a phone is shown. Nobody vouches for it but its fingerprint, which its owner compares;
so it stays the same, and a phone that has trusted it once needs not ask again."""

from __future__ import annotations

import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from commonground.certificates import self_signed
from commonground.files import replace_file
from node.reviewpage.address import Address
from protocol.errors import StoreError

_DAYS: Final = 365
_NAME: Final = "Commonhold review page"


def fingerprint_of(path: Path, address: Address) -> str:
    """Makes sure that `path` holds a key and a certificate for the address, and gives its SHA-256.

    Raises StoreError.
    """
    try:
        pem = path.read_bytes() if path.exists() else b""
        certificate = _usable(pem, address)
        if certificate is None:
            pem = _made(address)
            replace_file(path, pem)
            certificate = x509.load_pem_x509_certificate(pem)
    except OSError as error:
        raise StoreError(f"cannot use {path}: {error.strerror}") from error
    digest = sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _usable(pem: bytes, address: Address) -> x509.Certificate | None:
    """The certificate in a file, unless it is of another address or nearly over."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    is_ours = list(names) == [_name(address)]
    return certificate if is_ours and certificate.not_valid_after_utc > soon else None


def _name(address: Address) -> x509.GeneralName:
    return x509.IPAddress(address.number) if address.number else x509.DNSName(address.host)


def _made(address: Address) -> bytes:
    return b"".join(self_signed(_NAME, [_name(address)], _DAYS, is_authority=False))
