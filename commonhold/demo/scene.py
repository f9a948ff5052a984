"""What all acts of the demo share: where everything is, who plays, and how to ask them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from commonhold.demo.cast import Cast
from commonhold.demo.display import Display, Step
from commonhold.demo.measure import KnownItem
from commonhold.demo.onchain import ChainView, deployment_of
from commonhold.demo.stage import DemoError, Server, Stage
from commonhold.demo.tail import Tail
from protocol.identity import Identity
from protocol.money.settlement import Address, Deployment
from protocol.state import ItemId

CAMPAIGN: Final = "digits"
LICENCE: Final = "CC-BY-4.0"
WAIT_S: Final = 60.0
POLL_S: Final = 0.2


@dataclass
class Scene:
    """The state of a running demo."""

    stage: Stage
    display: Display
    seed: int
    cast: Cast
    identities: dict[str, Identity] = field(default_factory=dict)
    payouts: dict[str, Address] = field(default_factory=dict)
    nodes: dict[str, Server] = field(default_factory=dict)
    link: str = ""
    http_url: str = ""
    rpc_url: str = ""
    known: dict[ItemId, KnownItem] = field(default_factory=dict)

    @cached_property
    def chain(self) -> ChainView:
        """The demo's own look at the chain."""
        return ChainView(self.rpc_url)

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

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits for something that other processes do; raises DemoError after a minute."""
        deadline = time.monotonic() + WAIT_S
        while not holds():
            if time.monotonic() > deadline:
                raise DemoError(f"waited {WAIT_S:.0f} s in vain until {what}")
            time.sleep(POLL_S)

    def close_epoch(self, step: Step) -> None:
        """Closes the epoch, and tells from the public log how far its review is."""
        tail = Tail(self.http_url)
        command = ("coordinator", "epoch", "close", "--dir", self.coordinator)
        with self.stage.running(*command) as run:
            while run.process.poll() is None:
                step.say(tail.review())
                time.sleep(POLL_S)
        step.say(tail.review())
