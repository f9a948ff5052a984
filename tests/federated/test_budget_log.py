"""The log remembers what a file on a disk may lose: budgets that were deleted, restored, or never here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from federated.budget import Budget, Limit, read_spending
from federated.budget.reading import read_data, read_decisions
from federated.budget.signed import SignedRound
from protocol.errors import StateError
from tests.budget_lab import DELTA, ONE, OTHER, ROUND, THIRD, open_flat, reserve


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budget.db"


@pytest.fixture
def budget(path: Path) -> Iterator[Budget]:
    with open_flat(path) as opened:
        yield opened


def signed(*numbers: int, data: bytes = ONE, job_id: str = "job") -> list[SignedRound]:
    """What the log has under our name."""
    return [SignedRound(data, job_id, each, ROUND, DELTA, 100 * each) for each in numbers]


def test_an_older_copy_is_brought_up_to_the_log(budget: Budget, path: Path) -> None:
    reserve(budget, 500, rounds=5)
    budget.charge(ONE, "job", 1)
    copy = path.read_bytes()
    budget.charge(ONE, "job", 2)
    budget.close()
    path.write_bytes(copy)
    with open_flat(path) as old:
        restored = old.restore(signed(1, 2, 3))
        assert (restored.rounds, restored.unknown) == (3, ()), "the copy has all but rounds"
        assert old.spent(ONE) == 300
        with pytest.raises(StateError, match="left this machine already"):
            old.charge(ONE, "job", 1)
        assert old.charge(ONE, "job", 4) == 400
        assert old.restore(signed(1, 2, 3)).rounds == 0, "once"


def test_the_log_says_what_has_left(budget: Budget) -> None:
    reserve(budget, 500, rounds=5)
    budget.charge(ONE, "job", 1)
    budget.charge(ONE, "job", 1)
    assert budget.restore(signed(1)).rounds == 0
    with pytest.raises(StateError, match="left this machine already"):
        budget.charge(ONE, "job", 1)


def test_a_deleted_file_gives_nothing_back(budget: Budget) -> None:
    """Salts are gone with it, so the data has another name; its rounds count against all there is."""
    restored = budget.restore(signed(1, 2, data=OTHER, job_id="before"))
    assert (restored.rounds, restored.unknown) == (2, (OTHER,))
    standing = reserve(budget, 500, rounds=3)
    assert (standing.everybody.spent, standing.everybody.reserved) == (200, 500)
    assert standing.unknown == 2
    with pytest.raises(StateError, match="towards everybody"):
        reserve(budget, 500, data=THIRD, examples=("y",), job_id="next", rounds=4)
    assert budget.charge(ONE, "job", 1) == 300


def test_a_job_that_runs_is_not_reserved_anew_after_the_file_was_lost(budget: Budget) -> None:
    """The same job, whose first rounds only the log knows, at exactly the limit."""
    budget.restore(signed(1, 2, data=OTHER))
    assert reserve(budget, 300, rounds=1, first=3).everybody.reserved == 300
    with pytest.raises(StateError, match="left this machine already"):
        budget.charge(ONE, "job", 2)
    assert budget.charge(ONE, "job", 3) == 300


def test_data_that_comes_back_is_recognised(budget: Budget) -> None:
    """A copy from after the salt was made and before the first charge."""
    budget.restore(signed(1, data=ONE))
    assert reserve(budget, 500, rounds=1, first=2).unknown == 0
    assert budget.spent(ONE) == 100
    assert reserve(budget, 500, data=OTHER, examples=("y",)).everybody.spent == 0


def test_its_owner_may_say_that_it_was_other_data(budget: Budget, path: Path) -> None:
    budget.restore(signed(1, 2, data=OTHER))
    with pytest.raises(StateError, match="no data which this machine does not recognise"):
        budget.set_apart(ONE, Limit(500), "")
    budget.set_apart(OTHER, Limit(500), "the laptop of the second ward")
    standing = reserve(budget, 500, rounds=5)
    assert (standing.everybody.spent, standing.unknown) == (0, 0)
    assert budget.spent(OTHER) == 200
    [decision] = read_decisions(path)
    assert (decision.commitment, decision.reason) == (OTHER, "the laptop of the second ward")
    assert [each.family > 0 for each in read_data(path)] == [True, True]
    with pytest.raises(StateError, match="no data which this machine does not recognise"):
        budget.set_apart(OTHER, Limit(500), "")


def test_rounds_of_unknown_data_are_shown_without_a_limit(budget: Budget, path: Path) -> None:
    budget.restore(signed(1, 2, data=OTHER))
    [spending] = read_spending(path)
    assert (spending.commitment, spending.rounds, spending.limit) == (OTHER, 2, float("inf"))
