"""A move: new contracts, on this chain or another, to which the present witnesses have to agree. Run it again
after any failure, and while they decide.

    read        what final blocks hold of the present contracts, if their chain still answers
    deploy      the new ones, with all shares to be minted there
    ask         by `move`; the owners of the witnesses' nodes decide (`commonhold node move --agree`)
    wait        the network has moved with the attestation that completes a quorum
    read        the new contracts' first words

What was asked for and still stands is waited for, and a deployment that was begun is gone on with: nothing
is deployed twice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from coordinator.asking import LEFT_S_MIN, Report, sign_own
from coordinator.chain import OperatorChain
from coordinator.operator import Operator
from coordinator.reading import read_chain
from coordinator.settle import open_chain
from coordinator.terms import WITNESSES_SAFE, Founding, few_witnesses
from protocol.errors import ConfigError, StateError, Unreachable
from protocol.money.moving import carried_shares, left_behind
from protocol.money.onchain import Ask, Move
from protocol.money.payload import quorum_of
from protocol.money.settlement import CONTRACTS, Amounts, Deployment
from protocol.rules.chain import deployed
from protocol.rules.settling import witnesses_to_be
from protocol.state import State
from protos.gen import records_pb2 as pb

#: Half of what a node signs for: clocks need not agree, and a chain that stands still has none.
DECIDE_S: Final = 14 * 86_400
_GONE_ON: Final = (
    "the log has gone on since the move was asked for: an epoch was closed, or something came in",
    "run this again: it asks anew, for other contracts",
)


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a move is. `agreed`: witnesses who have, of the `quorum` that it takes."""

    to: Deployment
    left: Amounts
    agreed: int
    quorum: int
    is_done: bool


def move(
    operator: Operator,
    rpc_url: str,
    report: Report,
    seconds_max: float,
    *,
    leave_behind: bool = False,
    anew: bool = False,
) -> Moved:
    """Moves the network to new contracts on the chain of `rpc_url`, or waits for the witnesses who decide;
    `anew`: to others than those that are asked for.

    Raises:
        StateError: there are no contracts to leave, money would stay behind unsaid, or witnesses change.
        Unreachable: the new chain or the coordinator does not answer; run it again.
    """
    state = operator.state
    if state.deployment is None:
        raise StateError(
            "the network has no contracts to move from", "`commonhold coordinator settle` deploys"
        )
    if not anew and _has_just_moved(state):
        return _finish(operator, rpc_url, report)
    operator.join()
    most = _read_present(operator, report)
    standing = None if anew else _standing(operator.state)
    if standing is None:
        _require_nothing_left(operator.state, report, leave_behind=leave_behind)
        require_settled_witnesses(operator.state, report, leave_behind=leave_behind)
        chain = open_chain(operator, report, rpc_url=rpc_url)
        standing = _ask(operator, _deploy(operator, chain, most, report))
        chain.forget_deploying()
    elif standing[0].deadline_s - time.time() < LEFT_S_MIN:
        standing = _ask(operator, standing[1].to)
    asked, wanted = standing
    sign_own(operator, asked, operator.state.onchain.witnesses)
    moved = _await_quorum(operator, asked, wanted, report, seconds_max)
    return _finish(operator, rpc_url, report) if moved.is_done else moved


def _has_just_moved(state: State) -> bool:
    """Whether what was asked for is decided, and no root is in force there yet: not asked for again."""
    to = state.deployment
    return to is not None and len(state.past) > 0 and state.settled_epoch == to.start


def _finish(operator: Operator, rpc_url: str, report: Report) -> Moved:
    """The network has moved: the log reads the first words of its contracts."""
    read_chain(operator, open_chain(operator, report, rpc_url=rpc_url), report)
    state = operator.state
    past = state.past[len(state.past) - 1]
    quorum = quorum_of(len(past.view.witnesses))
    return Moved(deployed(state), past.left, quorum, quorum, is_done=True)


def _standing(state: State) -> tuple[Ask, Move] | None:
    """What the witnesses decide on now."""
    asked = state.asks.get("move")
    return None if asked is None or asked.move is None else (asked, asked.move)


