"""A partner's ClientApp: what its machine does with a message from the coordinator, and what it refuses.

    check     the log, as this machine replayed it, has this round of this job, and this model
    charge    the budget, durably: from here on the round is paid for, whatever happens
    compute   clipped, summed and noised on this machine
    hide      under masks whose seeds only the round's committee can put together, and only for a sum
    keep      what leaves the machine, durably: asked again we give these very bytes, and compute nothing
    sign      its hashes are in the log, under our name, with a receipt
    reply     the masked update and the sealed seeds

What it does as a member of a round's committee is in federated.committee_app.

Nothing but the round's number and the model is taken from a message, and the log vouches for both. Only one
update of a round ever leaves: two would cost more privacy than was accounted. If we crash before it is kept,
nothing has left, and the round that was paid for is computed; afterwards, it is there.
"""

from __future__ import annotations

from typing import Protocol

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from commonground.committees import RoundStart, Signed
from federated.committee_app import CommitteeLog, serve_committee
from federated.constant import FixedValues
from federated.kept import KeptUpdate, KeptUpdates
from federated.member import Member
from federated.messages import Reply, read_task, reply_message, require_job, wanted_message
from federated.model import decode, digest_of
from federated.partner import Partner
from federated.spec import TrainingSpec
from protocol.errors import Reject, StateError


class PartnerLog(CommitteeLog, Protocol):
    """The log, as far as a partner needs it."""

    def await_round(self, number: int) -> RoundStart:
        """The round, once the log has come so far.

        Raises StateError when the job is over, or is at another round.
        """

    def own_update(self, number: int) -> Signed | None:
        """What we have signed in the log for this round; None before we have."""

    def sign(self, start: RoundStart, signed: Signed, epsilon_micro: int) -> None:
        """Logs the signed update; returns with a receipt that holds."""


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
    app, values = ClientApp(), FixedValues()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        task = read_task(message)
        require_job(task, job_id)
        fixed = values.of(task)
        if fixed is None:
            return wanted_message(task, message)
        start, raw = log.await_round(task.round), task.base + fixed
        base = decode(partner.blank, raw)
        if digest_of(raw) != start.model:
            raise Reject("the model to start from is not the one that the log names")
        values.keep(task, fixed)
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

    serve_committee(app, member, log, spec.values)
    return app


app = ClientApp()
"""What the server's FAB names: a stock SuperNode that executes it is told why that does not work."""


@app.train()
def _refuse(message: Message, _: Context) -> Message:
    raise StateError(
        "this job is for partners who run their own code", "use `commonhold federated join`"
    )
