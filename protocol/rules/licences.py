"""Licences: sales of snapshots, and of the models that jobs made.

A snapshot is sold while it is whole. A model that a snapshot calibrated, whitened or measured carries a
little of it for ever, and no epsilon covers that. So a withdrawal reaches it, too. It is marked at once, for
everybody who reads the log, and after the policy's grace, in which its successor can be trained, nobody may
license it any more. What is sold already is sold.
"""

from __future__ import annotations

from protocol.errors import Reject
from protocol.jobs import Job
from protocol.lifecycle import JobStatus
from protocol.limits import ADDRESS_BYTES, LICENCE_ID_CHARS_MAX, OPERATOR_LEAVES_MAX
from protocol.log.strict import parse_amount
from protocol.money.revenue import owners_of
from protocol.rows import Licence, row_of
from protocol.rules.dataset import usable_snapshot
from protocol.rules.record import Record, add_id, require, require_new_id
from protocol.state import State
from protocol.text import check_name, is_id, quoted
from protos.gen import records_pb2 as pb


def validate_licence(state: State, record: Record[pb.Licence]) -> None:
    """A sale names one thing that may be sold, and what it costs."""
    body = record.body
    require(
        is_id(body.id, LICENCE_ID_CHARS_MAX),
        f"{quoted(body.id)} is not a licence's id",
        f"make it of a-z, 0-9 and -, at most {LICENCE_ID_CHARS_MAX} of them",
    )
    require_new_id(state, "licence", body.id)
    require(
        bool(body.snapshot) != bool(body.job_id),
        "a licence is for a snapshot or for a job's model",
        "name one of them",
    )
    if body.job_id:
        _check_model(state, body.job_id)
    else:
        _check_snapshot(state, body.snapshot)
    check_name(body.licensee, "the licensee")
    check_name(body.terms, "the licence's terms")
    require(len(body.asset) == ADDRESS_BYTES, "an asset is a 20-byte address, zeros for ether")
    shares = state.deployment is not None and body.asset == state.deployment.share_token
    require(not shares, "the network's own shares are no revenue", "name another asset")
    require(
        parse_amount(body.price, "the price") > 0,
        "the price is nothing",
        "give 1 or more of the asset's smallest unit",
    )
    # A close splits the licence's revenue in one go, beside all its other lines.
    owners = owners_of(state, body.snapshot, body.job_id)
    require(owners.lines <= OPERATOR_LEAVES_MAX // 4, "the revenue would have too many owners")


def _check_snapshot(state: State, digest: bytes) -> None:
    snapshot = usable_snapshot(state, digest)
    _require_commercial(snapshot.scope.commercial)
    # Whoever buys it holds it: only the items of an open campaign may all be passed on.
    campaign = state.campaigns[snapshot.campaign_id]
    require(
        campaign.privacy == pb.PRIVACY_OPEN,
        "its content goes to its reviewers only",
        "sell snapshots of open campaigns",
    )


def _check_model(state: State, job_id: str) -> None:
    """It hands out nobody's item, so its campaign need not be open; but to sell it is commercial use."""
    job = state.jobs.get(job_id)
    if job is None:
        raise Reject(
            f"there is no job {job_id!r}", "`commonhold model list` has those with a model"
        )
    require(
        job.status is JobStatus.COMPLETED,
        f"the job {job_id!r} has made no model",
        "a licence is for one whose rounds have all run",
    )
    if not job.terms.snapshot:
        return
    _require_commercial(state.snapshots[job.terms.snapshot].scope.commercial)
    last = last_epoch_of_sale(state, job)
    require(
        last is None or state.epoch <= last,
        f"something went from the snapshot that made the model of {job_id!r}: it could be licensed"
        f" until epoch {last}",
        "train it again on a new snapshot, which is without that",
    )


def _require_commercial(commercial: bool) -> None:
    require(
        commercial,
        "its authors did not all consent to commercial use",
        "export a snapshot with the scope commercial",
    )


def last_epoch_of_sale(state: State, job: Job) -> int | None:
    """The last epoch in which a job's model may be licensed anew, by the present policy; None: any, since
    nothing has gone from its snapshot."""
    if not job.terms.snapshot or not state.snapshots[job.terms.snapshot].spoilt_in:
        return None
    return state.snapshots[job.terms.snapshot].spoilt_in + state.policy.model_grace_epochs


def process_licence(state: State, record: Record[pb.Licence]) -> None:
    """Payments with its id are its revenue from now on."""
    add_id(state, "licence", record.body.id)
    state.licences.put(record.body.id, row_of(Licence, record.body, paid=0))
