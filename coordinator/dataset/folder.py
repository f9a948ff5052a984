"""Writes a dataset's folder: everything into a hidden one beside it, synced, then renamed.

If we crash before the rename, the hidden folder is left; the next export of the snapshot deletes it, and
so does the sweep when somebody withdraws from the snapshot. A half dataset never has a dataset's name.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonground.dataset import layout
from commonground.dataset.layout import FileEntry, Manifest
from commonground.dataset.parquet import ParquetFiles
from commonground.dataset.rows import Columns, Decided
from commonground.files import DIRECTORY_MODE, sha256_file, sync_directory, writing
from coordinator.answers import Comparisons
from coordinator.dataset.card import render
from coordinator.dataset.content import ContentStore
from coordinator.dataset.croissant import describe
from coordinator.dataset.evidence import (
    Evidence,
    PartProof,
    item_line,
    missing_line,
    write_log,
)
from coordinator.dataset.facts import Facts
from coordinator.dataset.ranking import encode_ranking
from coordinator.dataset.snapshots import folder_name
from coordinator.keys import Keys
from coordinator.ledger import Ledger
from coordinator.ranking import rank
from protocol.errors import StateError, StoreError
from protocol.rows import Item, ItemId, Snapshot
from protocol.rules.dataset import snapshot_leaf
from protocol.state import State

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


def dataset_path(datasets: Path, digest: bytes) -> Path:
    """Where the dataset of a snapshot is, or belongs."""
    return datasets / folder_name(digest)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a dataset of ours; None where there is no whole dataset."""
    try:
        return Manifest.parse((folder / layout.MANIFEST).read_bytes())
    except FileNotFoundError:
        return None


def write_dataset(
    datasets: Path, source: Source, missing: Collection[ItemId], on_item: OnItem
) -> Manifest:
    """Writes datasets/<snapshot>, in place of one that is there; the items `missing` are left out.

    Raises:
        StateError: nothing would be left, or an item is too large for a Parquet file.
        StoreError: our disk failed, or content is gone or damaged that was to be here.
    """
    folder = dataset_path(datasets, source.digest)
    part = folder.with_name(f".{folder.name}.part")
    try:
        datasets.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=DIRECTORY_MODE)
        try:
            manifest = _fill(part, source, missing, on_item)
            _publish(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}") from error
    return manifest


def _fill(part: Path, source: Source, missing: Collection[ItemId], on_item: OnItem) -> Manifest:
    state, snapshot = source.state, source.snapshot
    under = Counter(state.items[item_id].revision for item_id in snapshot.items)
    revisions = [state.campaign_under(snapshot.campaign_id, each) for each in sorted(under)]
    campaign = revisions[-1]
    facts = Facts(
        state.name,
        source.url,
        campaign,
        source.digest,
        snapshot.scope,
        Columns.of(campaign),
        source.published,
        missing=len(missing),
        ranking=rank(source.comparisons),
        earlier=tuple((each.terms, under[each.revision]) for each in revisions[:-1]),
    )
    with writing(part / layout.LOG) as file:
        evidence = write_log(file, source.ledger, source.keys.log_verifier, state, snapshot)
    parquet = _write_items(part, source, facts, evidence, missing=missing, on_item=on_item)
    data = {f"{layout.DATA}/{path.name}": FileEntry(*sha256_file(path)) for path in parquet}
    others = _write_descriptions(part, facts, data)
    manifest = Manifest(
        network=state.network.hex(),
        network_name=state.name,
        campaign=campaign.id,
        task=campaign.task,
        parts=list(facts.columns.parts),
        columns=facts.columns.names,
        snapshot=source.digest.hex(),
        scope=facts.uses,
        items=facts.items,
        missing=[each.hex() for each in snapshot.items if each in missing],
        checkpoint=evidence.checkpoint.decode(),
        files=data | {name: FileEntry(*sha256_file(part / name)) for name in others},
    )
    _write_manifest(part, manifest, source.keys)
    return manifest


def _write_descriptions(part: Path, facts: Facts, data: Mapping[str, FileEntry]) -> list[str]:
    """Writes what describes the whole; gives the names of all files but the data and the manifest."""
    croissant = json.dumps(describe(facts, data), indent=2, ensure_ascii=False) + "\n"
    texts = {layout.CROISSANT: croissant.encode(), layout.CARD: render(facts).encode()}
    if facts.ranking is not None:
        texts[layout.RANKING] = encode_ranking(facts.campaign.id, facts.ranking)
    for name, text in texts.items():
        with writing(part / name) as file:
            file.write(text)
    return [*texts, layout.LOG, layout.ITEMS]


def _write_items(
    part: Path,
    source: Source,
    facts: Facts,
    evidence: Evidence,
    *,
    missing: Collection[ItemId],
    on_item: OnItem,
) -> list[Path]:
    """Writes rows and proofs, item by item; gives the Parquet files."""
    parquet = ParquetFiles(part, facts.columns)
    try:
        with writing(part / layout.ITEMS) as proofs:
            for item_id in source.snapshot.items:
                if item_id in missing:
                    proofs.write(missing_line(snapshot_leaf(source.state, item_id)))
                else:
                    proofs.write(_write_item(parquet, source, facts, evidence, item_id))
                on_item()
        if facts.items == 0:
            raise StateError("no item of the snapshot is here", "try again when nodes are online")
        return parquet.finish()
    finally:
        parquet.close()


def _write_item(
    parquet: ParquetFiles, source: Source, facts: Facts, evidence: Evidence, item_id: ItemId
) -> bytes:
    """Writes the row; gives the line that proves it."""
    item = source.state.items[item_id]
    opened = _read_parts(source.content, item_id, item, evidence)
    if item.answer is None or item.decided_in is None:
        raise StateError(
            f"item {item_id.hex()} is not decided", "run `commonhold coordinator fsck`"
        )
    decided = Decided(
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
        *((item.resembles, item.relation) if item.relation else ()),
    )
    contents = {name: part.content for name, part in opened.items()}
    facts.count(decided, contents)
    row = facts.columns.row(decided, contents)
    parquet.add(row, sum(map(len, contents.values())))
    leaf, verdict = evidence.described[item_id], evidence.verdicts[item_id]
    held = snapshot_leaf(source.state, item_id)
    return item_line(held, leaf, opened, item.submitted_at, verdict)


def _read_parts(
    content: ContentStore, item_id: ItemId, item: Item, evidence: Evidence
) -> dict[str, PartProof]:
    """Content of each part with what proves it, by its name."""
    parts = item.described().parts
    if sum(part.size for part in parts) > ITEM_BYTES_MAX:
        raise StateError(f"item {item_id.hex()} is larger than {ITEM_BYTES_MAX} bytes")
    opened = {}
    for part in parts:
        found = content.read(item_id, part.name, part.commitment)
        if found is None:
            raise StoreError(
                f"the {part.name} of item {item_id.hex()} is gone or damaged",
                "run the export again",
            )
        leaf = evidence.described[part.leaf] if part.leaf else b""
        opened[part.name] = PartProof(*found, leaf)
    return opened


def _write_manifest(part: Path, manifest: Manifest, keys: Keys) -> None:
    raw = manifest.encode()
    with writing(part / layout.MANIFEST) as file:
        file.write(raw)
    with writing(part / layout.SIGNATURE) as file:
        file.write(layout.sign_manifest(raw, keys.record_key, keys.sign_record))


def _publish(part: Path, folder: Path) -> None:
    """Gives the dataset its name. Crash between the two renames: the next export makes it again."""
    sync_directory(part)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(part, folder)
    sync_directory(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
