"""The fold: who tosses the coin, how others take their place, and that nothing but the coin is the seed."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from nacl.signing import SigningKey

from commonground.hand import Hand
from protocol.coin.group import Point, multiply_base
from protocol.coin.witnesses import Diligence, assents_needed
from protocol.lifecycle import DealingPhase, RoundPhase
from protocol.limits import COMPLAIN_MS, DEAL_MS, WITNESSES_MAX
from protocol.rules import drawing
from protos.gen import records_pb2 as pb
from tests.fold import changed, drawn, people, refuses, same, spoilt, submitted
from tests.simulated import NETWORK, Network, Person, batch, successor


@pytest.fixture
def five(net: Network) -> Network:
    """A network whose five members are its witnesses."""
    net.change_witnesses(*net.people)
    return net


def sealed(net: Network) -> None:
    """A round, whoever reviews in it."""
    net.submit(net.people[0], [net.item(1), net.item(2)])
    net.stand_by(*net.people[1:])
    net.seal()


def toss_of(net: Network, person: Person) -> pb.Toss:
    [(_, body)] = [(k, b) for k, b in person.hand.due(net.state) if k == "toss"]
    assert isinstance(body, pb.Toss)
    return body


def phase_of(net: Network) -> DealingPhase:
    return net.proposal.phase


def body_of(net: Network, person: Person, kind: str) -> object:
    return next(body for each, body in person.hand.due(net.state) if each == kind)


# ---- at first ----


def test_the_operator_alone_is_the_witness_at_first(net: Network) -> None:
    coin = net.state.coin
    assert (coin.nonce, coin.keys, coin.threshold) == (0, (net.operator.key,), 1)
    assert coin.public == (Point(net.operator.key),)
    drawn(net)
    assert net.round().seed


def test_the_coin_goes_with_the_operators_key(net: Network) -> None:
    """The old key tosses for what was sealed under it, and can then be taken away."""
    submitted(net)
    before = net.operator
    after = before.device("second key")
    after.signing_key = SigningKey(b"\x09" * 32)
    net.add(before, "successor", successor(pb.KEY_ROLE_OPERATOR, after.signing_key))
    net.operator = after
    assert (net.state.coin.nonce, net.state.coin.keys) == (1, (after.key,))
    assert len(net.state.coins) == 2
    with refuses("only the witnesses that the round was sealed under"):
        net.add(after, "toss", toss_of(net, before))
    net.toss(before)
    net.run_round(*net.people[1:])
    assert [nonce for nonce, _ in net.state.coins.scan()] == [1]
    net.submit(net.people[0], [net.item(1)])
    net.seal()
    net.draw()


def test_a_set_that_is_on_its_way_ends_when_the_operator_alone_takes_another_key(
    net: Network,
) -> None:
    net.propose(*net.people)
    net.witness(net.people[0])
    after = net.operator.device("second key")
    after.signing_key = SigningKey(b"\x09" * 32)
    net.add(net.operator, "successor", successor(pb.KEY_ROLE_OPERATOR, after.signing_key))
    net.operator = after
    assert net.state.proposal is None
    assert not len(net.state.deals)
    net.change_witnesses(*net.people)
    assert net.state.coin.nonce == 2


def test_another_key_of_the_operator_changes_no_set_of_others(five: Network) -> None:
    after = five.operator.device("second key")
    after.signing_key = SigningKey(b"\x09" * 32)
    five.add(five.operator, "successor", successor(pb.KEY_ROLE_OPERATOR, after.signing_key))
    assert five.state.coin.nonce == 1
    assert len(five.state.coin.keys) == 5


# ---- proposing ----


def test_a_set_is_of_members_each_another_person_paid_elsewhere(net: Network) -> None:
    ada, ben, *_ = net.people
    desk, stranger, twin = ada.device("desk"), Person("stranger"), Person("twin")
    net.delegate(desk)
    net.add(twin, "register", net.registration(twin, wallet=ben))
    for chosen, message in (
        ((), "1 to 32 witnesses"),
        ((ada, desk), "two of the witnesses are one person"),
        ((ben, twin), "two of the witnesses are paid at one address"),
        ((ada, stranger), "signs for nobody who has registered"),
    ):
        with refuses(message):
            net.propose(*chosen)
    keys = sorted(p.key for p in (ada, ben))
    for wrong in (keys[::-1], [keys[0], keys[0]]):
        with refuses("keys are not in order"):
            net.propose(keys=wrong)
    with refuses("a witness's key is not a point"):
        net.propose(keys=[b"\x01" + bytes(31)])
    net.propose(desk, ben, net.operator)


def test_a_set_has_at_most_32_witnesses() -> None:
    net = Network(*people(*(f"p{number}" for number in range(WITNESSES_MAX + 1))))
    with refuses("1 to 32 witnesses"):
        net.propose(*net.people)
    net.propose(*net.people[:WITNESSES_MAX])


def test_a_proposal_follows_the_last(net: Network) -> None:
    ada, ben, cyn, *_ = net.people
    for nonce in (0, 2):
        with refuses("set 1 of witnesses is the next"):
            net.propose(ada, ben, nonce=nonce)
    with refuses("only the network's operator"):
        net.add(ada, "witnesses", pb.Witnesses(network=NETWORK))
    net.propose(ada, ben)
    with refuses("said something else since"):
        net.propose(ada, cyn, serial=0)
    with refuses("earlier than the proposal's last"):
        net.propose(ada, cyn, time_ms=net.proposal.since_ms - 1)
    net.propose(ada, cyn, time_ms=net.proposal.since_ms)
    assert set(net.proposal.keys) == {ada.key, cyn.key}


def test_another_proposal_takes_the_place_of_one_with_its_deals(net: Network) -> None:
    ada, ben, *_ = net.people
    net.propose(ada, ben)
    old = body_of(net, ada, "deal")
    net.witness(ada, ben)
    net.end_deals()
    stale = pb.Confirm(network=NETWORK, proposal=net.proposal.id)
    net.propose(ada, ben)
    assert not len(net.state.deals)
    for kind, body in (("deal", old), ("confirm", stale)):
        with refuses("not the one proposed now"):
            net.add(ada, kind, body)  # type: ignore[arg-type]
    net.witness(ada, ben)
    with refuses("the dealing has not ended"):
        net.add(ada, "confirm", changed(stale, proposal=net.proposal.id))


@pytest.mark.parametrize(
    ("witnesses", "assents"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (32, 22)]
)
def test_more_than_two_thirds_assent(witnesses: int, assents: int) -> None:
    assert assents_needed(witnesses) == assents
    assert 3 * assents > 2 * witnesses >= 3 * (assents - 1)


def test_the_present_set_assents_to_the_next(five: Network) -> None:
    ada, ben, cyn, dov, eve = five.people
    five.propose(ada, ben, cyn)
    proposal = five.proposal.id
    with refuses("the present witnesses have to assent first"):
        five.add(ada, "deal", pb.Deal(network=NETWORK, proposal=proposal))
    with refuses("PROPOSED cannot END_DEALS"):
        five.end_deals()
    with refuses("only the present witnesses assent"):
        five.assent(five.operator)
    five.assent(ada, dov, eve)
    with refuses("or has this one"):
        five.assent(ada)
    assert phase_of(five) is DealingPhase.PROPOSED, "three of five are not enough"
    five.assent(ben)
    assert phase_of(five) is DealingPhase.DEALING
    with refuses("has the assents that it needs"):
        five.assent(cyn)
    other = pb.Assent(network=NETWORK, proposal=bytes(32))
    with refuses("not the one proposed now"):
        five.add(cyn, "assent", other)


def test_the_operators_proposal_is_its_assent_where_it_is_a_witness(net: Network) -> None:
    ada, ben, *_ = net.people
    net.change_witnesses(net.operator, ada, ben)
    net.propose(ada, ben)
    assert net.proposal.assents == (net.operator.key,)
    net.assent(ada)
    assert phase_of(net) is DealingPhase.PROPOSED
    net.assent(ben)
    assert phase_of(net) is DealingPhase.DEALING


# ---- dealing ----


def test_each_proposed_witness_deals_once(net: Network) -> None:
    ada, ben, cyn, dov, _ = net.people
    net.propose(ada, ben, cyn)
    deal = body_of(net, ada, "deal")
    assert isinstance(deal, pb.Deal)
    with refuses("only the proposed witnesses"):
        net.add(dov, "deal", deal)
    with refuses("does not hold"):
        net.add(ben, "deal", deal)  # another dealer's
    with refuses("has 2 commitments"):
        net.add(ada, "deal", changed(deal, commitments=list(deal.commitments)[:1]))
    net.add(ada, "deal", deal)
    with refuses("has dealt already"):
        net.add(ada, "deal", deal)
    net.witness(ben, cyn)
    net.end_deals()
    with refuses("the dealing has ended"):
        net.add(ada, "deal", deal)


@pytest.mark.parametrize(("early_ms", "may"), [(1, False), (0, True)])
def test_dealing_ends_when_the_others_had_their_time(
    net: Network, early_ms: int, may: bool
) -> None:
    net.propose(*net.people)
    net.witness(*net.people[:3])
    due = net.proposal.since_ms + DEAL_MS - early_ms
    if may:
        net.end_deals(time_ms=due)
        assert net.proposal.since_ms == due
    else:
        with refuses("2 witnesses have time left to deal"):
            net.end_deals(time_ms=due)


def test_a_minority_deals_no_coin(net: Network) -> None:
    net.propose(*net.people)
    net.witness(*net.people[:2])
    due = net.proposal.since_ms + DEAL_MS
    with refuses("2 deals count; a coin is made of 3"):
        net.end_deals(time_ms=due)
    net.witness(net.people[2])
    with refuses("earlier than the proposal's last"):
        net.end_deals(time_ms=net.proposal.since_ms - 1)
    net.end_deals(time_ms=due)


def test_dealing_ends_at_once_when_all_have_dealt(net: Network) -> None:
    net.propose(*net.people)
    net.witness(*net.people)
    net.end_deals(time_ms=net.proposal.since_ms)
    with refuses("CHECKING cannot END_DEALS"):
        net.end_deals()


# ---- complaining, confirming ----


def checking(net: Network, dealer: Person, victim: Person) -> None:
    """All have dealt, one of them wrong for another."""
    net.propose(*net.people)
    deal = body_of(net, dealer, "deal")
    assert isinstance(deal, pb.Deal)
    net.add(dealer, "deal", spoilt(deal, net.proposal.keys, victim))
    net.witness(*(p for p in net.people if p is not dealer))
    net.end_deals()


def test_a_wrong_deal_does_not_count(net: Network) -> None:
    ada, ben, cyn, *_ = net.people
    checking(net, dealer=ada, victim=ben)
    complaint = body_of(net, ben, "complain")
    assert isinstance(complaint, pb.Complain)
    with refuses("only the proposed witnesses"):
        net.add(net.operator, "complain", complaint)
    with refuses("does not hold"):
        net.add(cyn, "complain", complaint)
    for dealer, message in ((cyn.key, "does not hold|is right"), (bytes(32), "nobody has dealt")):
        with refuses(message):
            net.add(ben, "complain", changed(complaint, dealer=dealer))
    with refuses("not the one proposed now"):
        net.add(ben, "complain", changed(complaint, proposal=bytes(32)))
    net.add(ben, "complain", complaint)
    with refuses("does not count any more"):
        net.add(ben, "complain", complaint)
    assert net.proposal.struck == (ada.key,)
    net.witness(*net.people)
    net.begin_coin()
    sealed(net)
    net.toss(ada, ben, cyn)  # whose deal was wrong tosses like everybody else
    net.draw()
    assert same(net.replay(), net.state)


def test_complaints_come_when_the_dealing_has_ended(net: Network) -> None:
    ada, ben, *_ = net.people
    checking(net, dealer=ada, victim=ben)
    complaint = body_of(net, ben, "complain")
    assert isinstance(complaint, pb.Complain)
    fresh = Network(*people("ada", "ben", "cyn", "dov", "eve"))
    fresh.propose(*fresh.people)
    with refuses("the dealing has not ended"):
        fresh.add(ben, "complain", changed(complaint, proposal=fresh.proposal.id))


def test_each_proposed_witness_confirms_once(net: Network) -> None:
    ada, ben, cyn, *_ = net.people
    net.propose(ada, ben)
    net.witness(ada, ben)
    net.end_deals()
    confirm = pb.Confirm(network=NETWORK, proposal=net.proposal.id)
    with refuses("only the proposed witnesses"):
        net.add(cyn, "confirm", confirm)
    net.add(ada, "confirm", confirm)
    with refuses("has confirmed already"):
        net.add(ada, "confirm", confirm)


@pytest.mark.parametrize(("early_ms", "may"), [(1, False), (0, True)])
def test_a_coin_begins_when_the_others_had_their_time(
    net: Network, early_ms: int, may: bool
) -> None:
    net.propose(*net.people)
    with refuses("DEALING cannot BEGIN"):
        net.begin_coin()
    net.witness(*net.people)
    net.end_deals()
    due = net.proposal.since_ms + COMPLAIN_MS - early_ms
    net.witness(*net.people[:2])
    with refuses("2 witnesses have confirmed what they were dealt; it takes 3"):
        net.begin_coin(time_ms=due)
    net.witness(net.people[2])
    if may:
        net.begin_coin(time_ms=due)
        assert net.state.coin.nonce == 1
    else:
        with refuses("2 witnesses have time left to look"):
            net.begin_coin(time_ms=due)


def test_a_coin_begins_at_once_when_all_have_confirmed(net: Network) -> None:
    net.propose(*net.people)
    net.witness(*net.people)
    net.end_deals()
    net.witness(*net.people)
    with refuses("earlier than the proposal's last"):
        net.begin_coin(time_ms=net.proposal.since_ms - 1)
    net.begin_coin(time_ms=net.proposal.since_ms)
    assert (net.state.proposal, net.state.coin.nonce) == (None, 1)


def test_a_coin_needs_deals_that_count(net: Network) -> None:
    """Three of five deal, one of them wrong: two are left, and a minority would know their secret."""
    ada, ben, cyn, *_ = net.people
    net.propose(*net.people)
    deal = body_of(net, ada, "deal")
    assert isinstance(deal, pb.Deal)
    net.add(ada, "deal", spoilt(deal, net.proposal.keys, ben))
    net.witness(ben, cyn)
    net.end_deals(time_ms=net.proposal.since_ms + DEAL_MS)
    net.witness(ben)
    net.witness(*net.people)
    with refuses("2 deals count; a coin is made of 3"):
        net.begin_coin(time_ms=net.proposal.since_ms + COMPLAIN_MS)
    net.clock_ms = net.proposal.since_ms
    net.change_witnesses(ben, cyn)  # and the operator proposes others


# ---- tossing ----


def test_a_witness_tosses_once_and_with_its_one_share(five: Network) -> None:
    ada, ben, *_ = five.people
    early = pb.Toss(network=NETWORK, campaign_id="digits", round=1)
    with refuses("has not begun"):
        five.add(ada, "toss", early)
    sealed(five)
    toss, other = toss_of(five, ada), toss_of(five, ben)
    with refuses("only the witnesses that the round was sealed under"):
        five.add(five.operator, "toss", toss)
    for wrong in (
        other,
        changed(toss, point=other.point),
        changed(toss, proof=other.proof),
        changed(toss, proof=bytes(64)),
        changed(toss, point=bytes(32)),
    ):
        with refuses("does not hold|not canonical|not a point"):
            five.add(ada, "toss", wrong)
    five.add(ada, "toss", toss)
    with refuses("has tossed for this round"):
        five.add(ada, "toss", toss)


def test_any_three_of_five_draw_the_same(five: Network) -> None:
    sealed(five)
    tosses = {person.name: toss_of(five, person) for person in five.people}
    seeds, before = set(), dict(five.state.tosses.scan())
    for chosen in combinations(five.people, 3):
        for person in chosen:
            five.add(person, "toss", tosses[person.name])
        seeds.add(drawing.compute_seed(five.state, "digits"))
        five.state.tosses.clear("digits")
    assert len(seeds) == 1
    assert before == {}


def test_two_of_five_draw_nothing(five: Network) -> None:
    sealed(five)
    five.toss(*five.people[:2])
    with refuses("2 of the 3 witnesses have tossed that it takes"):
        five.add(five.operator, "draw", pb.Draw(**five.place(), assignments=batch([])))
    five.toss(five.people[4])
    five.draw()


def test_the_coin_is_of_this_very_seal(net: Network) -> None:
    """Another time, or other gold, is another place."""
    places = set()
    for gold, later_ms in ((False, 0), (True, 0), (False, 1)):
        fresh = Network(*people("ada", "ben", "cyn", "dov", "eve"))
        fresh.submit(fresh.people[0], [fresh.item(1)])
        fresh.clock_ms += later_ms
        fresh.seal(gold=list(fresh.truth) if gold else ())
        places.add(fresh.round().place)
    assert len(places) == 3


def test_tosses_are_taken_until_the_verdict_and_counted(five: Network) -> None:
    ada, ben, cyn, dov, eve = five.people
    sealed(five)
    five.toss(ada, ben, cyn)
    late, never = toss_of(five, dov), toss_of(five, eve)
    five.draw()
    five.add(dov, "toss", late)
    five.review(*five.people[1:])
    five.verdict()
    with refuses("this round is over"):
        five.add(eve, "toss", never)
    found = {p.name: five.state.diligence[p.id] for p in five.people}
    assert found == {p.name: Diligence(1, 0) for p in five.people} | {"eve": Diligence(0, 1, 1)}
    assert not len(five.state.tosses)
    assert not len(five.state.awaited)


def test_a_round_that_ends_at_once_blames_nobody(five: Network) -> None:
    five.submit(five.people[0], [five.item(1)])
    five.seal()  # nobody stands by
    five.draw()
    assert five.round().phase is RoundPhase.OPEN
    counts = [five.state.diligence[p.id] for p in five.people]
    assert sorted(each.given for each in counts) == [0, 0, 1, 1, 1]
    assert {each.missed for each in counts} == {0}


def test_a_round_ends_under_the_coin_that_it_was_sealed_under(net: Network) -> None:
    submitted(net)
    net.change_witnesses(*net.people)
    assert net.round().coin == 0
    with refuses("only the witnesses that the round was sealed under"):
        net.add(net.people[0], "toss", toss_of(net, net.operator))
    net.run_round(*net.people[1:])
    assert [nonce for nonce, _ in net.state.coins.scan()] == [1]
    sealed(net)
    assert net.round().coin == 1
    net.draw()


def test_old_coins_and_their_deals_are_forgotten(five: Network) -> None:
    sealed(five)
    five.change_witnesses(*five.people[:3])
    assert [nonce for nonce, _ in five.state.coins.scan()] == [1, 2]
    assert {nonce for (nonce, _), _ in five.state.deals.scan()} == {1, 2}
    five.run_round(*five.people[1:])
    assert [nonce for nonce, _ in five.state.coins.scan()] == [2]
    assert {nonce for (nonce, _), _ in five.state.deals.scan()} == {2}


# ---- what one key makes of it ----


def test_a_hand_repeats_itself_after_a_restart(five: Network) -> None:
    """Nothing is kept, so nothing can be lost: the log and the key say it all."""
    ada = five.people[0]
    five.propose(*five.people[:3])
    five.assent(*five.people[:4])
    first, second = (list(Hand(bytes(ada.signing_key)).due(five.state)) for _ in range(2))
    assert [kind for kind, _ in first] == ["deal"]
    assert first == second
    five.witness(*five.people[:3])
    five.end_deals()
    five.witness(*five.people[:3])
    five.begin_coin()
    sealed(five)
    hand = Hand(bytes(ada.signing_key))
    assert (
        list(hand.due(five.state)) == list(hand.due(five.state)) == list(ada.hand.due(five.state))
    )


def test_a_hand_without_a_share_tosses_nothing(net: Network) -> None:
    """Who was away when it could have complained holds none; the others do."""
    ada, ben, *others = net.people
    checking(net, dealer=ada, victim=ben)
    net.witness(ada, *others)
    net.begin_coin(time_ms=net.proposal.since_ms + COMPLAIN_MS)
    sealed(net)
    assert list(ben.hand.due(net.state)) == []
    net.draw()


def test_a_hand_owes_nothing_where_it_is_no_witness(five: Network) -> None:
    sealed(five)
    five.propose(*five.people[:2])
    assert list(five.operator.hand.due(five.state)) == []


def test_a_share_is_what_its_public_share_says(five: Network) -> None:
    coin = five.state.coin
    for key, public in zip(coin.keys, coin.public, strict=True):
        [person] = [p for p in five.people if p.key == key]
        share = person.hand._share(five.state, coin)
        assert share is not None
        assert multiply_base(share) == public
    assert replace(coin, proposal=b"").is_dealt is False
