"""Submitting files, and sending what is queued."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_report import counts_text
from commonhold.cli.node_sending import catch_up, deliver
from commonhold.cli.options import Origin
from commonhold.cli.output import emit, progress
from node.blobs import BlobStore
from node.follower import Follower, require_trust
from node.intake import read_labels
from node.registration import registration
from node.store import Store
from node.submission import Submitted, Submitter, Terms, expand
from protocol.errors import ConfigError, Reject
from protocol.limits import HASH_BYTES
from protos.gen import records_pb2 as pb

ORIGINS: Final = {
    Origin.HUMAN: pb.ORIGIN_HUMAN,
    Origin.SENSOR: pb.ORIGIN_SENSOR,
    Origin.AGENT: pb.ORIGIN_AGENT,
    Origin.SYNTHETIC: pb.ORIGIN_SYNTHETIC,
}


def submit(
    paths: list[Path],
    campaign: str,
    labels: Path | str,
    terms: Terms,
    *,
    directory: Path | None,
    passphrase_path: Path | None,
    as_json: bool,
) -> None:
    """Submits all files in `paths`; `labels` is a table of labels, or the one label of all files."""
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    with open_store(home) as store, BlobStore(home.blobs) as blobs:
        require_trust(store)
        follower = Follower(store, config.link)
        follower.replay()
        asyncio.run(catch_up(home, config, follower))
        if keys.identity not in follower.state.members:
            store.enqueue(registration(keys, config.link.network))
        submitter = Submitter(store, blobs, keys, follower.state, campaign)
        files = expand(paths)
        with progress(as_json) as bar:
            task = bar.add_task("preparing", total=len(files))
            given = read_labels(labels) if isinstance(labels, Path) else labels
            done = submitter.submit(files, given, terms, lambda: bar.advance(task))
        asyncio.run(deliver(home, config, store, quiet=as_json))
        _report_submitted(store, done, as_json)


def item_id(text: str) -> bytes:
    """The id that these hexadecimal digits spell."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != HASH_BYTES:
        raise ConfigError(f"{text!r} is not an item id", "an item id has 64 hexadecimal digits")
    return digest


def _report_submitted(store: Store, done: Submitted, as_json: bool) -> None:
    rows = [row for digest in done.batches if (row := store.outbox_row(digest)) is not None]
    refused = [row for row in rows if row.state == "refused"]
    if refused:
        raise Reject(
            f"the network refused {len(refused)} of {len(rows)} batches: {refused[0].last_error}",
            "correct what it says and run the command again; accepted batches are left out",
        )
    skipped = [{"file": each.path.name, "reason": each.reason} for each in done.skipped]
    data: dict[str, Any] = {
        "items": done.items,
        "skipped": skipped,
        "batches": [{"entry": row.receipt_index, "state": row.state} for row in rows],
    }
    lines = [f"{done.items} items submitted in {len(rows)} batches"]
    lines += [f"left out: {each['file']}: {each['reason']}" for each in skipped]
    emit(data, as_json, lambda: "\n".join(lines))


def send(directory: Path | None, as_json: bool) -> None:
    """Sends what is queued."""
    home, config = open_home(directory)
    with open_store(home) as store:
        asyncio.run(deliver(home, config, store, quiet=as_json))
        counts = store.outbox_counts()
    emit({"outbox": counts}, as_json, lambda: counts_text(counts) or "nothing to send")
