"""Submitting files, and sending what is queued."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from commonground.client import CoordinatorClient
from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_report import counts_text
from commonhold.cli.node_sending import deliver, read_trusted
from commonhold.cli.options import Origin
from commonhold.cli.output import confirm, emit, progress
from commonhold.cli.submit_report import LIST_NAME, end, report_plan, report_submitted, show_columns
from node.blobs import BlobStore
from node.bringing.columns import Named
from node.bringing.sources import Asked, Brought, UnclearColumns, bring
from node.config import NodeConfig
from node.follower import Follower
from node.media.worker import DECODER
from node.orphans import putting
from node.outbox import send_again
from node.planning import Planner, Terms
from node.registration import joining, require_joining
from node.store import Store
from node.submission import Submitter
from protocol.errors import ConfigError
from protocol.limits import HASH_BYTES
from protocol.rows import Campaign
from protos.gen import records_pb2 as pb

ORIGINS: Final = {
    Origin.HUMAN: pb.ORIGIN_HUMAN,
    Origin.SENSOR: pb.ORIGIN_SENSOR,
    Origin.AGENT: pb.ORIGIN_AGENT,
    Origin.SYNTHETIC: pb.ORIGIN_SYNTHETIC,
}


@dataclass(frozen=True, slots=True)
class How:
    """What is to be done beside submitting."""

    dry_run: bool = False  # only say what would be submitted
    scale: bool = False  # pictures that are too large are made smaller
    strict: bool = False  # anything left out is a failure


def submit(
    campaign: str,
    asked: Asked,
    terms: Terms,
    how: How,
    *,
    directory: Path | None,
    passphrase_path: Path | None,
    as_json: bool,
) -> None:
    """Submits the items of one campaign that somebody named."""
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    DECODER.start()  # meanwhile the log is read
    with open_store(home) as store:
        follower = read_trusted(home, config, store)
        state = follower.state
        if not how.dry_run:
            if (record := joining(keys, state)) is not None:
                store.enqueue(record)
            require_joining(store, keys.person, state)
        planner = Planner(store, state, campaign, scale=how.scale)
        brought = _bring(asked, planner.campaign)
        with progress(as_json) as bar:
            task = bar.add_task("reading", total=None)
            plan = planner.plan(brought.drafts, terms, lambda: bar.advance(task))
        if how.dry_run:
            report_plan(plan, brought, as_json)
        else:
            with BlobStore(home.blobs) as blobs, putting(store, blobs), progress(as_json) as bar:
                task = bar.add_task("preparing", total=len(plan.items))
                submitter = Submitter(store, blobs, keys, state, campaign, scale=how.scale)
                done = submitter.queue(plan, brought.drafts, terms, lambda: bar.advance(task))
            asyncio.run(deliver(home, config, store, follower, quiet=as_json, reports="submission"))
            report_submitted(store, done, brought, file=home.root / LIST_NAME, as_json=as_json)
    end(plan, planner.takes(), how.strict)


def _bring(asked: Asked, campaign: Campaign) -> Brought:
    """Asks what the columns of a table mean, where they do not say it and somebody is there to answer."""
    try:
        return bring(asked, campaign)
    except UnclearColumns as unclear:
        if unclear.proposal is None or not sys.stdin.isatty():
            raise
        show_columns(unclear.table, unclear.proposal)
        if not confirm("Is this what the columns mean?"):
            raise
        named = Named(unclear.proposal.columns, unclear.proposal.answer)
        return bring(replace(asked, named=named, header=unclear.table.header), campaign)


def item_id(text: str) -> bytes:
    """The id that these hexadecimal digits spell."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != HASH_BYTES:
        raise ConfigError(f"{text!r} is not an item id", "an item id has 64 hexadecimal digits")
    return digest


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
