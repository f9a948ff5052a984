"""The certificate by which nodes know the coordinator's server: made once, pinned by the network link."""

from __future__ import annotations

import datetime
import ipaddress
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from coordinator.keys import TLS_NAME

# Nodes pin this very certificate; an early end would only cut them off.
_TLS_DAYS: Final = 3_650


def fingerprint(certificate: bytes) -> bytes:
    """SHA-256 of a certificate in DER; it is given as PEM."""
    return x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256())


def made_certificate(host: str) -> tuple[bytes, bytes]:
    """A fresh key, and its certificate for a server at this host. Both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, _self_signed(key, host)


def _self_signed(key: ec.EllipticCurvePrivateKey, host: str) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, TLS_NAME)])
    now = datetime.datetime.now(datetime.UTC)
    local = ipaddress.ip_address("127.0.0.1")
    names: dict[x509.GeneralName, None] = {  # a dict keeps the order and drops repetitions
        x509.DNSName(TLS_NAME): None,
        x509.DNSName("localhost"): None,
        x509.IPAddress(local): None,
        _general_name(host): None,
    }
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks of nodes may be slow
        .not_valid_after(now + datetime.timedelta(days=_TLS_DAYS))
        .add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
