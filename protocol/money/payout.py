"""Who may be paid where, and whose word counts on chain: secp256k1 signatures over EIP-712.

A payout address is bound by two signatures. The contributor's Ed25519 signature is that of the
envelope that registers the address; the other, by the address itself, is checked here. Without it
anybody could register a stranger's address and later claim that the stranger is he.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from protocol.errors import Reject
from protocol.limits import ADDRESS_BYTES, HASH_BYTES, KEY_BYTES
from protocol.money.eip712 import domain_separator, hash_words, keccak256, typed_digest, word
from protocol.money.settlement import Address

SIGNATURE_BYTES: Final = 65  # r (32), s (32), v (1)

# Half of secp256k1's group order (SEC 2, section 2.4.1). For every signature (r, s) there is a
# second, (r, n - s), that anybody can compute; EIP-2 and OpenZeppelin accept the lower only.
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_V_OFFSET: Final = 27  # Ethereum writes the recovery bit as 27 or 28 (Yellow Paper, appendix F)

_BINDING: Final = keccak256(b"Binding(bytes32 network,bytes32 contributor)")
_DOMAIN: Final = domain_separator()
_ACCEPT_PAYEE: Final = keccak256(b"acceptPayee(bytes32)")[:4]
_SET_CLAIMER: Final = keccak256(b"setClaimer(address)")[:4]


def binding_digest(network: bytes, contributor: bytes) -> bytes:
    """Return the EIP-712 digest by which an address agrees to be paid for `contributor`.

    `network` is the 32-byte identity of the network (its log), `contributor` the 32-byte root key.
    """
    if len(network) != HASH_BYTES or len(contributor) != KEY_BYTES:
        raise Reject("a network and a contributor have 32 bytes each")
    return typed_digest(_DOMAIN, hash_words((_BINDING, network, contributor)))


def accept_payee_call(person: bytes) -> bytes:
    """Return the data of the call of the network's Board by which an address without a key agrees."""
    return _ACCEPT_PAYEE + word(person)


def set_claimer_call(claimer: Address) -> bytes:
    """Return the data of the call of the settlement by which an account lets `claimer` send its payments
    elsewhere; the zero address: nobody."""
    return _SET_CLAIMER + word(claimer)


def recover_signer(digest: bytes, signature: bytes) -> Address:
    """Return the address whose key signed the 32-byte `digest`.

    Raise Reject unless `signature` is the one encoding that the contracts accept: 65 bytes, the
    lower s, v of 27 or 28.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise Reject(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    recovery_bit = signature[64] - _V_OFFSET
    if recovery_bit not in (0, 1):
        raise Reject("a signature's v is 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise Reject("the signature is malleated: its s is in the upper half")
    # Here, as they load slowly: a quarter of what most commands load, of which few ever see a signature.
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    try:
        parsed = Signature(signature[:64] + bytes([recovery_bit]))
        signer = parsed.recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError) as error:
        raise Reject("the signature recovers no key") from error
    return address_of(signer.to_bytes())


def address_of(public_key: bytes) -> Address:
    """Return the account of a secp256k1 public key: 64 bytes, x and y.

    Not by eth_keys' own method, which first loads the Keccak that eth_hash chooses by itself.
    """
    return Address(keccak256(public_key)[-ADDRESS_BYTES:])


def verify_binding(network: bytes, contributor: bytes, address: bytes, signature: bytes) -> None:
    """Raise Reject unless `address` signed that it is paid for `contributor` in `network`."""
    if recover_signer(binding_digest(network, contributor), signature) != address:
        raise Reject("the payout address did not sign this binding")


def verify_attestation(digest: bytes, witness: bytes, signature: bytes) -> None:
    """Raise Reject unless `witness` signed `digest`, one of protocol/money/payload.py."""
    if recover_signer(digest, signature) != witness:
        raise Reject("the witness did not sign this")


def verify_quorum(
    digest: bytes, signatures: Sequence[bytes], witnesses: Collection[bytes], quorum: int
) -> list[bytes]:
    """Return `signatures` in the order that the contract wants: ascending by signer.

    Raise Reject unless they are by at least `quorum` distinct members of `witnesses`.
    """
    by_signer = {recover_signer(digest, signature): signature for signature in signatures}
    if len(by_signer) < len(signatures):
        raise Reject("a witness signed twice")
    for signer in by_signer:
        if signer not in witnesses:
            raise Reject(f"0x{signer.hex()} is not a witness")
    if len(by_signer) < quorum:
        raise Reject(f"{len(by_signer)} of {quorum} necessary witnesses signed")
    return [by_signer[signer] for signer in sorted(by_signer)]
