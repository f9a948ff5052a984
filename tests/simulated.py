"""A whole network in memory: real keys, signatures and rules, no I/O. For tests of the fold.

Every record goes through `transition.apply`, the function that auditors use, so a test that gets a
record past it has got it past everybody.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_keys.datatypes import PrivateKey
from google.protobuf.message import Message
from nacl.signing import SigningKey

from protocol import transition
from protocol.identity import Identity
from protocol.limits import PPM
from protocol.log import commitments
from protocol.log.batch import Erased, Leaf, batch_root
from protocol.log.envelope import seal
from protocol.log.merkle import hash_leaf
from protocol.money import lines as epoch
from protocol.money import payout
from protocol.review import verdicts
from protocol.review.fingerprints import fingerprint_exact
from protocol.rules import dataset, review, sealing
from protocol.state import ItemId, State
from protos.gen import records_pb2 as pb

LOG_KEY = SigningKey(b"\x05" * 32)
NETWORK = commitments.network_id(bytes(LOG_KEY.verify_key))
LABELS = [str(digit) for digit in range(10)]
EVERY_USE = pb.Consent(train=True, redistribute=True, commercial=True)


def policy(**changes: int) -> pb.Policy:
    """A policy that splits 60/25/5/10 and needs two witnesses."""
    made = pb.Policy(
        epoch_emission_micro=1_000 * PPM,
        contributors_ppm=600_000,
        reviewers_ppm=250_000,
        trainers_ppm=50_000,
        rejection_penalty_ppm=PPM,
        accept_ppm=900_000,
        rounds_max=3,
        reputation_decay_ppm=900_000,
        witness_quorum=2,
        revenue_treasury_ppm=100_000,
        royalty_ppm=500_000,
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@dataclass
class Person:
    """Somebody with both keys. Reviewers answer with `judge(true label) -> label or None`."""

    name: str
    judge: Callable[[int], int | None] = lambda truth: truth
    key: SigningKey = field(init=False)
    wallet: PrivateKey = field(init=False)
    beacons: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        seed = hashlib.sha256(self.name.encode()).digest()
        self.key = SigningKey(seed)
        self.wallet = PrivateKey(hashlib.sha256(b"wallet" + seed).digest())

    @property
    def identity(self) -> Identity:
        return Identity(bytes(self.key.verify_key))

    @property
    def address(self) -> bytes:
        return bytes(self.wallet.public_key.to_canonical_address())

    def seal(self, kind: str, body: Message) -> bytes:
        return seal(
            kind,
            body.SerializeToString(),
            self.identity,
            lambda message: self.key.sign(message).signature,
        )

    def sign_digest(self, digest: bytes) -> bytes:
        raw = bytearray(self.wallet.sign_msg_hash(digest).to_bytes())
        raw[64] += 27
        return bytes(raw)


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
    """Founds a network with one campaign and lets people act in it."""

    def __init__(self, *people: Person, policy: pb.Policy | None = None, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.state = State()
        self.log: list[Entry] = []
        self.operator = Person("operator")
        self.people = people
        self.openings: dict[ItemId, tuple[bytes, int]] = {}
        self.gold: dict[ItemId, tuple[bytes, int]] = {}
        self.truth: dict[ItemId, int] = {}
        self.add(
            self.operator,
            "genesis",
            pb.Genesis(network=NETWORK, name="simulated", policy=policy or _DEFAULT_POLICY),
        )
        self.add(self.operator, "campaign", campaign())
        for person in (self.operator, *people):
            self.add(person, "register", self.registration(person))

    def add(self, person: Person, kind: str, body: Message, leaves: Sequence[bytes] = ()) -> None:
        self.add_raw(person.seal(kind, body), leaves)

    def add_raw(self, raw: bytes, leaves: Sequence[bytes] = ()) -> None:
        transition.apply(self.state, raw, leaves)
        self.log.append(Entry(raw, tuple(leaves)))

    def replay(self, gone: Collection[ItemId] = ()) -> State:
        """What somebody holds who comes later, and finds the leaves of some items erased."""
        state = State()
        for entry in self.log:
            transition.apply(state, entry.raw, entry.erased(gone))
        return state

    def fresh(self) -> bytes:
        return self.random.randbytes(32)

    # ---- what people do ----

    def registration(self, person: Person) -> pb.Register:
        digest = payout.binding_digest(NETWORK, person.identity)
        return pb.Register(
            network=NETWORK,
            payout_address=person.address,
            payout_signature=person.sign_digest(digest),
        )

    def item(
        self,
        truth: int,
        label: int | None = None,
        content: bytes | None = None,
        consent: pb.Consent = EVERY_USE,
        fingerprint: bytes | None = None,
    ) -> bytes:
        """The leaf of a fresh item; its opening and true label are remembered."""
        content = self.fresh() if content is None else content
        label_salt, proposed = self.fresh(), truth if label is None else label
        leaf = pb.Item(
            content_commitment=commitments.content_commitment(self.fresh(), content),
            size=len(content),
            media_type="image/png",
            label_commitment=commitments.label_commitment(label_salt, proposed),
            fingerprint=fingerprint_exact(content) if fingerprint is None else fingerprint,
            licence="CC-BY-4.0",
            consent=consent,
            origin=pb.ORIGIN_HUMAN,
        ).SerializeToString()
        self.openings[hash_leaf(leaf)] = (label_salt, proposed)
        self.truth[hash_leaf(leaf)] = truth
        return leaf

    def submit(self, person: Person, leaves: Sequence[bytes]) -> None:
        body = pb.Submission(network=NETWORK, campaign_id="digits", items=batch(leaves))
        self.add(person, "submission", body, leaves)

    def stand_by(self, *people: Person) -> None:
        for person in people:
            person.beacons.append(self.fresh())
            self.add(
                person, "standby", pb.Standby(network=NETWORK, commitment=self._beacon(person))
            )

    def commit_gold(self, item_ids: Sequence[ItemId]) -> None:
        self.gold = {item_id: (self.fresh(), self.truth[item_id]) for item_id in item_ids}
        hashes = [commitments.gold_commitment(i, s, label) for i, (s, label) in self.gold.items()]
        body = pb.GoldCommit(network=NETWORK, epoch=self.state.epoch.number, hashes=batch(hashes))
        self.add(self.operator, "gold-commit", body, hashes)

    def withdraw(self, person: Person, item_ids: Sequence[ItemId]) -> None:
        self.add(person, "withdraw", pb.Withdraw(network=NETWORK, item_ids=item_ids))

    # ---- datasets ----

    def snapshot(self, scope: pb.Consent = EVERY_USE, campaign_id: str = "digits") -> bytes:
        """Logs the snapshot that follows from the log; gives its digest."""
        leaves = dataset.compute_snapshot(self.state, campaign_id, scope)
        self.add_snapshot(leaves, scope, campaign_id)
        return next(reversed(self.state.snapshots))

    def add_snapshot(
        self, leaves: Sequence[ItemId], scope: pb.Consent = EVERY_USE, campaign_id: str = "digits"
    ) -> None:
        body = pb.Snapshot(
            network=NETWORK, campaign_id=campaign_id, scope=scope, items=batch(leaves)
        )
        self.add(self.operator, "snapshot", body, leaves)

    def license(self, snapshot: bytes, **changes: object) -> None:
        self.add(self.operator, "licence", licence(snapshot=snapshot, **changes))

    # ---- how an epoch runs ----

    def phase(self, to: pb.PhaseName) -> None:
        seals = to == pb.PHASE_BEACON
        leaves = sealing.encode_seal(sealing.compute_seal(self.state)) if seals else []
        body = pb.Phase(**self._round(), to=to, duplicates=batch(leaves))
        self.add(self.operator, "phase", body, leaves)

    def open_beacons(self, *people: Person) -> None:
        for person in people:
            value = person.beacons[-1]
            person.beacons.append(self.fresh())
            self.add(
                person,
                "beacon",
                pb.Beacon(**self._round(), value=value, next_commitment=self._beacon(person)),
            )

    def draw(self) -> None:
        seed, assignments = review.compute_draw(self.state)
        leaves = review.encode_draw(assignments)
        body = pb.Draw(**self._round(), seed=seed, assignments=batch(leaves))
        self.add(self.operator, "draw", body, leaves)

    def answers(self, person: Person) -> list[bytes]:
        leaves = []
        for item_id in self.state.epoch.round.tasks[person.identity]:
            label = person.judge(self.truth[item_id])
            answer = pb.Answer(item_id=item_id, reviewer=person.identity, nonce=self.fresh())
            if label is None:
                answer.abstention = pb.ABSTENTION_UNSURE
            else:
                answer.label = label
            leaves.append(answer.SerializeToString())
        return leaves

    def commit(self, person: Person, leaves: Sequence[bytes]) -> None:
        self.add(person, "commit", pb.Commit(**self._round(), answers=batch(leaves)))

    def reveal(self, person: Person, leaves: Sequence[bytes]) -> None:
        self.add(person, "reveal", pb.Reveal(**self._round(), answers=batch(leaves)), leaves)

    def review(self, *people: Person) -> None:
        drawn = [p for p in people if p.identity in self.state.epoch.round.tasks]
        answers = {person.name: self.answers(person) for person in drawn}
        for person in drawn:
            self.commit(person, answers[person.name])
        self.phase(pb.PHASE_REVEALING)
        for person in drawn:
            self.reveal(person, answers[person.name])

    def verdict(self) -> None:
        gold = self.gold if self.state.epoch.round.number == 1 else {}
        published = verdicts.compute_verdicts(self.state, self.openings, gold)
        leaves = [verdict.SerializeToString() for verdict in published]
        body = pb.Verdict(**self._round(), verdicts=batch(leaves))
        self.add(self.operator, "verdict", body, leaves)

    def close(self) -> None:
        lines = epoch.compute_lines(self.state)
        leaves = [line.SerializeToString() for line in lines]
        body = pb.Close(network=NETWORK, epoch=self.state.epoch.number, lines=batch(leaves))
        self.add(self.operator, "close", body, leaves)
        self.gold = {}

    def run_rounds(self, *reviewers: Person) -> None:
        """From the sealed round to the last verdict."""
        while self.state.epoch.phase.name == "BEACON":
            self.open_beacons(*reviewers)
            self.draw()
            self.review(*reviewers)
            self.verdict()

    def run_epoch(self, *reviewers: Person, gold: Sequence[ItemId] = ()) -> None:
        """Everything from stand-by to close."""
        self.stand_by(*reviewers)
        self.commit_gold(gold)
        self.phase(pb.PHASE_BEACON)
        self.run_rounds(*reviewers)
        self.close()

    def _beacon(self, person: Person) -> bytes:
        return commitments.beacon_commitment(NETWORK, person.identity, person.beacons[-1])

    def _round(self) -> dict[str, Any]:
        return {
            "network": NETWORK,
            "epoch": self.state.epoch.number,
            "round": self.state.epoch.round.number,
        }


_DEFAULT_POLICY = policy()


def campaign(**changes: object) -> pb.Campaign:
    """A campaign for labelled digits."""
    made = pb.Campaign(
        network=NETWORK,
        id="digits",
        title="Digits",
        media_types=["image/png"],
        labels=LABELS,
        licences=["CC-BY-4.0"],
        reviewers_per_item=3,
        price_ppm=PPM,
        item_bytes_max=65_536,
        privacy=pb.PRIVACY_OPEN,
        withdrawal=pb.WITHDRAWAL_REPAYS,
    )
    made.MergeFrom(pb.Campaign(**changes))  # type: ignore[arg-type]
    return made


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
