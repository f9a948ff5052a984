"""A verdict is found on a view of the state, which says in the end whether the state still holds the same."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

from coordinator.views import RoundView, round_view
from protocol import transition
from protocol.lifecycle import RoundPhase
from protocol.log.envelope import parse_envelope
from protocol.log.strict import encode_leaf
from protocol.review.decisions import compute_verdicts
from protocol.state import State
from protocol.tables import Table
from protocol.transition import open_record
from protos.gen import records_pb2 as pb
from tests.fold import drawn
from tests.simulated import Network, batch, campaign, rounds


def revealing(net: Network, *late: int) -> dict[int, list[bytes]]:
    """A round whose commits have ended; the people with these numbers have not opened their answers."""
    drawn(net)
    answers = {i: net.answers(person) for i, person in enumerate(net.people) if i}
    for i, leaves in answers.items():
        net.commit(net.people[i], leaves)
    net.end_commits()
    for i, leaves in answers.items():
        if i not in late:
            net.reveal(net.people[i], leaves)
    assert net.round().phase is RoundPhase.REVEALING
    return answers


def view_of(net: Network) -> RoundView:
    return round_view(net.state, "digits")


def test_the_view_gives_the_same_verdicts(net: Network) -> None:
    revealing(net)
    view = view_of(net)
    found = compute_verdicts(view.state, net.campaign(), net.openings, {})
    assert found == net.compute_verdicts()
    assert view.holds_in(net.state)


class Watched(State):
    """A state that remembers what of it was read."""

    read: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        Watched.read.add(name)
        return super().__getattribute__(name)


def test_the_view_has_all_that_a_verdict_is_found_by(net: Network) -> None:
    revealing(net)
    net.verdict()
    revealing(net)
    view = view_of(net)
    state = Watched(**{each.name: getattr(net.state, each.name) for each in fields(State)})
    Watched.read.clear()
    published = compute_verdicts(state, net.campaign(), net.openings, {})
    leaves = [encode_leaf(verdict) for verdict in published]
    body = pb.Verdict(**net.place(), verdicts=batch(leaves))
    raw = net.operator.seal("verdict", body)
    transition.validate(state, "verdict", open_record(parse_envelope(raw), leaves, state.size))
    names = {each.name for each in fields(State)} & Watched.read
    assert "evidence" in names
    for name in names - {"items", "keys", "size"}:
        whole, part = getattr(net.state, name), getattr(view.state, name)
        assert part.same_part(whole, "digits") if isinstance(whole, Table) else part == whole, name


def test_what_others_do_does_not_touch_it(net: Network) -> None:
    revealing(net)
    view = view_of(net)
    net.submit(net.people[1], [net.item(3)])
    net.stand_by(net.people[1])
    other = campaign(id="other", rounds=rounds())
    net.add(net.operator, "campaign", other)
    net.submit(net.people[0], [net.item(4, c="other")], c="other")
    net.stand_by(*net.people[1:], c="other")
    net.seal(c="other")
    net.run_round(*net.people[1:], c="other")
    assert net.state.answers.has("other")
    assert view.holds_in(net.state)
    assert not view.state.answers.has("other")


def test_an_answer_that_is_opened_late_ends_it(net: Network) -> None:
    answers = revealing(net, 2)
    view = view_of(net)
    net.reveal(net.people[2], answers[2])
    assert not view.holds_in(net.state)
    assert view_of(net).holds_in(net.state)


def test_a_close_ends_it_and_so_does_the_verdict(net: Network) -> None:
    revealing(net)
    view = view_of(net)
    net.close()
    assert not view.holds_in(net.state)
    view = view_of(net)
    net.verdict()
    assert not view.holds_in(net.state)


def test_a_state_that_knows_nothing_does_not_hold_it(net: Network) -> None:
    revealing(net)
    empty = State()
    for name in ("network", "rules", "operator", "operator_key", "policy", "epoch"):
        setattr(empty, name, getattr(net.state, name))
    empty.campaigns.put("digits", net.campaign())
    assert not view_of(net).holds_in(empty)


def test_a_part_of_a_table_is_a_table_of_its_own() -> None:
    table: Table[tuple[str, int], str] = Table()
    for key in (("a", 1), ("a", 2), ("b", 1)):
        table.put(key, "row")
    part = table.part("a")
    assert list(part.scan()) == [(("a", 1), "row"), (("a", 2), "row")]
    assert (len(part), part.has("b"), len(table.part("c"))) == (2, False, 0)
    assert part.same_part(table, "a")
    assert not part.same_part(table, "b")
    table.put(("a", 2), "another")
    assert part["a", 2] == "row"
    assert not part.same_part(table, "a")
    table.clear("a")
    assert not part.same_part(table, "a")
    assert table.part("c").same_part(table, "a"), "both have none"
