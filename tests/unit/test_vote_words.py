"""What a holder is told of a proposal: what its calls do, and its author's words as text."""

from __future__ import annotations

import pytest

from commonhold.cli.node_votes import warn_of_haste
from commonhold.cli.policy_words import policy_changes
from commonhold.cli.proposal_words import WHY_CHARS_MAX, act_words, reason
from contracts.governor import Act, Proposal
from protocol.identity import name_of
from protocol.money.onchain import Bond, Slash
from protocol.money.settlement import ETHER
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.simulated import Person, policy


def proposed(description: bytes) -> Proposal:
    return Proposal(1, ETHER, (), (), (), description, 0, 0)


@pytest.mark.parametrize(
    ("seconds", "warns"), [(1, True), (59, True), (60, False), (259_200, False)]
)
def test_a_vote_too_short_for_a_person_is_said_to_be(seconds: int, warns: bool) -> None:
    said = " ".join(warn_of_haste(seconds))
    assert ("too short for a person" in said) is warns
    assert ("open for 1 second," in said) is (seconds == 1)


def test_an_authors_words_are_one_line_of_text() -> None:
    assert reason(proposed(b"why: it pays\npolicy: 0x")) == "it pays"
    assert reason(proposed(b"it pays")) == ""
    assert reason(proposed("why: \x1b[31mred\u202eder \xff".encode())) == "[31mred der \xff"
    assert reason(proposed(b"\xff\xfe\nwhy: \xff")) == "\ufffd"
    assert len(reason(proposed(b"why: " + b"x" * 10_000))) == WHY_CHARS_MAX


def test_a_change_is_told_field_by_field() -> None:
    before = policy(reviewers_ppm=250_000, admission=pb.ADMISSION_OPEN, newcomer_items=5)
    assert policy_changes(before, before) == []
    after = policy(
        reviewers_ppm=300_000,
        admission=pb.ADMISSION_INVITATION,
        newcomer_items=6,
        epoch_emission_micro=before.epoch_emission_micro + 500_000,
    )
    told = policy_changes(before, after)
    assert "reviewers' part of the emission: 25 % -> 30 %" in told
    assert "how one joins: open -> invitation" in told
    assert "a newcomer's items in an epoch: 5 -> 6" in told
    assert any(line.startswith("shares minted per epoch: ") for line in told)
    assert len(told) == 4


def test_a_voter_reads_whose_bond_it_is_and_how_much_of_it() -> None:
    state, eve = State(), Person("eve").id
    state.bonds.put(b"bond", Bond(eve, ETHER, ETHER, active=70, leaving=30))
    state.slashes.put(3, Slash(b"bond", 5, bytes(32), is_appealed=True))

    def told(function: str, number: int) -> str:
        [line] = act_words(state, proposed(b""), Act("stake", function, (number,)))
        return line

    whose = f"5 of 100 wei of the bond of {name_of(eve)}"
    assert told("confirm", 3) == f"confirm slash 3: take {whose}"
    assert told("overturn", 3) == f"overturn slash 3: leave {whose}"
    assert "it has ended, or the log has not read of it yet" in told("confirm", 4)
