"""Partners who spoil a job, in its real rounds: real apps, real rules and sums that nobody looks into."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commonhold.digits import load_digits
from federated.fixed_noise import FixedNoisePartner
from federated.grid import ring_of
from federated.model import Weights
from federated.partner import LocalUpdate
from federated.privacy import noise_multiplier_for
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.jobs import Job
from protocol.limits import PPM
from tests.federated_lab import DELTA, Lab
from tests.training_lab import BLANK, PublicDigits

IMAGES = 80  # of each partner
PARTNERS = 5
# So few examples learn something, in so few rounds, with hardly any noise.
LITTLE_PRIVACY = 90.0
# Nobody trains on the last ones: see Lab.enrol.
PUBLIC = np.random.default_rng(1).permutation(len(load_digits()))[-300:]


class Turned(FixedNoisePartner):
    """Sends its update the wrong way round, three times as long. Its signature is good."""

    def update(self, round_: int, base: Weights) -> LocalUpdate:
        honest, ring = super().update(round_, base), ring_of(self._spec)
        return replace(honest, words=ring.of(-3 * ring.signed(honest.words)))


class Bench(Lab):
    """A job with public digits, four partners, and as many rounds as it can lose."""

    def __init__(self, folder: Path, rounds: int, spare: int, **changes: object) -> None:
        noise = noise_multiplier_for(LITTLE_PRIVACY, DELTA, 1.0, rounds + spare)
        terms: dict[str, object] = {
            "rounds": rounds,
            "spare_rounds": spare,
            "quorum": 4,
            "margin_ppm": 60_000,
            "epsilon_micro": round(LITTLE_PRIVACY * PPM),
            "noise_micro": round(noise * PPM),
            "expected_examples": PARTNERS * IMAGES,
            "learning_rate_micro": 2 * PPM,
        }
        super().__init__(folder, PARTNERS, fixed=True, **(terms | changes))  # type: ignore[arg-type]
        self.public = PublicDigits(PUBLIC)

    def job_of(self, *bad: int) -> Job:
        """Runs the job with these partners turned; gives what the log has of it."""
        partners = [self.enrol(person, IMAGES) for person in self.people]
        for each in bad:
            partners[each].__class__ = Turned
        try:
            self.run(partners)
        finally:
            self.ended = self.net.state.jobs[self.terms.id]
        return self.ended

    def id(self, partner: int) -> PersonId:
        return self.people[partner].id


@pytest.fixture(autouse=True)
def _public_without_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated network has no snapshot of real digits; the rule that wants one is tested elsewhere."""
    monkeypatch.setattr("protocol.rules.training.validate_worth_terms", lambda _: None)
    monkeypatch.setattr("tests.federated_lab.EPSILON", LITTLE_PRIVACY)


@pytest.fixture(autouse=True)
def _one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, masks and noise of the lab are fixed, and so are cohorts once salts are: one draw in twelve or so
    has noise that uses up a job's spare rounds."""
    monkeypatch.setattr("federated.budget.families.secrets.token_bytes", bytes)


def test_honest_rounds_are_kept(tmp_path: Path) -> None:
    lab = Bench(tmp_path, rounds=2, spare=1)
    job = lab.job_of()
    assert len(job.rounds) == 2 and not job.failed
    assert job.rounds[-1].accuracy_ppm > lab.public.accuracy_ppm(BLANK) + 50_000  # type: ignore[union-attr]
    lab.close()


def test_a_spoilt_job_stops_with_its_reason_and_the_last_good_model(tmp_path: Path) -> None:
    lab = Bench(tmp_path, rounds=2, spare=1)
    with pytest.raises(StateError, match="is not kept: its sum points uphill"):
        lab.job_of(0, 1)
    assert len(lab.ended.failed) == 1 and "uphill" in lab.ended.failed[0].reason
    assert lab.ended.model == lab.terms.initial_model
    assert lab.ended.epsilon_micro > 0, "what was seen is spent"
    lab.close()


COHORTS = {"cohorts": 2, "defence": "trusted", "worth_ppm": PPM // 2}


def test_cohorts_tell_what_partners_are_worth(tmp_path: Path) -> None:
    lab = Bench(tmp_path, rounds=2, spare=1, **COHORTS)
    job = lab.job_of()
    assert len(job.rounds) == 2
    assert len(job.cohort_sums) == 4 and min(each.usefulness_micro for each in job.cohort_sums) > 0
    assert all(sum(each.weights_ppm) == PARTNERS * PPM for each in job.rounds)
    lab.close()


def test_who_spoils_is_found_and_asked_no_more(tmp_path: Path) -> None:
    lab = Bench(tmp_path, rounds=12, spare=10, **COHORTS)
    job = lab.job_of(2)
    asked = [lab.id(2) in each.partners for each in job.rounds]
    assert not asked[-1] and True not in asked[asked.index(False) :], "once found, it stays away"
    assert all({*map(lab.id, (0, 1, 3, 4))} <= {*each.partners} for each in job.rounds)
    lab.close()
