"""Who tosses the coin that draws reviewers: the witnesses, and how another set takes their place.

    PROPOSED   the operator has named a set; more than two thirds of the present one have to assent
    DEALING    each proposed witness deals a part of the secret to all of them
    CHECKING   each looks at what it was dealt, and confirms it or shows what is wrong

Then the new set is in force, for every round that is sealed from then on. Rounds that are under way end under
the coin that they were sealed under.
"""

from __future__ import annotations

from dataclasses import replace

from protocol.coin.dealing import (
    Complaint,
    Deal,
    check_complaint,
    check_deal,
    public_shares,
)
from protocol.coin.group import Point, check_point
from protocol.coin.witnesses import Coin, Proposal, assents_needed, place_in
from protocol.errors import Ignore, Reject
from protocol.identity import KeyId
from protocol.lifecycle import DealingEvent, DealingPhase, next_dealing_phase
from protocol.limits import COMPLAIN_MS, DEAL_MS, WITNESSES_MAX
from protocol.log.commitments import deal_place
from protocol.rules.record import Record, require, require_next
from protocol.state import State
from protos.gen import records_pb2 as pb


def found_coin(state: State, key: KeyId) -> None:
    """One key is the whole set from now on: what it tosses, its holder foresees. So a network begins."""
    state.coin_nonce += 1 if len(state.coins) else 0
    coin = Coin(state.coin_nonce, (key,), (Point(key),))
    state.coins.put(coin.nonce, coin)
    forget_coins(state)


def follow_operator(state: State, before: KeyId, after: KeyId) -> None:
    """Where the operator alone is the witness, the coin goes with the operator's key: the old one can then be
    taken away. A set that is on its way has to be proposed again."""
    if state.coin.keys == (before,):
        _withdraw_proposal(state)
        found_coin(state, after)


def forget_coins(state: State) -> None:
    """Old coins go when no round is under way that was sealed under them."""
    for nonce, _ in list(state.coins.scan()):
        if nonce != state.coin_nonce and not state.awaited.has(nonce):
            state.coins.remove(nonce)
            state.deals.clear(nonce)


# ---- a set is proposed ----


def validate_witnesses(state: State, record: Record[pb.Witnesses]) -> None:
    """Keys of members, each of another person who is paid at another address."""
    body = record.body
    require_next(body.serial, state.proposals, "the operator")
    coming = state.coin_nonce + 1
    require(body.nonce == coming, f"set {coming} of witnesses is the next")
    require(0 < len(body.keys) <= WITNESSES_MAX, f"a set has 1 to {WITNESSES_MAX} witnesses")
    require(list(body.keys) == sorted(set(body.keys)), "the witnesses' keys are not in order")
    people, addresses = set(), set()
    for key in body.keys:
        check_point(key, "a witness's key")
        person = state.keys.get(KeyId(key))
        member = None if person is None else state.members.get(person)
        if member is None:
            raise Reject("a witness's key signs for nobody who has registered")
        people.add(person)
        addresses.add(member.payout)
    require(len(people) == len(body.keys), "two of the witnesses are one person")
    require(len(addresses) == len(body.keys), "two of the witnesses are paid at one address")
    if state.proposal is not None:
        _require_time(state.proposal, body.time_ms)


def process_witnesses(state: State, record: Record[pb.Witnesses]) -> None:
    """Takes the place of a set that is not in force yet. It is the operator's assent, where that is a
    witness."""
    body = record.body
    _withdraw_proposal(state)
    own = (key for key in state.coin.keys if state.keys.get(key) == state.operator)
    proposal = Proposal(
        record.digest, body.nonce, tuple(KeyId(key) for key in body.keys), body.time_ms
    )
    state.proposals += 1
    _put_assents(state, replace(proposal, assents=tuple(own)))


def _withdraw_proposal(state: State) -> None:
    if state.proposal is not None:
        state.deals.clear(state.proposal.nonce)
        state.proposal = None


def validate_assent(state: State, record: Record[pb.Assent]) -> None:
    """By a witness of the present set."""
    proposal = _proposed(state, record.body.proposal)
    if place_in(state.coin.keys, record.key) is None:
        raise Reject("only the present witnesses assent to the set that follows")
    if proposal.phase is not DealingPhase.PROPOSED or record.key in proposal.assents:
        raise Ignore("this set has the assents that it needs, or has this one")


def process_assent(state: State, record: Record[pb.Assent]) -> None:
    """When enough have assented, the proposed witnesses deal."""
    proposal = _proposed(state, record.body.proposal)
    _put_assents(state, replace(proposal, assents=(*proposal.assents, record.key)))


def _put_assents(state: State, proposal: Proposal) -> None:
    if len(proposal.assents) >= assents_needed(len(state.coin.keys)):
        phase = next_dealing_phase(proposal.phase, DealingEvent.ASSENT)
        proposal = replace(proposal, phase=phase)
    state.proposal = proposal


# ---- it deals ----


def deal_of(body: pb.Deal) -> Deal:
    """The deal that a record carries, unchecked."""
    commitments = tuple(Point(each) for each in body.commitments)
    return Deal(commitments, Point(body.ephemeral), tuple(body.values), body.knowledge)


def validate_deal(state: State, record: Record[pb.Deal]) -> None:
    """One by each proposed witness, of the right shape. Whether the values are right, their readers see."""
    proposal = _proposed(state, record.body.proposal)
    _place_of(proposal, record.key)
    require(
        proposal.phase is not DealingPhase.PROPOSED, "the present witnesses have to assent first"
    )
    if proposal.phase is not DealingPhase.DEALING:
        raise Ignore("the dealing has ended")
    if (proposal.nonce, record.key) in state.deals:
        raise Ignore("this witness has dealt already")
    place = deal_place(state.network, proposal.id, record.key)
    check_deal(deal_of(record.body), place, len(proposal.keys))


