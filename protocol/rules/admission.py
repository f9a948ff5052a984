"""Admission: who may join, and how much a name may ask of the others.

Where names cost nothing, whoever makes a thousand of them weighs as much as a thousand people. So somebody
who has something to lose answers for a newcomer: the operator, or a member whose work has shown to be right.
Each has a budget, and the log says for ever who invited whom. Or the newcomer has something to lose: a bond
in the stake contract, which names the person and is there as long as they take part. What a name may submit
grows with what it has shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol.errors import NotYet, Reject
from protocol.identity import NOBODY, KeyId, PersonId
from protocol.invitation import acceptance_message, invitation_message
from protocol.limits import KEY_BYTES, PPM
from protocol.money.onchain import Vouched
from protocol.review.reputation import faded
from protocol.rules.record import require
from protocol.state import State
from protos.gen import records_pb2 as pb

TAKES_INVITATIONS: Final = (pb.ADMISSION_INVITATION, pb.ADMISSION_EITHER, pb.ADMISSION_BOTH)
"""How one joins, where an invitation is good for something."""

TAKES_BONDS: Final = (pb.ADMISSION_BOND, pb.ADMISSION_EITHER, pb.ADMISSION_BOTH)
"""Where a bond is."""

_ASK: Final = "ask the operator, or a member whose work is known, for an invitation"


# ---- joining ----


def check_admission(state: State, register: pb.Register, person: PersonId) -> tuple[PersonId, bool]:
    """Who answers for somebody that joins, NOBODY where nobody does; and whether they join by a bond. Raises
    Reject; NotYet where it takes a bond that is not there."""
    admission, invited = state.policy.admission, register.HasField("invitation")
    if person == state.operator or admission not in TAKES_INVITATIONS:
        require(not invited, "nobody needs an invitation to join this network")
    elif admission != pb.ADMISSION_EITHER:
        require(invited, "one joins this network by invitation", _ASK)
    inviter = _check_invitation(state, register.invitation, person) if invited else NOBODY
    bonded = needs_bond(state, person, invited=invited)
    if bonded:
        _require_bond(state, person)
    return inviter, bonded


def needs_bond(state: State, person: PersonId, *, invited: bool) -> bool:
    """Whether somebody joins by a bond, given whether they have an invitation."""
    admission = state.policy.admission
    if person == state.operator or (admission == pb.ADMISSION_EITHER and invited):
        return False
    return admission in TAKES_BONDS


def joins_alone(state: State, person: PersonId) -> bool:
    """Whether somebody may join as they are, without asking anybody."""
    if state.policy.admission in (pb.ADMISSION_BOND, pb.ADMISSION_EITHER):
        return bond_missing(state, person) == 0
    return state.policy.admission == pb.ADMISSION_OPEN


def _require_bond(state: State, person: PersonId) -> None:
    missing = bond_missing(state, person)
    if missing == 0:
        return
    either = state.policy.admission == pb.ADMISSION_EITHER
    how = "an invitation or a bond" if either else "a bond"
    if state.deployment is None:
        raise NotYet(
            f"one joins this network by {how}, and it has no contracts yet that take bonds",
            "wait until its operator has settled for the first time",
        )
    raise NotYet(
        f"one joins this network by {how} in its stake contract, 0x{state.deployment.stake.hex()} on chain"
        f" {state.deployment.chain_id}: {bond_text(state, person)}",
        f"if you have paid nothing in yet, `commonhold node bond {missing}` does, once: the log reads it when"
        " its operator next reads the chain. Then `commonhold node register`",
    )


# ---- bonds ----


def bond_of(state: State, person: PersonId) -> Vouched:
    """What all bonds together say of somebody."""
    return state.vouched.get(person, Vouched())


def bond_text(state: State, person: PersonId) -> str:
    """What is wrong with a bond that is too small, in words."""
    its = bond_of(state, person)
    gone = [
        f"{amount} {word}"
        for amount, word in ((its.leaving, "are leaving"), (its.slashed, "were slashed"))
        if amount
    ]
    rest = f" ({', '.join(gone)}, and count no more)" if gone else ""
    return f"it takes {state.policy.bond} wei, and the log has read of {bond_counted(state, person)}{rest}"


def is_kept_by_bond(state: State, person: PersonId) -> bool:
    """Whether somebody joined by a bond, and has to keep one. An open network asks nobody for it."""
    member = state.members.get(person)
    joined = member is not None and member.is_bonded
    return joined and state.policy.admission != pb.ADMISSION_OPEN


def lacks_bond(state: State, person: PersonId) -> bool:
    """Whether too little of the bond is left by which somebody is a member: until it is filled up they
    submit nothing, are not drawn, and invite nobody."""
    return is_kept_by_bond(state, person) and bond_missing(state, person) > 0


def require_bond_kept(state: State, person: PersonId) -> None:
    """Raises NotYet while a bond has to be filled up."""
    if lacks_bond(state, person):
        raise NotYet(
            f"your bond is too small: {bond_text(state, person)}",
            f"`commonhold node bond {bond_missing(state, person)}` fills it up, unless you have"
            " paid that in and the log has not read it yet; what you earned stays yours",
        )


def standing_by(state: State, campaign_id: str) -> Iterator[tuple[PersonId, KeyId]]:
    """Who may be drawn in a campaign's next round, and with which machine's key."""
    for (_, person), key in state.standbys.scan(campaign_id):
        if not lacks_bond(state, person):
            yield person, key


def bond_missing(state: State, person: PersonId) -> int:
    """How many wei more it takes until somebody's bond is what the policy asks of who joins by one."""
    return max(0, state.policy.bond - bond_counted(state, person))


def bond_counted(state: State, person: PersonId) -> int:
    """How many wei vouch for somebody. After a move, until a root is in force on the new contracts, what
    vouched on those before counts still: who keeps a bond has until then to pay another one in."""
    active, deployment = bond_of(state, person).active, state.deployment
    if deployment is None or state.settled_epoch > deployment.start:
        return active
    return max(active, state.old_bonds.get(person, 0))


# ---- invitations ----


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
    enough = standing(state, person) >= state.policy.invite_standing * PPM
    return person in state.members and enough and not lacks_bond(state, person)


def use_invitation(state: State, key: bytes, inviter: PersonId, person: PersonId) -> None:
    """Once, and off the inviter's budget."""
    state.invitations.put(key, person)
    state.invited.put(inviter, state.invited.get(inviter, 0) + 1)


# ---- quotas ----


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
    if lacks_bond(state, person):
        return 0
    policy = state.policy
    quota = policy.newcomer_items + standing(state, person) * policy.items_per_standing // PPM
    return max(0, quota - state.submitted.get(person, 0))


def require_quota(state: State, person: PersonId, items: int) -> None:
    """Raises Reject for more items than the name may submit now."""
    require_bond_kept(state, person)
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
