"""What the log proves against bonded people, and bringing it on chain: asked of the witnesses, never said by
the operator alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coordinator.asking import ask
from coordinator.chain import OperatorChain
from coordinator.operator import Operator
from coordinator.reading import read_chain
from protocol.errors import StateError
from protocol.identity import PersonId, name_of
from protocol.rules.faults import silence_amount, silence_of
from protocol.state import State
from protos.gen import records_pb2 as pb

Report = Callable[[str], None]

FAULTS: Final = {"silence": pb.FAULT_SILENCE}


@dataclass(frozen=True, slots=True)
class Proven:
    """A fault that the log proves, and what it costs of one bond."""

    person: PersonId
    fault: str  # of FAULTS
    bond: bytes  # id
    evidence: bytes
    amount: int
    slash: int | None  # its number on chain, once it was proposed


@dataclass(frozen=True, slots=True)
class OpenSlash:
    """A slash on chain that has not ended."""

    number: int
    person: PersonId
    amount: int
    evidence: bytes
    appealed: bool


def proven_faults(state: State) -> list[Proven]:
    """All that the log proves now, for each bond of who did it. Linear in bonds."""
    found = []
    for name, bond in state.bonds.scan():
        evidence = silence_of(state, bond.person)
        if evidence is not None and (amount := silence_amount(state, bond)):
            slash = state.accused.get((name, evidence))
            found.append(Proven(bond.person, "silence", name, evidence, amount, slash))
    return found


def open_slashes(state: State) -> list[OpenSlash]:
    """Those that wait for their time or for the holders of shares."""
    return [
        OpenSlash(
            number, state.bonds[each.bond].person, each.amount, each.evidence, each.is_appealed
        )
        for number, each in state.slashes.scan()
    ]


def slash(
    operator: Operator,
    chain: OperatorChain,
    person: PersonId,
    fault: str,
    *,
    report: Report,
    seconds_max: float,
) -> list[bytes]:
    """Asks the witnesses for each of somebody's bonds, and proposes what they sign; gives the transactions.

    Raises StateError if the log proves no such fault, or too few sign in time.
    """
    read_chain(operator, chain, report)
    due = [
        each
        for each in proven_faults(operator.state)
        if (each.person, each.fault) == (person, fault)
    ]
    if not due:
        raise StateError(
            f"the log proves no {fault} of {name_of(person)}, or no bond stands for them",
            "`commonhold coordinator slash` lists what it proves; nothing else can be slashed",
        )
    if all(each.slash is not None for each in due):
        raise StateError(
            "a slash for this was proposed before",
            f"after the bonder's time to appeal: `commonhold coordinator slash --execute {due[0].slash}`",
        )
    return [
        _propose(operator, chain, each, report, seconds_max) for each in due if each.slash is None
    ]


def _propose(
    operator: Operator, chain: OperatorChain, each: Proven, report: Report, seconds_max: float
) -> bytes:
    report(f"asking the witnesses for {each.amount} wei of bond {each.bond.hex()[:16]}…")
    body = pb.Slash(
        network=operator.state.network,
        bond=each.bond,
        fault=FAULTS[each.fault],
        evidence=each.evidence,
        amount=str(each.amount),
    )
    signed = ask(operator, "slash", body, report, seconds_max)
    sent = chain.propose_slash(each.bond, each.amount, each.evidence, signed)
    read_chain(operator, chain, report)
    return sent.tx_hash


def execute(operator: Operator, chain: OperatorChain, number: int, report: Report) -> bytes:
    """Carries out a slash against which nobody appealed in time; gives the transaction.

    Raises StateError if it has ended, or waits for somebody.
    """
    read_chain(operator, chain, report)
    if (found := operator.state.slashes.get(number)) is None:
        raise StateError(
            f"there is no slash {number}, or it has ended",
            "`commonhold coordinator slash` lists those that are open",
        )
    if found.is_appealed:
        raise StateError(
            f"slash {number} was appealed against: the holders of shares decide",
            f"`commonhold node propose confirm {number}`, or overturn, asks them",
        )
    sent = chain.execute_slash(number)
    read_chain(operator, chain, report)
    return sent.tx_hash
