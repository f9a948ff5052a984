"""Attacks find what is there to be found, and their intervals are honest where there is nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commonhold.digits import LABELS
from federated.attacks import (
    EXAMPLES_MIN,
    by_likelihood,
    by_loss,
    losses,
    nearest_to_weights,
    require_alike,
)
from federated.data import Table
from federated.model import Weights
from federated.reconstruction import CANDIDATES, TRIALS, Reconstruction, reconstruct
from federated.shadows import retrainer, trainer
from federated.spec import TrainingSpec
from federated.tasks.registry import made
from federated.tasks.task import Inputs, Targets
from protocol.errors import ConfigError
from tests.training_lab import BLANK, SPEC, TASK, skewed

_, REST = skewed(600, 1, seed=2)
MEMBERS, OTHERS = REST.take(slice(150)), REST.take(slice(150, 300))
# Far more steps than a job would take: the head knows its members by heart.
BY_HEART = replace(SPEC, noise_multiplier=0.0, rounds=300, learning_rate=64.0, momentum=0.9)
NOISY = replace(SPEC, noise_multiplier=20.0, rounds=20, learning_rate=4.0)


def trained(spec: object, table: Table) -> Weights:
    train = trainer(TASK, spec, BLANK)  # type: ignore[arg-type]
    return train(TASK.inputs(table, {}), TASK.targets(table), 1)


def losses_of(weights: Weights, table: Table) -> np.ndarray:
    return losses(TASK.scores(weights, TASK.inputs(table, {})), TASK.targets(table))


def test_an_area_is_the_share_of_pairs_in_order_and_ties_are_half_of_it() -> None:
    rng = np.random.default_rng(1)
    members, others = rng.integers(0, 9, 60) / 4, rng.integers(0, 9, 80) / 4
    pairs = [(m < o) + (m == o) / 2 for m in members for o in others]
    found = by_loss(members, others)
    assert found.auc == pytest.approx(np.mean(pairs))
    assert 0 <= found.low < found.auc < found.high <= 1
    assert (found.members, found.others) == (60, 80)


def test_the_interval_holds_a_half_19_times_in_20_where_there_is_nothing_to_find() -> None:
    rng = np.random.default_rng(2)
    found = [by_loss(rng.random(200), rng.random(200)) for _ in range(200)]
    held = sum(each.low <= 0.5 <= each.high for each in found)
    assert 180 <= held <= 198
    assert np.mean([each.auc for each in found]) == pytest.approx(0.5, abs=0.01)


def test_losses_are_cross_entropies_of_one_score_and_of_several() -> None:
    scores = np.array([[2.0, 0.0], [0.0, 0.0]], np.float32)
    expected = [np.log(1 + np.exp(-2)), np.log(2)]
    np.testing.assert_allclose(losses(scores, np.array([0, 1])), expected)
    one = np.array([[2.0], [-3.0], [1e4]], np.float32)
    expected = [np.log1p(np.exp(-2)), np.log1p(np.exp(-3)), 0.0]
    np.testing.assert_allclose(losses(one, np.array([1, 0, 1])), expected)


def test_a_model_that_knows_its_examples_by_heart_gives_them_away_and_a_noisy_one_does_not() -> (
    None
):
    by_heart, noisy = trained(BY_HEART, MEMBERS), trained(NOISY, MEMBERS)
    told = by_loss(losses_of(by_heart, MEMBERS), losses_of(by_heart, OTHERS))
    hidden = by_loss(losses_of(noisy, MEMBERS), losses_of(noisy, OTHERS))
    assert told.low > 0.55
    assert hidden.low <= 0.5 <= hidden.high
    near = nearest_to_weights(TASK, by_heart, MEMBERS, OTHERS)
    assert near is not None and near.looked_at == 100
    # Whoever knows nothing of an example has its members from the half of the pool that it chose.
    assert near.members > 50


def test_shadows_tell_more_than_a_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    by_heart = trained(BY_HEART, MEMBERS)
    train = trainer(TASK, replace(BY_HEART, rounds=100), BLANK)
    found = by_likelihood(TASK, by_heart, MEMBERS, OTHERS, train)
    loss = by_loss(losses_of(by_heart, MEMBERS), losses_of(by_heart, OTHERS))
    assert found.auc > max(0.6, loss.auc - 0.05)


@pytest.mark.parametrize(
    ("job", "least", "most"), [(BY_HEART, TRIALS, TRIALS), (NOISY, 0, TRIALS // 5)]
)
def test_who_knows_all_examples_but_one_names_it_unless_there_is_noise(
    job: TrainingSpec, least: int, most: int
) -> None:
    job = replace(job, rounds=20)
    quiet = retrainer(TASK, job, BLANK, len(MEMBERS))
    weights = trained(job, MEMBERS)
    found = reconstruct(TASK, weights, MEMBERS, OTHERS, quiet)
    assert found is not None
    assert (found.candidates, found.trials) == (CANDIDATES, TRIALS)
    assert least <= found.right <= most


def test_the_candidate_is_named_that_leads_to_the_model() -> None:
    """Of a model that counts labels: a one is on the list, and all that are known are noughts."""
    classes = TASK.targets(REST)
    noughts, ones = (REST.take(np.flatnonzero(classes == each)) for each in (0, 1))

    def count(_: Inputs, targets: Targets, __: int) -> Weights:
        counted = np.zeros(BLANK.vector.size, np.float32)
        counted[:10] = np.bincount(targets, minlength=10)
        return BLANK.replaced(counted)

    def right(released: dict[int, float]) -> float:
        vector = count(TASK.inputs(noughts, {}), TASK.targets(noughts), 0).vector.copy()
        for label, more in released.items():
            vector[label] += more
        found = reconstruct(TASK, BLANK.replaced(vector), noughts, ones, count)
        assert found is not None and found.trials == TRIALS
        return found.right

    assert right({}) == TRIALS
    assert right({0: -0.6, 1: 1.0}) == 0, "nearer to a one in its place"
    assert right({0: -0.6, 2: 1.0}) == TRIALS, "a two is not on the list"


def test_a_retrained_model_is_the_average_of_what_noise_would_make() -> None:
    inputs, targets = TASK.inputs(MEMBERS, {})[:99], TASK.targets(MEMBERS)[:99]
    job = replace(NOISY, rounds=1, sampling=0.5)
    found = retrainer(TASK, job, BLANK, 150)(inputs, targets, 0)
    step = job.learning_rate * TASK.clipped_sum(BLANK, inputs, targets, job.clip) / 150
    np.testing.assert_allclose(found.vector, -step, rtol=1e-5, atol=1e-7)


def test_no_attacker_is_right_more_often_than_epsilon_lets_him() -> None:
    found = Reconstruction(candidates=50, trials=25, right=1)
    assert found.most(0.0, 0.0) == pytest.approx(1 / 50)
    assert found.most(3.0, 1e-5) == pytest.approx(np.exp(3) / 50 + 1e-5)
    assert found.most(1e6, 0.0) == pytest.approx(1.0)


def test_too_few_or_uneven_data_is_refused() -> None:
    require_alike(MEMBERS, OTHERS)
    with pytest.raises(ConfigError, match="tell nothing"):
        require_alike(MEMBERS.take(slice(EXAMPLES_MIN - 1)), OTHERS)
    with pytest.raises(ConfigError, match="150 members and 60 others"):
        require_alike(MEMBERS, OTHERS.take(slice(60)))


def test_another_model_than_a_linear_head_has_no_directions() -> None:
    network = made("cnn", {}, LABELS)
    assert nearest_to_weights(network, BLANK, MEMBERS, OTHERS) is None
    assert reconstruct(network, BLANK, MEMBERS, OTHERS, trainer(network, NOISY, BLANK)) is None
