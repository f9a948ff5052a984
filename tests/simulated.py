"""A whole network in memory: real keys, signatures and rules, no I/O. For tests of the fold.

Every record goes through `transition.apply`, the function that auditors use, so a test that gets a
record past it has got it past everybody.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
from eth_keys.datatypes import PrivateKey
from google.protobuf.message import Message
from nacl.signing import SigningKey

from commonground.hand import Hand
from protocol import transition
from protocol.coin.witnesses import Proposal
from protocol.errors import Reject
from protocol.identity import KeyId, PersonId, person_of_root
from protocol.lifecycle import DealingPhase, RoundPhase
from protocol.limits import PPM
from protocol.log import commitments
from protocol.log.batch import Erased, Leaf, batch_root
from protocol.log.envelope import seal
from protocol.log.merkle import hash_leaf
from protocol.log.strict import canonical, encode_leaf, parse_leaf
from protocol.media import MEDIA, Shown
from protocol.money import earnings, payout
from protocol.review import decisions
from protocol.review.copies import DEFAULT_COPY_TERMS, fingerprinted
from protocol.review.fingerprints import (
    fingerprint_exact,
    fingerprint_pixels,
    fingerprint_samples,
    fingerprint_text,
)
from protocol.rows import Campaign, Consent, ItemId, Round, RoundTerms
from protocol.rules import close, dataset, drawing, sealing
from protocol.rules.dataset import snapshot_leaves
from protocol.rules.items import part_leaf
from protocol.rules.network import successor_message
from protocol.rules.people import delegation_message
from protocol.state import State
from protocol.tasks.question import Question, question_of
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb

LOG_KEY = SigningKey(b"\x05" * 32)
NETWORK = commitments.network_id(bytes(LOG_KEY.verify_key))
LABELS = [str(digit) for digit in range(10)]
EVERY_USE = pb.Consent(train=True, redistribute=True, commercial=True)

# Most tests are not about who may join, or how much a newcomer may submit.
OPEN_TO_ALL: Final[dict[str, Any]] = {"admission": pb.ADMISSION_OPEN, "newcomer_items": 1_000_000}

Truth = int | str
"""What an item really is: an index of the campaign's labels, or an answer in words."""


