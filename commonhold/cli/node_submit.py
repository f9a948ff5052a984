"""Submitting files, and sending what is queued."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from commonground.client import CoordinatorClient
from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_report import counts_text
from commonhold.cli.node_sending import deliver, read_trusted
from commonhold.cli.options import Origin
from commonhold.cli.output import emit, progress
from node.blobs import BlobStore
from node.bringing.folders import drafts_of_files, expand
from node.bringing.labels import read_labels
from node.bringing.tables import read_table
from node.config import NodeConfig
from node.drafts import Draft
from node.follower import Follower
from node.outbox import send_again
from node.registration import joining, require_joining
from node.rows import OutboxState
from node.store import Store
from node.submission import Submitted, Submitter, Terms
from protocol.errors import ConfigError, Reject
from protocol.limits import HASH_BYTES
from protocol.media import CSV
from protocol.rows import Campaign
from protos.gen import records_pb2 as pb

ORIGINS: Final = {
    Origin.HUMAN: pb.ORIGIN_HUMAN,
    Origin.SENSOR: pb.ORIGIN_SENSOR,
    Origin.AGENT: pb.ORIGIN_AGENT,
    Origin.SYNTHETIC: pb.ORIGIN_SYNTHETIC,
}


@dataclass(frozen=True, slots=True)
class Items:
    """What is submitted: the rows of a table; or files, whose answers are in a list, or all the same."""

    paths: list[Path]
    table: Path | None = None
    labels: Path | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if bool(self.paths) == bool(self.table):
            raise ConfigError(
                "both files and a table are named" if self.paths else "nothing is named to submit",
                "name files or folders, or a table of items: --table FILE",
            )
        if self.labels is not None and self.label:
            raise ConfigError(
                "both a list of answers and one for all files are given",
                "give --labels FILE, or --label LABEL",
            )
        if self.table is not None and (self.labels is not None or self.label):
            raise ConfigError(
                "a table has its answers inside", "write them into its column `answer`"
            )


def submit(
    campaign: str,
    what: Items,
    terms: Terms,
    *,
    directory: Path | None,
    passphrase_path: Path | None,
    as_json: bool,
) -> None:
    """Submits the items of one campaign that somebody named."""
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    with open_store(home) as store, BlobStore(home.blobs) as blobs:
        follower = read_trusted(home, config, store)
        state = follower.state
        if (record := joining(keys, state)) is not None:
            store.enqueue(record)
        require_joining(store, keys.person, state)
        submitter = Submitter(store, blobs, keys, state, campaign)
        drafts = _drafts(what, submitter, state.campaigns[campaign])
        with progress(as_json) as bar:
            task = bar.add_task("preparing", total=len(drafts))
            done = submitter.submit_drafts(drafts, terms, lambda: bar.advance(task))
        asyncio.run(deliver(home, config, store, follower, quiet=as_json, reports="submission"))
        _report_submitted(store, done, as_json)


def _drafts(what: Items, submitter: Submitter, campaign: Campaign) -> list[Draft]:
    if what.table is not None:
        return read_table(what.table, campaign.parts)
    part = submitter.only_part()
    takes = next(each.media_types for each in campaign.parts if each.name == part)
    files = expand(what.paths, tables=CSV.name in takes)
    if what.labels is None:
        return drafts_of_files(files, part, what.label)
    answers = read_labels(what.labels)  # which says if there is no such file
    files = [path for path in files if not path.samefile(what.labels)]
    return drafts_of_files(files, part, answers)


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
    skipped = [{"file": each.name, "reason": each.reason} for each in done.skipped]
    data: dict[str, Any] = {
        "items": done.items,
        "skipped": skipped,
        "left": done.left,
        "batches": [{"entry": row.receipt_index, "state": row.state} for row in rows],
    }
    items = "1 item" if done.items == 1 else f"{done.items:,} items"
    lines = [f"{items} submitted in {len(rows)} {'batch' if len(rows) == 1 else 'batches'}"]
    lines += [f"left out: {each['file']}: {each['reason']}" for each in skipped]
    if done.left:
        lines.append(
            f"left for a later epoch: {done.left:,}, since you may submit no more in this one;"
            " run the command again then"
        )
    if any(row.state == OutboxState.POSTPONED for row in rows):
        lines.append(
            "some are more than you may submit in this epoch; they are sent again in the next"
        )
    emit(data, as_json, lambda: lines)


def send(directory: Path | None, again: bool, as_json: bool) -> None:
    """Sends what is queued; `again`: and what is sealed once more."""
    home, config = open_home(directory)
    with open_store(home) as store:
        asyncio.run(deliver(home, config, store, quiet=as_json))
        sent = asyncio.run(_again(config, store)) if again else 0
        counts = store.outbox_counts()
    emit(
        {"outbox": counts, "again": sent},
        as_json,
        lambda: (
            f"{sent} submissions were sent again"
            if again
            else counts_text(counts) or "nothing to send"
        ),
    )


async def _again(config: NodeConfig, store: Store) -> int:
    follower = Follower(store, config.link)
    follower.replay()
    async with CoordinatorClient(config.link, lambda: follower.verifier) as client:
        return await send_again(client, store)
