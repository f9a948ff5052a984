"""A training job with real processes: a coordinator, a SuperLink, a ServerApp and partners."""

from __future__ import annotations

import json
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonhold.demo.stage import Stage
from tests.federated_net import JOB, Net


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    with Stage(tmp_path) as stage:
        yield Net(stage, tmp_path)


def test_three_partners_train_a_model(net: Net) -> None:
    net.found(partners=3)
    opening = net.open()
    joining = net.join(net.partners)
    code, printed, said = net.end(opening)
    assert code == 0, said
    assert (printed["outcome"], printed["rounds"], printed["clients"]) == ("completed", 3, 3)
    assert 0 < printed["epsilon"] <= 3
    for server in joining:
        code, joined, said = net.end(server)
        assert code == 0, said
        assert (joined["outcome"], joined["updates"]) == ("completed", 3)
        assert joined["epsilon"] == pytest.approx(printed["epsilon"])
