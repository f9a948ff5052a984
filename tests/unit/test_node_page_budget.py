"""The page reads the budget that training keeps: the real file, and what is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from commonhold.cli.node_page import spending_of
from federated.budget import Budget
from federated.budget.signed import SignedRound
from node.config import NodeDirectory
from node.page.work import view_training
from protocol.errors import StoreError
from protocol.limits import PPM
from tests.budget_lab import ROUND, reserve
from tests.own_page import World

DATA, LOST = b"\xd0" * 32, b"\xe0" * 32


def spend(home: NodeDirectory, rounds: int) -> None:
    """Training takes a tenth of an epsilon a round here; at noon of 21 November 2025, UTC."""
    with Budget(
        home.root / "budget.db",
        lambda mechanisms, delta: sum(each.rounds for each in mechanisms) * PPM // 10,
        lambda: 1_763_726_400.0,
    ) as budget:
        reserve(budget, 3 * PPM, data=DATA, job_id="train", rounds=20)
        budget.restore([SignedRound(LOST, "lost", 1, ROUND, 1e-5, PPM // 10)])
        for round_ in range(1, rounds + 1):
            budget.charge(DATA, "train", round_)


def test_nobody_trained_so_nothing_is_spent(tmp_path: Path) -> None:
    assert list(spending_of(NodeDirectory(tmp_path))()) == []


def test_what_training_spent_is_on_the_page(tmp_path: Path) -> None:
    home = NodeDirectory(tmp_path)
    spend(home, 12)
    world = World(tmp_path)
    view = view_training(world.sources, world.follower.state, spending_of(home)())
    world.close()
    lost, spent = sorted(view.spending, key=lambda each: each.rounds)
    assert (spent.job, spent.data, spent.rounds) == ("train", "d0d0d0d0", 12)
    assert (spent.epsilon, spent.limit, spent.delta, spent.part) == ("1.30", "3.00", "1e-05", 43.3)
    assert (spent.is_reserved, lost.is_reserved) == (True, False)
    assert (lost.job, lost.epsilon, lost.limit, lost.part) == ("lost", "0.10", "", 0.0)
    assert spent.last.startswith("2025-11-2")


async def test_a_damaged_budget_hides_nothing_else(tmp_path: Path) -> None:
    home = NodeDirectory(tmp_path)
    (tmp_path / "budget.db").write_bytes(b"not a database" * 1_000)
    with pytest.raises(StoreError):
        spending_of(home)()
    world = World(tmp_path)
    world.sources = replace(world.sources, read_spending=spending_of(home))
    async with world.open() as url, httpx.AsyncClient(follow_redirects=True) as client:
        for path in ("", "training"):
            await client.get(url)
            page = await client.get(url.partition("?")[0] + path)
            assert page.status_code == 200
            assert "What is spent cannot be read" in page.text
    world.close()


def test_reading_it_needs_nothing_heavy() -> None:
    script = (
        "import sys; import node.daemon, commonhold.cli.node_page, federated.budget;"
        "print([name for name in ('torch', 'flwr', 'opacus', 'onnx') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
