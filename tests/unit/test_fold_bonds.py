"""Joining by a bond, and staying by it. Each refusal stands beside what is accepted."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.errors import NotYet
from protocol.identity import NOBODY
from protocol.limits import PPM
from protocol.money import events
from protocol.money.payload import bond_id
from protocol.money.settlement import Address
from protocol.review.reputation import observe
from protocol.rules.admission import (
    bond_of,
    check_admission,
    invitation_budget,
    items_left,
    lacks_bond,
)
from protos.gen import records_pb2 as pb
from tests.chain_says import deploy, says
from tests.fold import refuses, same
from tests.simulated import NETWORK, Network, Person, policy
from tests.unit.test_fold_admission import INVITED, join, ticket

LEAST = 1_000
ANN = Address(b"\x21" * 20)
BEN = Address(b"\x22" * 20)


def network(admission: int, bond: str = str(LEAST), **changes: int) -> Network:
    terms: dict[str, Any] = INVITED | {"operator_invitations": 9} | changes
    terms |= {"admission": admission, "bond": bond}
    return Network(policy=policy(**terms))


def bonded(net: Network, person: Person, amount: int = LEAST, by: Address = ANN) -> bytes:
    """The log reads of a bond; gives its id."""
    says(net, events.Bonded(person.id, by, by, amount))
    return bond_id(person.id, by)


@pytest.fixture
def net() -> Network:
    made = network(pb.ADMISSION_BOND)
    deploy(made)
    return made


# ---- joining ----


def test_one_joins_by_a_bond_of_ones_own(net: Network) -> None:
    ada, ben = Person("ada"), Person("ben")
    with refuses(
        f"by a bond in its stake contract.*it takes {LEAST} wei, and the log has read of 0"
    ):
        join(net, ada, None)
    bonded(net, ada)
    with refuses("has read of 0"):
        join(net, ben, None)  # somebody else's
    join(net, ada, None)
    member = net.state.members[ada.id]
    assert (member.invited_by, member.is_bonded) == (NOBODY, True)
    assert items_left(net.state, ada.id) == INVITED["newcomer_items"]


def test_a_bond_that_is_missing_may_come_yet(net: Network) -> None:
    ada = Person("ada")
    body = net.registration(ada)
    with pytest.raises(NotYet) as caught:
        check_admission(net.state, body, ada.id)
    assert f"node bond {LEAST}" in caught.value.advice
    assert "node register" in caught.value.advice
    bonded(net, ada, LEAST - 1)
    with pytest.raises(NotYet, match=f"has read of {LEAST - 1}$"):
        check_admission(net.state, body, ada.id)
    bonded(net, ada, 1, by=BEN)  # who vouches together does
    net.add(ada, "register", body)


def test_what_leaves_or_was_slashed_vouches_no_more(net: Network) -> None:
    ada, ben = Person("ada"), Person("ben")
    says(net, events.UnbondRequested(bonded(net, ada), 1, 9_000))
    with refuses("has read of 999 \\(1 are leaving, and count no more\\)"):
        join(net, ada, None)
    name = bonded(net, ben)
    says(net, events.SlashProposed(0, name, 400, b"\3" * 32, 9))
    accused = net.registration(ben)
    says(net, events.SlashExecuted(0, 400))
    with refuses("has read of 600 \\(400 were slashed, and count no more\\)"):
        net.add(ben, "register", accused)
    bonded(net, ben, 400)
    join(net, ben, None)


def test_who_is_accused_is_not_punished_yet(net: Network) -> None:
    ada = Person("ada")
    says(net, events.SlashProposed(0, bonded(net, ada), 400, b"\3" * 32, 9))
    join(net, ada, None)


def test_without_contracts_nobody_joins_by_a_bond() -> None:
    net, ada = network(pb.ADMISSION_BOND), Person("ada")
    with refuses("no contracts yet that take bonds"):
        join(net, ada, None)
    deploy(net)
    bonded(net, ada)
    join(net, ada, None)


def test_a_network_of_bonds_takes_no_invitations(net: Network) -> None:
    ada = Person("ada")
    bonded(net, ada)
    with refuses("nobody needs an invitation"):
        join(net, ada, ticket(net.operator))
    join(net, ada, None)


def test_either_will_do_where_either_is_taken() -> None:
    net = network(pb.ADMISSION_EITHER)
    deploy(net)
    ada, ben, cy = Person("ada"), Person("ben"), Person("cy")
    with refuses("by an invitation or a bond"):
        join(net, ada, None)
    join(net, ada, ticket(net.operator))
    bonded(net, ben)
    join(net, ben, None)
    bonded(net, cy)
    join(net, cy, ticket(net.operator, "another"))
    members = net.state.members
    assert [members[each.id].is_bonded for each in (ada, ben, cy)] == [False, True, False]
    assert members[cy.id].invited_by == net.state.operator


def test_both_are_needed_where_both_are_asked_for() -> None:
    net = network(pb.ADMISSION_BOTH)
    deploy(net)
    ada = Person("ada")
    with refuses("by a bond"):
        join(net, ada, ticket(net.operator))
    bonded(net, ada)
    with refuses("by invitation"):
        join(net, ada, None)
    join(net, ada, ticket(net.operator))
    member = net.state.members[ada.id]
    assert (member.invited_by, member.is_bonded) == (net.state.operator, True)


@pytest.mark.parametrize(
    ("admission", "bond", "problem"),
    [
        (pb.ADMISSION_BOND, "", "a bond of nothing"),
        (pb.ADMISSION_EITHER, "", "a bond of nothing"),
        (pb.ADMISSION_BOTH, "", "a bond of nothing"),
        (pb.ADMISSION_BOND, "0", "more than nothing"),
        (pb.ADMISSION_INVITATION, "0", "more than nothing"),
        (pb.ADMISSION_BOND, "01", "is not an amount"),
        (pb.ADMISSION_BOND, "0.1", "is not an amount"),
        (pb.ADMISSION_BOND, str(2**128), "is above"),
    ],
)
def test_a_policy_says_how_much_a_bond_is(admission: int, bond: str, problem: str) -> None:
    network(admission, bond="1")
    with refuses(problem):
        network(admission, bond=bond)


# ---- staying ----


def member(net: Network, name: str, by: Address = ANN) -> tuple[Person, bytes]:
    person = Person(name)
    bond = bonded(net, person, by=by)
    join(net, person, None)
    return person, bond


def test_who_takes_a_bond_back_submits_nothing_until_it_is_filled_up(net: Network) -> None:
    ada, bond = member(net, "ada")
    net.submit(ada, [net.item(0)])
    says(net, events.UnbondRequested(bond, 1, 9_000))
    assert items_left(net.state, ada.id) == 0
    with refuses("your bond is too small: it takes 1000 wei"):
        net.submit(ada, [net.item(0)])
    bonded(net, ada, 1)
    net.submit(ada, [net.item(0)])


def test_nothing_that_was_earned_is_taken(net: Network) -> None:
    ada, bond = member(net, "ada")
    net.state.earned.put((ada.id, b""), 5)
    says(net, events.SlashProposed(0, bond, LEAST, b"\3" * 32, 9), events.SlashExecuted(0, LEAST))
    assert lacks_bond(net.state, ada.id)
    net.close()
    assert net.state.earned[ada.id, b""] == 5
    assert net.state.members[ada.id].is_bonded


def test_who_lacks_a_bond_is_not_drawn(net: Network) -> None:
    ada, _ = member(net, "ada")
    ben, bond = member(net, "ben", by=BEN)
    net.people = (ada, ben)
    for each in (ada, ben):
        body = pb.Standby(network=NETWORK, campaign_id="digits", stands=True)
        net.add(each, "standby", body)
    net.submit(net.operator, [net.item(0)])
    says(net, events.UnbondRequested(bond, 1, 9_000))
    net.seal()
    assert [person for (_, person), _ in net.state.candidates.scan("digits")] == [ada.id]
    assert ("digits", ben.id) in net.state.standbys, "and comes again when it is filled up"


def test_who_lacks_a_bond_invites_nobody() -> None:
    net = network(pb.ADMISSION_EITHER)
    deploy(net)
    ada, bond = member(net, "ada")
    for _ in range(3):
        observe(net.state, ada.id, pb.ROLE_CONTRIBUTOR, "digits", PPM)
    assert invitation_budget(net.state, ada.id) == 1
    says(net, events.UnbondRequested(bond, 1, 9_000))
    assert invitation_budget(net.state, ada.id) == 0
    with refuses("may invite nobody more"):
        join(net, Person("ben"), ticket(ada, "from ada"))
    bonded(net, ada, 1)
    join(net, Person("ben"), ticket(ada, "from ada"))


def set_policy(net: Network, **changes: object) -> None:
    terms: dict[str, Any] = INVITED | {"admission": pb.ADMISSION_BOND, "bond": str(LEAST)} | changes
    body = pb.PolicyChange(
        network=NETWORK,
        epoch=net.state.epoch,
        policy=policy(**terms),
        serial=net.state.policies,
    )
    net.add(net.operator, "policy", body)
    net.close()


def test_a_higher_bond_is_asked_of_those_too_who_joined_by_one(net: Network) -> None:
    ada, _ = member(net, "ada")
    set_policy(net, bond=str(LEAST + 1))
    assert items_left(net.state, ada.id) == 0
    bonded(net, ada, 1)
    assert items_left(net.state, ada.id) == INVITED["newcomer_items"]


def test_a_bond_is_asked_of_nobody_who_joined_otherwise() -> None:
    net = network(pb.ADMISSION_INVITATION, bond="")
    ada = Person("ada")
    join(net, ada, ticket(net.operator))
    set_policy(net)
    assert items_left(net.state, ada.id) == INVITED["newcomer_items"]


def test_a_network_that_opens_gives_bonds_free(net: Network) -> None:
    ada, bond = member(net, "ada")
    says(net, events.UnbondRequested(bond, LEAST, 9_000))
    assert items_left(net.state, ada.id) == 0
    set_policy(net, admission=pb.ADMISSION_OPEN)
    assert items_left(net.state, ada.id) == INVITED["newcomer_items"]


def test_a_reorganisation_takes_a_bond_back(net: Network) -> None:
    ada, _ = member(net, "ada")
    first = max(first for first, _ in net.state.ranges.scan())
    net.add(net.operator, "rewind", pb.Rewind(network=NETWORK, first=first, serial=0))
    assert bond_of(net.state, ada.id).active == 0
    assert lacks_bond(net.state, ada.id)
    bonded(net, ada)
    assert not lacks_bond(net.state, ada.id)
    assert same(net.replay(), net.state)
