"""Writes a dataset's folder: everything into a hidden one beside it, synced, then renamed.

If we crash before the rename, the hidden folder is left; the next export of the snapshot deletes it, and
so does the sweep when somebody withdraws from the snapshot. A half dataset never has a dataset's name.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from commonground.dataset import layout
from commonground.dataset.layout import FileEntry, Manifest
from commonground.dataset.parquet import count_rows
from commonground.dataset.policies import describe_policies
from commonground.dataset.rows import Columns
from commonground.dataset.splits import SplitTerms
from commonground.files import DIRECTORY_MODE, sha256_file, sync_directory, writing
from coordinator.dataset.card import render
from coordinator.dataset.croissant import describe
from coordinator.dataset.evidence import write_log
from coordinator.dataset.facts import Facts
from coordinator.dataset.items import ItemWriter, OnItem, Source
from coordinator.dataset.provenance import describe_provenance
from coordinator.dataset.ranking import encode_ranking
from coordinator.dataset.snapshots import folder_name
from coordinator.keys import Keys
from coordinator.ranking import rank
from protocol.errors import StoreError
from protocol.rows import ItemId


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
    datasets: Path,
    source: Source,
    missing: Collection[ItemId],
    on_item: OnItem,
    split: SplitTerms | None = None,
) -> Manifest:
    """Writes datasets/<snapshot>, in place of one that is there; the items `missing` are left out.

    Raises:
        StateError: nothing would be left, or for a split, or an item is too large for a Parquet file.
        StoreError: our disk failed, or content is gone or damaged that was to be here.
    """
    folder = dataset_path(datasets, source.digest)
    part = folder.with_name(f".{folder.name}.part")
    try:
        datasets.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=DIRECTORY_MODE)
        try:
            manifest = _fill(part, source, missing, on_item, split)
            _publish(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}") from error
    return manifest


def _fill(
    part: Path,
    source: Source,
    missing: Collection[ItemId],
    on_item: OnItem,
    split: SplitTerms | None,
) -> Manifest:
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
        split=split,
        missing=len(missing),
        ranking=rank(source.comparisons),
        earlier=tuple((each.terms, under[each.revision]) for each in revisions[:-1]),
    )
    with writing(part / layout.LOG) as file:
        evidence = write_log(file, source.ledger, source.keys.log_verifier, state, snapshot)
    writer = ItemWriter(part, source, facts, evidence, missing)
    parquet = writer.write(on_item)
    data = {f"{layout.DATA}/{path.name}": FileEntry(*sha256_file(path)) for path in parquet}
    rows = {f"{layout.DATA}/{path.name}": count_rows(path) for path in parquet}
    others = _write_descriptions(part, facts, data, rows)
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
        split=None if split is None else split.describe(),
        rows=facts.rows,
        checkpoint=evidence.checkpoint.decode(),
        files=data | {name: FileEntry(*sha256_file(part / name)) for name in others},
    )
    _write_manifest(part, manifest, source.keys)
    return manifest


def _write_descriptions(
    part: Path, facts: Facts, data: Mapping[str, FileEntry], rows: Mapping[str, int]
) -> list[str]:
    """Writes what describes the whole; gives the names of all files but the data and the manifest."""
    offered = describe_policies(facts.policies, facts.urn, facts.url)
    texts = {
        layout.CROISSANT: _json(describe(facts, data, rows)),
        layout.PROVENANCE: _json(describe_provenance(facts)),
        layout.POLICY: _json(offered),
        layout.CARD: render(facts).encode(),
    }
    if facts.ranking is not None:
        texts[layout.RANKING] = encode_ranking(facts.campaign.id, facts.ranking)
    for name, text in texts.items():
        with writing(part / name) as file:
            file.write(text)
    return [*texts, layout.LOG, layout.ITEMS]


def _json(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n"


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
