"""Training: cohorts of partners, pay by what they show, rounds that are rolled back, and questions.

How useful a sum was is measured outside, in floating point, and logged; shares follow from what is logged
(federated.valuation), and whoever recomputes them gets the same within a stated tolerance. What is here holds
exactly: how much of the pay may go by them, and that no partner's part is made or lost.
"""

from __future__ import annotations

from protocol.cohorts import Defence
from protocol.jobs import Job, JobTerms
from protocol.limits import PPM, TEXT_CHARS_MAX
from protocol.rules.record import require
from protocol.text import check_text
from protos.gen import records_pb2 as pb

# A cohort of one would show a partner's own sum.
COHORT_PARTNERS_MIN = 2


def validate_worth_terms(job: pb.Job) -> None:
    """Whatever looks at sums one by one needs public examples to compare them with."""
    require(
        not job.cohorts or 2 <= job.cohorts <= job.quorum // COHORT_PARTNERS_MIN,
        f"{job.cohorts} cohorts of the {job.quorum} partners that a round has at least",
        f"let there be none, or 2 and more, each of {COHORT_PARTNERS_MIN} partners or more",
    )
    require(
        (job.defence in set(Defence)) if job.cohorts else not job.defence,
        f"cohorts are not combined by {job.defence!r}",
        f"with cohorts name one of {', '.join(Defence)}, and without them none",
    )
    require(job.worth_ppm <= PPM, "more than all of the pay goes by worth", f"give at most {PPM}")
    require(
        bool(job.cohorts) or not job.worth_ppm,
        "the sum of all partners does not show what one of them is worth",
        "pay by worth in a job with cohorts",
    )
    require(job.margin_ppm < PPM, "the margin is one or more", f"let it be below {PPM}")
    require(
        bool(job.snapshot) or not (job.cohorts or job.margin_ppm),
        "rounds are compared with nothing",
        "name a snapshot: cohorts and a margin need public examples",
    )
    if job.is_question:
        _validate_question(job)


def _validate_question(job: pb.Job) -> None:
    """It is asked once, of all examples: nothing is learnt that a second round could use."""
    require(job.rounds == 1, f"a question of {job.rounds} rounds", "ask it in one")
    require(job.sampling_ppm == PPM, "a question samples examples", "let it ask all of them")
    require(not job.momentum_ppm, "a question has a momentum", "let it be 0")
    require(not job.snapshot, "a question names a snapshot", "an answer is compared with nothing")


def validate_round_worth(job: Job, body: pb.TrainingRound) -> None:
    """A round that is rolled back says why; one of cohorts says what each showed."""
    if body.reason:
        check_text(body.reason, "the reason", TEXT_CHARS_MAX)
        require(job.terms.margin_ppm > 0, "the job rolls no round back")
    require(
        bool(body.reason) == (body.model == body.base_model),
        "a round that is rolled back keeps the model that it began with, and says why",
    )
    require(
        len(body.usefulness_micro) == job.terms.cohorts,
        f"{len(body.usefulness_micro)} measurements of {job.terms.cohorts} cohorts",
    )
    _validate_weights(job.terms, body)


def _validate_weights(terms: JobTerms, body: pb.TrainingRound) -> None:
    """None is paid less than the part that goes to each alike; together they are paid as ever."""
    count, weights = len(body.partners), list(body.weights_ppm)
    if not terms.worth_ppm:
        require(not weights, "this job pays each update alike")
        return
    require(len(weights) == count, "each partner's update has a weight")
    require(sum(weights) == PPM * count, "the weights do not add up to one for each update")
    require(
        min(weights) >= PPM - terms.worth_ppm,
        f"an update weighs less than the {PPM - terms.worth_ppm} that each has",
    )


def weights_of(body: pb.TrainingRound) -> list[int]:
    """What each partner's update weighs, in the order of the partners."""
    return list(body.weights_ppm) or [PPM] * len(body.partners)
