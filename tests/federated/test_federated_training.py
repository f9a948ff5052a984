"""Partners and the sum: pay first, release only what is finite, add up the same everywhere, and learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from federated.aggregate import Aggregator
from federated.data import PrivateData, Table, private
from federated.grid import from_ring
from federated.model import Weights, digest
from federated.partner import Partner
from federated.privacy import epsilon_micro
from federated.spec import TrainingSpec
from federated.tasks import Task
from federated.tasks.registry import made
from federated.tasks.task import measured
from protocol.errors import ConfigError, Reject, StateError
from protocol.limits import PPM
from tests.training_lab import BLANK, TASK, seeded, skewed, spec

SHARES, REST = skewed(300, 3, seed=1)
SPEC = spec(noise_multiplier=0.5, step=PPM // 10)
SIZE = BLANK.vector.size


def partner(data: PrivateData, job: TrainingSpec = SPEC, seed: int = 1) -> Partner:
    return Partner(job, TASK, data, lambda round_: 1000 * round_, seeded(seed))


def with_value(value: float) -> Weights:
    vector = BLANK.vector
    vector[7] = value
    return BLANK.replaced(vector)


def ones(value: float = 1.0) -> NDArray[np.float64]:
    return np.full(SIZE, value)


# ---- the partner ----


def test_an_update_says_what_it_is_and_what_was_spent() -> None:
    update = partner(SHARES[0]).update(3, BLANK)
    assert update.words.shape == (SIZE,) and update.words.dtype == np.uint16
    assert update.epsilon_micro == 3000


@pytest.mark.parametrize("part", [1.0, 0.5, 0.25])
def test_one_example_moves_what_a_round_carries_by_the_clip_of_that_part(part: float) -> None:
    """With hardly any noise, and a clip that cuts every gradient: what one more example changes."""
    values = int(part * SIZE)
    job = spec(values=values, step=1, bits=32, noise_multiplier=1e-6, clip=0.01)
    whole = SHARES[0].table
    given = whole, whole.take(slice(1, None))
    with_it, without = (
        from_ring(partner(private(each, TASK.columns), job).update(2, BLANK).words, job, 2)
        for each in given
    )
    moved = with_it - without
    assert np.linalg.norm(moved) == pytest.approx(0.01 * np.sqrt(values / SIZE), rel=0.01)
    assert np.count_nonzero(moved) <= values


def test_a_round_is_paid_for_before_it_is_computed() -> None:
    def refuse(_: int) -> int:
        raise StateError("nothing is left")

    broke = Partner(
        SPEC, TASK, SHARES[0], refuse, randomness=lambda _: pytest.fail("noise was drawn")
    )
    with pytest.raises(StateError, match="nothing is left"):
        broke.update(1, BLANK)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_base_that_is_not_finite_is_refused_before_paying(value: float) -> None:
    careful = Partner(SPEC, TASK, SHARES[0], lambda _: pytest.fail("it was paid for"), seeded(1))
    with pytest.raises(Reject, match="not finite"):
        careful.update(1, with_value(value))


def test_a_base_of_another_job_is_refused() -> None:
    with pytest.raises(Reject, match="another job"):
        partner(SHARES[0]).update(1, replace(BLANK, labels=SPEC.labels[::-1]))


def test_a_base_at_the_end_of_its_range_gives_an_update() -> None:
    extreme = BLANK.replaced(ones(float(np.finfo(np.float32).max)).astype(np.float32))
    assert partner(SHARES[0]).update(1, extreme).words.any()


def test_one_class_trains_and_an_unknown_one_does_not() -> None:
    fours = REST["label"] == "4"
    only = private(REST.take(fours).take(slice(30)), TASK.columns)
    assert partner(only).update(1, BLANK).words.any()
    with pytest.raises(ConfigError, match="no label '4'"):
        Partner(SPEC, made("images", {}, ("0", "1")), only, lambda _: 0)


class Fussy:
    """TASK, but for an example with this label, which its features trip over."""

    def __init__(self, label: str, fixed_shapes: dict[str, tuple[int, ...]]) -> None:
        self._label, self.fixed_shapes = label, fixed_shapes

    def __getattr__(self, name: str) -> Any:
        return getattr(TASK, name)

    def inputs(self, table: Table, fixed: Any) -> Any:
        if self._label in table["label"]:
            raise ValueError("cannot reshape")
        return TASK.inputs(table, fixed)


def test_an_example_that_a_task_trips_over_is_named_before_anything_is_paid() -> None:
    labels = SHARES[0].table["label"]
    first = next(label for label in labels if label not in labels[:3])
    at = list(labels).index(first) + 1
    said = f"the task {SPEC.task} cannot take example {at}: ValueError: cannot reshape"

    def made_of(fixed_shapes: dict[str, tuple[int, ...]]) -> Partner:
        task = cast(Task, Fussy(first, fixed_shapes))
        return Partner(SPEC, task, SHARES[0], lambda _: pytest.fail("it was paid for"), seeded(1))

    with pytest.raises(ConfigError, match=said):
        made_of({})
    late = made_of({"mean": (1,)})  # where features hang on the first model
    with pytest.raises(ValueError, match="cannot reshape"):  # no refusal, whose words would be sent
        late.update(1, BLANK)


@pytest.mark.parametrize("changes", [{"noise_multiplier": 4_294.0}, {"clip": 1e-6}, {"clip": 4e3}])
def test_the_loudest_job_that_the_log_holds_is_computed_as_any_other(
    changes: dict[str, float],
) -> None:
    job = spec(**changes)
    words = partner(SHARES[0], job).update(1, BLANK).words
    assert np.isfinite(from_ring(words, job, 1)).all() and words.any()


# ---- the sum ----


def test_a_step_is_the_mean_gradient_with_momentum() -> None:
    job = spec(quorum=2, expected_examples=100, sampling=0.5, learning_rate=2.0, momentum=0.5)
    sum_up = Aggregator(job, BLANK)
    first = sum_up.step(ones(5), 2)
    assert np.allclose(first.vector, -2.0 * 5 / 50)
    second = sum_up.step(ones(5), 2)
    assert np.allclose(second.vector - first.vector, -2.0 * (0.5 * 0.1 + 0.1))


def test_fewer_than_the_quorum_make_no_round() -> None:
    sum_up = Aggregator(SPEC, BLANK)
    with pytest.raises(StateError, match="needs 3 updates, not 2"):
        sum_up.step(ones(), 2)
    assert digest(sum_up.step(ones(), 3)) != digest(BLANK)


def test_a_model_never_leaves_the_range_of_its_floats() -> None:
    wild = spec(learning_rate=1e38, expected_examples=1, clip=1e6)
    with pytest.raises(StateError, match="out of the range"):
        Aggregator(wild, BLANK).step(ones(1e3), 3)


def test_rounds_cost_what_the_accountant_says() -> None:
    job = spec()
    sum_up = Aggregator(job, BLANK)
    assert sum_up.epsilon_micro(20) == epsilon_micro(6.25, 1.0, 20, 1e-5) <= job.epsilon * 1e6
    assert sum_up.epsilon_micro(1) < sum_up.epsilon_micro(2)


# ---- all of it ----


def test_three_partners_with_different_digits_learn_all_of_them_together() -> None:
    """100 digits each: too few for a strong epsilon, enough to see that the sum learns."""
    partners = [partner(share, SPEC, n) for n, share in enumerate(SHARES)]
    weights, sum_up = BLANK, Aggregator(SPEC, BLANK)
    for number in range(1, SPEC.rounds + 1):
        updates = [each.update(number, weights).words for each in partners]
        summed = np.asarray(np.sum(updates, axis=0, dtype=updates[0].dtype))
        weights = sum_up.step(from_ring(summed, SPEC, number), len(updates))
    together = measured(TASK, weights, REST)
    assert together > 0.85
    commonest = max(np.bincount(TASK.targets(SHARES[0].table))) / len(SHARES[0])
    assert commonest > 0.2, "the shares are skewed"
