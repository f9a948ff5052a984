"""`commonhold node withdraw`: takes back consent, and erases what the network has of an item."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sized
from pathlib import Path
from typing import Any, Final

import typer

from commonground.client import CoordinatorClient
from commonground.counting import plural
from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_sending import deliver
from commonhold.cli.output import EXIT_INTERRUPTED, confirm, emit, say, table
from node.blobs import BlobStore
from node.config import NodeConfig
from node.erasure import finish_erasure
from node.follower import Follower
from node.store import Store
from node.trust import require_trust
from node.withdrawal import (
    Plan,
    consequences,
    enqueue_withdrawal,
    find_item,
    make_plan,
    own_items,
    rounds_of,
    snapshots_with,
)
from protocol.errors import ConfigError, Ignore, Reject, StateError, Unreachable
from protocol.state import State

# Items that are listed one by one before the question; of more, their campaigns are.
SHOWN_MAX: Final = 20
NAMED_MAX: Final = 5  # that a message names
# Another process of this node reads for milliseconds; a running one finishes what is left.
ERASE_TRIES: Final = 3
_LATER: Final = (
    "the withdrawal is logged, and not all is erased here yet: a running node does the rest, or this"
    " command once more"
)


def withdraw(
    items: list[str],
    *,
    all_of: str,
    part: str,
    yes: bool,
    directory: Path | None,
    passphrase_path: Path | None,
    as_json: bool,
) -> None:
    """Withdraws the items named, or all of a campaign, or a part of each; asks before it, unless `yes`."""
    if bool(items) == bool(all_of):
        raise ConfigError(
            "both items and a campaign are named" if items else "nothing is named to withdraw",
            "give item ids, or --all-of CAMPAIGN; your node's page lists your items: `commonhold node page`",
        )
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    with open_store(home) as store, BlobStore(home.blobs) as blobs:
        require_trust(store)
        follower = Follower(store, config.link)
        follower.replay()
        _read_log(config, follower)
        _erase(store, blobs)  # what an earlier withdrawal left
        state, me = follower.state, keys.person
        named = [find_item(store, state, me, digits) for digits in items]
        wanted = own_items(state, me, all_of) if all_of else named
        plan = make_plan(state, wanted, part)
        _require_possible(state, plan, all_of, part)
        shares = _shares(state, plan, part)  # as it is before anything is withdrawn
        if not yes:
            _confirm(store, state, plan, part)
        digests = enqueue_withdrawal(store, keys, state.network, plan.now, part)
        asyncio.run(deliver(home, config, store, follower, quiet=as_json, reports="withdraw"))
        data = _data(plan, part, [_entry_of(store, digest) for digest in digests], shares)
        _read_log(config, follower)
        _erase(store, blobs)
        if store.has_residue() or not make_plan(state, plan.now, part).before:
            say(_LATER)
    emit(data, as_json, lambda: _text(data))
    if plan.reviewed:
        raise _in_review(state, plan)


def _read_log(config: NodeConfig, follower: Follower) -> None:
    """By ourselves, even if a daemon runs: what is erased here must not depend on it."""

    async def read() -> None:
        async with CoordinatorClient(config.link) as client:
            await follower.catch_up(client)

    try:
        asyncio.run(read())
    except Unreachable as error:
        if not follower.size:
            raise
        say(f"{error}; going on with what is known here")


def _require_possible(state: State, plan: Plan, all_of: str, part: str) -> None:
    """Items that were named are withdrawn together or not at all; of a campaign, those that can be."""
    if plan.without and not all_of:
        named = ", ".join(item_id.hex()[:12] for item_id in plan.without[:NAMED_MAX])
        raise ConfigError(f"{_count(plan.without)} without a {part}: {named}", "leave them out")
    if plan.reviewed and not (all_of and plan.now):
        raise _in_review(state, plan)
    if plan.now:
        return
    if plan.before:
        gone = f"the {part} of {_count(plan.before)}" if part else _count(plan.before)
        raise Ignore(f"{gone} withdrawn already", "there is nothing left to do")
    what = f"nothing with a {part}" if part else "nothing"
    raise StateError(
        f"you have submitted {what} to {all_of}", "`commonhold node status` shows where you have"
    )


def _in_review(state: State, plan: Plan) -> StateError:
    named = ", ".join(item_id.hex()[:12] for item_id in plan.reviewed[:NAMED_MAX])
    return StateError(
        f"{_count(plan.reviewed)} being reviewed: {named}",
        f"run the command again after {rounds_of(state, plan.reviewed)}",
    )


def _count(item_ids: Sized) -> str:
    return plural(len(item_ids), "item is", "items are")


# ---- asking ----


def _confirm(store: Store, state: State, plan: Plan, part: str) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(
            "withdrawing cannot be undone, and there is no terminal to ask at",
            "add --yes if you mean it",
        )
    names = {row.item_id: row.name for row in store.items()}
    rows: list[list[object]] = [
        [
            i.hex()[:12],
            names.get(i, ""),
            state.items[i].campaign_id,
            state.items[i].status.name.lower(),
        ]
        for i in plan.now[:SHOWN_MAX]
    ]
    title = f"Of which the {part} is to be withdrawn" if part else "To be withdrawn"
    say(table(title, ["item", "file", "campaign", "status"], rows))
    if len(plan.now) > SHOWN_MAX:
        say(f"and {len(plan.now) - SHOWN_MAX:,} more")
    say(_warnings(state, plan, part))
    if not confirm("Withdraw for good?"):
        raise typer.Exit(EXIT_INTERRUPTED)


def _shares(state: State, plan: Plan, part: str) -> list[str]:
    """What becomes of the shares that the items earned, under the terms of their campaigns."""
    if part:
        return ["The items stay what they are, with the shares that they earned."]
    lines = []
    for each in consequences(state, plan.now):
        if not each.accepted:
            continue
        becomes = (
            "as many of your next accepted items in it earn nothing"
            if each.repays
            else "the shares that they earned stay yours"
        )
        lines.append(f"{each.campaign_id}: accepted and paid {each.accepted:,}; {becomes}.")
    return lines


def _warnings(state: State, plan: Plan, part: str) -> list[str]:
    """What the person should know before."""
    lines = _shares(state, plan, part)
    if snapshots := snapshots_with(state, plan.now):
        holding = plural(snapshots, "dataset holds", "datasets hold")
        lines.append(f"{holding} some of them, and can no longer be licensed.")
    if plan.reviewed:
        lines.append(f"{_count(plan.reviewed)} being reviewed, and left out for now.")
    lines.append(
        "Honest nodes and the coordinator erase what they have. Copies that others made outside the"
        " network, and what was trained before, cannot be recalled."
    )
    return lines


# ---- doing ----


def _entry_of(store: Store, digest: bytes) -> int | None:
    """Where the log has the record; raises Reject when it was refused."""
    row = store.outbox_row(digest)
    if row is not None and row.state == "refused":
        raise Reject(
            f"the network refused the withdrawal: {row.last_error}",
            "nothing was erased; run the command again when it says it is possible",
        )
    return row.receipt_index if row is not None else None


def _erase(store: Store, blobs: BlobStore) -> None:
    for _ in range(ERASE_TRIES):
        if finish_erasure(store, blobs):
            return


def _data(plan: Plan, part: str, entries: list[int | None], shares: list[str]) -> dict[str, Any]:
    return {
        "part": part,
        "withdrawn": [item_id.hex() for item_id in plan.now],
        "withdrawn_before": [item_id.hex() for item_id in plan.before],
        "in_review": [item_id.hex() for item_id in plan.reviewed],
        "entries": entries,
        "shares": shares,
    }


def _text(data: dict[str, Any]) -> list[str]:
    count = len(data["withdrawn"])
    items = plural(count, "item")
    gone = f"The {data['part']} of {items} is" if data["part"] else _count(data["withdrawn"])
    return [
        f"{gone} withdrawn, and erased here.",
        *data["shares"],
        "The files that you submitted from are yours: delete them yourself if you want to.",
    ]
