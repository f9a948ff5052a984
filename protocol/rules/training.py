"""Federated training: who trains what, at which price in privacy, and how it ends. Rounds are in
protocol.rules.training_rounds.

No data and no weights are in here, only their hashes.
"""

from __future__ import annotations

from dataclasses import replace

from protocol.committee import noise_parties_max
from protocol.errors import Ignore, Reject
from protocol.identity import PersonId, short
from protocol.jobs import Enrolment, Job, JobResult, JobTerms
from protocol.lifecycle import JobEvent, next_job_status
from protocol.limits import (
    CERTIFICATE_BYTES_MAX,
    COLUMNS_MAX,
    DELTA_PPB_MAX,
    ENDPOINT_CHARS_MAX,
    KEY_BYTES,
    NAME_CHARS_MAX,
    PARAMETERS_MAX,
    PARTNERS_MAX,
    PPM,
    PRICE_PPM_MAX,
    TASK_OPTIONS_CHARS_MAX,
    TEXT_CHARS_MAX,
    TRAINING_ROUNDS_MAX,
    TRANSPORT_KEY_BYTES_MAX,
    UPLOAD_BITS_MAX,
    UPLOAD_BITS_MIN,
)
from protocol.rows import row_of
from protocol.rules.dataset import usable_snapshot
from protocol.rules.record import (
    Record,
    add_id,
    campaign_of,
    require,
    require_hash,
    require_new_id,
)
from protocol.rules.worth import validate_worth_terms
from protocol.state import State
from protocol.text import check_name, check_text, is_id, quoted
from protos.gen import records_pb2 as pb

# Everybody who waits for a round has to know when it is given up; a day is for hospitals' nights.
ROUND_SECONDS_MAX = 86_400
# Which a model may be trained for: those of the files that are shipped.
WEIGHT_BITS = (0, 4, 8)
# Above this an epsilon says nothing any more.
EPSILON_MICRO_MAX = 100 * PPM


def validate_job(state: State, record: Record[pb.Job]) -> None:
    """Everything that decides privacy, pay and who may join is fixed before anybody does."""
    job = record.body
    require(
        is_id(job.id),
        f"{quoted(job.id)} is not a job's id",
        f"make it of a-z, 0-9 and -, at most {NAME_CHARS_MAX} of them",
    )
    require_new_id(state, "job", job.id)
    check_text(job.title, "the title", TEXT_CHARS_MAX)
    campaign_of(state, job.campaign_id)
    if job.snapshot:
        snapshot = usable_snapshot(state, job.snapshot)
        require(
            snapshot.campaign_id == job.campaign_id,
            f"the snapshot is of another campaign, {snapshot.campaign_id!r}",
            "name a snapshot of the campaign whose labels the model learns",
        )
        require(
            snapshot.scope.train,
            "the snapshot's scope is not training",
            "export one with the scope train",
        )
    _validate_task(job)
    check_name(job.model_licence, "the licence of the job's model")
    require(
        job.weight_bits in WEIGHT_BITS,
        f"gradients are taken at weights of {job.weight_bits} bits",
        "let it be 4 or 8, as models are shipped; or 0: as they are",
    )
    require_hash(job.initial_model, "the initial model's hash")
    _validate_columns(job)
    _validate_partners(state, job)
    _validate_privacy(job)
    _validate_uploads(job)
    validate_worth_terms(job)
    require(
        job.rounds >= 1 and job.rounds + job.spare_rounds <= TRAINING_ROUNDS_MAX,
        f"a job of {job.rounds} rounds, and {job.spare_rounds} spare ones",
        f"give it 1 to {TRAINING_ROUNDS_MAX} of both together",
    )
    require(
        job.learning_rate_micro > 0, "the learning rate is nothing", "let it be a millionth or more"
    )
    require(job.momentum_ppm < PPM, "the momentum is one or more", "let it be from 0 to below 1")
    require(job.expected_examples > 0, "a job that expects no examples", "expect 1 or more")
    require(
        0 < job.price_ppm <= PRICE_PPM_MAX,
        f"the price is {job.price_ppm} parts per million",
        f"give 1 to {PRICE_PPM_MAX}; {PPM} is what others pay",
    )
    require(0 < len(job.endpoint) <= ENDPOINT_CHARS_MAX, "a job says where it trains")
    require(0 < len(job.tls_certificate) <= CERTIFICATE_BYTES_MAX, "a job names its certificate")
    require(
        1 <= job.round_seconds <= ROUND_SECONDS_MAX,
        f"a round waits for {job.round_seconds} seconds",
        "let it wait for 1 second to a day",
    )


