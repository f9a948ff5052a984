"""What costs a bond: only what the log proves. Each refusal stands beside what is accepted."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.coin.witnesses import Diligence
from protocol.money import events
from protocol.money.payload import bond_id
from protocol.money.settlement import Address
from protocol.rules.faults import silence_of
from protos.gen import records_pb2 as pb
from tests.chain_says import attest, deploy, says
from tests.fold import changed, people, refuses, same
from tests.simulated import NETWORK, Network, Person, policy

ANN = Address(b"\x21" * 20)
BOND = 1_000
MOST = 10


@pytest.fixture
def net() -> Network:
    made = Network(*people("ada", "ben"), policy=policy(silence_tosses=MOST, silence_ppm=50_000))
    deploy(made)
    return made


def silent(net: Network, person: Person, rounds: int, given: int = 3) -> None:
    """As if these rounds had ended without a toss."""
    net.state.diligence.put(person.id, Diligence(given, rounds, rounds))


def bonded(net: Network, person: Person, by: Address = ANN) -> bytes:
    says(net, events.Bonded(person.id, by, by, BOND))
    return bond_id(person.id, by)


def slash(net: Network, bond: bytes, person: Person, **changes: Any) -> pb.Slash:
    view = net.state.onchain
    values: dict[str, Any] = {
        "network": NETWORK,
        "bond": bond,
        "fault": pb.FAULT_SILENCE,
        "evidence": silence_of(net.state, person.id) or bytes(32),
        "amount": "50",
        "witness_nonce": view.nonce,
        "deadline": view.time_s + 1_800,
    }
    return pb.Slash(**(values | changes))


def test_who_was_silent_for_long_pays_a_part(net: Network) -> None:
    ada, _ = net.people
    bond = bonded(net, ada)
    silent(net, ada, MOST - 1)
    with refuses("has not missed 10 tosses in a row"):
        net.add(net.operator, "slash", slash(net, bond, ada))
    silent(net, ada, MOST)
    good = slash(net, bond, ada)
    for wrong, message in (
        (changed(good, bond=bytes(32)), "nobody has made this bond"),
        (changed(good, fault=pb.FAULT_UNSPECIFIED), "no fault of this kind"),
        (changed(good, evidence=b"\3" * 32), "does not recompute"),
        (changed(good, amount="51"), "not the policy's"),
        (changed(good, amount="0"), "not the policy's"),
        (changed(good, amount=""), "is not an amount"),
        (changed(good, witness_nonce=9), "the witnesses in force"),
        (changed(good, deadline=1), "deadline has passed"),
    ):
        with refuses(message):
            net.add(net.operator, "slash", wrong)
    net.add(net.operator, "slash", good)
    attest(net, "slash", net.operator)
    assert net.state.attestations.count(net.state.asks["slash"].digest) == 1


def test_nobody_accuses_but_the_operator_by_the_log(net: Network) -> None:
    ada, ben = net.people
    bond = bonded(net, ada)
    silent(net, ada, MOST)
    with refuses("only the network's operator"):
        net.add(ben, "slash", slash(net, bond, ada))
    others = bonded(net, ben, Address(b"\x22" * 20))
    with refuses("has not missed"):
        net.add(net.operator, "slash", slash(net, others, ada))
    net.add(net.operator, "slash", slash(net, bond, ada))


def test_one_silence_costs_once(net: Network) -> None:
    ada, _ = net.people
    bond = bonded(net, ada)
    silent(net, ada, MOST)
    good = slash(net, bond, ada)
    net.add(net.operator, "slash", good)
    says(net, events.SlashProposed(0, bond, 50, good.evidence, 9))
    assert "slash" not in net.state.asks, "the chain has answered"
    silent(net, ada, 5 * MOST)
    with refuses("proposed before"):
        net.add(net.operator, "slash", slash(net, bond, ada))
    says(net, events.SlashExecuted(0, 50))
    with refuses("proposed before"):
        net.add(net.operator, "slash", slash(net, bond, ada))
    silent(net, ada, MOST, given=4)  # tossed in between
    net.add(net.operator, "slash", slash(net, bond, ada, amount="47"))


def test_what_is_leaving_answers_for_it_too(net: Network) -> None:
    ada, _ = net.people
    bond = bonded(net, ada)
    says(net, events.UnbondRequested(bond, BOND, 9_000))
    silent(net, ada, MOST)
    net.add(net.operator, "slash", slash(net, bond, ada))


def test_a_policy_may_ask_nothing_for_silence() -> None:
    net = Network(*people("ada"))
    deploy(net)
    ada = net.people[0]
    bond = bonded(net, ada)
    silent(net, ada, 1_000)
    with refuses("has not missed"):
        net.add(net.operator, "slash", slash(net, bond, ada))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"silence_tosses": MOST - 1}, "10 in a row at least|9 missed tosses"),
        ({"silence_ppm": 100_001}, "costs 10.0001 % of a bond"),
    ],
)
def test_silence_costs_within_limits(changes: dict[str, int], problem: str) -> None:
    Network(policy=policy(silence_tosses=MOST, silence_ppm=100_000))
    with refuses(problem):
        Network(policy=policy(**({"silence_tosses": MOST, "silence_ppm": 1} | changes)))


def test_tosses_in_a_row_are_counted_as_rounds_end(net: Network) -> None:
    """A toss ends the row; a round that drew nobody at all counts neither way."""
    ada, ben = net.people
    net.change_witnesses(net.operator, ada, ben)
    net.stand_by(ada, ben)
    for row in (1, 2):
        net.submit(net.operator, [net.item(0)])
        net.seal()
        net.toss(net.operator, ben)
        net.draw()
        net.review(ada, ben)
        net.verdict()
        assert net.state.diligence[ada.id].in_a_row == row
        assert net.state.diligence[ben.id].in_a_row == 0
    net.submit(net.operator, [net.item(0)])
    net.seal()
    net.toss(net.operator, ada)
    net.draw()
    net.review(ada, ben)
    net.verdict()
    known = net.state.diligence[ada.id]
    assert (known.given, known.missed, known.in_a_row) == (1, 2, 0)
    assert same(net.replay(), net.state)
