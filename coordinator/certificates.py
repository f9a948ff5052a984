"""The certificate by which nodes know the coordinator's server: made once, pinned by the network link."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from commonground.certificates import general_name, self_signed
from coordinator.keys import TLS_NAME

# Nodes pin this very certificate; an early end would only cut them off.
_TLS_DAYS: Final = 3_650


def fingerprint(certificate: bytes) -> bytes:
    """SHA-256 of a certificate in DER; it is given as PEM."""
    return x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256())


def made_certificate(host: str) -> tuple[bytes, bytes]:
    """A fresh key, and its certificate for a server at this host. Both PEM."""
    names = map(general_name, (TLS_NAME, "localhost", "127.0.0.1", host))
    return self_signed(TLS_NAME, names, _TLS_DAYS, is_authority=True)
