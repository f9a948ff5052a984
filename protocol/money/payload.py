"""What the witnesses of a network sign for its contracts: EIP-712, bound to one contract on one chain.

contracts/src/Payloads.sol and WitnessSet.sol compute the same; docs/contracts.md lists the types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.money.eip712 import domain_separator, hash_words, keccak256, typed_digest
from protocol.money.settlement import CONTRACTS, Address, Amounts, Deployment

_PAYLOAD: Final = b"Payload(uint256 epoch,bytes32 root,address[] assets,uint256[] totals)"
_PAYLOAD_TYPE: Final = keccak256(_PAYLOAD)
_POST_TYPE: Final = keccak256(
    b"Post(Payload payload,uint256 attempt,uint256 witnessNonce,uint256 deadline)" + _PAYLOAD
)
_UPHOLD_TYPE: Final = keccak256(
    b"Uphold(bytes32 payload,uint256 attempt,uint256 witnessNonce,uint256 deadline)"
)
_CHANGE_TYPE: Final = keccak256(
    b"WitnessChange(address[] witnesses,uint256 proposal,uint256 witnessNonce,uint256 deadline)"
)
_MOVE_TYPE: Final = keccak256(
    b"Move(uint256 chainId,uint256 block,uint256 finality,address[] contracts,uint256 epoch,uint256 carried,"
    b"address[] assets,uint256[] left,uint256 witnessNonce,uint256 deadline)"
)
_SLASH_TYPE: Final = keccak256(
    b"Slash(bytes32 bond,uint256 amount,bytes32 evidence,uint256 witnessNonce,uint256 deadline)"
)


@dataclass(frozen=True, slots=True)
class Payload:
    """What a root settles: all that anybody ever earned of each asset, up to an epoch."""

    epoch: int
    root: bytes
    totals: Amounts


NOTHING: Final = Payload(0, bytes(32), ())
"""What comes before the first epoch."""


def payload_before(deployment: Deployment) -> Payload:
    """What comes before the first epoch that some contracts settle: roots promise what was carried over."""
    shares = ((deployment.share_token, deployment.carried),) if deployment.carried else ()
    return Payload(deployment.start, bytes(32), shares)


def hash_payload(payload: Payload) -> bytes:
    """The hash under which the contract keeps it, and which witnesses sign as a part."""
    assets = hash_words(asset for asset, _ in payload.totals)
    totals = hash_words(total for _, total in payload.totals)
    return hash_words((_PAYLOAD_TYPE, payload.epoch, payload.root, assets, totals))


def post_digest(
    deployment: Deployment, payload: bytes, attempt: int, nonce: int, deadline: int
) -> bytes:
    """What a witness of set `nonce` signs so that a payload, given by its hash, may be posted until
    `deadline`.
    """
    struct = hash_words((_POST_TYPE, payload, attempt, nonce, deadline))
    return typed_digest(domain_separator(deployment.chain_id, deployment.settlement), struct)


def uphold_digest(
    deployment: Deployment, payload: bytes, attempt: int, nonce: int, deadline: int
) -> bytes:
    """What it signs so that a challenged one stands; `attempt` is that of the posting."""
    struct = hash_words((_UPHOLD_TYPE, payload, attempt, nonce, deadline))
    return typed_digest(domain_separator(deployment.chain_id, deployment.settlement), struct)


def change_digest(
    deployment: Deployment, witnesses: Sequence[bytes], proposal: int, nonce: int, deadline: int
) -> bytes:
    """What it signs so that `witnesses`, ascending, take its set's place."""
    struct = hash_words((_CHANGE_TYPE, hash_words(witnesses), proposal, nonce, deadline))
    return typed_digest(domain_separator(deployment.chain_id, deployment.witness_set), struct)


def move_digest(
    present: Deployment, to: Deployment, left: Amounts, nonce: int, deadline: int
) -> bytes:
    """What it signs so that the network moves to other contracts. The log reads it, and no contract."""
    contracts = hash_words(getattr(to, name) for name in CONTRACTS)
    struct = hash_words(
        (
            _MOVE_TYPE,
            *(to.chain_id, to.block, to.finality, contracts),
            *(to.start, to.carried),
            *(hash_words(asset for asset, _ in left), hash_words(amount for _, amount in left)),
            *(nonce, deadline),
        )
    )
    return typed_digest(domain_separator(present.chain_id, present.settlement), struct)


def slash_digest(
    deployment: Deployment, bond: bytes, amount: int, evidence: bytes, *, nonce: int, deadline: int
) -> bytes:
    """What it signs so that up to `amount` of a bond may be proposed to be taken."""
    struct = hash_words((_SLASH_TYPE, bond, amount, evidence, nonce, deadline))
    return typed_digest(domain_separator(deployment.chain_id, deployment.stake), struct)


def quorum_of(count: int) -> int:
    """How many of `count` witnesses are a quorum: more than two thirds."""
    return 2 * count // 3 + 1


def bond_id(person: bytes, bonder: Address) -> bytes:
    """The name of a bond in the stake contract: what `bonder` vouches with for `person`."""
    return hash_words((person, bonder))
