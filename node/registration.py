"""Joins the network: the record that binds a person, this machine's key and a payout address together.

The root key delegates, the machine's key signs the record, and the address signs that it is paid for the
person. All three signatures are deterministic, so that queueing a registration twice is once.
"""

from __future__ import annotations

from typing import Final

from node.keys import NodeKeys
from node.machines import joined
from node.rows import Outgoing
from protocol.money.payout import binding_digest
from protocol.rows import Member
from protocol.state import State
from protos.gen import records_pb2 as pb

FIRST_SERIAL: Final = 1


def registration(keys: NodeKeys, network: bytes, member: Member | None = None) -> Outgoing:
    """The Register record; `member` is what the log says of the person so far.

    Raises ConfigError when the root key is not on this machine.
    """
    record = pb.Register(
        network=network,
        delegation=keys.delegation(network),
        payout_address=keys.payout_address,
        payout_signature=keys.sign_payout(binding_digest(network, keys.person)),
        serial=FIRST_SERIAL if member is None else member.serial + 1,
    )
    return Outgoing("register", keys.seal("register", record))


def joining(keys: NodeKeys, state: State) -> Outgoing | None:
    """What the log has to know before this machine may sign; None when it does.

    Another machine of a member is only delegated to: the payout address stays the member's.
    """
    if keys.key in state.keys:
        return None
    if keys.person in state.members:
        return joined(keys, state.network)
    return registration(keys, state.network)
