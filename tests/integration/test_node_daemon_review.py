"""Nodes as real processes: a round of review, a stranger at the door, and a kill at the worst time."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from commonground.addresses import now_ms, open_announcement
from commonground.client import CoordinatorClient
from commonground.p2p import Denial, DialRule, Grant, OpenBlob
from commonground.p2p.host import PeerHost
from commonhold.demo.stage import Stage
from coordinator.operator import Operator
from node.config import NodeConfig
from protocol.errors import Reject
from protocol.identity import KeyId
from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.log.link import parse_link
from protocol.state import State
from tests.node_lab import WINDOWS, Lab, Node, standing_by, until, wait_for
from tests.simulated import rounds

pytestmark = pytest.mark.timeout(90)
C = "digits"


class Nothing:
    """A peer that has nothing and lets nobody in."""

    async def open(self, item_id: bytes, part: str) -> OpenBlob | None:
        return None

    async def authorise(self, item_id: bytes, part: str, peer: KeyId) -> Grant | Denial:
        return Denial("nothing here")

    async def accept(self, author: KeyId, data: bytes) -> bool:
        return True


async def fetch_as(thief: Node, author: Node, state: State, folder: Path) -> None:
    """Asks the author's daemon for an item in the thief's own, genuine name."""
    nothing, link = Nothing(), parse_link(author.link)
    async with CoordinatorClient(link) as client:
        [raw] = await client.lookup([author.keys.key])
    found = open_announcement(raw, link.network, now_ms())
    host = PeerHost(
        thief.keys.seed,
        authorise=nothing.authorise,
        source=nothing,
        validate_checkpoint=nothing.accept,
        dialling=DialRule("127.0.0.1"),
    )
    item_id, item = next(state.items.scan())
    [part] = item.described().parts
    await host.start()
    try:
        await host.fetch(
            found.peer_id,
            found.addresses,
            item_id,
            part.name,
            sink_path=folder / "stolen",
            size_max=65_536,
            commitment=part.commitment,
        )
    finally:
        await host.stop()


def test_a_round_survives_a_kill_between_commit_and_reveal(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2)
            author = lab.node("author", stand_by=False)
            quick = lab.node("quick", reviewer="constant:3")
            person = lab.node("person")
            thief = lab.node("thief", stand_by=False)
            daemons = {each.name: lab.start(each) for each in (quick, person)}
            stage.wait_ready(*daemons.values())
            wait_for(operator, lambda s: standing_by(s, quick, person), "stand-bys")
            asyncio.run(author.submit(lab.write_digits(2, "3")))
            daemons["author"] = lab.start(author)

            # The person has not answered, so that commits stay open while we look around.
            mine = (C, quick.keys.person)
            state = wait_for(operator, lambda s: mine in s.commits, "a commit")
            with pytest.raises(Reject):
                asyncio.run(fetch_as(thief, author, state, tmp_path))
            assert not (tmp_path / "stolen").exists()
            daemons["quick"].process.kill()
            daemons["quick"].process.wait()
            stage.stop(daemons["quick"])

            for item_id in until(lambda: _fetched(person), "the person's items"):
                _answer(stage, person, item_id)
            revealing = RoundPhase.REVEALING
            wait_for(operator, lambda s: s.round_of(C).phase is revealing, "the end of commits")
            daemons["quick"] = lab.start(quick)
            state = wait_for(operator, lambda s: _decided(s, C) == 2, "the verdict")
            assert {item.status for _, item in state.items.scan()} == {ItemStatus.ACCEPTED}
            standing = {quick.keys.person, person.keys.person}
            assert all(set(item.answered_by) == standing for _, item in state.items.scan())

            for each in (quick, person):
                until(partial(_emptied, each), "others' content to be removed")
            for server in daemons.values():
                server.process.terminate()
                assert server.process.wait(timeout=5) == 0, server.log.read_text()[-2000:]


def test_a_fast_campaign_is_decided_while_a_person_takes_time_in_another(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2)
            fast = rounds(**WINDOWS | {"commit_ms": 20_000, "reveal_ms": 10_000})
            lab.open_campaign(operator, reviewers=2, id="fast", rounds=fast)
            author = lab.node("author", stand_by=False)
            reviewers = [lab.node("first"), lab.node("second")]
            for each in reviewers:  # a person in the one, a program in the other
                programs = {"fast": "constant:3"}
                each.configure(NodeConfig(parse_link(lab.link), reviewers=programs))
            stage.wait_ready(*(lab.start(each) for each in reviewers))
            both = (C, "fast")
            wait_for(
                operator,
                lambda s: all(standing_by(s, *reviewers, campaign_id=c) for c in both),
                "stand-bys in both campaigns",
            )
            files = lab.write_digits(2, "3")
            asyncio.run(author.submit(files))
            lab.start(author)
            slow = wait_for(operator, lambda s: s.tasks.count(C) == 2, "the slow round's draw")
            asyncio.run(author.submit(files, "fast"))
            state = wait_for(operator, lambda s: _decided(s, "fast") == 2, "the fast verdict")
            assert state.round_of(C) == slow.round_of(C)  # nothing happened there meanwhile
            assert state.round_of(C).phase is RoundPhase.COMMITTING
            assert state.commits.count(C) == 0
            for each in reviewers:
                for item_id in until(partial(_fetched, each), "the person's items"):
                    _answer(stage, each, item_id)
            wait_for(operator, lambda s: _decided(s, C) == 2, "the slow verdict")


def _decided(state: State, campaign_id: str) -> int:
    done = (ItemStatus.ACCEPTED, ItemStatus.REJECTED, ItemStatus.UNDECIDED)
    return sum(
        item.campaign_id == campaign_id and item.status in done for _, item in state.items.scan()
    )


def _fetched(node: Node) -> list[bytes] | None:
    with node.store() as store:
        tasks = store.tasks(C, 1)
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
