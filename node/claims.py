"""Claims: what the settlement in force pays this node's owner, and fetching it on chain.

Somebody who moved to another payout address is still paid at the old one what was promised there, and a payee
that is a contract sends nothing by itself. The contract pays an account whoever asks: so a node claims for
every account at which its owner was ever paid, and its own account pays the gas.

Leaves are cumulative, so that one claim settles any number of epochs and assets, and nothing is lost by
being late. They are taken from the replay at the very entry that proposed the settlement: what was earned
or registered later belongs to the next one. The contract pays a leaf once, whoever asks how often.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from contracts.spending import TooDear
from node.follower import Follower
from node.rows import ClaimRow
from node.statement import CONFIRMED, claimed_by, explain, read_statement
from node.store import Store
from node.wallet import ClaimTx, NothingLeft, Wallet
from protocol.errors import ConfigError, StateError
from protocol.identity import PersonId
from protocol.money.accounts import promised_leaves
from protocol.money.settlement import Address, Leaf, SettlementTree, build_tree
from protocol.state import State
from protocol.transition import Applied

if TYPE_CHECKING:
    from node.chain import NodeChain

log = logging.getLogger(__name__)

_AFTER_SETTLING: Final = "an epoch can be claimed once the operator has settled it"
_REASONS_MAX: Final = 3  # that a refusal tells, the latest; the statement has all
#: How long `run` leaves a claim that is too dear: gas changes within minutes, and each look asks the chain.
LATER_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement and the tree that we recomputed for it."""

    epoch: int
    tree: SettlementTree


@dataclass(frozen=True, slots=True)
class Due:
    """Of which assets an account is paid more than was claimed."""

    account: Address
    assets: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """One claim that the chain confirmed."""

    leaf: Leaf
    epoch: int
    tx: ClaimTx
    recipient: Address


class SettlementWatch:
    """Keeps what the settlement in force pays, those that wait, and where the node's owner is paid. Make it
    before the follower replays. It knows contracts that the network has left, too."""

    def __init__(self, follower: Follower, me: PersonId) -> None:
        self._follower, self.person = follower, me
        self._accounts: dict[Address, None] = {}
        self._leaves: dict[int, list[Leaf]] = {}  # by epoch
        self._settled: Settled | None = None
        self._left: list[
            dict[int, list[Leaf]]
        ] = []  # by the number of the contracts that were left
        follower.subscribe(self._on_entry)

    @property
    def accounts(self) -> tuple[Address, ...]:
        """The addresses at which the owner was ever paid, the first one first."""
        return tuple(self._accounts)

    @property
    def in_force(self) -> Settled | None:
        """The settlement in force; its tree is built when it is first asked for. None where there is none, or
        where the root on chain is not the one that we recomputed."""
        state = self._follower.state
        epoch = state.settled_epoch
        root, leaves = state.roots.get(epoch), self._leaves.get(epoch)
        if root is None or leaves is None:
            return None
        if self._settled is None or self._settled.epoch != epoch:
            self._settled = Settled(epoch, build_tree(leaves))
        return self._settled if self._settled.tree.root == root.payload.root else None

    def left(self, number: int) -> Iterator[Settled]:
        """What may be in force on contracts that the network has left: the root that was when it moved, and
        those that waited then."""
        for epoch, leaves in sorted(self._left[number].items()):
            yield Settled(epoch, build_tree(leaves))

    def _on_entry(self, applied: Applied) -> None:
        state = self._follower.state
        if applied.kind == "register" and applied.record.author == self.person:
            self._accounts[Address(applied.record.body.payout_address)] = None
        if len(state.past) > len(self._left):
            self._left.append(self._leaves)
            self._leaves, self._settled = {}, None
        if applied.kind == "settlement" and state.proposed_epoch not in self._leaves:
            # The fold has compared these leaves' root with the logged one an instant ago.
            self._leaves[state.proposed_epoch] = promised_leaves(state)
        for epoch in [each for each in self._leaves if each < state.settled_epoch]:
            del self._leaves[epoch]


def _what_waits(state: State) -> str:
    """What a claim waits for: time for objections, the operator's `settle`, the close of an epoch."""
    settled, closed = state.settled_epoch, state.closed_epoch
    if state.proposed_epoch > settled:
        return (
            f"epoch {state.proposed_epoch} is on chain, and waits until its time for objections is over and"
            " the operator settles again"
        )
    if closed > settled:
        several = f"epochs {settled + 1} to {closed} wait"
        waits = f"epoch {closed} waits" if closed == settled + 1 else several
        return f"{waits} for the operator to settle: `commonhold coordinator settle`"
    return (
        f"epoch {state.epoch} is paid once it is closed and settled; see `commonhold node statement` for what"
        " you earned"
    )


