"""What the chain says: the operator logs what final blocks hold of the network's contracts, and the fold
follows it.

The contracts have their own rules, which no record can break. What the log says of them anybody with an
endpoint compares; here it has to be possible at all. A reorganisation deeper than what was taken for final
takes back, by a record, what was read; what was shared out of it meanwhile stays, and as much less is
shared out later.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from protocol.errors import Reject
from protocol.lifecycle import RootEvent, next_root_status
from protocol.limits import ASSET_AMOUNT_MAX, RANGES_MAX, ROOTS_MAX
from protocol.money import events
from protocol.money.onchain import Deposit, OnChain, Range, Root
from protocol.money.payload import Payload
from protocol.money.settlement import CONTRACTS, Deployment, address
from protocol.rules.asks import drop_moot
from protocol.rules.bonds import StakeDraft
from protocol.rules.record import Record, require, require_hash, require_next
from protocol.state import State
from protocol.tables import Draft, restore
from protos.gen import records_pb2 as pb

CHAIN_TABLES: Final = (
    "received",
    "claimed",
    "listed",
    "roots",
    "bonds",
    "vouched",
    "slashes",
    "accused",
    "payees",
    "decided",
)
"""The tables of the state that follow from the chain alone."""


# ---- where the network settles ----


def validate_deployment(state: State, record: Record[pb.Deployment]) -> None:
    """A network settles in one place."""
    require(
        state.deployment is None,
        "the network has its contracts already",
        "`commonhold coordinator move` asks its witnesses for others",
    )
    check_contracts(record.body)


def check_contracts(body: pb.Deployment | pb.Move) -> None:
    """Raises Reject where no network's contracts can be."""
    require(body.chain_id > 0, "a chain has an id above zero")
    require(body.block > 0, "nothing is deployed in a chain's first block")
    addresses = {address(getattr(body, name)) for name in CONTRACTS}
    require(
        len(addresses) == len(CONTRACTS) and all(map(any, addresses)),
        f"the {len(CONTRACTS)} contracts have addresses of their own, none of them zero",
    )


def process_deployment(state: State, record: Record[pb.Deployment]) -> None:
    """From now on shares are an asset with an address, and the chain is read."""
    state.deployment = deployment_of(record.body)


def deployment_of(body: pb.Deployment | pb.Move, start: int = 0, carried: int = 0) -> Deployment:
    """The contracts that a record names."""
    addresses: dict[str, Any] = {name: address(getattr(body, name)) for name in CONTRACTS}
    made = Deployment(body.chain_id, body.block, body.finality, **addresses)
    return replace(made, start=start, carried=carried)


# ---- what its blocks hold ----


def validate_chain(state: State, record: Record[pb.Chain]) -> None:
    """The next blocks, with logs that belong, in their order, and that can follow what is known."""
    body, logs = record.body, record.leaves
    deployment = deployed(state)
    first = next_block(state)
    require(body.first == first, f"the log has read the chain up to block {first - 1}")
    require(body.last >= body.first, "the last block comes before the first")
    require_hash(body.last_hash, "a block's hash")
    require(body.last_time >= state.onchain.time_s, "the chain's time runs backwards")
    assets = {asset for asset, _ in state.listed.scan()} | events.newly_listed(deployment, logs)
    place, hashes = (body.first, -1), {body.last: body.last_hash}
    for log in logs:
        events.check_log(log)
        require(body.first <= log.block <= body.last, "a log is not in these blocks")
        require((log.block, log.log_index) > place, "the logs are not in the order of the chain")
        place = log.block, log.log_index
        known = hashes.setdefault(log.block, log.block_hash)
        require(known == log.block_hash, f"block {log.block} has two hashes")
        require(events.belongs(deployment, assets, log), "a log is not one of the network's")
    _follow(state, record)


def process_chain(state: State, record: Record[pb.Chain]) -> None:
    """What it says is so, until it is taken back."""
    body, before = record.body, state.onchain
    draft = _follow(state, record)
    changes = draft.commit()
    state.onchain = draft.view
    deposits = tuple(_deposit(state, each) for each in draft.deposits)
    made = Range(body.last, body.last_hash, record.index, before, changes, deposits)
    state.ranges.put(body.first, made)
    for at, deposit in enumerate(deposits):
        _credit_deposit(state, (record.index, at), deposit)
    _forget_old(state)
    drop_moot(state)


def next_block(state: State) -> int:
    """From which block on the log has not read the chain."""
    return max(state.onchain.last + 1, deployed(state).block)


def _follow(state: State, record: Record[pb.Chain]) -> _Draft:
    deployment, body = deployed(state), record.body
    draft = _Draft(state, deployment)
    for log in record.leaves:
        event = events.decode(deployment, log)
        if event is not None:
            draft.apply(event, log)
    draft.view = replace(
        draft.view, last=body.last, last_hash=body.last_hash, time_s=body.last_time
    )
    return draft