def process_deal(state: State, record: Record[pb.Deal]) -> None:
    """Counts, unless one of the witnesses shows that it is wrong."""
    nonce = _proposed(state, record.body.proposal).nonce
    state.deals.put((nonce, record.key), deal_of(record.body))


def validate_dealt(state: State, record: Record[pb.Dealt]) -> None:
    """All have dealt; or enough have, and the others had their time."""
    proposal = _proposed(state, record.body.proposal)
    next_dealing_phase(proposal.phase, DealingEvent.END_DEALS)
    _require_time(proposal, record.body.time_ms)
    _require_deals(state, proposal)
    silent = len(proposal.keys) - state.deals.count(proposal.nonce)
    require(
        silent == 0 or record.body.time_ms - proposal.since_ms >= DEAL_MS,
        f"{silent} witnesses have time left to deal",
    )


def process_dealt(state: State, record: Record[pb.Dealt]) -> None:
    """What was dealt is looked at from now on."""
    proposal = _proposed(state, record.body.proposal)
    phase = next_dealing_phase(proposal.phase, DealingEvent.END_DEALS)
    state.proposal = replace(proposal, phase=phase, since_ms=record.body.time_ms)


# ---- it looks at what it was dealt ----


def validate_complain(state: State, record: Record[pb.Complain]) -> None:
    """The deal is wrong for whoever complains, as everybody can see now."""
    body = record.body
    proposal, at = _checking(state, body.proposal, record.key)
    dealer = KeyId(body.dealer)
    if dealer in proposal.struck:
        raise Ignore("this deal does not count any more")
    deal = state.deals.get((proposal.nonce, dealer))
    if deal is None:
        raise Reject("nobody has dealt with that key")
    complaint = Complaint(Point(body.shared), body.proof)
    place = deal_place(state.network, proposal.id, dealer)
    check_complaint(complaint, deal, place, at, Point(record.key))


def process_complain(state: State, record: Record[pb.Complain]) -> None:
    """The deal does not count. Its dealer stays a witness: the others have dealt to it."""
    proposal, dealer = _proposed(state, record.body.proposal), KeyId(record.body.dealer)
    state.deals.remove((proposal.nonce, dealer))
    state.proposal = replace(proposal, struck=(*proposal.struck, dealer))


def validate_confirm(state: State, record: Record[pb.Confirm]) -> None:
    """Once by each proposed witness."""
    proposal, _ = _checking(state, record.body.proposal, record.key)
    if record.key in proposal.confirmed:
        raise Ignore("this witness has confirmed already")


def process_confirm(state: State, record: Record[pb.Confirm]) -> None:
    """One less to wait for."""
    proposal = _proposed(state, record.body.proposal)
    state.proposal = replace(proposal, confirmed=(*proposal.confirmed, record.key))


# ---- it is in force ----


def validate_coin(state: State, record: Record[pb.Coin]) -> None:
    """All hold their share; or enough do, and the others had their time."""
    proposal = _proposed(state, record.body.proposal)
    next_dealing_phase(proposal.phase, DealingEvent.BEGIN)
    _require_time(proposal, record.body.time_ms)
    _require_deals(state, proposal)
    confirmed = len(proposal.confirmed)
    silent = len(proposal.keys) - confirmed
    # A coin that too few can toss would stop every round.
    require(
        confirmed >= proposal.threshold,
        f"{confirmed} witnesses have confirmed what they were dealt; it takes {proposal.threshold}",
    )
    require(
        silent == 0 or record.body.time_ms - proposal.since_ms >= COMPLAIN_MS,
        f"{silent} witnesses have time left to look at what they were dealt",
    )
    _public_shares(state, proposal)


def process_coin(state: State, record: Record[pb.Coin]) -> None:
    """The set tosses for every round that is sealed from now on."""
    proposal = _proposed(state, record.body.proposal)
    public = _public_shares(state, proposal)
    state.coin_nonce = proposal.nonce
    state.coins.put(proposal.nonce, Coin(proposal.nonce, proposal.keys, public, proposal.id))
    state.proposal = None
    forget_coins(state)


def _public_shares(state: State, proposal: Proposal) -> tuple[Point, ...]:
    deals = (deal for _, deal in state.deals.scan(proposal.nonce))
    return public_shares(deals, len(proposal.keys))


def _require_deals(state: State, proposal: Proposal) -> None:
    """A minority that deals alone would know the secret."""
    deals = state.deals.count(proposal.nonce)
    require(
        deals >= proposal.threshold,
        f"{deals} deals count; a coin is made of {proposal.threshold} at least",
        "wait for more, or propose another set",
    )


def _require_time(proposal: Proposal, time_ms: int) -> None:
    require(
        time_ms >= proposal.since_ms,
        f"the record says {time_ms} ms, earlier than the proposal's last, {proposal.since_ms}",
    )


def _proposed(state: State, id_: bytes) -> Proposal:
    """The present proposal, if a record is about it. Late ones are harmless."""
    if state.proposal is None or state.proposal.id != id_:
        raise Ignore("this set of witnesses is not the one proposed now")
    return state.proposal


def _checking(state: State, id_: bytes, key: KeyId) -> tuple[Proposal, int]:
    """The proposal, whose dealing has ended, and the place of one of its witnesses."""
    proposal = _proposed(state, id_)
    at = _place_of(proposal, key)
    require(proposal.phase is DealingPhase.CHECKING, "the dealing has not ended")
    return proposal, at


def _place_of(proposal: Proposal, key: KeyId) -> int:
    at = place_in(proposal.keys, key)
    if at is None:
        raise Reject("only the proposed witnesses do that")
    return at
