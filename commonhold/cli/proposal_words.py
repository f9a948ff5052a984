"""What a proposal does, in words: read from its calls, never from what its author says of them."""

from __future__ import annotations

from typing import Final

from eth_utils.address import to_canonical_address

from commonhold.cli.policy_words import policy_changes
from contracts.governor import Act, Governor, Proposal
from protocol.limits import PPM
from protocol.money.ballot import read_policy, rules_hash
from protocol.money.settlement import ETHER, Address
from protocol.state import State

# Versions of the rules that a hash is compared with, from the present one on.
_VERSIONS: Final = 8
WHY: Final = "why: "
WHY_CHARS_MAX: Final = 400
_WORDS: Final = {
    ("settlement", "cancel"): "undo the root of epoch {} that waits, and all behind it",
    ("vault", "listAsset"): "take {} in the vault",
    ("vault", "unlistAsset"): "take {} in the vault no longer",
    ("witness_set", "veto"): "drop the witnesses who wait to take over",
    ("stake", "setMinimum"): "set the least bond of a witness to {} wei",
    ("stake", "confirm"): "confirm slash {}",
    ("stake", "overturn"): "overturn slash {}",
}


def said(state: State, governor: Governor, proposal: Proposal) -> list[str]:
    """A line or more for each call; policies are compared with the one that is in force, or to come."""
    return [line for act in governor.acts(proposal) for line in _act(state, proposal, act)]


def reason(proposal: Proposal) -> str:
    """What its author says for it, as one printable line: a stranger's words. Empty: nothing."""
    for line in proposal.text.splitlines():
        if line.startswith(WHY):
            words = line.removeprefix(WHY)[:WHY_CHARS_MAX]
            return "".join(c if c.isprintable() else " " for c in words).strip()
    return ""


def _act(state: State, proposal: Proposal, act: Act) -> list[str]:
    if not act.function:
        return [f"a call of {act.contract} that this node does not know"]
    if (act.contract, act.function) == ("settlement", "setEmission"):
        return [f"let the contracts mint {act.arguments[0] / PPM:,.9g} shares in an epoch"]
    if (act.contract, act.function) == ("board", "decide"):
        return _decision(state, proposal, bytes(act.arguments[0]))
    words = _WORDS.get((act.contract, act.function))
    if words is None:
        return [f"call {act.function} of the {act.contract}"]
    if act.contract == "vault":
        return [words.format(_asset(act.arguments[0]))]
    return [words.format(*act.arguments)]


def _asset(address: str) -> str:
    return "ether" if Address(to_canonical_address(address)) == ETHER else f"the token {address}"


def _decision(state: State, proposal: Proposal, decided: bytes) -> list[str]:
    """Words that were hashed are the ones that count; others may be a trap."""
    for version in range(state.rules, state.rules + _VERSIONS):
        if rules_hash(version) == decided:
            return [f"go over to version {version} of the rules"]
    policy = read_policy(proposal.text, decided)
    if policy is None:
        return [f"decide on {decided.hex()}, whose words the proposal does not give"]
    changes = policy_changes(state.policy_to_come or state.policy, policy)
    return changes or ["set the policy that is in force already"]
