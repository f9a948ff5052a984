"""What must hold of the small network, whatever happens in it.

Whoever comes when all that was withdrawn is erased ends in the same state.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
)

from protocol import transition
from protocol.lifecycle import GONE, ItemStatus, RoundPhase
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.log.strict import LEAF_TYPES, parse_leaf
from protocol.money.accounts import conserves, promised_leaves
from protocol.rows import EARNS_A_PART, Item, ItemId
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb
from tests.chain_says import WHERE
from tests.fold import held, same
from tests.property.fold_network import CAMPAIGNS, REPAYS
from tests.simulated import Network


class Invariants(RuleBasedStateMachine):
    """They are looked at after each act; `teardown` replays the log."""

    net: Network
    promised: dict[tuple[bytes, bytes], int]
    taken_back: list[tuple[int, ItemId]]  # parts alone: log index, item

    @invariant()
    def the_books_balance(self) -> None:
        state = self.net.state
        assert conserves(state)
        shares = sum(amount for (_, asset), amount in state.earned.scan() if asset == SHARES)
        emission = state.policy.epoch_emission_micro
        assert shares == state.minted_micro <= state.closed_epoch * emission

    @invariant()
    def no_promise_is_broken_or_made_twice(self) -> None:
        state = self.net.state
        leaves: dict[tuple[bytes, bytes], int] = {
            (leaf.account, asset): amount
            for leaf in promised_leaves(state)
            for asset, amount in leaf.amounts
        }
        for key, amount in self.promised.items():
            assert leaves.get(key, 0) >= amount, "an address lost what it was promised"
        owed = sum(amount for _, amount in state.owed.scan())
        assert sum(leaves.values()) + owed == sum(amount for _, amount in state.earned.scan())

    @invariant()
    def the_contract_takes_every_proposal(self) -> None:
        """Totals never fall, and shares grow by no more than an epoch's emission."""
        payloads = [dict(payload.totals) for _, payload in self.net.state.payloads.scan()]
        for before, after in pairwise(payloads):
            assert all(after.get(asset, 0) >= total for asset, total in before.items())
            growth = after.get(WHERE.share_token, 0) - before.get(WHERE.share_token, 0)
            assert growth <= self.net.state.onchain.emission_micro

    @invariant()
    def items_are_consistent(self) -> None:
        state = self.net.state
        for item_id, item in state.items.scan():
            if item.status not in GONE:
                assert (item.status is ItemStatus.DUPLICATE) == bool(item.duplicate_of)
            assert item.is_erased == (item.status is ItemStatus.WITHDRAWN)
            assert item.duplicate_of != item_id
            assert item.author not in item.answered_by
            assert len(set(item.answered_by)) == len(item.answered_by)
            assert (item.status is ItemStatus.ACCEPTED) == (
                state.accepted.get((item.campaign_id, item.place)) == item_id
            )

    @invariant()
    def what_is_to_be_decided_waits_or_is_in_review(self) -> None:
        """Nothing is lost between two rounds, and nothing is twice in them."""
        state = self.net.state
        queued = [item_id for _, item_id in state.waiting.scan()]
        sealed = [item_id for c in CAMPAIGNS for item_id in self.net.round(c).items]
        open_ = [i for i, item in state.items.scan() if _is_open(item)]
        assert sorted(queued + sealed) == sorted(open_)
        for queue, ticket in state.queues.scan():
            (_, first), _ = next(state.waiting.scan(queue))
            assert ticket == first
        assert sum(state.waiting.count(queue) for queue, _ in state.queues.scan()) == len(queued)
        for (_, ticket), item_id in state.waiting.scan():
            assert state.items[item_id].ticket == ticket

    @invariant()
    def a_round_leaves_nothing_behind(self) -> None:
        state = self.net.state
        for c in CAMPAIGNS:
            round_ = self.net.round(c)
            tables = {
                "candidates": state.candidates.has(c),
                "tosses": state.tosses.has(c),
                "awaited": any((nonce, c) in state.awaited for nonce, _ in state.coins.scan()),
                "tasks": state.tasks.has(c),
                "assignments": state.assignments.has(c),
                "commits": state.commits.has(c),
                "revealed": state.revealed.has(c),
                "gold": bool(round_.gold_hashes),
                "items": bool(round_.items),
            }
            held = {name for name, full in tables.items() if full}
            match round_.phase:
                case RoundPhase.OPEN:
                    assert not held
                case RoundPhase.SEALED:
                    assert "awaited" in held
                    assert held <= {"candidates", "tosses", "awaited", "items", "gold"}
                case _:
                    assert {"tasks", "assignments", "items", "candidates", "tosses"} <= held
                    drawn = [who for (_, who), _ in state.tasks.scan(c)]
                    assert [who for (_, who), _ in state.candidates.scan(c)] == drawn

    @invariant()
    def a_coin_is_kept_as_long_as_a_round_needs_it(self) -> None:
        state = self.net.state
        kept = {nonce for nonce, _ in state.coins.scan()}
        under_way = [r for _, r in state.rounds.scan() if r.phase is not RoundPhase.OPEN]
        assert kept == {state.coin_nonce, *(round_.coin for round_ in under_way)}
        assert {nonce for (nonce, _), _ in state.deals.scan()} <= kept

    @invariant()
    def answers_wait_for_their_pay_and_no_longer(self) -> None:
        state = self.net.state
        counted: Counter[tuple[str, bytes]] = Counter()
        for (c, item_id, person), _ in state.answers.scan():
            counted[c, person] += 1
            ended = state.items[item_id].decided_in
            # A contest that nobody decided leaves the item with the epoch in which it was decided before.
            late = ended is None or ended >= state.epoch or state.items[item_id].contested
            assert late, "it was paid, and is still there"
        assert dict(state.reviewed.scan()) == dict(counted)

    @invariant()
    def every_place_is_paid_once(self) -> None:
        """Whatever is withdrawn, contested and submitted again: paid, or due now, is what stands or is owed,
        to the last millionth."""
        state = self.net.state
        paid: Counter[tuple[bytes, str]] = Counter()
        for entry in self.net.log:
            if (envelope := parse_envelope(entry.raw)).kind == "close":
                assert state.keys[envelope.key] == state.operator
                for line in (parse_leaf(pb.RewardLine, leaf) for leaf in entry.leaves):
                    found, key = line.evidence, (line.person, line.campaign_id)
                    paid[key] += self.worth(line, found.accepted, found.derivatives)
                    paid[key] -= found.repaid_micro
        for (author, c, revision), due in state.contributions.scan():
            terms = pb.RewardLine(campaign_id=c, revision=revision)
            paid[author, c] += self.worth(terms, due.accepted, due.derivatives)
        worth = Counter(dict(state.repayable.scan()))
        for _, item in state.items.scan():
            if item.earned and item.status is not ItemStatus.WITHDRAWN:
                terms = pb.RewardLine(campaign_id=item.campaign_id, revision=item.revision)
                derived = (item.before or item).relation in EARNS_A_PART
                worth[item.author, item.campaign_id] += self.worth(terms, 1, derived)
        for c in REPAYS:
            assert {k: n for k, n in worth.items() if k[1] == c and n} == {
                k: n for k, n in paid.items() if k[1] == c and n
            }

    def worth(self, line: pb.RewardLine, accepted: int, derivatives: int) -> int:
        """What accepted items earn by the terms of a line; prices here are of whole thousands."""
        if not line.campaign_id:
            return 0
        terms = self.net.state.campaign_under(line.campaign_id, line.revision)
        part = terms.derivative_permille * derivatives
        return (1_000 * (accepted - derivatives) + part) * terms.price_ppm // 1_000

    @invariant()
    def snapshots_know_what_was_withdrawn(self) -> None:
        state = self.net.state
        for _, snapshot in state.snapshots.scan():
            gone = [i for i in snapshot.items if state.items[i].status in GONE]
            parts = [
                i for at, i in self.taken_back if at > snapshot.logged_at and i in snapshot.items
            ]
            assert snapshot.withdrawn == len(gone) + len(parts)

    def teardown(self) -> None:
        """Replays the log whole; as one that was checked before; and as it is once all or some of what was
        withdrawn is erased: wherever everything that is missing is explained, nothing tells it from having
        been there."""
        whole, again = State(), State()
        gone, whose = self.net.erased_since(), self._owners()
        later = [(gone, State()), ({each for each in gone if whose[each][0] % 2}, State())]
        for entry in self.net.log:
            transition.apply(whole, entry.raw, entry.leaves)
            transition.reapply(again, entry.raw, entry.leaves)
            for erased, state in later if gone else ():
                transition.apply(state, entry.raw, entry.erased(erased))
                if not len(state.unexplained):
                    assert held(state) == held(whole)
        assert same(whole, self.net.state), "a replay of the log ends elsewhere"
        assert same(again, whole), "what was checked before ends elsewhere"
        for _, state in later if gone else ():
            transition.require_explained(state)
            assert same(state, whole)

    def _owners(self) -> dict[bytes, ItemId]:
        """Whose each leaf of a submission is: its own, or that of a part of an item."""
        owners: dict[bytes, ItemId] = {}
        for entry in self.net.log:
            if parse_envelope(entry.raw).kind == "submission":
                for leaf in entry.leaves:
                    if leaf[0] == LEAF_TYPES["Item"]:
                        parts = (each.hash for each in parse_leaf(pb.Item, leaf).optional)
                        owners |= dict.fromkeys((hash_leaf(leaf), *parts), hash_leaf(leaf))
        return owners


def _is_open(item: Item) -> bool:
    """Whether a verdict on the item is still to come."""
    return item.decided_in is None and item.status not in (
        ItemStatus.DUPLICATE,
        *GONE,
    )
