"""What all acts of the demo share: where everything is, who plays, and how to ask them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from commonhold.demo.asks import Ask
from commonhold.demo.cast import CAMPAIGN, Cast
from commonhold.demo.display import Display, Step
from commonhold.demo.measure import KnownItem
from commonhold.demo.onchain import ChainView, deployment_of
from commonhold.demo.stage import DemoError, Server, Stage
from commonhold.demo.tail import Tail
from protocol.identity import PersonId
from protocol.money.settlement import ETHER, Address, Deployment
from protocol.rows import ItemId
from protocol.state import State

LICENCE: Final = "CC-BY-4.0"
WAIT_S: Final = 60.0
POLL_S: Final = 0.2
LOOK_S: Final = 0.5  # at the whole log, whose folding takes what the nodes need as well


@dataclass
class Scene:
    """The state of a running demo."""

    stage: Stage
    display: Display
    seed: int
    cast: Cast
    asks: list[Ask]  # the other campaigns
    people: dict[str, PersonId] = field(default_factory=dict)
    payouts: dict[str, Address] = field(default_factory=dict)
    nodes: dict[str, Server] = field(default_factory=dict)
    link: str = ""
    http_url: str = ""
    rpc_url: str = ""
    stable: Address = ETHER  # the stablecoin that the network takes, once it is there
    known: dict[ItemId, KnownItem] = field(default_factory=dict)

    @cached_property
    def chain(self) -> ChainView:
        """The demo's own look at the chain."""
        return ChainView(self.rpc_url)

    @cached_property
    def tail(self) -> Tail:
        """The public log."""
        return Tail(self.http_url)

    @property
    def asked(self) -> Path:
        """Where what the other campaigns ask about lies."""
        return self.stage.folder / "asked"

    @property
    def campaigns(self) -> dict[str, str]:
        """The kind of each campaign's question, by its id."""
        return {CAMPAIGN: "classify"} | {ask.id: ask.kind for ask in self.asks}

    @property
    def coordinator(self) -> str:
        """The operator's home."""
        return str(self.stage.folder / "coordinator")

    def node(self, name: str) -> str:
        """A contributor's home."""
        return str(self.stage.folder / "nodes" / name)

    def operate(self, *arguments: str) -> dict[str, Any]:
        """A command of the operator's."""
        return self.stage.run("coordinator", *arguments, "--dir", self.coordinator)

    def deployment(self) -> Deployment:
        """The network's contracts."""
        return deployment_of(self.operate("status"))

    def query(self, name: str, sql: str, *values: object) -> list[Any]:
        """Asks a node's own database, as its owner could with any SQLite tool."""
        uri = f"file:{self.node(name)}/node.db?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            return database.execute(sql, values).fetchall()

    def wait_until(
        self,
        holds: Callable[[], bool],
        what: str,
        seconds: float = WAIT_S,
        every: float = POLL_S,
    ) -> None:
        """Waits for something that other processes do; raises DemoError after a minute."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise DemoError(f"waited {seconds:.0f} s in vain until {what}")
            time.sleep(every)

    def wait_for_log(
        self, holds: Callable[[State], bool], what: str, step: Step, seconds: float = WAIT_S
    ) -> None:
        """The same for something that the public log says; shows meanwhile how far its reviews are."""

        def look() -> bool:
            done = holds(self.tail.catch_up())
            step.say(self.tail.review())
            return done

        self.wait_until(look, what, seconds, LOOK_S)
