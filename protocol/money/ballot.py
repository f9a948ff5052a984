"""What the holders of shares decide on for the log: the hash that `Board.decide` says, and the words of a
proposal, from which everybody computes the hash again.
"""

from __future__ import annotations

from typing import Final

from protocol.errors import Reject
from protocol.log.strict import canonical, strict_parse
from protocol.money.eip712 import keccak256
from protos.gen import records_pb2 as pb

_POLICY_DOMAIN: Final = b"commonhold/v1/policy\0"
_RULES_DOMAIN: Final = b"commonhold/v1/rules\0"
_POLICY_LINE: Final = "policy: 0x"


def policy_hash(policy: pb.Policy) -> bytes:
    """What the board says of a policy: one encoding, one hash."""
    return keccak256(_POLICY_DOMAIN + canonical(policy))


def rules_hash(version: int) -> bytes:
    """What the board says of a version of the rules."""
    return keccak256(_RULES_DOMAIN + version.to_bytes(4, "big"))


def policy_text(policy: pb.Policy) -> str:
    """The line by which a proposal carries a policy."""
    return _POLICY_LINE + canonical(policy).hex()


def read_policy(description: str, decided: bytes) -> pb.Policy | None:
    """The policy with the hash `decided` that a proposal's description carries; None if it carries none."""
    for line in description.splitlines():
        if line.startswith(_POLICY_LINE):
            try:
                raw = bytes.fromhex(line.removeprefix(_POLICY_LINE))
                policy = strict_parse(pb.Policy, raw, "the policy")
            except (ValueError, Reject):
                continue
            if policy_hash(policy) == decided:
                return policy
    return None
