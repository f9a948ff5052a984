"""Running tallies say what a full recount says, whatever happens on the network."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.answers import Findings
from coordinator.tally import LinePlace, Tally, recount
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.rows import ItemId
from protocol.state import State
from protocol.tasks.prefer import PARTS
from protos.gen import records_pb2 as pb
from tests.fold import ids
from tests.showcase import ROUNDS, showcase
from tests.simulated import Network, Person
from tests.simulated_log import tally_of

# Of this one somebody earns in each of three epochs.
SEED = 3
PEOPLE = ("ann", "bob", "cid", "dee", "eve")


def live(net: Network, rng: random.Random, epochs: int) -> None:
    """Some epochs with right, wrong and copied items, silent reviewers and withdrawals."""
    for _ in range(epochs):
        for person in rng.sample(net.people, rng.randint(0, 3)):
            truths = [rng.randrange(10) for _ in range(rng.randint(1, 5))]
            leaves = [
                net.item(
                    truth, rng.choice([truth, 3]), content=rng.choice([None, b"the same picture"])
                )
                for truth in truths
            ]
            net.submit(person, list(dict.fromkeys(leaves)))
        _withdraw(net, rng)
        net.run_epoch(*rng.sample(net.people, rng.randint(1, len(net.people))))
        _withdraw(net, rng)


def _withdraw(net: Network, rng: random.Random) -> None:
    free = [i for i in ids(net) if net.state.items[i].status is not ItemStatus.WITHDRAWN]
    if net.round().phase is RoundPhase.OPEN and free:
        gone = rng.choice(free)
        net.withdraw(next(p for p in net.people if p.id == net.state.items[gone].author), [gone])


def positive(counts: dict[str, Counter[ItemStatus]]) -> dict[str, Counter[ItemStatus]]:
    """Without the zeros that are left where an item moved on."""
    return {key: +count for key, count in counts.items() if +count}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), epochs=st.integers(1, 3), stop=st.floats(0.3, 1))
def test_the_tallies_are_those_of_a_recount(seed: int, epochs: int, stop: float) -> None:
    net = Network(*map(Person, PEOPLE), seed=seed)
    live(net, random.Random(seed), epochs)
    # Cut anywhere: it holds in the middle of a round as well.
    state, tally = tally_of(net.log[: max(1, int(len(net.log) * stop))])
    counted = recount(state)
    assert positive(tally.campaigns) == positive(counted.campaigns)
    assert {k: +c for k, c in tally.authors.items() if +c} == dict(counted.authors)
    assert tally.count(*ItemStatus) == len(state.items)
    assert sum(map(len, tally.kinds.values())) == state.size
    assert [each.number for each in tally.epochs] == list(range(1, state.closed_epoch + 1))
    assert sum(each.minted_micro for each in tally.epochs) == state.minted_micro


def test_every_reward_line_is_found_again_the_latest_first() -> None:
    net = Network(*map(Person, PEOPLE))
    live(net, random.Random(SEED), 3)
    state, tally = tally_of(net.log)
    closes = {
        index: entry
        for index, entry in enumerate(net.log)
        if parse_envelope(entry.raw).kind == "close"
    }
    for person in (net.operator, *net.people):
        logged = [
            (index, leaf)
            for index, entry in reversed(closes.items())
            for leaf in reversed(entry.leaves)
            if parse_leaf(pb.RewardLine, leaf).person == person.id
        ]
        assert tally.lines_of(person.id) == len(logged)
        places = tally.line_places(person.id, 0, len(logged))
        read = [
            (place.index, encode_leaf(place.read(encode_bundle(closes[place.index].leaves))))
            for place in places
        ]
        assert read == logged
        assert tally.line_places(person.id, 1, 1) == places[1:2]
        assert tally.line_places(person.id, len(logged), 5) == []
    assert len(state.earned), "nobody earned anything, so nothing was tested"


def test_receipts_and_rounds_of_a_job_are_found() -> None:
    net = showcase()
    _, tally = tally_of(net.log)
    assert tally.trained.keys() == {"train"}
    assert set(tally.trained["train"].values()) == {ROUNDS}
    for job_id, places in tally.updates.items():
        updates = [pb.Update.FromString(parse_envelope(net.log[at].raw).payload) for at in places]
        assert {update.job_id for update in updates} == {job_id}
    assert {job_id: len(places) for job_id, places in tally.updates.items()} == {
        "train": 3 * ROUNDS,
        "train-again": 1,
    }


def test_nobody_has_no_lines() -> None:
    assert Tally().line_places(PersonId(bytes(32)), 0, 5) == []
    assert Tally().lines_of(PersonId(bytes(32))) == 0
    line = encode_leaf(pb.RewardLine())
    assert LinePlace(0, 0).read(encode_bundle([line])) == pb.RewardLine()


# ---- rounds and epochs ----


def test_a_campaigns_rounds_are_told_one_by_one() -> None:
    net = showcase()
    state, tally = tally_of(net.log)
    digits = tally.rounds_of("digits")
    assert [row.number for row in digits] == list(range(state.round_of("digits").number, 0, -1))
    under_way, *over = digits
    assert (under_way.items, under_way.drawn, under_way.ended_ms) == (10, 10, 0)
    for row in over:
        assert row.ended_ms > row.sealed_ms > 0
        assert parse_envelope(net.log[row.index].raw).kind == "verdict"
    decided = sum(
        row.decided for name, _ in state.campaigns.scan() for row in tally.rounds_of(name)
    )
    withdrawn = tally.count(ItemStatus.WITHDRAWN)
    assert decided == tally.count(ItemStatus.ACCEPTED, ItemStatus.REJECTED) + withdrawn


def test_a_close_says_what_it_left_and_why() -> None:
    _, tally = tally_of(showcase().log)
    assert [each.waiting for each in tally.epochs] == [
        (),
        (),
        (("transcripts", 1, pb.WAITING_FOR_SEAL),),
        (("transcripts", 1, pb.WAITING_FOR_SEAL),),
    ]
    with pytest.raises(StateError, match="epoch 5 is not closed"):
        tally.close_of(5)


def test_an_epoch_of_nothing_is_an_epoch() -> None:
    net = Network()
    net.close()
    _, tally = tally_of(net.log)
    [closed] = tally.epochs
    assert (closed.accepted, closed.answers, closed.waiting) == (0, 0, ())


# ---- what was decided ----


def recounted(state: State) -> dict[str, Findings]:
    """What was decided, by walking over all items."""
    made: dict[str, Findings] = {}
    for _, item in state.items.scan():
        if item.status not in (ItemStatus.ACCEPTED, ItemStatus.REJECTED):
            continue
        found = made.setdefault(item.campaign_id, Findings())
        found.reviewers += len(item.answered_by)
        found.programs += item.programs
        if item.answer is None:
            found.refused[item.refusal] += 1
            continue
        found.answered += 1
        if item.campaign_id == "transcripts":
            found.marks.update(place for place in range(3) if item.answer[place])
        else:
            found.marks[int.from_bytes(item.answer)] += 1
    return made


def votes(net: Network) -> Counter[tuple[str, str, bytes, int]]:
    """Of the pairs that are not withdrawn, by walking over the log."""
    counted = Counter[tuple[str, str, bytes, int]]()
    for entry in net.log:
        envelope = parse_envelope(entry.raw)
        if envelope.kind != "reveal":
            continue
        if pb.Reveal.FromString(envelope.payload).campaign_id != "answers":
            continue
        for leaf in entry.leaves:
            answer = parse_leaf(pb.Answer, leaf)
            item = net.state.items[answer.item_id]
            if answer.answer and item.description is not None:
                left, right = (item.description.part(name).source for name in PARTS)
                counted[left, right, answer.reviewer, answer.answer[0]] += 1
    return counted


def test_findings_are_those_of_a_recount_also_after_withdrawals() -> None:
    net = showcase()
    net.stand_by(net.people[5], c="transcripts")
    for author, c in ((net.people[2], "transcripts"), (net.people[1], "digits")):
        own = (i for i in ids(net) if net.state.items[i].author == author.id)
        free = [i for i in own if net.state.items[i].campaign_id == c and _is_decided(net, i)]
        net.withdraw(author, free[:3])
    state, tally = tally_of(net.log)
    found = dict(tally.answers.findings)
    for findings in found.values():
        findings.marks, findings.refused = +findings.marks, +findings.refused
    assert found == recounted(state)
    assert found["transcripts"].refused == {pb.REFUSAL_UNREADABLE: 1}
    assert len(found["digits"].marks) == 10


def _is_decided(net: Network, item_id: ItemId) -> bool:
    return net.state.items[item_id].status in (ItemStatus.ACCEPTED, ItemStatus.REJECTED)


def test_votes_between_sources_are_those_of_the_log_and_go_with_their_items() -> None:
    net = showcase()
    _, tally = tally_of(net.log)
    counted = votes(net)
    assert counted.total() > 50
    assert _as_tuples(tally) == counted
    decided = [
        i for i in ids(net) if net.state.items[i].campaign_id == "answers" and _is_decided(net, i)
    ]
    net.withdraw(net.people[0], decided[:5])
    _, after = tally_of(net.log)
    assert _as_tuples(after) == votes(net)
    assert votes(net).total() < counted.total()
    # Whoever replays the log later finds the leaves erased, and counts the same.
    _, later = tally_of(net.log, decided[:5])
    assert _as_tuples(later) == _as_tuples(after)
    assert later.answers.of("answers").answered == after.answers.of("answers").answered


def _as_tuples(tally: Tally) -> Counter[tuple[str, str, bytes, int]]:
    return Counter(
        {
            (vote.left, vote.right, vote.judge, vote.outcome): number
            for vote, number in tally.answers.comparisons_in("answers").votes.items()
        }
    )