def deployed(state: State) -> Deployment:
    """Where the network settles; raises Reject before it does."""
    if state.deployment is None:
        raise Reject(
            "the network has no contracts on a chain",
            "`commonhold coordinator settle` deploys them",
        )
    return state.deployment


def _forget_old(state: State) -> None:
    """What nothing reaches back to any more."""
    ranges = [first for first, _ in state.ranges.scan()]
    for first in ranges[:-RANGES_MAX]:
        state.ranges.remove(first)
    for epoch, _ in list(state.payloads.scan()):
        if epoch + ROOTS_MAX < state.onchain.epoch:
            state.payloads.remove(epoch)


# ---- revenue ----


def _deposit(state: State, event: events.Deposited) -> Deposit:
    """Whose revenue it is. Anybody may pay anything with any memo: in another asset than its own a licence's
    id means nothing, or worthless tokens would keep its authors waiting in the queue of `due_flows`."""
    licence = state.licences.get(event.memo.rstrip(b"\0").decode("ascii", "replace"))
    if licence is None or licence.asset != event.asset:
        return Deposit(event.asset, event.amount)
    return Deposit(event.asset, event.amount, licence.id)


def _credit_deposit(state: State, key: tuple[int, int], deposit: Deposit) -> None:
    """Shared out when the epoch closes, but for what was shared out already."""
    _pay_licence(state, deposit, deposit.amount)
    over = state.overshared.get(deposit.asset, 0)
    _set_overshared(state, deposit.asset, max(0, over - deposit.amount))
    if deposit.amount > over:
        state.deposits.put(key, replace(deposit, amount=deposit.amount - over))


def _take_back(state: State, key: tuple[int, int], deposit: Deposit) -> None:
    """It never came in. What of it does not wait any more was shared out."""
    _pay_licence(state, deposit, -deposit.amount)
    waiting = state.deposits.get(key)
    state.deposits.remove(key)
    shared = deposit.amount - (waiting.amount if waiting is not None else 0)
    over = state.overshared.get(deposit.asset, 0)
    _set_overshared(state, deposit.asset, over + shared)


def _pay_licence(state: State, deposit: Deposit, amount: int) -> None:
    licence = state.licences.get(deposit.licence_id)
    if licence is not None:
        state.licences.put(licence.id, replace(licence, paid=licence.paid + amount))


def _set_overshared(state: State, asset: bytes, amount: int) -> None:
    if amount:
        state.overshared.put(asset, amount)
    else:
        state.overshared.remove(asset)


# ---- a reorganisation ----


def validate_rewind(state: State, record: Record[pb.Rewind]) -> None:
    """Back to where a record began that is not too old."""
    deployed(state)
    require_next(record.body.serial, state.rewinds, "the operator")
    require(
        record.body.first in state.ranges,
        f"none of the last {RANGES_MAX} records of the chain begins with block {record.body.first}",
        "name the first block of one of them",
    )


def process_rewind(state: State, record: Record[pb.Rewind]) -> None:
    """The state of the chain is what it was before that block."""
    undone = [each for each in state.ranges.scan() if each[0] >= record.body.first]
    for first, each in reversed(undone):
        for at, deposit in reversed(list(enumerate(each.deposits))):
            _take_back(state, (each.index, at), deposit)
        for name, rows in each.changes:
            restore(getattr(state, name), rows)
        state.onchain = each.before
        state.ranges.remove(first)
    # What was decided there never was: later decisions may stand in blocks that are no higher.
    state.policy_block = min(state.policy_block, record.body.first - 1)
    state.rewinds += 1
    drop_moot(state)


# ---- the contracts' own state ----


