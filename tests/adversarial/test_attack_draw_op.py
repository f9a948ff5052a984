"""The operator who chooses the draw for its friends: by what it drops, delays, or logs first."""

from __future__ import annotations

from benchmarks.draw import draw_of, outcomes_of_one_alone, outcomes_of_operator, sealed_round
from protocol.lifecycle import RoundPhase
from protos.gen import records_pb2 as pb
from tests.fold import refuses
from tests.simulated import Person, batch


def test_one_of_five_witnesses_chooses_among_one_outcome() -> None:
    """Dropping up to three of fifteen values gave 576."""
    assert outcomes_of_operator() == 1


def test_who_is_alone_still_chooses() -> None:
    """Said, not hidden: whoever foresees the coin has as many draws as seals that it tries."""
    assert outcomes_of_one_alone(4) == 4


def test_the_operator_and_a_friend_of_five_know_nothing_before_the_others() -> None:
    """Two shares of five say nothing, and no seed but the coin is taken."""
    witnesses = [Person(f"witness {number}") for number in range(4)]
    net = sealed_round(*witnesses)
    net.toss(net.operator, witnesses[0])
    with refuses("2 of the 3 witnesses have tossed that it takes"):
        net.add(net.operator, "draw", pb.Draw(**net.place(), seed=bytes(32), assignments=batch([])))
    net.toss(witnesses[1])
    with refuses("is not the coin of the round"):
        net.add(net.operator, "draw", pb.Draw(**net.place(), seed=bytes(32), assignments=batch([])))


def test_a_round_that_waits_is_neither_dropped_nor_sealed_again() -> None:
    """So silence wins no second chance, however long it lasts."""
    witnesses = [Person(f"witness {number}") for number in range(4)]
    net = sealed_round(*witnesses)
    place = net.round().place
    net.clock_ms += 10**12
    with refuses("SEALED cannot SEAL"):
        net.add_seal([], round=2)
    with refuses("SEALED cannot DECIDE"):
        net.add_verdict([])
    net.submit(net.people[0], [net.item(3)])
    net.stand_down(net.people[1])
    assert (net.round().place, net.round().phase) == (place, RoundPhase.SEALED)
    net.toss(*witnesses[:3])
    drawn = draw_of(net)
    net.toss(witnesses[3])
    assert draw_of(net) == drawn
