"""The fold: attacks that once worked, each beside what honest people do."""

from __future__ import annotations

import pytest

from protocol.lifecycle import ItemStatus
from protocol.limits import AMOUNT_MICRO_MAX, BATCH_LEAVES_MAX, OPERATOR_LEAVES_MAX, PPM
from protocol.log.envelope import parse_envelope
from protocol.money.accounts import conserves, cumulative_leaves
from protocol.money.lines import compute_lines, price_lines
from protocol.money.settlement import Address, publication_digest
from protocol.rules import review, sealing
from protocol.state import SHARES, Deposit
from protocol.truth.data import MAX_CONFUSION_CELLS
from protos.gen import records_pb2 as pb
from tests.fold import (
    add_verdict,
    deploy,
    drawn,
    off_by,
    people,
    published_verdicts,
    refuses,
    revenue,
    settlement,
    submitted,
)
from tests.simulated import NETWORK, Network, Person, batch, campaign, policy


def test_an_envelope_encoded_anew_is_the_same_record(net: Network) -> None:
    ada = net.people[0]
    first = next(e.raw for e in net.log if parse_envelope(e.raw).author == ada.identity)
    ada.wallet = Person("ada's new laptop").wallet
    net.add(ada, "register", net.registration(ada))
    unknown_field = b"\x7a\x00"  # number 15, empty: the signature does not cover it
    with refuses("in the log already"):
        net.add_raw(first + unknown_field)


def test_items_that_nobody_reviewed_are_not_duplicates_of_themselves(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1)])
    net.phase(pb.PHASE_BEACON)
    net.draw()
    net.phase(pb.PHASE_REVEALING)
    net.verdict()
    net.close()
    net.run_epoch(*reviewers)
    assert [item.status for item in net.state.items.values()] == [ItemStatus.ACCEPTED]
    assert net.replay() == net.state


def test_what_a_settlement_promised_is_not_promised_again_to_another_address(net: Network) -> None:
    submitted(net)
    net.run_rounds(*net.people[1:])
    net.close()
    deploy(net)
    ada = net.people[0]
    before = {leaf.account: leaf.cumulative for leaf in cumulative_leaves(net.state)}
    net.add(net.operator, "settlement", settlement(net))
    assert {leaf.account: leaf.cumulative for leaf in cumulative_leaves(net.state)} == before
    old, ada.wallet = ada.address, Person("ada's second address").wallet
    net.add(ada, "register", net.registration(ada))
    assert {leaf.account: leaf.cumulative for leaf in cumulative_leaves(net.state)} == before
    net.submit(ada, [net.item(i) for i in range(6)])
    net.run_epoch(*net.people[1:])
    after = {leaf.account: leaf.cumulative for leaf in cumulative_leaves(net.state)}
    assert after[Address(old)] == before[Address(old)]
    assert after[Address(ada.address)] == 600 * PPM, "what was earned since goes to the new one"
    assert sum(after.values()) == net.state.minted_micro


def test_the_networks_own_shares_are_no_revenue(net: Network) -> None:
    deploy(net)
    with refuses("own shares are no revenue"):
        net.add(net.operator, "revenue", revenue(asset=b"\x02" * 20))


def test_a_close_cannot_give_weight_to_who_has_none(net: Network) -> None:
    lazy = Network(Person("ada"), *(Person(f"r{i}", lambda _: 3) for i in range(3)))
    lazy.submit(lazy.people[0], [lazy.item(3) for _ in range(6)])
    lazy.stand_by(*lazy.people[1:])
    lazy.phase(pb.PHASE_BEACON)
    lazy.run_rounds(*lazy.people[1:])
    lines = compute_lines(lazy.state)
    favoured = next(line for line in lines if line.role == pb.ROLE_REVIEWER)
    assert favoured.weight_micro == 0, "who always says the same knows nothing"
    favoured.weight_micro = 1
    leaves = [line.SerializeToString() for line in price_lines(lazy.state, lines)]
    body = pb.Close(network=NETWORK, epoch=1, lines=batch(leaves))
    with refuses("weight does not recompute"):
        lazy.add(lazy.operator, "close", body, leaves)
    lazy.close()


