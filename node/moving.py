"""A witness's part in a move: where the network is asked to go, whether the contracts there are fit, and the
owner's word. A node never gives it by itself: where a network goes follows from nothing that it could check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from contracts.arriving import Terms, inspect_arrival, read_terms
from contracts.endpoint import Endpoint
from contracts.findings import Finding
from contracts.reader import ChainReader
from node.wallet import Wallet
from protocol.errors import CommonholdError, StateError
from protocol.identity import PersonId
from protocol.limits import MOVE_S_MAX
from protocol.money.onchain import Ask, Move
from protocol.money.payload import quorum_of
from protocol.money.settlement import Address, address
from protocol.rules.settling import witnesses_to_be
from protocol.state import State
from protos.gen import records_pb2 as pb

#: What clocks may differ by.
_CLOCKS_S: Final = 60


@dataclass(frozen=True, slots=True)
class AskedMove:
    """A move that the present witnesses decide on. `mine`: what our own word is, or why it is not asked."""

    ask: Ask
    move: Move
    agreed: int
    quorum: int
    mine: str

    @property
    def is_mine_to_decide(self) -> bool:
        """Whether our word is asked for and not given."""
        return self.mine == _OPEN

    @property
    def words(self) -> str:
        """How it stands, in one sentence."""
        return (
            f"to chain {self.move.to.chain_id} is asked for; {self.agreed} of {self.quorum} witnesses have"
            f" agreed; your word: {self.mine}"
        )


_OPEN: Final = "not given"
_GIVEN: Final = "given"
_NOT_ASKED: Final = "not asked: your payout address is no witness on chain"


def asked_move(state: State, me: PersonId) -> AskedMove | None:
    """The move that is asked for now; None where none is."""
    ask, member = state.asks.get("move"), state.members.get(me)
    if ask is None or ask.move is None:
        return None
    mine = _NOT_ASKED
    if member is not None and address(member.payout) in state.onchain.witnesses:
        given = (ask.digest, address(member.payout)) in state.attestations
        mine = _GIVEN if given else _OPEN
    agreed, quorum = state.attestations.count(ask.digest), quorum_of(len(state.onchain.witnesses))
    return AskedMove(ask, ask.move, agreed, quorum, mine)


def look_there(
    state: State, move: Move, rpc_url: str, present_rpc_url: str
) -> tuple[list[Finding], Terms | None]:
    """What speaks against the contracts there, by an endpoint of their chain; if nothing does, what is fixed
    in them. The present ones are asked what they fix if they can be. Raises Unreachable, and ConfigError for
    an endpoint of another chain."""
    reader = ChainReader(Endpoint(rpc_url))
    sets: set[tuple[Address, ...]] = {witnesses_to_be(state), state.onchain.witnesses}
    emission, most = state.onchain.emission_micro, _emission_max(state, present_rpc_url)
    found = list(inspect_arrival(reader, move.to, sets, emission, most))
    return found, None if found else read_terms(reader, move.to)


def agreement(state: State, asked: AskedMove, wallet: Wallet, now_s: float) -> pb.Attest:
    """The word of this wallet for a move. Raises StateError where it counts for nothing."""
    if wallet.address not in state.onchain.witnesses:
        raise StateError(_NOT_ASKED, "only the present witnesses decide where the network goes")
    if not now_s < asked.ask.deadline_s <= now_s + MOVE_S_MAX + _CLOCKS_S:
        raise StateError(
            "the move is asked for until a moment that has passed, or is too far away",
            f"the operator asks again: for {MOVE_S_MAX // 86_400} days at most",
        )
    digest = asked.ask.digest
    return pb.Attest(network=state.network, digest=digest, signature=wallet.sign_digest(digest))


def _emission_max(state: State, rpc_url: str) -> int | None:
    if state.deployment is None or not rpc_url:
        return None
    try:
        reader = ChainReader(Endpoint(rpc_url))
        reader.require_chain(state.deployment.chain_id)
        return read_terms(reader, state.deployment).emission_max_micro
    except CommonholdError:
        return None  # it may be gone: that may be why the network moves
