"""Running tallies say what a full recount says, whatever happens on the network."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.tally import LinePlace, Tally, recount
from protocol.identity import Identity
from protocol.lifecycle import EpochPhase, ItemStatus
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.state import State
from protocol.transition import open_record
from protos.gen import records_pb2 as pb
from tests.showcase import ROUNDS, showcase
from tests.simulated import NETWORK, Entry, Network, Person, policy

# Of this one somebody earns in each of three epochs.
SEED = 3
PEOPLE = ("ann", "bob", "cid", "dee", "eve")


def tally_of(log: list[Entry]) -> tuple[State, Tally]:
    state, tally = State(), Tally()
    for index, entry in enumerate(log):
        envelope = parse_envelope(entry.raw)
        tally.process(state, envelope.kind, open_record(envelope, entry.leaves, index))
    return state, tally


def live(net: Network, rng: random.Random, epochs: int) -> None:
    """Some epochs with right, wrong and copied items, silent reviewers and withdrawals."""
    for _ in range(epochs):
        for person in rng.sample(net.people, rng.randint(0, 3)):
            truths = [rng.randrange(10) for _ in range(rng.randint(1, 5))]
            leaves = [
                net.item(truth, rng.choice([truth, 3]), content=rng.choice([None, b"the same picture"]))
                for truth in truths
            ]
            net.submit(person, list(dict.fromkeys(leaves)))
        _withdraw(net, rng)
        if net.state.pending:
            net.run_epoch(*rng.sample(net.people, rng.randint(0, len(net.people))))
        else:
            net.close()
        _withdraw(net, rng)


def _withdraw(net: Network, rng: random.Random) -> None:
    free = [i for i, item in net.state.items.items() if item.status is not ItemStatus.WITHDRAWN]
    if net.state.epoch.phase is EpochPhase.SUBMITTING and free:
        gone = rng.choice(free)
        person = next(p for p in net.people if p.identity == net.state.items[gone].author)
        net.add(person, "withdraw", pb.Withdraw(network=NETWORK, item_ids=[gone]))


def positive(counts: dict[str, Counter[ItemStatus]]) -> dict[str, Counter[ItemStatus]]:
    """Without the zeros that are left where an item moved on."""
    return {key: +count for key, count in counts.items() if +count}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), epochs=st.integers(1, 3), stop=st.floats(0.3, 1))
def test_the_tallies_are_those_of_a_recount(seed: int, epochs: int, stop: float) -> None:
    net = Network(*map(Person, PEOPLE), policy=policy(rounds_max=2), seed=seed)
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
            if pb.RewardLine.FromString(leaf).identity == person.identity
        ]
        assert tally.lines_of(person.identity) == len(logged)
        places = tally.line_places(person.identity, 0, len(logged))
        read = [
            (place.index, place.read(encode_bundle(closes[place.index].leaves)).SerializeToString())
            for place in places
        ]
        assert read == logged
        assert tally.line_places(person.identity, 1, 1) == places[1:2]
        assert tally.line_places(person.identity, len(logged), 5) == []
    assert state.earned, "nobody earned anything, so nothing was tested"


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
    assert Tally().line_places(Identity(bytes(32)), 0, 5) == []
    assert Tally().lines_of(Identity(bytes(32))) == 0
    assert LinePlace(0, 0).read(encode_bundle([b""])) == pb.RewardLine()
