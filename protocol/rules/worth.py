"""Training: cohorts of partners, pay by what they show, and questions.

How useful a sum was is measured outside, in floating point, and logged; shares follow from what is logged
(federated.valuation), and whoever recomputes them gets the same within a stated tolerance. What is here holds
exactly: how much of the pay may go by them, and that no partner's part is made or lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.cohorts import Defence
from protocol.jobs import CohortSum, Job, JobTerms
from protocol.limits import PPM
from protocol.rules.record import require
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
    """A round of cohorts says what each showed, and what that is worth."""
    _require_measured(job, body.usefulness_micro)
    _validate_weights(job.terms, body)


def validate_failed_worth(job: Job, body: pb.FailedRound) -> None:
    """What cohorts showed is known as soon as their sums are, also where the model is not kept."""
    if body.usefulness_micro:
        require(job.round_set is not None, "the round has no set whose sums were opened")
        _require_measured(job, body.usefulness_micro)


def _require_measured(job: Job, usefulness_micro: Sequence[int]) -> None:
    require(
        len(usefulness_micro) == job.terms.cohorts,
        f"{len(usefulness_micro)} measurements of {job.terms.cohorts} cohorts",
    )


def cohort_sums_of(job: Job, usefulness_micro: Sequence[int]) -> tuple[CohortSum, ...]:
    """Those of all rounds, with the one that runs."""
    if job.round_set is None or not usefulness_micro:
        return job.cohort_sums
    shown = zip(job.round_set.groups, usefulness_micro, strict=True)
    return (*job.cohort_sums, *(CohortSum(group, useful) for group, useful in shown))


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
