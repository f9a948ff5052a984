"""The fold under random lives: whatever people and operator do, in whatever order, the books balance.

Hypothesis plays a small network: people submit honest, wrong and copied items and withdraw them, stand
by and stay silent, change their addresses, train; the operator leads epochs, sells snapshots, settles, and
tries records out of place. What the rules allow must keep every invariant; what they refuse must raise
Misbehaviour and change nothing. Whoever comes when all that was withdrawn is erased ends in the same state.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocol import transition
from protocol.errors import Misbehaviour
from protocol.lifecycle import EpochPhase, ItemStatus, JobStatus
from protocol.log.envelope import parse_envelope
from protocol.money.accounts import conserves, cumulative_leaves
from protocol.money.settlement import Address, build_tree, publication_digest, sum_totals
from protocol.review.fingerprints import fingerprint_pixels, is_near_duplicate
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb
from tests.simulated import EVERY_USE, NETWORK, Network, Person, policy
from tests.simulated_training import end_of, enrol, finish, model_of, open_job, round_of, update

PEOPLE = 6
TOKENS = (bytes(20), b"\x05" * 20)
SHARE_TOKEN = b"\x02" * 20
SETTLEMENT = b"\x01" * 20
# One judge is always wrong and one abstains, so that verdicts differ.
JUDGES: dict[int, Callable[[int], int | None]] = {4: lambda t: (t + 1) % 10, 5: lambda _: None}


def _pictures() -> list[bytes]:
    """Fingerprints of one picture and of nearly the same: each resembles its neighbours most."""
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (28, 28))
    noise = rng.normal(0, 5, (28, 28))
    steps = [np.clip(picture + step * noise, 0, 255).astype(np.uint8) for step in range(4)]
    return [fingerprint_pixels(step.tobytes(), 28, 28) for step in steps]


PICTURES = _pictures()
who = st.integers(0, PEOPLE - 1)
some = st.sets(who)
everybody = frozenset(range(PEOPLE))
# Silence is the exception.
most = st.one_of(
    st.just(everybody), st.sets(who, max_size=2).map(lambda absent: everybody - absent)
)
kinds = st.lists(
    st.sampled_from(["right", "right", "wrong", "copy", "alike", "alike", "private use"]),
    min_size=1,
    max_size=4,
)
scopes = st.sampled_from([EVERY_USE, pb.Consent(train=True)])


def test_the_pictures_resemble_each_other() -> None:
    assert len(set(PICTURES)) == len(PICTURES)
    near = {is_near_duplicate(PICTURES[0], other) for other in PICTURES[1:]}
    assert near == {True, False}, "some are copies of each other's copies only"


def void(_: object) -> None:
    """For acts whose result nobody needs."""


class FoldMachine(RuleBasedStateMachine):
    """One network from its genesis on."""

    def __init__(self) -> None:
        super().__init__()
        people = [Person(f"p{i}", JUDGES.get(i, lambda truth: truth)) for i in range(PEOPLE)]
        self.net = Network(*people, policy=policy(rounds_max=2, witness_quorum=2))
        self.people = people
        self.promised: dict[tuple[bytes, bytes], int] = {}
        self.addresses = 0
        deployment = pb.Deployment(
            network=NETWORK, chain_id=1, settlement=SETTLEMENT, share_token=SHARE_TOKEN
        )
        self.net.add(self.net.operator, "deployment", deployment)

    def attempt(self, act: Callable[[], None]) -> bool:
        """Whether the rules let it pass; if not, nothing may have changed."""
        before = copy.deepcopy(self.net.state)
        try:
            act()
        except Misbehaviour:
            assert self.net.state == before, "a refused record changed the state"
            return False
        return True

    # ---- contributors and reviewers ----

    @rule(who=who, kinds=kinds)
    def submit(self, who: int, kinds: list[str]) -> None:
        leaves = []
        for kind in kinds:
            truth = self.net.random.randrange(10)
            content = b"the same old picture" if kind == "copy" else None
            label = (truth + 3) % 10 if kind == "wrong" else truth
            alike = PICTURES[self.net.random.randrange(len(PICTURES))] if kind == "alike" else None
            consent = pb.Consent(train=True, redistribute=True)
            consent.commercial = kind != "private use"
            leaves.append(self.net.item(truth, label, content, consent, alike))
        assert self.attempt(lambda: self.net.submit(self.people[who], leaves))

    @rule(picks=st.lists(st.integers(0, 10_000), min_size=1, max_size=4))
    def withdraw(self, picks: list[int]) -> None:
        """Items that one person submitted, the latest as often as any other."""
        items = self.net.state.items
        if not items:
            return
        author = list(items.values())[picks[0] % len(items)].author
        own = [item_id for item_id, item in items.items() if item.author == author]
        chosen = {own[pick % len(own)] for pick in picks}
        (person,) = (p for p in self.people if p.identity == author)
        if self.attempt(lambda: self.net.withdraw(person, sorted(chosen))):
            assert not chosen & set(self.net.state.pending)

    @rule(who=some)
    def stand_by(self, who: set[int]) -> None:
        for person in (self.people[i] for i in sorted(who)):
            opened = list(person.beacons)
            if not self.attempt(partial(self.net.stand_by, person)):
                person.beacons = opened

    @rule(who=who, taken=st.booleans())
    def change_address(self, who: int, taken: bool) -> None:
        self.addresses += 1
        wallet = self.people[0] if taken else Person(f"address {self.addresses}")
        person = self.people[who]
        old, person.wallet = person.wallet, wallet.wallet
        if not self.attempt(
            lambda: self.net.add(person, "register", self.net.registration(person))
        ):
            person.wallet = old

    # ---- the operator leads the epoch ----

    @precondition(lambda self: not self.net.gold)
    @rule(count=st.integers(0, 3))
    def commit_gold(self, count: int) -> None:
        items = list(self.net.truth)[-count:] if count else []
        if not self.attempt(lambda: self.net.commit_gold(items)):
            self.net.gold = {}

    @rule(who=most)
    def advance(self, who: frozenset[int]) -> None:
        net, active = self.net, [self.people[i] for i in sorted(who)]
        match net.state.epoch.phase:
            case EpochPhase.SUBMITTING if net.state.pending:
                net.phase(pb.PHASE_BEACON)
            case EpochPhase.BEACON:
                net.open_beacons(*(p for p in active if self._stands_by(p)))
                net.draw()
                self._check_draw()
            case EpochPhase.COMMITTING:
                drawn = [p for p in active if p.identity in net.state.epoch.round.tasks]
                self.answers = {p.name: net.answers(p) for p in drawn}
                for person in drawn:
                    net.commit(person, self.answers[person.name])
                net.phase(pb.PHASE_REVEALING)
            case EpochPhase.REVEALING:
                for person in active:
                    if person.identity in net.state.epoch.round.commits:
                        net.reveal(person, self.answers[person.name])
                net.verdict()
            case _:
                net.close()

    @rule(who=most, kinds=kinds)
    def live_an_epoch(self, who: frozenset[int], kinds: list[str]) -> None:
        """Random steps alone would seldom get as far as a close."""
        if self.net.state.epoch.phase is EpochPhase.SUBMITTING:
            self.submit(min(who, default=0), kinds)
            self.stand_by(set(who))
        present = self.net.state.epoch.number
        while self.net.state.epoch.number == present:
            self.advance(who)

    def _stands_by(self, person: Person) -> bool:
        return bool(self.net.state.members[person.identity].standby)

    def _check_draw(self) -> None:
        state = self.net.state
        for item_id, reviewers in state.epoch.round.assignments.items():
            item = state.items[item_id]
            voices = [state.members[who].payout for who in (item.author, *reviewers)]
            assert len(set(voices)) == len(voices), "an address has two voices, or reviews its own"
            assert not set(reviewers) & set(item.answered_by), "somebody is asked twice"

    # ---- datasets and training ----

    @precondition(lambda self: bool(self.net.state.earned))
    @rule(scope=scopes, asset=st.sampled_from(TOKENS))
    def sell(self, scope: pb.Consent, asset: bytes) -> None:
        state = self.net.state
        if not self.attempt(lambda: void(self.net.snapshot(scope))):
            return
        digest = next(reversed(state.snapshots))
        held = {state.items[item_id].status for item_id in state.snapshots[digest].items}
        assert held == {ItemStatus.ACCEPTED}
        sale = f"sale-{len(state.licences)}"
        assert scope.commercial == self.attempt(lambda: self.net.license(digest, id=sale))
        self.receive(asset, 1_000_001, sale)
        assert bool(state.epoch.deposits[-1].licence_id) == (scope.commercial and not any(asset))

    @precondition(lambda self: all(job.result for job in self.net.state.jobs.values()))
    @rule(who=st.sets(who, min_size=2), price_ppm=st.integers(1, 10**9))
    def start_training(self, who: set[int], price_ppm: int) -> None:
        partners = [self.people[i] for i in sorted(who)]
        job_id = f"job-{len(self.net.state.jobs)}"
        open_job(self.net, *partners, id=job_id, price_ppm=price_ppm)
        enrol(self.net, *partners, job_id=job_id)

    @precondition(lambda self: bool(self.net.state.jobs))
    @rule(who=most)
    def go_on_training(self, who: frozenset[int]) -> None:
        for job_id, job in self.net.state.jobs.items():
            if job.status in (JobStatus.OPEN, JobStatus.TRAINING):
                joined = [p for p in self.people if p.identity in job.partners]
                active = [p for p in joined if self.people.index(p) in who]
                for person in active:
                    self.attempt(partial(update, self.net, person, job_id=job_id))
                body = round_of(self.net, *active, job_id=job_id)
                if self.attempt(partial(self.net.add, self.net.operator, "training-round", body)):
                    assert len(active) >= job.record.quorum

    @precondition(lambda self: bool(self.net.state.jobs))
    @rule(completed=st.booleans())
    def stop_training(self, completed: bool) -> None:
        for job_id, job in self.net.state.jobs.items():
            body = model_of(self.net, job_id) if completed else end_of(job_id, job.epsilon_micro)
            self.attempt(partial(finish, self.net, body))

    # ---- records out of place ----

    @rule(act=st.sampled_from(["draw", "verdict", "close"]))
    def hurry(self, act: str) -> None:
        self.attempt(getattr(self.net, act))

    @rule(place=st.integers(0, 10_000))
    def play_again(self, place: int) -> None:
        entry = self.net.log[place % len(self.net.log)]
        assert not self.attempt(lambda: self.net.add_raw(entry.raw, entry.leaves))

    # ---- money ----

    @rule(
        asset=st.sampled_from([*TOKENS, SHARE_TOKEN]),
        amount=st.integers(0, 10**38),
        memo=st.sampled_from(["", "sale-0", "sale-1"]),
    )
    def receive(self, asset: bytes, amount: int, memo: str) -> None:
        body = pb.Revenue(
            network=NETWORK, asset=asset, amount=str(amount), tx_hash=self.net.fresh(), memo=memo
        )
        paid = self.attempt(lambda: self.net.add(self.net.operator, "revenue", body))
        assert not (paid and asset == SHARE_TOKEN)

    @precondition(lambda self: bool(self.net.state.earned))
    @rule(who=most)
    def settle(self, who: frozenset[int]) -> None:
        state, leaves = self.net.state, cumulative_leaves(self.net.state)
        if not leaves or not self.attempt(self._propose):
            return
        self.promised = {(leaf.account, leaf.asset): leaf.cumulative for leaf in leaves}
        for person in (self.people[i] for i in sorted(who)):
            self.attempt(partial(self._attest, person))
        proposal = state.proposal
        assert proposal is not None
        body = pb.Published(
            network=NETWORK, epoch=proposal.epoch, root=proposal.root, tx_hash=self.net.fresh()
        )
        published = self.attempt(lambda: self.net.add(self.net.operator, "published", body))
        assert published == (len({self.people[i].address for i in who}) >= 2)

    def _propose(self) -> None:
        leaves = cumulative_leaves(self.net.state)
        body = pb.Settlement(
            network=NETWORK,
            epoch=self.net.state.closed_epoch,
            root=build_tree(leaves).root,
            totals=[pb.AssetTotal(asset=a, amount=str(n)) for a, n in sum_totals(leaves).items()],
            leaves=len(leaves),
        )
        self.net.add(self.net.operator, "settlement", body)

    def _attest(self, person: Person) -> None:
        proposal = self.net.state.proposal
        assert proposal is not None
        digest = publication_digest(
            1, Address(SETTLEMENT), proposal.epoch, proposal.root, proposal.totals
        )
        body = pb.Attest(
            network=NETWORK,
            epoch=proposal.epoch,
            root=proposal.root,
            signature=person.sign_digest(digest),
        )
        self.net.add(person, "attest", body)

    # ---- what must hold, always ----

    @invariant()
    def the_books_balance(self) -> None:
        state = self.net.state
        assert conserves(state)
        shares = sum(amount for (_, asset), amount in state.earned.items() if asset == SHARES)
        emission = state.policy.epoch_emission_micro
        assert shares == state.minted_micro <= state.closed_epoch * emission

    @invariant()
    def no_promise_is_broken_or_made_twice(self) -> None:
        leaves: dict[tuple[bytes, bytes], int] = {
            (leaf.account, leaf.asset): leaf.cumulative
            for leaf in cumulative_leaves(self.net.state)
        }
        for key, amount in self.promised.items():
            assert leaves.get(key, 0) >= amount, "an address lost what it was promised"
        assert sum(leaves.values()) == sum(self.net.state.earned.values())

    @invariant()
    def items_are_consistent(self) -> None:
        state = self.net.state
        for item_id, item in state.items.items():
            if item.status is not ItemStatus.WITHDRAWN:
                assert (item.status is ItemStatus.DUPLICATE) == bool(item.duplicate_of)
            assert item.is_erased == (item.status is ItemStatus.WITHDRAWN)
            assert item.duplicate_of != item_id
            assert item.author not in item.answered_by
            assert len(set(item.answered_by)) == len(item.answered_by)
        assert len(set(state.pending)) == len(state.pending), "an item waits twice"
        waiting = {state.items[item_id].status for item_id in state.pending}
        assert waiting <= {ItemStatus.SUBMITTED, ItemStatus.UNDECIDED}

    @invariant()
    def every_place_is_paid_once(self) -> None:
        """Whatever is withdrawn and submitted again: paid is what stands, or is still owed."""
        state = self.net.state
        paid: Counter[tuple[bytes, str]] = Counter()
        for entry in self.net.log:
            if (envelope := parse_envelope(entry.raw)).kind == "close":
                assert envelope.author == state.operator
                for line in map(pb.RewardLine.FromString, entry.leaves):
                    count = line.evidence.accepted - line.evidence.repaid
                    paid[line.identity, line.campaign_id] += count
        worth = Counter(state.repayable)
        for item in state.items.values():
            closed = item.decided_in is not None and item.decided_in <= state.closed_epoch
            worth[item.author, item.campaign_id] += closed and item.status is ItemStatus.ACCEPTED
        assert +worth == +paid

    @invariant()
    def snapshots_know_what_was_withdrawn(self) -> None:
        state = self.net.state
        for snapshot in state.snapshots.values():
            gone = [i for i in snapshot.items if state.items[i].status is ItemStatus.WITHDRAWN]
            assert snapshot.withdrawn == len(gone)

    def teardown(self) -> None:
        """Replays the log whole, and as it is once all or some of what was withdrawn is erased: wherever
        everything that is missing is explained, nothing tells it from having been there."""
        whole = State()
        gone = {i for i, item in self.net.state.items.items() if item.is_erased}
        later = [(gone, State()), ({item_id for item_id in gone if item_id[0] % 2}, State())]
        for entry in self.net.log:
            transition.apply(whole, entry.raw, entry.leaves)
            for erased, state in later if gone else ():
                transition.apply(state, entry.raw, entry.erased(erased))
                assert state.unexplained or state == whole
        assert whole == self.net.state, "a replay of the log ends elsewhere"
        for _, state in later:
            transition.require_explained(state)


TestFold = FoldMachine.TestCase
TestFold.settings = settings(
    max_examples=80, stateful_step_count=40, derandomize=True, database=None, deadline=None
)
