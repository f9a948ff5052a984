"""Reviewers who do their part over gRPC: they follow the log, and act on what it says.

All that they send follows from their names, so that one who was cut off sends the same again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from protocol.lifecycle import RoundPhase
from protocol.log.strict import encode_leaf
from protocol.rows import ItemId
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.helpers import Person, append_request, batch
from tests.live_coordinator import Live, Mirror, Stub


class Reviewers:
    """Some people who review in some campaigns. `truth` says what they answer, and may grow."""

    def __init__(
        self,
        net: Live | Stub,
        network: bytes,
        people: Sequence[Person],
        campaigns: Sequence[str],
        truth: Mapping[ItemId, bytes],
    ) -> None:
        self.stub = net.stub if isinstance(net, Live) else net
        self.network = network
        self.people = people
        self.campaigns = campaigns
        self.truth = truth
        self.silent: set[str] = set()  # campaigns in which nobody commits
        self.holds: RoundPhase | None = None  # in which nobody does anything
        self.mirror = Mirror(self.stub)
        self.grown = asyncio.Condition()
        self._sent: set[tuple[str, str, str, int]] = set()

    async def run(self) -> None:
        """Until it is cancelled, or the server goes away."""
        while True:
            await self.mirror.more()
            async with self.grown:
                self.grown.notify_all()
            for campaign_id in self.campaigns:
                for person in self.people:
                    await self.act(campaign_id, person)

    async def until(self, reached: Callable[[State], bool]) -> State:
        """Waits until the state that they see is as wanted."""
        async with self.grown:
            await self.grown.wait_for(lambda: reached(self.mirror.state))
        return self.mirror.state

    async def act(self, c: str, person: Person) -> None:
        """What the person has to do in a campaign now, if it is not done."""
        state, key = self.mirror.state, (c, person.id)
        if c not in state.campaigns or person.id not in state.members:
            return
        round_ = state.round_of(c)
        if round_.phase is self.holds:
            return
        place: dict[str, Any] = {"network": self.network, "campaign_id": c, "round": round_.number}
        if round_.phase is RoundPhase.OPEN and key not in state.standbys:
            serial = state.words.get(key, 0)
            body = pb.Standby(network=self.network, campaign_id=c, stands=True, serial=serial)
            await self._send(person, "standby", body, number=serial)
        elif c in self.silent or key not in state.tasks:
            return
        elif round_.phase is RoundPhase.COMMITTING and key not in state.commits:
            answers = batch(self.answers(c, person))
            await self._send(person, "commit", pb.Commit(**place, answers=answers))
        elif round_.phase is RoundPhase.REVEALING and key in state.commits:
            leaves = self.answers(c, person)
            await self._send(person, "reveal", pb.Reveal(**place, answers=batch(leaves)), leaves)

    def answers(self, c: str, person: Person) -> list[bytes]:
        number = self.mirror.state.round_of(c).number
        nonce = hashlib.sha256(f"{person.name} {c} {number}".encode()).digest()
        return [
            encode_leaf(
                pb.Answer(
                    item_id=item_id, reviewer=person.id, nonce=nonce, answer=self.truth[item_id]
                )
            )
            for item_id in self.mirror.state.tasks[c, person.id]
        ]

    async def _send(
        self,
        person: Person,
        kind: str,
        body: Any,
        leaves: Sequence[bytes] = (),
        number: int | None = None,
    ) -> None:
        act = (body.campaign_id, person.name, kind, body.round if number is None else number)
        if act in self._sent:
            return
        try:
            await self.stub.Append(append_request(person, kind, body, leaves))
        except grpc.aio.AioRpcError as error:
            # Late: the round has gone on since the page that this follows from.
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise
        self._sent.add(act)


@asynccontextmanager
async def reviewing(reviewers: Reviewers) -> AsyncIterator[Reviewers]:
    """The reviewers at work."""
    task = asyncio.create_task(reviewers.run())
    try:
        yield reviewers
    finally:
        task.cancel()
        done, _ = await asyncio.wait([task])
        for each in done:
            if not each.cancelled() and (error := each.exception()) is not None:
                raise error
