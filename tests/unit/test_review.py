"""A reviewer's duties against the real rules: what is queued here goes through the fold of a network.

The log is fed entry by entry through a real Follower and Store; only the network between is left out.
"""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commonground.client import Lie
from node.answering import Answering, Deadlines, RoundKey, remove_contents, seconds_left
from node.examine import Examiner, Opinion, Wanted
from node.follower import Follower
from node.intake import PNG, fingerprint_content
from node.keys import NodeKeys
from node.review import ReviewDuties, make_tasks
from node.reviewers import Reviewer, load_reviewer
from node.rows import TaskStatus
from node.store import Store
from protocol.errors import StoreError
from protocol.log import commitments
from protocol.log.merkle import hash_leaf
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb
from tests.simulated import Network, Person
from tests.simulated_log import LINK, feed, keys_of

PATIENT = Deadlines(fetch_seconds=60, answer_seconds=60)


def digit(seed: int) -> bytes:
    """A PNG that no other seed comes near."""
    pixels = np.random.default_rng(seed).integers(0, 255, (28, 28), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


class Shelf:
    """Stands in for the network: gives out what is on it, to whoever asks, at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contents: dict[bytes, bytes] = {}
        self.served = 0

    async def run_pass(
        self, wanted: Sequence[Wanted], arrived: Callable[[Wanted, Path | Opinion], None]
    ) -> None:
        for each in wanted:
            if each.item_id in self.contents:
                path = each.path_in(self.folder)
                path.write_bytes(self.contents[each.item_id])
                self.served += 1
                arrived(each, path)


class Bench:
    """One reviewing node beside a simulated network."""

    def __init__(self, folder: Path, items: int = 3) -> None:
        self.me = Person("me")
        self.keys = keys_of(self.me)
        self.author, self.others = Person("author"), [Person("a"), Person("b")]
        self.net = Network(self.author, self.me, *self.others)
        self.folder = folder
        self.shelf = Shelf(folder / "review")
        self.chance = random.Random(7)
        self.net.submit(self.author, [self.item(digit(seed)) for seed in range(items)])
        self.restart()

    def item(self, content: bytes, fingerprint: bytes = b"") -> bytes:
        """A leaf whose content is on the shelf."""
        salt, label_salt = self.chance.randbytes(32), self.chance.randbytes(32)
        leaf = pb.Item(
            content_commitment=commitments.content_commitment(salt, content),
            size=len(content),
            media_type=PNG,
            label_commitment=commitments.label_commitment(label_salt, 3),
            fingerprint=fingerprint or fingerprint_content(content, PNG),
            licence="CC-BY-4.0",
            consent=pb.Consent(train=True, redistribute=True),
            origin=pb.ORIGIN_HUMAN,
        ).SerializeToString()
        self.net.openings[hash_leaf(leaf)] = (label_salt, 3)
        self.net.truth[hash_leaf(leaf)] = 3
        self.shelf.contents[hash_leaf(leaf)] = content
        return leaf

    def restart(
        self, deadlines: Deadlines = PATIENT, plugin: str = "constant:3", stand_by: bool = True
    ) -> None:
        """What a kill and a start leave: the files, and nothing that was in memory."""
        self.store = Store(self.folder / "node.db")
        self.follower = Follower(self.store, LINK)
        self.follower.replay()
        reviewer: Reviewer | None = load_reviewer(plugin) if plugin else None
        answering = Answering(
            self.store,
            self.shelf,  # type: ignore[arg-type]  # the network's stand-in
            Examiner(reviewer),
            self.shelf.folder,
            deadlines,
        )
        self.duties = ReviewDuties(
            self.keys,
            self.store,
            self.follower,
            answering,
            stand_by=stand_by,
            queued=lambda: None,
        )
        self.follow()

    def follow(self) -> None:
        """Brings the node's replay up to the network's log."""
        feed(self.follower, self.net)

    async def act(self) -> list[str]:
        """One step of duty; what it queued is logged. Gives the kinds."""
        self.follow()
        await self.duties.step()
        return self.deliver()

    def deliver(self) -> list[str]:
        kinds = []
        while (row := self.store.next_queued()) is not None:
            self.net.add_raw(row.outgoing.envelope, row.outgoing.leaves)
            self.store.mark_sent(row.outgoing.digest, len(self.net.log) - 1, b"")
            kinds.append(row.outgoing.kind)
        self.follow()
        return kinds

    async def until_drawn(self) -> RoundKey:
        """Up to the draw, in which everybody gets every item."""
        assert await self.act() == ["standby"]
        self.net.stand_by(*self.others)
        self.net.phase(pb.PHASE_BEACON)
        assert await self.act() == ["beacon"]
        self.net.open_beacons(*self.others)
        self.net.draw()
        self.follow()
        return RoundKey(1, self.net.state.epoch.round.number)

    def finish_commits(self) -> None:
        for other in self.others:
            self.net.commit(other, self.net.answers(other))
        self.net.phase(pb.PHASE_REVEALING)
        self.follow()

    def answers(self) -> list[tuple[int | None, int]]:
        mine = [a for a in self.net.state.epoch.answers if a.reviewer == self.me.identity]
        return [(answer.label, answer.abstention) for answer in mine]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


async def test_a_round_from_stand_by_to_reveal(bench: Bench) -> None:
    await bench.until_drawn()
    assert await bench.act() == ["commit"]
    bench.finish_commits()
    assert await bench.act() == ["reveal"]
    assert bench.answers() == [(3, 0)] * 3


async def test_a_step_done_twice_queues_once(bench: Bench) -> None:
    await bench.until_drawn()
    await bench.duties.step()
    await bench.duties.step()
    assert bench.deliver() == ["commit"]
    assert await bench.act() == []


async def test_every_step_survives_a_kill(bench: Bench) -> None:
    """Killed before and after each delivery, with everything in memory lost."""
    net = bench.net
    await bench.duties.step()
    bench.restart()
    await bench.duties.step()  # the stand-by is queued already
    assert bench.deliver() == ["standby"]
    net.stand_by(*bench.others)
    net.phase(pb.PHASE_BEACON)
    bench.restart()
    await bench.duties.step()
    bench.restart()
    await bench.duties.step()
    assert bench.deliver() == ["beacon"]
    net.open_beacons(*bench.others)
    net.draw()
    bench.restart()
    await bench.duties.step()
    bench.restart()
    await bench.duties.step()
    assert bench.deliver() == ["commit"]
    bench.finish_commits()
    bench.restart()
    await bench.duties.step()
    bench.restart()
    await bench.duties.step()
    assert bench.deliver() == ["reveal"]
    assert bench.answers() == [(3, 0)] * 3


async def test_a_crash_inside_a_commit_leaves_no_half_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nonces without a queued commit would be replaced; a commit without nonces could not be opened."""
    key = await bench.until_drawn()

    def crash(_: object) -> bool:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(bench.store, "enqueue", crash)
        with pytest.raises(StoreError):
            await bench.duties.step()
    tasks = bench.store.tasks(key.epoch, key.round)
    assert {(task.status, task.nonce) for task in tasks} == {(TaskStatus.ANSWERED, b"")}
    bench.restart()
    assert await bench.act() == ["commit"]
    bench.finish_commits()
    assert await bench.act() == ["reveal"]


async def test_the_next_beacon_is_the_one_committed_to_with_the_last(bench: Bench) -> None:
    bench.restart(plugin="constant:99")  # abstains
    await bench.until_drawn()
    await bench.act()
    bench.net.phase(pb.PHASE_REVEALING)
    await bench.act()
    bench.net.verdict()  # nobody answered: another round
    assert bench.net.state.epoch.phase.name == "BEACON"
    bench.restart()
    assert await bench.act() == ["beacon"]


async def test_content_that_is_not_served_is_unavailable(bench: Bench) -> None:
    missing = next(iter(bench.shelf.contents))
    del bench.shelf.contents[missing]
    bench.restart(Deadlines(fetch_seconds=0.2, answer_seconds=60))
    await bench.until_drawn()
    assert await bench.act() == ["commit"]
    bench.finish_commits()
    await bench.act()
    assert sorted(bench.answers(), key=str) == [(3, 0), (3, 0), (None, pb.ABSTENTION_UNAVAILABLE)]


async def test_content_that_is_not_as_described_is_a_mismatch(tmp_path: Path) -> None:
    bench = Bench(tmp_path, items=1)
    bench.net.submit(bench.author, [bench.item(digit(50), fingerprint_content(digit(60), PNG))])
    await bench.until_drawn()
    await bench.act()
    bench.finish_commits()
    await bench.act()
    assert sorted(bench.answers(), key=str) == [(3, 0), (None, pb.ABSTENTION_MISMATCH)]


async def test_a_plug_in_without_an_opinion_abstains(bench: Bench) -> None:
    bench.restart(plugin="constant:99")
    await bench.until_drawn()
    await bench.act()
    bench.finish_commits()
    await bench.act()
    assert bench.answers() == [(None, pb.ABSTENTION_UNSURE)] * 3


async def test_a_person_answers_through_the_store(bench: Bench) -> None:
    bench.restart(plugin="")
    key = await bench.until_drawn()
    with Store(bench.folder / "node.db") as elsewhere:  # as the command line does
        for task in make_tasks(bench.follower.state, bench.me.identity):
            elsewhere.add_tasks([task])
            elsewhere.set_answer(task, 5)
    assert await bench.act() == ["commit"]
    late = bench.store.tasks(key.epoch, key.round)[0]
    assert not bench.store.set_answer(late, 1)  # what is committed stays
    bench.finish_commits()
    await bench.act()
    assert bench.answers() == [(5, 0)] * 3


async def test_what_a_person_leaves_open_is_unsure_when_time_is_up(bench: Bench) -> None:
    bench.restart(Deadlines(fetch_seconds=60, answer_seconds=0.3), plugin="")
    await bench.until_drawn()
    await bench.act()
    bench.finish_commits()
    await bench.act()
    assert bench.answers() == [(None, pb.ABSTENTION_UNSURE)] * 3


async def test_answering_ends_when_the_log_turns_out_to_lie(bench: Bench) -> None:
    bench.restart(plugin="")  # a person, who does not answer
    await bench.until_drawn()
    working = asyncio.create_task(bench.duties.step())
    while not bench.shelf.served:
        await asyncio.sleep(0)
    with pytest.raises(Lie):
        bench.follower.take(api.FollowResponse(checkpoint=b"not a checkpoint"))
    with pytest.raises(Lie):
        await working
    assert bench.store.next_queued() is None


async def test_answering_ends_with_the_phase(bench: Bench) -> None:
    bench.restart(plugin="")
    await bench.until_drawn()
    working = asyncio.create_task(bench.duties.step())
    while not bench.shelf.served:
        await asyncio.sleep(0)
    bench.finish_commits()
    await working
    assert bench.store.next_queued() is None
    assert list(bench.shelf.folder.iterdir()) == []


async def test_fetched_content_is_examined_again_after_a_kill(bench: Bench) -> None:
    await bench.until_drawn()
    tasks = make_tasks(bench.follower.state, bench.me.identity)
    bench.store.add_tasks(tasks)
    bench.shelf.folder.mkdir(exist_ok=True)
    for task in tasks:
        path = bench.shelf.folder / task.item_id.hex()
        path.write_bytes(bench.shelf.contents[task.item_id])
        bench.store.set_fetched(task, path)
    bench.shelf.contents.clear()
    bench.restart()
    assert await bench.act() == ["commit"]
    assert {t.label for t in bench.store.tasks(1, 1)} == {3}


async def test_others_content_is_gone_once_we_committed(bench: Bench) -> None:
    await bench.until_drawn()
    await bench.act()
    assert bench.shelf.served == 3
    await bench.duties.step()
    assert list(bench.shelf.folder.iterdir()) == []


async def test_a_round_that_went_on_without_us_is_lost_and_said_so(bench: Bench) -> None:
    key = await bench.until_drawn()
    bench.store.add_tasks(make_tasks(bench.follower.state, bench.me.identity))
    bench.finish_commits()
    assert await bench.act() == []
    assert {task.status for task in bench.store.tasks(key.epoch, key.round)} == {TaskStatus.FAILED}


async def test_without_the_wish_to_review_nobody_stands_by(bench: Bench) -> None:
    bench.restart(stand_by=False)
    assert await bench.act() == []


async def test_a_lost_beacon_value_is_replaced_while_that_is_possible(bench: Bench) -> None:
    assert await bench.act() == ["standby"]
    bench.store.close()
    (bench.folder / "node.db").unlink()
    bench.restart()
    assert await bench.act() == ["standby"]
    bench.net.stand_by(*bench.others)
    bench.net.phase(pb.PHASE_BEACON)
    assert await bench.act() == ["beacon"]


async def test_a_stranger_has_no_duties(bench: Bench) -> None:
    bench.keys = NodeKeys(bytes(range(32)), bench.me.wallet.to_bytes())
    bench.restart()
    assert await bench.act() == []


def test_a_period_never_grows() -> None:
    assert seconds_left(1_000, 10, 6_000) == 5
    assert seconds_left(1_000, 10, 0) == 10  # the clock was set back
    assert seconds_left(1_000, 10, 99_000) == 0


def test_content_is_removed_but_for_what_is_kept(tmp_path: Path) -> None:
    keep, drop = b"\1" * 32, b"\2" * 32
    for name in (keep.hex(), drop.hex(), f"{drop.hex()}.ab12.part", f"{keep.hex()}.ab12.part"):
        (tmp_path / name).touch()
    assert remove_contents(tmp_path, [keep]) == 2
    assert {path.name for path in tmp_path.iterdir()} == {keep.hex(), f"{keep.hex()}.ab12.part"}
