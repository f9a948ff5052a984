"""A contributor who is away when the review comes: the reviewers say so, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commonhold.demo.stage import Stage
from coordinator.operator import Operator
from protocol.identity import Identity
from protocol.lifecycle import ItemStatus
from protos.gen import records_pb2 as pb
from tests.node_lab import Lab, wait_for

pytestmark = pytest.mark.timeout(90)


def test_items_of_an_absent_contributor_stay_undecided(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found(rounds_max=1)
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2)
            author = lab.node("author", stand_by=False)
            reviewers = [lab.node(name, reviewer="constant:3") for name in ("first", "second")]
            asyncio.run(author.submit(lab.write_digits(2, "3")))
            stage.wait_ready(*(lab.start(each, "--fetch-seconds", "2") for each in reviewers))
            names = [Identity(each.keys.identity) for each in reviewers]
            wait_for(operator, lambda s: all(s.members[who].standby for who in names), "stand-bys")
            operator.close_epoch(1)
            state = wait_for(operator, lambda s: s.closed_epoch == 1, "the close")
        assert [item.status for item in state.items.values()] == [ItemStatus.UNDECIDED] * 2
        assert list(state.items) == state.pending  # drawn again in the next epoch
        for each in reviewers:
            with each.store() as store:
                said = {task.abstention for task in store.tasks(1, 1)}
            assert said == {pb.ABSTENTION_UNAVAILABLE}