def test_thousands_of_copies_do_not_stall_the_draw(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "SEALED_ITEMS_MAX", 4)
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1, content=b"one picture") for _ in range(6)])
    net.stand_by(*reviewers)
    net.phase(pb.PHASE_BEACON)
    assert len(net.state.epoch.duplicates) == 3
    assert len(net.state.pending) == 2
    net.run_rounds(*reviewers)
    net.close()
    net.run_epoch(*reviewers)
    assert not net.state.pending


def test_a_seal_fits_into_its_draw_and_its_close() -> None:
    assert sealing.SEALED_ITEMS_MAX + review.REVIEWER_LINES_MAX < OPERATOR_LEAVES_MAX
    assert review.GOLD_MAX + BATCH_LEAVES_MAX <= OPERATOR_LEAVES_MAX


def test_no_more_reviewers_are_drawn_than_one_inference_can_weigh() -> None:
    crowd = [Person(f"r{i}") for i in range(12)]
    net = Network(Person("ada"), *crowd, policy=policy(rounds_max=8))
    labels = [f"label {i}" for i in range(1024)]
    net.add(net.operator, "campaign", campaign(id="words", labels=labels[10:]))
    words = net.state.campaigns["words"]
    leaves = [net.item(i % 10) for i in range(40)]
    body = pb.Submission(network=NETWORK, campaign_id="words", items=batch(leaves))
    net.add(net.people[0], "submission", body, leaves)
    net.stand_by(*crowd)
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*crowd)
    net.draw()
    drawn_at_most = MAX_CONFUSION_CELLS // len(words.labels) ** 2 // 8
    assert len(net.state.epoch.round.tasks) == drawn_at_most == 4


def test_a_campaign_asks_for_no_more_than_memory_holds(net: Network) -> None:
    labels = [f"label {i}" for i in range(400)]
    with refuses("labels times reviewers per item"):
        net.add(net.operator, "campaign", campaign(id="wide", labels=labels, reviewers_per_item=10))
    net.add(net.operator, "campaign", campaign(id="narrow", labels=labels, reviewers_per_item=9))


def test_the_last_shares_are_minted_and_no_more() -> None:
    greedy = policy(epoch_emission_micro=AMOUNT_MICRO_MAX)
    net = Network(*people("ada", "ben", "cyn", "dov"), policy=greedy)
    deploy(net)
    for _ in range(5):
        net.submit(net.people[0], [net.item(i) for i in range(6)])
        net.add(net.operator, "revenue", revenue(tx_hash=net.fresh()))
        net.run_epoch(*net.people[1:])
    assert 0.999 * AMOUNT_MICRO_MAX < net.state.minted_micro <= AMOUNT_MICRO_MAX
    assert conserves(net.state)


