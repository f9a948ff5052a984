"""Payout bindings and witness signatures: each way to be wrong beside the way to be right."""

from __future__ import annotations

from contextlib import suppress

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_keys.datatypes import PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from node.wallet import Wallet
from protocol.errors import ConfigError, Reject
from protocol.money.payout import (
    binding_digest,
    recover_signer,
    verify_attestation,
    verify_binding,
    verify_quorum,
)

NETWORK, CONTRIBUTOR = b"\x01" * 32, b"\x02" * 32
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
WALLET = Wallet(b"\x11" * 32)
OTHER = Wallet(b"\x12" * 32)

words = st.binary(min_size=32, max_size=32)


def malleated(signature: bytes) -> bytes:
    """Return the second signature that anybody can compute from the first."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


@given(words, words)
def test_binding_digest_equals_the_wallets(network: bytes, contributor: bytes) -> None:
    signable = encode_typed_data(
        {"name": "Commonhold", "version": "1"},
        {
            "Binding": [
                {"name": "network", "type": "bytes32"},
                {"name": "contributor", "type": "bytes32"},
            ]
        },
        {"network": network, "contributor": contributor},
    )
    assert binding_digest(network, contributor) == _hash_eip191_message(signable)


def test_a_binding_holds_for_its_network_contributor_and_address() -> None:
    signature = WALLET.sign_digest(binding_digest(NETWORK, CONTRIBUTOR))
    verify_binding(NETWORK, CONTRIBUTOR, WALLET.address, signature)
    for network, contributor, address in (
        (b"\x09" * 32, CONTRIBUTOR, WALLET.address),
        (NETWORK, b"\x09" * 32, WALLET.address),
        (NETWORK, CONTRIBUTOR, OTHER.address),
    ):
        with pytest.raises(Reject, match="did not sign"):
            verify_binding(network, contributor, address, signature)


def test_a_signature_has_one_encoding() -> None:
    digest = binding_digest(NETWORK, CONTRIBUTOR)
    good = WALLET.sign_digest(digest)
    assert recover_signer(digest, good) == WALLET.address
    with pytest.raises(Reject, match="malleated"):
        recover_signer(digest, malleated(good))
    for v in (0, 1, 26, 29, 255):
        with pytest.raises(Reject, match="27 or 28"):
            recover_signer(digest, good[:64] + bytes([v]))
    for length in (0, 64, 66):
        with pytest.raises(Reject, match="65 bytes"):
            recover_signer(digest, good.ljust(66, b"\0")[:length])
    with pytest.raises(Reject, match="recovers no key"):
        recover_signer(digest, bytes(64) + b"\x1b")


@given(st.binary(max_size=80), words)
def test_junk_is_rejected_and_nothing_else(signature: bytes, digest: bytes) -> None:
    with suppress(Reject):
        assert recover_signer(digest, signature) != WALLET.address


def test_identities_of_the_wrong_length_are_rejected() -> None:
    for network, contributor in ((b"", CONTRIBUTOR), (NETWORK, b"\x02" * 31)):
        with pytest.raises(Reject, match="32 bytes"):
            binding_digest(network, contributor)


def test_an_attestation_is_of_whoever_signed_it() -> None:
    digest = b"\x07" * 32
    signature = WALLET.sign_digest(digest)
    verify_attestation(digest, WALLET.address, signature)
    with pytest.raises(Reject):
        verify_attestation(bytes(32), WALLET.address, signature)
    with pytest.raises(Reject):
        verify_attestation(digest, OTHER.address, signature)


def test_quorum_orders_signatures_and_counts_each_witness_once() -> None:
    wallets = [Wallet(bytes([n]) * 32) for n in range(1, 5)]
    digest = b"\x33" * 32
    signed = [
        (wallet.address, PrivateKey(bytes([n]) * 32).sign_msg_hash(digest).to_bytes())
        for n, wallet in enumerate(wallets, 1)
    ]
    signatures = [raw[:64] + bytes([raw[64] + 27]) for _, raw in signed]
    members = [wallet.address for wallet in wallets[:3]]

    ordered = verify_quorum(digest, signatures[:3], members, 2)
    signers = [recover_signer(digest, signature) for signature in ordered]
    assert signers == sorted(members)
    with pytest.raises(Reject, match="1 of 2"):
        verify_quorum(digest, signatures[:1], members, 2)
    with pytest.raises(Reject, match="twice"):
        verify_quorum(digest, [signatures[0], signatures[0]], members, 2)
    with pytest.raises(Reject, match="not a witness"):
        verify_quorum(digest, [signatures[0], signatures[3]], members, 2)


def test_a_wallet_never_shows_its_key() -> None:
    key = b"\x11" * 32
    assert key.hex() not in repr(Wallet(key))
    for wrong in (b"", b"\x11" * 31, bytes(32), b"\xff" * 32):
        with pytest.raises(ConfigError) as caught:
            Wallet(wrong)
        assert caught.value.__cause__ is None
        assert not wrong or wrong.hex() not in str(caught.value)
