"""The fold: attacks that once worked, each beside what honest people do."""

from __future__ import annotations

import pytest

from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.limits import AMOUNT_MICRO_MAX, CRITERIA_MAX, LABELS_MAX, LEAF_BYTES_MAX, PPM
from protocol.log.batch import BUNDLE_BYTES_MAX, encode_bundle
from protocol.log.strict import canonical, encode_leaf
from protocol.money import events
from protocol.money.accounts import conserves, cumulative_leaves
from protocol.money.earnings import compute_lines, price_lines
from protocol.money.onchain import Deposit
from protocol.money.settlement import Address
from protocol.state import SHARES
from protocol.tasks.spec import encode_spec
from protocol.truth.data import MAX_CONFUSION_CELLS
from protos.gen import records_pb2 as pb
from tests.chain_says import TOKEN, WHERE, attest, deploy, pay, says, settlement
from tests.fold import (
    changed,
    changed_item,
    closed,
    deposits,
    drawn,
    drawn_people,
    encoded,
    ids,
    items,
    last_lines,
    off_by,
    people,
    published_verdicts,
    refuses,
    same,
    statuses,
    submitted,
    tasks,
    waiting,
)
from tests.simulated import Network, Person, campaign, policy, rounds


def test_an_envelope_has_one_encoding(net: Network) -> None:
    ada = net.people[0]
    raw = ada.seal("register", net.registration(ada, serial=2, wallet=Person("laptop")))
    unknown_field = b"\x7a\x00"  # number 15, empty: the signature does not cover it
    parsed = pb.Envelope.FromString(raw)
    backwards = b"".join(
        canonical(pb.Envelope(**{name: getattr(parsed, name)}))
        for name in ("signature", "payload", "key", "kind")
    )
    assert pb.Envelope.FromString(backwards) == parsed
    for other in (raw + unknown_field, backwards):
        with refuses("one canonical encoding"):
            net.add_raw(other)
    net.add_raw(raw)


def test_items_that_nobody_reviewed_are_not_duplicates_of_themselves(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.seal()
    net.draw()
    assert net.round().phase is RoundPhase.OPEN, "there was nobody to draw"
    net.close()
    net.run_epoch(*reviewers)
    assert statuses(net) == [ItemStatus.ACCEPTED]
    assert same(net.replay(), net.state)


def shares_by_address(net: Network, epoch: int) -> dict[Address, int]:
    leaves = cumulative_leaves(net.state, epoch)
    return {leaf.account: leaf.amount(WHERE.share_token) for leaf in leaves}


def test_what_a_settlement_promised_is_not_promised_again_to_another_address(net: Network) -> None:
    closed(net)
    deploy(net)
    ada = net.people[0]
    before = shares_by_address(net, 1)
    net.add(net.operator, "settlement", settlement(net))
    assert shares_by_address(net, 1) == before
    old, ada.wallet = ada.address, Person("ada's second address").wallet
    net.add(ada, "register", net.registration(ada, serial=2))
    assert shares_by_address(net, 1) == before
    net.submit(ada, [net.item(i) for i in range(6)])
    net.run_epoch(*net.people[1:])
    after = shares_by_address(net, 2)
    assert after[Address(old)] == before[Address(old)]
    assert after[Address(ada.address)] == 600 * PPM, "what was earned since goes to the new one"
    assert sum(after.values()) == net.state.minted_micro


def test_the_networks_own_shares_are_no_revenue(net: Network) -> None:
    deploy(net)
    with refuses("shares are no revenue"):
        pay(net, 5, asset=WHERE.share_token)


def test_a_close_cannot_give_weight_to_who_has_none() -> None:
    lazy = Network(Person("ada"), *(Person(f"r{i}", lambda _: 3) for i in range(3)))
    lazy.submit(lazy.people[0], [lazy.item(3) for _ in range(6)])
    lazy.run_rounds(*lazy.people[1:])
    lines = compute_lines(lazy.state)
    favoured = next(line for line in lines if line.role == pb.ROLE_REVIEWER)
    assert favoured.weight_micro == 0, "who always says the same knows nothing"
    favoured.weight_micro = 1
    with refuses("weight does not recompute"):
        lazy.add_close(price_lines(lazy.state, lines))
    lazy.close()


def test_thousands_of_copies_do_not_stall_the_draw() -> None:
    net = Network(*people("ada", "ben", "cyn", "dov"))
    net.add(net.operator, "campaign", campaign(id="two", rounds=rounds(items_max=4)))
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1, content=b"one picture", c="two") for _ in range(6)], c="two")
    net.stand_by(*reviewers, c="two")
    net.seal(c="two")
    assert statuses(net).count(ItemStatus.DUPLICATE) == 3, "a seal looks at four"
    assert len(waiting(net, "two")) == 2
    net.run_round(*reviewers, c="two")
    net.run_rounds(*reviewers, c="two")
    assert statuses(net).count(ItemStatus.DUPLICATE) == 5
    assert not waiting(net, "two")


