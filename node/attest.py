"""Attests: what the log asks of the witnesses on chain follows from it, so this witness's own replay
recomputed it.

The fold refuses a settlement whose root does not follow from the log, an uphold of any other root, and a
set of witnesses that is not the coin's (protocol/rules/settling.py). Beyond that a witness remembers,
whatever becomes of the log that it is shown, which payload it signed for an epoch and attempt: two are
proof against it.

Where a network moves to follows from nothing: to that its owner agrees (commonhold/cli/node_move.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from node.follower import Follower
from node.keys import NodeKeys
from node.rows import Outgoing
from node.store import Store
from node.wallet import Wallet
from protocol.identity import PersonId
from protocol.limits import DEADLINE_S_MAX
from protocol.money.onchain import Ask
from protocol.money.payload import hash_payload
from protocol.rules.asks import signers_of
from protocol.state import State
from protos.gen import records_pb2 as pb

log = logging.getLogger(__name__)

#: How soon a witness that held back sees that the chain was compared.
DOUBT_POLL_S: Final = 0.5
#: What clocks may differ by.
_CLOCKS_S = 60


def attestations_due(
    state: State, me: PersonId, wallet: Wallet, now_s: float
) -> Iterator[tuple[str, Ask, pb.Attest]]:
    """(record kind, what it asks, the answer) of all that the log asks of `me` and that is not answered.

    Only a member whose registered payout address is the wallet's, and a witness's on chain, can attest. The
    same question always gets the same record (RFC 6979 signatures). One that asks for longer than an hour
    gets none.
    """
    member = state.members.get(me)
    if member is None or member.payout != wallet.address:
        return
    for kind, ask in state.asks.scan():
        if wallet.address not in signers_of(state, kind, ask):
            continue
        if ask.move is not None or (ask.digest, wallet.address) in state.attestations:
            continue  # a move is its owner's to agree to: `commonhold node move`
        if now_s < ask.deadline_s <= now_s + DEADLINE_S_MAX + _CLOCKS_S:
            signature = wallet.sign_digest(ask.digest)
            yield (
                kind,
                ask,
                pb.Attest(network=state.network, digest=ask.digest, signature=signature),
            )


def remember(store: Store, state: State, ask: Ask) -> bool:
    """Notes down which payload is signed for an epoch and attempt; False if it was another one."""
    key = f"signed/{state.network.hex()}/{ask.number}/{ask.attempt}"
    payload, known = hash_payload(state.payloads[ask.number]), store.meta(key)
    if known is None:
        store.set_meta(key, payload)
    return known in (None, payload)


def no_doubt() -> str:
    """Of a node that does not look at the chain."""
    return ""


async def keep_attesting(
    keys: NodeKeys,
    store: Store,
    follower: Follower,
    doubt: Callable[[], str] = no_doubt,
    clock: Callable[[], float] = time.time,
) -> None:
    """Queues an answer to each question that the log asks, once, for ever. While `doubt` says why not to
    sign, it waits: the log may say of the chain what is not so, and a root follows from that.
    """
    if keys.payout_key is None:
        return  # the machine that has it attests
    wallet = Wallet(keys.payout_key)
    said = ""
    while True:
        size = follower.size
        state = follower.state
        due = list(attestations_due(state, keys.person, wallet, clock()))
        why = doubt() if due else ""
        if why:
            if why != said:
                log.warning("not signing for money: %s", why)
            said = why
            await asyncio.sleep(DOUBT_POLL_S)
            continue
        said = ""
        for kind, ask, answer in due:
            if kind == "settlement" and not remember(store, state, ask):
                log.error("another root of epoch %d was signed before: not signing", ask.number)
            elif store.enqueue(Outgoing("attest", keys.seal("attest", answer))):
                log.info("signed the %s of number %d", kind, ask.number)
        await follower.wait_beyond(size)
