"""The fold: whole epochs, and who may found and join a network."""

from __future__ import annotations

import random

import pytest

from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.log.envelope import parse_envelope, seal
from protocol.log.strict import canonical
from protocol.money.accounts import conserves
from protocol.state import SHARES
from protos.gen import records_pb2 as pb
from tests.chain_says import TOKEN, deploy, pay
from tests.fold import (
    accurate,
    changed,
    closed,
    ids,
    items,
    off_by,
    refuses,
    same,
    shares_of,
    waiting,
)
from tests.simulated import Network, Person, campaign, policy


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
    accepted = {i: s for i, s in state.items.scan() if s.status is ItemStatus.ACCEPTED}
    right = sum(item.answer == net.answer(net.truth[i]) for i, item in accepted.items())
    assert len(accepted) >= 0.9 * (200 + 24)
    assert right / len(accepted) >= 0.97
    earned = {person.name: shares_of(net, person) for person in net.people}
    honest = sum(earned[p.name] for p in good) / len(good)
    assert earned["careless"] < honest / 2
    assert earned["lazy"] == 0, "always the same answer is worth nothing"
    total = sum(amount for _, amount in state.earned.scan())
    assert total == state.minted_micro == 950 * PPM, "trainers earned nothing"
    assert conserves(state)
    assert same(net.replay(), state)


def test_an_epoch_without_work_mints_nothing(net: Network) -> None:
    net.close()
    assert net.state.minted_micro == 0
    assert net.state.epoch == 2


def test_undecided_items_are_drawn_again_by_others_and_wait_beyond_the_epoch() -> None:
    contrary = Network(Person("ada"), *(Person(f"r{i}", off_by(i)) for i in range(4)))
    contrary.submit(contrary.people[0], [contrary.item(1)])
    reviewers = contrary.people[1:]
    contrary.stand_by(*reviewers)
    for _ in range(2):
        contrary.seal()
        contrary.run_round(*reviewers)
    (item,) = items(contrary)
    assert item.status is ItemStatus.UNDECIDED
    assert len(set(item.answered_by)) == len(item.answered_by) == 4, "nobody is asked twice"
    assert item.proposal is None, "it stays sealed while the item may be drawn again"
    contrary.close()
    assert waiting(contrary) == ids(contrary)


def test_revenue_follows_the_shares_held(net: Network) -> None:
    closed(net)
    deploy(net)
    pay(net, 1_000_003, asset=TOKEN)
    net.close()
    parts = {who: amount for (who, asset), amount in net.state.earned.scan() if asset == TOKEN}
    assert sum(parts.values()) == 1_000_003
    assert conserves(net.state)
    shares = {who: amount for (who, asset), amount in net.state.earned.scan() if asset == SHARES}
    holders = 1_000_003 - 100_000
    for person in net.people:
        fair = holders * shares[person.id] / sum(shares.values())
        assert abs(parts[person.id] - fair) <= 1


def test_a_log_begins_with_one_genesis(net: Network) -> None:
    with refuses("one genesis"):
        net.add(net.operator, "genesis", net.genesis(policy(), name="again"))


def test_only_the_operator_signs_operator_records(net: Network) -> None:
    with refuses("only the network's operator"):
        net.add(net.people[0], "campaign", campaign(id="mine"))


def test_a_payout_address_must_have_signed(net: Network) -> None:
    stranger, thief = Person("stranger"), Person("thief")
    net.add(stranger, "register", net.registration(stranger))
    with refuses("did not delegate the key"):
        net.add(thief, "register", net.registration(stranger))
    stolen = changed(net.registration(stranger), delegation=thief.delegation())
    with refuses("did not sign this binding"):
        net.add(thief, "register", stolen)
    net.add(thief, "register", net.registration(thief))


def test_records_are_bound_to_kind_network_and_key(net: Network) -> None:
    ada, ben = net.people[:2]
    body = net.standby(ada)
    raw = ada.seal("standby", body)
    forged = parse_envelope(raw)
    with refuses("does not match its key"):
        net.add_raw(_envelope(forged.kind, ben.key, forged.payload, forged.signature))
    with refuses("does not match its key"):
        net.add_raw(_envelope("toss", ada.key, forged.payload, forged.signature))
    with refuses("another network"):
        net.add(ada, "standby", changed(body, network=bytes(32)))
    net.add_raw(raw)


def _envelope(kind: str, key: bytes, payload: bytes, signature: bytes) -> bytes:
    return canonical(pb.Envelope(kind=kind, key=key, payload=payload, signature=signature))


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
    with refuses("not a protobuf Standby"):
        net.add_raw(_sealed(ada, "standby", b"\xff\xff"))
    with refuses("no record kind 'gift'"):
        net.add_raw(_sealed(ada, "gift", b""))


def _sealed(person: Person, kind: str, payload: bytes) -> bytes:
    return seal(kind, payload, person.key, lambda m: person.signing_key.sign(m).signature)


def test_a_registration_is_not_played_again_even_by_the_operator(net: Network) -> None:
    ada = net.people[0]
    first = next(e.raw for e in net.log if parse_envelope(e.raw).key == ada.key)
    ada.wallet = Person("ada's new laptop").wallet
    net.add(ada, "register", net.registration(ada, serial=2))
    with refuses("serial 2 is in the log already"):
        net.add_raw(first)
    assert net.state.members[ada.id].payout == ada.address
    ada.wallet = Person("ada").wallet
    with refuses("serial 2 is in the log already"):
        net.add(ada, "register", net.registration(ada, serial=2))
    net.add(ada, "register", net.registration(ada, serial=3))
    with refuses("registered this address already"):
        net.add(ada, "register", net.registration(ada, serial=4))
    assert net.state.members[ada.id].serial == 3
