"""Submitting files, and sending what is queued."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from commonground.client import CoordinatorClient
from commonground.counting import plural
from commonhold.cli.finding import Found, ask_what, settle_origin
from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_report import counts_text
from commonhold.cli.node_sending import deliver, read_trusted
from commonhold.cli.options import Origin
from commonhold.cli.output import confirm, emit, progress
from commonhold.cli.submit_report import (
    LIST_NAME,
    end,
    end_stopped,
    report_plan,
    report_submitted,
    show_columns,
)
from node.blobs import BlobStore
from node.bringing.columns import Named
from node.bringing.sources import Asked, Brought, UnclearColumns, bring
from node.config import NodeConfig
from node.follower import Follower
from node.media.worker import DECODER
from node.orphans import putting
from node.outbox import send_again
from node.planning import Plan, Planner, Terms
from node.privacy.choice import Choice
from node.privacy.screening import Screening
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
    personal_data: Choice | None = None  # what to do where some is found; None: ask


def submit(
    campaign: str,
    asked: Asked,
    terms: Terms,
    how: How,
    screening: Screening,
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

        def planner(screening: Screening) -> Planner:
            return Planner(store, state, campaign, scale=how.scale, screening=screening)

        looked = _look(planner, asked, terms, how, screening, as_json=as_json)
        if how.dry_run:
            report_plan(looked.plan, looked.brought, looked.found, as_json)
        elif looked.choice is not Choice.STOP:
            with BlobStore(home.blobs) as blobs, putting(store, blobs), progress(as_json) as bar:
                task = bar.add_task("preparing", total=len(looked.plan.items))
                submitter = Submitter(
                    *(store, blobs, keys, state, campaign),
                    scale=how.scale,
                    screening=looked.screening,
                )
                done = submitter.queue(
                    looked.plan, looked.brought.drafts, terms, lambda: bar.advance(task)
                )
            if not isinstance(done.stopped, KeyboardInterrupt):
                sending = deliver(
                    home, config, store, follower, quiet=as_json, reports="submission"
                )
                asyncio.run(sending)
            report_submitted(
                *(store, done, looked.brought, looked.found),
                file=home.root / LIST_NAME,
                as_json=as_json,
            )
    if looked.choice is Choice.STOP:
        end_stopped(looked.plan, looked.found, how.dry_run, as_json)
    end(looked.plan, looked.takes, how.strict)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What would be submitted as its owner decided, and what was found on the way there."""

    plan: Plan
    brought: Brought
    found: Found
    choice: Choice
    screening: Screening
    takes: str  # the campaign's media, in words


def _look(
    planner_with: Callable[[Screening], Planner],
    asked: Asked,
    terms: Terms,
    how: How,
    screening: Screening,
    *,
    as_json: bool,
) -> _Looked:
    """Plans, and where personal data is found, asks; who redacts has all read once more."""
    screening = replace(screening, redacts=how.personal_data is Choice.REDACT)
    planner = planner_with(screening)
    brought = _bring(asked, planner.campaign)
    plan = _plan(planner, brought, terms, as_json)
    found = Found.of(plan)
    choice = _decide(plan, found, how, as_json)
    if choice is Choice.REDACT and not screening.redacts:
        screening = replace(screening, redacts=True)
        plan = _plan(planner_with(screening), brought, terms, as_json)
    if choice in (Choice.REDACT, Choice.LEAVE_OUT):
        plan = plan.without_personal()
    plan = settle_origin(plan, terms, may_ask=not (as_json or how.dry_run))
    brought = replace(brought, notes=(*brought.notes, *_without_answers(plan)))
    return _Looked(plan, brought, found, choice, screening, planner.takes())


def _without_answers(plan: Plan) -> Iterator[str]:
    """Says so where only some have one: where a campaign leaves it to people, they may be forgotten."""
    without = sum(not item.words for item in plan.items)
    if 0 < without < len(plan.items):
        yield f"{without:,} of {len(plan.items):,} items have no answer, and go without one"


def _plan(planner: Planner, brought: Brought, terms: Terms, as_json: bool) -> Plan:
    with progress(as_json) as bar:
        task = bar.add_task("reading", total=None)
        return planner.plan(brought.drafts, terms, lambda: bar.advance(task))


def _decide(plan: Plan, found: Found, how: How, as_json: bool) -> Choice:
    """What is done with what was found. Where nothing would leave this machine, nothing is asked."""
    if how.dry_run or as_json:
        chosen = how.personal_data or Choice.STOP
    elif how.personal_data is not None or not plan.personal:
        found.tell()
        chosen = how.personal_data or Choice.STOP
    else:
        chosen = ask_what(found, len(plan.personal))
    return chosen if plan.personal or chosen is Choice.REDACT else Choice.KEEP


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
            f"{plural(sent, 'submission was', 'submissions were')} sent again"
            if again
            else counts_text(counts) or "nothing to send"
        ),
    )


async def _again(config: NodeConfig, store: Store) -> int:
    follower = Follower(store, config.link)
    follower.replay()
    async with CoordinatorClient(config.link, lambda: follower.verifier) as client:
        return await send_again(client, store)
