"""A budget is never exceeded: not by any order of charges, by a restart, a kill, or two jobs at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from federated.budget import Budget, Limit, Release, Spending, read_spending
from federated.budget.reading import read_decisions, read_reserved
from federated.budget.terms import Towards, default_delta
from federated.privacy import composed_epsilon_micro
from federated.spec import Mechanism
from protocol.errors import ConfigError, StateError
from protocol.limits import PPM
from tests.budget_lab import (
    DELTA,
    ONE,
    OTHER,
    THIRD,
    claim,
    open_flat,
    pictures,
    reserve,
)

REPOSITORY = Path(__file__).parents[2]
KILLED_AFTER = 3  # charges

# A budget on one line of standard output for each charge that returned.
CHARGE_FOR_EVER = """
import sys
from pathlib import Path
from tests.budget_lab import ONE, open_flat, reserve
with open_flat(Path(sys.argv[1])) as budget:
    reserve(budget, 10_000_000, rounds=99_999)
    for number in range(1, 100_000):
        print(number, budget.charge(ONE, "job", number), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "budget.db"


@pytest.fixture
def budget(path: Path) -> Iterator[Budget]:
    with open_flat(path) as opened:
        yield opened


def contents(budget: Budget) -> list[object]:
    """Everything that is in the file."""
    names = [row[0] for row in budget._run("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return [(name, budget._run(f"SELECT * FROM {name}")) for name in sorted(names)]


# ---- charges ----


def test_a_charge_returns_what_is_spent_and_stops_at_what_was_reserved(
    budget: Budget, path: Path
) -> None:
    reserve(budget, 250)
    assert budget.spent(ONE) == 0
    assert budget.charge(ONE, "job", 1) == 100
    assert budget.charge(ONE, "job", 2) == 200
    with pytest.raises(StateError, match="all rounds that were set aside for 'job' are spent"):
        budget.charge(ONE, "job", 3)
    assert budget.spent(ONE) == 200
    assert read_spending(path) == [
        Spending(ONE, "job", 2, 200 / PPM, 250 / PPM, DELTA, 1_700_000_000.5, is_reserved=True)
    ]


def test_a_round_is_charged_once_however_often_it_is_asked_for(budget: Budget, path: Path) -> None:
    reserve(budget, 200)
    assert budget.charge(ONE, "job", 1) == budget.charge(ONE, "job", 1) == 100
    budget.close()
    with open_flat(path) as again:
        assert again.charge(ONE, "job", 1) == 100
        assert again.charge(ONE, "job", 2) == 200


def test_what_may_have_left_is_not_computed_again(budget: Budget, path: Path) -> None:
    reserve(budget, 200)
    budget.charge(ONE, "job", 1)
    budget.let_go(ONE, "job", 1)
    with open_flat(path) as again:
        with pytest.raises(StateError, match="left this machine already"):
            again.charge(ONE, "job", 1)
        assert again.charge(ONE, "job", 2) == 200


def test_nothing_is_charged_that_was_not_reserved(budget: Budget) -> None:
    with pytest.raises(StateError, match="knows no such data"):
        budget.charge(ONE, "job", 1)
    reserve(budget, 200)
    with pytest.raises(StateError, match="nothing is set aside for 'other'"):
        budget.charge(ONE, "other", 1)


# ---- reservations ----


def test_a_whole_job_is_set_aside_or_nothing(budget: Budget) -> None:
    standing = reserve(budget, 1_000, rounds=10)
    assert (standing.everybody.spent, standing.everybody.reserved) == (0, 1_000)
    assert (standing.everybody.left, standing.delta) == (0, DELTA)
    with pytest.raises(StateError, match=r"come to epsilon 0\.001 towards everybody"):
        reserve(budget, 1_000, rounds=11)


def test_of_two_jobs_at_once_the_second_sees_the_first(budget: Budget, path: Path) -> None:
    reserve(budget, 300, job_id="first", rounds=2)
    with open_flat(path) as other:
        with pytest.raises(StateError, match="'second'"):
            reserve(other, 300, job_id="second", rounds=2)
        assert reserve(other, 300, job_id="second", rounds=1).everybody.left == 0
        assert budget.charge(ONE, "first", 1) == 100
        assert other.charge(ONE, "second", 1) == 200
        assert budget.charge(ONE, "first", 2) == 300
    assert read_reserved(path) == ["first", "second"]


def test_a_job_that_ended_early_gives_back_what_it_did_not_use(budget: Budget, path: Path) -> None:
    reserve(budget, 300, job_id="first", rounds=3)
    budget.charge(ONE, "first", 1)
    budget.end("first")
    assert budget.standing(ONE).everybody.left == 200
    assert reserve(budget, 300, job_id="second", rounds=2).everybody.reserved == 300
    assert read_reserved(path) == ["second"]


def test_a_job_at_the_limit_goes_on_after_a_kill(budget: Budget) -> None:
    """The round that was charged and did not leave is not counted twice; nor is one that is over."""
    reserve(budget, 300, rounds=3)
    budget.charge(ONE, "job", 1)
    assert reserve(budget, 300, rounds=3, first=1).everybody.reserved == 300
    budget.let_go(ONE, "job", 1)
    assert reserve(budget, 300, rounds=3, first=1).everybody.reserved == 300
    budget.charge(ONE, "job", 2)
    assert reserve(budget, 300, rounds=2, first=2).everybody.reserved == 300
    assert reserve(budget, 300, rounds=1, first=3).everybody.reserved == 300
    assert budget.charge(ONE, "job", 3) == 300


def test_who_missed_rounds_has_them_left(budget: Budget) -> None:
    reserve(budget, 300, rounds=3)
    budget.charge(ONE, "job", 1)
    assert reserve(budget, 300, rounds=1, first=3).everybody.left == 100


def test_who_only_asks_changes_nothing(budget: Budget) -> None:
    before = contents(budget)
    assert reserve(budget, 300, keep=False).everybody.reserved == 200
    assert contents(budget) == before


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ({"limit": 199}, "towards everybody"),
        ({"limit": 300, "rounds": 4}, "towards everybody"),
        ({"limit": 300, "alone": 799}, "towards whoever sees your update alone"),
        ({"limit": 300, "delta": DELTA / 2}, "states its epsilon at delta 1e-05"),
        ({"limit": 300, "data": OTHER, "examples": ("x", "y"), "rounds": 4}, "towards everybody"),
        ({"limit": 301}, r"limited to epsilon 0\.0003"),
    ],
)
def test_who_is_refused_finds_everything_as_it_was(
    budget: Budget, refused: dict[str, object], words: str
) -> None:
    """No lower limit, no family, no name of an example stays behind; what was allowed before still is."""
    reserve(budget, 300, job_id="before", rounds=0)
    before = contents(budget)
    with pytest.raises(StateError, match=words):
        reserve(budget, **refused)  # type: ignore[arg-type]
    assert contents(budget) == before
    reserve(budget, 300)


# ---- limits ----


def test_a_limit_goes_down_silently_and_up_on_purpose(budget: Budget, path: Path) -> None:
    reserve(budget, 300, rounds=1)
    reserve(budget, 200, rounds=1)
    with pytest.raises(StateError, match=r"limited to epsilon 0\.0002") as refused:
        reserve(budget, 201, rounds=1)
    assert "raise-limit" in refused.value.advice
    budget.raise_limit(ONE, Limit(300), "a new agreement")
    assert reserve(budget, 300, rounds=3).everybody.reserved == 300
    [decision] = read_decisions(path)
    assert (decision.commitment, decision.reason) == (ONE, "a new agreement")
    assert "from epsilon 0.0002 and 0.0012 at delta 1e-05 to 0.0003 and 0.0012" in decision.what


def test_each_adversary_has_a_limit_of_its_own(budget: Budget) -> None:
    standing = reserve(budget, 10_000, alone=800)
    assert (standing.alone.reserved, standing.alone.left) == (800, 0)
    assert standing.everybody.left == 9_800
    with pytest.raises(StateError, match="towards whoever sees your update alone") as refused:
        reserve(budget, 10_000, alone=800, job_id="second", rounds=1)
    assert "--epsilon-alone-max" in refused.value.advice
    budget.raise_limit(ONE, Limit(10_000, 1_200), "")
    reserve(budget, 10_000, job_id="second", rounds=1)


def test_a_limit_that_is_not_named_stays_or_is_the_default(budget: Budget) -> None:
    standing = reserve(budget, 1_000)
    assert (standing.alone.limit, standing.delta) == (4_000, 1e-5)
    many = [f"e{number}" for number in range(20_000)]
    with pytest.raises(StateError, match="you allow 5e-06"):
        reserve(budget, 900, data=OTHER, examples=many, job_id="large")
    reserve(budget, 900, alone=800)
    assert reserve(budget, 900).alone.limit == 800


def test_delta_is_half_of_the_promise(budget: Budget) -> None:
    with pytest.raises(StateError, match=r"delta 0\.1, and you allow 1e-05"):
        budget.reserve(ONE, pictures("x"), Limit(1_000), claim(delta=0.1))
    budget.reserve(ONE, pictures("x"), Limit(1_000), claim(delta=1e-18))


@pytest.mark.parametrize(
    ("epsilon", "alone", "delta"),
    [(0, None, DELTA), (-1, None, DELTA), (1, 0, DELTA), (1, None, 0.0), (1, None, 1.0),
     (1, None, float("nan"))],
)  # fmt: skip
def test_what_is_no_limit_is_refused(epsilon: int, alone: int | None, delta: float) -> None:
    with pytest.raises(ConfigError):
        Limit(epsilon, alone, delta)


# ---- families ----


def test_leaving_a_picture_out_buys_no_new_budget(budget: Budget) -> None:
    reserve(budget, 200, examples=("x", "y"))
    budget.charge(ONE, "job", 1)
    budget.let_go(ONE, "job", 1)
    standing = reserve(budget, 200, data=OTHER, examples=("y",), rounds=2)
    assert (standing.related, budget.spent(OTHER)) == (1, 100)
    with pytest.raises(StateError, match="left this machine already"):
        budget.charge(OTHER, "job", 1)
    assert budget.charge(OTHER, "job", 2) == 200
    with pytest.raises(StateError):
        reserve(budget, 200, data=THIRD, examples=("x", "z"), job_id="another", rounds=1)
    with pytest.raises(StateError, match="or a part of it"):
        reserve(budget, 300, data=OTHER, examples=("y",))


def test_other_pictures_have_their_own(budget: Budget) -> None:
    reserve(budget, 200)
    assert reserve(budget, 200, data=OTHER, examples=("y",)).related == 0
    assert budget.charge(ONE, "job", 1) == budget.charge(OTHER, "job", 1) == 100


def test_data_that_joins_two_families_makes_them_one(budget: Budget) -> None:
    for data, example in ((ONE, "x"), (OTHER, "y")):
        reserve(budget, 400, data=data, examples=(example,), rounds=1)
        budget.charge(data, "job", 1)
        budget.end("job")
    reserve(budget, 250, data=THIRD, examples=("x", "y", "z"), job_id="both", rounds=0)
    assert budget.spent(THIRD) == budget.spent(ONE) == budget.spent(OTHER) == 200
    with pytest.raises(StateError):
        reserve(budget, 250, job_id="next", rounds=1)


def test_the_same_data_keeps_its_salt(budget: Budget, path: Path) -> None:
    salt = budget.salt(b"d" * 32)
    assert len(salt) == 32 and budget.salt(b"e" * 32) != salt
    with open_flat(path) as another:
        assert another.salt(b"d" * 32) == salt


# ---- with the real accountant ----


def test_jobs_of_different_noise_add_up(path: Path) -> None:
    first, second = Release(1.0, 6.25, 6.25), Release(1.0, 2.0, 2.0)
    with Budget(path, composed_epsilon_micro) as budget:
        reserve(budget, 3 * PPM, job_id="one", rounds=2, release=first)
        spent = [budget.charge(ONE, "one", number) for number in (1, 2)]
        reserve(budget, 3 * PPM, job_id="two", rounds=1, release=second)
        spent.append(budget.charge(ONE, "two", 1))
        assert spent == sorted(set(spent))
        mechanisms = [first.towards(Towards.EVERYBODY, 2), Mechanism(2.0, 1.0, 1)]
        assert spent[-1] == composed_epsilon_micro(mechanisms, DELTA) == budget.spent(ONE)
        assert budget.spent(ONE, DELTA / 10) > budget.spent(ONE)
        with pytest.raises(StateError, match="its limit is 3"):
            reserve(budget, 3 * PPM, job_id="three", rounds=1, release=Release(1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("sampling", "noise", "alone"),
    [
        (0.0, 1.0, 1.0),
        (1.1, 1.0, 1.0),
        (1.0, 0.0, 1.0),
        (1.0, 1.0, float("inf")),
        (1.0, float("nan"), 1.0),
    ],
)
def test_what_hides_nothing_is_no_release(sampling: float, noise: float, alone: float) -> None:
    with pytest.raises(ConfigError, match="no private mechanism"):
        Release(sampling, noise, alone)


# ---- whatever happens ----


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
    assert spending[0].rounds in (len(whole), len(whole) + 1), "one may have been told to nobody"
    with open_flat(path) as budget:
        assert budget.spent(ONE) == 100 * spending[0].rounds


class AnyLife(RuleBasedStateMachine):
    """Whatever happens to a budget, no example is in more rounds than its least limit ever allowed."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "budget.db"
        self.budget = open_flat(self.path)
        self.holds: dict[bytes, frozenset[str]] = {}  # data -> its examples
        self.paid: set[tuple[str, str, int]] = set()  # (example, job, round)
        self.allowed: dict[str, int] = {}  # example -> least limit

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

    @rule(
        examples=st.frozensets(st.sampled_from("vwxyz"), min_size=1),
        limit=st.integers(1, 900),
        job=st.sampled_from("ab"),
        rounds=st.integers(0, 4),
        keep=st.booleans(),
    )
    def join(self, examples: frozenset[str], limit: int, job: str, rounds: int, keep: bool) -> None:
        data = "".join(sorted(examples)).encode().ljust(32)
        taken = self._try(
            lambda: reserve(
                self.budget,
                limit,
                data=data,
                examples=examples,
                job_id=job,
                rounds=rounds,
                keep=keep,
            )
        )
        if taken and keep:
            self.holds[data] = examples
            for each in examples:
                assert limit <= self.allowed.get(each, limit), "a limit went up"
                self.allowed[each] = limit

    @rule(which=st.integers(0, 99), job=st.sampled_from("ab"), round_=st.integers(1, 9))
    def charge(self, which: int, job: str, round_: int) -> None:
        if not self.holds:
            return
        data = sorted(self.holds)[which % len(self.holds)]
        if self._try(lambda: self.budget.charge(data, job, round_)):
            for each in self.holds[data]:
                self.paid.add((each, job, round_))
                rounds = sum(example == each for example, _, _ in self.paid)
                assert 100 * rounds <= self.allowed[each], "the budget is exceeded"

    @rule(job=st.sampled_from("ab"))
    def end(self, job: str) -> None:
        self.budget.end(job)

    @rule()
    def restart(self) -> None:
        self.budget.close()
        self.budget = open_flat(self.path)

    @invariant()
    def what_is_read_is_never_less_than_what_was_spent(self) -> None:
        if hasattr(self, "budget"):
            for data, examples in self.holds.items():
                rounds = max(sum(e == each for e, _, _ in self.paid) for each in examples)
                assert self.budget.spent(data) >= 100 * rounds


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_the_larger_the_data_the_smaller_the_delta_that_is_agreed_to_unasked() -> None:
    assert default_delta(0) == default_delta(50) == default_delta(10_000) == 1e-5
    assert default_delta(1_000_000) == pytest.approx(1e-7)
