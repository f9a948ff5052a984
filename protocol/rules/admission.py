"""Admission: who may join, and how much a name may ask of the others.

Where names cost nothing, whoever makes a thousand of them weighs as much as a thousand people. So somebody
who has something to lose answers for a newcomer: the operator, or a member whose work has shown to be right.
Each has a budget, and the log says for ever who invited whom. What a name may submit grows with what it has
shown.
"""

from __future__ import annotations

from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol.errors import NotYet, Reject
from protocol.identity import NOBODY, KeyId, PersonId
from protocol.invitation import acceptance_message, invitation_message
from protocol.limits import KEY_BYTES, PPM
from protocol.review.reputation import faded
from protocol.rules.record import require
from protocol.state import State
from protos.gen import records_pb2 as pb

_ASK: Final = "ask the operator, or a member whose work is known, for an invitation"


def inviter_of(state: State, register: pb.Register, person: PersonId) -> PersonId:
    """Who answers for somebody that joins: NOBODY where everybody may. Raises Reject."""
    if state.policy.admission == pb.ADMISSION_OPEN or person == state.operator:
        require(
            not register.HasField("invitation"), "nobody needs an invitation to join this network"
        )
        return NOBODY
    require(register.HasField("invitation"), "one joins this network by invitation", _ASK)
    return _check_invitation(state, register.invitation, person)


def _check_invitation(state: State, invitation: pb.Invitation, person: PersonId) -> PersonId:
    inviter = state.keys.get(KeyId(invitation.inviter))
    if inviter is None:
        raise Reject("whoever signed the invitation is no member", _ASK)
    require(len(invitation.key) == KEY_BYTES, "the key of an invitation has 32 bytes")
    signed = invitation_message(state.network, invitation.key, invitation.epoch)
    _verify(
        invitation.inviter,
        signed,
        invitation.signature,
        "the invitation is not signed by its inviter",
    )
    accepted = acceptance_message(state.network, person)
    _verify(
        invitation.key, accepted, invitation.acceptance, "the invitation was given to somebody else"
    )
    require(invitation.key not in state.invitations, "the invitation was used already", _ASK)
    require(
        state.epoch <= invitation.epoch,
        f"the invitation was good until epoch {invitation.epoch}; this is epoch {state.epoch}",
        _ASK,
    )
    if invitation_budget(state, inviter) == 0:
        raise NotYet(
            "whoever signed the invitation may invite nobody more in this epoch",
            f"it is tried again in epoch {state.epoch + 1}; or {_ASK}",
        )
    return inviter


def _verify(key: bytes, message: bytes, signature: bytes, problem: str) -> None:
    try:
        VerifyKey(key).verify(message, signature)
    except (BadSignatureError, ValueError):
        raise Reject(problem, "copy the link with the invitation whole") from None


def invitation_budget(state: State, inviter: PersonId) -> int:
    """How many may still join in this epoch by invitations of one member."""
    policy = state.policy
    if inviter == state.operator:
        budget = policy.operator_invitations
    elif may_invite(state, inviter):
        budget = policy.member_invitations
    else:
        budget = 0
    return max(0, budget - state.invited.get(inviter, 0))


def may_invite(state: State, person: PersonId) -> bool:
    """Whether somebody has the standing that inviting takes, in this epoch."""
    return person in state.members and standing(state, person) >= state.policy.invite_standing * PPM


def use_invitation(state: State, key: bytes, inviter: PersonId, person: PersonId) -> None:
    """Once, and off the inviter's budget."""
    state.invitations.put(key, person)
    state.invited.put(inviter, state.invited.get(inviter, 0) + 1)


def standing(state: State, person: PersonId) -> int:
    """How much more of somebody's work was right than wrong, in millionths, over all roles and campaigns: old
    work fades as reputation does, and what was bad in one campaign takes nothing from another."""
    return sum(
        max(0, now.right_micro - now.wrong_micro)
        for _, belief in state.beliefs.scan(person)
        for now in (faded(belief, state.epoch, state.decay),)
    )


def items_left(state: State, person: PersonId) -> int | None:
    """How many items somebody may still submit in this epoch; None for the operator, who carries the cost."""
    if person == state.operator:
        return None
    policy = state.policy
    quota = policy.newcomer_items + standing(state, person) * policy.items_per_standing // PPM
    return max(0, quota - state.submitted.get(person, 0))


def require_quota(state: State, person: PersonId, items: int) -> None:
    """Raises Reject for more items than the name may submit now."""
    left = items_left(state, person)
    if left is not None and items > left:
        raise NotYet(
            f"these are {items:,} items, and you may submit {left:,} more in this epoch",
            "what waits for review counts; with each item that is accepted you may submit more at a time",
        )


def count_submitted(state: State, person: PersonId, items: int) -> None:
    """Takes items off the quota."""
    state.submitted.put(person, state.submitted.get(person, 0) + items)


def renew_budgets(state: State) -> None:
    """A new epoch: invitations anew, and of the items those that still wait."""
    state.invited.clear()
    state.submitted.clear()
    for queue, _ in state.queues.scan():
        count_submitted(state, queue[1], state.waiting.count(queue))
