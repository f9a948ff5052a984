"""The fold: a whole epoch, and every way of getting a record past it that must fail."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from protocol import commitments, transition, verdicts
from protocol.accounts import conserves, cumulative_leaves
from protocol.envelope import parse_envelope, seal
from protocol.epoch import compute_lines, price_lines
from protocol.errors import Misbehaviour
from protocol.lifecycle import EpochPhase, ItemStatus
from protocol.limits import AMOUNT_MICRO_MAX, BATCH_LEAVES_MAX, OPERATOR_LEAVES_MAX, PPM
from protocol.merkle import hash_leaf
from protocol.rules import intake, review
from protocol.settlement import Address, build_tree, publication_digest, sum_totals
from protocol.state import SHARES
from protocol.truth_data import MAX_CONFUSION_CELLS
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK, Network, Person, batch, campaign, policy


def people(*names: str) -> list[Person]:
    return [Person(name) for name in names]


@pytest.fixture
def net() -> Network:
    return Network(*people("ada", "ben", "cyn", "dov", "eve"))


def refuses(match: str) -> pytest.RaisesExc[Misbehaviour]:
    return pytest.raises(Misbehaviour, match=match)


def submitted(net: Network, count: int = 6) -> None:
    """`count` items by the first person, everybody else standing by, the round sealed."""
    net.submit(net.people[0], [net.item(i % 10) for i in range(count)])
    net.stand_by(*net.people[1:])
    net.phase(pb.PHASE_BEACON)


def drawn(net: Network, count: int = 6) -> None:
    submitted(net, count)
    net.open_beacons(*net.people[1:])
    net.draw()


# ---- the whole way ----


def test_an_epoch_accepts_good_items_pays_everybody_and_replays_to_the_same_state() -> None:
    rng = random.Random(5)
    good = [Person(f"good{i}", _judge(rng, 0.9)) for i in range(5)]
    careless, lazy = Person("careless", _judge(rng, 0.9)), Person("lazy", lambda _: 3)
    net = Network(*good, careless, lazy)
    for person in good:
        net.submit(person, [net.item(rng.randrange(10)) for _ in range(40)])
    wrong = [net.item(t, (t + 1) % 10 if i % 5 < 2 else t) for i, t in enumerate([1, 4, 8, 2] * 10)]
    net.submit(careless, wrong)
    net.run_epoch(*good, careless, lazy, gold=rng.sample(list(net.truth), 40))

    state = net.state
    accepted = {i: s for i, s in state.items.items() if s.status is ItemStatus.ACCEPTED}
    right = sum(item.label == net.truth[item_id] for item_id, item in accepted.items())
    assert len(accepted) >= 0.9 * (200 + 24)
    assert right / len(accepted) >= 0.97
    earned = {p.name: state.earned.get((p.identity, SHARES), 0) for p in net.people}
    honest = sum(earned[p.name] for p in good) / len(good)
    assert earned["careless"] < honest / 2
    assert earned["lazy"] == 0, "always the same answer is worth nothing"
    assert sum(state.earned.values()) == state.minted_micro == 950 * PPM, "trainers earned nothing"
    assert conserves(state)
    assert net.replay() == state


def _judge(rng: random.Random, accuracy: float) -> Callable[[int], int]:
    return lambda truth: truth if rng.random() < accuracy else rng.randrange(10)


def _off_by(shift: int) -> Callable[[int], int]:
    return lambda truth: (truth + shift) % 10


def test_an_epoch_without_work_mints_nothing(net: Network) -> None:
    net.close()
    assert net.state.minted_micro == 0
    assert net.state.epoch.number == 2


def test_undecided_items_are_drawn_again_by_others_and_carried_over(net: Network) -> None:
    contrary = Network(Person("ada"), *(Person(f"r{i}", _off_by(i)) for i in range(4)))
    contrary.submit(contrary.people[0], [contrary.item(1)])
    contrary.stand_by(*contrary.people[1:])
    contrary.phase(pb.PHASE_BEACON)
    contrary.run_rounds(*contrary.people[1:])
    item = next(iter(contrary.state.items.values()))
    assert item.status is ItemStatus.UNDECIDED
    assert len(set(item.answered_by)) == len(item.answered_by) == 4, "nobody is asked twice"
    assert item.proposed_label is None, "the label stays sealed while the item may be drawn again"
    contrary.close()
    assert contrary.state.pending == [next(iter(contrary.state.items))]


def test_revenue_follows_the_shares_held(net: Network) -> None:
    submitted(net)
    net.run_rounds(*net.people[1:])
    net.close()
    _deploy(net)
    net.add(net.operator, "revenue", _revenue(amount="1000003"))
    net.close()
    stable = b"\x05" * 20
    parts = {who: a for (who, asset), a in net.state.earned.items() if asset == stable}
    assert sum(parts.values()) == 1_000_003
    assert conserves(net.state)
    shares = {who: a for (who, asset), a in net.state.earned.items() if asset == SHARES}
    holders = 1_000_003 - 100_000
    for person in net.people:
        fair = holders * shares[person.identity] / sum(shares.values())
        assert abs(parts[person.identity] - fair) <= 1


# ---- joining and founding ----


def test_a_log_begins_with_one_genesis(net: Network) -> None:
    with refuses("one genesis"):
        net.add(net.operator, "genesis", pb.Genesis(network=NETWORK, name="again", policy=policy()))


def test_only_the_operator_signs_operator_records(net: Network) -> None:
    with refuses("only the network's operator"):
        net.add(net.people[0], "campaign", campaign(id="mine"))


def test_a_payout_address_must_have_signed(net: Network) -> None:
    stranger, thief = Person("stranger"), Person("thief")
    net.add(stranger, "register", net.registration(stranger))
    stolen = net.registration(stranger)
    with refuses("did not sign this binding"):
        net.add(thief, "register", stolen)


def test_records_are_bound_to_kind_network_and_author(net: Network) -> None:
    ada, ben = net.people[:2]
    body = pb.Standby(network=NETWORK, commitment=net.fresh())
    raw = ada.seal("standby", body)
    forged = parse_envelope(raw)
    with refuses("does not match its author"):
        net.add_raw(_envelope(forged.kind, ben.identity, forged.payload, forged.signature))
    with refuses("does not match its author"):
        net.add_raw(_envelope("attest", ada.identity, forged.payload, forged.signature))
    elsewhere = pb.Standby(network=bytes(32), commitment=net.fresh())
    with refuses("another network"):
        net.add(ada, "standby", elsewhere)
    net.add_raw(raw)


def _envelope(kind: str, author: bytes, payload: bytes, signature: bytes) -> bytes:
    return pb.Envelope(
        kind=kind, author=author, payload=payload, signature=signature
    ).SerializeToString()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff" * 6, "not a protobuf Envelope"),
        (b"", "names no kind"),
        (b"\x00" * 70_000, "a log entry holds"),
    ],
)
def test_junk_is_no_envelope(net: Network, raw: bytes, message: str) -> None:
    with refuses(message):
        net.add_raw(raw)


def test_junk_payloads_are_refused(net: Network) -> None:
    ada = net.people[0]
    junk = seal("standby", b"\xff\xff", ada.identity, lambda m: ada.key.sign(m).signature)
    with refuses("not a protobuf Standby"):
        net.add_raw(junk)
    unknown = seal("gift", b"", ada.identity, lambda m: ada.key.sign(m).signature)
    with refuses("no record kind 'gift'"):
        net.add_raw(unknown)


# ---- submissions ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": ""}, "carries no licence"),
        ({"licence": "WTFPL"}, "not among the campaign's"),
        ({"media_type": "text/html"}, "takes no text/html"),
        ({"size": 70_000}, "its size is not"),
        ({"origin": pb.ORIGIN_SYNTHETIC}, "names its generator"),
        ({"fingerprint": b"\x09"}, "malformed fingerprint"),
        ({"content_commitment": b"short"}, "content commitment is malformed"),
        ({"derived_from": [b"x"]}, "lineage is malformed"),
    ],
)
def test_an_item_must_fit_the_campaign(
    net: Network, change: dict[str, object], message: str
) -> None:
    good = net.item(1)
    bad = pb.Item.FromString(net.item(2))
    for name, value in change.items():
        if isinstance(value, list):
            getattr(bad, name).extend(value)
        else:
            setattr(bad, name, value)
    with refuses(f"item 2 of 2: .*{message}"):
        net.submit(net.people[0], [good, bad.SerializeToString()])
    net.submit(net.people[0], [good])


def test_consent_is_needed(net: Network) -> None:
    item = pb.Item.FromString(net.item(1))
    item.consent.train = False
    with refuses("does not consent to training"):
        net.submit(net.people[0], [item.SerializeToString()])


def test_only_members_submit(net: Network) -> None:
    with refuses("has not registered"):
        net.submit(Person("stranger"), [net.item(1)])


def test_an_item_record_cannot_be_submitted_again_by_anybody(net: Network) -> None:
    leaf = net.item(1)
    net.submit(net.people[0], [leaf])
    with refuses("submitted already"):
        net.submit(net.people[1], [leaf])
    twice = net.item(2)
    with refuses("submitted already"):
        net.submit(net.people[0], [twice, twice])


def test_leaves_must_be_those_signed(net: Network) -> None:
    ada, leaves = net.people[0], [net.item(1), net.item(2)]
    body = pb.Submission(network=NETWORK, campaign_id="digits", items=batch(leaves))
    with refuses("root does not match"):
        net.add(ada, "submission", body, leaves[::-1])
    with refuses("count is not the number"):
        net.add(ada, "submission", body, leaves[:1])
    net.add(ada, "submission", body, leaves)


def test_the_coordinator_takes_no_label_that_it_could_not_open(net: Network) -> None:
    leaf = net.item(4)
    envelope = parse_envelope(
        net.people[0].seal(
            "submission",
            pb.Submission(network=NETWORK, campaign_id="digits", items=batch([leaf])),
        )
    )
    record = transition.open_record(envelope, [leaf], net.state.size)
    salt, _ = net.openings[hash_leaf(leaf)]
    intake.validate_openings(net.state, record, {hash_leaf(leaf): (salt, 4)})
    for openings, message in (
        ({}, "needs the opening"),
        ({hash_leaf(leaf): (salt, 5)}, "does not match the label commitment"),
        ({hash_leaf(leaf): (salt, 10)}, "outside the campaign's 10 labels"),
    ):
        with pytest.raises(Exception, match=message):
            intake.validate_openings(net.state, record, openings)


def test_the_first_submitter_keeps_the_credit(net: Network) -> None:
    ada, ben = net.people[:2]
    net.submit(ada, [net.item(1, content=b"the same picture")])
    net.submit(ben, [net.item(1, content=b"the same picture"), net.item(2)])
    net.stand_by(*net.people)
    net.phase(pb.PHASE_BEACON)
    first, copy, fresh = net.state.items
    assert net.state.items[copy].status is ItemStatus.DUPLICATE
    assert net.state.items[copy].duplicate_of == first
    assert net.state.epoch.round.items == (first, fresh)


# ---- the beacon and the draw ----


def test_a_beacon_value_must_be_the_committed_one_and_counts_once(net: Network) -> None:
    submitted(net)
    ben = net.people[1]
    honest = ben.beacons[-1]
    ben.beacons[-1] = net.fresh()
    with refuses("does not match the reviewer's commitment"):
        net.open_beacons(ben)
    ben.beacons.append(honest)
    net.open_beacons(ben)
    again = pb.Beacon(network=NETWORK, epoch=1, round=1, value=honest)
    with refuses("has opened a value"):
        net.add(ben, "beacon", again)


def test_nobody_stands_by_once_the_items_are_fixed(net: Network) -> None:
    submitted(net)
    with refuses("while submissions are open"):
        net.stand_by(net.people[0])


def test_the_draw_is_recomputed(net: Network) -> None:
    submitted(net)
    net.open_beacons(*net.people[1:])
    seed, assignments = review.compute_draw(net.state)
    favoured = dict(assignments)
    item_id = next(iter(favoured))
    favoured[item_id] = favoured[item_id][::-1]
    where: dict[str, Any] = {"network": NETWORK, "epoch": 1, "round": 1}
    leaves = review.encode_draw(net.state, favoured)
    with refuses("does not follow from its seed"):
        net.add(
            net.operator, "draw", pb.Draw(**where, seed=seed, assignments=batch(leaves)), leaves
        )
    leaves = review.encode_draw(net.state, assignments)
    with refuses("seed does not follow"):
        body = pb.Draw(**where, seed=bytes(32), assignments=batch(leaves))
        net.add(net.operator, "draw", body, leaves)
    net.draw()
    assert all(
        net.people[0].identity not in who for who in net.state.epoch.round.assignments.values()
    ), "nobody reviews their own"


# ---- commit and reveal ----


def test_a_reveal_must_match_its_commit_and_wait_for_the_window(net: Network) -> None:
    drawn(net)
    reviewers = [p for p in net.people if p.identity in net.state.epoch.round.tasks]
    answers = {p.name: net.answers(p) for p in reviewers}
    early = reviewers[0]
    net.commit(early, answers[early.name])
    with refuses("after the commits have ended"):
        net.reveal(early, answers[early.name])
    with refuses("committed already"):
        net.commit(early, net.answers(early))
    net.phase(pb.PHASE_REVEALING)
    with refuses("commits of this round have ended"):
        net.commit(reviewers[1], answers[reviewers[1].name])
    with refuses("made no commitment"):
        net.reveal(reviewers[1], answers[reviewers[1].name])
    with refuses("does not match the reviewer's commitment"):
        net.reveal(early, net.answers(early))
    net.reveal(early, answers[early.name])
    with refuses("in the log already"):
        net.reveal(early, answers[early.name])


def test_a_copied_commitment_cannot_be_opened(net: Network) -> None:
    drawn(net)
    tasks = net.state.epoch.round.tasks
    by_tasks = [p for p in net.people if p.identity in tasks]
    victim, copycat = by_tasks[0], by_tasks[1]
    leaves = net.answers(victim)
    copied = pb.Commit(network=NETWORK, epoch=1, round=1, answers=batch(leaves))
    copied.answers.count = len(tasks[copycat.identity])
    net.commit(victim, leaves)
    net.add(copycat, "commit", copied)
    net.phase(pb.PHASE_REVEALING)
    net.reveal(victim, leaves)
    body = pb.Reveal(network=NETWORK, epoch=1, round=1, answers=batch(leaves))
    with refuses("not those of the tasks|names another reviewer|does not match"):
        net.add(copycat, "reveal", body, leaves)


def test_who_was_not_drawn_cannot_commit(net: Network) -> None:
    drawn(net)
    author = net.people[0]
    with refuses("was not drawn"):
        net.add(
            author, "commit", pb.Commit(network=NETWORK, epoch=1, round=1, answers=batch([b""]))
        )


def test_who_stays_silent_is_wrong_on_each_task(net: Network) -> None:
    drawn(net)
    silent = next(p for p in net.people if p.identity in net.state.epoch.round.tasks)
    count = len(net.state.epoch.round.tasks[silent.identity])
    net.review(*(p for p in net.people if p is not silent))
    net.verdict()
    belief = net.state.reputation[silent.identity, pb.ROLE_REVIEWER, "digits"]
    assert belief.wrong_micro == count * PPM


# ---- verdicts, gold, close ----


def _published(net: Network) -> list[pb.ItemVerdict]:
    drawn(net)
    net.review(*net.people)
    return verdicts.compute_verdicts(net.state, net.openings, {})


def _add_verdict(net: Network, published: list[pb.ItemVerdict]) -> None:
    leaves = [verdict.SerializeToString() for verdict in published]
    body = pb.Verdict(network=NETWORK, epoch=1, round=1, verdicts=batch(leaves))
    net.add(net.operator, "verdict", body, leaves)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"posterior_ppm": 1}, "recomputed"),
        ({"outcome": pb.OUTCOME_REJECTED}, "does not follow from its posterior"),
        ({"proposed_label": 7}, "not the one its author sealed"),
        ({"label": 7}, "recomputed"),
    ],
)
def test_a_verdict_is_recomputed(net: Network, change: dict[str, int], message: str) -> None:
    published = _published(net)
    for name, value in change.items():
        setattr(published[0], name, value)
    with refuses(message):
        _add_verdict(net, published)
    _add_verdict(net, verdicts.compute_verdicts(net.state, net.openings, {}))


def test_no_item_is_left_out_of_a_verdict(net: Network) -> None:
    published = _published(net)
    with refuses("not those of the round's items"):
        _add_verdict(net, published[1:])


def test_gold_cannot_be_invented_nor_hidden_after_the_answers(net: Network) -> None:
    net.submit(net.people[0], [net.item(i) for i in range(6)])
    net.commit_gold(list(net.truth)[:2])
    net.stand_by(*net.people[1:])
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*net.people[1:])
    net.draw()
    with refuses("before the first draw"):
        net.commit_gold(list(net.truth)[2:3])
    net.gold = {i: net.gold.get(i, (net.fresh(), 0)) for i in list(net.truth)[:2]}
    net.review(*net.people)
    honest = dict(net.gold)
    for gold in ({}, honest | {list(net.truth)[3]: (net.fresh(), 0)}):
        net.gold = gold
        with refuses("not the gold committed"):
            net.verdict()


def test_the_close_is_recomputed(net: Network) -> None:
    submitted(net)
    net.run_rounds(*net.people[1:])
    lines = compute_lines(net.state)

    def close(changed: list[pb.RewardLine]) -> None:
        leaves = [line.SerializeToString() for line in changed]
        body = pb.Close(network=NETWORK, epoch=1, lines=batch(leaves))
        net.add(net.operator, "close", body, leaves)

    with refuses("leaves somebody out"):
        close(lines[1:])
    greedy = [pb.RewardLine.FromString(line.SerializeToString()) for line in lines]
    greedy[-1].amount = str(int(greedy[-1].amount) + 1)
    with refuses("amounts do not follow"):
        close(greedy)
    greedy = [pb.RewardLine.FromString(line.SerializeToString()) for line in lines]
    greedy[0].weight_micro *= 2
    with refuses("weight does not recompute"):
        close(greedy)
    close(lines)
    assert net.state.epoch.phase is EpochPhase.SUBMITTING


def test_an_epoch_cannot_close_over_pending_items(net: Network) -> None:
    net.submit(net.people[0], [net.item(1)])
    with refuses("items wait for review"):
        net.close()


# ---- settlement ----


def _deploy(net: Network) -> None:
    body = pb.Deployment(
        network=NETWORK, chain_id=1, settlement=b"\x01" * 20, share_token=b"\x02" * 20
    )
    net.add(net.operator, "deployment", body)


def _revenue(**changes: object) -> pb.Revenue:
    values: dict[str, object] = {"asset": b"\x05" * 20, "amount": "5", "tx_hash": bytes(32)}
    return pb.Revenue(network=NETWORK, **(values | changes))  # type: ignore[arg-type]


def _settlement(net: Network, epoch: int = 1) -> pb.Settlement:
    leaves = cumulative_leaves(net.state)
    totals = [pb.AssetTotal(asset=a, amount=str(n)) for a, n in sum_totals(leaves).items()]
    return pb.Settlement(
        network=NETWORK,
        epoch=epoch,
        root=build_tree(leaves).root,
        totals=totals,
        leaves=len(leaves),
    )


def test_a_settlement_is_recomputed_and_needs_its_witnesses(net: Network) -> None:
    submitted(net)
    net.run_rounds(*net.people[1:])
    net.close()
    _deploy(net)
    wrong = _settlement(net)
    wrong.totals[0].amount = "1"
    with refuses("totals do not recompute"):
        net.add(net.operator, "settlement", wrong)
    wrong = _settlement(net)
    wrong.root = bytes(32)
    with refuses("root does not recompute"):
        net.add(net.operator, "settlement", wrong)
    net.add(net.operator, "settlement", _settlement(net))
    proposal = net.state.proposal
    assert proposal is not None
    published = pb.Published(network=NETWORK, epoch=1, root=proposal.root, tx_hash=bytes(32))
    digest = publication_digest(
        1, Address(b"\x01" * 20), proposal.epoch, proposal.root, proposal.totals
    )
    ada, ben, cyn = net.people[:3]

    def attest(who: Person, signer: Person, note: bytes = b"") -> None:
        signature = signer.sign_digest(digest) + note
        body = pb.Attest(network=NETWORK, epoch=1, root=proposal.root, signature=signature)
        net.add(who, "attest", body)

    attest(ada, ada)
    with refuses("attested already"):
        attest(ada, ada, note=b"again")
    with refuses("did not sign this publication"):
        attest(ben, cyn)
    with refuses("1 of 2 witnesses"):
        net.add(net.operator, "published", published)
    attest(ben, ben)
    net.add(net.operator, "published", published)
    assert net.state.published_epoch == 1
    again = _settlement(net)
    again.totals.reverse()
    again.totals.append(pb.AssetTotal(asset=again.totals[0].asset, amount=again.totals[0].amount))
    with refuses("settled already"):
        net.add(net.operator, "settlement", again)


def test_a_deposit_is_shared_once(net: Network) -> None:
    with refuses("deploy it first"):
        net.add(net.operator, "revenue", _revenue())
    _deploy(net)
    net.add(net.operator, "revenue", _revenue())
    with refuses("in the log already"):
        net.add(net.operator, "revenue", _revenue())
    for amount in ("", "-1", "01", "1.5", "0", "9" * 60):
        with refuses("not an amount|more than nothing"):
            net.add(net.operator, "revenue", _revenue(amount=amount, tx_hash=net.fresh()))


def test_a_new_payout_address_keeps_what_was_earned(net: Network) -> None:
    submitted(net)
    net.run_rounds(*net.people[1:])
    net.close()
    _deploy(net)
    ada = net.people[0]
    before = {leaf.account: leaf.cumulative for leaf in cumulative_leaves(net.state)}
    old, ada.wallet = ada.address, Person("ada's new laptop").wallet
    net.add(ada, "register", net.registration(ada))
    after = {leaf.account: leaf.cumulative for leaf in cumulative_leaves(net.state)}
    assert after[Address(ada.address)] == before[Address(old)]
    assert Address(old) not in after


def test_commitments_need_whole_salts() -> None:
    assert len(commitments.label_commitment(bytes(32), 1)) == 32
    with pytest.raises(Exception, match="salt has 32 bytes"):
        commitments.label_commitment(b"short", 1)


def test_a_draw_writes_down_the_duplicates_found(net: Network) -> None:
    ada, ben = net.people[:2]
    net.submit(ada, [net.item(1, content=b"the same picture")])
    net.submit(ben, [net.item(1, content=b"the same picture")])
    first, copy = net.state.items
    net.stand_by(*net.people[1:])
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*net.people[1:])
    net.draw()
    leaves = [pb.Assignment.FromString(leaf) for leaf in net.log[-1].leaves]
    assert [(leaf.item_id, leaf.duplicate_of) for leaf in leaves] == [(first, b""), (copy, first)]


def test_only_open_campaigns_take_fingerprints(net: Network) -> None:
    net.add(net.operator, "campaign", campaign(id="private-letters", privacy=pb.PRIVACY_REVIEWERS))
    item = pb.Item.FromString(net.item(1))
    item.consent.redistribute = False

    def submit() -> None:
        leaves = [item.SerializeToString()]
        body = pb.Submission(network=NETWORK, campaign_id="private-letters", items=batch(leaves))
        net.add(net.people[0], "submission", body, leaves)

    with refuses("a fingerprint shows content"):
        submit()
    item.fingerprint = b""
    submit()


def test_a_record_is_logged_once_even_by_the_operator(net: Network) -> None:
    ada = net.people[0]
    first = next(e.raw for e in net.log if parse_envelope(e.raw).author == ada.identity)
    ada.wallet = Person("ada's new laptop").wallet
    net.add(ada, "register", net.registration(ada))
    with refuses("in the log already"):
        net.add_raw(first)
    assert net.state.members[ada.identity].payout == ada.address


# ---- attacks: what a contributor, a ring, an operator or bad luck could do ----


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
    _deploy(net)
    ada = net.people[0]
    before = {leaf.account: leaf.cumulative for leaf in cumulative_leaves(net.state)}
    net.add(net.operator, "settlement", _settlement(net))
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
    _deploy(net)
    with refuses("own shares are no revenue"):
        net.add(net.operator, "revenue", _revenue(asset=b"\x02" * 20))


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
    monkeypatch.setattr(review, "SEALED_ITEMS_MAX", 4)
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
    assert review.SEALED_ITEMS_MAX + review.REVIEWER_LINES_MAX < OPERATOR_LEAVES_MAX
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
    _deploy(net)
    for _ in range(5):
        net.submit(net.people[0], [net.item(i) for i in range(6)])
        net.add(net.operator, "revenue", _revenue(tx_hash=net.fresh()))
        net.run_epoch(*net.people[1:])
    assert 0.999 * AMOUNT_MICRO_MAX < net.state.minted_micro <= AMOUNT_MICRO_MAX
    assert conserves(net.state)


def test_revenue_that_does_not_fit_into_a_close_waits_its_turn(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(net)
    net.run_rounds(*net.people[1:])
    net.close()
    _deploy(net)
    junk, money = b"\xff" * 20, b"\x05" * 20
    for place, asset in enumerate((junk, money, junk)):
        net.add(net.operator, "revenue", _revenue(asset=asset, amount="900", log_index=place))
    holders = sum(amount > 0 for (_, asset), amount in net.state.earned.items() if asset == SHARES)
    monkeypatch.setattr("protocol.epoch.OPERATOR_LEAVES_MAX", holders + 1)
    net.close()
    assert net.state.epoch.deposits == [(money, 900)], "the first come are shared first"
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
    _deploy(net)
    net.add(net.operator, "revenue", _revenue())
    with refuses("at most 1 assets"):
        net.add(net.operator, "revenue", _revenue(asset=b"\x06" * 20, tx_hash=net.fresh()))
    net.add(net.operator, "revenue", _revenue(tx_hash=net.fresh()))


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
    _deploy(net)
    net.add(net.operator, "settlement", _settlement(net))
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
    crowd = [Person(f"r{i}", _off_by(i)) for i in range(3)]
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
    published = _published(net)
    idle = pb.ItemVerdict(item_id=published[0].item_id)
    with refuses("neither decides an item nor opens gold"):
        _add_verdict(net, [*published, idle])
    _add_verdict(net, published)


def test_an_undecided_label_stays_sealed() -> None:
    contrary = Network(Person("ada"), *(Person(f"r{i}", _off_by(i)) for i in range(4)))
    published = _published(contrary)
    undecided = next(v for v in published if v.outcome == pb.OUTCOME_UNDECIDED)
    undecided.label_salt, undecided.proposed_label = contrary.openings[undecided.item_id]
    with refuses("its label stays sealed"):
        _add_verdict(contrary, published)


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
