"""Joins the network: the record that binds a person, this machine's key and a payout address together.

The root key delegates, the machine's key signs the record, and the address signs that it is paid for the
person. All three signatures are deterministic, so that queueing a registration twice is once.
"""

from __future__ import annotations

from typing import Final

from node.keys import NodeKeys
from node.machines import joined
from node.rows import OutboxState, Outgoing
from node.store import Store
from protocol.errors import ConfigError, Reject
from protocol.identity import PersonId
from protocol.invitation import Ticket
from protocol.log.link import NetworkLink
from protocol.money.payout import binding_digest
from protocol.money.settlement import Address
from protocol.rows import Member
from protocol.rules.admission import joins_alone
from protocol.state import State
from protocol.text import quoted
from protos.gen import records_pb2 as pb

FIRST_SERIAL: Final = 1
ASK_FOR_INVITATION: Final = (
    "ask the operator, or a member whose work is known, for an invitation, then"
    " `commonhold node register -`"
)
# Where nobody has read the policy yet, but for what the refusal says of it.
ASK_AGAIN: Final = (
    "do what that says, then `commonhold node register`; or with a link that holds an invitation,"
    " `commonhold node register -`"
)
_PAY_BOND: Final = (
    "pay a bond in, once (`commonhold node bond WEI`; `commonhold node status` says how much is missing), and"
    " when the log has read of it `commonhold node register`"
)


def register_advice(state: State) -> str:
    """How one joins as the network's policy has it, for somebody whom it did not take in."""
    match state.policy.admission:
        case pb.ADMISSION_BOND:
            return _PAY_BOND
        case pb.ADMISSION_EITHER:
            return f"{_PAY_BOND}; or {ASK_FOR_INVITATION}"
        case pb.ADMISSION_BOTH:
            return f"it takes both: {_PAY_BOND}; and {ASK_FOR_INVITATION}"
        case pb.ADMISSION_OPEN:
            return "`commonhold node register` asks again"
        case _:
            return ASK_FOR_INVITATION


def registration(
    keys: NodeKeys,
    network: bytes,
    member: Member | None = None,
    invitation: Ticket | None = None,
    payee: Address | None = None,
) -> Outgoing:
    """The Register record; `member` is what the log says of the person so far, `invitation` what somebody
    gave them who is not there yet, and `payee` an address that agreed on chain to be paid for them, in the
    place of this node's own account, which signs.

    Raises ConfigError when the root key is not on this machine.
    """
    record = pb.Register(
        network=network,
        delegation=keys.delegation(network),
        payout_address=payee or keys.payout_address,
        payout_signature=b"" if payee else keys.sign_payout(binding_digest(network, keys.person)),
        serial=FIRST_SERIAL if member is None else member.serial + 1,
    )
    if invitation is not None:
        record.invitation.CopyFrom(invitation.accepted_by(network, keys.person))
    return Outgoing("register", keys.seal("register", record))


def joining(keys: NodeKeys, state: State) -> Outgoing | None:
    """What the log has to know before this machine may sign; None when it does, or when that takes a bond
    that is not there, or an invitation, which came with the link.

    Another machine of a member is only delegated to: the payout address stays the member's.
    """
    if keys.key in state.keys:
        return None
    if keys.person in state.members:
        return joined(keys, state.network)
    return registration(keys, state.network) if joins_alone(state, keys.person) else None


def require_joining(store: Store, person: PersonId, state: State) -> None:
    """Raises Reject when a person is no member, and nothing is on its way that would make them one."""
    if person not in state.members and (reason := why_not_joined(store)):
        raise Reject(f"you are no member of this network: {reason}", register_advice(state))


def why_not_joined(store: Store) -> str:
    """Why the last registration was not taken; empty when it was, or is on its way."""
    row = store.last_outgoing("register")
    if row is None:
        return "nothing asks for it"
    return row.last_error if row.state in (OutboxState.REFUSED, OutboxState.POSTPONED) else ""


def invitation_in(link: NetworkLink, network: bytes) -> Ticket:
    """The invitation that a link brings; raises ConfigError when it is no use in this node's network."""
    if link.network != network:
        raise ConfigError(
            f"the invitation is of another network, {quoted(link.name)}",
            "a node is in one network: make another for that, with `commonhold node init` and its own --dir",
        )
    if link.invitation is None:
        raise ConfigError("there is no invitation in the link", ASK_FOR_INVITATION)
    return link.invitation
