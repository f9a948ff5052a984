"""Free names that choose the draw: whoever keeps or breaks their word once a round is sealed changes nothing.

What they were drawn for they owe: silence costs it, and wins no other draw.
"""

from __future__ import annotations

from benchmarks.draw import draw_of, outcomes_of_names, sealed_round
from tests.simulated import Person


def test_ten_free_names_choose_among_one_outcome() -> None:
    """Where each of ten could open a value or not, there were up to 1,024."""
    assert outcomes_of_names(10) == 1


def test_names_that_come_after_the_seal_change_nothing() -> None:
    net = sealed_round(names=2)
    net.toss(net.operator)
    before = draw_of(net)
    late = [Person(f"late {number}") for number in range(5)]
    for person in late:
        net.add(person, "register", net.registration(person))
        net.stand_by(person)
        assert draw_of(net) == before
    net.draw()
    assert not {person.id for person in late} & {who for (_, who), _ in net.state.tasks.scan()}


def test_names_that_stay_silent_are_wrong_and_stand_by_no_longer() -> None:
    net = sealed_round(names=5)
    net.draw()
    names = [p for p in net.people[1:6] if ("digits", p.id) in net.state.tasks]
    assert names
    net.review(*net.people[6:])
    net.verdict()
    for person in names:
        assert ("digits", person.id) not in net.state.standbys
        right_wrong = [b for (who, *_), b in net.state.beliefs.scan() if who == person.id]
        assert all(belief.wrong_micro > 0 == belief.right_micro for belief in right_wrong)
