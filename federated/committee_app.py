"""A partner's machine as a member of a round's committee: what it opens, and what it refuses to.

    check     the log has the set, and we have opened no other of this round, nor ever will
    open      the sums of masks that we hold, over this set
    sign      their hashes are in the log
    reply     the sums, once enough of the committee have said that they open this set

Where somebody lies, a member shows the seeds of masks that another contradicts it about, and a partner the
one box that a member complains of: neither is more than those who may collude could know.

Nothing but the round's number and the partners' shares is taken from a message, and the log vouches for both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from commonground.committees import FixedSet
from federated.member import Member, WrongShare
from federated.messages import (
    ANSWER,
    OPEN,
    SHOW,
    Opened,
    Shown,
    answered_message,
    opened_message,
    read_answer,
    read_open,
    read_show,
    require_job,
    shown_message,
)
from protocol.committee import Masks
from protocol.errors import Reject, StateError
from protocol.identity import PersonId
from protocol.shares import Share


class CommitteeLog(Protocol):
    """The log, as far as a member needs it."""

    def await_set(self, number: int) -> FixedSet:
        """The set of the round, once the log has it. Raises StateError as `await_round`."""

    def open(self, fixed: FixedSet, sums: Mapping[Masks, bytes]) -> None:
        """Logs the hashes of the sums that we found; returns with a receipt that holds."""

    def complain(self, fixed: FixedSet, partner: PersonId, share: Share) -> None:
        """Logs what a partner sealed to us and is wrong."""

    def disclose(self, fixed: FixedSet, member: PersonId, ephemeral: bytes) -> None:
        """Logs the key of our box for a member who complained."""

    def await_openings(self, fixed: FixedSet) -> bool:
        """Whether enough of the committee have opened this set by now, or do so soon."""


def serve_committee(app: ClientApp, member: Member, log: CommitteeLog, size: int) -> None:
    """Has the app answer what members are asked; updates of the job have `size` values."""

    @app.query(OPEN)
    def open_sum(message: Message, _: Context) -> Message:
        task = read_open(message)
        require_job(task, member.job_id)
        fixed = log.await_set(task.round)
        try:
            sums = member.open(fixed, task.shares, task.duties, size)
        except WrongShare as wrong:
            log.complain(fixed, wrong.partner, wrong.share)
            raise
        hashes = {masks: hashlib.sha256(raw).digest() for masks, raw in sorted(sums.items())}
        said = {masks: fixed.opened.get((member.me, masks)) for masks in hashes}
        if any(said[masks] not in (None, hashes[masks]) for masks in hashes):
            raise StateError("this machine has opened another sum of these masks")
        new = {masks: sum_ for masks, sum_ in hashes.items() if said[masks] is None}
        if new:
            log.open(fixed, new)
        shown = [masks for masks, wanted in zip(task.duties, task.shown, strict=True) if wanted]
        enough = log.await_openings(fixed)
        opened = Opened(
            member.job_id, task.round, tuple(sums[masks] for masks in shown) if enough else ()
        )
        return opened_message(opened, message)

    @app.query(SHOW)
    def show_seeds(message: Message, _: Context) -> Message:
        task = read_show(message)
        require_job(task, member.job_id)
        seeds = member.show(log.await_set(task.round), task.shares, task.masks)
        return shown_message(Shown(member.job_id, task.round, seeds), message)

    @app.query(ANSWER)
    def answer_complaint(message: Message, _: Context) -> Message:
        task = read_answer(message)
        require_job(task, member.job_id)
        fixed = log.await_set(task.round)
        complaint = fixed.complaints.get(PersonId(task.member))
        if complaint is None or complaint.partner != member.me:
            raise Reject("the log has no complaint of this machine by that member")
        share = Share.decode(complaint.share, fixed.round.committee.size)
        log.disclose(
            fixed, PersonId(task.member), member.answer(fixed.round, PersonId(task.member), share)
        )
        return answered_message(task, message)
