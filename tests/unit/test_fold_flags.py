"""The fold: likely copies go to reviewers, who say what they are, and the price follows."""

from __future__ import annotations

import pytest

from protocol import transition
from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.review.fingerprints import fingerprint_text
from protocol.review.index import likely_distance
from protocol.rules import flagging, sealing
from protocol.rules.sealing import Found
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.fold import changed, last_lines, refuses, same, shares_of
from tests.likely import (
    ALIKE,
    COPY,
    DERIVATIVE,
    INDEPENDENT,
    OTHER,
    TEXT,
    UNSEEN,
    C,
    item,
    judge,
    line_of,
    network,
    pair,
    run,
    submit,
)
from tests.simulated import Network, Person, campaign, policy


@pytest.fixture
def net() -> Network:
    return network()


def far(text: str) -> int:
    """How far a text is from TEXT, in per mille."""
    return likely_distance(fingerprint_text(TEXT.encode()), fingerprint_text(text.encode()))


# ---- flags ----


def test_a_likely_copy_is_reviewed_beside_its_original(net: Network) -> None:
    original = submit(net, 0)
    copy, likely, other = submit(net, 1), submit(net, 1, ALIKE), submit(net, 1, OTHER)
    net.stand_by(*net.people[2:], c=C)
    net.seal(c=C)
    assert item(net, copy).status is ItemStatus.DUPLICATE
    assert item(net, likely).resembles == original
    assert item(net, original).resembles == b"", "nothing resembles what comes after it"
    assert item(net, other).resembles == b""
    leaf = next(each for each in map(_leaf, net.log[-1].leaves) if isinstance(each, pb.Resemblance))
    assert (leaf.item_id, leaf.original, leaf.distance) == (likely, original, far(ALIKE))
    assert same(net.replay(), net.state)


@pytest.mark.parametrize(
    ("text", "status"), [(OTHER, ItemStatus.ACCEPTED), (ALIKE, ItemStatus.UNDECIDED)]
)
def test_one_answer_decides_gold_unless_it_may_be_a_copy(
    net: Network, text: str, status: ItemStatus
) -> None:
    submit(net, 0)
    run(net, INDEPENDENT)
    known = submit(net, 1, text)
    net.stand_by(*net.people[2:], c=C)
    net.seal([known], C)
    net.draw(C)
    drawn = net.state.assignments[C, known]
    net.review(next(each for each in net.people if each.id in drawn), c=C)
    net.verdict(C)
    assert item(net, known).status is status


def _leaf(raw: bytes) -> object:
    kinds = {6: pb.Duplicate, 12: pb.Resemblance, 7: pb.GoldHash}
    return parse_leaf(kinds[raw[0]], raw)


@pytest.mark.parametrize("wrong", ["left out", "invented", "another distance", "twice"])
def test_flags_are_those_that_everybody_finds(net: Network, wrong: str) -> None:
    original, likely = submit(net, 0), submit(net, 1, ALIKE)
    net.stand_by(*net.people[2:], c=C)
    good = pb.Resemblance(item_id=likely, original=original, distance=far(ALIKE))
    bad = {
        "left out": [],
        "invented": [good, pb.Resemblance(item_id=original, original=likely, distance=far(ALIKE))],
        "another distance": [changed(good, distance=1)],
        "twice": [good, good],
    }[wrong]
    with refuses("do not follow from the fingerprints"):
        net.add_seal([encode_leaf(each) for each in bad], C)
    net.add_seal([encode_leaf(good)], C)


def test_what_reviewers_would_not_have_attracts_no_flags(net: Network) -> None:
    garbage = submit(net, 0)
    reviewers = judge(net, INDEPENDENT)
    net.stand_by(*reviewers, c=C)
    net.seal(c=C)
    net.draw(C)
    drawn = [person for person in reviewers if (C, person.id) in net.state.tasks]
    said = {p.name: net.refuse(net.answers(p, C), pb.REFUSAL_OFF_TOPIC) for p in drawn}
    for person in drawn:
        net.commit(person, said[person.name], C)
    net.end_commits(C)
    for person in drawn:
        net.reveal(person, said[person.name], C)
    net.verdict(C)
    assert item(net, garbage).status is ItemStatus.REJECTED
    honest = submit(net, 1, ALIKE)
    assert not sealing.compute_seal(net.state, net.campaign(C)).flags
    run(net, COPY)
    assert item(net, honest).status is ItemStatus.ACCEPTED


