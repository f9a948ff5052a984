"""The fold: verdicts, gold, and the close are recomputed."""

from __future__ import annotations

import pytest

from protocol.lifecycle import EpochPhase
from protocol.money.lines import compute_lines
from protocol.review import verdicts
from protos.gen import records_pb2 as pb
from tests.fold import (
    add_verdict,
    published_verdicts,
    refuses,
    submitted,
)
from tests.simulated import NETWORK, Network, batch


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"posterior_ppm": 1}, "recomputed"),
        ({"outcome": pb.OUTCOME_REJECTED}, "does not follow from its posterior"),
        ({"proposed_label": 7}, "not the one its author sealed"),
        ({"label": 7}, "recomputed"),
    ],
)
def test_a_verdict_is_recomputed(net: Network, change: dict[str, int], message: str) -> None:
    published = published_verdicts(net)
    for name, value in change.items():
        setattr(published[0], name, value)
    with refuses(message):
        add_verdict(net, published)
    add_verdict(net, verdicts.compute_verdicts(net.state, net.openings, {}))


def test_no_item_is_left_out_of_a_verdict(net: Network) -> None:
    published = published_verdicts(net)
    with refuses("not those of the round's items"):
        add_verdict(net, published[1:])


def test_gold_cannot_be_invented_nor_hidden_after_the_answers(net: Network) -> None:
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    net.commit_gold(list(net.truth)[:2])
    net.stand_by(*net.people[1:])
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*net.people[1:])
    net.draw()
    with refuses("before the first draw"):
        net.commit_gold(list(net.truth)[2:3])
    net.gold = {i: net.gold.get(i, (net.fresh(), 0)) for i in list(net.truth)[:2]}
    net.review(*net.people)
    honest = dict(net.gold)
    for gold in ({}, honest | {list(net.truth)[3]: (net.fresh(), 0)}):
        net.gold = gold
        with refuses("not the gold committed"):
            net.verdict()


def test_the_close_is_recomputed(net: Network) -> None:
    submitted(net)
    net.run_rounds(*net.people[1:])
    lines = compute_lines(net.state)

    def close(changed: list[pb.RewardLine]) -> None:
        leaves = [line.SerializeToString() for line in changed]
        body = pb.Close(network=NETWORK, epoch=1, lines=batch(leaves))
        net.add(net.operator, "close", body, leaves)

    with refuses("leaves somebody out"):
        close(lines[1:])
    greedy = [pb.RewardLine.FromString(line.SerializeToString()) for line in lines]
    greedy[-1].amount = str(int(greedy[-1].amount) + 1)
    with refuses("amounts do not follow"):
        close(greedy)
    greedy = [pb.RewardLine.FromString(line.SerializeToString()) for line in lines]
    greedy[0].weight_micro *= 2
    with refuses("weight does not recompute"):
        close(greedy)
    close(lines)
    assert net.state.epoch.phase is EpochPhase.SUBMITTING


def test_an_epoch_cannot_close_over_pending_items(net: Network) -> None:
    net.submit(net.people[0], [net.item(1)])
    with refuses("items wait for review"):
        net.close()
