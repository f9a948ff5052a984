"""What may happen in the small network that Hypothesis plays.

People submit honest, wrong and copied items to campaigns of every kind and withdraw them, stand by and stay
silent, add keys and change their addresses, train; the operator leads each campaign's rounds in its own time,
pauses it, closes epochs whenever it likes, changes the policy, sells snapshots, settles, and tries records
out of place. What the rules allow must keep every invariant, and say truly what it changed; what they refuse
must raise Misbehaviour and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
)

from protocol.errors import Misbehaviour
from protocol.lifecycle import GONE, CampaignStatus, ItemStatus, JobStatus, RoundPhase
from protocol.log.envelope import parse_envelope
from protocol.money import events
from protocol.money.accounts import promised_leaves
from protocol.money.ballot import policy_hash
from protocol.rows import Item, ItemId
from protocol.rules import sealing
from protocol.rules.contesting import can_be_contested, contests_until, may_have_rounds
from protocol.rules.network import holders_decide
from protos.gen import records_pb2 as pb
from tests.chain_says import TOKEN, WHERE, attest, deploy, pay, posted, says, settlement
from tests.property.fold_invariants import Invariants
from tests.property.fold_network import (
    CAMPAIGNS,
    CHOICES,
    JUDGES,
    PEOPLE,
    PICTURES,
    RELATIONS,
    TOKENS,
    Watched,
    campaigns,
)
from tests.simulated import EVERY_USE, NETWORK, Person, policy
from tests.simulated_training import (
    add_round,
    end_of,
    enrol,
    finish,
    model_of,
    open_job,
    round_of,
    update,
)

who = st.integers(0, PEOPLE - 1)
some = st.sets(who)
everybody = frozenset(range(PEOPLE))
# Silence is the exception.
most = st.one_of(
    st.just(everybody), st.sets(who, max_size=2).map(lambda absent: everybody - absent)
)
where = st.sampled_from(CAMPAIGNS)
kinds = st.lists(
    st.sampled_from(
        ["right", "right", "wrong", "copy", "alike", "alike", "bare", "private use", "mute"]
    ),
    min_size=1,
    max_size=4,
)
lives = st.lists(st.tuples(where, kinds), min_size=1, max_size=4)
picks = st.lists(st.integers(0, 10_000), min_size=1, max_size=4)
scopes = st.sampled_from([EVERY_USE, pb.Consent(train=True)])


def void(_: object) -> None:
    """For acts whose result nobody needs."""


class FoldMachine(Invariants):
    """One network from its genesis on."""

    def __init__(self) -> None:
        super().__init__()
        people = [
            Person(
                f"p{i}", JUDGES.get(i, lambda truth: truth), relation=RELATIONS[i % len(RELATIONS)]
            )
            for i in range(PEOPLE)
        ]
        self.net = Watched(*people, policy=policy())
        self.people = people
        self.hands = [[person] for person in people]  # each person's devices
        self.promised: dict[tuple[bytes, bytes], int] = {}
        self.addresses = 0
        self.taken_back: list[tuple[int, ItemId]] = []  # parts alone: log index, item
        self.answers: dict[tuple[str, str], list[bytes]] = {}
        for each in campaigns():
            self.net.add(self.net.operator, "campaign", each)
        deploy(self.net)

    def attempt(self, act: Callable[[], None]) -> bool:
        """Whether the rules let it pass."""
        try:
            act()
        except Misbehaviour:
            return False
        return True

    def hand(self, place: int) -> Person:
        """A person with one of their keys."""
        return self.hands[place][self.net.random.randrange(len(self.hands[place]))]

    # ---- contributors and reviewers ----

    @rule(who=who, c=where, kinds=kinds)
    def submit(self, who: int, c: str, kinds: list[str]) -> None:
        net, leaves = self.net, []
        for kind in kinds:
            truth = net.random.randrange(CHOICES[c])
            alike = kind in ("alike", "bare") and c == "pictures"
            consent = pb.Consent(train=True, redistribute=True, commercial=kind != "private use")
            leaves.append(
                net.item(
                    truth,
                    (truth + 1) % CHOICES[c] if kind == "wrong" else truth,
                    content=b"the same old picture" if kind == "copy" else None,
                    fingerprint=PICTURES[net.random.randrange(len(PICTURES))] if alike else None,
                    consent=consent,
                    c=c,
                    proposes=kind != "mute" or c != "stars",
                    without=("back",) if kind == "bare" else (),
                )
            )
        taken = self.attempt(lambda: net.submit(self.hand(who), leaves, c))
        assert taken == self._is_live(c)

    @rule(picks=picks)
    def withdraw(self, picks: list[int]) -> None:
        """Items that one person submitted, the latest as often as any other."""
        place, chosen = self._choose(list(self.net.state.items.scan()), picks)
        gone = {i for i in chosen if self.net.state.items[i].is_erased}
        done = self.attempt(lambda: self.net.withdraw(self.hand(place), sorted(chosen)))
        may = chosen and not chosen & (self._reviewed() | gone)
        assert done == bool(may), "all but what is in review may go, once"

    @rule(picks=picks)
    def contest(self, picks: list[int]) -> None:
        """An item that was set aside as a copy, or earned a part, mostly."""
        every = list(self.net.state.items.scan())
        aside = [pair for pair in every if can_be_contested(pair[1])]
        place, chosen = self._choose(aside if aside and picks[-1] % 4 else every, picks[:2])
        for item_id in sorted(chosen)[:1]:
            item = self.net.state.items[item_id]
            done = self.attempt(partial(self.net.contest, self.hand(place), item_id))
            campaign = self.net.campaign(item.campaign_id)
            in_time = self.net.state.epoch <= contests_until(campaign, item)
            closed = campaign.status is CampaignStatus.CLOSED
            assert done == (can_be_contested(item) and (in_time or not closed))

    @rule(picks=picks, name=st.sampled_from(["back", "back", "back", "image"]))
    def take_a_part_back(self, picks: list[int], name: str) -> None:
        """Of items that have it, mostly; one that the campaign requires, or nobody has, never."""
        items = list(self.net.state.items.scan())
        having = [pair for pair in items if "back" in _parts_of(pair[1])]
        place, chosen = self._choose(having if picks[-1] % 4 else items, picks)
        lacking = {i for i in chosen if name not in _parts_of(self.net.state.items[i])}
        done = self.attempt(lambda: self.net.withdraw(self.hand(place), sorted(chosen), name))
        may = name == "back" and chosen and not chosen & (self._reviewed() | lacking)
        assert done == bool(may), "what may be missing may go, once"
        if done:
            at, items_now = len(self.net.log) - 1, self.net.state.items
            whole = (i for i in chosen if items_now[i].status is not ItemStatus.TAKEN_DOWN)
            self.taken_back += ((at, item_id) for item_id in whole)

    def _choose(
        self, items: Sequence[tuple[ItemId, Item]], picks: Sequence[int]
    ) -> tuple[int, set[ItemId]]:
        """Some items of one author, whose place is given, too; none where there are none."""
        if not items:
            return 0, set()
        author = items[picks[0] % len(items)][1].author
        own = [item_id for item_id, item in items if item.author == author]
        (place,) = (i for i, person in enumerate(self.people) if person.id == author)
        return place, {own[pick % len(own)] for pick in picks}

    def _reviewed(self) -> set[ItemId]:
        return {i for c in CAMPAIGNS for i in self.net.round(c).items}

    @rule(who=some, c=where)
    def stand_by(self, who: set[int], c: str) -> None:
        for place in sorted(who):
            needed = may_have_rounds(self.net.state, self.net.campaign(c))
            stands = self.net.state.standbys.get((c, self.people[place].id))
            hand = self.hand(place)
            done = self.attempt(partial(self.net.stand_by, hand, c=c))
            assert done == (needed or stands == hand.key)

    @rule(who=who, c=where)
    def stand_down(self, who: int, c: str) -> None:
        stood = (c, self.people[who].id) in self.net.state.standbys
        assert stood == self.attempt(partial(self.net.stand_down, self.hand(who), c))

    @rule(who=who)
    def add_a_key(self, who: int) -> None:
        device = self.people[who].device(f"device {len(self.hands[who])}")
        if self.attempt(lambda: self.net.delegate(device)):
            self.hands[who].append(device)

    @rule(who=who, taken=st.booleans())
    def change_address(self, who: int, taken: bool) -> None:
        self.addresses += 1
        wallet = self.people[0] if taken else Person(f"address {self.addresses}")
        serial = self.net.state.members[self.people[who].id].serial + 1
        body = self.net.registration(self.people[who], serial, wallet)
        person = self.hand(who)
        body.delegation.CopyFrom(person.delegation())
        if self.attempt(lambda: self.net.add(person, "register", body)):
            for device in self.hands[who]:
                device.wallet = wallet.wallet

    # ---- the operator leads the rounds and closes epochs ----

    @rule(who=most, c=where, gold=st.booleans())
    def advance(self, who: frozenset[int], c: str, gold: bool = False) -> None:
        net, active = self.net, [self.hand(i) for i in sorted(who)]
        match net.round(c).phase:
            case RoundPhase.OPEN:
                self._seal(c, gold)
            case RoundPhase.SEALED:
                net.draw(c)
                self._check_draw(c)
            case RoundPhase.COMMITTING:
                for person in active:
                    if (c, person.id) in net.state.tasks:
                        self.answers[c, person.id.hex()] = net.answers(person, c)
                        net.commit(person, self.answers[c, person.id.hex()], c)
                net.end_commits(c)
            case RoundPhase.REVEALING:
                for person in active:
                    if (c, person.id) in net.state.commits:
                        net.reveal(person, self.answers[c, person.id.hex()], c)
                net.verdict(c)

    def _seal(self, c: str, gold: bool) -> None:
        net = self.net
        if not net.state.queues.has(c):
            return
        fresh = sealing.compute_seal(net.state, net.campaign(c)).items
        sealed = self.attempt(lambda: net.seal(fresh[:1] if gold else (), c))
        paused = self.net.campaign(c).status is CampaignStatus.PAUSED
        assert sealed != paused, "what waits can always be sealed"

    @rule(who=most, c=where, kinds=kinds)
    def live_a_round(self, who: frozenset[int], c: str, kinds: list[str]) -> None:
        """Random steps alone would seldom get as far as a verdict."""
        if self.net.round(c).phase is RoundPhase.OPEN:
            author = self.net.random.choice(sorted(who)) if who else 0
            self.submit(author, c, kinds)
            self.submit(self.net.random.randrange(PEOPLE), c, kinds[:1])
            self.stand_by(set(who), c)
            self.advance(who, c)
        for _ in range(4):
            if self.net.round(c).phase is not RoundPhase.OPEN:
                self.advance(who, c)
        assert self.net.round(c).phase is RoundPhase.OPEN

    @initialize(who=most, lives=lives)
    def begin(self, who: frozenset[int], lives: list[tuple[str, list[str]]]) -> None:
        self.live_an_epoch(who, lives)

    @rule(who=most, lives=lives, settles=st.booleans())
    def live_an_epoch(
        self, who: frozenset[int], lives: list[tuple[str, list[str]]], settles: bool = False
    ) -> None:
        for c, kinds in lives:
            self.live_a_round(who, c, kinds)
        self.close()
        if settles:
            self.settle(who)

    @rule()
    def close(self) -> None:
        """At any time, and it always succeeds."""
        self.net.close()

    @rule(c=where, paused=st.booleans())
    def pause(self, c: str, paused: bool) -> None:
        status = self.net.campaign(c).status
        other = (status is CampaignStatus.PAUSED) != paused
        done = self.attempt(partial(self.net.pause, paused, c))
        assert done == (other and status is not CampaignStatus.CLOSED)

    def _is_live(self, c: str) -> bool:
        return self.net.campaign(c).status is CampaignStatus.OPEN

    @rule(c=where, price_ppm=st.sampled_from([400_000, 1_000_000]), window_ms=st.integers(1, 2))
    def change_terms(self, c: str, price_ppm: int, window_ms: int) -> None:
        """At any time, and it moves nothing that was submitted or sealed before."""
        before = self.net.campaign(c)
        terms = asdict(before.rounds) | {"commit_ms": window_ms}
        other = (before.price_ppm, before.rounds.commit_ms) != (price_ppm, window_ms)
        act = partial(self.net.change, c, price_ppm=price_ppm, rounds=pb.RoundTerms(**terms))
        done = self.attempt(act)
        assert done == (other and before.status is not CampaignStatus.CLOSED)
        old = self.net.state.campaign_under(c, before.revision)
        assert (old.terms, old.revision) == (before.terms, before.revision)

    @rule(c=where, chance=st.integers(0, 7))
    def close_a_campaign(self, c: str, chance: int) -> None:
        """At any time, and seldom: nothing more happens in it but what was contested."""
        if chance:
            return
        closed = self.net.campaign(c).status is CampaignStatus.CLOSED
        assert closed != self.attempt(partial(self.net.close_campaign, c))
        waiting = [i for queue, i in self.net.state.waiting.scan() if queue[0][0] == c]
        assert all(self.net.state.items[each].before is not None for each in waiting)

    @rule(pick=st.integers(0, 2**16))
    def take_down(self, pick: int) -> None:
        items = list(self.net.state.items.scan())
        if not items:
            return
        item_id, item = items[pick % len(items)]
        done = self.attempt(partial(self.net.take_down, item_id))
        assert done == (item.status not in GONE and item_id not in self._reviewed())

    @rule(
        decay=st.sampled_from([0, 900_000, 1_000_000]), accept=st.sampled_from([600_000, 900_000])
    )
    def change_policy(self, decay: int, accept: int) -> None:
        """Where others than the operator hold shares, they decide; a decision is good once."""
        frozen = self.net.state.policy
        wanted = {"reputation_decay_ppm": decay, "accept_ppm": accept}
        if holders_decide(self.net.state):
            assert not self.attempt(partial(self.net.change_policy, **wanted))
            says(self.net, events.PolicyDecided(policy_hash(policy(**wanted))))
        self.net.change_policy(**wanted)
        assert self.net.state.policy == frozen

    @rule(who=st.sets(who, min_size=1, max_size=3))
    def change_the_witnesses(self, who: set[int]) -> None:
        """Rounds under way end under the coin that they were sealed under."""
        state, chosen = self.net.state, [self.people[i] for i in sorted(who)]
        apart = len({state.members[p.id].payout for p in chosen}) == len(chosen)
        assert apart == self.attempt(partial(self.net.change_witnesses, *chosen))

    @rule(who=who, c=where)
    def toss(self, who: int, c: str) -> None:
        """Before the draw or after it."""
        self.net.toss(self.people[who], c=c)

    def _check_draw(self, c: str) -> None:
        state = self.net.state
        if self.net.round(c).phase is RoundPhase.COMMITTING:
            coin, tossed = state.coins[self.net.round(c).coin], state.tosses.count(c)
            assert coin.threshold <= tossed <= len(coin.keys)
        for (_, item_id), reviewers in state.assignments.scan(c):
            item = state.items[item_id]
            voices = [state.members[who].payout for who in (item.author, *reviewers)]
            assert len(set(voices)) == len(voices), "an address has two voices, or reviews its own"
            assert not set(reviewers) & set(item.answered_by), "somebody is asked twice"

    # ---- datasets and training ----

    @precondition(lambda self: len(self.net.state.accepted) > 0)
    @rule(c=where, scope=scopes, asset=st.sampled_from(TOKENS))
    def sell(self, c: str, scope: pb.Consent, asset: bytes) -> None:
        state = self.net.state
        before = {digest for digest, _ in state.snapshots.scan()}
        if not self.attempt(lambda: void(self.net.snapshot(scope, c))):
            return
        (digest,) = (digest for digest, _ in state.snapshots.scan() if digest not in before)
        held = {state.items[item_id].status for item_id in state.snapshots[digest].items}
        assert held == {ItemStatus.ACCEPTED}
        sale = f"sale-{len(state.licences)}"
        may = scope.commercial and state.campaigns[c].is_open
        assert may == self.attempt(lambda: self.net.license(digest, id=sale))
        owes = (
            asset in state.overshared
        )  # then a part of what comes in, or all, has been shared out
        if self.paid(asset, 1_000_001, sale) and not owes:
            *_, (_, deposit) = state.deposits.scan()
            assert bool(deposit.licence_id) == (may and not any(asset))

    @precondition(lambda self: all(job.result for _, job in self.net.state.jobs.scan()))
    @rule(who=st.sets(who, min_size=2), price_ppm=st.integers(1, 10**9))
    def start_training(self, who: set[int], price_ppm: int) -> None:
        partners = [self.hand(i) for i in sorted(who)]
        job_id = f"job-{len(self.net.state.jobs)}"
        open_job(self.net, *partners, id=job_id, price_ppm=price_ppm)
        enrol(self.net, *partners, job_id=job_id)
        self.go_on_training(frozenset(who))

    @precondition(lambda self: len(self.net.state.jobs) > 0)
    @rule(who=most)
    def go_on_training(self, who: frozenset[int]) -> None:
        for job_id, job in list(self.net.state.jobs.scan()):
            if job.status in (JobStatus.OPEN, JobStatus.TRAINING):
                people = [self.hand(i) for i in sorted(who)]
                active = [p for p in people if (job_id, p.id) in self.net.state.partners]
                for person in active:
                    self.attempt(partial(update, self.net, person, job_id=job_id))
                body = round_of(self.net, *active, job_id=job_id)
                if self.attempt(partial(add_round, self.net, body)):
                    assert len(active) >= job.terms.quorum

    @precondition(lambda self: len(self.net.state.jobs) > 0)
    @rule(completed=st.booleans())
    def stop_training(self, completed: bool) -> None:
        for job_id, job in list(self.net.state.jobs.scan()):
            body = model_of(self.net, job_id) if completed else end_of(job_id, job.epsilon_micro)
            self.attempt(partial(finish, self.net, body))

    # ---- records out of place ----

    @rule(act=st.sampled_from(["draw", "end_commits", "verdict"]), c=where)
    def hurry(self, act: str, c: str) -> None:
        """Out of its phase it is refused; in it, this is how a window ends in silence."""
        phases = {
            "draw": RoundPhase.SEALED,
            "end_commits": RoundPhase.COMMITTING,
            "verdict": RoundPhase.REVEALING,
        }
        due = self.net.round(c).phase is phases[act]
        assert self.attempt(partial(getattr(self.net, act), c)) == due

    @rule(place=st.integers(0, 10_000))
    def play_again(self, place: int) -> None:
        """Whatever everybody can read in the log changes nothing a second time; but what the chain took back
        may be asked for again, and the chain may say again what it said before, in the very words."""
        entry = self.net.log[place % len(self.net.log)]
        of_the_chain = parse_envelope(entry.raw).kind in ("settlement", "chain")
        undone = of_the_chain and self.net.state.rewinds > 0
        assert not self.attempt(lambda: self.net.add_raw(entry.raw, entry.leaves)) or undone

    # ---- money ----

    @rule(
        asset=st.sampled_from([*TOKENS, WHERE.share_token]),
        amount=st.integers(0, 10**38),
        memo=st.sampled_from(["", "sale-0", "sale-1"]),
    )
    def receive(self, asset: bytes, amount: int, memo: str) -> None:
        self.paid(asset, amount, memo)

    def paid(self, asset: bytes, amount: int, memo: str) -> bool:
        """Whether it came in."""
        before = self.net.state.received.get(asset, 0)
        paid = self.attempt(lambda: pay(self.net, amount, memo, asset))
        assert paid == (asset in TOKENS and amount > 0 and before + amount < 2**128)
        return paid

    @precondition(lambda self: self.net.state.onchain.posted < self.net.state.closed_epoch)
    @rule(fate=st.sampled_from(["wait", "enact", "freeze", "undo"]))
    def settle(self, fate: str) -> None:
        """The next epoch is proposed and posted; what waits before it comes into force, or goes."""
        view = self.net.state.onchain
        epoch = view.posted + 1
        body = settlement(self.net, epoch)
        if (known := self.net.state.payloads.get(epoch)) is not None:
            body.root = known.root
            del body.totals[:]
            body.totals.extend(pb.AssetTotal(asset=a, amount=str(n)) for a, n in known.totals)
        body.deadline += len(self.net.log)
        if not self.attempt(partial(self.net.add, self.net.operator, "settlement", body)):
            assert view.posted - view.epoch >= 32
            return
        attest(self.net, "settlement", self.net.operator)
        payload = self.net.state.payloads[epoch]
        if not self.attempt(lambda: says(self.net, posted(payload, view.attempt))):
            assert view.posted - view.epoch == 32
            return
        self.promised = {
            (leaf.account, asset): amount
            for leaf in promised_leaves(self.net.state)
            for asset, amount in leaf.amounts
        }
        self._go_on(fate)

    def _go_on(self, fate: str) -> None:
        first = self.net.state.onchain.epoch + 1
        root = self.net.state.roots[first].payload.root
        event = {
            "enact": events.Enacted(first, root),
            "freeze": events.Challenged(first, TOKEN, bytes(32)),
            "undo": events.Undone(first, self.net.state.onchain.attempt + 1, bytes(4)),
        }.get(fate)
        if event is not None:
            self.attempt(lambda: says(self.net, event))

    @rule(back=st.integers(1, 5))
    def reorganise(self, back: int) -> None:
        """The chain takes back what it said last, but for the contracts themselves."""
        firsts = [first for first, _ in self.net.state.ranges.scan()][1:]
        if firsts:
            first = firsts[-min(back, len(firsts))]
            self.net.add(
                self.net.operator,
                "rewind",
                pb.Rewind(network=NETWORK, first=first, serial=self.net.state.rewinds),
            )


def _parts_of(item: Item) -> set[str]:
    return set() if item.description is None else {part.name for part in item.description.parts}
