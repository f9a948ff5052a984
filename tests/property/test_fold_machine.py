"""The fold under random lives: whatever people and operator do, in whatever order, the books balance.

Hypothesis plays a small network: people submit honest, wrong and copied items, stand by and stay silent,
change their addresses; the operator leads epochs, settles, and tries records out of place. What the rules
allow must keep every invariant; what they refuse must raise Misbehaviour and change nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocol.accounts import conserves, cumulative_leaves
from protocol.errors import Misbehaviour
from protocol.lifecycle import EpochPhase, ItemStatus
from protocol.settlement import Address, build_tree, publication_digest, sum_totals
from protocol.state import SHARES
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK, Network, Person, policy

PEOPLE = 6
TOKENS = (bytes(20), b"\x05" * 20)
SHARE_TOKEN = b"\x02" * 20
SETTLEMENT = b"\x01" * 20
# One judge is always wrong and one abstains, so that verdicts differ.
JUDGES: dict[int, Callable[[int], int | None]] = {4: lambda t: (t + 1) % 10, 5: lambda _: None}

who = st.integers(0, PEOPLE - 1)
some = st.sets(who)
everybody = frozenset(range(PEOPLE))
# Silence is the exception.
most = st.one_of(
    st.just(everybody), st.sets(who, max_size=2).map(lambda absent: everybody - absent)
)
kinds = st.lists(st.sampled_from(["right", "right", "wrong", "copy"]), min_size=1, max_size=4)


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
            leaves.append(self.net.item(truth, label, content))
        assert self.attempt(lambda: self.net.submit(self.people[who], leaves))

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

    # ---- records out of place ----

    @rule(act=st.sampled_from(["draw", "verdict", "close"]))
    def hurry(self, act: str) -> None:
        self.attempt(getattr(self.net, act))

    @rule(place=st.integers(0, 10_000))
    def play_again(self, place: int) -> None:
        entry = self.net.log[place % len(self.net.log)]
        assert not self.attempt(lambda: self.net.add_raw(entry.raw, entry.leaves))

    # ---- money ----

    @rule(asset=st.sampled_from([*TOKENS, SHARE_TOKEN]), amount=st.integers(0, 10**38))
    def receive(self, asset: bytes, amount: int) -> None:
        body = pb.Revenue(
            network=NETWORK, asset=asset, amount=str(amount), tx_hash=self.net.fresh()
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
            assert (item.status is ItemStatus.DUPLICATE) == bool(item.duplicate_of)
            assert item.duplicate_of != item_id
            assert item.author not in item.answered_by
            assert len(set(item.answered_by)) == len(item.answered_by)
        assert len(set(state.pending)) == len(state.pending), "an item waits twice"
        waiting = {state.items[item_id].status for item_id in state.pending}
        assert waiting <= {ItemStatus.SUBMITTED, ItemStatus.UNDECIDED}

    def teardown(self) -> None:
        assert self.net.replay() == self.net.state, "a replay of the log ends elsewhere"


TestFold = FoldMachine.TestCase
TestFold.settings = settings(
    max_examples=40, stateful_step_count=30, derandomize=True, database=None, deadline=None
)