def test_no_more_reviewers_are_drawn_than_one_inference_can_weigh() -> None:
    crowd = [Person(f"r{i}") for i in range(20)]
    net = Network(Person("ada"), *crowd)
    labels = [f"label {i}" for i in range(1014)]
    spec = encode_spec({"labels": labels})
    net.add(net.operator, "campaign", campaign(id="words", spec=spec, rounds=rounds(items_max=40)))
    net.submit(net.people[0], [net.item(i % 10, c="words") for i in range(40)], c="words")
    net.stand_by(*crowd, c="words")
    net.seal(c="words")
    net.draw(c="words")
    drawn_at_most = MAX_CONFUSION_CELLS // len(labels) ** 2 // 2
    assert len(tasks(net, "words")) == drawn_at_most == 16


def test_a_campaign_asks_for_no_more_than_memory_holds(net: Network) -> None:
    spec = encode_spec({"labels": [f"label {i}" for i in range(400)]})
    with refuses("reviewers an item are too many for so many possible answers"):
        net.add(net.operator, "campaign", campaign(id="wide", spec=spec, reviewers_per_item=11))
    for items_max, may in ((5_593, False), (5_592, True)):
        terms = rounds(items_max=items_max, draws_max=3)
        narrow = campaign(id="narrow", spec=spec, reviewers_per_item=10, rounds=terms)
        if may:
            net.add(net.operator, "campaign", narrow)
        else:
            with refuses("is too large for so many possible answers"):
                net.add(net.operator, "campaign", narrow)


def test_the_verdict_of_the_largest_round_fits_its_bundle(net: Network) -> None:
    """Or the round could never end: a verdict that nobody can publish."""
    spec = encode_spec({"labels": [f"label {i}" for i in range(LABELS_MAX)]})
    terms = rounds(items_max=4_947, draws_max=1)
    asked = campaign(id="words", spec=spec, reviewers_per_item=1, rounds=terms)
    with refuses("a round of 4947 items is too large"):
        net.add(net.operator, "campaign", asked)
    asked.rounds.items_max -= 1
    net.add(net.operator, "campaign", asked)
    most = 2**32 - 1
    largest = pb.ItemVerdict(
        item_id=bytes(32),
        outcome=pb.OUTCOME_UNDECIDED,
        belief_ppm=[PPM] * LABELS_MAX,
        answer=bytes(CRITERIA_MAX),
        confidence_ppm=most,
        proposal=bytes(CRITERIA_MAX),
        proposal_salt=bytes(32),
        gold=bytes(CRITERIA_MAX),
        gold_salt=bytes(32),
        refusal=pb.REFUSAL_HARMFUL,
    )
    assert len(encode_leaf(largest)) <= LEAF_BYTES_MAX
    assert asked.rounds.items_max * len(encode_bundle([encode_leaf(largest)])) <= BUNDLE_BYTES_MAX


def test_the_last_shares_are_minted_and_no_more() -> None:
    greedy = policy(epoch_emission_micro=AMOUNT_MICRO_MAX)
    net = Network(*people("ada", "ben", "cyn", "dov"), policy=greedy)
    deploy(net)
    says(net, events.EmissionChanged(AMOUNT_MICRO_MAX))
    for _ in range(5):
        net.submit(net.people[0], [net.item(i) for i in range(6)])
        pay(net, 5)
        net.run_epoch(*net.people[1:])
    assert 0.999 * AMOUNT_MICRO_MAX < net.state.minted_micro <= AMOUNT_MICRO_MAX
    assert conserves(net.state)


