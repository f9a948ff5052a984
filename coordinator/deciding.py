"""What the holders of shares decided, into the log: the operator adds nothing to it, and leaves nothing out.

The chain's record holds a hash alone; the policy itself is in the description of the proposal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from coordinator.chain import OperatorChain
from coordinator.operator import Operator
from protocol.errors import Reject, StateError
from protocol.money.ballot import read_policy, rules_hash
from protocol.rules.network import holders_decide, require_decision
from protocol.state import State
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb

Report = Callable[[str], None]

NO_VOTE_YET: Final = (
    "nobody else had a say: once a root is in force, the holders of shares decide on the policy"
)


def require_vote(state: State, policy: pb.Policy) -> None:
    """Raises StateError, with the command to propose it, where a policy needs a vote that was not held."""
    try:
        require_decision(state, policy)
    except Reject as reject:
        raise StateError(
            "the holders of shares decide on the policy, and the log holds no decision for this one",
            "a holder proposes it with the same options: `commonhold node propose policy`; once it is"
            " enacted, `commonhold coordinator settle` logs it",
        ) from reject


def require_vote_on_rules(state: State, version: int) -> None:
    """Likewise for a version of the rules."""
    if holders_decide(state) and rules_hash(version) not in state.decided:
        raise StateError(
            f"the holders of shares decide on version {version} of the rules, and have not",
            "a holder proposes it: `commonhold node propose rules`; once it is enacted and settled, run"
            " this again",
        )


def log_policy(operator: Operator, policy: pb.Policy) -> api_pb2.Receipt:
    """Logs a policy for the epochs after the present one. Raises as `Operator.append`."""
    state = operator.state
    body = pb.PolicyChange(
        network=state.network, epoch=state.epoch, policy=policy, serial=state.policies
    )
    return operator.append("policy", body)


def follow_decision(operator: Operator, chain: OperatorChain, report: Report) -> None:
    """Logs the policy that was decided on last, unless the log follows it already.

    Raises what the client raises, and as `Operator.append`.
    """
    state = operator.state
    if rules_hash(state.rules + 1) in state.decided and state.upgrade is None:
        report(
            f"version {state.rules + 1} of the rules is decided: `commonhold coordinator upgrade`"
        )
    decided = _last_decided(state)
    if decided is None:
        return
    policy = _carried(chain, decided)
    if policy is None:
        report(
            f"the holders of shares decided on {decided.hex()}, and no proposal carries a policy with that"
            " hash: `commonhold coordinator policy set` logs it, with the options that make it"
        )
        return
    try:
        receipt = log_policy(operator, policy)
    except Reject as reject:
        report(f"the policy that the holders of shares decided on cannot be: {reject}")
        return
    report(
        f"the policy that the holders of shares decided on is in force from epoch {state.epoch + 1} on"
        f" (log entry {receipt.index})"
    )


def _last_decided(state: State) -> bytes | None:
    """The latest statement of the board that the log has not followed; those about rules are no policies."""
    rules = {rules_hash(version) for version in range(1, state.rules + 2)}
    found = [
        (block, what)
        for what, block in state.decided.scan()
        if block > state.policy_block and what not in rules
    ]
    return max(found)[1] if found else None


def _carried(chain: OperatorChain, decided: bytes) -> pb.Policy | None:
    """The policy with this hash, from whoever's proposal: the hash says that it is the one."""
    policies = (read_policy(each.text, decided) for each in chain.governor.proposals())
    return next((policy for policy in policies if policy is not None), None)
