"""Who may join, and how much a name may submit. Each refusal stands beside what is accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from nacl.signing import SigningKey

from protocol.errors import ConfigError, Misbehaviour
from protocol.identity import NOBODY, KeyId
from protocol.invitation import Ticket, acceptance_message, invitation_message, parse_ticket
from protocol.limits import PPM
from protocol.review.reputation import observe
from protocol.rules.admission import invitation_budget, items_left, standing
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK, Network, Person, policy

INVITED = {
    "admission": pb.ADMISSION_INVITATION,
    "operator_invitations": 3,
    "member_invitations": 1,
    "invite_standing": 2,
    "newcomer_items": 5,
    "items_per_standing": 2,
}


def ticket(inviter: Person, name: str = "a ticket", epoch: int = 1) -> Ticket:
    """An invitation by `inviter`; `name` makes it another one."""
    secret = Person(name).signing_key.encode()
    key = bytes(SigningKey(secret).verify_key)
    signature = inviter.signing_key.sign(invitation_message(NETWORK, key, epoch)).signature
    return Ticket(KeyId(inviter.key), secret, epoch, signature)


def join(net: Network, person: Person, invitation: Ticket | None, serial: int = 1) -> None:
    body = net.registration(person, serial)
    if invitation is not None:
        body.invitation.CopyFrom(invitation.accepted_by(NETWORK, person.id))
    net.add(person, "register", body)


@pytest.fixture
def net() -> Network:
    return Network(policy=policy(**INVITED))


# ---- joining ----


def test_one_joins_by_an_invitation_of_the_operator(net: Network) -> None:
    ada, ben = Person("ada"), Person("ben")
    with pytest.raises(Misbehaviour, match="by invitation"):
        join(net, ada, None)
    join(net, ada, ticket(net.operator, "one"))
    join(net, ben, ticket(net.operator, "two"))
    assert net.state.members[ada.id].invited_by == net.state.operator
    assert invitation_budget(net.state, net.state.operator) == 1


def test_an_invitation_is_good_once(net: Network) -> None:
    ada, ben = Person("ada"), Person("ben")
    join(net, ada, ticket(net.operator))
    with pytest.raises(Misbehaviour, match="used already"):
        join(net, ben, ticket(net.operator))


def test_nobody_joins_with_what_stands_in_the_log(net: Network) -> None:
    ada, eve = Person("ada"), Person("eve")
    body = net.registration(eve)
    body.invitation.CopyFrom(ticket(net.operator).accepted_by(NETWORK, ada.id))
    with pytest.raises(Misbehaviour, match="to somebody else"):
        net.add(eve, "register", body)
    join(net, ada, ticket(net.operator))


def test_an_invitation_ends_with_its_epoch(net: Network) -> None:
    early, late = ticket(net.operator, "early", epoch=1), ticket(net.operator, "late", epoch=2)
    net.close()
    with pytest.raises(Misbehaviour, match="good until epoch 1; this is epoch 2"):
        join(net, Person("ada"), early)
    join(net, Person("ada"), late)


def test_what_the_inviter_did_not_sign_is_no_invitation(net: Network) -> None:
    ada, eve = Person("ada"), Person("eve")
    good = ticket(net.operator)
    forged = (
        replace(ticket(eve), inviter=KeyId(net.operator.key)),
        replace(good, epoch=9),
        replace(good, signature=ticket(net.operator, "another").signature),
        replace(good, signature=b""),
    )
    for each in forged:
        with pytest.raises(Misbehaviour, match="not signed by its inviter"):
            join(net, ada, each)
    join(net, ada, good)


def test_a_stranger_invites_nobody(net: Network) -> None:
    with pytest.raises(Misbehaviour, match="no member"):
        join(net, Person("ada"), ticket(Person("stranger")))


def test_a_malformed_key_is_refused(net: Network) -> None:
    ada = Person("ada")
    body = net.registration(ada)
    body.invitation.CopyFrom(ticket(net.operator).accepted_by(NETWORK, ada.id))
    body.invitation.key = b"short"
    with pytest.raises(Misbehaviour, match="32 bytes"):
        net.add(ada, "register", body)


def test_a_member_without_standing_invites_nobody(net: Network) -> None:
    ada, ben, cy = Person("ada"), Person("ben"), Person("cy")
    join(net, ada, ticket(net.operator))
    with pytest.raises(Misbehaviour, match="may invite nobody more"):
        join(net, ben, ticket(ada, "from ada"))
    for _ in range(2):
        observe(net.state, ada.id, pb.ROLE_CONTRIBUTOR, "digits", PPM)
    join(net, ben, ticket(ada, "from ada"))
    assert net.state.members[ben.id].invited_by == ada.id
    with pytest.raises(Misbehaviour, match="may invite nobody more"):  # a budget of one an epoch
        join(net, cy, ticket(ada, "from ada again", epoch=2))
    observe(net.state, ada.id, pb.ROLE_CONTRIBUTOR, "digits", PPM)  # what fades at the close
    net.close()
    join(net, cy, ticket(ada, "from ada again", epoch=2))


def test_the_operator_has_a_budget_for_each_epoch(net: Network) -> None:
    for n in range(3):
        join(net, Person(f"person {n}"), ticket(net.operator, f"ticket {n}"))
    with pytest.raises(Misbehaviour, match="may invite nobody more"):
        join(net, Person("one more"), ticket(net.operator, "one more", epoch=2))
    net.close()
    join(net, Person("one more"), ticket(net.operator, "one more", epoch=2))


def test_who_has_joined_needs_no_second_invitation(net: Network) -> None:
    ada = Person("ada")
    join(net, ada, ticket(net.operator))
    moved = net.registration(ada, 2, Person("another wallet"))
    moved.invitation.CopyFrom(ticket(net.operator, "spare").accepted_by(NETWORK, ada.id))
    with pytest.raises(Misbehaviour, match="joined already"):
        net.add(ada, "register", moved)
    net.add(ada, "register", net.registration(ada, 2, Person("another wallet")))
    assert net.state.members[ada.id].invited_by == net.state.operator


def test_the_operator_joins_without_an_invitation(net: Network) -> None:
    assert net.state.members[net.state.operator].invited_by == NOBODY


def test_an_open_network_takes_no_invitations() -> None:
    net = Network(policy=policy(admission=pb.ADMISSION_OPEN))
    with pytest.raises(Misbehaviour, match="nobody needs an invitation"):
        join(net, Person("ada"), ticket(net.operator))
    join(net, Person("ada"), None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"admission": pb.ADMISSION_UNSPECIFIED}, "does not say how one joins"),
        ({"admission": 9}, "does not say how one joins"),
        ({"newcomer_items": 0}, "may submit no items"),
    ],
)
def test_a_policy_says_how_one_joins(changes: dict[str, int], problem: str) -> None:
    Network(policy=policy(**INVITED))
    with pytest.raises(Misbehaviour, match=problem):
        Network(policy=policy(**(INVITED | changes)))


# ---- tickets ----


def test_a_ticket_is_read_as_it_was_printed() -> None:
    made = ticket(Person("ada"), epoch=7)
    assert parse_ticket(str(made)) == made


@pytest.mark.parametrize("junk", ["", "x", "é", str(ticket(Person("ada")))[:-2], "A" * 500])
def test_junk_is_no_ticket(junk: str) -> None:
    with pytest.raises(ConfigError, match="malformed"):
        parse_ticket(junk)


def test_messages_are_told_apart() -> None:
    key = bytes(32)
    assert invitation_message(NETWORK, key, 1) != invitation_message(NETWORK, key, 2)
    assert not invitation_message(NETWORK, key, 1).startswith(
        acceptance_message(NETWORK, Person("ada").id)[:24]
    )


# ---- what a name may submit ----


def member(net: Network, name: str) -> Person:
    person = Person(name)
    join(net, person, ticket(net.operator, f"for {name}", epoch=99))
    return person


def test_a_newcomer_submits_so_much_and_no_more(net: Network) -> None:
    ada = member(net, "ada")
    with pytest.raises(Misbehaviour, match="these are 6 items, and you may submit 5 more"):
        net.submit(ada, [net.item(0) for _ in range(6)])
    net.submit(ada, [net.item(0) for _ in range(3)])
    net.submit(ada, [net.item(0) for _ in range(2)])
    with pytest.raises(Misbehaviour, match="you may submit 0 more"):
        net.submit(ada, [net.item(0)])
    net.submit(member(net, "ben"), [net.item(0)])  # everybody has a quota of their own


def test_what_waits_counts_in_the_next_epoch(net: Network) -> None:
    ada = member(net, "ada")
    net.submit(ada, [net.item(0) for _ in range(4)])
    net.close()
    assert items_left(net.state, ada.id) == 1
    net.submit(ada, [net.item(0)])
    with pytest.raises(Misbehaviour, match="you may submit 0 more"):
        net.submit(ada, [net.item(0)])


def test_a_quota_grows_with_standing(net: Network) -> None:
    ada = member(net, "ada")
    for right in (PPM, PPM, PPM, 0):
        observe(net.state, ada.id, pb.ROLE_CONTRIBUTOR, "digits", right)
    assert standing(net.state, ada.id) == 2 * PPM
    assert items_left(net.state, ada.id) == 9
    net.submit(ada, [net.item(0) for _ in range(9)])
    with pytest.raises(Misbehaviour):
        net.submit(ada, [net.item(0)])


def test_bad_work_elsewhere_takes_no_standing(net: Network) -> None:
    ada = member(net, "ada")
    observe(net.state, ada.id, pb.ROLE_CONTRIBUTOR, "digits", PPM)
    observe(net.state, ada.id, pb.ROLE_REVIEWER, "digits", 0)
    assert standing(net.state, ada.id) == PPM


def test_the_operator_has_no_quota(net: Network) -> None:
    assert items_left(net.state, net.state.operator) is None
    assert items_left(net.state, member(net, "ada").id) == 5


def test_names_that_were_invited_do_not_multiply(net: Network) -> None:
    """Each name takes an invitation: an epoch has the operator's three, and those of who has standing."""
    joined = 0
    for n in range(20):
        try:
            member(net, f"sock {n}")
            joined += 1
        except Misbehaviour:
            break
    assert joined == 3


def test_a_replay_comes_to_the_same_members(net: Network) -> None:
    net.submit(member(net, "ada"), [net.item(0)])
    net.close()
    assert list(net.replay().rows()) == list(net.state.rows())
