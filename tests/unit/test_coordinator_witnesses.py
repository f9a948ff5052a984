"""The witnesses as the operator and each of them see them, and when the operator goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from commonhold.cli.coordinator_report import witnesses_report
from commonhold.cli.node_report import _witness, _witness_text
from commonhold.cli.output import show
from coordinator.prepare import Draft
from coordinator.rounds import Wait
from coordinator.tossing import next_dealing_step
from coordinator.witnesses import keys_named, witnesses_view
from protocol.errors import Reject
from protocol.identity import name_of, peer_id_of
from protocol.limits import COMPLAIN_MS, DEAL_MS
from tests.simulated import Network, Person


def shown(net: Network) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(witnesses_report(witnesses_view(net.state)), on=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# ---- names ----


def test_witnesses_are_named_by_person_machine_or_as_the_operator(net: Network) -> None:
    ada, ben, cyn, *_ = net.people
    desk = cyn.device("desk")
    net.delegate(desk)
    names = [name_of(ada.id), peer_id_of(desk.key), "operator", name_of(ada.id)]
    assert keys_named(net.state, names) == sorted([ada.key, desk.key, net.operator.key])
    with pytest.raises(Reject, match="has 2 machines") as caught:
        keys_named(net.state, [name_of(cyn.id)])
    assert peer_id_of(desk.key) in caught.value.advice
    stranger = Person("stranger")
    for name, message in (
        (name_of(stranger.id), "has not registered"),
        (peer_id_of(stranger.key), "signs for nobody here"),
        (name_of(ben.id)[:-1] + "1", "not a person's name"),
        ("ada", "not a person's name"),
    ):
        with pytest.raises(Reject, match=message):
            keys_named(net.state, [name])


# ---- what is shown ----


def test_who_has_not_tossed_is_named(net: Network) -> None:
    net.change_witnesses(*net.people[:3])
    net.submit(net.people[0], [net.item(1)])
    net.seal()
    net.toss(net.people[0])
    view = witnesses_view(net.state)
    assert (view.nonce, view.threshold, len(view.witnesses)) == (1, 2, 3)
    [owed] = view.owed
    assert (owed.round, owed.tossed, owed.threshold) == (1, 1, 2)
    assert set(owed.missing) == {name_of(p.id) for p in net.people[1:3]}
    assert "digits: round 1 has 1 of 2 tosses; missing: ch1" in shown(net)
    net.toss(net.people[1])
    net.draw()
    assert witnesses_view(net.state).owed == ()


def test_how_far_a_proposed_set_is(net: Network) -> None:
    ada, ben, cyn, dov, _ = net.people
    net.change_witnesses(ada, ben, cyn)
    net.propose(ben, dov)
    proposed = witnesses_view(net.state).proposed
    assert proposed is not None
    assert (proposed.phase, proposed.assents, proposed.assents_needed) == ("proposed", 0, 3)
    assert "0 of 3 assents; missing: ch1" in shown(net)
    mine = _witness(net.state, ben.id, ben.key)
    assert mine is not None
    assert _witness_text(mine) == (
        "you toss it: 0 given, 0 missed; proposed to toss it;"
        " others are proposed, see `commonhold node assent`"
    )
    assert _witness(net.state, net.people[4].id, net.people[4].key) is None
    net.assent(ada, ben, cyn)
    net.witness(ben)
    proposed = witnesses_view(net.state).proposed
    assert proposed is not None
    assert {each.person: each.dealt for each in proposed.witnesses} == {
        name_of(ben.id): True,
        name_of(dov.id): False,
    }
    assert "assents; missing" not in shown(net)
    mine = _witness(net.state, ben.id, ben.key)
    assert mine is not None
    assert not mine["assent_wanted"]


# ---- when the operator goes on ----


def step(net: Network, later_ms: int) -> Draft | Wait:
    return next_dealing_step(net.state, net.proposal.since_ms + later_ms)


def kind_of(found: Draft | Wait) -> str:
    return found.kind if isinstance(found, Draft) else ""


def test_without_a_proposal_there_is_nothing_to_lead(net: Network) -> None:
    assert next_dealing_step(net.state, 10**15) == Wait(None)
    net.change_witnesses(*net.people[:3])
    net.propose(*net.people)
    assert step(net, 10**12) == Wait(None), "the witnesses have to assent"


def test_the_operator_waits_for_deals_and_confirmations_and_not_for_ever(net: Network) -> None:
    net.propose(*net.people)
    net.witness(*net.people[:2])
    assert step(net, DEAL_MS) == Wait(None), "too few have dealt"
    net.witness(net.people[2])
    assert step(net, DEAL_MS - 1) == Wait(net.proposal.since_ms + DEAL_MS)
    assert kind_of(step(net, DEAL_MS)) == "dealt"
    net.witness(*net.people)
    assert kind_of(step(net, 0)) == "dealt"
    net.end_deals()
    net.witness(*net.people[:3])
    assert step(net, COMPLAIN_MS - 1) == Wait(net.proposal.since_ms + COMPLAIN_MS)
    assert kind_of(step(net, COMPLAIN_MS)) == "coin"
    net.witness(*net.people)
    assert kind_of(step(net, -5_000)) == "coin", "also by a clock that was set back"