def test_revenue_that_does_not_fit_into_a_close_waits_its_turn(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed(net)
    deploy(net)
    junk, money = Address(b"\xff" * 20), TOKEN
    says(net, events.AssetListed(junk))
    for asset in (junk, money, junk):
        pay(net, 900, asset=asset)
    holders = sum(amount > 0 for (_, asset), amount in net.state.earned.scan() if asset == SHARES)
    monkeypatch.setattr("protocol.money.revenue.OPERATOR_LEAVES_MAX", holders + 1)
    net.close()
    assert deposits(net) == [Deposit(money, 900)], "the first come are shared first"
    assert conserves(net.state)
    net.close()
    assert deposits(net) == []
    assert sum(a for (_, asset), a in net.state.earned.scan() if asset == money) == 900
    assert conserves(net.state)
    assert same(net.replay(), net.state)


def test_names_that_share_an_address_are_one_voice(net: Network) -> None:
    ada, *reviewers = net.people
    shadow, twin = Person("shadow"), Person("twin")
    shadow.wallet, twin.wallet = ada.wallet, reviewers[0].wallet
    for person in (shadow, twin):
        net.add(person, "register", net.registration(person))
    net.submit(ada, [net.item(i) for i in range(8)])
    everybody = (shadow, twin, *reviewers)
    net.stand_by(*everybody)
    net.seal()
    net.draw()
    assert shadow.id not in tasks(net), "nobody reviews their own under another name"
    assert not {twin.id, reviewers[0].id} <= set(tasks(net))


def test_witnesses_who_share_an_address_are_one_witness(net: Network) -> None:
    ada, ben, cyn, dov, *_ = net.people
    net.change_witnesses(ada, ben, cyn, dov)
    ben.wallet = ada.wallet
    net.add(ben, "register", net.registration(ben, serial=2))
    closed(net)
    deploy(net)
    assert len(net.state.onchain.witnesses) == 3
    net.add(net.operator, "settlement", settlement(net))
    attest(net, "settlement", ada)
    with refuses("attested already"):
        attest(net, "settlement", ben)
    attest(net, "settlement", cyn)
    assert net.state.attestations.count(net.state.asks["settlement"].digest) == 2


def test_items_that_nobody_can_review_do_not_hold_up_the_others() -> None:
    """What all who come have answered already waits behind what nobody has, and not for ever: its answers
    wait for their pay."""
    ada = Person("ada")
    crowd = [Person(f"r{i}", off_by(i)) for i in range(3)]
    net = Network(ada, *crowd)
    net.add(net.operator, "campaign", campaign(id="one", rounds=rounds(items_max=1)))

    def one_round() -> None:
        net.stand_by(*(p for p in crowd if ("one", p.id) not in net.state.standbys), c="one")
        net.seal(c="one")
        net.run_round(*crowd, c="one")

    net.submit(ada, [net.item(1, c="one")], c="one")
    one_round()
    (stuck,) = ids(net)
    assert net.state.items[stuck].draws == 1
    one_round()
    assert net.state.items[stuck].draws == 2, "there was nobody who had not answered it"
    assert net.round("one").phase is RoundPhase.OPEN
    net.submit(ada, [net.item(2, c="one")], c="one")
    one_round()
    assert net.state.items[stuck].decided_in == 1, "three draws are what the campaign gives"
    assert waiting(net, "one") == ids(net)[1:]
    one_round()
    assert len(items(net)[1].answered_by) == 3, "the other one had its turn"
    net.close()
    (line,) = last_lines(net, pb.ROLE_CONTRIBUTOR)
    assert line.evidence.undecided == 1
    assert [line.evidence.answers for line in last_lines(net, pb.ROLE_REVIEWER)] == [1, 1, 1]


def test_what_nobody_came_for_waits_as_long_as_it_takes(net: Network) -> None:
    ada, ben, *_ = net.people
    net.submit(ada, [net.item(1)])
    for _ in range(10):
        net.stand_by(ada)
        net.seal()
        net.run_round(ada)
        assert net.round().phase is RoundPhase.OPEN, "nobody reviews their own"
    assert statuses(net) == [ItemStatus.SUBMITTED]
    net.run_epoch(ben, *net.people[2:])
    assert statuses(net) == [ItemStatus.ACCEPTED]


def test_one_reviewer_does_not_decide_alone() -> None:
    ada, sybil = Person("ada"), Person("sybil", lambda _: 5)
    net = Network(ada, sybil)
    net.submit(ada, [net.item(1, label=5) for _ in range(20)])
    net.run_epoch(sybil)
    assert set(statuses(net)) == {ItemStatus.UNDECIDED}
    assert net.state.minted_micro == 0


def test_gold_is_decided_by_the_first_answer() -> None:
    ada, ben = people("ada", "ben")
    net = Network(ada, ben)
    net.submit(ada, [net.item(1), net.item(2)])
    net.run_epoch(ben, gold=list(net.truth)[:1])
    assert statuses(net) == [ItemStatus.ACCEPTED, ItemStatus.UNDECIDED]


def test_one_reviewer_does_not_call_content_false_alone(net: Network) -> None:
    drawn(net, count=1)
    (item_id,) = net.round().items
    liar = drawn_people(net)[0]
    leaves = net.refuse(net.answers(liar), pb.REFUSAL_MISMATCH)
    net.commit(liar, leaves)
    net.end_commits()
    net.reveal(liar, leaves)
    net.verdict()
    assert net.state.items[item_id].status is ItemStatus.UNDECIDED


def test_gold_that_nobody_answered_measures_nobody_later(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(i) for i in range(3)])
    net.stand_by(*reviewers)
    net.seal(gold=list(net.truth)[:1])
    net.draw()
    net.end_commits()
    net.verdict()
    assert not len(net.state.gold), "its answer is public now"
    net.run_rounds(*reviewers)
    net.close()
    assert len(last_lines(net, pb.ROLE_REVIEWER)) == 4
    assert all(line.evidence.gold_answers == 0 for line in last_lines(net))


