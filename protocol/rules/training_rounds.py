"""The rounds of a training job: updates are signed, a set of them is fixed, a committee opens their sum.

    training-start   nobody joins any more
    update           by each partner: hashes of its masked update and of the seeds that it sealed
    training-set     by the operator: whose updates are in the sum
    opening          by members of the committee, as protocol.rules.opening has it
    training-round   the model that the sum made; or
    failed-round     why it made none; its number and its cost are spent

What partners signed before they sent it is what the sum is made of, and no two sums of one round can be
opened: each member opens what its own replay has, and says so in here first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from protocol.cohorts import draw_cohorts
from protocol.committee import COMMITTEE_MAX, needed_of, seed_of, set_digest
from protocol.errors import Ignore, Reject
from protocol.identity import PersonId
from protocol.jobs import FailedRound, Job, RoundSet, Trained, TrainingRound, Update
from protocol.lifecycle import JobEvent, next_job_status
from protocol.limits import PPM, TEXT_CHARS_MAX
from protocol.rows import row_of
from protocol.rules.opening import opened_by, require_faults, running
from protocol.rules.record import Record, require, require_hash
from protocol.rules.training import job_of
from protocol.rules.worth import (
    cohort_sums_of,
    validate_failed_worth,
    validate_round_worth,
    weights_of,
)
from protocol.state import State
from protos.gen import records_pb2 as pb

# A close has a line for each partner and job, beside those of contributors and reviewers.
TRAINER_LINES_MAX = 8_192


def validate_start(state: State, record: Record[pb.TrainingStart]) -> None:
    """A round has to be possible."""
    job = job_of(state, record.body.job_id)
    next_job_status(job.status, JobEvent.START)
    joined = state.partners.count(job.terms.id)
    require(
        joined >= job.terms.quorum,
        f"{joined} partners have joined; a round needs {job.terms.quorum}",
    )


def process_start(state: State, record: Record[pb.TrainingStart]) -> None:
    """Everybody who joined may be in the first committee."""
    job = state.jobs[record.body.job_id]
    joined = list(state.partners.scan(job.terms.id))
    state.jobs.put(
        job.terms.id,
        replace(
            job,
            status=next_job_status(job.status, JobEvent.START),
            seed=seed_of(job.terms.id, (enrolled.sealing_key for _, enrolled in joined)),
            candidates=tuple(partner for (_, partner), _ in joined),
        ),
    )


def validate_update(state: State, record: Record[pb.Update]) -> None:
    """One update for each partner and round, from the model of that round and the data joined with."""
    body = record.body
    key = (body.job_id, record.author)
    job_of(state, body.job_id)
    enrolled = state.partners.get(key)
    if enrolled is None:
        raise Reject("this person has not joined the job")
    job = running(state, body.job_id, body.round)
    require(record.author not in job.faulty, "this partner lied in an earlier round of the job")
    if key in state.updates:
        raise Ignore("this partner has an update in this round already")
    if job.round_set is not None:
        raise Ignore("the round's set is fixed")
    require(body.base_model == job.model, "the update starts from another model than the round")
    require_hash(body.update, "the update's hash")
    require_hash(body.seeds, "the seeds' hash")
    require(
        body.data_commitment == enrolled.data_commitment,
        "the update was made from other data than the partner joined with",
    )
    require(body.delta_ppb == job.terms.delta_ppb, "epsilon is stated at another delta")
    require(body.epsilon_micro > 0, "an update costs privacy")
    require(
        body.epsilon_micro
        >= stated_micro(state, record.author, body.data_commitment, body.delta_ppb),
        "the update states less epsilon than an earlier one of this data: what was spent stays spent",
    )


def stated_micro(state: State, author: PersonId, commitment: bytes, delta_ppb: int) -> int:
    """The most epsilon that a person has stated of data, in any job, at this delta or a larger one, at which
    the same epsilon says less; 0: none."""
    return max(
        (
            epsilon
            for (_, person, delta), epsilon in state.stated.scan(commitment)
            if person == author and delta >= delta_ppb
        ),
        default=0,
    )


def process_update(state: State, record: Record[pb.Update]) -> None:
    """Waits for its round."""
    key = (record.body.job_id, record.author)
    state.updates.put(key, row_of(Update, record.body))
    stated = (record.body.data_commitment, record.author, record.body.delta_ppb)
    state.stated.put(stated, record.body.epsilon_micro)


def validate_set(state: State, record: Record[pb.TrainingSet]) -> None:
    """Updates that their authors signed, and enough of them; once a round."""
    body = record.body
    job = running(state, body.job_id, body.round)
    require(job.round_set is None, "the round's set is fixed already")
    partners = people_of(body.partners)
    require(
        all((body.job_id, p) in state.updates for p in partners),
        "a partner signed no update in this round",
    )
    require(
        len(partners) >= job.terms.quorum,
        f"a round needs {job.terms.quorum} updates, not {len(partners)}",
    )


def process_set(state: State, record: Record[pb.TrainingSet]) -> None:
    """From here on the round's committee opens this sum."""
    body = record.body
    job = state.jobs[body.job_id]
    partners = tuple(map(PersonId, body.partners))
    signed = [(each, state.updates[body.job_id, each]) for each in partners]
    digest = set_digest(
        state.network,
        body.job_id,
        body.round,
        ((partner, update.update, update.seeds) for partner, update in signed),
    )
    # By what nobody knew who made an update: whoever signs last does not choose its company.
    groups = draw_cohorts(job.seed + job.model, body.round, partners, max(1, job.terms.cohorts))
    state.jobs.put(body.job_id, replace(job, round_set=RoundSet(partners, groups, digest)))


