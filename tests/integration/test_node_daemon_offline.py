"""A contributor who is away when the review comes: the reviewers say so, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commonhold.demo.stage import Stage
from coordinator.operator import Operator
from protocol.lifecycle import ItemStatus
from protos.gen import records_pb2 as pb
from tests.node_lab import WINDOWS, Lab, standing_by, wait_for
from tests.simulated import rounds

pytestmark = pytest.mark.timeout(90)


def test_items_of_an_absent_contributor_stay_undecided(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found()
        with Operator(lab.home) as operator:
            terms = rounds(**WINDOWS | {"commit_ms": 4_000})
            lab.open_campaign(operator, reviewers=2, rounds=terms)
            author = lab.node("author", stand_by=False)
            reviewers = [lab.node(name, reviewer="constant:3") for name in ("first", "second")]
            stage.wait_ready(*(lab.start(each) for each in reviewers))
            wait_for(operator, lambda s: standing_by(s, *reviewers), "stand-bys")
            asyncio.run(author.submit(lab.write_digits(2, "3")))
            undecided = ItemStatus.UNDECIDED
            state = wait_for(
                operator,
                lambda s: bool(s.items) and all(i.status is undecided for _, i in s.items.scan()),
                "a verdict",
            )
        items = {item_id for item_id, _ in state.items.scan()}
        # Drawn again in the next round.
        assert {item_id for _, item_id in state.waiting.scan()} == items
        for each in reviewers:
            with each.store() as store:
                said = {task.refusal for task in store.tasks("digits", 1)}
            assert said == {pb.REFUSAL_UNAVAILABLE}
