"""A round's sum is opened: what members of its committee say, and how a lie is shown.

    opening      by a member: hashes of masks' sums over the round's set
    complaint    by a member: a partner did not seal to it what it committed to, and signed
    disclosure   by that partner: the key of that one box, so that everybody sees what is in it

Who lied follows: a member, if another says something else of the same masks or a partner has shown the box
to be right; a partner who is complained of and does not show its box. Nothing of an honest partner's that a
member under the threshold did not have becomes known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from protocol.committee import held, masks_of
from protocol.errors import Ignore, Reject
from protocol.identity import PersonId, short
from protocol.jobs import Complaint, Job
from protocol.lifecycle import JobEvent, next_job_status
from protocol.limits import KEY_BYTES
from protocol.rules.record import Record, require, require_hash
from protocol.rules.training import job_of
from protocol.shares import Place, Share, shown_share
from protocol.state import State
from protos.gen import records_pb2 as pb

# Of one member in a round: its own duties, and those of members who are away, asked for one after the other.
OPENINGS_MAX = 32


def running(state: State, job_id: str, round_: int) -> Job:
    """The job, whose round runs. Late records are harmless; early ones are not."""
    job = job_of(state, job_id)
    next_job_status(job.status, JobEvent.TRAIN)
    if round_ < job.present:
        raise Ignore(f"round {round_} of the job is over")
    require(
        round_ == job.present and len(job.rounds) < job.terms.rounds,
        f"round {round_} of the job has not begun",
    )
    return job


def _member(author: PersonId, job: Job) -> int:
    """The author's place in the committee, once there is something to open."""
    require(author in job.committee, "this person is not in the round's committee")
    require(job.round_set is not None, "the round's set is not fixed yet")
    return job.committee.index(author)


def validate_opening(state: State, record: Record[pb.SumOpening]) -> None:
    """By a member, of masks that it holds, over the round's set; no word of it is taken back."""
    body = record.body
    job = running(state, body.job_id, body.round)
    mine = set(held(len(job.committee), _member(record.author, job)))
    require(
        job.round_set is not None and body.set == job.round_set.digest,
        "the opening is of another set than the round's",
    )
    require(len(body.sums) > 0, "an opening says what it opens")
    for each in body.sums:
        require(each.masks > 0, "an opening says what it opens")
        require(mine.issuperset(masks_of(each.masks)), "the member does not hold this mask")
        require_hash(each.sum, "the sum's hash")
        if (body.job_id, record.author, each.masks) in state.openings:
            raise Ignore("this member has opened these masks already")
    names = [each.masks for each in body.sums]
    require(names == sorted(set(names)), "what is opened is in ascending order")
    before = sum(who == record.author for (_, who, _), _ in state.openings.scan(body.job_id))
    require(
        before + len(names) <= OPENINGS_MAX, f"a member opens at most {OPENINGS_MAX} sums a round"
    )


def process_opening(state: State, record: Record[pb.SumOpening]) -> None:
    """Others compare it with their own."""
    for each in record.body.sums:
        state.openings.put((record.body.job_id, record.author, each.masks), each.sum)


def opened_by(state: State, job_id: str) -> list[PersonId]:
    """The members who have opened the sum of the round that runs, in ascending order."""
    return sorted({who for (_, who, _), _ in state.openings.scan(job_id)})


def validate_complaint(state: State, record: Record[pb.Complaint]) -> None:
    """Of what the partner signed, and nothing else. One a round: it is enough to stop it."""
    body = record.body
    job = running(state, body.job_id, body.round)
    member = _member(record.author, job)
    if (body.job_id, record.author) in state.complaints:
        raise Ignore("this member has complained in this round already")
    partner = PersonId(body.partner)
    require(
        job.round_set is not None and partner in job.round_set.partners,
        "the partner complained of is not in the round's set",
    )
    signed = state.updates[body.job_id, partner].seeds
    require(
        Share.decode(body.share, len(job.committee)).digest(member) == signed,
        f"this is not what {short(partner)} signed",
    )


def process_complaint(state: State, record: Record[pb.Complaint]) -> None:
    """Waits for the partner's answer."""
    body = record.body
    row = Complaint(PersonId(body.partner), body.share)
    state.complaints.put((body.job_id, record.author), row)


def validate_disclosure(state: State, record: Record[pb.Disclosure]) -> None:
    """A key that opens the very box, and finds in it what the partner committed to."""
    body = record.body
    job = running(state, body.job_id, body.round)
    member = PersonId(body.member)
    complaint = state.complaints.get((body.job_id, member))
    if complaint is None or complaint.partner != record.author:
        raise Reject("this member has not complained of this partner")
    if complaint.is_refuted:
        raise Ignore("the complaint is refuted already")
    require(len(body.ephemeral) == KEY_BYTES, "the key of a box has 32 bytes")
    share = Share.decode(complaint.share, len(job.committee))
    holder = (member, state.partners[body.job_id, member].sealing_key)
    place = Place(state.network, body.job_id, body.round, record.author)
    shown_share(place, share, body.ephemeral, job.committee.index(member), holder)


def process_disclosure(state: State, record: Record[pb.Disclosure]) -> None:
    """The member lied."""
    key = (record.body.job_id, PersonId(record.body.member))
    state.complaints.put(key, replace(state.complaints[key], is_refuted=True))


def require_faults(state: State, job_id: str, people: Sequence[PersonId]) -> None:
    """Raises Reject unless the log shows of each of them that it lied, or that others say so."""
    require(
        all(_is_contradicted(state, job_id, who) for who in people),
        "somebody is called faulty whom nobody contradicts",
    )


def _is_contradicted(state: State, job_id: str, person: PersonId) -> bool:
    """Whether somebody says something else of masks that it opened, or has the last word about a box."""
    said = list(state.openings.scan(job_id))
    mine = {masks: sum_ for (_, who, masks), sum_ in said if who == person}
    return any(mine.get(masks, sum_) != sum_ for (_, _, masks), sum_ in said) or any(
        person == (member if each.is_refuted else each.partner)
        for (_, member), each in state.complaints.scan(job_id)
    )