def _validate_task(job: pb.Job) -> None:
    """Formats only: whether the options mean anything, only installed code can say."""
    check_name(job.task, "the job's task")
    require(
        2 <= len(job.task_options) <= TASK_OPTIONS_CHARS_MAX,
        f"a task's options take {len(job.task_options)} characters",
        f"let them be a JSON object of at most {TASK_OPTIONS_CHARS_MAX}",
    )
    require(
        job.task_options.isascii() and job.task_options.isprintable(),
        "a task's options hold other characters than printable ASCII",
        "write them as JSON with escapes",
    )
    require_hash(job.task_code, "the hash of the task's code")
    check_name(job.task_version, "the task's version")


def _validate_columns(job: pb.Job) -> None:
    require(0 < len(job.columns) <= COLUMNS_MAX, "a job names the columns it reads")
    require(len(set(job.columns)) == len(job.columns), "a column is named twice")
    for column in job.columns:
        check_name(column, "a column's name")


def _validate_partners(state: State, job: pb.Job) -> None:
    """By invitation: a crowd of invented partners would water down everybody's noise, and pay."""
    require(
        0 < len(job.partners) <= PARTNERS_MAX,
        f"a job that invites {len(job.partners)} partners",
        f"invite 1 to {PARTNERS_MAX}",
    )
    for partner in map(PersonId, job.partners):
        require(
            list(job.partners).count(partner) == 1,
            f"the partner {short(partner)} is invited twice",
            "name each once",
        )
        require(
            partner in state.members,
            f"the partner {short(partner)} has not registered with the network",
            "a partner joins it by `commonhold node init`",
        )
    require(
        1 <= job.quorum <= len(job.partners),
        f"a round needs the updates of {job.quorum} of {len(job.partners)} partners",
        f"let it need 1 to {len(job.partners)}",
    )
    # Who knows some of a sum's noise would else learn more than the job says.
    summed = job.quorum // max(1, job.cohorts)
    most = noise_parties_max(len(job.partners), summed)
    require(
        1 <= job.noise_parties <= most,
        f"{job.noise_parties} partners are to make the noise of a sum of {summed} updates",
        f"let it be 1 to {most}: the others may know theirs, and tell",
    )


def _validate_privacy(job: pb.Job) -> None:
    require(
        0 < job.sampling_ppm <= PPM,
        f"an example's chance to be in a round is {job.sampling_ppm} parts per million",
        f"let it be 1 to {PPM}",
    )
    require(
        job.clip_micro > 0,
        "examples' gradients are clipped to nothing",
        "let the bound be a millionth or more",
    )
    require(job.noise_micro > 0, "a job adds noise", "a job without it promises no epsilon")
    require(
        0 < job.epsilon_micro <= EPSILON_MICRO_MAX,
        f"epsilon is {job.epsilon_micro} millionths",
        f"let it be above zero and at most {EPSILON_MICRO_MAX // PPM}: beyond it promises nothing",
    )
    require(
        0 < job.delta_ppb <= DELTA_PPB_MAX,
        f"delta is {job.delta_ppb} billionths",
        f"let it be above zero and at most {DELTA_PPB_MAX:,}: the odds that epsilon does not hold",
    )


def _validate_uploads(job: pb.Job) -> None:
    require(job.upload_step > 0, "updates are cut to steps of nothing")
    require(
        UPLOAD_BITS_MIN <= job.upload_bits <= UPLOAD_BITS_MAX,
        f"an update's values have {job.upload_bits} bits",
        f"give {UPLOAD_BITS_MIN} to {UPLOAD_BITS_MAX}",
    )
    require(
        0 < job.upload_values <= job.parameters <= PARAMETERS_MAX,
        f"an update has {job.upload_values} values for {job.parameters} parameters",
        f"let it have 1 or more, up to one for each of at most {PARAMETERS_MAX:,}",
    )


