"""Writes a dataset's items: the rows in data/, and the lines that prove them in items.jsonl."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonground.dataset import layout
from commonground.dataset.decided import Decided, kin
from commonground.dataset.parquet import SplitFiles
from commonground.dataset.splits import TRAIN, Member, SplitTerms, split_items
from commonground.files import writing
from coordinator.answers import Comparisons
from coordinator.dataset.content import ContentStore
from coordinator.dataset.evidence import Evidence, PartProof, item_line, missing_line
from coordinator.dataset.facts import Facts
from coordinator.keys import Keys
from coordinator.ledger import Ledger
from protocol.errors import StateError, StoreError
from protocol.log.strict import parse_leaf
from protocol.rows import Item, ItemId, Snapshot
from protocol.rules.dataset import snapshot_leaf
from protocol.state import State
from protos.gen import records_pb2 as pb

# A value of a Parquet column is read whole. Nodes submit items of at most 8 MiB; others might not.
ITEM_BYTES_MAX: Final = 64 * 1024 * 1024

OnItem = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Source:
    """What a dataset is made of. The state is that of a moment, and stays as it is."""

    state: State
    digest: bytes
    snapshot: Snapshot
    comparisons: Comparisons
    ledger: Ledger
    keys: Keys
    content: ContentStore
    url: str
    published: str  # date, YYYY-MM-DD


@dataclass(frozen=True, slots=True)
class ItemWriter:
    """One pass over the snapshot's items, but for those `missing`. Counts into `facts`."""

    folder: Path
    source: Source
    facts: Facts
    evidence: Evidence
    missing: Collection[ItemId]

    def write(self, on_item: OnItem) -> list[Path]:
        """Writes all; gives the Parquet files. Raises StateError and StoreError, as write_dataset says."""
        splits = self._splits()
        files = SplitFiles(self.folder, self.facts.columns)
        try:
            with writing(self.folder / layout.ITEMS) as proofs:
                for item_id in self.source.snapshot.items:
                    if item_id in self.missing:
                        proofs.write(missing_line(snapshot_leaf(self.source.state, item_id)))
                    else:
                        split = splits.get(item_id, TRAIN)
                        proofs.write(self._write_item(files, item_id, split))
                    on_item()
            if self.facts.items == 0:
                raise StateError(
                    "no item of the snapshot is here", "try again when nodes are online"
                )
            return files.finish()
        finally:
            files.close()

    def _splits(self) -> dict[ItemId, str]:
        terms = self.facts.split
        if terms is None:
            return {}
        here = [each for each in self.source.snapshot.items if each not in self.missing]
        return split_items([self._member(each, terms) for each in here], terms)

    def _member(self, item_id: ItemId, terms: SplitTerms) -> Member:
        item = self.source.state.items[item_id]
        described = parse_leaf(pb.Item, self.evidence.described[item_id])
        author = item.author if terms.by_author else None
        related = kin(described.derived_from, item.resembles, item.relation)
        return Member.of(described, item_id, item.answer or b"", related, author)

    def _write_item(self, files: SplitFiles, item_id: ItemId, split: str) -> bytes:
        """Writes the row; gives the line that proves it."""
        item = self.source.state.items[item_id]
        opened = self._read_parts(item_id, item)
        decided = self._decided(item_id, item)
        contents = {name: part.content for name, part in opened.items()}
        self.facts.count(decided, contents, split)
        row = self.facts.columns.row(decided, contents)
        files.add(split, row, sum(map(len, contents.values())))
        return item_line(
            snapshot_leaf(self.source.state, item_id),
            self.evidence.described[item_id],
            opened,
            submission=item.submitted_at,
            verdict=self.evidence.verdicts[item_id],
            answers=self.evidence.answers.get(item_id, ()),
        )

    def _decided(self, item_id: ItemId, item: Item) -> Decided:
        if item.answer is None or item.decided_in is None:
            if item.contested:  # since the snapshot, which has decided items only
                raise StateError(
                    f"item {item_id.hex()} was contested meanwhile, and its answer counts no more",
                    "export again: the next snapshot leaves it out until it is decided",
                )
            raise StateError(
                f"item {item_id.hex()} is not decided", "run `commonhold coordinator fsck`"
            )
        return Decided(
            item_id,
            item.described(),
            item.author,
            item.submitted_at,
            item.answer,
            item.belief_ppm,
            item.confidence_ppm,
            item.decided_in,
            len(item.panel),
            item.programs,
            self.evidence.given(item_id),
            *((item.resembles, item.relation) if item.relation else ()),
        )

    def _read_parts(self, item_id: ItemId, item: Item) -> dict[str, PartProof]:
        """Content of each part with what proves it, by its name."""
        parts = item.described().parts
        if sum(part.size for part in parts) > ITEM_BYTES_MAX:
            raise StateError(f"item {item_id.hex()} is larger than {ITEM_BYTES_MAX} bytes")
        opened = {}
        for part in parts:
            found = self.source.content.read(item_id, part.name, part.commitment)
            if found is None:
                raise StoreError(
                    f"the {part.name} of item {item_id.hex()} is gone or damaged",
                    "run the export again",
                )
            leaf = self.evidence.described[part.leaf] if part.leaf else b""
            opened[part.name] = PartProof(*found, leaf)
        return opened
