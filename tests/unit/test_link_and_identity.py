"""The strings that people copy."""

from __future__ import annotations

import pytest
from nacl.signing import SigningKey

from protocol.errors import ConfigError, Reject
from protocol.identity import identity_of, peer_id_of, short
from protocol.log import commitments
from protocol.log.link import NetworkLink, parse_link
from protocol.log.note import Verifier

KEY = SigningKey(b"\x01" * 32)
LINK = NetworkLink(
    "127.0.0.1",
    7400,
    "digits",
    b"\x07" * 32,
    Verifier("log.example", bytes(KEY.verify_key)),
    "http://127.0.0.1:7401",
)


@pytest.mark.parametrize("host", ["127.0.0.1", "coordinator.example", "::1"])
def test_a_link_survives_being_copied(host: str) -> None:
    link = NetworkLink(
        host, 7400, LINK.name, LINK.tls_fingerprint, LINK.log_verifier, LINK.http_url
    )
    assert parse_link(f"  {link}\n") == link


def test_a_link_names_the_network_by_its_log_key() -> None:
    assert parse_link(str(LINK)).network == commitments.network_id(bytes(KEY.verify_key))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not begin with"),
        ("http://127.0.0.1:7400/x", "does not begin with"),
        ("commonhold://127.0.0.1/x", "does not begin with"),
        ("commonhold://127.0.0.1:99999/x", "malformed"),
        ("commonhold://127.0.0.1:7400/x?tls=aa", "lacks log and http"),
        (str(LINK).replace("tls=", "tls=%%%"), "malformed|SHA-256"),
        (str(LINK).replace("log.example", "log.evil"), "malformed"),
        (str(LINK)[:60], "lacks|malformed|SHA-256"),
    ],
)
def test_half_a_link_says_what_is_missing(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_link(text)


def test_a_peer_id_is_the_key() -> None:
    identity = bytes(KEY.verify_key)
    name = peer_id_of(identity)
    assert name == "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
    assert identity_of(name) == identity
    assert name.endswith(short(identity)[1:])


@pytest.mark.parametrize("text", ["", "0OIl", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"])
def test_other_strings_are_no_peer_ids(text: str) -> None:
    with pytest.raises(Reject):
        identity_of(text)
