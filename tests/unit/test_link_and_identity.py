"""The strings that people copy."""

from __future__ import annotations

import hashlib

import pytest
from nacl.signing import SigningKey

from protocol.errors import ConfigError, Reject
from protocol.identity import (
    key_of,
    name_of,
    peer_id_of,
    person_of,
    person_of_root,
    short,
    short_key,
)
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
    key = bytes(KEY.verify_key)
    name = peer_id_of(key)
    assert name == "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
    assert key_of(name) == key
    assert name.endswith(short_key(key)[1:])


@pytest.mark.parametrize("text", ["", "0OIl", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"])
def test_other_strings_are_no_peer_ids(text: str) -> None:
    with pytest.raises(Reject):
        key_of(text)


def test_a_person_is_the_hash_of_a_root_key_and_no_key() -> None:
    """The printed name is fixed: people have it on paper."""
    person = person_of_root(bytes(KEY.verify_key))
    assert person == hashlib.sha256(b"commonhold/v1/person\0" + bytes(KEY.verify_key)).digest()
    assert name_of(person) == "ch12PCQ1osc7K9XutRjTQzrAJvoHAL2kwELoDqsL6GaQyMdZhUVCy"
    assert person_of(name_of(person)) == person
    assert name_of(person).endswith(short(person)[1:])


@pytest.mark.parametrize("place", range(3, 50, 7))
def test_a_name_with_one_wrong_letter_names_nobody(place: int) -> None:
    name = name_of(person_of_root(bytes(KEY.verify_key)))
    wrong = name[:place] + ("2" if name[place] != "2" else "3") + name[place + 1 :]
    with pytest.raises(Reject, match=r"a letter is wrong|not a person"):
        person_of(wrong)


@pytest.mark.parametrize(
    "text", ["", "ch1", "ch10OIl", peer_id_of(bytes(KEY.verify_key)), "CH1abc", "ch1é"]
)
def test_other_strings_are_no_persons(text: str) -> None:
    with pytest.raises(Reject, match="not a person's name"):
        person_of(text)
