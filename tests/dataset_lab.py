"""A simulated network whose items have content, and the disk of its operator, for tests of datasets."""

from __future__ import annotations

import io
import json
import secrets
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf.message import Message
from PIL import Image

from commonground.dataset.layout import Manifest
from commonground.dataset.splits import SplitTerms
from coordinator.config import Home
from coordinator.dataset.content import ContentStore
from coordinator.dataset.folder import dataset_path, write_dataset
from coordinator.dataset.items import Source
from coordinator.dataset.snapshots import log_snapshot, scope_of
from coordinator.keys import Keys
from coordinator.ledger import Ledger, Staged
from node.intake import fingerprint_content
from protocol.log import commitments
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf, root_of
from protocol.log.note import Verifier
from protocol.log.strict import encode_leaf
from protocol.rows import ItemId
from protocol.state import State
from protocol.tasks.spec import encode_spec
from protocol.transition import shown_batch
from protos.gen import records_pb2 as pb
from tests.simulated import (
    EVERY_USE,
    LABELS,
    LOG_KEY,
    Network,
    Person,
    Truth,
    batch,
    campaign,
    part,
)
from tests.simulated_log import tally_of

VERIFIER: Final = Verifier("commonhold/simulated", bytes(LOG_KEY.verify_key))
ALL: Final = ("train", "redistribute", "commercial")

# A campaign of each kind: pictures, one text, several parts of which one may be absent.
PICTURES: Final = campaign(id="pictures", parts=[part("image", "image/png")])
RATED: Final = campaign(
    id="rated",
    title="How useful?",
    task="rate",
    spec=encode_spec({"steps": ["bad", "fair", "good"], "tolerance": 1}),
    parts=[part("text", "text/plain", "text/markdown"), part("sound", "audio/wav")],
    guidelines="Read it.\nThen | rate <it>.",
)
PREFERRED: Final = campaign(
    id="preferred",
    title="Better answers",
    task="prefer",
    spec=encode_spec({"ties": True}),
    parts=[part("prompt"), part("answer_a"), part("answer_b"), part("context", optional=True)],
    proposal=pb.PROPOSAL_NOT_TAKEN,
)
JUDGED: Final = campaign(
    id="judged",
    title="Transcriptions",
    task="judge",
    spec=encode_spec(
        {
            "criteria": [
                {"name": "correct", "text": "Is every word right?", "needs_ppm": 900_000},
                {"name": "Well put?", "text": "Is it readable?", "needs_ppm": 600_000},
            ]
        }
    ),
    # Names that columns of ours have, too.
    parts=[part("item_id", "image/png"), part("answer"), part("licence", "application/json")],
    proposal=pb.PROPOSAL_NOT_TAKEN,
)
KINDS: Final = {each.id: each for each in (PICTURES, RATED, PREFERRED, JUDGED)}
TRUTHS: Final[dict[str, Sequence[Truth]]] = {
    "pictures": (3, 1, 4),
    "rated": ("good", "bad", "fair"),
    "preferred": ("a", "b", "tie"),
    "judged": ("yes, yes", "yes, yes", "yes, yes"),
}


def picture(seed: int) -> bytes:
    """A small PNG that no other seed has."""
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def recording(seed: int) -> bytes:
    """A short WAV that no other seed has."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(np.random.default_rng(seed).bytes(800))
    return out.getvalue()


def content_of(media_type: str, seed: int) -> bytes:
    """Content of a type that no other seed has."""
    if media_type == "image/png":
        return picture(seed)
    if media_type == "audio/wav":
        return recording(seed)
    if media_type == "application/json":
        return json.dumps({"seed": seed}).encode()
    return f"text {seed}, with ünicode 🙂\n and | <b>markup</b>".encode()


class Pen:
    """Logs the operator's records in a simulated network, as `Operator` does in a real one."""

    def __init__(self, net: Network) -> None:
        self._net = net

    @property
    def state(self) -> State:
        return self._net.state

    def refresh(self) -> None:
        """Nobody else logs anything."""

    def append(self, kind: str, body: Message, leaves: Sequence[bytes] = ()) -> None:
        self._net.add(self._net.operator, kind, body, leaves)


