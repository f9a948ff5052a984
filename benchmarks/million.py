"""A ledger with a million items, written directly: for what has to be fast at that size.

Well-formed records in the order in which a network logs them, with empty signatures and nobody's beacon:
a start does not verify its own disk again, and whoever does would refuse them.
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
from protocol.limits import PPM
from protocol.log.batch import batch_root, encode_bundle
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import sign_checkpoint
from protos.gen import records_pb2 as pb
from tests.helpers import campaign_record

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
TOKEN: Final = b"\x05" * 20
_SIGNATURE: Final = bytes(64)


def _identity(number: int) -> bytes:
    return sha256(f"member {number}".encode()).digest()


@dataclass
class Writer:
    """Puts records into the ledger, an epoch in a transaction."""

    ledger: Ledger
    keys: Keys
    tree: MerkleTree
    staged: list[Staged] = field(default_factory=list)

    def add(self, author: bytes, kind: str, body: Message, leaves: Sequence[bytes] = ()) -> None:
        """Stages a record, with its leaves if it has a batch."""
        payload = body.SerializeToString()
        envelope = pb.Envelope(kind=kind, author=author, payload=payload, signature=_SIGNATURE)
        beside: tuple[bytes, bytes] | tuple[None, None] = (None, None)
        if batch := next((b for _, b in body.ListFields() if isinstance(b, pb.Batch)), None):
            beside = (encode_bundle(leaves), batch.root)
        self.staged.append(Staged(envelope.SerializeToString(), *beside))

    def commit(self) -> None:
        """Writes what is staged."""
        size = self.tree.size
        for each in self.staged:
            self.tree.append(each.leaf_hash)
        verifier = self.keys.log_verifier
        note = sign_checkpoint(verifier, self.tree.size, self.tree.root(), self.keys.sign_log)
        self.ledger.commit(self.staged, note, size)
        self.staged = []


def _batch(leaves: Sequence[bytes]) -> pb.Batch:
    return pb.Batch(root=batch_root(leaves), count=len(leaves))


def _items(rng: random.Random) -> Iterator[bytes]:
    while True:
        yield pb.Item(
            content_commitment=rng.randbytes(32),
            size=1_000,
            media_type="image/png",
            label_commitment=rng.randbytes(32),
            licence="CC-BY-4.0",
            consent=pb.Consent(train=True, redistribute=True, commercial=True),
            origin=pb.ORIGIN_HUMAN,
        ).SerializeToString()


class Network:
    """Writes a network's life, epoch by epoch."""

    def __init__(self, writer: Writer, items: int) -> None:
        self.rng = random.Random(1)
        self.writer = writer
        self.network = writer.keys.network
        self.operator = writer.keys.operator
        self.members = [_identity(number) for number in range(MEMBERS)]
        self.fresh = _items(self.rng)
        self.accepted: list[bytes] = []
        self.shares: dict[bytes, int] = {}
        self._found()
        for epoch in range(1, items // EPOCH_ITEMS + 1):
            self._epoch(epoch)
            writer.commit()
        self._train()
        writer.commit()

    def _found(self) -> None:
        body = campaign_record(self.network, privacy=pb.PRIVACY_REVIEWERS)
        self.writer.add(self.operator, "campaign", body)
        for member in self.members:
            address = member[:20]
            body_ = pb.Register(network=self.network, payout_address=address)
            self.writer.add(member, "register", body_)
        deployed = pb.Deployment(
            network=self.network, chain_id=1, settlement=b"\x01" * 20, share_token=b"\x02" * 20
        )
        self.writer.add(self.operator, "deployment", deployed)
        self.writer.commit()

    def _epoch(self, epoch: int) -> None:
        authors = self.rng.sample(self.members, EPOCH_ITEMS // SUBMISSION_ITEMS)
        reviewers = self.rng.sample(self.members, REVIEWERS)
        submitted = {author: self._submit(author) for author in authors}
        ids = [item_id for own in submitted.values() for item_id in own]
        place: dict[str, Any] = {"network": self.network, "epoch": epoch, "round": 1}
        add, operator = self.writer.add, self.operator
        add(operator, "phase", pb.Phase(**place, to=pb.PHASE_BEACON, duplicates=_batch([])))
        drawn = [self.rng.sample(reviewers, ANSWERS) for _ in ids]
        leaves = [
            pb.Assignment(item_id=i, reviewers=who).SerializeToString()
            for i, who in zip(ids, drawn, strict=True)
        ]
        add(operator, "draw", pb.Draw(**place, assignments=_batch(leaves)), leaves)
        add(operator, "phase", pb.Phase(**place, to=pb.PHASE_REVEALING, duplicates=_batch([])))
        self._reveal(place, ids, drawn)
        outcomes = [
            pb.OUTCOME_ACCEPTED if self.rng.random() < 0.9 else pb.OUTCOME_REJECTED for _ in ids
        ]
        leaves = [
            pb.ItemVerdict(item_id=i, outcome=o, posterior_ppm=990_000).SerializeToString()
            for i, o in zip(ids, outcomes, strict=True)
        ]
        add(operator, "verdict", pb.Verdict(**place, verdicts=_batch(leaves)), leaves)
        self.accepted += [i for i, o in zip(ids, outcomes, strict=True) if o == pb.OUTCOME_ACCEPTED]
        self._close(epoch, authors, reviewers)

    def _submit(self, author: bytes) -> list[bytes]:
        leaves = [next(self.fresh) for _ in range(SUBMISSION_ITEMS)]
        body = pb.Submission(network=self.network, campaign_id="digits", items=_batch(leaves))
        self.writer.add(author, "submission", body, leaves)
        return [hash_leaf(leaf) for leaf in leaves]

    def _reveal(self, place: dict[str, Any], ids: list[bytes], drawn: list[list[bytes]]) -> None:
        answers: dict[bytes, list[bytes]] = {}
        for item_id, reviewers in zip(ids, drawn, strict=True):
            for who in reviewers:
                answer = pb.Answer(item_id=item_id, reviewer=who, nonce=bytes(32))
                answers.setdefault(who, []).append(answer.SerializeToString())
        for who, leaves in answers.items():
            body = pb.Reveal(**place, answers=_batch(leaves))
            self.writer.add(who, "reveal", body, leaves)

    def _close(self, epoch: int, authors: list[bytes], reviewers: list[bytes]) -> None:
        lines = [
            *self._lines(authors, pb.ROLE_CONTRIBUTOR, 600 * PPM),
            *self._lines(reviewers, pb.ROLE_REVIEWER, 250 * PPM),
        ]
        if epoch % REVENUE_EVERY == 0:
            revenue = pb.Revenue(
                network=self.network,
                asset=TOKEN,
                amount=str(len(self.shares)),
                tx_hash=sha256(str(epoch).encode()).digest(),
            )
            self.writer.add(self.operator, "revenue", revenue)
            lines += [
                pb.RewardLine(
                    identity=who,
                    role=pb.ROLE_HOLDER,
                    asset=TOKEN,
                    amount="1",
                    evidence=pb.Evidence(shares_micro=held),
                )
                for who, held in sorted(self.shares.items())
            ]
        leaves = [line.SerializeToString() for line in lines]
        body = pb.Close(network=self.network, epoch=epoch, lines=_batch(leaves))
        self.writer.add(self.operator, "close", body, leaves)

    def _lines(self, who: list[bytes], role: pb.Role, pool: int) -> list[pb.RewardLine]:
        each = pool // len(who)
        for identity in who:
            self.shares[identity] = self.shares.get(identity, 0) + each
        return [
            pb.RewardLine(
                identity=identity,
                role=role,
                campaign_id="digits",
                amount=str(each),
                weight_micro=PPM,
                evidence=pb.Evidence(accepted=90, rejected=10, answers=320),
            )
            for identity in sorted(who)
        ]

    def _train(self) -> None:
        add, partners = self.writer.add, sorted(self.members[:JOB_PARTNERS])
        items = self.accepted[:SNAPSHOT_ITEMS]
        scope = pb.Consent(train=True)
        snapshot = pb.Snapshot(
            network=self.network, campaign_id="digits", scope=scope, items=_batch(items)
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
        for who in partners:
            add(who, "enrol", pb.Enrol(network=self.network, job_id="train"))
        for number in range(1, JOB_ROUNDS + 1):
            for who in partners:
                update = pb.Update(network=self.network, job_id="train", round=number)
                add(who, "update", update)
            done = pb.TrainingRound(
                network=self.network,
                job_id="train",
                round=number,
                partners=partners,
                epsilon_micro=number * PPM // 20,
                accuracy_ppm=PPM // 2 + number * 4_000,
            )
            add(self.operator, "training-round", done)
