"""Faults that cost a bond: what the log itself proves, and nothing that somebody only says.

The operator asks, the witnesses' nodes sign what their own replay proves, anybody brings it on chain; there
the bonder may appeal, and then the holders of shares decide (docs/contracts.md).
"""

from __future__ import annotations

from typing import Final

from protocol.coin.witnesses import Diligence
from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.limits import PPM
from protocol.log.strict import parse_amount
from protocol.money.eip712 import keccak256
from protocol.money.onchain import Ask, Bond
from protocol.money.payload import slash_digest
from protocol.rules.asks import put_ask, require_new_ask
from protocol.rules.record import Record, require
from protocol.rules.settling import ready_contracts
from protocol.state import State
from protos.gen import records_pb2 as pb

SILENCE_DOMAIN: Final = b"commonhold/v1/silence\0"
_COUNT_BYTES: Final = 8


def silence_of(state: State, person: PersonId) -> bytes | None:
    """The evidence that a witness of the coin was silent for too long; None where it was not.

    It names the person and how often they had tossed before: one silence costs once, however long it lasts
    and whatever the policy becomes meanwhile.
    """
    most, known = state.policy.silence_tosses, state.diligence.get(person, Diligence())
    if most == 0 or known.in_a_row < most:
        return None
    given = known.given.to_bytes(_COUNT_BYTES, "big")
    return keccak256(SILENCE_DOMAIN + state.network + person + given)


def silence_amount(state: State, bond: Bond) -> int:
    """What of a bond silence costs: of what is leaving, too, which has still to answer for it."""
    return (bond.active + bond.leaving) * state.policy.silence_ppm // PPM


def validate_slash(state: State, record: Record[pb.Slash]) -> None:
    """For a fault that this replay finds, of the bond's own person, in the amount of the policy."""
    body = record.body
    ready_contracts(state, body.witness_nonce, body.deadline)
    bond = state.bonds.get(body.bond)
    if bond is None:
        raise Reject("nobody has made this bond")
    require(body.fault == pb.FAULT_SILENCE, "the log proves no fault of this kind")
    evidence = silence_of(state, bond.person)
    require(
        evidence is not None,
        f"this person has not missed {state.policy.silence_tosses} tosses in a row",
    )
    require(body.evidence == evidence, "the evidence does not recompute")
    require(
        (body.bond, body.evidence) not in state.accused,
        "a slash for this was proposed before",
        "it is for the bonder to appeal, and for anybody to execute",
    )
    amount = parse_amount(body.amount, "what is to be slashed")
    require(0 < amount == silence_amount(state, bond), "the amount is not the policy's")
    require_new_ask(state, "slash", _slash_ask(state, body))


def process_slash(state: State, record: Record[pb.Slash]) -> None:
    """Waits for the witnesses."""
    put_ask(state, "slash", _slash_ask(state, record.body))


def _slash_ask(state: State, body: pb.Slash) -> Ask:
    deployment = ready_contracts(state, body.witness_nonce, body.deadline)
    digest = slash_digest(
        *(deployment, body.bond, int(body.amount), body.evidence),
        nonce=body.witness_nonce,
        deadline=body.deadline,
    )
    accused = (body.bond, body.evidence)
    return Ask(digest, body.witness_nonce, body.deadline, 0, accused=accused)
