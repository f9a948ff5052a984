"""What must hold for all revenue, whatever the mix of licences, assets, holders and policies."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.identity import PersonId
from protocol.jobs import Job, JobTerms, TrainingRound
from protocol.limits import ASSET_AMOUNT_MAX, PPM
from protocol.money import revenue
from protocol.money.onchain import Deposit
from protocol.money.revenue import MODEL_AUTHORS_PPM, due_deposits, due_flows, revenue_lines
from protocol.rows import Consent, Licence, Snapshot, row_of
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb
from tests.simulated_training import job

PEOPLE = [PersonId(bytes([i]) * 32) for i in range(1, 8)]
ASSETS = [bytes([i]) * 20 for i in range(3)]
LICENCES = ["", "a", "b", "c", "model-with", "model-without"]  # a snapshot

ppm = st.integers(0, PPM)
person = st.sampled_from(PEOPLE)
holdings = st.dictionaries(person, st.integers(0, 2**62), max_size=7)
worth = st.one_of(st.just(0), st.integers(1, 65_536_000))  # of what a campaign pays nothing for
rounds = st.lists(st.sets(person, min_size=1), min_size=1, max_size=3)
credit = st.dictionaries(person, worth, min_size=1, max_size=7)
amounts = st.one_of(st.integers(1, 50), st.integers(1, ASSET_AMOUNT_MAX))
deposits = st.lists(
    st.builds(Deposit, st.sampled_from(ASSETS), amounts, st.sampled_from(LICENCES)), max_size=12
)
minted = st.lists(
    st.builds(
        lambda who, amount: pb.RewardLine(person=who, role=pb.ROLE_CONTRIBUTOR, amount=str(amount)),
        person,
        st.integers(0, 2**40),
    ),
    max_size=3,
)


def model(snapshot: bytes, rounds: list[set[PersonId]]) -> Job:
    """A job that these people trained, round by round."""
    terms = row_of(JobTerms, job(), snapshot=snapshot)
    done = [
        TrainingRound(number, b"", b"new", tuple(sorted(who)), 1, 0, (), b"", (), ())
        for number, who in enumerate(rounds)
    ]
    return Job(terms, b"", rounds=tuple(done))


@st.composite
def states(draw: st.DrawFn) -> State:
    """A network before a close: who holds what, what was sold of whom, what came in."""
    state = State(operator=PersonId(bytes(32)))
    state.policy = replace(state.policy, revenue_treasury_ppm=draw(ppm), royalty_ppm=draw(ppm))
    for who, amount in draw(holdings).items():
        state.earned.put((who, SHARES), amount)
    for licence_id in LICENCES[1:]:
        digest = licence_id.encode() * 32
        credits = tuple(sorted(draw(credit).items()))
        state.snapshots.put(digest, Snapshot("digits", Consent(), (), credits, 0, b""))
        sold = Licence(licence_id, digest, "Acme", "CC-BY-4.0", bytes(20), "1")
        if licence_id.startswith("model"):
            used = digest if licence_id == "model-with" else b""
            state.jobs.put(licence_id, model(used, draw(rounds)))
            sold = replace(sold, snapshot=b"", job_id=licence_id)
        state.licences.put(licence_id, sold)
    for place, deposit in enumerate(draw(deposits)):
        state.deposits.put((place, 0), deposit)
    return state


def totals(lines: list[pb.RewardLine]) -> Counter[bytes]:
    counted: Counter[bytes] = Counter()
    for line in lines:
        counted[line.asset] += int(line.amount)
    return counted


def waiting(state: State) -> Counter[bytes]:
    counted: Counter[bytes] = Counter()
    for _, deposit in state.deposits.scan():
        counted[deposit.asset] += deposit.amount
    return counted


def share_out(state: State, earned: list[pb.RewardLine]) -> None:
    """What a close does with deposits."""
    for place in due_deposits(state, earned):
        state.deposits.remove(place)


@given(states(), minted)
def test_every_unit_is_shared_out_exactly_once(state: State, earned: list[pb.RewardLine]) -> None:
    lines = list(revenue_lines(state, earned))
    assert totals(lines) == waiting(state)
    assert len(due_deposits(state, earned)) == len(state.deposits)
    assert all(int(line.amount) > 0 for line in lines), "nobody gets a line about nothing"
    keys = [(line.person, line.role, line.asset, line.licence_id) for line in lines]
    assert len(set(keys)) == len(keys), "one line for each reason"


@given(states())
def test_owners_get_what_the_policy_says(state: State) -> None:
    """A snapshot's authors; a model's trainers, and the authors behind it a quarter of theirs."""
    lines = list(revenue_lines(state, []))
    for flow in due_flows(state, []):
        treasury = flow.amount * state.policy.revenue_treasury_ppm // PPM
        royalty = (flow.amount - treasury) * state.policy.royalty_ppm // PPM
        mine = [x for x in lines if (x.licence_id, x.asset) == (flow.licence_id, flow.asset)]
        authors, trainers = weights_of(state, flow.licence_id)
        if not any(authors.values()):
            theirs, others = 0, royalty if trainers else 0  # or the holders get it all
        else:
            theirs = royalty * MODEL_AUTHORS_PPM // PPM if trainers else royalty
            others = royalty - theirs
        by_items = [line for line in mine if line.role == pb.ROLE_CONTRIBUTOR]
        by_updates = [line for line in mine if line.role == pb.ROLE_TRAINER]
        for parts, weights, pool in ((by_items, authors, theirs), (by_updates, trainers, others)):
            assert sum(int(line.amount) for line in parts) == pool
            for line in parts:
                said = line.evidence.licensed_permille or line.evidence.updates * PPM
                weight = weights[PersonId(line.person)]
                assert said == weight
                assert abs(int(line.amount) * sum(weights.values()) - pool * weight) < sum(
                    weights.values()
                )


def weights_of(state: State, licence_id: str) -> tuple[dict[PersonId, int], Counter[PersonId]]:
    """What each author's items are worth, and how many updates each trainer gave, counted anew."""
    if not licence_id:
        return {}, Counter()
    sold = state.licences[licence_id]
    if not sold.job_id:
        return dict(state.snapshots[sold.snapshot].credits), Counter()
    job = state.jobs[sold.job_id]
    used = job.terms.snapshot
    updates = Counter(who for round_ in job.rounds for who in round_.partners)
    weights = Counter({who: count * PPM for who, count in updates.items()})
    return dict(state.snapshots[used].credits) if used else {}, weights


@given(states(), minted, st.integers(0, 40))
def test_what_does_not_fit_waits_and_is_paid_later(
    state: State, earned: list[pb.RewardLine], room: int
) -> None:
    received, paid = waiting(state), Counter[bytes]()
    # In a close of its own every flow fits: its authors and trainers, all holders, the treasury.
    most = len(PEOPLE) * 3 + 1
    with pytest.MonkeyPatch.context() as patch:
        minted_now = earned
        for _ in range(len(state.deposits) + 1):
            patch.setattr(revenue, "OPERATOR_LEAVES_MAX", len(minted_now) + room)
            lines, before = list(revenue_lines(state, minted_now)), waiting(state)
            assert len(lines) <= room
            first = next((place for place, _ in state.deposits.scan()), None)
            share_out(state, minted_now)
            assert totals(lines) + waiting(state) == before
            paid += totals(lines)
            if room >= most and first is not None:
                assert first not in state.deposits, "the first come are shared first"
            minted_now, room = [], max(room, most)
    assert not len(state.deposits)
    assert paid == received