def test_of_what_resembles_one_item_so_many_are_flagged_and_no_more(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flagging, "FLAGS_PER_ORIGINAL_MAX", 2)
    original = submit(net, 0)
    words = TEXT.split()
    rest = [
        submit(net, 1, " ".join([*words[:at], "zebra", *words[at + 1 :]])) for at in (3, 9, 15, 21)
    ]
    flags = sealing.compute_seal(net.state, net.campaign(C)).flags
    assert [flags[each].original for each in rest[:2]] == [original, original]
    assert {flags[each].original for each in rest[2:]} <= set(rest), "the next that they resemble"


def test_nobody_reviews_a_copy_of_his_own(net: Network) -> None:
    original = submit(net, 2)
    run(net, INDEPENDENT)
    likely = submit(net, 1, ALIKE)
    net.stand_by(*net.people[2:], c=C)
    net.seal(c=C)
    net.draw(C)
    assert item(net, likely).resembles == original
    assert net.people[2].id not in net.state.assignments[C, likely]


# ---- answers ----


def test_who_reviews_a_likely_copy_says_what_it_is_and_nobody_else_does(net: Network) -> None:
    submit(net, 0)
    likely = submit(net, 1, ALIKE)
    reviewers = judge(net, COPY)
    net.stand_by(*reviewers, c=C)
    net.seal(c=C)
    net.draw(C)
    ann = next(p for p in reviewers if len(net.state.tasks.get((C, p.id), ())) == 2)
    good = [parse_leaf(pb.Answer, leaf) for leaf in net.answers(ann, C)]
    (flagged,) = (at for at, each in enumerate(good) if each.item_id == likely)
    plain = 1 - flagged
    wrong: list[tuple[int, dict[str, object], str]] = [
        (flagged, {"relation": pb.RELATION_NONE}, "does not say what the item is"),
        (flagged, {"answer": b"", "refusal": pb.REFUSAL_UNSURE}, "was not asked that"),
        (flagged, {"relation": 9}, "an unknown relation"),
        (plain, {"relation": pb.RELATION_COPY}, "was not asked that"),
    ]
    for at, change, message in wrong:
        bad = list(good)
        bad[at] = changed(good[at], **change)
        assert _reveal(net, ann, bad, refused=message)
    assert _reveal(net, ann, good)


def _reveal(net: Network, who: Person, said: list[pb.Answer], refused: str = "") -> bool:
    """Whether these answers pass, or are refused so, in a log that goes on from here with nobody else's."""
    state = State()
    for entry in net.log:
        transition.apply(state, entry.raw, entry.leaves)
    other = Network.__new__(Network)
    other.__dict__ |= net.__dict__ | {"state": state, "log": list(net.log), "changes": []}
    leaves = [encode_leaf(each) for each in said]
    other.commit(who, leaves, C)
    other.end_commits(C)
    if refused:
        with refuses(refused):
            other.reveal(who, leaves, C)
    else:
        other.reveal(who, leaves, C)
    return True


# ---- verdicts and money ----


def test_a_copy_earns_nothing_and_has_no_copies(net: Network) -> None:
    original, likely = pair(net, COPY)
    found = item(net, likely)
    assert (found.status, found.duplicate_of) == (ItemStatus.DUPLICATE, original)
    assert (found.relation, found.answer, found.proposal) == (COPY, None, None)
    net.close()
    line = line_of(net, net.people[1])
    assert (line.amount, line.evidence.duplicates, line.evidence.accepted) == ("0", 1, 0)
    assert same(net.replay(), net.state)


def test_reviewers_of_a_copy_are_paid_for_their_answers(net: Network) -> None:
    pair(net, COPY)
    net.close()
    lines = last_lines(net, pb.ROLE_REVIEWER)
    assert sum(line.evidence.answers for line in lines) == 6, "three of each"
    assert not net.state.answers.count(C)


def test_a_derivative_earns_the_campaigns_part_of_the_price(net: Network) -> None:
    original, likely = pair(net, DERIVATIVE)
    found = item(net, likely)
    assert (found.status, found.relation, found.resembles) == (
        ItemStatus.ACCEPTED,
        DERIVATIVE,
        original,
    )
    net.close()
    line = line_of(net, net.people[1])
    assert (line.evidence.accepted, line.evidence.derivatives) == (1, 1)
    assert line.weight_micro == PPM // 2
    assert shares_of(net, net.people[0]) == 2 * shares_of(net, net.people[1]) > 0
    pool = policy().epoch_emission_micro * 600_000 // PPM
    assert shares_of(net, net.people[0]) + shares_of(net, net.people[1]) == pool


