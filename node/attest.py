"""Attests settlements: the replay has recomputed the root, so this member signs what is to be published.

The fold refuses a settlement whose root does not follow from the log (protocol/rules/settling.py), so
that a proposal in our state is one that this very machine recomputed. A quorum of such signatures
lets the contract publish it.
"""

from __future__ import annotations

import logging

from node.follower import Follower
from node.keys import NodeKeys
from node.rows import Outgoing
from node.store import Store
from node.wallet import Wallet
from protocol.identity import PersonId
from protocol.money.settlement import address
from protocol.state import State
from protos.gen import records_pb2 as pb

log = logging.getLogger(__name__)


def attestation_due(state: State, me: PersonId, wallet: Wallet) -> pb.Attest | None:
    """The attestation that the proposed settlement still wants of `me`; None when it wants none.

    Only a member whose registered payout address is the wallet's can attest: the contract counts
    addresses. The same proposal always gives the same record (RFC 6979 signatures).
    """
    proposal, deployment, member = state.settlement, state.deployment, state.members.get(me)
    if proposal is None or deployment is None or member is None:
        return None
    if state.published_epoch >= proposal.epoch or me in state.attestations:
        return None
    if member.payout != wallet.address:
        return None
    totals = {address(asset): amount for asset, amount in proposal.totals}
    return pb.Attest(
        network=state.network,
        epoch=proposal.epoch,
        root=proposal.root,
        signature=wallet.sign_publication(deployment, proposal.epoch, proposal.root, totals),
    )


async def keep_attesting(keys: NodeKeys, store: Store, follower: Follower) -> None:
    """Queues an attestation for each settlement that the log proposes, once, for ever."""
    if keys.payout_key is None:
        return  # the machine that has it attests
    wallet = Wallet(keys.payout_key)
    while True:
        size = follower.size
        due = attestation_due(follower.state, keys.person, wallet)
        if due is not None and store.enqueue(Outgoing("attest", keys.seal("attest", due))):
            log.info("attested the settlement of epoch %d", due.epoch)
        await follower.wait_beyond(size)