def policy(**changes: int | str) -> pb.Policy:
    """A policy that splits 60/25/5/10 and needs two witnesses."""
    made = pb.Policy(
        epoch_emission_micro=1_000 * PPM,
        contributors_ppm=600_000,
        reviewers_ppm=250_000,
        trainers_ppm=50_000,
        rejection_penalty_ppm=PPM,
        accept_ppm=900_000,
        reputation_decay_ppm=900_000,
        revenue_treasury_ppm=100_000,
        royalty_ppm=500_000,
        **OPEN_TO_ALL,
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@dataclass
class Person:
    """Somebody with a root key, a key and a wallet. Reviewers answer with `judge(truth) -> truth or None` and
    call every likely copy what `relation` says; `program` is what does it in their place."""

    name: str
    judge: Callable[[Any], Any] = lambda truth: truth
    program: str = ""
    relation: pb.Relation = pb.RELATION_INDEPENDENT
    root: SigningKey = field(init=False)
    signing_key: SigningKey = field(init=False)
    wallet: PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        seed = hashlib.sha256(self.name.encode()).digest()
        self.root = SigningKey(hashlib.sha256(b"root" + seed).digest())
        self.signing_key = SigningKey(seed)
        self.wallet = PrivateKey(hashlib.sha256(b"wallet" + seed).digest())

    @property
    def id(self) -> PersonId:
        return person_of_root(bytes(self.root.verify_key))

    @property
    def key(self) -> KeyId:
        return KeyId(bytes(self.signing_key.verify_key))

    @property
    def hand(self) -> Hand:
        """What this machine owes as a witness."""
        return Hand(bytes(self.signing_key))

    @property
    def address(self) -> bytes:
        return bytes(self.wallet.public_key.to_canonical_address())

    def device(self, name: str) -> Person:
        """The same person with another key, which nobody knows yet."""
        other = replace(self, name=f"{self.name}'s {name}")
        other.root, other.wallet = self.root, self.wallet
        return other

    def delegation(self, key: bytes | None = None) -> pb.Delegation:
        message = delegation_message(NETWORK, self.key if key is None else key)
        return pb.Delegation(
            root_key=bytes(self.root.verify_key), signature=self.root.sign(message).signature
        )

    def seal(self, kind: str, body: Message) -> bytes:
        return seal(kind, canonical(body), self.key, lambda m: self.signing_key.sign(m).signature)

    def sign_digest(self, digest: bytes) -> bytes:
        raw = bytearray(self.wallet.sign_msg_hash(digest).to_bytes())
        raw[64] += 27
        return bytes(raw)


def _optional_parts(leaf: bytes) -> Sequence[pb.PartHash]:
    try:
        return parse_leaf(pb.Item, leaf).optional
    except Reject:
        return ()  # junk


def batch(leaves: Sequence[bytes]) -> pb.Batch:
    return pb.Batch(root=batch_root(leaves), count=len(leaves))


@dataclass
class Entry:
    raw: bytes
    leaves: tuple[bytes, ...]

    def erased(self, gone: Collection[ItemId]) -> list[Leaf]:
        """The leaves as they are once the items of some of them are erased."""
        return [Erased(i) if (i := hash_leaf(leaf)) in gone else leaf for leaf in self.leaves]


class Network:
    """Founds a network with one campaign, "digits", and lets people act in it.

    Whatever is about a campaign takes its id as `c`; `clock_ms` is the operator's.
    """

    def __init__(self, *people: Person, policy: pb.Policy | None = None, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.state = State()
        self.log: list[Entry] = []
        self.operator = Person("operator")
        self.people = people
        self.openings: dict[ItemId, tuple[bytes, bytes]] = {}
        self.gold: dict[ItemId, tuple[bytes, bytes]] = {}  # of rounds that are under way
        self.truth: dict[ItemId, Any] = {}
        self.part_leaves: dict[bytes, bytes] = {}  # of parts that can go alone, by hash
        self.clock_ms = 1_000
        self.changes: list[transition.Changes] = []
        self.add(self.operator, "genesis", self.genesis(policy or _DEFAULT_POLICY))
        self.add(self.operator, "campaign", campaign())
        for person in (self.operator, *people):
            self.add(person, "register", self.registration(person))

    def genesis(self, policy: pb.Policy, **changes: Any) -> pb.Genesis:
        values: dict[str, Any] = {
            "network": NETWORK,
            "name": "simulated",
            "policy": policy,
            "rules": 1,
            "delegation": self.operator.delegation(),
            "log_key": bytes(LOG_KEY.verify_key),
        }
        return pb.Genesis(**(values | changes))

    def add(self, person: Person, kind: str, body: Message, leaves: Sequence[bytes] = ()) -> None:
        self.add_raw(person.seal(kind, body), leaves)

    def add_raw(self, raw: bytes, leaves: Sequence[bytes] = ()) -> None:
        self.changes.append(transition.apply(self.state, raw, leaves).changes)
        self.log.append(Entry(raw, tuple(leaves)))

    def replay(self, gone: Collection[ItemId] = ()) -> State:
        """What somebody holds who comes later, and finds the leaves of some items erased."""
        state = State()
        for entry in self.log:
            transition.apply(state, entry.raw, entry.erased(gone))
        return state

    def fresh(self) -> bytes:
        return self.random.randbytes(32)

    def round(self, c: str = "digits") -> Round:
        return self.state.round_of(c)

    def campaign(self, c: str = "digits") -> Campaign:
        return self.state.campaigns[c]

    def question(self, c: str = "digits") -> Question:
        return question_of(self.campaign(c))

    def answer(self, truth: Truth, c: str = "digits") -> bytes:
        """The canonical bytes of an answer: a label's index, or words."""
        kind, spec = self.question(c).kind, self.question(c).spec
        if isinstance(truth, int):
            truth = kind.choices(spec)[truth]
        return kind.read_words(spec, truth)

    # ---- what people do ----

    def registration(
        self, person: Person, serial: int = 1, wallet: Person | None = None
    ) -> pb.Register:
        paid = wallet or person
        digest = payout.binding_digest(NETWORK, person.id)
        return pb.Register(
            network=NETWORK,
            delegation=person.delegation(),
            payout_address=paid.address,
            payout_signature=paid.sign_digest(digest),
            serial=serial,
        )

    def item(
        self,
        truth: Any,
        label: Truth | None = None,
        *,
        content: bytes | None = None,
        consent: pb.Consent = EVERY_USE,
        fingerprint: bytes | None = None,
        c: str = "digits",
        proposes: bool = True,
        without: Collection[str] = (),
    ) -> bytes:
        """The leaf of a fresh item; its opening, true answer, and the leaves of its parts are remembered."""
        parts, optional = [], []
        for terms in (each for each in self.campaign(c).parts if each.name not in without):
            data = self.fresh() if content is None else content
            made = _fingerprint(data, terms.media_types[0]) if fingerprint is None else fingerprint
            part = pb.Part(
                name=terms.name,
                commitment=commitments.content_commitment(self.fresh(), data),
                size=len(data),
                media_type=terms.media_types[0],
                fingerprint=made if terms.name in fingerprinted(self.campaign(c)) else b"",
            )
            if terms.optional:
                optional.append(self.own_leaf(part))
            else:
                parts.append(part)
        salt, proposal = self.fresh(), b""
        proposes = proposes and self.campaign(c).proposal != pb.PROPOSAL_NOT_TAKEN
        if proposes:
            proposal = self.answer(truth if label is None else label, c)
        leaf = encode_leaf(
            pb.Item(
                parts=parts,
                optional=optional,
                proposal_commitment=(
                    commitments.proposal_commitment(salt, proposal) if proposes else b""
                ),
                licence="CC-BY-4.0",
                consent=consent,
                origin=pb.ORIGIN_HUMAN,
            )
        )
        if proposes:
            self.openings[hash_leaf(leaf)] = (salt, proposal)
        self.truth[hash_leaf(leaf)] = truth
        return leaf

    def own_leaf(self, part: pb.Part) -> pb.PartHash:
        """What an item says of a part that can go alone, whose leaf is remembered."""
        named, leaf = part_leaf(part)
        self.part_leaves[named.hash] = leaf
        return named

    def submit(self, person: Person, items: Sequence[bytes], c: str = "digits") -> None:
        """Submits items, given by their leaves, with the leaves of their parts."""
        parts = [self.part_leaves[each.hash] for leaf in items for each in _optional_parts(leaf)]
        leaves = [*items, *parts]
        body = pb.Submission(network=NETWORK, campaign_id=c, items=batch(leaves), parts=len(parts))
        self.add(person, "submission", body, leaves)

    def stand_by(self, *people: Person, c: str = "digits") -> None:
        """Has those stand by who do not yet, each with this very machine."""
        for person in people:
            if self.state.standbys.get((c, person.id)) != person.key:
                self.add(person, "standby", self.standby(person, c=c))

    def standby(self, person: Person, stands: bool = True, c: str = "digits") -> pb.Standby:
        serial = self.state.words.get((c, person.id), 0)
        return pb.Standby(network=NETWORK, campaign_id=c, stands=stands, serial=serial)

    def delegate(self, device: Person) -> None:
        """Another key of somebody who has registered."""
        self.add(device, "delegate", pb.Delegate(network=NETWORK, delegation=device.delegation()))

    def stand_down(self, person: Person, c: str = "digits") -> None:
        self.add(person, "standby", self.standby(person, stands=False, c=c))

    def pause(self, paused: bool = True, c: str = "digits") -> None:
        body = pb.Pause(
            network=NETWORK, campaign_id=c, paused=paused, serial=self.campaign(c).serial
        )
        self.add(self.operator, "pause", body)

    def change(self, c: str = "digits", **changes: Any) -> None:
        """Other terms for a campaign: all that `changes` does not name stay."""
        campaign = self.campaign(c)
        values: dict[str, Any] = {
            "network": NETWORK,
            "campaign_id": c,
            "title": campaign.title,
            "guidelines": campaign.guidelines,
            "price_ppm": campaign.price_ppm,
            "rounds": pb.RoundTerms(**asdict(campaign.rounds)),
            "serial": campaign.serial,
        }
        self.add(self.operator, "change", pb.Change(**(values | changes)))

    def close_campaign(self, c: str = "digits") -> None:
        body = pb.CloseCampaign(network=NETWORK, campaign_id=c, serial=self.campaign(c).serial)
        self.add(self.operator, "close-campaign", body)

    def take_down(self, item_id: ItemId, **changes: Any) -> None:
        values: dict[str, Any] = {
            "network": NETWORK,
            "item_id": item_id,
            "reason": pb.TAKEDOWN_RIGHTS,
            "words": "The photographer asked for it.",
        }
        self.add(self.operator, "takedown", pb.Takedown(**(values | changes)))

    def change_policy(self, **changes: int) -> None:
        """From the end of the epoch on."""
        body = pb.PolicyChange(
            network=NETWORK,
            epoch=self.state.epoch,
            policy=policy(**changes),
            serial=self.state.policies,
        )
        self.add(self.operator, "policy", body)

    def withdraw(self, person: Person, item_ids: Sequence[ItemId], part: str = "") -> None:
        body = pb.Withdraw(network=NETWORK, item_ids=item_ids, part=part)
        self.add(person, "withdraw", body)

    def contest(self, person: Person, item_id: ItemId) -> None:
        self.add(person, "contest", pb.Contest(network=NETWORK, item_id=item_id))

    def erased_since(self, entry: int = 0) -> set[bytes]:
        """The hashes of all leaves that records from a log index on have taken back."""
        sets = (hashes for each in self.changes[entry:] for hashes in each.erased_leaves.values())
        return set().union(*sets)

    # ---- datasets ----

    def snapshot(self, scope: pb.Consent = EVERY_USE, campaign_id: str = "digits") -> bytes:
        """Logs the snapshot that follows from the log; gives its digest."""
        items = dataset.compute_snapshot(self.state, campaign_id, Consent.of(scope))
        before = {digest for digest, _ in self.state.snapshots.scan()}
        self.add_snapshot(items, scope, campaign_id)
        return next(d for d, _ in self.state.snapshots.scan() if d not in before)

    def add_snapshot(
        self, items: Sequence[ItemId], scope: pb.Consent = EVERY_USE, campaign_id: str = "digits"
    ) -> None:
        known = [item_id for item_id in items if item_id in self.state.items]
        made = dict(zip(known, snapshot_leaves(self.state, known), strict=True))
        leaves = [made.get(i, pb.SnapshotItem(item_id=i)) for i in items]
        self.add_snapshot_leaves(leaves, scope, campaign_id)

    def add_snapshot_leaves(
        self,
        items: Sequence[pb.SnapshotItem],
        scope: pb.Consent = EVERY_USE,
        campaign_id: str = "digits",
    ) -> None:
        leaves = [encode_leaf(each) for each in items]
        body = pb.Snapshot(
            network=NETWORK, campaign_id=campaign_id, scope=scope, items=batch(leaves)
        )
        self.add(self.operator, "snapshot", body, leaves)

    def license(self, snapshot: bytes, **changes: object) -> None:
        self.add(self.operator, "licence", licence(snapshot=snapshot, **changes))

    # ---- how a round runs ----

    def seal(self, gold: Sequence[ItemId] = (), c: str = "digits") -> None:
        """Seals the next round; `gold` are items of it whose answer the operator knows."""
        found = sealing.compute_seal(self.state, self.campaign(c))
        known = {i: (self.fresh(), self.answer(self.truth[i], c)) for i in gold}
        hashes = [commitments.gold_commitment(i, salt, said) for i, (salt, said) in known.items()]
        leaves = [encode_leaf(each) for each in sealing.seal_leaves(found, hashes)]
        self.add_seal(leaves, c=c)
        # What an earlier round that nobody could be drawn for had: it ended without a verdict.
        others = {i: opening for i, opening in self.gold.items() if self._campaign_of(i) != c}
        self.gold = others | known

    def add_seal(self, leaves: Sequence[bytes], c: str = "digits", **changes: Any) -> None:
        place = self.place(c) | {"round": self.round(c).number + 1} | changes
        self.add(self.operator, "seal", pb.Seal(**place, found=batch(leaves)), leaves)

    def toss(self, *witnesses: Person, c: str = "digits") -> None:
        """These witnesses toss for a sealed round."""
        for person in witnesses:
            for kind, body in person.hand.due(self.state):
                if isinstance(body, pb.Toss) and body.campaign_id == c:
                    self.add(person, kind, body)

    def draw(self, c: str = "digits") -> None:
        """Draws, after as many tosses as it takes."""
        seed, assignments = b"", dict[ItemId, tuple[PersonId, ...]]()
        if self.round(c).phase is RoundPhase.SEALED:
            coin = self.state.coins[self.round(c).coin]
            for person in (self.operator, *self.people):
                if self.state.tosses.count(c) < coin.threshold:
                    self.toss(person, c=c)
            seed, assignments = drawing.compute_draw(self.state, self.campaign(c))
        leaves = [encode_leaf(each) for each in drawing.draw_leaves(assignments)]
        body = pb.Draw(**self.place(c), seed=seed, assignments=batch(leaves))
        self.add(self.operator, "draw", body, leaves)

    # ---- who tosses ----

    def propose(self, *witnesses: Person, **changes: Any) -> None:
        """The operator proposes a set of witnesses."""
        self.clock_ms += 1
        values: dict[str, Any] = {
            "network": NETWORK,
            "nonce": self.state.coin_nonce + 1,
            "keys": sorted(person.key for person in witnesses),
            "time_ms": self.clock_ms,
            "serial": self.state.proposals,
        }
        self.add(self.operator, "witnesses", pb.Witnesses(**(values | changes)))

    def assent(self, *witnesses: Person) -> None:
        for person in witnesses:
            self.add(person, "assent", pb.Assent(network=NETWORK, proposal=self.proposal.id))

    def witness(self, *people: Person) -> None:
        """What these people's hands owe the proposed set, until they owe nothing."""
        for person in people:
            for kind, body in list(person.hand.due(self.state)):
                if kind != "toss":
                    self.add(person, kind, body)

    def end_deals(self, **changes: Any) -> None:
        self.add(self.operator, "dealt", pb.Dealt(**(self._of_proposal() | changes)))

    def begin_coin(self, **changes: Any) -> None:
        self.add(self.operator, "coin", pb.Coin(**(self._of_proposal() | changes)))

    def change_witnesses(self, *witnesses: Person) -> None:
        """From the proposal until it is in force, with everybody's help."""
        present = [p for p in (self.operator, *self.people) if p.key in self.state.coin.keys]
        self.propose(*witnesses)
        for person in present:
            if self.proposal.phase is DealingPhase.PROPOSED and person is not self.operator:
                self.assent(person)
        self.witness(*witnesses)
        self.end_deals()
        self.witness(*witnesses)
        self.begin_coin()

    @property
    def proposal(self) -> Proposal:
        assert self.state.proposal is not None
        return self.state.proposal

    def _of_proposal(self) -> dict[str, Any]:
        self.clock_ms += 1
        return {"network": NETWORK, "proposal": self.proposal.id, "time_ms": self.clock_ms}

    # ---- how a round goes on ----

    def answers(self, person: Person, c: str = "digits") -> list[bytes]:
        leaves = []
        for item_id in self.state.tasks[c, person.id]:
            said = person.judge(self.truth[item_id])
            answer = pb.Answer(
                item_id=item_id, reviewer=person.id, nonce=self.fresh(), program=person.program
            )
            if said is None:
                answer.refusal = pb.REFUSAL_UNSURE
            else:
                answer.answer = self.answer(said, c)
                if self.state.items[item_id].resembles:
                    answer.relation = person.relation
            leaves.append(encode_leaf(answer))
        return leaves

    def refuse(self, leaves: Sequence[bytes], refusal: pb.Refusal) -> list[bytes]:
        """The same answers, all refusals."""
        refused = []
        for leaf in leaves:
            answer = parse_leaf(pb.Answer, leaf)
            answer.ClearField("answer")
            answer.ClearField("relation")
            answer.refusal = refusal
            refused.append(encode_leaf(answer))
        return refused

    def commit(self, person: Person, leaves: Sequence[bytes], c: str = "digits") -> None:
        self.add(person, "commit", pb.Commit(**self._round(c), answers=batch(leaves)))

    def end_commits(self, c: str = "digits") -> None:
        silent = self.state.tasks.count(c) > self.state.commits.count(c)
        self._pass_window(self.windows(c).commit_ms if silent else 0)
        self.add(self.operator, "end-commits", pb.EndCommits(**self.place(c)))

    def reveal(self, person: Person, leaves: Sequence[bytes], c: str = "digits") -> None:
        self.add(person, "reveal", pb.Reveal(**self._round(c), answers=batch(leaves)), leaves)

    def review(self, *people: Person, c: str = "digits") -> None:
        drawn = [p for p in people if (c, p.id) in self.state.tasks]
        answers = {person.name: self.answers(person, c) for person in drawn}
        for person in drawn:
            self.commit(person, answers[person.name], c)
        self.end_commits(c)
        for person in drawn:
            self.reveal(person, answers[person.name], c)

    def compute_verdicts(self, c: str = "digits") -> list[pb.ItemVerdict]:
        gold = {i: known for i, known in self.gold.items() if self._campaign_of(i) == c}
        return decisions.compute_verdicts(self.state, self.campaign(c), self.openings, gold)

    def verdict(self, c: str = "digits") -> None:
        self.add_verdict(self.compute_verdicts(c), c)

    def add_verdict(
        self, published: Sequence[pb.ItemVerdict], c: str = "digits", **changes: Any
    ) -> None:
        silent = self.state.commits.count(c) > self.state.revealed.count(c)
        self._pass_window(self.windows(c).reveal_ms if silent else 0)
        leaves = [encode_leaf(verdict) for verdict in published]
        body = pb.Verdict(**(self.place(c) | changes), verdicts=batch(leaves))
        self.add(self.operator, "verdict", body, leaves)

    def close(self) -> None:
        self.add_close(earnings.compute_lines(self.state))

    def add_close(self, published: Sequence[pb.RewardLine], **changes: Any) -> None:
        leaves = [encode_leaf(line) for line in published]
        values: dict[str, Any] = {
            "network": NETWORK,
            "epoch": self.state.epoch,
            "time_ms": self.clock_ms,
            "lines": batch(leaves),
            "waiting": close.compute_waiting(self.state),
        }
        self.add(self.operator, "close", pb.Close(**(values | changes)), leaves)

    def run_round(self, *reviewers: Person, c: str = "digits") -> None:
        """From the sealed round to its verdict."""
        self.draw(c)
        if self.round(c).phase is RoundPhase.COMMITTING:
            self.review(*reviewers, c=c)
            self.verdict(c)

    def run_rounds(
        self, *reviewers: Person, gold: Sequence[ItemId] = (), c: str = "digits"
    ) -> None:
        """Rounds until nothing waits that these reviewers could still decide; at most a dozen."""
        for _ in range(12):
            if not self.state.queues.has(c):
                break
            self.stand_by(*reviewers, c=c)
            self.seal(gold, c)
            gold = ()
            self.run_round(*reviewers, c=c)
            if self.round(c).seed and not self.changes[-1].items:
                break

    def run_epoch(self, *reviewers: Person, gold: Sequence[ItemId] = ()) -> None:
        """Everything from stand-by to close."""
        self.run_rounds(*reviewers, gold=gold)
        self.close()

    def windows(self, c: str = "digits") -> RoundTerms:
        """What the campaign's present round was sealed with."""
        return self.state.campaign_under(c, self.round(c).revision).rounds

    def place(self, c: str = "digits") -> dict[str, Any]:
        """What every record of the operator about a round begins with."""
        self.clock_ms += 1
        return self._round(c) | {"time_ms": self.clock_ms}

    def _campaign_of(self, item_id: ItemId) -> str:
        return self.state.items[item_id].campaign_id

    def _pass_window(self, window_ms: int) -> None:
        self.clock_ms += window_ms

    def _round(self, c: str) -> dict[str, Any]:
        return {"network": NETWORK, "campaign_id": c, "round": self.round(c).number}


_DEFAULT_POLICY = policy()
_SIDE_PIXELS = 28


def _fingerprint(content: bytes, media_type: str) -> bytes:
    """What reviewers would compute, if pictures were made of their content's bytes by chance."""
    match MEDIA[media_type].shown:
        case Shown.PICTURE:
            pixels = random.Random(content).randbytes(_SIDE_PIXELS**2)
            return fingerprint_pixels(pixels, _SIDE_PIXELS, _SIDE_PIXELS)
        case Shown.SOUND:
            samples = random.Random(content).randbytes(1 << 14)
            return fingerprint_samples(np.frombuffer(samples, dtype="<i2"), content)
        case Shown.TEXT:
            return fingerprint_text(random.Random(content).randbytes(16).hex().encode())
    return fingerprint_exact(content)


def part(name: str = "image", *media_types: str, **changes: Any) -> pb.PartTerms:
    values: dict[str, Any] = {"media_types": media_types or ["text/plain"], "bytes_max": 65_536}
    return pb.PartTerms(name=name, **(values | changes))


def rounds(**changes: int) -> pb.RoundTerms:
    """Windows of a second."""
    values = {"items_max": 8_192, "seal_items": 1, "seal_wait_ms": 1_000, "draws_max": 3}
    windows = {"commit_ms": 1_000, "reveal_ms": 1_000}
    return pb.RoundTerms(**(values | windows | changes))


def copies(**changes: int) -> pb.CopyTerms:
    """The default thresholds."""
    return pb.CopyTerms(**(asdict(DEFAULT_COPY_TERMS) | changes))


def successor(
    role: int, key: SigningKey, after: SigningKey | None = None, network: bytes = NETWORK
) -> pb.Successor:
    """A key that follows the operator's or the log's; `after` is the log's present key."""
    public = bytes(key.verify_key)
    message = successor_message(network, role, public)
    return pb.Successor(
        network=network,
        role=role,  # type: ignore[arg-type]
        key=public,
        signature=key.sign(message).signature,
        handover=after.sign(message).signature if after else b"",
    )


def campaign(**changes: Any) -> pb.Campaign:
    """A campaign for labelled digits."""
    values: dict[str, Any] = {
        "id": "digits",
        "title": "Digits",
        "task": "classify",
        "spec": encode_spec({"labels": LABELS}),
        "parts": [part()],
        "proposal": pb.PROPOSAL_REQUIRED,
        "licences": ["CC-BY-4.0"],
        "reviewers_per_item": 3,
        "price_ppm": PPM,
        "derivative_permille": 500,
        "privacy": pb.PRIVACY_OPEN,
        "withdrawal": pb.WITHDRAWAL_REPAYS,
        "rounds": rounds(),
        "copies": copies(),
    }
    return pb.Campaign(network=NETWORK, **(values | changes))


def licence(**changes: object) -> pb.Licence:
    """A sale of a snapshot for a thousand wei."""
    values: dict[str, object] = {
        "id": "acme-2026",
        "licensee": "Acme",
        "terms": "CC-BY-4.0",
        "asset": bytes(20),
        "price": "1000",
    }
    return pb.Licence(network=NETWORK, **(values | changes))  # type: ignore[arg-type]