def leaf_of(settled: Settled, account: bytes) -> Leaf | None:
    """What a settlement pays an address."""
    index = settled.tree.index_of(account)
    return None if index is None else settled.tree.leaves[index]


def _pays_nothing(account: Address) -> StateError:
    return StateError(
        f"nothing to claim: the settlement pays 0x{account.hex()} nothing",
        "see `commonhold node statement` for what you earned, and where it is paid",
    )


def unclaimed(
    settled: Settled, account: bytes, claims: Sequence[ClaimRow], moves: int = 0
) -> list[Address]:
    """The assets of which an address is paid more than was claimed from this store, as far as we remember, on
    the contracts to which the network came by so many `moves`. What the chain said of others' claims is asked
    again: a wrong answer, or a reorganisation, must not hide what is due."""
    had = claimed_by((each for each in claims if each.tx_hash), moves)
    leaf = leaf_of(settled, account)
    paid = () if leaf is None else leaf.amounts
    return [asset for asset, amount in paid if amount > had.get((account, asset), 0)]


class Claimer:
    """Claims for one person, or for any one `account`; `wallet` pays the gas. `rpc_url` is the chain's
    JSON-RPC endpoint. `to`: who is paid in place of the account, where that let us say so."""

    def __init__(
        self,
        store: Store,
        wallet: Wallet,
        rpc_url: str,
        follower: Follower,
        watch: SettlementWatch,
        *,
        account: Address | None = None,
        to: Address | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._wallet, self._rpc_url = store, wallet, rpc_url
        self._follower, self._watch = follower, watch
        self._account, self._to = account, to
        # By `run`, of (epoch, account, asset): once is enough.
        self._tried: set[tuple[int, Address, Address]] = set()
        self._clock, self._not_before_s = clock, 0.0

    def due(self, asset: bytes | None = None) -> list[Due]:
        """For which accounts something may be claimed now: of one asset, or of all.

        Raises ConfigError without a chain, StateError when nothing is in force or left to claim.
        """
        if not self._rpc_url:
            raise ConfigError(
                "this node knows no chain to claim on", "set rpc_url in node.toml to an endpoint"
            )
        settled = self._watch.in_force
        if settled is None:
            raise StateError(
                "nothing to claim: no settlement is in force yet", _what_waits(self._follower.state)
            )
        if self._account is not None and leaf_of(settled, self._account) is None:
            raise _pays_nothing(self._account)
        found = self._due(settled, len(self._follower.state.past), asset)
        if not found:
            raise self._nothing_left(settled)
        return found

    def _nothing_left(self, settled: Settled) -> StateError:
        """All was claimed, or nothing was ever earned, and then why."""
        waits = _what_waits(self._follower.state)
        accounts = self._watch.accounts if self._account is None else (self._account,)
        if any(leaf_of(settled, each) for each in accounts):
            earned = f"all that was earned up to epoch {settled.epoch} is claimed"
            return StateError(f"nothing to claim: {earned}", waits)
        lines = [
            explain(each)
            for each in read_statement(self._store, self._watch.person)
            if each.epoch <= settled.epoch
        ]
        why = f" ({'; '.join(lines[-_REASONS_MAX:])})" if lines else ""
        return StateError(
            f"nothing to claim: you earned nothing up to epoch {settled.epoch}{why}",
            f"`commonhold node statement --items` says what was decided of each item, and why; {waits}",
        )

    def claim(self, due: Due, *, thrifty: bool = False) -> Claimed:
        """Claims for one account, in one transaction; blocks until it is mined. What fails alone stays to be
        claimed. `thrifty`: not where it would cost what it brings.

        Raises TooDear (no funds, gas above the ceiling), StateError (claimed already, root replaced) and
        Unreachable (nothing is lost). If we crash after sending, the chain still pays once, and the next
        claim finds that it did.
        """
        settled, deployment = self._watch.in_force, self._follower.state.deployment
        if settled is None or deployment is None:
            raise StateError("nothing to claim: no settlement is in force yet", _AFTER_SETTLING)
        chain, moves = self._wallet.chain(self._rpc_url, deployment), len(self._follower.state.past)
        return self._claim(chain, settled, due, moves, thrifty=thrifty)

    # -- contracts that the network has left

    def _due(self, settled: Settled, moves: int, asset: bytes | None) -> list[Due]:
        claims = self._store.claims()
        found = []
        for account in self._watch.accounts if self._account is None else (self._account,):
            assets = unclaimed(settled, account, claims, moves)
            found.append(Due(account, tuple(a for a in assets if asset in (None, a))))
        return [each for each in found if each.assets]

    def left_due(self, asset: bytes | None = None) -> dict[int, list[Due]]:
        """What is left to claim on contracts that the network has left, by their number: of one asset, or of
        all. Their shares are not among them: the present contracts mint those again.
        """
        found = {}
        for number, past in self._follower.state.past.scan():
            settled = next(
                (s for s in self._watch.left(number) if s.epoch == past.view.epoch), None
            )
            if settled is not None:
                share = past.deployment.share_token
                every = [
                    Due(each.account, tuple(a for a in each.assets if a != share))
                    for each in self._due(settled, number, asset)
                ]
                found[number] = [each for each in every if each.assets]
        return {number: due for number, due in found.items() if due}

    def claim_left(self, number: int, due: Due, rpc_url: str) -> Claimed:
        """Claims on contracts that the network has left; `rpc_url` is an endpoint of their chain. Raises as
        `claim`, and ConfigError for an endpoint of another chain."""
        chain = self._wallet.chain(rpc_url, self._follower.state.past[number].deployment)
        root = chain.root()
        for settled in self._watch.left(number):
            if settled.tree.root == root:
                return self._claim(chain, settled, due, number)
        raise StateError(
            f"the root in force there, 0x{root.hex()}, is none of those that the log had when it moved",
            "its last witnesses have put another one in force since: ask them, and who holds shares",
        )

    def _claim(
        self,
        chain: NodeChain,
        settled: Settled,
        due: Due,
        moves: int,
        *,
        thrifty: bool = False,
    ) -> Claimed:
        index = settled.tree.index_of(due.account)
        if index is None:
            raise _pays_nothing(due.account)
        leaf, proof = settled.tree.leaves[index], settled.tree.proof(index)
        try:
            tx = chain.claim(
                leaf, proof, settled.tree.root, due.assets, to=self._to, thrifty=thrifty
            )
        except NothingLeft:
            self._remember(leaf, settled.epoch, due.assets, b"", moves)
            raise
        self._remember(leaf, settled.epoch, [asset for asset, _ in tx.paid], tx.tx_hash, moves)
        for asset, paid in tx.paid:
            log.info("claimed %d of asset 0x%s for 0x%s", paid, asset.hex(), due.account.hex())
        for asset in tx.failed:
            log.warning("asset 0x%s could not be paid now: it stays to be claimed", asset.hex())
        return Claimed(leaf, settled.epoch, tx, self._to or leaf.account)

    def _remember(
        self, leaf: Leaf, epoch: int, assets: Iterable[Address], tx_hash: bytes, moves: int
    ) -> None:
        """What was claimed for the owner; the statement adds it up."""
        for asset in assets if leaf.account in self._watch.accounts else ():
            what = (leaf.account, asset, leaf.amount(asset), epoch, tx_hash, CONFIRMED, moves)
            self._store.save_claim(ClaimRow(*what))

    async def run(self) -> None:
        """Claims whatever becomes due, for ever. Raises Unreachable: the caller tries again."""
        while True:
            size = self._follower.size
            try:
                await self._claim_new()
            except StateError as error:
                log.debug("%s", error)
            await self._follower.wait_beyond(size)

    async def _claim_new(self) -> None:
        """What did not become due before: an asset that cannot be paid costs gas once an epoch, no more."""
        due, settled = self.due(), self._watch.in_force
        epoch = 0 if settled is None else settled.epoch
        if self._clock() < self._not_before_s:
            return
        for each in due:
            tried = {asset: (epoch, each.account, asset) for asset in each.assets}
            new = tuple(asset for asset, place in tried.items() if place not in self._tried)
            if new:
                await self._try(replace(each, assets=new), set(tried.values()))

    async def _try(self, due: Due, places: set[tuple[int, Address, Address]]) -> None:
        try:
            await asyncio.to_thread(partial(self.claim, due, thrifty=True))
        except TooDear as error:
            self._not_before_s = self._clock() + LATER_S
            log.warning("not claimed yet: %s. Next: %s", error, error.advice)
            return
        except StateError as error:
            log.debug("%s", error)
        self._tried |= places
