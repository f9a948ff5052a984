"""A simulated network whose items have content, and the disk of its operator, for tests of datasets."""

from __future__ import annotations

import io
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import Message
from PIL import Image

from commonground.dataset.layout import Manifest
from coordinator.config import Home
from coordinator.dataset.content import ContentStore
from coordinator.dataset.folder import Source, dataset_path, write_dataset
from coordinator.dataset.snapshots import log_snapshot, scope_of
from coordinator.keys import Keys
from coordinator.ledger import Ledger, Staged
from protocol.log import commitments
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf, root_of
from protocol.log.note import Verifier, sign_checkpoint
from protocol.review.fingerprints import fingerprint_exact
from protocol.state import ItemId, State
from protocol.transition import shown_batch
from protos.gen import records_pb2 as pb
from tests.simulated import LOG_KEY, NETWORK, Network, Person, batch

VERIFIER = Verifier("commonhold/simulated", bytes(LOG_KEY.verify_key))
ALL = ("train", "redistribute", "commercial")


def picture(seed: int) -> bytes:
    """A small PNG that no other seed has."""
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


class Pen:
    """Logs the operator's records in a simulated network, as `Operator` does in a real one."""

    def __init__(self, net: Network) -> None:
        self._net = net

    @property
    def state(self) -> State:
        return self._net.state

    def append(self, kind: str, body: Message, leaves: Sequence[bytes] = ()) -> None:
        self._net.add(self._net.operator, kind, body, leaves)


@dataclass
class DatasetLab:
    """People submit pictures of digits; what is accepted can be exported."""

    folder: Path
    net: Network = field(init=False)
    authors: list[Person] = field(init=False)
    reviewers: list[Person] = field(init=False)
    kept: dict[ItemId, tuple[bytes, bytes]] = field(default_factory=dict)  # salt, content
    _seed: int = 0

    def __post_init__(self) -> None:
        self.home = Home(self.folder)
        self.authors = [Person("ada"), Person("ben")]
        self.reviewers = [Person(f"reviewer {number}") for number in range(4)]
        self.net = Network(*self.authors, *self.reviewers)
        self.keys = Keys(
            operator_key=self.net.operator.key,
            log_key=LOG_KEY,
            chain_secret=bytes(32),
            tls_key=b"",
            tls_certificate=b"",
            log_verifier=VERIFIER,
        )
        self.content = ContentStore(self.home.content_path)

    @property
    def operator(self) -> Any:
        return Pen(self.net)

    def item(self, label: int, content: bytes | None = None, **changes: Any) -> bytes:
        """The leaf of a fresh item that its author consents to every use of."""
        self._seed += 1
        content = picture(self._seed) if content is None else content
        salt, label_salt = self.net.fresh(), self.net.fresh()
        fields: dict[str, Any] = {
            "content_commitment": commitments.content_commitment(salt, content),
            "size": len(content),
            "media_type": "image/png",
            "label_commitment": commitments.label_commitment(label_salt, label),
            "fingerprint": fingerprint_exact(content),
            "licence": "CC-BY-4.0",
            "consent": pb.Consent(train=True, redistribute=True, commercial=True),
            "origin": pb.ORIGIN_HUMAN,
        }
        leaf = pb.Item(**(fields | changes)).SerializeToString()
        item_id = hash_leaf(leaf)
        self.net.openings[item_id] = (label_salt, label)
        self.net.truth[item_id] = label
        self.kept[item_id] = (salt, content)
        return leaf

    def accept(self, **leaves: Sequence[bytes]) -> None:
        """Authors, by name, submit these leaves; an epoch accepts them."""
        for author in self.authors:
            if author.name in leaves:
                self.net.submit(author, leaves[author.name])
        self.net.run_epoch(*self.reviewers)

    def withdraw(self, author: Person, *item_ids: ItemId) -> None:
        self.net.add(author, "withdraw", pb.Withdraw(network=NETWORK, item_ids=item_ids))

    def fetch(self, *item_ids: ItemId) -> None:
        """Puts content where a fetch would."""
        for item_id in item_ids or self.kept:
            salt, content = self.kept[item_id]
            self.content.incoming(item_id).write_bytes(content)
            self.content.keep(item_id, salt)

    def ledger(self) -> Ledger:
        """The log so far, on disk."""
        path = self.folder / f"ledger-{secrets.token_hex(8)}.db"
        ledger = Ledger.create(f"sqlite:///{path}", VERIFIER.name)
        staged = []
        for entry in self.net.log:
            shown = shown_batch(parse_envelope(entry.raw))
            bundle = encode_bundle(entry.leaves) if shown is not None else None
            staged.append(Staged(entry.raw, bundle, shown.root if shown is not None else None))
        root = root_of([entry.raw for entry in self.net.log])
        ledger.commit(staged, sign_checkpoint(VERIFIER, len(staged), root, self.keys.sign_log), 0)
        return ledger

    def export(self, *scope: str, missing: Sequence[ItemId] = ()) -> tuple[Path, Manifest]:
        """Writes the dataset of now."""
        digest, snapshot = log_snapshot(self.operator, "digits", scope_of(scope or ALL))
        with self.ledger() as ledger:
            source = Source(
                self.net.state,
                digest,
                snapshot,
                ledger,
                self.keys,
                self.content,
                "https://net.example",
                "2026-03-01",
            )
            manifest = write_dataset(
                self.home.datasets_path, source, frozenset(missing), lambda: None
            )
        return dataset_path(self.home.datasets_path, digest), manifest


def lineage(*parents: bytes) -> dict[str, Any]:
    """Fields of an item that a model made from others."""
    return {
        "origin": pb.ORIGIN_SYNTHETIC,
        "generator": "diffuser-2 | <b>bold</b>",
        "derived_from": list(parents),
        "transformation": "rotated by 5 degrees",
        "personal_data": True,
    }


__all__ = ["ALL", "VERIFIER", "DatasetLab", "Pen", "batch", "lineage", "picture"]
