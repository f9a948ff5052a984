"""Nodes as real processes: a round of review, a stranger at the door, and a kill at the worst time."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from commonground.addresses import now_ms, open_announcement
from commonground.client import CoordinatorClient
from commonground.p2p import Denial, Grant, OpenBlob, PeerHost
from commonhold.demo.stage import Stage
from coordinator.operator import Operator
from protocol.errors import Reject
from protocol.identity import Identity
from protocol.lifecycle import ItemStatus
from protocol.log.link import parse_link
from protocol.state import State
from tests.node_lab import Lab, Node, until, wait_for

pytestmark = pytest.mark.timeout(90)


class Nothing:
    """A peer that has nothing and lets nobody in."""

    async def open(self, item_id: bytes) -> OpenBlob | None:
        return None

    async def authorise(self, peer: bytes, item_id: bytes) -> Grant | Denial:
        return Denial("nothing here")

    async def accept(self, author: bytes, data: bytes) -> bool:
        return True


async def fetch_as(thief: Node, author: Node, state: State, folder: Path) -> None:
    """Asks the author's daemon for an item in the thief's own, genuine name."""
    nothing, link = Nothing(), parse_link(author.link)
    async with CoordinatorClient(link) as client:
        [raw] = await client.lookup([author.keys.identity])
    found = open_announcement(raw, link.network, now_ms())
    host = PeerHost(
        thief.keys.seed,
        authorise=nothing.authorise,
        source=nothing,
        validate_checkpoint=nothing.accept,
    )
    item_id, item = next(iter(state.items.items()))
    await host.start()
    try:
        await host.fetch(
            found.peer_id,
            found.addresses,
            item_id,
            sink_path=folder / "stolen",
            size_max=65_536,
            commitment=item.record().content_commitment,
        )
    finally:
        await host.stop()


def test_a_round_survives_a_kill_between_commit_and_reveal(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found(rounds_max=1)
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2)
            author = lab.node("author", stand_by=False)
            quick = lab.node("quick", reviewer="constant:3")
            person = lab.node("person")
            thief = lab.node("thief", stand_by=False)
            asyncio.run(author.submit(lab.write_digits(2, "3")))
            daemons = {each.name: lab.start(each) for each in (author, quick, person)}
            stage.wait_ready(*daemons.values())
            me = Identity(quick.keys.identity)
            standing = (me, Identity(person.keys.identity))
            wait_for(
                operator, lambda s: all(s.members[who].standby for who in standing), "stand-bys"
            )
            operator.close_epoch(1)

            # The person has not answered, so that commits stay open while we look around.
            state = wait_for(operator, lambda s: me in s.epoch.round.commits, "a commit")
            with pytest.raises(Reject):
                asyncio.run(fetch_as(thief, author, state, tmp_path))
            assert not (tmp_path / "stolen").exists()
            daemons["quick"].process.kill()
            daemons["quick"].process.wait()
            stage.stop(daemons["quick"])

            tasks = until(lambda: _fetched(person), "the person's items")
            for item_id in tasks:
                _answer(stage, person, item_id)
            wait_for(operator, lambda s: s.epoch.phase.name == "REVEALING", "the end of commits")
            daemons["quick"] = lab.start(quick)
            state = wait_for(operator, lambda s: s.closed_epoch == 1, "the close")
            assert {item.status for item in state.items.values()} == {ItemStatus.ACCEPTED}
            assert all(set(item.answered_by) == set(standing) for item in state.items.values())

            for each in (quick, person):
                until(partial(_emptied, each), "others' content to be removed")
            for server in daemons.values():
                server.process.terminate()
                assert server.process.wait(timeout=5) == 0, server.log.read_text()[-2000:]


def _fetched(node: Node) -> list[bytes] | None:
    with node.store() as store:
        tasks = store.tasks(1, 1)
    ready = [task.item_id for task in tasks if task.status.value == "fetched"]
    return ready if tasks and len(ready) == len(tasks) else None


def _answer(stage: Stage, node: Node, item_id: bytes) -> None:
    place = ("--dir", str(node.home.root))
    stage.run("node", "review", "answer", item_id.hex(), "3", *place)


def _emptied(node: Node) -> bool | None:
    return None if list((node.home.root / "review").iterdir()) else True


def test_a_second_daemon_is_refused_and_says_why(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        node = lab.node("one")
        stage.wait_ready(lab.start(node))
        with (node.home.root / "node.lock").open() as lock:
            holder = lock.read().strip()
        refused = lab.stage.serve("two", "node", "start", "--dir", str(node.home.root))
        assert refused.process.wait(timeout=20) == 5
        assert f"process {holder}" in refused.log.read_text()