def test_gold_is_not_chosen_by_who_has_seen_the_draw(net: Network) -> None:
    """It is committed to with the seal, before anybody tosses; a second seal is none."""
    submitted(net)
    with refuses("SEALED cannot SEAL"):
        net.add_seal(encoded([pb.GoldHash(hash=bytes(32))]), round=2)


def test_a_round_has_no_more_gold_than_items(net: Network) -> None:
    net.submit(net.people[0], [net.item(i) for i in range(2)])
    hashes = [pb.GoldHash(hash=net.fresh()) for _ in range(3)]
    with refuses("more gold than the round has items"):
        net.add_seal(encoded(hashes))
    with refuses("a gold hash stands twice"):
        net.add_seal(encoded([hashes[0], hashes[0]]))
    with refuses("a gold hash has 32 bytes"):
        net.add_seal(encoded([pb.GoldHash(hash=b"short")]))
    net.add_seal(encoded(hashes[:2]))


def test_a_verdict_says_nothing_else(net: Network) -> None:
    ada, ben, *_ = net.people
    net.submit(ada, [net.item(1), net.item(2)])
    net.submit(ben, [net.item(3)])
    net.stand_by(ben)
    net.seal(gold=ids(net)[1:])
    net.draw()
    net.review(ben)
    first, second, gold = net.compute_verdicts()
    assert (first.outcome, second.outcome, gold.outcome) == (
        pb.OUTCOME_UNDECIDED,
        pb.OUTCOME_ACCEPTED,
        pb.OUTCOME_UNSPECIFIED,
    )
    idle = pb.ItemVerdict(item_id=bytes(32))
    bare = pb.ItemVerdict(item_id=second.item_id, gold=second.gold, gold_salt=second.gold_salt)
    hidden = changed(second, gold=b"", gold_salt=b"")
    for published, message in (
        ([first, second, gold, idle], "not in ascending order|nor opens gold"),
        ([first, second, changed(gold, belief_ppm=[1])], "nor opens gold"),
        ([first, second, changed(gold, answer=b"\0\1")], "nor opens gold"),
        ([first, second, changed(gold, proposal_salt=bytes(32))], "nor opens gold"),
        ([first, second, gold, gold], "not in ascending order"),
        ([first, second], "not the gold committed to"),
        ([gold, first, second], "not those of the round's items"),
        ([first, hidden, *sorted((bare, gold), key=lambda v: v.item_id)], "has two verdicts"),
    ):
        with refuses(message):
            net.add_verdict(published)
    net.add_verdict([first, second, gold])
    assert {item_id for (_, item_id), _ in net.state.gold.scan()} == {second.item_id}


def test_an_undecided_proposal_stays_sealed() -> None:
    contrary = Network(Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(4)))
    published = published_verdicts(contrary)
    undecided = next(v for v in published if v.outcome == pb.OUTCOME_UNDECIDED)
    undecided.proposal_salt, undecided.proposal = contrary.openings[undecided.item_id]
    with refuses("its proposal stays sealed"):
        contrary.add_verdict(published)


def test_an_origin_is_a_known_one(net: Network) -> None:
    with refuses("how it was made"):
        net.submit(net.people[0], [changed_item(net.item(1), origin=77)])


@pytest.mark.parametrize("false", [True, False])
def test_a_false_fingerprint_does_not_keep_the_true_content_out(net: Network, false: bool) -> None:
    squatter, honest, *reviewers = net.people
    net.submit(squatter, [net.item(1, label=2, content=b"the picture")])
    net.stand_by(*reviewers)
    net.seal()
    net.draw()
    given = {person.name: net.answers(person) for person in reviewers}
    for person in reviewers:
        if false:
            given[person.name] = net.refuse(given[person.name], pb.REFUSAL_MISMATCH)
        net.commit(person, given[person.name])
    net.end_commits()
    for person in reviewers:
        net.reveal(person, given[person.name])
    net.verdict()
    assert items(net)[0].refusal == (pb.REFUSAL_MISMATCH if false else pb.REFUSAL_NONE)
    net.close()
    net.submit(honest, [net.item(1, content=b"the picture"), net.item(1, content=b"the picture")])
    net.run_epoch(*reviewers)
    copy, again = ItemStatus.ACCEPTED if false else ItemStatus.DUPLICATE, ItemStatus.DUPLICATE
    assert statuses(net) == [ItemStatus.REJECTED, copy, again]
    assert same(net.replay(), net.state)
