"""A ledger with a million items, written directly: for what has to be fast at that size.

Well-formed records in the order in which a network logs them, with empty signatures and nobody who stood by
or tossed: a start does not verify its own disk again, and whoever does would refuse them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from google.protobuf.message import Message

from coordinator.keys import Keys
from coordinator.ledger import Ledger, Staged
from protocol.identity import KeyId, PersonId, person_of_root
from protocol.limits import PPM
from protocol.log.batch import encode_bundle
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.strict import canonical, encode_leaf
from protocol.money import events
from protos.gen import records_pb2 as pb
from tests.chain_says import PAYER, TOKEN, WHERE, block_hash, deployment, said
from tests.helpers import answer_of, campaign_record
from tests.simulated import batch, part

MEMBERS: Final = 10_000
ITEMS: Final = 1_000_000
EPOCH_ITEMS: Final = 8_000  # one round takes 8,192
SUBMISSION_ITEMS: Final = 100
REVIEWERS: Final = 50  # in each epoch
ANSWERS: Final = 2  # for each item
REVENUE_EVERY: Final = 25  # epochs; its close has a line for every holder
SNAPSHOT_ITEMS: Final = 60_000
JOB_ROUNDS: Final = 100
JOB_PARTNERS: Final = 10
_SIGNATURE: Final = bytes(64)


@dataclass(frozen=True, slots=True)
class Somebody:
    """A member: the keys are nobody's, and sign nothing."""

    root: bytes
    key: KeyId

    @classmethod
    def number(cls, number: int) -> Somebody:
        """The member with this number."""
        root, key = (sha256(f"{what} {number}".encode()).digest() for what in ("root", "key"))
        return cls(root, KeyId(key))

    @property
    def person(self) -> PersonId:
        """Who it is."""
        return person_of_root(self.root)


@dataclass
class Writer:
    """Puts records into the ledger, an epoch in a transaction."""

    ledger: Ledger
    keys: Keys
    tree: MerkleTree
    staged: list[Staged] = field(default_factory=list)

    def add(self, key: bytes, kind: str, body: Message, leaves: Sequence[bytes] = ()) -> None:
        """Stages a record, with its leaves if it has a batch."""
        payload = canonical(body)
        envelope = pb.Envelope(kind=kind, key=key, payload=payload, signature=_SIGNATURE)
        beside: tuple[bytes, bytes] | tuple[None, None] = (None, None)
        if made := next((b for _, b in body.ListFields() if isinstance(b, pb.Batch)), None):
            beside = (encode_bundle(leaves), made.root)
        self.staged.append(Staged(envelope.SerializeToString(), *beside))

    def commit(self) -> None:
        """Writes what is staged."""
        size = self.tree.size
        for each in self.staged:
            self.tree.append(each.leaf_hash)
        key = self.keys.log_verifier.public_key
        note = self.keys.sign_checkpoint(self.tree.size, self.tree.root(), (key,))
        self.ledger.commit(self.staged, note, size)
        self.staged = []


def _items(rng: random.Random) -> Iterator[bytes]:
    while True:
        picture = pb.Part(
            name="picture", commitment=rng.randbytes(32), size=1_000, media_type="image/png"
        )
        yield encode_leaf(
            pb.Item(
                parts=[picture],
                proposal_commitment=rng.randbytes(32),
                licence="CC-BY-4.0",
                consent=pb.Consent(train=True, redistribute=True, commercial=True),
                origin=pb.ORIGIN_HUMAN,
            )
        )