def validate_round(state: State, record: Record[pb.TrainingRound]) -> None:
    """What came of a set whose sum its committee opened."""
    body = record.body
    job = running(state, body.job_id, body.round)
    require(body.base_model == job.model, "the round starts from another model")
    require_hash(body.model, "the model's hash")
    require_hash(body.checkpoint, "the checkpoint's hash")
    if job.round_set is None:
        raise Reject("the round has no set whose sum was opened")
    partners = people_of(body.partners)
    require(
        partners == list(job.round_set.partners), "the partners are not those of the round's set"
    )
    opened, needed = opened_by(state, body.job_id), needed_of(len(job.committee))
    require(
        len(opened) >= needed,
        f"{needed} of the committee have to open the sum, and {len(opened)} have",
    )
    require_faults(state, body.job_id, people_of(body.faulty))
    _require_cost(job, body.epsilon_micro)
    require(body.accuracy_ppm <= PPM, "the accuracy is above one")
    validate_round_worth(job, body)
    fresh = sum((partner, body.job_id) not in state.trained for partner in partners)
    require(
        len(state.trained) + fresh <= TRAINER_LINES_MAX,
        f"an epoch pays at most {TRAINER_LINES_MAX} trainers",
        "close it first: `commonhold coordinator epoch close`",
    )


def process_round(state: State, record: Record[pb.TrainingRound]) -> None:
    """Its partners are paid in the next close; updates that came too late count for nothing."""
    body = record.body
    job = state.jobs[body.job_id]
    done = row_of(TrainingRound, body)
    faulty = tuple(sorted({*job.faulty, *done.faulty}))
    state.jobs.put(
        body.job_id,
        replace(
            job,
            rounds=(*job.rounds, done),
            cohort_sums=cohort_sums_of(job, done.usefulness_micro),
            model=body.model,
            epsilon_micro=body.epsilon_micro,
            faulty=faulty,
            candidates=_candidates(state, job, done.partners, faulty),
            round_set=None,
        ),
    )
    _clear(state, body.job_id)
    for partner, weight in zip(done.partners, weights_of(body), strict=True):
        key = (partner, body.job_id)
        before = state.trained.get(key, Trained())
        state.trained.put(key, Trained(before.updates + 1, before.worth_ppm + weight))


def validate_failed(state: State, record: Record[pb.FailedRound]) -> None:
    """It costs what a round costs, and one of the job's spare ones."""
    body = record.body
    job = running(state, body.job_id, body.round)
    require(0 < len(body.reason) <= TEXT_CHARS_MAX, "a round that failed says why")
    require(
        all((body.job_id, each) in state.partners for each in people_of(body.missing)),
        "somebody is missed who has not joined",
    )
    require(
        len(job.failed) < job.terms.spare_rounds,
        f"{len(job.failed)} rounds have failed, as many as the job has to spare",
        "end the job",
    )
    require_faults(state, body.job_id, people_of(body.faulty))
    _require_cost(job, body.epsilon_micro)
    validate_failed_worth(job, body)


def process_failed(state: State, record: Record[pb.FailedRound]) -> None:
    """Another round follows, from the same model; those who were missed are not in its committee."""
    body = record.body
    job = state.jobs[body.job_id]
    failed = row_of(FailedRound, body)
    left = [each for each in job.candidates if each not in failed.missing]
    faulty = tuple(sorted({*job.faulty, *failed.faulty}))
    state.jobs.put(
        body.job_id,
        replace(
            job,
            failed=(*job.failed, failed),
            cohort_sums=cohort_sums_of(job, body.usefulness_micro),
            epsilon_micro=body.epsilon_micro,
            faulty=faulty,
            candidates=_candidates(state, job, left, faulty),
            round_set=None,
        ),
    )
    _clear(state, body.job_id)


def _candidates(
    state: State, job: Job, active: Sequence[PersonId], faulty: Sequence[PersonId]
) -> tuple[PersonId, ...]:
    """Of whom the next committee is drawn: those who are there, unless so few are left that whoever says
    who is there could make a committee of its friends."""
    left = tuple(each for each in active if each not in faulty)
    if len(left) >= min(COMMITTEE_MAX, job.terms.quorum):
        return left
    joined = [partner for (_, partner), _ in state.partners.scan(job.terms.id)]
    return tuple(each for each in joined if each not in faulty) or tuple(joined)


def _clear(state: State, job_id: str) -> None:
    state.updates.clear(job_id)
    state.openings.clear(job_id)
    state.complaints.clear(job_id)


def people_of(persons: Sequence[bytes]) -> list[PersonId]:
    """A list of persons as records have it. Raises Reject."""
    people = [PersonId(person) for person in persons]
    require(people == sorted(set(people)), "the partners are in ascending order")
    return people


def _require_cost(job: Job, epsilon_micro: int) -> None:
    require(
        job.epsilon_micro < epsilon_micro <= job.terms.epsilon_micro,
        "a round costs privacy, and never more than the job has",
    )
