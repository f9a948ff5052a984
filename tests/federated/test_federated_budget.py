"""A budget is never exceeded: not by any order of charges, by a restart, a kill, or a picture left out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from federated.budget import Budget, Spending, read_spending
from federated.privacy import composed_epsilon_micro
from federated.spec import Mechanism
from protocol.errors import ConfigError, StateError, StoreError
from protocol.limits import PPM

DELTA = 1e-5
ONE, OTHER, THIRD = b"1" * 32, b"2" * 32, b"3" * 32
REPOSITORY = Path(__file__).parents[2]
KILLED_AFTER = 3  # charges

# A budget on one line of standard output for each charge that returned.
CHARGE_FOR_EVER = """
import sys
from pathlib import Path
from federated.budget import Budget
with Budget.open(Path(sys.argv[1]), lambda spent, delta: sum(each.rounds for each in spent)) as budget:
    budget.set_limit(b"1" * 32, [b"x"], 1_000_000, 1e-5)
    for number in range(1, 100_000):
        print(number, budget.charge(b"1" * 32, "job", number, 1.0, 6.0), flush=True)
"""


def flat(spent: Sequence[Mechanism], delta: float) -> int:
    """An accountant that anybody can follow: 100 micro a round, whatever the noise."""
    return 100 * sum(each.rounds for each in spent)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budget.db"


@pytest.fixture
def budget(path: Path) -> Iterator[Budget]:
    with Budget.open(path, flat, clock=lambda: 1_700_000_000.5) as opened:
        yield opened


def test_the_file_is_private_and_each_commit_reaches_the_disk(budget: Budget, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert budget._run("PRAGMA synchronous") == [(3,)], "EXTRA"
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others may access"):
        Budget.open(path, flat)


def test_a_charge_returns_what_is_spent_and_stops_at_the_limit(budget: Budget, path: Path) -> None:
    budget.set_limit(ONE, [b"x"], 250, DELTA)
    assert budget.spent(ONE) == 0
    assert budget.charge(ONE, "job", 1, 1.0, 6.0) == 100
    assert budget.charge(ONE, "job", 2, 1.0, 6.0) == 200
    with pytest.raises(StateError, match=r"epsilon 0\.000; 0\.000 is left of its 0\.00025"):
        budget.charge(ONE, "job", 3, 1.0, 6.0)
    assert budget.spent(ONE) == 200
    assert read_spending(path) == [
        Spending(ONE, "job", 2, 200 / PPM, 250 / PPM, DELTA, 1_700_000_000.5)
    ]


def test_a_round_is_charged_once_also_after_a_restart(budget: Budget, path: Path) -> None:
    budget.set_limit(ONE, [b"x"], 1_000, DELTA)
    budget.charge(ONE, "job", 1, 1.0, 6.0)
    budget.close()
    with Budget.open(path, flat) as again:
        assert again.charge(ONE, "job", 1, 1.0, 6.0) == 100
        assert again.spent(ONE) == 100
        assert again.charge(ONE, "job", 2, 1.0, 6.0) == 200
        assert again.charge(ONE, "another", 1, 1.0, 6.0) == 300


def test_data_without_a_limit_is_not_charged(budget: Budget) -> None:
    with pytest.raises(StateError, match="no budget"):
        budget.charge(ONE, "job", 1, 1.0, 6.0)


def test_a_whole_job_is_asked_for_without_spending(budget: Budget) -> None:
    budget.set_limit(ONE, [b"x"], 1_000, DELTA)
    assert budget.require(ONE, Mechanism(6.0, 1.0, 10)) == 1_000
    with pytest.raises(StateError, match="is left"):
        budget.require(ONE, Mechanism(6.0, 1.0, 11))
    assert budget.spent(ONE) == 0


def test_a_limit_goes_down_silently_and_up_on_purpose(budget: Budget) -> None:
    budget.set_limit(ONE, [b"x"], 300, DELTA)
    budget.set_limit(ONE, [b"x"], 200, DELTA / 2)
    for epsilon, delta in ((201, DELTA / 2), (200, DELTA), (100, DELTA)):
        with pytest.raises(StateError, match=r"limited to epsilon 0\.0002"):
            budget.set_limit(ONE, [b"x"], epsilon, delta)
    budget.charge(ONE, "job", 1, 1.0, 6.0)
    budget.charge(ONE, "job", 2, 1.0, 6.0)
    with pytest.raises(StateError):
        budget.charge(ONE, "job", 3, 1.0, 6.0)
    budget.raise_limit(ONE, 300, DELTA)
    assert budget.charge(ONE, "job", 3, 1.0, 6.0) == 300


@pytest.mark.parametrize(("epsilon", "delta"), [(0, DELTA), (-1, DELTA), (1, 0.0), (1, 1.0)])
def test_what_is_no_limit_is_refused(budget: Budget, epsilon: int, delta: float) -> None:
    budget.set_limit(ONE, [b"x"], 100, DELTA)
    with pytest.raises(ConfigError):
        budget.set_limit(OTHER, [b"y"], epsilon, delta)
    with pytest.raises(ConfigError):
        budget.raise_limit(ONE, epsilon, delta)


def test_leaving_a_picture_out_buys_no_new_budget(budget: Budget) -> None:
    budget.set_limit(ONE, [b"x", b"y"], 200, DELTA)
    budget.charge(ONE, "job", 1, 1.0, 6.0)
    budget.set_limit(OTHER, [b"y"], 200, DELTA)
    assert budget.spent(OTHER) == 100
    with pytest.raises(StateError, match="paid for already"):
        budget.charge(OTHER, "job", 1, 1.0, 6.0)
    assert budget.charge(OTHER, "job", 2, 1.0, 6.0) == 200
    with pytest.raises(StateError, match="is left"):
        budget.charge(ONE, "job", 3, 1.0, 6.0)
    with pytest.raises(StateError, match="or a part of it"):
        budget.set_limit(OTHER, [b"y"], 300, DELTA)


def test_other_pictures_have_their_own(budget: Budget) -> None:
    budget.set_limit(ONE, [b"x"], 100, DELTA)
    budget.set_limit(OTHER, [b"y"], 100, DELTA)
    assert budget.charge(ONE, "job", 1, 1.0, 6.0) == 100
    assert budget.charge(OTHER, "job", 1, 1.0, 6.0) == 100


def test_data_that_joins_two_families_makes_them_one(budget: Budget) -> None:
    budget.set_limit(ONE, [b"x"], 300, DELTA)
    budget.set_limit(OTHER, [b"y"], 300, DELTA)
    budget.charge(ONE, "job", 1, 1.0, 6.0)
    budget.charge(OTHER, "job", 1, 1.0, 6.0)
    budget.set_limit(THIRD, [b"x", b"y", b"z"], 250, DELTA)
    assert budget.spent(THIRD) == budget.spent(ONE) == budget.spent(OTHER) == 200
    with pytest.raises(StateError, match="is left"):
        budget.charge(ONE, "job", 2, 1.0, 6.0)


def test_the_same_data_keeps_its_salt(budget: Budget, path: Path) -> None:
    salt = budget.salt(b"d" * 32)
    assert len(salt) == 32 and budget.salt(b"e" * 32) != salt
    with Budget.open(path, flat) as another:
        assert another.salt(b"d" * 32) == salt


def test_with_the_real_accountant_jobs_of_different_noise_add_up(path: Path) -> None:
    with Budget.open(path, composed_epsilon_micro) as budget:
        budget.set_limit(ONE, [b"x"], 3 * PPM, DELTA)
        first = [budget.charge(ONE, "one", number, 1.0, 6.25) for number in (1, 2)]
        second = [budget.charge(ONE, "two", number, 1.0, 2.0) for number in (1,)]
        assert first[0] < first[1] < second[0]
        mechanisms = [Mechanism(6.25, 1.0, 2), Mechanism(2.0, 1.0, 1)]
        assert second[-1] == composed_epsilon_micro(mechanisms, DELTA) == budget.spent(ONE)
        assert budget.spent(ONE, DELTA / 10) > budget.spent(ONE)
        with pytest.raises(StateError, match=r"; 0\.\d{3} is left of its 3"):
            budget.charge(ONE, "three", 1, 1.0, 1.0)


def test_a_charge_that_the_accountant_cannot_judge_is_not_made(path: Path) -> None:
    with Budget.open(path, composed_epsilon_micro) as budget:
        budget.set_limit(ONE, [b"x"], 3 * PPM, DELTA)
        with pytest.raises(ConfigError, match="no private mechanism"):
            budget.charge(ONE, "job", 1, 1.0, float("nan"))
        assert budget.spent(ONE) == 0


def test_reading_needs_no_file_and_makes_none(path: Path) -> None:
    assert read_spending(path) == []
    assert not path.exists()
    path.write_bytes(
        b"not a database, but long enough to be taken for one by a careless reader" * 20
    )
    with pytest.raises(StoreError, match="not a database"):
        read_spending(path)


def test_reading_imports_nothing_heavy() -> None:
    code = (
        "import sys, federated.budget; print({'torch', 'flwr', 'numpy', 'opacus'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_what_was_charged_outlives_a_kill(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHARGE_FOR_EVER, str(path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(KILLED_AFTER)]
        os.kill(child.pid, signal.SIGKILL)  # wherever in a charge it is by now
        told += child.stdout.readlines()
    whole = [line.split() for line in told if line.endswith("\n")]
    assert len(whole) >= KILLED_AFTER
    spending = read_spending(path)  # also rolls back what was half written
    with Budget.open(path, flat) as budget:
        assert spending[0].rounds in (len(whole), len(whole) + 1), (
            "one may have been told to nobody"
        )
        spent = budget.spent(ONE)
        for number, after in whole:
            assert budget.charge(ONE, "job", int(number), 1.0, 6.0) == int(after)
        assert budget.spent(ONE) == spent


def test_two_openings_of_one_file_share_one_budget(budget: Budget, path: Path) -> None:
    budget.set_limit(ONE, [b"x"], 200, DELTA)
    with Budget.open(path, flat) as other:
        assert budget.charge(ONE, "job", 1, 1.0, 6.0) == 100
        assert other.charge(ONE, "job", 2, 1.0, 6.0) == 200
        with pytest.raises(StateError, match="is left"):
            budget.charge(ONE, "job", 3, 1.0, 6.0)


class AnyLife(RuleBasedStateMachine):
    """Whatever happens to a budget, no example is in more rounds than its least limit ever allowed."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "budget.db"
        self.budget = Budget.open(self.path, flat)
        self.holds: dict[bytes, frozenset[int]] = {}  # data -> its examples
        self.rounds: dict[int, int] = dict.fromkeys(range(5), 0)  # example -> rounds it was in
        self.allowed: dict[int, int] = {}  # example -> least limit
        self.paid: set[tuple[bytes, str, int]] = set()  # (data, job, round)

    def teardown(self) -> None:
        if hasattr(self, "budget"):
            self.budget.close()
            self.folder.cleanup()

    def _try(self, attempt: Callable[[], object]) -> bool:
        try:
            attempt()
        except StateError:
            return False
        return True

    @rule(examples=st.frozensets(st.integers(0, 4), min_size=1), limit=st.integers(1, 900))
    def limit(self, examples: frozenset[int], limit: int) -> None:
        data = bytes(sorted(examples))
        shown = [bytes([each]) for each in examples]
        if self._try(lambda: self.budget.set_limit(data, shown, limit, DELTA)):
            self.holds[data] = examples
            for each in examples:
                assert limit <= self.allowed.get(each, limit), "a limit went up"
                self.allowed[each] = limit

    @rule(which=st.integers(0, 99), job=st.sampled_from("ab"), round_=st.integers(1, 9))
    def charge(self, which: int, job: str, round_: int) -> None:
        if not self.holds:
            return
        data = sorted(self.holds)[which % len(self.holds)]
        is_paid = (data, job, round_) in self.paid
        if self._try(lambda: self.budget.charge(data, job, round_, 1.0, 6.0)) and not is_paid:
            self.paid.add((data, job, round_))
            for each in self.holds[data]:
                self.rounds[each] += 1
                assert 100 * self.rounds[each] <= self.allowed[each], "the budget is exceeded"

    @rule()
    def restart(self) -> None:
        self.budget.close()
        self.budget = Budget.open(self.path, flat)

    @invariant()
    def what_is_read_is_never_less_than_what_was_spent(self) -> None:
        if hasattr(self, "budget"):
            for data, examples in self.holds.items():
                assert self.budget.spent(data) >= 100 * max(self.rounds[each] for each in examples)


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)


def test_a_missing_or_damaged_file_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Budget.open(tmp_path / "nowhere" / "budget.db", flat)
    (tmp_path / "junk.db").write_bytes(b"junk" * 500)
    (tmp_path / "junk.db").chmod(0o600)
    with pytest.raises(StoreError):
        Budget.open(tmp_path / "junk.db", flat)