class Network:
    """Writes a network's life, epoch by epoch."""

    def __init__(self, writer: Writer, items: int) -> None:
        self.rng = random.Random(1)
        self.writer = writer
        self.network = writer.keys.network
        self.operator = writer.keys.record_key
        self.members = [Somebody.number(number) for number in range(MEMBERS)]
        self.fresh = _items(self.rng)
        self.accepted: list[bytes] = []
        self.clock_ms = 0
        self.shares: dict[PersonId, int] = {}
        self._found()
        for epoch in range(1, items // EPOCH_ITEMS + 1):
            self._epoch(epoch)
            writer.commit()
        self._train()
        writer.commit()

    def _found(self) -> None:
        body = campaign_record(
            self.network, privacy=pb.PRIVACY_REVIEWERS, parts=[part("picture", "image/png")]
        )
        self.writer.add(self.operator, "campaign", body)
        for member in self.members:
            delegation = pb.Delegation(root_key=member.root, signature=_SIGNATURE)
            joins = pb.Register(
                network=self.network, delegation=delegation, payout_address=member.root[:20]
            )
            self.writer.add(member.key, "register", joins)
        deployed = deployment()
        deployed.network = self.network
        self.writer.add(self.operator, "deployment", deployed)
        self._chain_says(0, events.AssetListed(TOKEN))
        self.writer.commit()

    def _chain_says(self, epoch: int, event: object) -> None:
        """One event, in a block of its own; the log reads a block an epoch."""
        block, log = WHERE.block + epoch, said(event)
        log.block, log.block_hash, log.tx_hash = block, block_hash(block), block_hash(block, 1)
        leaves = [encode_leaf(log)]
        body = pb.Chain(
            network=self.network,
            first=block,
            last=block,
            last_hash=log.block_hash,
            logs=batch(leaves),
        )
        self.writer.add(self.operator, "chain", body, leaves)

    def _epoch(self, epoch: int) -> None:
        authors = self.rng.sample(self.members, EPOCH_ITEMS // SUBMISSION_ITEMS)
        reviewers = self.rng.sample(self.members, REVIEWERS)
        ids = [item_id for author in authors for item_id in self._submit(author)]
        add, operator = self.writer.add, self.operator
        add(operator, "seal", pb.Seal(**self._place(epoch), found=batch([])))
        drawn = [self.rng.sample(reviewers, ANSWERS) for _ in ids]
        leaves = [
            encode_leaf(pb.Assignment(item_id=i, reviewers=[each.person for each in who]))
            for i, who in zip(ids, drawn, strict=True)
        ]
        seed = self.rng.randbytes(32)
        draw = pb.Draw(**self._place(epoch), seed=seed, assignments=batch(leaves))
        add(operator, "draw", draw, leaves)
        add(operator, "end-commits", pb.EndCommits(**self._place(epoch)))
        self._reveal(epoch, ids, drawn)
        outcomes = [
            pb.OUTCOME_ACCEPTED if self.rng.random() < 0.9 else pb.OUTCOME_REJECTED for _ in ids
        ]
        belief = [910_000, *[10_000] * 9]
        leaves = [
            encode_leaf(
                pb.ItemVerdict(
                    item_id=i,
                    outcome=o,
                    belief_ppm=belief,
                    answer=answer_of(0),
                    confidence_ppm=belief[0],
                )
            )
            for i, o in zip(ids, outcomes, strict=True)
        ]
        verdict = pb.Verdict(**self._place(epoch), verdicts=batch(leaves))
        add(operator, "verdict", verdict, leaves)
        self.accepted += [i for i, o in zip(ids, outcomes, strict=True) if o == pb.OUTCOME_ACCEPTED]
        self._close(epoch, authors, reviewers)

    def _place(self, epoch: int) -> dict[str, Any]:
        """What each of the operator's records of a round begins with; an epoch has one round."""
        self.clock_ms += 1
        place = {"network": self.network, "campaign_id": "digits", "round": epoch}
        return place | {"time_ms": self.clock_ms}

    def _submit(self, author: Somebody) -> list[bytes]:
        leaves = [next(self.fresh) for _ in range(SUBMISSION_ITEMS)]
        body = pb.Submission(network=self.network, campaign_id="digits", items=batch(leaves))
        self.writer.add(author.key, "submission", body, leaves)
        return [hash_leaf(leaf) for leaf in leaves]

    def _reveal(self, epoch: int, ids: list[bytes], drawn: list[list[Somebody]]) -> None:
        answers: dict[Somebody, list[bytes]] = {}
        for item_id, reviewers in zip(ids, drawn, strict=True):
            for who in reviewers:
                answer = pb.Answer(
                    item_id=item_id, reviewer=who.person, nonce=bytes(32), answer=answer_of(0)
                )
                answers.setdefault(who, []).append(encode_leaf(answer))
        for who, leaves in answers.items():
            body = pb.Reveal(
                network=self.network, campaign_id="digits", round=epoch, answers=batch(leaves)
            )
            self.writer.add(who.key, "reveal", body, leaves)

    def _close(self, epoch: int, authors: list[Somebody], reviewers: list[Somebody]) -> None:
        lines = [
            *self._lines(authors, pb.ROLE_CONTRIBUTOR, 600 * PPM),
            *self._lines(reviewers, pb.ROLE_REVIEWER, 250 * PPM),
        ]
        if epoch % REVENUE_EVERY == 0:
            self._chain_says(epoch, events.Deposited(TOKEN, PAYER, len(self.shares), bytes(32)))
            lines += [
                pb.RewardLine(
                    person=who,
                    role=pb.ROLE_HOLDER,
                    asset=TOKEN,
                    amount="1",
                    evidence=pb.Evidence(shares_micro=held),
                )
                for who, held in sorted(self.shares.items())
            ]
        leaves = [encode_leaf(line) for line in lines]
        body = pb.Close(
            network=self.network, epoch=epoch, time_ms=self.clock_ms, lines=batch(leaves)
        )
        self.writer.add(self.operator, "close", body, leaves)

    def _lines(self, who: list[Somebody], role: pb.Role, pool: int) -> list[pb.RewardLine]:
        each = pool // len(who)
        people = sorted(member.person for member in who)
        for person in people:
            self.shares[person] = self.shares.get(person, 0) + each
        return [
            pb.RewardLine(
                person=person,
                role=role,
                campaign_id="digits",
                amount=str(each),
                weight_micro=PPM,
                evidence=pb.Evidence(accepted=90, rejected=10, answers=320),
            )
            for person in people
        ]

    def _train(self) -> None:
        add, joined = self.writer.add, self.members[:JOB_PARTNERS]
        partners = sorted(member.person for member in joined)
        items = [encode_leaf(pb.SnapshotItem(item_id=i)) for i in self.accepted[:SNAPSHOT_ITEMS]]
        scope = pb.Consent(train=True)
        snapshot = pb.Snapshot(
            network=self.network, campaign_id="digits", scope=scope, items=batch(items)
        )
        add(self.operator, "snapshot", snapshot, items)
        job = pb.Job(
            network=self.network,
            id="train",
            campaign_id="digits",
            initial_model=bytes(32),
            partners=partners,
            quorum=JOB_PARTNERS,
            rounds=JOB_ROUNDS,
            epsilon_micro=10 * PPM,
            delta_ppb=10_000,
        )
        add(self.operator, "job", job)
        for who in joined:
            add(who.key, "enrol", pb.Enrol(network=self.network, job_id="train"))
        start = pb.TrainingStart(network=self.network, job_id="train")
        add(self.operator, "training-start", start)
        for number in range(1, JOB_ROUNDS + 1):
            for who in joined:
                update = pb.Update(network=self.network, job_id="train", round=number)
                add(who.key, "update", update)
            done = pb.TrainingRound(
                network=self.network,
                job_id="train",
                round=number,
                partners=partners,
                epsilon_micro=number * PPM // 20,
                accuracy_ppm=PPM // 2 + number * 4_000,
            )
            add(self.operator, "training-round", done)
