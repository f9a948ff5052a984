"""Objects: a bonded witness whose own replay has another root than the one that waits on chain freezes that
one.

Where the log holds a quorum's signatures under its own root for that epoch, the same witnesses signed twice:
shown on chain, that undoes the root at once, and asks for the bonds of those who did. It takes no bond.

It looks at the chain itself, not at what the log says of it: whoever posts a wrong root may keep it out of
the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from contracts.signed import Signed
from contracts.spending import TooDear
from node.follower import Follower
from node.wallet import Posting, Wallet
from protocol.errors import CommonholdError, LocalError, Unreachable
from protocol.identity import PersonId
from protocol.money.eip712 import keccak256
from protocol.money.payload import hash_payload, quorum_of
from protocol.money.settlement import Deployment
from protocol.state import State

if TYPE_CHECKING:
    from node.chain import NodeChain

log = logging.getLogger(__name__)

#: Looks while a root waits: enough that a few which fail cost nothing.
_LOOKS: Final = 20
#: From one look to the next. Roots wait for days, and a hosted endpoint counts what it is asked.
_PAUSE_LEAST_S: Final = 1.0
_PAUSE_MOST_S: Final = 60.0
#: A root that the log has not proposed at all: it may be a moment behind the chain.
PATIENCE_LOOKS: Final = 3
_DOMAIN: Final = b"commonhold/v1/objection\0"


def evidence_of(network: bytes, own: bytes | None, posting: Posting) -> bytes:
    """What an objection shows, as a hash: the network, the epoch, the log's own payload (None: none), the
    posted one.

    Everybody who replays the log computes the same.
    """
    epoch = posting.epoch.to_bytes(32, "big")
    return keccak256(_DOMAIN + network + epoch + (own or bytes(32)) + posting.payload)


def pause_of(chain: NodeChain) -> float:
    """Seconds from one look to the next, by how long a root waits there."""
    return min(_PAUSE_MOST_S, max(_PAUSE_LEAST_S, chain.objection_s() / _LOOKS))


def own_payload(state: State, epoch: int) -> bytes | None:
    """The hash of what the log has for an epoch; None before it is proposed."""
    payload = state.payloads.get(epoch)
    return None if payload is None else hash_payload(payload)


def signed_beside(state: State, epoch: int) -> Signed | None:
    """What a quorum signed for an epoch, as the log has it; None where it has not."""
    asked, view = state.asks.get("settlement"), state.onchain
    if asked is None or asked.number != epoch or asked.nonce != view.nonce:
        return None
    signatures = [each for _, each in state.attestations.scan(asked.digest)]
    if len(signatures) < quorum_of(len(view.witnesses)):
        return None
    return Signed(asked.digest, asked.nonce, view.witnesses, signatures, asked.deadline_s)


class Objector:
    """Watches the roots that wait, for one witness. `rpc_url` is the chain's JSON-RPC endpoint."""

    def __init__(
        self,
        follower: Follower,
        wallet: Wallet,
        person: PersonId,
        rpc_url: str,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._follower, self._wallet, self._person = follower, wallet, person
        self._rpc_url, self._sleep = rpc_url, sleep
        self._opened: tuple[Deployment, NodeChain] | None = None
        self._pause_s = _PAUSE_LEAST_S
        self._unproposed: dict[tuple[int, bytes], int] = {}
        self._done: set[tuple[int, bytes]] = set()
        self._waiting: list[Posting] = []  # in the block of this hash
        self._seen_at = b""

    async def run(self) -> None:
        """Looks again and again, while we are a witness. Raises Unreachable: the caller tries again."""
        while True:
            if self._wallet.address in self._follower.state.onchain.witnesses:
                await asyncio.to_thread(self.look)
            await self._sleep(self._pause_s)

    def _open(self, deployment: Deployment) -> NodeChain:
        """Made once for each contracts: that costs more than several looks. A root's time to wait says how
        often to look."""
        if self._opened is None or self._opened[0] != deployment:
            chain = self._wallet.chain(self._rpc_url, deployment)
            self._pause_s = pause_of(chain)
            self._opened, self._seen_at = (deployment, chain), b""
        return self._opened[1]

    def look(self) -> list[Posting]:
        """Objects to what is wrong; gives what it objected to. Blocks while transactions are mined."""
        state = self._follower.state
        if state.deployment is None:
            return []
        chain = self._open(state.deployment)
        tip = chain.tip()  # before the roots: what comes in between is looked at next time
        if tip != self._seen_at:
            self._waiting, self._seen_at = chain.waiting(), tip
        wrong = [each for each in self._waiting if self._is_wrong(state, each)]
        return [
            each
            for each in wrong
            if self._contradict(chain, state, each)
            or (each.is_open and self._object(chain, state, each))
        ]

    def _is_wrong(self, state: State, posting: Posting) -> bool:
        key, own = (posting.epoch, posting.payload), own_payload(state, posting.epoch)
        if key in self._done:
            return False
        if own is None:
            self._unproposed[key] = self._unproposed.get(key, 0) + 1
            return self._unproposed[key] >= PATIENCE_LOOKS
        return own != posting.payload

    def _contradict(self, chain: NodeChain, state: State, posting: Posting) -> bool:
        """Whether the log proves that a quorum signed twice, and that was shown."""
        signed = signed_beside(state, posting.epoch)
        if signed is None:
            return False
        try:
            sent = chain.contradict(state.payloads[posting.epoch], signed)
        except CommonholdError as error:  # another set, attempt or hour: then it stays an objection
            log.warning("the witnesses' word in the log undoes no root: %s", error)
            return False
        self._done.add((posting.epoch, posting.payload))
        log.error(
            "a quorum signed two roots for epoch %d: the one on chain is undone, transaction 0x%s",
            posting.epoch,
            sent.tx_hash.hex(),
        )
        return True

    def _object(self, chain: NodeChain, state: State, posting: Posting) -> bool:
        """Once for each root, whatever comes of it, but for a chain that does not answer."""
        what = f"the root of epoch {posting.epoch} that waits on chain is not the log's"
        vouches, least = chain.bonded(self._person)[0], chain.bond_minimum()
        if vouches < least:
            log.error(
                "%s, and without a bond of %d wei nobody may object: `node bond`", what, least
            )
            self._done.add((posting.epoch, posting.payload))
            return False
        own = own_payload(state, posting.epoch)
        evidence = evidence_of(state.network, own, posting)
        try:
            sent = chain.challenge(posting.epoch, evidence, state.onchain.witnesses, self._person)
        except (Unreachable, TooDear) as error:
            log.error("%s, and nobody could be told yet: %s", what, error)
            raise
        except LocalError as error:
            log.error("%s, and the objection was refused: %s", what, error)
            self._done.add((posting.epoch, posting.payload))
            return False
        self._done.add((posting.epoch, posting.payload))
        log.error("%s: objected, transaction 0x%s", what, sent.tx_hash.hex())
        return True