def _read_present(operator: Operator, report: Report) -> int | None:
    """Brings the log up to the present chain; gives what a vote there may raise the emission to. None where
    nobody answers: then what the log has read has to do."""
    try:
        chain = open_chain(operator, report)
        read_chain(operator, chain, report)
        return chain.governor.emission_max()
    except (Unreachable, ConfigError) as error:
        view = operator.state.onchain
        report(f"WARNING: {error}. Going by what the log has read, up to block {view.last:,}")
        return None


def _require_nothing_left(state: State, report: Report, *, leave_behind: bool) -> None:
    """Money stays behind only where the operator says so, as the record will and the witnesses must."""
    left = left_behind(state)
    if not left:
        return
    words = ", ".join(f"{amount} of 0x{asset.hex()}" for asset, amount in left)
    if not leave_behind:
        raise StateError(
            f"the vault has taken in what no root in force promises, and it would stay there: {words}",
            "close the epoch, and `commonhold coordinator settle` until all is in force; the holders of"
            " shares can stop what comes in meanwhile (`commonhold node propose unlist-asset`). If the"
            " chain is gone, or that is worth less than the wait: --leave-behind",
        )
    report(f"WARNING: this stays in the old vault, for nobody: {words}")


def require_settled_witnesses(state: State, report: Report, *, leave_behind: bool) -> None:
    """Raises StateError while another set of witnesses waits on chain.

    Put in force after the move, by anybody, it would have the last word there; `retire` asks those of now.
    """
    if not state.onchain.active_at_s:
        return
    waits = "a change of the witnesses waits on chain"
    if not leave_behind:
        raise StateError(
            f"{waits}, and the log could not follow it after the move",
            "`commonhold coordinator settle` puts it in force in its time; then move. If the chain is gone:"
            " --leave-behind",
        )
    report(
        f"WARNING: {waits}; should it come into force there, the old contracts cannot be retired"
    )


def _deploy(
    operator: Operator, chain: OperatorChain, most: int | None, report: Report
) -> Deployment:
    state, terms = operator.state, operator.config.settlement
    witnesses = witnesses_to_be(state)
    if len(witnesses) < WITNESSES_SAFE:
        report(few_witnesses(len(witnesses)))
    report(f"deploying the new contracts; witnesses: {len(witnesses)}")
    emission = state.onchain.emission_micro or max(1, state.policy.epoch_emission_micro)
    founding = Founding(
        witnesses,
        emission,
        emission * terms.emission_factor if most is None else most,
        state.closed_epoch,
        carried_shares(state),
    )
    return chain.deploy(terms, founding, report)


def _ask(operator: Operator, to: Deployment) -> tuple[Ask, Move]:
    state = operator.state
    body = pb.Move(
        network=state.network,
        chain_id=to.chain_id,
        block=to.block,
        finality=to.finality,
        epoch=to.start,
        carried=str(to.carried),
        left=[pb.AssetTotal(asset=asset, amount=str(n)) for asset, n in left_behind(state)],
        witness_nonce=state.onchain.nonce,
        deadline=int(time.time()) + DECIDE_S,
        **{name: getattr(to, name) for name in CONTRACTS},
    )
    operator.append("move", body)
    standing = _standing(operator.state)
    if standing is None:
        raise StateError(*_GONE_ON)
    return standing


def _await_quorum(
    operator: Operator, asked: Ask, move: Move, report: Report, seconds_max: float
) -> Moved:
    quorum = quorum_of(len(operator.state.onchain.witnesses))
    moved = Moved(move.to, move.left, 0, quorum, is_done=operator.state.deployment == move.to)
    told = -1
    for state in operator.updates(max(seconds_max, 1.0)):
        if state.deployment == move.to:
            return Moved(move.to, move.left, quorum, quorum, is_done=True)
        if asked.digest not in {each.digest for _, each in state.asks.scan()}:
            raise StateError(*_GONE_ON)
        agreed = state.attestations.count(asked.digest)
        moved = Moved(move.to, move.left, agreed, quorum, is_done=False)
        if agreed != told:
            told = agreed
            report(f"{agreed} of {quorum} witnesses have agreed")
    return moved
