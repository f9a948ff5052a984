"""The network moves to other contracts, on its chain or another, if a quorum of its present witnesses says
so.

The operator asks; the log says what a move has to carry over and what it leaves behind, and everybody
recomputes it. It takes effect with the attestation that completes the quorum: no further record is
needed. The contracts that it leaves do not change; what their root in force promises is claimed there.
"""

from __future__ import annotations

from typing import Final

from protocol.log.strict import parse_amount
from protocol.money.moving import (
    carried_shares,
    left_behind,
    promised_in_force,
)
from protocol.money.onchain import Ask, Move, OnChain, Past
from protocol.money.payload import hash_payload, move_digest, payload_before
from protocol.money.settlement import Deployment, address
from protocol.rules.admission import bond_counted
from protocol.rules.asks import put_ask, require_new_ask
from protocol.rules.chain import CHAIN_TABLES, check_contracts, deployed, deployment_of
from protocol.rules.record import Record, require
from protocol.rules.settling import ready_contracts
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

_OF_THE_OLD: Final = (
    *(*CHAIN_TABLES, "ranges", "payloads", "asks", "attestations"),
    *("deposits", "overshared", "promised", "owed"),
)
"""The tables that say something of the contracts that are left, and nothing of the next ones."""


def validate_move(state: State, record: Record[pb.Move]) -> None:
    """To contracts that are new, with what everybody has earned; what stays behind is named."""
    body = record.body
    ready_contracts(state, body.witness_nonce, body.deadline)
    check_contracts(body)
    move = move_of(body)
    for used in (deployed(state), *(each.deployment for _, each in state.past.scan())):
        require(
            used.chain_id != move.to.chain_id or not used.contracts.keys() & move.to.contracts,
            "the network has settled there before",
            "deploy new contracts: `commonhold coordinator move` does",
        )
    require(move.to.start == state.closed_epoch, f"epoch {state.closed_epoch} was closed last")
    carried = carried_shares(state)
    require(move.to.carried == carried, f"{carried} micro-shares were earned up to then")
    require(
        move.left == left_behind(state),
        "what the move leaves behind is not what no root in force promises of what came in",
    )
    require_new_ask(state, "move", _move_ask(state, body))


def process_move(state: State, record: Record[pb.Move]) -> None:
    """Waits for the present witnesses."""
    put_ask(state, "move", _move_ask(state, record.body))


def move_of(body: pb.Move) -> Move:
    """What a record asks for. Raises Reject for amounts that are none."""
    carried = parse_amount(body.carried, "what is carried over")
    left = tuple((address(t.asset), parse_amount(t.amount, "what is left")) for t in body.left)
    return Move(deployment_of(body, body.epoch, carried), left)


def _move_ask(state: State, body: pb.Move) -> Ask:
    move = move_of(body)
    digest = move_digest(deployed(state), move.to, move.left, body.witness_nonce, body.deadline)
    return Ask(digest, body.witness_nonce, body.deadline, body.epoch, move=move)


def carry_out(state: State, move: Move, index: int) -> None:
    """From now on the network settles there; `index` is that of the entry that decided it."""
    past = Past(
        deployed(state),
        state.onchain,
        promised_in_force(state),
        tuple(
            (epoch, hash_payload(payload))
            for epoch, payload in state.payloads.scan()
            if epoch > state.settled_epoch
        ),
        tuple((address(asset), n) for asset, n in state.claimed.scan()),
        move.left,
        index,
    )
    vouched = {who: bond_counted(state, who) for who, _ in state.vouched.scan()}
    settle_on(state, move.to)
    state.past.put(len(state.past), past)
    state.old_bonds.clear()
    for who, amount in vouched.items():
        state.old_bonds.put(who, amount)
    for (who, asset), amount in list(state.earned.scan()):
        if asset != SHARES:
            state.earned.remove((who, asset))  # of what may be another chain's; it is owed there
        elif amount:
            state.owed.put((move.to.start, who, SHARES), amount)


def settle_on(state: State, to: Deployment) -> None:
    """The chain's part of the state is that of contracts of which nothing is read yet."""
    for name in _OF_THE_OLD:
        getattr(state, name).clear()
    state.deployment = to
    state.onchain = OnChain(epoch=to.start, posted=to.start)
    state.payloads.put(to.start, payload_before(to))
    state.proposed_epoch, state.policy_block = to.start, 0
