"""What must hold for all revenue, whatever the mix of licences, assets, holders and policies."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.identity import Identity
from protocol.limits import ASSET_AMOUNT_MAX, PPM
from protocol.money import revenue
from protocol.money.revenue import deposits_left, due_flows, revenue_lines
from protocol.state import SHARES, Deposit, EpochState, LicenceState, SnapshotState, State
from protos.gen import records_pb2 as pb

PEOPLE = [Identity(bytes([i]) * 32) for i in range(1, 8)]
ASSETS = [bytes([i]) * 20 for i in range(3)]
LICENCES = ["", "a", "b", "c"]

ppm = st.integers(0, PPM)
person = st.sampled_from(PEOPLE)
holdings = st.dictionaries(person, st.integers(0, 2**62), max_size=7)
credit = st.dictionaries(person, st.integers(1, 65_536), min_size=1, max_size=7)
amounts = st.one_of(st.integers(1, 50), st.integers(1, ASSET_AMOUNT_MAX))
deposits = st.lists(
    st.builds(Deposit, st.sampled_from(ASSETS), amounts, st.sampled_from(LICENCES)), max_size=12
)
minted = st.lists(
    st.builds(
        lambda who, amount: pb.RewardLine(
            identity=who, role=pb.ROLE_CONTRIBUTOR, amount=str(amount)
        ),
        person,
        st.integers(0, 2**40),
    ),
    max_size=3,
)


@st.composite
def states(draw: st.DrawFn) -> State:
    """A network before a close: who holds what, what was sold of whom, what came in."""
    state = State(operator=Identity(bytes(32)))
    state.policy.revenue_treasury_ppm = draw(ppm)
    state.policy.royalty_ppm = draw(ppm)
    for who, amount in draw(holdings).items():
        state.earned[who, SHARES] = amount
    for licence_id in LICENCES[1:]:
        digest = licence_id.encode() * 32
        credits = dict(sorted(draw(credit).items()))
        state.snapshots[digest] = SnapshotState("digits", pb.Consent(), (), credits, 0)
        state.licences[licence_id] = LicenceState(pb.Licence(id=licence_id, snapshot=digest))
    state.epoch.deposits = draw(deposits)
    return state


def totals(lines: list[pb.RewardLine]) -> Counter[bytes]:
    counted: Counter[bytes] = Counter()
    for line in lines:
        counted[line.asset] += int(line.amount)
    return counted


def waiting(state: State) -> Counter[bytes]:
    counted: Counter[bytes] = Counter()
    for deposit in state.epoch.deposits:
        counted[deposit.asset] += deposit.amount
    return counted


@given(states(), minted)
def test_every_unit_is_shared_out_exactly_once(state: State, earned: list[pb.RewardLine]) -> None:
    lines = list(revenue_lines(state, earned))
    assert totals(lines) == waiting(state)
    assert deposits_left(state, earned) == []
    assert all(int(line.amount) > 0 for line in lines), "nobody gets a line about nothing"
    keys = [(line.identity, line.role, line.asset, line.licence_id) for line in lines]
    assert len(set(keys)) == len(keys), "one line for each reason"


@given(states())
def test_a_licences_authors_get_what_the_policy_says(state: State) -> None:
    lines = list(revenue_lines(state, []))
    for flow in due_flows(state, []):
        treasury = flow.amount * state.policy.revenue_treasury_ppm // PPM
        expected = (flow.amount - treasury) * state.policy.royalty_ppm // PPM
        mine = [x for x in lines if (x.licence_id, x.asset) == (flow.licence_id, flow.asset)]
        royalties = [line for line in mine if line.role == pb.ROLE_CONTRIBUTOR]
        assert sum(int(line.amount) for line in royalties) == (expected if flow.licence_id else 0)
        credits = state.snapshots[flow.licence_id.encode() * 32].credits if flow.licence_id else {}
        for line in royalties:
            assert line.evidence.licensed == credits[Identity(line.identity)]
            fair = expected * line.evidence.licensed
            assert abs(int(line.amount) * sum(credits.values()) - fair) < sum(credits.values())


@given(states(), minted, st.integers(0, 40))
def test_what_does_not_fit_waits_and_is_paid_later(
    state: State, earned: list[pb.RewardLine], room: int
) -> None:
    received, paid = waiting(state), Counter[bytes]()
    # In a close of its own every flow fits: its authors, all holders, the treasury.
    most = len(PEOPLE) * 2 + 1
    with pytest.MonkeyPatch.context() as patch:
        minted_now = earned
        for _ in range(len(state.epoch.deposits) + 1):
            patch.setattr(revenue, "OPERATOR_LEAVES_MAX", len(minted_now) + room)
            lines = list(revenue_lines(state, minted_now))
            assert len(lines) <= room
            first = state.epoch.deposits[:1]
            left = deposits_left(state, minted_now)
            later = State(epoch=EpochState(deposits=left))
            assert totals(lines) + waiting(later) == waiting(state)
            paid += totals(lines)
            state.epoch.deposits = left
            if room >= most and first:
                assert first[0] not in left, "the first come are shared first"
            minted_now, room = [], max(room, most)
    assert not state.epoch.deposits
    assert paid == received
