"""EIP-712 typed data and Keccak-256, packed by hand: what wallets sign and contracts check.

Only the parts that a few messages need (`protocol.money.payload`, `payout.Binding`). A general
encoder would be slower and, as a dependency, larger than these rules.
Source: EIP-712 "Typed structured data hashing and signing", version "v4" of the wallets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from eth_hash.backends import pysha3

# Named, because the backend that eth_hash would choose by itself is four times slower on a tree.
keccak256: Final[Callable[[bytes], bytes]] = pysha3.keccak256

WORD_BYTES: Final = 32
UINT256_MAX: Final = 2**256 - 1

# One name and version for every message of the protocol; the contracts have the same.
_NAME: Final = "Commonhold"
_VERSION_HASH: Final = keccak256(b"1")
_DOMAIN: Final = "EIP712Domain(string name,string version"


def word(value: int | bytes) -> bytes:
    """Return one 32-byte ABI word: an integer, or an address (20 bytes) padded on the left."""
    if isinstance(value, int):
        return value.to_bytes(WORD_BYTES, "big")
    if len(value) > WORD_BYTES:
        raise ValueError(f"{len(value)} bytes do not fit a word")
    return value.rjust(WORD_BYTES, b"\x00")


def hash_words(values: Iterable[int | bytes]) -> bytes:
    """Return the hash of the words of `values`: EIP-712's encoding of arrays and of structs."""
    return keccak256(b"".join(map(word, values)))


def domain_separator(
    chain_id: int | None = None, contract: bytes | None = None, name: str = _NAME
) -> bytes:
    """Return the hash of the domain, bound to one contract on one chain when both are given."""
    name_hash = keccak256(name.encode())
    if chain_id is None or contract is None:
        return hash_words((keccak256(f"{_DOMAIN})".encode()), name_hash, _VERSION_HASH))
    kind = keccak256(f"{_DOMAIN},uint256 chainId,address verifyingContract)".encode())
    return hash_words((kind, name_hash, _VERSION_HASH, chain_id, contract))


def typed_digest(separator: bytes, struct_hash: bytes) -> bytes:
    """Return the 32 bytes that are signed."""
    return keccak256(b"\x19\x01" + separator + struct_hash)
