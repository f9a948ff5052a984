"""A coordinator that shows two histories: both nodes notice, keep the evidence, and stop.

The two histories are two servers with the same keys, over copies of a ledger that then part ways.
Each node is shown one. They still hear of each other, as peers do who have met before.
"""

from __future__ import annotations

import asyncio
import shutil
from functools import partial
from pathlib import Path

import pytest

from commonground.client import CoordinatorClient
from commonhold.demo.stage import Server, Stage
from coordinator.config import Home
from coordinator.operator import Operator
from node.config import NodeConfig
from node.rows import AlarmRow
from node.splitview import SPLIT_VIEW, SplitView, verify_split
from protocol.log.link import parse_link
from tests.node_lab import Lab, Node, until

pytestmark = pytest.mark.timeout(90)


async def introduce(one: Node, other: Node) -> bool | None:
    """Carries each node's announcement to the other's coordinator, once both have announced."""
    async with (
        CoordinatorClient(parse_link(one.link)) as here,
        CoordinatorClient(parse_link(other.link)) as there,
    ):
        own = await here.lookup([one.keys.key])
        theirs = await there.lookup([other.keys.key])
        if not own or not theirs:
            return None
        await there.announce(own[0])
        await here.announce(theirs[0])
    return True


def alarms_of(node: Node) -> list[AlarmRow] | None:
    with node.store() as store:
        return store.alarms() or None


def test_two_histories_are_noticed_by_both_nodes(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        nodes = [lab.node(name, stand_by=False) for name in ("alice", "bob")]
        stage.stop(lab.server)
        forked = Home(tmp_path / "forked")
        shutil.copytree(lab.home.path, forked.path)
        for node, home in zip(nodes, (lab.home, forked), strict=True):
            node.configure(NodeConfig(parse_link(lab.serve(home).ready["link"]), stand_by=False))
        with Operator(lab.home) as one, Operator(forked) as two:
            lab.open_campaign(one, reviewers=2)
            lab.open_campaign(two, reviewers=3)
            assert one.state.size == two.state.size
        daemons = [lab.start(node) for node in nodes]
        stage.wait_ready(*daemons)
        until(lambda: asyncio.run(introduce(*nodes)), "both announcements")
        verifier = parse_link(lab.link).log_verifier
        for node, daemon in zip(nodes, daemons, strict=True):
            [alarm, *_] = until(partial(alarms_of, node), f"the alarm of {node.name}")
            assert alarm.kind == SPLIT_VIEW
            # It convinces anybody who knows the log's key.
            verify_split(SplitView.of_parts(alarm.evidence), verifier)
            log = until(partial(said, daemon, "CANNOT BE TRUSTED"), "a loud line in the log")
            assert node.keys.seed.hex() not in log
        alice, daemon = nodes[0], daemons[0]
        stage.run("node", "alarms", "--acknowledge", "--dir", str(alice.home.root))
        until(partial(said, daemon, "going on"), "the owner's word to be taken")
        assert alarms_of(alice) is None
        assert alarms_of(nodes[1]) is not None  # bob's owner has said nothing


def said(server: Server, words: str) -> str | None:
    log = server.log.read_text()
    return log if words in log else None
