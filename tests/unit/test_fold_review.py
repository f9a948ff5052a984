"""The fold: beacon, draw, commit, reveal."""

from __future__ import annotations

from typing import Any

from protocol.limits import PPM
from protocol.rules import review
from protos.gen import records_pb2 as pb
from tests.fold import (
    drawn,
    refuses,
    submitted,
)
from tests.simulated import NETWORK, Network, batch


def test_a_beacon_value_must_be_the_committed_one_and_counts_once(net: Network) -> None:
    submitted(net)
    ben = net.people[1]
    honest = ben.beacons[-1]
    ben.beacons[-1] = net.fresh()
    with refuses("does not match the reviewer's commitment"):
        net.open_beacons(ben)
    ben.beacons.append(honest)
    net.open_beacons(ben)
    again = pb.Beacon(network=NETWORK, epoch=1, round=1, value=honest)
    with refuses("has opened a value"):
        net.add(ben, "beacon", again)


def test_nobody_stands_by_once_the_items_are_fixed(net: Network) -> None:
    submitted(net)
    with refuses("while submissions are open"):
        net.stand_by(net.people[0])


def test_the_draw_is_recomputed(net: Network) -> None:
    submitted(net)
    net.open_beacons(*net.people[1:])
    seed, assignments = review.compute_draw(net.state)
    favoured = dict(assignments)
    item_id = next(iter(favoured))
    favoured[item_id] = favoured[item_id][::-1]
    where: dict[str, Any] = {"network": NETWORK, "epoch": 1, "round": 1}
    leaves = review.encode_draw(favoured)
    with refuses("does not follow from its seed"):
        net.add(
            net.operator, "draw", pb.Draw(**where, seed=seed, assignments=batch(leaves)), leaves
        )
    leaves = review.encode_draw(assignments)
    with refuses("seed does not follow"):
        body = pb.Draw(**where, seed=bytes(32), assignments=batch(leaves))
        net.add(net.operator, "draw", body, leaves)
    net.draw()
    assert all(
        net.people[0].identity not in who for who in net.state.epoch.round.assignments.values()
    ), "nobody reviews their own"


def test_a_reveal_must_match_its_commit_and_wait_for_the_window(net: Network) -> None:
    drawn(net)
    reviewers = [p for p in net.people if p.identity in net.state.epoch.round.tasks]
    answers = {p.name: net.answers(p) for p in reviewers}
    early = reviewers[0]
    net.commit(early, answers[early.name])
    with refuses("after the commits have ended"):
        net.reveal(early, answers[early.name])
    with refuses("committed already"):
        net.commit(early, net.answers(early))
    net.phase(pb.PHASE_REVEALING)
    with refuses("commits of this round have ended"):
        net.commit(reviewers[1], answers[reviewers[1].name])
    with refuses("made no commitment"):
        net.reveal(reviewers[1], answers[reviewers[1].name])
    with refuses("does not match the reviewer's commitment"):
        net.reveal(early, net.answers(early))
    net.reveal(early, answers[early.name])
    with refuses("in the log already"):
        net.reveal(early, answers[early.name])


def test_a_copied_commitment_cannot_be_opened(net: Network) -> None:
    drawn(net)
    tasks = net.state.epoch.round.tasks
    by_tasks = [p for p in net.people if p.identity in tasks]
    victim, copycat = by_tasks[0], by_tasks[1]
    leaves = net.answers(victim)
    copied = pb.Commit(network=NETWORK, epoch=1, round=1, answers=batch(leaves))
    copied.answers.count = len(tasks[copycat.identity])
    net.commit(victim, leaves)
    net.add(copycat, "commit", copied)
    net.phase(pb.PHASE_REVEALING)
    net.reveal(victim, leaves)
    body = pb.Reveal(network=NETWORK, epoch=1, round=1, answers=batch(leaves))
    with refuses("not those of the tasks|names another reviewer|does not match"):
        net.add(copycat, "reveal", body, leaves)


def test_who_was_not_drawn_cannot_commit(net: Network) -> None:
    drawn(net)
    author = net.people[0]
    with refuses("was not drawn"):
        net.add(
            author, "commit", pb.Commit(network=NETWORK, epoch=1, round=1, answers=batch([b""]))
        )


def test_who_stays_silent_is_wrong_on_each_task(net: Network) -> None:
    drawn(net)
    silent = next(p for p in net.people if p.identity in net.state.epoch.round.tasks)
    count = len(net.state.epoch.round.tasks[silent.identity])
    net.review(*(p for p in net.people if p is not silent))
    net.verdict()
    belief = net.state.reputation[silent.identity, pb.ROLE_REVIEWER, "digits"]
    assert belief.wrong_micro == count * PPM


def test_a_seal_writes_down_the_duplicates_found(net: Network) -> None:
    ada, ben = net.people[:2]
    net.submit(ada, [net.item(1, content=b"the same picture")])
    net.submit(ben, [net.item(1, content=b"the same picture")])
    first, copy = net.state.items
    net.stand_by(*net.people[1:])
    net.phase(pb.PHASE_BEACON)
    leaves = [pb.Duplicate.FromString(leaf) for leaf in net.log[-1].leaves]
    assert [(leaf.item_id, leaf.duplicate_of) for leaf in leaves] == [(copy, first)]
