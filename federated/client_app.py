"""A partner's ClientApp: what its machine does with a message from the coordinator, and what it refuses.

    check     the log, as this machine replayed it, has this round of this job, and this model
    charge    the budget, durably: from here on the round is paid for, whatever happens
    compute   clipped, summed and noised on this machine
    sign      the update is in the log, under our name, with a receipt
    reply     the update itself, to the coordinator alone

Nothing but the round's number and the model is taken from the message, and the log vouches for both. If
we crash after the charge, the round is lost to us: it is never computed twice, since two noisy updates
from one charge would cost more privacy than was accounted.
"""

from __future__ import annotations

from typing import Protocol

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from federated.messages import Reply, read_task, reply_message
from federated.model import decode, digest
from federated.partner import LocalUpdate, Partner
from protocol.errors import Reject, StateError


class PartnerLog(Protocol):
    """The log, as far as a partner needs it."""

    def await_round(self, number: int) -> bytes:
        """SHA-256 of the model that this round starts from, once the log has come so far.

        Raises StateError when the job is over, or is at another round.
        """

    def sign(self, number: int, base_model: bytes, update: LocalUpdate) -> None:
        """Logs the signed update; returns with a receipt that holds."""


def client_app(job_id: str, partner: Partner, log: PartnerLog) -> ClientApp:
    """The app of one partner in one job. A refusal is a CommonholdError: the server sees its words."""
    app = ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        task = read_task(message)
        if task.job_id != job_id:
            raise Reject(f"this machine trains for the job {job_id!r} and no other")
        present = log.await_round(task.round)
        base = decode(partner.blank, task.base)
        if digest(base) != present:
            raise Reject("the model to start from is not the one that the log names")
        update = partner.update(task.round, base)
        log.sign(task.round, present, update)
        return reply_message(Reply(job_id, task.round, update.vector), message)

    return app


app = ClientApp()
"""What the server's FAB names: a stock SuperNode that executes it is told why that does not work."""


@app.train()
def _refuse(message: Message, _: Context) -> Message:
    raise StateError(
        "this job is for partners who run their own code", "use `commonhold federated join`"
    )
