"""A witness's part in a move: its owner's word, and a look at the contracts that were left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts.client import SentTx
from node.attest import attestations_due
from node.guarding import PastGuard
from node.moving import agreement, asked_move
from node.objection import evidence_of
from node.wallet import Posting, Wallet
from protocol.errors import StateError, Unreachable
from protocol.identity import PersonId
from protocol.limits import MOVE_S_MAX
from protocol.money.payload import hash_payload
from protocol.state import State
from tests.chain_says import attest, begin, deploy, move, posted, retire, says, settle, settlement
from tests.fold import closed
from tests.simulated import Network, Person

WRONG = b"\7" * 32


def wallet_of(person: Person) -> Wallet:
    return Wallet(person.wallet.to_bytes())


@pytest.fixture
def asked(net: Network) -> Network:
    """A move is asked for; a root waits."""
    net.change_witnesses(*net.people[:4])
    deploy(net)
    closed(net)
    settle(net, 1)
    closed(net)
    net.add(net.operator, "settlement", settlement(net, 2))
    says(net, posted(net.state.payloads[2]))
    net.add(net.operator, "move", move(net))
    return net


def test_a_witness_is_asked_and_nobody_else(asked: Network) -> None:
    ann, *_, eve = asked.people[:5]
    mine = asked_move(asked.state, ann.id)
    other = asked_move(asked.state, eve.id)
    assert mine is not None
    assert other is not None
    assert (mine.is_mine_to_decide, other.is_mine_to_decide) == (True, False)
    assert (mine.agreed, mine.quorum) == (0, 3)
    attest(asked, "move", ann)
    given = asked_move(asked.state, ann.id)
    assert given is not None
    assert (given.is_mine_to_decide, given.mine, given.agreed) == (False, "given", 1)
    attest(asked, "move", *asked.people[1:3])
    assert asked_move(asked.state, ann.id) is None


def test_a_node_gives_no_word_by_itself_and_its_owner_only_in_time(asked: Network) -> None:
    ann, *_, eve = asked.people[:5]
    mine = asked_move(asked.state, ann.id)
    assert mine is not None
    deadline = mine.ask.deadline_s
    due = attestations_due(asked.state, ann.id, wallet_of(ann), deadline - 60)
    assert [kind for kind, _, _ in due] == []
    answer = agreement(asked.state, mine, wallet_of(ann), deadline - 1)
    asked.add(ann, "attest", answer)
    for now_s in (deadline, deadline - MOVE_S_MAX - 61):
        with pytest.raises(StateError, match="has passed, or is too far away"):
            agreement(asked.state, mine, wallet_of(ann), now_s)
    with pytest.raises(StateError, match="no witness on chain"):
        agreement(asked.state, mine, wallet_of(eve), deadline - 1)


def test_who_was_a_witness_retires_what_was_left_by_itself(asked: Network) -> None:
    attest(asked, "move", *asked.people[:3])
    begin(asked, *asked.people[1:5])
    asked.add(asked.operator, "retire", retire(asked))
    deadline = asked.state.asks["retire"].deadline_s
    due = {
        person.name: [
            k for k, _, _ in attestations_due(asked.state, person.id, wallet, deadline - 9)
        ]
        for person in asked.people[:5]
        for wallet in (wallet_of(person),)
    }
    assert list(due.values()) == [["retire"]] * 4 + [[]]


# ---- contracts that were left ----


@dataclass
class Chain:
    """What was left, with some roots that wait."""

    roots: list[Posting] = field(default_factory=list)
    challenged: list[tuple[int, bytes]] = field(default_factory=list)
    is_away: bool = False

    def objection_s(self) -> int:
        return 60

    def waiting(self) -> list[Posting]:
        return self.roots

    def challenge(
        self, epoch: int, evidence: bytes, witnesses: Sequence[bytes], person: PersonId
    ) -> SentTx:
        if self.is_away:
            raise Unreachable("nobody answers")
        self.challenged.append((epoch, evidence))
        return SentTx(bytes(32), 1, 1)


@dataclass
class Follower:
    state: State


class GuardWallet:
    """A wallet whose chain is given."""

    def __init__(self, person: Person, chain: Chain) -> None:
        self.address, self._chain = wallet_of(person).address, chain

    def chain(self, _url: str, _deployment: object) -> Any:
        return self._chain


def guard_of(net: Network, person: Person, chain: Chain) -> PastGuard:
    wallet: Any = GuardWallet(person, chain)
    follower: Any = Follower(net.state)
    return PastGuard(follower, wallet, person.id, "http://127.0.0.1:1")


def test_only_what_the_log_had_not_proposed_is_wrong_there(asked: Network) -> None:
    own = hash_payload(asked.state.payloads[2])
    attest(asked, "move", *asked.people[:3])
    right, wrong = Posting(2, own, True, 9), Posting(3, WRONG, True, 9)
    frozen, chain = Posting(4, WRONG, False, 9), Chain()
    guard = guard_of(asked, asked.people[0], chain)
    chain.roots = [right]
    assert guard.look() == []
    chain.roots = [right, wrong, frozen]
    chain.is_away = True
    assert guard.look() == []
    chain.is_away = False
    assert guard.look() == [wrong]
    assert chain.challenged == [(3, evidence_of(asked.state.network, None, wrong))]
    assert guard.look() == [], "once"
    chain.roots = [Posting(2, WRONG, True, 9)]
    assert guard.look() == chain.roots
    assert chain.challenged[1] == (2, evidence_of(asked.state.network, own, chain.roots[0]))


def test_who_was_no_witness_there_looks_at_nothing(asked: Network) -> None:
    attest(asked, "move", *asked.people[:3])
    chain = Chain([Posting(3, WRONG, True, 9)])
    assert guard_of(asked, asked.people[4], chain).look() == []
    assert chain.challenged == []