def process_job(state: State, record: Record[pb.Job]) -> None:
    """Opens it to those invited."""
    add_id(state, "job", record.body.id)
    partners = tuple(PersonId(partner) for partner in record.body.partners)
    terms = row_of(JobTerms, record.body, partners=partners)
    state.jobs.put(record.body.id, Job(terms, record.body.initial_model))


def job_of(state: State, job_id: str) -> Job:
    """The job; raises Reject where there is none."""
    job = state.jobs.get(job_id)
    if job is None:
        raise Reject(f"there is no job {job_id!r}", "`commonhold federated status` lists them")
    return job


def validate_enrol(state: State, record: Record[pb.Enrol]) -> None:
    """Only those invited, and before training starts."""
    job = job_of(state, record.body.job_id)
    require(record.author in job.terms.partners, "this person is not invited to the job")
    if (job.terms.id, record.author) in state.partners:
        raise Ignore("this partner has joined already")
    next_job_status(job.status, JobEvent.JOIN)
    require_hash(record.body.data_commitment, "the data commitment")
    require(
        0 < len(record.body.transport_key) <= TRANSPORT_KEY_BYTES_MAX,
        "a partner names the key that its machine authenticates with",
    )
    # Keys are public once they are logged: under another's key one could pass for that machine.
    require(
        all(
            each.transport_key != record.body.transport_key
            for _, each in state.partners.scan(job.terms.id)
        ),
        "another partner's machine authenticates with this key",
    )
    require(
        len(record.body.sealing_key) == KEY_BYTES,
        "a partner names the key that seeds are sealed to",
    )
    require(
        all(
            each.sealing_key != record.body.sealing_key
            for _, each in state.partners.scan(job.terms.id)
        ),
        "another partner's seeds are sealed to this key",
    )


def process_enrol(state: State, record: Record[pb.Enrol]) -> None:
    """From now on updates are signed over this very data."""
    key = (record.body.job_id, record.author)
    state.partners.put(key, row_of(Enrolment, record.body))


def validate_model(state: State, record: Record[pb.Model]) -> None:
    """What came out, with its measurements; or why nothing did."""
    body = record.body
    job = job_of(state, body.job_id)
    next_job_status(job.status, _end_of(body))
    require(body.epsilon_micro == job.epsilon_micro, "the model costs what its rounds cost")
    if body.outcome == pb.JOB_OUTCOME_ENDED:
        require(0 < len(body.reason) <= TEXT_CHARS_MAX, "a job that ended early says why")
        require(body.weights in (b"", job.model), "the weights are not those of the last round")
        require(not body.artifact and not body.card, "a job that ended early has no artifact")
        return
    require(len(job.rounds) == job.terms.rounds, "the job's rounds have not all run")
    require(body.weights == job.model, "the model is not that of the last round")
    if job.terms.is_question:
        require_hash(body.card, "the answer's hash")
        require(not body.artifact and not body.held_back, "an answer is no model")
        return
    require_hash(body.artifact, "the artifact's hash")
    require_hash(body.card, "the card's hash")
    require(body.accuracy_fp32_ppm <= PPM, "the accuracy is above one")
    require(body.accuracy_int8_ppm <= PPM, "the accuracy is above one")
    require(body.held_back > 0, "accuracy is measured on examples that nobody trained on")
    require(body.fp32_bytes > 0 < body.int8_bytes, "a model has a size")


def _end_of(body: pb.Model) -> JobEvent:
    if body.outcome == pb.JOB_OUTCOME_COMPLETED:
        return JobEvent.COMPLETE
    if body.outcome == pb.JOB_OUTCOME_ENDED:
        return JobEvent.END
    raise Reject("a model record completes a job or ends it")


def process_model(state: State, record: Record[pb.Model]) -> None:
    """The job is over."""
    job = state.jobs[record.body.job_id]
    status = next_job_status(job.status, _end_of(record.body))
    state.jobs.put(
        job.terms.id,
        replace(job, status=status, round_set=None, result=row_of(JobResult, record.body)),
    )
    state.updates.clear(job.terms.id)
    state.openings.clear(job.terms.id)
    state.complaints.clear(job.terms.id)
