"""A partner's ClientApp: what its machine does with a message from the coordinator, and what it refuses.

In training:

    check     the log, as this machine replayed it, has this round of this job, and this model
    charge    the budget, durably: from here on the round is paid for, whatever happens
    compute   clipped, summed and noised on this machine
    hide      under masks whose seeds only the round's committee can put together, and only for a sum
    keep      what leaves the machine, durably: asked again we give these very bytes, and compute nothing
    sign      its hashes are in the log, under our name, with a receipt
    reply     the masked update and the sealed seeds

As a member of a round's committee:

    check     the log has the set, and we have opened no other of this round, nor ever will
    open      the sums of masks that we hold, over this set
    sign      their hashes are in the log
    reply     the sums, once enough of the committee have said that they open this set

Nothing but the round's number and the model is taken from a message, and the log vouches for both. Only one
update of a round ever leaves: two would cost more privacy than was accounted. If we crash before it is kept,
nothing has left, and the round that was paid for is computed; afterwards, it is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from commonground.committees import FixedSet, RoundStart, Signed
from federated.kept import KeptUpdate, KeptUpdates
from federated.member import Member
from federated.messages import (
    OPEN,
    Opened,
    Reply,
    opened_message,
    read_open,
    read_task,
    reply_message,
)
from federated.model import decode, digest
from federated.partner import Partner
from federated.spec import TrainingSpec
from protocol.committee import Masks
from protocol.errors import Reject, StateError


class PartnerLog(Protocol):
    """The log, as far as a partner needs it."""

    def await_round(self, number: int) -> RoundStart:
        """The round, once the log has come so far.

        Raises StateError when the job is over, or is at another round.
        """

    def own_update(self, number: int) -> Signed | None:
        """What we have signed in the log for this round; None before we have."""

    def sign(self, start: RoundStart, signed: Signed, epsilon_micro: int) -> None:
        """Logs the signed update; returns with a receipt that holds."""

    def await_set(self, number: int) -> FixedSet:
        """The set of the round, once the log has it. Raises StateError as `await_round`."""

    def open(self, fixed: FixedSet, sums: Mapping[Masks, bytes]) -> None:
        """Logs the hashes of the sums that we found; returns with a receipt that holds."""

    def await_openings(self, fixed: FixedSet) -> bool:
        """Whether enough of the committee have opened this set by now, or do so soon."""


def client_app(
    *,
    job_id: str,
    spec: TrainingSpec,
    partner: Partner,
    log: PartnerLog,
    member: Member,
    kept: KeptUpdates,
) -> ClientApp:
    """The app of one partner in one job. A refusal is a CommonholdError: the server sees its words."""
    app = ClientApp()

    def require_job(asked: str) -> None:
        if asked != job_id:
            raise Reject(f"this machine trains for the job {job_id!r} and no other")

    @app.train()
    def train(message: Message, _: Context) -> Message:
        task = read_task(message)
        require_job(task.job_id)
        start = log.await_round(task.round)
        base = decode(partner.blank, task.base)
        if digest(base) != start.model:
            raise Reject("the model to start from is not the one that the log names")
        update, signed = kept.find(start), log.own_update(task.round)
        if signed is not None and (update is None or update.signed != signed):
            raise StateError(
                f"this machine has lost the update of round {task.round} that it signed",
                "no other one leaves it; it takes part again in the next round",
            )
        if update is None:
            computed = partner.update(task.round, base)
            masked = member.mask(start, computed.words)
            update = KeptUpdate(
                masked.hidden, masked.sealed.encode(), masked.sealed.digest, computed.epsilon_micro
            )
            kept.keep(start, update)
        if signed is None:
            log.sign(start, update.signed, update.epsilon_micro)
        return reply_message(Reply(job_id, task.round, update.hidden, update.sealed), message)

    @app.query(OPEN)
    def open_sum(message: Message, _: Context) -> Message:
        task = read_open(message)
        require_job(task.job_id)
        fixed = log.await_set(task.round)
        sums = member.open(fixed, task.shares, task.duties, spec.values)
        hashes = {masks: hashlib.sha256(raw).digest() for masks, raw in sorted(sums.items())}
        said = {masks: fixed.opened.get((member.me, masks)) for masks in hashes}
        if any(said[masks] not in (None, hashes[masks]) for masks in hashes):
            raise StateError("this machine has opened another sum of these masks")
        new = {masks: sum_ for masks, sum_ in hashes.items() if said[masks] is None}
        if new:
            log.open(fixed, new)
        shown = [masks for masks, wanted in zip(task.duties, task.shown, strict=True) if wanted]
        enough = log.await_openings(fixed)
        opened = Opened(job_id, task.round, tuple(sums[masks] for masks in shown) if enough else ())
        return opened_message(opened, message)

    return app


app = ClientApp()
"""What the server's FAB names: a stock SuperNode that executes it is told why that does not work."""


@app.train()
def _refuse(message: Message, _: Context) -> Message:
    raise StateError(
        "this job is for partners who run their own code", "use `commonhold federated join`"
    )
