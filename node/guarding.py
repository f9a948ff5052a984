"""Looks after contracts that the network has left, for one who was a witness there: until they are retired, a
quorum of those who signed for them could put a root in force that nobody looks at.

The log proposes nothing there any more. A root that waits and is none of those that it had proposed before is
wrong, and is challenged with the bond that is left there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from contracts.spending import TooDear
from node.follower import Follower
from node.objection import evidence_of, pause_of
from node.wallet import Posting, Wallet
from protocol.errors import CommonholdError, Unreachable
from protocol.identity import PersonId
from protocol.money.onchain import Past

if TYPE_CHECKING:
    from node.chain import NodeChain

log = logging.getLogger(__name__)

#: While nothing is known of how long a root waits there.
_PAUSE_S: Final = 60.0


class PastGuard:
    """`rpc_url` is an endpoint of the chain that was left; contracts on others are passed over."""

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
        self._chains: dict[int, NodeChain] = {}  # by the number of the contracts
        self._pause_s = _PAUSE_S
        self._done: set[tuple[int, int, bytes]] = set()
        self._said = ""

    async def run(self) -> None:
        """Looks again and again, for ever. Nothing of the chain's ends it."""
        while True:
            if any(self._is_ours(past) for _, past in self._follower.state.past.scan()):
                await asyncio.to_thread(self.look)
            await self._sleep(self._pause_s)

    def look(self) -> list[Posting]:
        """Objects to what is wrong; gives what it objected to. Blocks while transactions are mined."""
        found: list[Posting] = []
        for number, past in self._follower.state.past.scan():
            if not self._is_ours(past):
                continue
            try:
                found += self._look_at(number, past)
            except CommonholdError as error:
                if str(error) != self._said:
                    log.warning("the contracts that were left cannot be looked at: %s", error)
                self._said = str(error)
        return found

    def _is_ours(self, past: Past) -> bool:
        return self._wallet.address in past.view.witnesses

    def _look_at(self, number: int, past: Past) -> list[Posting]:
        chain = self._chains.get(number)
        if chain is None:
            chain = self._chains[number] = self._wallet.chain(self._rpc_url, past.deployment)
            self._pause_s = pause_of(chain)
        proposed = dict(past.proposed)
        wrong = [
            each
            for each in chain.waiting()
            if each.is_open and proposed.get(each.epoch) != each.payload
        ]
        return [
            each
            for each in wrong
            if (number, each.epoch, each.payload) not in self._done
            and self._object(chain, past, each, (number, each.epoch, each.payload))
        ]

    def _object(
        self, chain: NodeChain, past: Past, posting: Posting, key: tuple[int, int, bytes]
    ) -> bool:
        """Once for each root, but for a chain that does not answer."""
        what = f"a root of epoch {posting.epoch} waits on contracts that the network has left"
        own = dict(past.proposed).get(posting.epoch)
        evidence = evidence_of(self._follower.state.network, own, posting)
        try:
            sent = chain.challenge(posting.epoch, evidence, past.view.witnesses, self._person)
        except (Unreachable, TooDear) as error:
            log.error("%s, and nobody could be told yet: %s", what, error)
            return False
        except CommonholdError as error:  # no bond is left there, perhaps
            log.error("%s, and the objection was refused: %s", what, error)
            self._done.add(key)
            return False
        self._done.add(key)
        log.error("%s: objected, transaction 0x%s", what, sent.tx_hash.hex())
        return True
