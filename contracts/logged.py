"""What a log says of the chain, collected while it is replayed: the other side of every comparison.

The state of the fold keeps what follows from the chain's events, not the events; whoever compares them needs
them once, so they are kept until they were compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.findings import Finding, Kind
from protocol.money import events
from protocol.money.onchain import OnChain
from protocol.money.payload import Payload
from protocol.money.settlement import Amounts, Deployment
from protocol.rules.settling import payload_of
from protocol.state import State
from protocol.transition import AnyRecord
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Covered:
    """The blocks that one record says it has read, and the events that it says are in them.

    assets: those that had been listed by then; their transfers count.
    """

    first: int
    last: int
    last_hash: bytes
    assets: frozenset[bytes]
    logs: tuple[pb.ChainLog, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """All that a log says, at one moment. Nothing in it changes any more."""

    deployment: Deployment
    view: OnChain
    roots: Mapping[int, Payload]  # on chain, by epoch: those that wait, and the one in force
    payloads: Mapping[int, Payload]  # what the log's own records add up to, by epoch
    claimed: Mapping[bytes, int]
    ranges: tuple[Covered, ...]  # not compared yet, in order
    wrong: tuple[Finding, ...]  # roots that came into force and were not the log's own


@dataclass(slots=True)
class Logged:
    """Take every entry that is applied. `compared`: what is up to this block was compared before, on the
    contracts to which the network came by so many `moves`.
    """

    compared: int = 0
    moves: int = 0
    _followed: int = 0  # moves that were taken so far
    _ranges: list[Covered] = field(default_factory=list)
    _payloads: dict[int, Payload] = field(default_factory=dict)
    _posted: dict[int, Payload] = field(default_factory=dict)
    _wrong: dict[int, Finding] = field(default_factory=dict)

    def take(self, state: State, kind: str, record: AnyRecord) -> None:
        """Notes what an entry says of the chain; `state` is the one after it."""
        body: Any = record.body
        self.follow(state)
        match kind:
            case "settlement":
                self._payloads[body.epoch] = payload_of(body)
            case "chain":
                self._take_events(state, record.leaves)
                if body.last > self.compared:
                    assets = frozenset(asset for asset, _ in state.listed.scan())
                    made = Covered(body.first, body.last, body.last_hash, assets, record.leaves)
                    self._ranges.append(made)
            case "rewind":
                self._rewind(state, body.first)

    def follow(self, state: State) -> None:
        """Where the network moved: what was said of contracts that it has left is compared no more."""
        if self._followed == len(state.past):
            return
        self._followed = len(state.past)
        if self._followed > self.moves:
            self.compared, self.moves = 0, self._followed
        self._ranges, self._posted, self._wrong = [], {}, {}
        self._payloads = dict(state.payloads.scan())

    def said(self, state: State) -> Said | None:
        """All of it; None before the network has contracts."""
        if state.deployment is None:
            return None
        return Said(
            state.deployment,
            state.onchain,
            {epoch: root.payload for epoch, root in state.roots.scan()},
            dict(self._payloads),
            dict(state.claimed.scan()),
            tuple(self._ranges),
            tuple(self._wrong[epoch] for epoch in sorted(self._wrong)),
        )

    def forget(self, compared: Collection[Covered]) -> None:
        """What was compared, and is not taken back meanwhile, need not be kept."""
        kept = [each for each in self._ranges if each not in compared]
        if len(kept) < len(self._ranges):
            last = max(each.last for each in self._ranges if each in compared)
            self.compared = kept[0].first - 1 if kept else last
        self._ranges = kept

    def _take_events(self, state: State, logs: tuple[pb.ChainLog, ...]) -> None:
        """Follows roots into force, since the state keeps the last one only."""
        for log in logs:
            match state.deployment and events.decode(state.deployment, log):
                case events.Posted() as posted:
                    self._posted[posted.epoch] = payload_posted(posted)
                case events.Undone() as undone:
                    for epoch in [each for each in self._posted if each >= undone.epoch]:
                        del self._posted[epoch]
                case events.Enacted() as enacted:
                    payload = self._posted.pop(enacted.epoch, None)
                    if payload != self._payloads.get(enacted.epoch):
                        where = f"epoch {enacted.epoch}, in force since block {log.block:,}"
                        self._wrong[enacted.epoch] = Finding(Kind.ANOTHER_ROOT, where)

    def _rewind(self, state: State, first: int) -> None:
        self.compared = min(self.compared, first - 1)
        self._ranges = [each for each in self._ranges if each.last < first]
        self._posted = {epoch: root.payload for epoch, root in state.roots.scan()}
        for epoch in [each for each in self._wrong if each > state.onchain.epoch]:
            del self._wrong[epoch]


def payload_posted(event: events.Posted) -> Payload:
    """What the contract says was posted."""
    totals: Amounts = tuple(zip(event.assets, event.totals, strict=True))
    return Payload(event.epoch, event.root, totals)
