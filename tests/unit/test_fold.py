"""The fold: a whole epoch, and every way of getting a record past it that must fail."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from protocol import commitments, transition, verdicts
from protocol.accounts import conserves, cumulative_leaves
from protocol.envelope import parse_envelope, seal
from protocol.epoch import compute_lines
from protocol.errors import Misbehaviour
from protocol.lifecycle import EpochPhase, ItemStatus
from protocol.limits import PPM
from protocol.merkle import hash_leaf
from protocol.rules import intake, review
from protocol.settlement import Address, build_tree, publication_digest, sum_totals
from protocol.state import SHARES
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
