"""The fold: whole epochs, and who may found and join a network."""

from __future__ import annotations

import random

import pytest

from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.log.envelope import parse_envelope, seal
from protocol.money.accounts import conserves
from protocol.state import SHARES
from protos.gen import records_pb2 as pb
from tests.fold import (
    accurate,
    deploy,
    off_by,
    refuses,
    revenue,
    submitted,
)
from tests.simulated import NETWORK, Network, Person, campaign, policy


def test_an_epoch_accepts_good_items_pays_everybody_and_replays_to_the_same_state() -> None:
    rng = random.Random(5)
    good = [Person(f"good{i}", accurate(rng, 0.9)) for i in range(5)]
    careless, lazy = Person("careless", accurate(rng, 0.9)), Person("lazy", lambda _: 3)
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


def test_an_epoch_without_work_mints_nothing(net: Network) -> None:
    net.close()
    assert net.state.minted_micro == 0
    assert net.state.epoch.number == 2


def test_undecided_items_are_drawn_again_by_others_and_carried_over(net: Network) -> None:
    contrary = Network(Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(4)))
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
    deploy(net)
    net.add(net.operator, "revenue", revenue(amount="1000003"))
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


def test_a_record_is_logged_once_even_by_the_operator(net: Network) -> None:
    ada = net.people[0]
    first = next(e.raw for e in net.log if parse_envelope(e.raw).author == ada.identity)
    ada.wallet = Person("ada's new laptop").wallet
    net.add(ada, "register", net.registration(ada))
    with refuses("in the log already"):
        net.add_raw(first)
    assert net.state.members[ada.identity].payout == ada.address
