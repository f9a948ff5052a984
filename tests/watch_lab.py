"""A network whose first epoch is settled on a real chain, watched through an endpoint that may lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.endpoint import Endpoint
from contracts.findings import Kind
from contracts.logged import Logged, Said
from contracts.reader import ChainReader
from contracts.watch import Look, Watch
from protocol import transition
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.money.payload import Payload
from protocol.money.settlement import ETHER
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.chain_says import settlement
from tests.contract_lab import DELAY_S, ChainLab
from tests.fold import closed
from tests.simulated import Network, Person, batch

Lie = Callable[[str, Sequence[Any], Any], Any]
"""Called with a method, its parameters and the true answer; gives what is answered."""

#: A log that is up to date, whatever the chain's own clock says.
NOW_S = 1e12


class LyingEndpoint(Endpoint):
    """Asks a chain, and changes what it says."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.lie: Lie = lambda _method, _params, answer: answer

    def call(self, method: str, *params: Any) -> Any:
        return self.lie(method, params, super().call(method, *params))


@dataclass
class WatchLab:
    """`people`: a member or more, whose epoch is closed, proposed, posted, enacted and read."""

    lab: ChainLab
    net: Network = field(default_factory=lambda: Network(*(Person(f"p{n}") for n in range(5))))

    def __post_init__(self) -> None:
        self.endpoint = LyingEndpoint(self.lab.url)
        self.watch = Watch(ChainReader(self.endpoint))
        self.net.add(self.net.operator, "deployment", self.lab.log_deployment())
        self.read()

    @property
    def state(self) -> State:
        return self.net.state

    def read(self, edit: Callable[[list[pb.ChainLog]], None] = lambda _: None) -> None:
        """The operator logs what is new on chain, or what `edit` makes of it."""
        body, leaves = self.lab.log_chain(self.net)
        logs = [parse_leaf(pb.ChainLog, leaf) for leaf in leaves]
        edit(logs)
        changed = [encode_leaf(log) for log in logs]
        body.logs.CopyFrom(batch(changed))
        self.net.add(self.net.operator, "chain", body, changed)

    def earn(self) -> Payload:
        """An epoch closes, and its root is proposed in the log."""
        closed(self.net)
        epoch = self.state.onchain.posted + 1
        self.net.add(self.net.operator, "settlement", settlement(self.net, epoch))
        return self.state.payloads[epoch]

    def settle(self) -> Payload:
        """An epoch from its end to its root in force, read."""
        payload = self.earn()
        self.post(payload)
        self.enact(payload)
        self.read()
        return payload

    def post(self, payload: Payload) -> None:
        self.lab.chain.post(payload, self.lab.last, self.lab.signed_post(payload))
        self.lab.last = payload

    def enact(self, payload: Payload) -> None:
        self.lab.pass_time(DELAY_S)
        self.lab.chain.enact(payload)

    def deposit(self, wei: int = 10**15) -> None:
        self.lab.chain.deposit(ETHER, wei, b"")

    def logged(self) -> Logged:
        """What somebody collects who replays the log."""
        logged, state = Logged(), State()
        for entry in self.net.log:
            applied = transition.apply(state, entry.raw, entry.leaves)
            logged.take(state, applied.kind, applied.record)
        return logged

    def said(self) -> Said:
        found = self.logged().said(self.state)
        assert found is not None
        return found

    def look(self, lie: Lie | None = None, as_of_s: float = NOW_S) -> Look:
        """What somebody sees who looks for the first time."""
        if lie is not None:
            self.endpoint.lie = lie
        return Watch(ChainReader(self.endpoint)).look(self.said(), as_of_s)

    def kinds(self, lie: Lie | None = None) -> set[Kind]:
        look = self.look(lie)
        assert not look.unchecked, look.unchecked
        return {each.kind for each in look.findings}