@dataclass
class DatasetLab:
    """People submit items of a campaign; what is accepted can be exported."""

    folder: Path
    campaign: pb.Campaign = field(default_factory=lambda: PICTURES)
    net: Network = field(init=False)
    authors: list[Person] = field(init=False)
    reviewers: list[Person] = field(init=False)
    kept: dict[ItemId, dict[str, tuple[bytes, bytes]]] = field(default_factory=dict)
    _seed: int = 0

    def __post_init__(self) -> None:
        self.home = Home(self.folder)
        self.authors = [Person("ada"), Person("ben")]
        self.reviewers = [Person(f"reviewer {number}") for number in range(4)]
        self.reviewers[0].program = "chat 0.1.0 small-model"
        self.net = Network(*self.authors, *self.reviewers)
        self.net.add(self.net.operator, "campaign", self.campaign)
        self.keys = Keys(
            operator_key=self.net.operator.signing_key,
            operator_keys=(self.net.operator.signing_key,),
            log_keys=(LOG_KEY,),
            chain_secret=bytes(32),
            tls_key=b"",
            tls_certificate=b"",
            log_verifier=VERIFIER,
            delegation=self.net.operator.delegation(),
        )
        self.content = ContentStore(self.home.content_path)

    @property
    def c(self) -> str:
        """The campaign's id."""
        return self.campaign.id

    @property
    def operator(self) -> Any:
        return Pen(self.net)

    @property
    def items(self) -> list[ItemId]:
        """In the order of the log."""
        found = sorted(self.net.state.items.scan(), key=lambda row: row[1].place)
        return [item_id for item_id, _ in found]

    def item(
        self,
        truth: Truth,
        contents: Mapping[str, bytes | None] | None = None,
        sources: Mapping[str, str] | None = None,
        proposes: bool = True,
        **changes: Any,
    ) -> bytes:
        """The leaf of a fresh item that its author consents to every use of. `contents` are those of some
        of its parts, None for one that is left out; a proposal is the right one."""
        kept, parts, optional = {}, [], []
        for terms in self.campaign.parts:
            self._seed += 1
            media_type = terms.media_types[-1]
            content = (contents or {}).get(terms.name, content_of(media_type, self._seed))
            if content is None:
                continue
            kept[terms.name] = (self.net.fresh(), content)
            described = pb.Part(
                name=terms.name,
                commitment=commitments.content_commitment(*kept[terms.name]),
                size=len(content),
                media_type=media_type,
                fingerprint=b"" if terms.optional else fingerprint_content(content, media_type),
                source=(sources or {}).get(terms.name, ""),
            )
            if terms.optional:
                optional.append(self.net.own_leaf(described))
            else:
                parts.append(described)
        fields: dict[str, Any] = {
            "parts": parts,
            "optional": optional,
            "licence": "CC-BY-4.0",
            "consent": EVERY_USE,
            "origin": pb.ORIGIN_HUMAN,
        }
        opening = self.net.fresh(), self.net.answer(truth, self.c)
        takes = proposes and self.campaign.proposal != pb.PROPOSAL_NOT_TAKEN
        if takes:
            fields["proposal_commitment"] = commitments.proposal_commitment(*opening)
        leaf = encode_leaf(pb.Item(**(fields | changes)))
        item_id = hash_leaf(leaf)
        if takes:
            self.net.openings[item_id] = opening
        self.net.truth[item_id] = truth
        self.kept[item_id] = kept
        return leaf

    def submit(self, **leaves: Sequence[bytes]) -> None:
        """Authors, by name, submit these leaves."""
        for author in self.authors:
            if author.name in leaves:
                self.net.submit(author, leaves[author.name], self.c)

    def accept(self, **leaves: Sequence[bytes]) -> None:
        """Submits, decides and closes the epoch."""
        self.submit(**leaves)
        self.net.run_rounds(*self.reviewers, c=self.c)
        self.net.close()

    def withdraw(self, author: Person, *item_ids: ItemId, part: str = "") -> None:
        self.net.withdraw(author, item_ids, part)

    def fetch(self, *item_ids: ItemId) -> None:
        """Puts content where a fetch would."""
        for item_id in item_ids or self.kept:
            for name, (salt, content) in self.kept[item_id].items():
                self.content.incoming(item_id, name).write_bytes(content)
                self.content.keep(item_id, name, salt)

    def ledger(self) -> Ledger:
        """The log so far, on disk."""
        path = self.folder / f"ledger-{secrets.token_hex(8)}.db"
        ledger = Ledger.create(f"sqlite:///{path}", VERIFIER.name)
        staged, gone = [], self.net.erased_since()
        for entry in self.net.log:
            shown = shown_batch(parse_envelope(entry.raw))
            bundle = encode_bundle(entry.erased(gone)) if shown is not None else None
            staged.append(Staged(entry.raw, bundle, shown.root if shown is not None else None))
        root = root_of([entry.raw for entry in self.net.log])
        head = self.keys.sign_checkpoint(len(staged), root, self.net.state.log_keys)
        ledger.commit(staged, head, 0)
        return ledger

    def export(
        self, *scope: str, missing: Sequence[ItemId] = (), split: SplitTerms | None = None
    ) -> tuple[Path, Manifest]:
        """Writes the dataset of now."""
        digest, snapshot = log_snapshot(self.operator, self.c, scope_of(scope or ALL))
        with self.ledger() as ledger:
            source = Source(
                self.net.state,
                digest,
                snapshot,
                tally_of(self.net.log)[1].answers.comparisons_in(self.c),
                ledger,
                self.keys,
                self.content,
                "https://net.example",
                "2026-03-01",
            )
            manifest = write_dataset(
                self.home.datasets_path, source, frozenset(missing), lambda: None, split
            )
        return dataset_path(self.home.datasets_path, digest), manifest


def filled(folder: Path, campaign_id: str) -> DatasetLab:
    """Three accepted items of a kind of campaign, two of ada's and one of ben's, all of them fetched."""
    folder.mkdir(exist_ok=True)
    lab = DatasetLab(folder, KINDS[campaign_id])
    first, second, third = (lab.item(truth) for truth in TRUTHS[campaign_id])
    lab.accept(ada=[first, second], ben=[third])
    lab.fetch()
    return lab


def lineage(*parents: bytes) -> dict[str, Any]:
    """Fields of an item that a model made from others."""
    return {
        "origin": pb.ORIGIN_SYNTHETIC,
        "generator": "diffuser-2 | <b>bold</b>",
        "derived_from": list(parents),
        "transformation": "rotated by 5 degrees",
        "personal_data": True,
    }


__all__ = ["ALL", "KINDS", "LABELS", "VERIFIER", "DatasetLab", "Pen", "batch", "lineage", "picture"]
