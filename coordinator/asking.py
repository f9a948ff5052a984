"""Asks the witnesses, by a record of the log, to sign what a contract is to take; gathers a quorum's
signatures.

What was asked for and has time left stands: witnesses may have signed it. Asking again changes the deadline
alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from contracts.signed import Signed
from coordinator.operator import Operator
from protocol.errors import Ignore, StateError
from protocol.limits import DEADLINE_S_MAX
from protocol.money.onchain import Ask
from protocol.money.payload import quorum_of
from protocol.money.settlement import Address
from protos.gen import records_pb2 as pb

Report = Callable[[str], None]

# Half of what witnesses sign for: their clocks need not agree with ours.
DEADLINE_S: Final = DEADLINE_S_MAX // 2
# With less left, gathering signatures and a slow block could pass the deadline.
LEFT_S_MIN: Final = 300


def ask(operator: Operator, kind: str, body: Any, report: Report, seconds_max: float) -> Signed:
    """A quorum's word on a record of `kind`, whose nonce and deadline are set here.

    Raises StateError if too few sign in `seconds_max`; Reject, Unreachable as `Operator.append`.
    """
    present = operator.state.asks.get(kind)
    if present is None or not _stands(present, kind, body, operator.state.onchain.nonce):
        body.witness_nonce = operator.state.onchain.nonce
        body.deadline = int(time.time()) + DEADLINE_S
        operator.append(kind, body)
    asked = operator.state.asks[kind]
    witnesses = operator.state.onchain.witnesses
    sign_own(operator, asked, witnesses)
    return await_quorum(operator, asked, witnesses, report, seconds_max)


def _stands(present: Ask, kind: str, body: Any, nonce: int) -> bool:
    if kind == "slash":
        same = present.accused == (body.bond, body.evidence) and present.nonce == nonce
        return same and present.deadline_s - time.time() >= LEFT_S_MIN
    number = body.proposal if kind == "witness-change" else body.epoch
    return (
        (present.number, present.nonce) == (number, nonce)
        and present.deadline_s - time.time() >= LEFT_S_MIN
        and (kind != "settlement" or present.attempt == body.attempt)
    )


def sign_own(operator: Operator, asked: Ask, witnesses: Sequence[Address]) -> None:
    """The operator's own word, where it is a witness."""
    keys, state = operator.keys, operator.state
    if keys.account in witnesses:
        signature = keys.sign_payout(asked.digest)
        body = pb.Attest(network=state.network, digest=asked.digest, signature=signature)
        with suppress(Ignore):  # it may have signed this already
            operator.append("attest", body)


def await_quorum(
    operator: Operator,
    asked: Ask,
    witnesses: tuple[Address, ...],
    report: Report,
    seconds_max: float,
) -> Signed:
    """The signatures of more than two thirds of them. Raises StateError if too few sign in `seconds_max`."""
    quorum, told = quorum_of(len(witnesses)), -1
    signatures: list[bytes] = []
    for state in operator.updates(max(seconds_max, 1.0)):
        signatures = [each for _, each in state.attestations.scan(asked.digest)]
        if len(signatures) >= quorum:
            return Signed(asked.digest, asked.nonce, witnesses, signatures, asked.deadline_s)
        if len(signatures) != told:
            told = len(signatures)
            report(f"{told} of {quorum} witnesses have signed")
    raise StateError(
        f"only {len(signatures)} of {quorum} witnesses signed in time",
        "their nodes must run; then run the same command again",
    )
