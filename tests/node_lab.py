"""A coordinator and nodes as real processes in one folder, for the tests of the daemon."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from commonground.client import CoordinatorClient
from commonhold.demo.stage import Server, Stage
from coordinator.config import Config, Home
from coordinator.founding import found
from coordinator.operator import Operator
from coordinator.terms import Terms as SettlementTerms
from node.blobs import BlobStore
from node.config import ANY_CAMPAIGN, NodeConfig, NodeDirectory, write_config
from node.follower import Follower
from node.keys import NodeKeys, generate_keys, save_keys
from node.outbox import flush
from node.planning import Terms
from node.registration import registration
from node.store import Store
from node.submission import Submitter
from protocol.log.link import parse_link
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.live_coordinator import default_policy
from tests.simulated import campaign, part, rounds

PATIENCE_SECONDS = 25.0
POLL_SECONDS = 0.05
LISTEN = ("/ip4/127.0.0.1/tcp/0",)
# Longer than a test waits: a phase ends since everybody did their part.
WINDOWS = {"seal_wait_ms": 500, "commit_ms": 60_000, "reveal_ms": 20_000}

T = TypeVar("T")


def digit(seed: int) -> bytes:
    """A PNG that no other seed comes near."""
    pixels = np.random.default_rng(seed).integers(0, 255, (28, 28), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def until(look: Callable[[], T | None], what: str) -> T:
    """Looks again and again until there is something; fails after PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(POLL_SECONDS)
    return found


@dataclass
class Node:
    """A node's directory and keys; the daemon is started apart."""

    name: str
    home: NodeDirectory
    keys: NodeKeys
    link: str

    def store(self) -> Store:
        return Store(self.home.database)

    def configure(self, config: NodeConfig) -> None:
        """Writes node.toml, for loopback only."""
        self.link = str(config.link)
        write_config(self.home, replace(config, listen=LISTEN))

    async def send(self) -> None:
        """Delivers what is queued, without a daemon."""
        with self.store() as store:
            async with CoordinatorClient(parse_link(self.link)) as client:
                await flush(client, store)

    async def submit(self, files: dict[Path, str], campaign_id: str = "digits") -> None:
        """Submits labelled files, without a daemon."""
        terms = Terms(
            "CC-BY-4.0", pb.Consent(train=True, redistribute=True), origin=pb.ORIGIN_HUMAN
        )
        with self.store() as store, BlobStore(self.home.blobs) as blobs:
            async with CoordinatorClient(parse_link(self.link)) as client:
                follower = Follower(store, parse_link(self.link))
                await follower.catch_up(client)
                labels = {path.name: label for path, label in files.items()}
                submitter = Submitter(store, blobs, self.keys, follower.state, campaign_id)
                submitter.submit(list(files), labels, terms)
                await flush(client, store)


@dataclass
class Lab:
    """One network."""

    stage: Stage
    folder: Path
    link: str = ""
    home: Home = field(init=False)
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.home = Home(self.folder / "coordinator")

    def found(self, **policy: int) -> None:
        """Founds the network and serves it."""
        config = Config(name="lab", grpc_port=0, http_port=0)
        found(self.home, config, default_policy(**policy))
        self.server = self.serve(self.home)
        self.link = self.server.ready["link"]

    def found_on_chain(
        self, rpc_url: str, secret: bytes, terms: SettlementTerms, **policy: int | str
    ) -> None:
        """The same, with an account on a chain."""
        config = Config(name="lab", grpc_port=0, http_port=0, rpc_url=rpc_url, settlement=terms)
        found(self.home, config, default_policy(**policy), secret)
        self.server = self.serve(self.home)
        self.link = self.server.ready["link"]

    def serve(self, home: Home) -> Server:
        """Starts a coordinator; its link is in `ready`."""
        server = self.stage.serve(home.path.name, "coordinator", "serve", "--dir", str(home.path))
        self.stage.wait_ready(server)
        return server

    def open_campaign(self, operator: Operator, reviewers: int, **changes: object) -> None:
        """A campaign for pictures of digits, whose rounds are sealed as soon as something waits."""
        body = campaign(
            **{
                "parts": [part("image", "image/png")],
                "reviewers_per_item": reviewers,
                "rounds": rounds(**WINDOWS),
            }
            | changes
        )
        body.network = operator.state.network
        operator.append("campaign", body)

    def node(self, name: str, reviewer: str = "", stand_by: bool = True, rpc_url: str = "") -> Node:
        """Makes a node and registers it."""
        home = NodeDirectory(self.folder / name)
        home.create()
        keys = generate_keys()
        save_keys(home.keys, keys)
        node = Node(name, home, keys, self.link)
        reviewers = {ANY_CAMPAIGN: reviewer} if reviewer else {}
        config = NodeConfig(parse_link(self.link), reviewers=reviewers, stand_by=stand_by)
        node.configure(replace(config, rpc_url=rpc_url))
        with node.store() as store:
            store.enqueue(registration(keys, parse_link(self.link).network))
        asyncio.run(node.send())
        return node

    def start(self, node: Node, *options: str) -> Server:
        """Starts the daemon of a node."""
        return self.stage.serve(node.name, "node", "start", "--dir", str(node.home.root), *options)

    def write_digits(self, count: int, label: str) -> dict[Path, str]:
        """Files to submit, all with the same label."""
        files = {}
        for seed in range(count):
            path = self.folder / f"{seed}.png"
            path.write_bytes(digit(seed))
            files[path] = label
        return files


def standing_by(state: State, *nodes: Node, campaign_id: str = "digits") -> bool:
    """Whether these nodes' owners stand by for a campaign's next round."""
    return all((campaign_id, node.keys.person) in state.standbys for node in nodes)


def wait_for(operator: Operator, condition: Callable[[State], bool], what: str) -> State:
    """Follows the log until the condition holds of its state."""
    for state in operator.updates(PATIENCE_SECONDS):
        if condition(state):
            return state
    raise AssertionError(f"waited in vain for {what}")