@pytest.mark.parametrize("relation", [INDEPENDENT, pb.RELATION_UNSURE])
def test_what_is_independent_earns_the_price(net: Network, relation: pb.Relation) -> None:
    _, likely = pair(net, relation)
    assert item(net, likely).status is ItemStatus.ACCEPTED
    net.close()
    assert shares_of(net, net.people[0]) == shares_of(net, net.people[1]) > 0


def test_hiding_the_original_neither_saves_nor_ruins(net: Network) -> None:
    _, likely = pair(net, UNSEEN)
    assert item(net, likely).relation == UNSEEN
    net.close()
    assert line_of(net, net.people[1]).weight_micro == PPM // 2


def test_where_the_original_went_the_item_is_the_first_of_its_kind(net: Network) -> None:
    original = submit(net, 0)
    run(net, INDEPENDENT)
    likely = submit(net, 1, ALIKE)
    reviewers = judge(net, COPY)
    net.stand_by(*reviewers, c=C)
    net.seal(c=C)
    net.draw(C)
    net.withdraw(net.people[0], [original])
    net.review(*reviewers, c=C)
    net.verdict(C)
    assert (item(net, likely).status, item(net, likely).relation) == (
        ItemStatus.ACCEPTED,
        pb.RELATION_NONE,
    )
    assert same(net.replay(gone={original}), net.state)


def test_a_verdict_says_what_follows_from_the_voices(net: Network) -> None:
    submit(net, 0)
    run(net, INDEPENDENT)
    likely = submit(net, 1, ALIKE)
    reviewers = judge(net, DERIVATIVE)
    net.stand_by(*reviewers, c=C)
    net.seal(c=C)
    net.draw(C)
    net.review(*reviewers, c=C)
    (good,) = net.compute_verdicts(C)
    for bad in (
        changed(good, relation=INDEPENDENT),
        changed(good, resembles=b""),
        changed(good, resembles=likely),
    ):
        with refuses("does not follow from the answers"):
            net.add_verdict([bad], C)
    with refuses("outcome does not follow"):
        net.add_verdict(
            [changed(good, outcome=pb.OUTCOME_COPY, proposal=b"", proposal_salt=b"")], C
        )
    net.add_verdict([good], C)


def test_a_derivative_that_is_withdrawn_repays_what_it_earned(net: Network) -> None:
    _, likely = pair(net, DERIVATIVE)
    net.close()
    net.withdraw(net.people[1], [likely])
    assert dict(net.state.repayable.scan()) == {(net.people[1].id, C): PPM // 2}
    submit(net, 1, OTHER)
    run(net, INDEPENDENT)
    net.close()
    line = line_of(net, net.people[1])
    assert (line.evidence.accepted, line.evidence.repaid_micro) == (1, PPM // 2)
    assert line.weight_micro == PPM // 2
    assert not len(net.state.repayable)


def test_royalties_count_a_derivative_for_as_much_as_it_earned(net: Network) -> None:
    original, likely = pair(net, DERIVATIVE)
    digest = net.snapshot(campaign_id=C)
    assert net.state.snapshots[digest].items == (original, likely)
    assert dict(net.state.snapshots[digest].credits) == {
        net.people[0].id: 1_000,
        net.people[1].id: 500,
    }


@pytest.mark.parametrize(("permille", "taken"), [(0, True), (1_000, True), (1_001, False)])
def test_the_part_for_a_derivative_is_a_part(net: Network, permille: int, taken: bool) -> None:
    made = campaign(id="others", derivative_permille=permille)
    if taken:
        net.add(net.operator, "campaign", made)
        return
    with refuses("earns 1001 thousandths"):
        net.add(net.operator, "campaign", made)


# ---- a log whose leaves are gone ----


def test_what_an_erased_item_resembles_is_taken_from_the_log_within_bounds(net: Network) -> None:
    original, likely = submit(net, 0), submit(net, 1, ALIKE)
    unlike = submit(net, 1, OTHER)
    found = sealing.compute_seal(net.state, net.campaign(C))
    assert found.flags == {likely: flagging.Flag(original, far(ALIKE))}
    late = net.replay(gone={likely})
    assert sealing.compute_seal(late, late.campaigns[C], found).flags == found.flags
    assert sealing.compute_seal(late, late.campaigns[C]).flags == {}
    for lie in (
        {likely: unlike},
        {likely: likely},
        {likely: bytes(32)},
        {unlike: original},
    ):
        claim = Found(flags={each: flagging.Flag(other, 1) for each, other in lie.items()})
        assert sealing.compute_seal(late, late.campaigns[C], claim).flags == {}