def test_revenue_that_does_not_fit_into_a_close_waits_its_turn(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(net)
    net.run_rounds(*net.people[1:])
    net.close()
    deploy(net)
    junk, money = b"\xff" * 20, b"\x05" * 20
    for place, asset in enumerate((junk, money, junk)):
        net.add(net.operator, "revenue", revenue(asset=asset, amount="900", log_index=place))
    holders = sum(amount > 0 for (_, asset), amount in net.state.earned.items() if asset == SHARES)
    monkeypatch.setattr("protocol.money.revenue.OPERATOR_LEAVES_MAX", holders + 1)
    net.close()
    assert net.state.epoch.deposits == [Deposit(money, 900)], "the first come are shared first"
    assert conserves(net.state)
    net.close()
    assert net.state.epoch.deposits == []
    assert sum(a for (_, asset), a in net.state.earned.items() if asset == money) == 900
    assert conserves(net.state)
    assert net.replay() == net.state


def test_a_network_shares_out_a_bounded_number_of_assets(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protocol.rules.epoch.ASSETS_MAX", 1)
    deploy(net)
    net.add(net.operator, "revenue", revenue())
    with refuses("at most 1 assets"):
        net.add(net.operator, "revenue", revenue(asset=b"\x06" * 20, tx_hash=net.fresh()))
    net.add(net.operator, "revenue", revenue(tx_hash=net.fresh()))


def test_names_that_share_an_address_are_one_voice(net: Network) -> None:
    ada, *reviewers = net.people
    shadow, twin = Person("shadow"), Person("twin")
    shadow.wallet, twin.wallet = ada.wallet, reviewers[0].wallet
    for person in (shadow, twin):
        net.add(person, "register", net.registration(person))
    net.submit(ada, [net.item(i) for i in range(8)])
    everybody = (shadow, twin, *reviewers)
    net.stand_by(*everybody)
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*everybody)
    net.draw()
    tasks = net.state.epoch.round.tasks
    assert shadow.identity not in tasks, "nobody reviews their own under another name"
    assert not {twin.identity, reviewers[0].identity} <= set(tasks)


def test_witnesses_who_share_an_address_are_one_witness(net: Network) -> None:
    ada, ben, *_ = net.people
    ben.wallet = ada.wallet
    net.add(ben, "register", net.registration(ben))
    submitted(net)
    net.run_rounds(*net.people[1:])
    net.close()
    deploy(net)
    net.add(net.operator, "settlement", settlement(net))
    proposal = net.state.proposal
    assert proposal is not None
    digest = publication_digest(1, Address(b"\x01" * 20), 1, proposal.root, proposal.totals)

    def attest(who: Person, epoch: int = 1) -> None:
        signature = who.sign_digest(digest)
        body = pb.Attest(network=NETWORK, epoch=epoch, root=proposal.root, signature=signature)
        net.add(who, "attest", body)

    def publish(tx_hash: bytes) -> None:
        body = pb.Published(network=NETWORK, epoch=1, root=proposal.root, tx_hash=tx_hash)
        net.add(net.operator, "published", body)

    with refuses("not the one proposed now"):
        attest(ada, epoch=2)
    attest(ada)
    attest(ben)
    with refuses("1 of 2 witnesses"):
        publish(bytes(32))
    attest(net.people[2])
    publish(bytes(32))
    with refuses("published already"):
        publish(net.fresh())


def test_items_that_nobody_can_review_do_not_hold_up_the_others() -> None:
    ada = Person("ada")
    crowd = [Person(f"r{i}", off_by(i)) for i in range(3)]
    net = Network(ada, *crowd, policy=policy(rounds_max=2))
    net.submit(ada, [net.item(1)])
    net.stand_by(*crowd)
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*crowd)
    net.draw()
    net.submit(ada, [net.item(2)])
    net.review(*crowd)
    net.verdict()
    net.run_rounds(*crowd)
    assert net.state.pending == list(net.state.items)[::-1]


def test_one_reviewer_does_not_decide_alone() -> None:
    ada, sybil = Person("ada"), Person("sybil", lambda _: 5)
    net = Network(ada, sybil, policy=policy(rounds_max=1))
    net.submit(ada, [net.item(1, label=5) for _ in range(20)])
    net.run_epoch(sybil)
    assert {item.status for item in net.state.items.values()} == {ItemStatus.UNDECIDED}
    assert net.state.minted_micro == 0


def test_gold_is_decided_by_the_first_answer() -> None:
    ada, ben = people("ada", "ben")
    net = Network(ada, ben, policy=policy(rounds_max=1))
    net.submit(ada, [net.item(1), net.item(2)])
    net.run_epoch(ben, gold=list(net.truth)[:1])
    statuses = [item.status for item in net.state.items.values()]
    assert statuses == [ItemStatus.ACCEPTED, ItemStatus.UNDECIDED]