class _Draft:
    """What the contracts would say after some more events. Raises Reject for what they cannot have said."""

    def __init__(self, state: State, deployment: Deployment) -> None:
        self.view: OnChain = state.onchain
        self.deposits: list[events.Deposited] = []
        self._deployment = deployment
        self._received = Draft(state.received)
        self._claimed = Draft(state.claimed)
        self._listed = Draft(state.listed)
        self._roots = Draft(state.roots)
        self._stake = StakeDraft(state)
        self._payees = Draft(state.payees)
        self._decided = Draft(state.decided)

    def commit(self) -> tuple[tuple[str, tuple[tuple[Any, Any], ...]], ...]:
        """Changes the tables; gives what they held before."""
        drafts: list[tuple[str, Draft[Any, Any]]] = [
            (name, self._stake.drafts.get(name) or getattr(self, f"_{name}"))
            for name in CHAIN_TABLES
        ]
        made = ((name, draft.commit()) for name, draft in drafts)
        return tuple((name, rows) for name, rows in made if rows)

    def apply(self, event: Any, log: pb.ChainLog) -> None:
        """One event of the chain."""
        match event:
            case events.AssetListed():
                self._listed.put(event.asset, True)
            case events.AssetUnlisted():
                self._listed.put(event.asset, False)
            case events.Deposited():
                self._receive(event)
            case events.EtherClaimed():
                self._claim(bytes(len(event.account)), event.amount)
            case events.Transfer():
                if event.sender == self._deployment.settlement:
                    self._claim(log.contract, event.amount)
            case events.PolicyDecided():
                self._decided.put(event.policy_hash, log.block)
            case events.PayeeAccepted():
                self._payees.put((event.payee, event.person), log.block)
            case _:
                self._govern(event)

    def _govern(self, event: Any) -> None:
        match event:
            case events.EmissionChanged():
                self.view = replace(self.view, emission_micro=event.emission_micro)
            case events.MinimumChanged():
                self.view = replace(self.view, bond_minimum=event.minimum)
            case events.ChangeProposed() | events.ChangeVetoed() | events.WitnessesChanged():
                self._change_witnesses(event)
            case events.Posted() | events.Challenged() | events.Upheld():
                self._move_root(event)
            case events.Enacted() | events.Undone():
                self._move_root(event)
            case _:
                self._stake.apply(event)

    def _receive(self, event: events.Deposited) -> None:
        require(event.asset != self._deployment.share_token, "shares are no revenue")
        require(self._listed.get(event.asset) is not None, "revenue of an asset that is not listed")
        require(event.amount > 0, "revenue is more than nothing")
        received = (self._received.get(event.asset) or 0) + event.amount
        require(received <= ASSET_AMOUNT_MAX, "more came in than the vault can count")
        self._received.put(event.asset, received)
        self.deposits.append(event)

    def _claim(self, asset: bytes, amount: int) -> None:
        self._claimed.put(asset, (self._claimed.get(asset) or 0) + amount)

    # -- witnesses

    def _change_witnesses(self, event: Any) -> None:
        view = self.view
        match event:
            case events.ChangeProposed():
                require(bool(event.witnesses), "a set of witnesses is not empty")
                self.view = replace(
                    view,
                    proposals=event.proposal,
                    waiting=event.witnesses,
                    active_at_s=event.active_at_s,
                )
            case events.ChangeVetoed():
                self.view = replace(view, waiting=(), active_at_s=0)
            case events.WitnessesChanged():
                require(bool(view.waiting), "a set of witnesses that nobody proposed")
                self.view = replace(
                    view, nonce=event.nonce, witnesses=view.waiting, waiting=(), active_at_s=0
                )

    # -- roots

    def _move_root(self, event: Any) -> None:
        match event:
            case events.Posted():
                self._post(event)
            case events.Challenged():
                root = self._next_root(event.epoch, RootEvent.CHALLENGE)
                challenged = replace(root, challenger=event.witness, evidence=event.evidence)
                self._roots.put(event.epoch, challenged)
            case events.Upheld():
                root = self._next_root(event.epoch, RootEvent.UPHOLD)
                self._roots.put(event.epoch, replace(root, due_s=event.due_s))
            case events.Enacted():
                require(event.epoch == self.view.epoch + 1, "roots come into force in order")
                root = self._next_root(event.epoch, RootEvent.ENACT)
                require(root.payload.root == event.root, "another root came into force")
                self._roots.put(event.epoch, root)
                self._roots.put(event.epoch - 1, None)
                self.view = replace(self.view, epoch=event.epoch)
            case events.Undone():
                self._undo(event)

    def _post(self, event: events.Posted) -> None:
        require(event.epoch == self.view.posted + 1, "the epoch of a root is the next one")
        require(self.view.posted - self.view.epoch < ROOTS_MAX, f"more than {ROOTS_MAX} roots wait")
        require(len(event.assets) == len(event.totals), "as many totals as assets")
        totals = tuple(zip(event.assets, event.totals, strict=True))
        root = Root(Payload(event.epoch, event.root, totals), event.attempt)
        self._roots.put(event.epoch, root)
        self.view = replace(self.view, posted=event.epoch)

    def _undo(self, event: events.Undone) -> None:
        """All behind it go too."""
        require(self.view.epoch < event.epoch, "what is in force is not undone")
        self._next_root(event.epoch, RootEvent.UNDO)
        for epoch in range(event.epoch, self.view.posted + 1):
            self._roots.put(epoch, None)
        self.view = replace(self.view, posted=event.epoch - 1, attempt=event.attempt)

    def _next_root(self, epoch: int, event: RootEvent) -> Root:
        """The root after an event; unchanged where it is gone then."""
        root = self._roots.get(epoch)
        if root is None:
            raise Reject(f"no root of epoch {epoch} is on chain")
        status = next_root_status(root.status, event)
        return root if status is None else replace(root, status=status)
