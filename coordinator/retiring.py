"""Takes the last word from the witnesses of contracts that were left: run it again until it is done.

ask         by `retire`; their nodes sign by themselves
propose     nobody as the witnesses there; anybody could, with their signatures
activate    once the delay there has passed
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from contracts.signed import Signed
from coordinator.asking import DEADLINE_S, LEFT_S_MIN, Report, await_quorum, sign_own
from coordinator.operator import Operator
from coordinator.settle import open_chain
from protocol.errors import StateError
from protocol.money.onchain import Past
from protocol.money.settlement import RETIRED
from protos.gen import records_pb2 as pb


class Stage(StrEnum):
    """How far it is."""

    WAITS = "waits"  # proposed, and the delay passes
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Retired:
    """`due_s`: when it may be put in force; 0 when it is."""

    contracts: int
    stage: Stage
    due_s: int = 0


def retire(operator: Operator, rpc_url: str, report: Report, seconds_max: float) -> Retired:
    """Retires the contracts that were left last; `rpc_url` is an endpoint of their chain.

    Raises:
        StateError: the network has not moved, or too few of them signed in time.
        Unreachable: their chain or the coordinator does not answer; run it again.
    """
    number = len(operator.state.past) - 1
    if number < 0:
        raise StateError("the network has left no contracts", "`commonhold coordinator move` does")
    past = operator.state.past[number]
    chain = open_chain(operator, report, rpc_url=rpc_url, deployment=past.deployment)
    if chain.has_witnesses((RETIRED,)):
        return Retired(number, Stage.RETIRED)
    if not chain.waits_for((RETIRED,)):
        chain.propose_witnesses((RETIRED,), _signed(operator, past, number, report, seconds_max))
        report("it is proposed there that nobody is a witness")
    due_s = chain.change_due_s()
    if chain.head()[1] < due_s and time.time() < due_s:
        return Retired(number, Stage.WAITS, due_s)
    chain.activate_witnesses()
    return Retired(number, Stage.RETIRED)


def _signed(
    operator: Operator, past: Past, number: int, report: Report, seconds_max: float
) -> Signed:
    """A quorum's word of the witnesses of then, asked for if it is not."""
    asked = operator.state.asks.get("retire")
    if asked is None or asked.number != number or asked.deadline_s - time.time() < LEFT_S_MIN:
        body = pb.Retire(
            network=operator.state.network,
            contracts=number,
            proposal=past.view.proposals + 1,
            witness_nonce=past.view.nonce,
            deadline=int(time.time()) + DEADLINE_S,
        )
        operator.append("retire", body)
        asked = operator.state.asks["retire"]
    sign_own(operator, asked, past.view.witnesses)
    return await_quorum(operator, asked, past.view.witnesses, report, seconds_max)