def test_one_reviewer_does_not_call_content_false_alone(net: Network) -> None:
    drawn(net, count=1)
    (item_id,) = net.state.epoch.round.assignments
    liar = next(p for p in net.people if p.identity in net.state.epoch.round.tasks)
    leaf = pb.Answer(
        item_id=item_id,
        reviewer=liar.identity,
        nonce=net.fresh(),
        abstention=pb.ABSTENTION_MISMATCH,
    ).SerializeToString()
    net.commit(liar, [leaf])
    net.phase(pb.PHASE_REVEALING)
    net.reveal(liar, [leaf])
    net.verdict()
    assert net.state.items[item_id].status is ItemStatus.UNDECIDED


def test_gold_that_nobody_answered_measures_nobody_later(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(i) for i in range(3)])
    net.stand_by(*reviewers)
    net.commit_gold(list(net.truth)[:1])
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*reviewers)
    net.draw()
    net.phase(pb.PHASE_REVEALING)
    net.verdict()
    assert net.state.epoch.gold == {}, "its answer is public now"
    net.run_rounds(*reviewers)
    net.close()
    lines = [pb.RewardLine.FromString(leaf) for leaf in net.log[-1].leaves]
    assert all(line.evidence.gold_answers == 0 for line in lines)


def test_gold_is_not_chosen_by_who_has_seen_the_draw(net: Network) -> None:
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    net.stand_by(*net.people[1:])
    net.phase(pb.PHASE_BEACON)
    net.commit_gold(list(net.truth)[:1])
    net.open_beacons(net.people[1])
    with refuses("before any beacon value is opened"):
        net.commit_gold(list(net.truth)[1:2])


def test_an_epoch_has_no_more_gold_than_one_verdict_opens(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "GOLD_MAX", 2)
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    with refuses("more than 2 gold items"):
        net.commit_gold(list(net.truth)[:3])
    net.commit_gold(list(net.truth)[:2])


def test_a_verdict_says_nothing_else(net: Network) -> None:
    published = published_verdicts(net)
    idle = pb.ItemVerdict(item_id=published[0].item_id)
    with refuses("neither decides an item nor opens gold"):
        add_verdict(net, [*published, idle])
    add_verdict(net, published)


def test_an_undecided_label_stays_sealed() -> None:
    contrary = Network(Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(4)))
    published = published_verdicts(contrary)
    undecided = next(v for v in published if v.outcome == pb.OUTCOME_UNDECIDED)
    undecided.label_salt, undecided.proposed_label = contrary.openings[undecided.item_id]
    with refuses("its label stays sealed"):
        add_verdict(contrary, published)


def test_an_origin_is_a_known_one(net: Network) -> None:
    item = pb.Item.FromString(net.item(1))
    item.origin = 77  # type: ignore[assignment]
    with refuses("how it was made"):
        net.submit(net.people[0], [item.SerializeToString()])


@pytest.mark.parametrize("false", [True, False])
def test_a_false_fingerprint_does_not_keep_the_true_content_out(net: Network, false: bool) -> None:
    squatter, honest, *reviewers = net.people
    net.submit(squatter, [net.item(1, label=2, content=b"the picture")])
    net.stand_by(*reviewers)
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*reviewers)
    net.draw()
    given = {person.name: net.answers(person) for person in reviewers}
    for person in reviewers:
        (answer,) = map(pb.Answer.FromString, given[person.name])
        if false:
            answer.abstention = pb.ABSTENTION_MISMATCH
        given[person.name] = [answer.SerializeToString()]
        net.commit(person, given[person.name])
    net.phase(pb.PHASE_REVEALING)
    for person in reviewers:
        net.reveal(person, given[person.name])
    net.verdict()
    net.run_rounds(*reviewers)
    net.close()
    net.submit(honest, [net.item(1, content=b"the picture"), net.item(1, content=b"the picture")])
    net.run_epoch(*reviewers)
    statuses = [item.status for item in net.state.items.values()]
    copy, again = ItemStatus.ACCEPTED if false else ItemStatus.DUPLICATE, ItemStatus.DUPLICATE
    assert statuses == [ItemStatus.REJECTED, copy, again]
    assert net.replay() == net.state
