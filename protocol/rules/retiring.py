"""Contracts that a network has left get witnesses that nobody is: then the root in force stays so for ever,
and what it promises can be claimed whatever becomes of those who signed it.

Their last witnesses sign it, as they would any change of the set; their nodes do by themselves, since it
follows from the move.
"""

from __future__ import annotations

from protocol.errors import Reject
from protocol.money.onchain import Ask, Past
from protocol.money.payload import change_digest
from protocol.money.settlement import RETIRED
from protocol.rules.asks import put_ask, require_new_ask
from protocol.rules.record import Record, require
from protocol.state import State
from protos.gen import records_pb2 as pb


def validate_retire(state: State, record: Record[pb.Retire]) -> None:
    """The next change of the set that the log knows of, by that set."""
    body, view = record.body, _left(state, record.body).view
    require(bool(view.witnesses), "the log never read who the witnesses there were")
    require(body.proposal == view.proposals + 1, f"the next change there is {view.proposals + 1}")
    require(body.witness_nonce == view.nonce, f"the witnesses there are set {view.nonce}")
    require(body.deadline > view.time_s, "the deadline has passed on chain")
    require_new_ask(state, "retire", _retire_ask(state, body))


def process_retire(state: State, record: Record[pb.Retire]) -> None:
    """Waits for the witnesses of then."""
    put_ask(state, "retire", _retire_ask(state, record.body))


def _retire_ask(state: State, body: pb.Retire) -> Ask:
    digest = change_digest(
        _left(state, body).deployment,
        (RETIRED,),
        body.proposal,
        body.witness_nonce,
        body.deadline,
    )
    return Ask(digest, body.witness_nonce, body.deadline, body.contracts, witnesses=(RETIRED,))


def _left(state: State, body: pb.Retire) -> Past:
    past = state.past.get(body.contracts)
    if past is None:
        raise Reject("the network has left no such contracts", f"it has left {len(state.past)}")
    return past
