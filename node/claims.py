"""Claims: what the last published settlement pays this node's address, and fetching it on chain.

Leaves are cumulative, so that one claim settles any number of epochs and nothing is lost by being
late. They are taken from the replay at the very entry that proposed the settlement: what was earned
or registered later belongs to the next one. The contract pays a leaf once, whoever asks how often.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from node.follower import Follower
from node.rows import ClaimRow
from node.store import Store
from node.wallet import ClaimTx, Wallet
from protocol.errors import ConfigError, StateError
from protocol.money.accounts import cumulative_leaves
from protocol.money.settlement import Leaf, SettlementTree, build_tree
from protocol.rows import Settlement
from protocol.transition import Applied

log = logging.getLogger(__name__)

CONFIRMED = "confirmed"
_AFTER_SETTLING: Final = "an epoch can be claimed once the operator has settled it"


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement and the tree that we recomputed for it."""

    epoch: int
    tree: SettlementTree


@dataclass(frozen=True, slots=True)
class Claimed:
    """One claim that the chain confirmed."""

    leaf: Leaf
    epoch: int
    tx: ClaimTx


class SettlementWatch:
    """Keeps what the last published settlement pays. Make it before the follower replays."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._proposed: tuple[int, list[Leaf]] | None = None
        self._published: tuple[int, list[Leaf]] | None = None
        self._settled: Settled | None = None
        self._seen: Settlement | None = None
        self._published_epoch = 0
        follower.subscribe(self._on_entry)

    @property
    def published(self) -> Settled | None:
        """The last published settlement; its tree is built when it is first asked for."""
        if self._settled is None and self._published is not None:
            epoch, leaves = self._published
            self._settled = Settled(epoch, build_tree(leaves))
        return self._settled

    def _on_entry(self, _: Applied) -> None:
        state = self._follower.state
        if state.settlement is not None and state.settlement is not self._seen:
            # The fold has compared these leaves' root with the logged one an instant ago.
            self._seen = state.settlement
            self._proposed = state.settlement.epoch, cumulative_leaves(state)
        if state.published_epoch != self._published_epoch:
            self._published_epoch = state.published_epoch
            self._published, self._settled = self._proposed, None


def leaves_of(settled: Settled, account: bytes) -> Iterator[Leaf]:
    """What a settlement pays an address, one leaf for each asset."""
    return (leaf for leaf in settled.tree.leaves if leaf.account == account)


def unclaimed(settled: Settled, account: bytes, claims: Sequence[ClaimRow]) -> list[Leaf]:
    """The leaves that pay more than was claimed from this store, as far as we remember."""
    had: dict[bytes, int] = {}
    for claim in claims:
        if claim.status == CONFIRMED:
            had[claim.asset] = max(had.get(claim.asset, 0), claim.cumulative)
    return [
        leaf for leaf in leaves_of(settled, account) if leaf.cumulative > had.get(leaf.asset, 0)
    ]


class Claimer:
    """Claims for one wallet. `rpc_url` is the chain's JSON-RPC endpoint."""

    def __init__(
        self, store: Store, wallet: Wallet, rpc_url: str, follower: Follower, watch: SettlementWatch
    ) -> None:
        self._store, self._wallet, self._rpc_url = store, wallet, rpc_url
        self._follower, self._watch = follower, watch

    def due(self, asset: bytes | None = None) -> list[Leaf]:
        """What may be claimed now, of one asset or of all.

        Raises ConfigError without a chain, StateError when nothing is published or left to claim.
        """
        if not self._rpc_url:
            raise ConfigError(
                "this node knows no chain to claim on", "set rpc_url in node.toml to an endpoint"
            )
        settled = self._watch.published
        if settled is None:
            raise StateError("nothing to claim: no settlement is published yet", _AFTER_SETTLING)
        leaves = unclaimed(settled, self._wallet.address, self._store.claims())
        wanted = [leaf for leaf in leaves if asset is None or leaf.asset == asset]
        if not wanted:
            raise StateError(
                f"nothing to claim: all that was earned up to epoch {settled.epoch} is claimed",
                "see `commonhold node statement` for what you earned",
            )
        return wanted

    def claim(self, leaf: Leaf) -> Claimed:
        """Claims one leaf; blocks until it is mined.

        Raises StateError (claimed already, root replaced) and Unreachable (nothing is lost). If we
        crash after sending, the chain still pays once, and the next claim finds that it did.
        """
        settled, deployment = self._watch.published, self._follower.state.deployment
        if settled is None or deployment is None:
            raise StateError("nothing to claim: no settlement is published yet", _AFTER_SETTLING)
        index = settled.tree.index_of(leaf.account, leaf.asset)
        if index is None:
            raise StateError(
                "nothing to claim: the settlement pays you nothing of this asset",
                "see `commonhold node statement` for what you earned",
            )
        proof, root = settled.tree.proof(index), settled.tree.root
        tx = self._wallet.claim(self._rpc_url, deployment, leaf, proof, root)
        self._store.save_claim(
            ClaimRow(leaf.asset, leaf.cumulative, settled.epoch, tx.tx_hash, CONFIRMED)
        )
        log.info("claimed %d of asset 0x%s", tx.paid, leaf.asset.hex())
        return Claimed(leaf, settled.epoch, tx)

    def claim_all(
        self, leaves: Sequence[Leaf], on_claim: Callable[[Claimed], None] = lambda _: None
    ) -> list[Claimed]:
        """Claims one leaf after the other; what was claimed stays so if a later one fails.

        A leaf that the chain refuses does not stop the others. Raises StateError when it refused all.
        """
        done, refused = [], None
        for leaf in leaves:
            try:
                done.append(self.claim(leaf))
                on_claim(done[-1])
            except StateError as error:
                log.warning("asset 0x%s was not claimed: %s", leaf.asset.hex(), error)
                refused = error
        if refused is not None and not done:
            raise refused
        return done

    async def run(self) -> None:
        """Claims whatever becomes due, for ever. Raises Unreachable: the caller tries again."""
        while True:
            size = self._follower.size
            try:
                await asyncio.to_thread(self.claim_all, self.due())
            except StateError as error:
                log.debug("%s", error)
            await self._follower.wait_beyond(size)
